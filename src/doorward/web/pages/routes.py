"""Which page answers where: the one table. A page not in it does not exist."""

from collections.abc import Callable

from doorward.flows.bundle import Flows
from doorward.flows.throttle import Bucket
from doorward.rules.policy import Policy
from doorward.web.pages.account import AccountPage
from doorward.web.pages.alerts import AlertsPage
from doorward.web.pages.app_secrets import AppSecretsPage
from doorward.web.pages.apps import AppsPage
from doorward.web.pages.asserted import AssertedEntry
from doorward.web.pages.audit import AuditPage
from doorward.web.pages.backups import BackupsPage
from doorward.web.pages.break_glass import BreakGlassPage
from doorward.web.pages.callback import CallbackPage
from doorward.web.pages.confirmed import ConfirmedPage
from doorward.web.pages.console import hold_console
from doorward.web.pages.counted import count_acts
from doorward.web.pages.decisions import DecisionsPage
from doorward.web.pages.desk import Desk
from doorward.web.pages.enrol import EnrolPage
from doorward.web.pages.incident import IncidentPage
from doorward.web.pages.invites import InvitesPage
from doorward.web.pages.key_routes import build_key_routes
from doorward.web.pages.key_set import ADDRESS as JWKS
from doorward.web.pages.key_set import KeySetPage
from doorward.web.pages.keys import KeysPage
from doorward.web.pages.letters import LettersPage
from doorward.web.pages.login import LoginPage
from doorward.web.pages.logout import LogoutPage
from doorward.web.pages.notices import LogoutNotices
from doorward.web.pages.pairing_routes import build_pairing_routes
from doorward.web.pages.person import PersonPage
from doorward.web.pages.policy import PolicyPage
from doorward.web.pages.profile import ProfilePage
from doorward.web.pages.providers import ProvidersPage
from doorward.web.pages.recovery import RecoveryPage
from doorward.web.pages.register import RegisterPage
from doorward.web.pages.safekeeping import SafekeepingPage
from doorward.web.pages.security import SecurityPage
from doorward.web.pages.security_txt import SecurityTxtPage
from doorward.web.pages.sessions import SessionsPage
from doorward.web.pages.setup import SetupPage
from doorward.web.pages.steps import StepsPage
from doorward.web.pages.users import UsersPage
from doorward.web.route import Route, Routes, Who


def build_routes(desk: Desk, flows: Flows, policy: Callable[[], Policy]) -> Routes:
    """Connect the pages to the flows."""
    steps = StepsPage(desk, flows.sign_in, flows.app_keys, policy)
    login = LoginPage(
        desk,
        flows.sign_in,
        flows.setup,
        flows.ways,
        flows.upstream,
        policy,
        steps,
        flows.registration,
        AssertedEntry(desk, flows.asserted, policy),
    )
    enrol = EnrolPage(desk, flows.sign_in, flows.enrolment, steps)
    recovery = RecoveryPage(desk, flows.recovery, policy)
    register = RegisterPage(desk, flows.registration, flows.ways, flows.upstream, policy)
    callback = CallbackPage(desk, flows.upstream, flows.ways, policy)
    logout = LogoutPage(desk, flows.sign_out)
    setup = SetupPage(desk, flows.setup, policy)
    account = AccountPage(desk, flows.ways, flows.upstream, flows.identities, flows.factors)
    security = SecurityPage(desk, flows.factors, flows.own_record)
    profile = ProfilePage(
        desk, flows.profile, flows.own_record, flows.ways, flows.post, flows.factors, flows.lookout, flows.app_keys
    )
    users = UsersPage(desk, flows.administration, flows.identities, flows.ways)
    person = PersonPage(desk, flows.administration, flows.own_record, flows.recovery, flows.erasure)
    invites = InvitesPage(desk, flows.invites, flows.registration, flows.post)
    policies = PolicyPage(desk, flows.policies)
    audit = AuditPage(desk, flows.audit)
    decisions = DecisionsPage(desk, flows.decisions, flows.retention)
    letters = LettersPage(desk, flows.post)
    keys = KeysPage(desk, flows.signing_keys, flows.assertion_keys)
    alerts = AlertsPage(desk, flows.alert_desk)
    backups = BackupsPage(desk, flows.backups, flows.restoring)
    app_secrets = AppSecretsPage(desk, flows.app_secrets)
    sessions = SessionsPage(desk, flows.account, flows.administration, flows.turnstile)
    providers = ProvidersPage(desk, flows.providers, flows.ways)
    incident = IncidentPage(desk, flows.lockdowns, flows.break_glass)
    break_glass = BreakGlassPage(desk, flows.break_glass)
    safekeeping = SafekeepingPage(desk, flows.safekeeping, lambda path: path in pages)
    notices = LogoutNotices(desk, flows.upstream_logout, flows.ways)
    pages = {
        "/": Route(Who.SOMEBODY, get=AppsPage(desk, policy).get),
        "/login": Route(Who.ANYBODY, get=login.get, post=login.post),
        "/login/with": Route(Who.ANYBODY, post=login.post_with),
        "/login/passkey": Route(Who.ANYBODY, post=login.post_passkey),
        "/login/passkey/options": Route(Who.ANYBODY, post=login.post_passkey_options),
        "/login/factor": Route(Who.ANYBODY, get=steps.get_factor, post=steps.post_factor),
        "/login/recovery-code": Route(Who.ANYBODY, post=steps.post_recovery_code),
        "/login/new-password": Route(Who.ANYBODY, get=steps.get_new_password, post=steps.post_new_password),
        "/login/enrol": Route(Who.ANYBODY, get=enrol.get_enrol),
        "/login/enrol/later": Route(Who.ANYBODY, post=enrol.post_later),
        "/login/enrol/totp": Route(Who.ANYBODY, post=enrol.post_totp),
        "/login/enrol/passkey": Route(Who.ANYBODY, post=enrol.post_passkey),
        "/login/enrol/passkey/options": Route(Who.ANYBODY, post=enrol.post_passkey_options),
        "/login/codes": Route(Who.ANYBODY, get=enrol.get_codes, post=enrol.post_codes),
        "/recover": Route(Who.ANYBODY, get=recovery.get, post=recovery.post),
        "/reset": Route(Who.ANYBODY, get=recovery.get_reset, post=recovery.post_reset),
        "/register": Route(Who.ANYBODY, get=register.get, post=register.post),
        "/register/mail": Route(Who.ANYBODY, post=register.post_mail),
        "/register/with": Route(Who.ANYBODY, post=register.post_with),
        "/login/callback/*": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/api/auth/login": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/api/auth/oidc/callback": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/confirmed": Route(Who.SOMEBODY, get=ConfirmedPage(desk).get),
        "/logout": Route(Who.ANYBODY, get=logout.get, post=logout.post),
        "/logout/backchannel/*": Route(Who.ANYBODY, post=notices.post),
        "/logout/frontchannel/*": Route(Who.ANYBODY, get=notices.get, framed=True),
        "/signed-out": Route(Who.ANYBODY, get=logout.get_signed_out),
        "/setup": Route(Who.ANYBODY, get=setup.get, post=setup.post),
        JWKS: Route(Who.ANYBODY, get=KeySetPage(flows.assertion_keys).get),
        "/.well-known/security.txt": Route(Who.ANYBODY, get=SecurityTxtPage(desk).get),
        "/break-glass": Route(Who.ANYBODY, get=break_glass.get, post=break_glass.post),
        "/account": Route(Who.SOMEBODY, get=account.get),
        "/account/link": Route(Who.SOMEBODY, post=account.post_link, back="/account"),
        "/account/unlink": Route(Who.SOMEBODY, post=account.post_unlink, back="/account"),
        "/account/security": Route(Who.SOMEBODY, get=security.get),
        "/account/totp": Route(Who.SOMEBODY, get=security.get_totp, post=security.post_totp),
        "/account/totp/remove": Route(Who.SOMEBODY, post=security.post_totp_remove, back="/account/security"),
        "/account/passkeys": Route(Who.SOMEBODY, post=security.post_passkey, back="/account/security"),
        "/account/passkeys/options": Route(Who.SOMEBODY, post=security.post_passkey_options, back="/account/security"),
        "/account/passkeys/rename": Route(Who.SOMEBODY, post=security.post_passkey_rename, back="/account/security"),
        "/account/passkeys/remove": Route(Who.SOMEBODY, post=security.post_passkey_remove, back="/account/security"),
        "/account/codes": Route(Who.SOMEBODY, get=security.get_codes, post=security.post_codes),
        "/account/codes/keep": Route(Who.SOMEBODY, post=security.post_codes_keep, back="/account/security"),
        "/account/sign-ins/disown": Route(Who.SOMEBODY, post=security.post_disown, back="/account/security"),
        "/account/profile": Route(Who.SOMEBODY, get=profile.get, post=profile.post),
        "/account/email": Route(Who.ANYBODY, get=profile.get_email, post=profile.post_confirm_email),
        "/account/email/ask": Route(Who.SOMEBODY, post=profile.post_email, back="/account/profile"),
        "/account/password": Route(Who.SOMEBODY, post=profile.post_password, back="/account/profile"),
        "/account/locations": Route(Who.SOMEBODY, post=profile.post_locations, back="/account/profile"),
        "/account/export": Route(Who.SOMEBODY, post=profile.post_export, back="/account/profile"),
        "/account/delete": Route(Who.SOMEBODY, post=profile.post_delete, back="/account/profile"),
        **build_key_routes(desk, flows, policy),
        **build_pairing_routes(desk, flows),
        "/sessions": Route(Who.SOMEBODY, get=sessions.get),
        "/sessions/end": Route(Who.SOMEBODY, post=sessions.post_end, back="/sessions"),
        "/admin/sessions": Route(Who.ADMINISTRATOR, get=sessions.get_all),
        "/admin/users": Route(Who.ADMINISTRATOR, get=users.get),
        "/admin/users/unlink": Route(Who.ADMINISTRATOR, post=users.post_unlink, back="/admin/users"),
        "/admin/users/person": Route(Who.ADMINISTRATOR, get=person.get),
        "/admin/users/new": Route(Who.ADMINISTRATOR, get=person.get_new, post=person.post_new),
        "/admin/users/edit": Route(Who.ADMINISTRATOR, post=person.post_edit, back="/admin/users"),
        "/admin/users/groups": Route(Who.ADMINISTRATOR, post=person.post_groups, back="/admin/users"),
        "/admin/users/act": Route(Who.ADMINISTRATOR, post=person.post_act, back="/admin/users"),
        "/admin/users/link": Route(Who.ADMINISTRATOR, post=person.post_hand_out, back="/admin/users"),
        "/admin/users/export": Route(Who.ADMINISTRATOR, post=person.post_export, back="/admin/users"),
        "/admin/users/delete": Route(
            Who.ADMINISTRATOR, post=person.post_delete, back="/admin/users", also_counts=Bucket.DESTRUCTIVE
        ),
        "/admin/invites": Route(Who.ADMINISTRATOR, get=invites.get, post=invites.post),
        "/admin/invites/revoke": Route(Who.ADMINISTRATOR, post=invites.post_revoke, back="/admin/invites"),
        "/admin/policy": Route(Who.ADMINISTRATOR, get=policies.get),
        "/admin/policy/mfa": Route(Who.ADMINISTRATOR, post=policies.post_mfa, back="/admin/policy"),
        "/admin/policy/registration": Route(Who.ADMINISTRATOR, post=policies.post_registration, back="/admin/policy"),
        "/admin/keys": Route(Who.ADMINISTRATOR, get=keys.get),
        "/admin/keys/assertion": Route(
            Who.ADMINISTRATOR, post=keys.post_assertion, back="/admin/keys", also_counts=Bucket.DESTRUCTIVE
        ),
        "/admin/keys/signing": Route(
            Who.ADMINISTRATOR, post=keys.post_signing, back="/admin/keys", also_counts=Bucket.DESTRUCTIVE
        ),
        "/admin/audit": Route(Who.ADMINISTRATOR, get=audit.get),
        "/admin/audit/verify": Route(Who.ADMINISTRATOR, post=audit.post_verify, back="/admin/audit"),
        "/admin/audit/export": Route(Who.ADMINISTRATOR, post=audit.post_export, back="/admin/audit"),
        "/admin/decisions": Route(Who.ADMINISTRATOR, get=decisions.get),
        "/admin/mail": Route(Who.ADMINISTRATOR, get=letters.get),
        "/admin/mail/retry": Route(Who.ADMINISTRATOR, post=letters.post_retry, back="/admin/mail"),
        "/admin/mail/test": Route(Who.ADMINISTRATOR, post=letters.post_test, back="/admin/mail"),
        "/admin/app-secrets": Route(Who.ADMINISTRATOR, get=app_secrets.get, post=app_secrets.post),
        "/admin/app-secrets/remove": Route(Who.ADMINISTRATOR, post=app_secrets.post_remove, back="/admin/app-secrets"),
        "/admin/alerts": Route(Who.ADMINISTRATOR, get=alerts.get),
        "/admin/alerts/test": Route(Who.ADMINISTRATOR, post=alerts.post_test, back="/admin/alerts"),
        "/admin/backups": Route(Who.ADMINISTRATOR, get=backups.get),
        "/admin/backups/create": Route(
            Who.ADMINISTRATOR, post=backups.post_create, back="/admin/backups", also_counts=Bucket.BACKUP
        ),
        "/admin/backups/drill": Route(
            Who.ADMINISTRATOR, post=backups.post_drill, back="/admin/backups", also_counts=Bucket.BACKUP
        ),
        "/admin/backups/preview": Route(Who.ADMINISTRATOR, post=backups.post_preview, back="/admin/backups"),
        "/admin/backups/restore": Route(
            Who.ADMINISTRATOR, post=backups.post_restore, back="/admin/backups", also_counts=Bucket.DESTRUCTIVE
        ),
        "/admin/backups/delete": Route(
            Who.ADMINISTRATOR, post=backups.post_delete, back="/admin/backups", also_counts=Bucket.DESTRUCTIVE
        ),
        "/admin/providers": Route(Who.ADMINISTRATOR, get=providers.get),
        "/admin/providers/new": Route(Who.ADMINISTRATOR, get=providers.get_new, post=providers.post_new),
        "/admin/providers/edit/*": Route(Who.ADMINISTRATOR, get=providers.get_edit, post=providers.post_edit),
        "/admin/providers/test": Route(Who.ADMINISTRATOR, post=providers.post_test, back="/admin/providers"),
        "/admin/providers/enable": Route(Who.ADMINISTRATOR, post=providers.post_enable, back="/admin/providers"),
        "/admin/providers/disable": Route(Who.ADMINISTRATOR, post=providers.post_disable, back="/admin/providers"),
        "/admin/providers/remove": Route(Who.ADMINISTRATOR, post=providers.post_remove, back="/admin/providers"),
        "/admin/providers/passwords": Route(Who.ADMINISTRATOR, post=providers.post_passwords, back="/admin/providers"),
        "/admin/safekeeping": Route(Who.ADMINISTRATOR, get=safekeeping.get),
        "/admin/incident": Route(Who.ADMINISTRATOR, get=incident.get),
        "/admin/incident/lockdown": Route(Who.ADMINISTRATOR, post=incident.post_lockdown, back="/admin/incident"),
        "/admin/incident/kit": Route(Who.ADMINISTRATOR, post=incident.post_kit, back="/admin/incident"),
        "/admin/incident/kit/revoke": Route(Who.ADMINISTRATOR, post=incident.post_revoke, back="/admin/incident"),
        "/admin/incident/lift": Route(Who.ADMINISTRATOR, post=incident.post_lift, back="/admin/incident"),
    }
    return hold_console(count_acts(pages, desk, flows.turnstile), desk, flows.lockdowns)
