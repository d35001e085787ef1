"""Every implementation of the storage interfaces, each fresh for each test.

A new backend is one line in `MAKERS`; it cannot be left out of a test, only listed in tests/known_gaps.py.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from doorward.interfaces import Counters, LiveView, Records, Sessions, Tickets
from doorward.storage.memory import MemorySessions
from doorward.storage.sqlite import open_sqlite
from tests.contract.durable import opened
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.records import FakeStore
from tests.fakes.system import FakeClock, FakeRandom


@dataclass(frozen=True)
class Store:
    """A store, and `elsewhere`: the durable part as another process has it open."""

    records: Records
    sessions: Sessions
    tickets: Tickets
    counters: Counters
    live_view: LiveView
    elsewhere: Records


@asynccontextmanager
async def make_sqlite(folder: Path) -> AsyncIterator[Store]:
    first = open_sqlite(folder, random=FakeRandom("first"), keyring=FakeKeyring())
    second = open_sqlite(folder, random=FakeRandom("second"), keyring=FakeKeyring())
    view = first.open_live_view()
    try:
        yield Store(first.records, first.sessions, first.tickets, first.counters, view, second.records)
    finally:
        await second.close()
        await first.close()
        view.close()


@asynccontextmanager
async def make_local(folder: Path) -> AsyncIterator[Store]:
    first = open_sqlite(folder, random=FakeRandom("first"), keyring=FakeKeyring(), sessions_apart=True)
    second = open_sqlite(folder, random=FakeRandom("second"), keyring=FakeKeyring(), sessions_apart=True)
    view = first.open_live_view()
    sessions = MemorySessions(view, first.pending_ends.clear)
    try:
        yield Store(first.records, sessions, first.tickets, first.counters, sessions, second.records)
    finally:
        await second.close()
        await first.close()
        view.close()


@asynccontextmanager
async def make_fake(_folder: Path) -> AsyncIterator[Store]:
    store = FakeStore()
    yield Store(store.records, store.sessions, store.tickets, store.counters, store.live_view, store.records)


MAKERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {
    "sqlite": make_sqlite,
    "local": make_local,
    "fake": make_fake,
}


@pytest.fixture(params=MAKERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with MAKERS[request.param](tmp_path / "data") as made:
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
async def storage(folder):
    async with opened(folder) as made:
        yield made
