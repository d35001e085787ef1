"""What the journeys share that is slow to start and keeps nothing of anybody: the provider, and certificates."""

from collections.abc import Iterator

import pytest

from tests.browser.abroad import CLIENTS
from tests.integration.tls import Certificates, make_certificates
from tests.integration.upstream.provider import RealProvider


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for *.example.com."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[RealProvider]:
    """The certified provider, which knows one client for each part that a provider plays here."""
    provider = RealProvider(tmp_path_factory.mktemp("provider"), trusting=certificates.authority)
    provider.register(CLIENTS)
    provider.start()
    yield provider
    provider.stop()
