"""Which page answers where: the one table. A page not in it does not exist."""

from collections.abc import Callable

from doorward.flows.bundle import Flows
from doorward.rules.policy import Policy
from doorward.web.pages.account import AccountPage
from doorward.web.pages.apps import AppsPage
from doorward.web.pages.callback import CallbackPage
from doorward.web.pages.confirmed import ConfirmedPage
from doorward.web.pages.desk import Desk
from doorward.web.pages.login import LoginPage
from doorward.web.pages.logout import LogoutPage
from doorward.web.pages.notices import LogoutNotices
from doorward.web.pages.person import PersonPage
from doorward.web.pages.providers import ProvidersPage
from doorward.web.pages.sessions import SessionsPage
from doorward.web.pages.setup import SetupPage
from doorward.web.pages.steps import StepsPage
from doorward.web.pages.users import UsersPage
from doorward.web.route import Route, Routes, Who


def build_routes(desk: Desk, flows: Flows, policy: Callable[[], Policy]) -> Routes:
    """Connect the pages to the flows."""
    steps = StepsPage(desk, flows.sign_in, policy)
    login = LoginPage(desk, flows.sign_in, flows.setup, flows.ways, flows.upstream, policy, steps)
    callback = CallbackPage(desk, flows.upstream, flows.ways, policy)
    logout = LogoutPage(desk, flows.sign_out)
    setup = SetupPage(desk, flows.setup)
    account = AccountPage(desk, flows.ways, flows.upstream, flows.identities)
    users = UsersPage(desk, flows.administration, flows.identities, flows.ways)
    person = PersonPage(desk, flows.administration)
    sessions = SessionsPage(desk, flows.account, flows.administration)
    providers = ProvidersPage(desk, flows.providers, flows.ways)
    notices = LogoutNotices(desk, flows.upstream_logout, flows.ways)
    return {
        "/": Route(Who.SOMEBODY, get=AppsPage(desk, policy).get),
        "/login": Route(Who.ANYBODY, get=login.get, post=login.post),
        "/login/with": Route(Who.ANYBODY, post=login.post_with),
        "/login/passkey": Route(Who.ANYBODY, post=login.post_passkey),
        "/login/passkey/options": Route(Who.ANYBODY, post=login.post_passkey_options),
        "/login/factor": Route(Who.ANYBODY, get=steps.get_factor, post=steps.post_factor),
        "/login/recovery-code": Route(Who.ANYBODY, post=steps.post_recovery_code),
        "/login/new-password": Route(Who.ANYBODY, get=steps.get_new_password, post=steps.post_new_password),
        "/login/callback/*": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/api/auth/login": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/api/auth/oidc/callback": Route(Who.ANYBODY, get=callback.get, secretive=True),
        "/confirmed": Route(Who.SOMEBODY, get=ConfirmedPage(desk).get),
        "/logout": Route(Who.ANYBODY, get=logout.get, post=logout.post),
        "/logout/backchannel/*": Route(Who.ANYBODY, post=notices.post),
        "/logout/frontchannel/*": Route(Who.ANYBODY, get=notices.get),
        "/signed-out": Route(Who.ANYBODY, get=logout.get_signed_out),
        "/setup": Route(Who.ANYBODY, get=setup.get, post=setup.post),
        "/account": Route(Who.SOMEBODY, get=account.get),
        "/account/link": Route(Who.SOMEBODY, post=account.post_link, back="/account"),
        "/account/unlink": Route(Who.SOMEBODY, post=account.post_unlink, back="/account"),
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
        "/admin/users/delete": Route(Who.ADMINISTRATOR, post=person.post_delete, back="/admin/users"),
        "/admin/providers": Route(Who.ADMINISTRATOR, get=providers.get),
        "/admin/providers/new": Route(Who.ADMINISTRATOR, get=providers.get_new, post=providers.post_new),
        "/admin/providers/edit/*": Route(Who.ADMINISTRATOR, get=providers.get_edit, post=providers.post_edit),
        "/admin/providers/test": Route(Who.ADMINISTRATOR, post=providers.post_test, back="/admin/providers"),
        "/admin/providers/enable": Route(Who.ADMINISTRATOR, post=providers.post_enable, back="/admin/providers"),
        "/admin/providers/disable": Route(Who.ADMINISTRATOR, post=providers.post_disable, back="/admin/providers"),
        "/admin/providers/remove": Route(Who.ADMINISTRATOR, post=providers.post_remove, back="/admin/providers"),
        "/admin/providers/passwords": Route(Who.ADMINISTRATOR, post=providers.post_passwords, back="/admin/providers"),
    }
