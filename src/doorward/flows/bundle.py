"""All flows together: what the doors are given."""

from dataclasses import dataclass

from doorward.flows.account import Account
from doorward.flows.admin import Administration
from doorward.flows.identities import Identities
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.providers import Providers
from doorward.flows.setup import Setup
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.ways import Ways


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows, connected to the world by `app`."""

    sign_in: SignIn
    upstream: UpstreamSignIn
    ways: Ways
    identities: Identities
    providers: Providers
    upstream_logout: UpstreamLogout
    sign_out: SignOut
    setup: Setup
    account: Account
    administration: Administration
