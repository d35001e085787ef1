"""One Doorward for the whole suite, and the invariants after every test that touches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.attacks.abroad import SPARES, Scene, abroad, entry
from tests.attacks.household import House, household
from tests.attacks.invariants import attacked, count_files, count_memory
from tests.attacks.stage import ALICE, BOB, CONFIG, DORA, ROOT, Stage, serving
from tests.attacks.wire import DIALECTS
from tests.fakes import github as octo
from tests.integration.processes import free_ports

MEMORY_SLACK = 64 * 1024 * 1024
"""Bytes that caches with a bound, and the allocator, may keep after everything."""
FILES_SLACK = 2

PROVIDERS: dict[str, dict[str, Any] | None] = {
    "idp": {"groups_claim": "groups", "admin_claim": "roles", "admin_value": "ruler"},
    "other": {},
    "closed": {"auto_provision": False},
    "matching": {"auto_provision": False, "link_by_email": True},
    "google": {"type": "google", "issuer_url": None},
    "tied": {
        "scopes": ["openid", "email", "profile", "offline_access"],
        "check_every": "1m",
        "groups_claim": "groups",
        "allowed_groups": ["staff"],
        "admin_claim": "roles",
        "admin_value": "ruler",
    },
    "listed": None,
}
"""The providers of the shared stage, by id, and what is set about each; None: not in the file."""


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage with its people. At the end, memory and open files are back where they were (invariant 9)."""
    folder = tmp_path_factory.mktemp("stage")
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    with serving(folder, text, port, first=ROOT) as stage:
        stage.metrics = metrics
        for person in (ALICE, BOB, DORA):
            stage.add(person)
        stage.command("user", "disable", DORA.name)
        files, memory = warm_up(stage)
        yield stage
        pid = stage.gateway.process.pid
        stage.hang_up()
        stage.gateway.process.wait_until(lambda: count_files(pid) <= files + FILES_SLACK)
        assert count_memory(pid) <= memory + MEMORY_SLACK


@pytest.fixture
def stage(theatre: Stage) -> Iterator[Stage]:
    """The stage for one attack, and the invariants after it."""
    with attacked(theatre):
        yield theatre


@pytest.fixture(scope="session")
def coast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The stage with providers, and people who are known at one and people who are known here."""
    github = entry("github", None, type="github", client_id=octo.CLIENT_ID, client_secret=octo.CLIENT_SECRET)
    with abroad(tmp_path_factory.mktemp("coast"), PROVIDERS, more=[github], first=ROOT) as scene:
        for person in (ALICE, BOB, DORA):
            scene.stage.add(person)
        scene.stage.command("user", "disable", DORA.name)
        with quiet_afterwards(scene):
            yield scene


@contextmanager
def quiet_afterwards(scene: Scene) -> Iterator[None]:
    """At the end, memory and open files are back where they were when every part had been used once (invariant 9)."""
    scene.signed_in("alice").get("/account")
    scene.examine("idp")
    scene.stage.hang_up()
    process = scene.stage.gateway.process
    files, memory = count_files(process.pid), count_memory(process.pid)
    yield
    scene.stage.hang_up()
    process.wait_until(lambda: count_files(process.pid) <= files + FILES_SLACK)
    assert count_memory(process.pid) <= memory + MEMORY_SLACK


@pytest.fixture
def scene(coast: Scene) -> Iterator[Scene]:
    """The stage with providers for one attack, and the invariants after it; checks are answered as before."""
    with attacked(coast.stage):
        yield coast
        assert coast.stage.ask("traefik", cookie=coast.stage.cookie_of(ALICE)).status == 200


@pytest.fixture(scope="session")
def labyrinth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A stage with a provider that may describe itself as it likes, under several names."""
    with abroad(tmp_path_factory.mktemp("maze"), {"idp": {}}, spares=SPARES, first=ROOT) as scene:
        scene.stage.add(ALICE)
        with quiet_afterwards(scene):
            yield scene


@pytest.fixture
def maze(labyrinth: Scene) -> Iterator[Scene]:
    """That stage for one attack, and the invariants after it."""
    with attacked(labyrinth.stage):
        yield labyrinth
        assert labyrinth.stage.ask("traefik", cookie=labyrinth.stage.cookie_of(ALICE)).status == 200


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The stage with mail, and with registration open."""
    with household(tmp_path_factory.mktemp("house")) as house:
        for person in (ALICE, BOB):
            house.stage.add(person)
        yield house


@pytest.fixture
def house(street: House) -> Iterator[House]:
    """That stage for one attack, and the invariants after it."""
    with attacked(street.stage):
        yield street


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Every endpoint of the check."""
    return str(request.param)


def warm_up(stage: Stage) -> tuple[int, int]:
    """Use every part once, so that what is made on first use is there; then count files and memory."""
    for person in (ALICE, BOB, ROOT):
        cookie = stage.cookie_of(person)
        for dialect in DIALECTS:
            stage.ask(dialect, cookie=cookie)
            stage.ask(dialect)
    browser = stage.signed_in(ALICE)
    for target in ("/", "/sessions", "/logout", "/api/sessions/list", "/api/openapi.json", "/readyz", "/nothing"):
        browser.get(target)
    browser.sign_out()
    stage.hang_up()
    pid = stage.gateway.process.pid
    return count_files(pid), count_memory(pid)
