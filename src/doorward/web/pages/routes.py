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
from doorward.web.pages.providers import ProvidersPage
from doorward.web.pages.sessions import SessionsPage
from doorward.web.pages.setup import SetupPage
from doorward.web.pages.users import UsersPage
from doorward.web.route import Route, Routes


def build_routes(desk: Desk, flows: Flows, policy: Callable[[], Policy]) -> Routes:
    """Connect the pages to the flows."""
    login = LoginPage(desk, flows.sign_in, flows.setup, flows.ways, flows.upstream, policy)
    callback = CallbackPage(desk, flows.upstream, flows.ways, policy)
    logout = LogoutPage(desk, flows.sign_out)
    setup = SetupPage(desk, flows.setup)
    account = AccountPage(desk, flows.ways, flows.upstream, flows.identities)
    users = UsersPage(desk, flows.administration, flows.identities, flows.ways)
    sessions = SessionsPage(desk, flows.account, flows.administration)
    providers = ProvidersPage(desk, flows.providers, flows.ways)
    notices = LogoutNotices(desk, flows.upstream_logout, flows.ways)
    return {
        "/": Route(get=AppsPage(desk, policy).get),
        "/login": Route(get=login.get, post=login.post),
        "/login/with": Route(post=login.post_with),
        "/login/callback/*": Route(get=callback.get, secretive=True),
        "/api/auth/login": Route(get=callback.get, secretive=True),
        "/api/auth/oidc/callback": Route(get=callback.get, secretive=True),
        "/confirmed": Route(get=ConfirmedPage(desk).get),
        "/logout": Route(get=logout.get, post=logout.post),
        "/logout/backchannel/*": Route(post=notices.post),
        "/logout/frontchannel/*": Route(get=notices.get),
        "/signed-out": Route(get=logout.get_signed_out),
        "/setup": Route(get=setup.get, post=setup.post),
        "/account": Route(get=account.get),
        "/account/link": Route(post=account.post_link),
        "/account/unlink": Route(post=account.post_unlink),
        "/sessions": Route(get=sessions.get),
        "/sessions/end": Route(post=sessions.post_end),
        "/admin/sessions": Route(get=sessions.get_all),
        "/admin/users": Route(get=users.get),
        "/admin/users/unlink": Route(post=users.post_unlink),
        "/admin/providers": Route(get=providers.get),
        "/admin/providers/new": Route(get=providers.get_new, post=providers.post_new),
        "/admin/providers/edit/*": Route(get=providers.get_edit, post=providers.post_edit),
        "/admin/providers/test": Route(post=providers.post_test),
        "/admin/providers/enable": Route(post=providers.post_enable),
        "/admin/providers/disable": Route(post=providers.post_disable),
        "/admin/providers/remove": Route(post=providers.post_remove),
        "/admin/providers/passwords": Route(post=providers.post_passwords),
    }
