"""One gateway for each profile, started from a file that says no more than where it is.

It is shared by all tests, which is why each of them comes from addresses of its own.
"""

from collections.abc import Iterator

import pytest

from tests.profiles.gateway import HOME, Gateway, serve
from tests.profiles.pages import PAGES, Page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what needs the same gateway together, however many processes share the work."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        chosen = callspec.params.get("page") if callspec is not None else None
        if isinstance(chosen, Page):
            item.add_marker(pytest.mark.xdist_group(chosen.name))


@pytest.fixture(scope="session", params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Page:
    """What the profile promises."""
    chosen: Page = request.param
    return chosen


@pytest.fixture(scope="session")
def gateway(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The profile itself."""
    folder = tmp_path_factory.mktemp(page.name)
    more = f"cookie: {{domain: {HOME}}}\njwt: {{issuer: Doorward, audience: Programs}}\n"
    with serve(folder, page.name, cookie=page.cookie, more=more, variables=dict(page.variables)) as running:
        yield running
