"""All flows together: what the doors are given."""

from dataclasses import dataclass

from doorward.flows.account import Account
from doorward.flows.admin import Administration
from doorward.flows.alert_desk import AlertDesk
from doorward.flows.app_keys import AppKeys
from doorward.flows.app_secrets import AppSecrets
from doorward.flows.asserted import AssertedSignIn
from doorward.flows.assertion_keys import AssertionKeys, Minter
from doorward.flows.audit_trail import AuditTrail
from doorward.flows.audit_watch import AuditWatch
from doorward.flows.backups import Backups
from doorward.flows.break_glass import BreakGlass
from doorward.flows.decisions import Decisions
from doorward.flows.enrolment import Enrolment
from doorward.flows.erasure import Erasure
from doorward.flows.factors import Factors
from doorward.flows.identities import Identities
from doorward.flows.importing import Importing
from doorward.flows.invites import Invites
from doorward.flows.key_uses import KeyUses
from doorward.flows.lockdown import Lockdowns
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.lookout import Lookout
from doorward.flows.own_record import OwnRecord
from doorward.flows.pairing import Pairing
from doorward.flows.policies import Policies
from doorward.flows.post import Post
from doorward.flows.profile import Profile
from doorward.flows.providers import Providers
from doorward.flows.recovery import Recovery
from doorward.flows.registration import Registration
from doorward.flows.restoring import Restoring
from doorward.flows.retention import Retention
from doorward.flows.safekeeping import Safekeeping
from doorward.flows.setup import Setup
from doorward.flows.signing_keys import SigningKeys
from doorward.flows.turnstile import Turnstile
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.ways import Ways


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows, connected to the world by `app`."""

    sign_in: SignIn
    asserted: AssertedSignIn
    upstream: UpstreamSignIn
    ways: Ways
    identities: Identities
    providers: Providers
    upstream_logout: UpstreamLogout
    sign_out: SignOut
    setup: Setup
    account: Account
    administration: Administration
    enrolment: Enrolment
    factors: Factors
    profile: Profile
    own_record: OwnRecord
    registration: Registration
    invites: Invites
    recovery: Recovery
    policies: Policies
    post: Post
    alert_desk: AlertDesk
    lookout: Lookout
    turnstile: Turnstile
    audit: AuditTrail
    audit_watch: AuditWatch
    importing: Importing
    backups: Backups
    restoring: Restoring
    lockdowns: Lockdowns
    safekeeping: Safekeeping
    break_glass: BreakGlass
    signing_keys: SigningKeys
    assertion_keys: AssertionKeys
    minter: Minter
    decisions: Decisions
    retention: Retention
    erasure: Erasure
    app_secrets: AppSecrets
    app_keys: AppKeys
    pairing: Pairing
    key_uses: KeyUses
