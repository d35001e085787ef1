"""Which page answers where: the one table. A page not in it does not exist."""

from collections.abc import Callable, Mapping

from doorward.flows.bundle import Flows
from doorward.rules.policy import Policy
from doorward.web.pages.apps import AppsPage
from doorward.web.pages.desk import Desk
from doorward.web.pages.login import LoginPage
from doorward.web.pages.logout import LogoutPage
from doorward.web.pages.sessions import SessionsPage
from doorward.web.pages.setup import SetupPage
from doorward.web.route import Route


def build_routes(desk: Desk, flows: Flows, policy: Callable[[], Policy]) -> Mapping[str, Route]:
    """Connect the pages to the flows."""
    login = LoginPage(desk, flows.sign_in, flows.setup, policy)
    logout = LogoutPage(desk, flows.sign_out)
    setup = SetupPage(desk, flows.setup)
    sessions = SessionsPage(desk, flows.account, flows.administration)
    return {
        "/": Route(get=AppsPage(desk, policy).get),
        "/login": Route(get=login.get, post=login.post),
        "/logout": Route(get=logout.get, post=logout.post),
        "/signed-out": Route(get=logout.get_signed_out),
        "/setup": Route(get=setup.get, post=setup.post),
        "/sessions": Route(get=sessions.get),
        "/sessions/end": Route(post=sessions.post_end),
        "/admin/sessions": Route(get=sessions.get_all),
    }
