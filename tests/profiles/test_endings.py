"""What ends a session, and what stops somebody who guesses."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.profiles.gateway import GOOD, HOME, NEVER, Gateway, Visitor, running, serve
from tests.profiles.pages import DAY, MINUTE, Page


@pytest.fixture(scope="session")
def keeping(page: Page, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The same profile where sessions are written down: the shared gateway, or where it has them in memory another."""
    if not page.memory:
        yield gateway
        return
    more = f"cookie: {{domain: {HOME}}}\nstorage: {{type: sqlite}}\n"
    folder = tmp_path_factory.mktemp(f"{page.name}-kept")
    with serve(folder, page.name, cookie=page.cookie, more=more) as another:
        yield another


def let_pass(visitor: Visitor, column: str, seconds: int) -> None:
    """Let so much time pass for the session of this visitor."""
    listed = visitor.get("/api/sessions/list").json()
    (handle,) = [handle for handle, each in listed.items() if each["current"]]
    with closing(sqlite3.connect(visitor.gateway.folder / "data" / "doorward.db")) as records, records:
        records.execute(
            f"UPDATE sessions SET {column} = {column} - ? WHERE handle = ?",
            (seconds * 1_000_000, handle),
        )


def test_a_session_that_is_not_used_ends_when_the_page_says(page: Page, keeping: Gateway) -> None:
    """A-09."""
    visitor = keeping.visitor().sign_in("alice")
    let_pass(visitor, "last_seen_at", (page.idle or page.lifetime) - 2 * MINUTE)
    assert visitor.is_signed_in()
    visitor = keeping.visitor().sign_in("alice")
    let_pass(visitor, "last_seen_at", (page.idle or page.lifetime) + MINUTE)
    assert visitor.is_signed_in() is (page.idle is None)


def test_a_session_that_is_used_ends_when_the_page_says(page: Page, keeping: Gateway) -> None:
    """A-08, B-15, C-30, D-03, E-20: by its age, however much it is used."""
    visitor = keeping.visitor().sign_in("alice")
    let_pass(visitor, "expires_at", page.lifetime - 5 * MINUTE)
    assert visitor.is_signed_in()
    visitor = keeping.visitor().sign_in("alice")
    let_pass(visitor, "expires_at", page.lifetime)
    assert not visitor.is_signed_in()


def test_a_remembered_session_has_no_idle_limit(page: Page, keeping: Gateway) -> None:
    """A-12: nor has any where the page knows none."""
    visitor = keeping.visitor().sign_in("alice", remember="1")
    let_pass(visitor, "last_seen_at", DAY // 4)
    assert visitor.is_signed_in() is (page.remember is not None or page.idle is None)


def test_three_failures_lock_an_account_for_whoever_failed(page: Page, gateway: Gateway) -> None:
    """A-05: the right password does not help them, and does help everybody else."""
    name = f"frank-{page.name}"
    gateway.add(name)
    stranger = gateway.visitor()
    assert [stranger.try_password(name, NEVER[1]).status_code for _ in range(2)] == [403, 403]
    stranger.try_password(name, NEVER[1])
    locked = stranger.try_password(name, GOOD)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= MINUTE / 2
    assert gateway.visitor().sign_in(name).is_signed_in()


def test_a_restart_ends_sessions_where_they_are_in_memory_and_nowhere_else(page: Page, tmp_path: Path) -> None:
    """A-07, C-28."""
    more = f"cookie: {{domain: {HOME}}}\n"
    with serve(tmp_path, page.name, cookie=page.cookie, more=more, variables=dict(page.variables)) as own:
        visitor = own.visitor().sign_in("alice")
        assert visitor.is_signed_in()
    with running(own):
        assert visitor.is_signed_in() is not page.memory
