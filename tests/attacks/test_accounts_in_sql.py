"""Two names that are told apart by us are told apart by the database, and no others (attacks E16, E18, R11, R12)."""

import sqlite3
from types import SimpleNamespace

import pytest

from doorward.errors import ConflictError, UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Unacceptable
from doorward.storage import sqlite
from doorward.storage.sqlite import open_sqlite
from tests.fakes.flows import GOOD, Town, a_visitor
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.system import FakeRandom


@pytest.fixture
async def town(tmp_path, monkeypatch):
    # How long a lock is waited for is nobody's attack; the refusal after it is.
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    storage = open_sqlite(tmp_path / "data", random=FakeRandom("sql"), keyring=FakeKeyring())
    view = storage.open_live_view()
    store = SimpleNamespace(
        records=storage.records,
        sessions=storage.sessions,
        tickets=storage.tickets,
        counters=storage.counters,
        live_view=view,
        database=storage.database,
        path=storage.path,
    )
    made = Town(store=store)
    await made.add_user("admin", is_admin=True)
    yield made
    await storage.close()
    view.close()


LOOKALIKES = [
    "ADMIN", " admin ", "adm\u0131n", "\uff41dmin", "admin\u200b", "admin\u202e", "admin\0x", "\u00c9LAN", "\u00e9lan",
    "a_min", "a%", "%", "admin'--", "admin\n", "\u212ating", "\ufb00",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
async def test_no_spelling_makes_a_second_admin(town, name):
    """E16, E18: refused as no name, taken, or plainly another ASCII name."""
    try:
        outcome = await town.add_user(name, email="")
    except ConflictError:
        return
    if isinstance(outcome, Unacceptable):
        return
    assert outcome.name.isascii()
    assert outcome.name == name


@pytest.mark.parametrize("login", ["a_min", "%", "a%", "_____", "admin\0", "' OR 1=1 --", "ADMIN%"])
async def test_no_pattern_finds_an_account(town, login):
    """E18, J15: compared with `=`, in canonical form."""
    refused = await town.try_login(login, GOOD, a_visitor())
    assert refused.failure.value == "wrong"


async def test_a_locked_database_lets_nobody_in_and_loses_nothing(town):
    """R11, R12: "locked" is a refusal, never "not there" or "not used"."""
    visitor = a_visitor()
    started = await town.begin(visitor)
    holder = sqlite3.connect(town.store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(UnavailableError):
            await town.submit(started.token, "admin", GOOD, visitor)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert await town.store.sessions.count() == 0
    entered = await town.submit(started.token, "admin", GOOD, visitor)
    assert (await town.check(entered)).user.name == "admin"


async def test_a_full_disk_leaves_no_half_made_account(town):
    """R12: whatever fails, the account is whole or not there."""
    limit = sqlite3.connect(town.store.path)
    pages = limit.execute("PRAGMA page_count").fetchone()[0]
    limit.close()
    async with town.store.database.write() as connection:
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    made, refused = 0, False
    for number in range(400):
        try:
            await town.add_user(f"user{number}", groups=[f"group-{number}-{each}" for each in range(10)])
            made += 1
        except UnavailableError:
            refused = True
            break
    assert refused
    users = await town.administration.list_users(CLI)
    assert len(users) == made + 1
    async with town.store.records.transaction() as transaction:
        for user in users:
            assert await transaction.find_password(user.id) is not None
            assert user.name == "admin" or len(user.groups) == 10
