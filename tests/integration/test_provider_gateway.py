"""The gateway, a certified provider, and Traefik: whole sign-ins, and what ends them."""

from collections.abc import Iterator

import pytest

from tests.integration.echo import EchoApp
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import RealProvider
from tests.integration.upstream.registered import PUBLIC_URL, OwnKey
from tests.integration.upstream.town import APP, Town, open_town
from tests.integration.upstream.walker import Walker, find_onward


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory,
    app: EchoApp,
    real_provider: RealProvider,
    own_key: OwnKey,
    certificates: Certificates,
) -> Iterator[Town]:
    with open_town(tmp_path_factory.mktemp, app, real_provider, own_key, certificates) as town:
        yield town


@pytest.mark.parametrize("way", ["basic", "post", "key", "public", "pushed", "tied"])
def test_somebody_signs_in_with_every_kind_of_client(town: Town, way: str) -> None:
    """C-05."""
    walker = town.walker()
    page = town.sign_in(walker, way, to=f"{APP}/a/b?c=d&e=%20f")
    assert page.url == f"{APP}/a/b?c=d&e=%20f"
    assert page.reply.status == 200
