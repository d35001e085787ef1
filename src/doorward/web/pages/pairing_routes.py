"""Which page about pairing answers where: a part of the one table."""

from doorward.flows.bundle import Flows
from doorward.web.pages.desk import Desk
from doorward.web.pages.pairing import MetadataPage, PairingPage
from doorward.web.pairing import PAGE_PATH
from doorward.web.route import Route, Routes, Who


def build_pairing_routes(desk: Desk, flows: Flows) -> Routes:
    """Where a code is typed and answered, and what clients read first."""
    page = PairingPage(desk, flows.pairing, flows.app_keys, flows.factors)
    metadata = MetadataPage(desk, flows.pairing, flows.assertion_keys)
    return {
        PAGE_PATH: Route(Who.SOMEBODY, get=page.get, post=page.post, carries="code"),
        f"{PAGE_PATH}/answer": Route(Who.SOMEBODY, post=page.post_answer, back=PAGE_PATH),
        "/.well-known/oauth-authorization-server": Route(Who.ANYBODY, get=metadata.get),
    }
