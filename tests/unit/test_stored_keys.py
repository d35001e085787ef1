"""The keys that are made here: one of each purpose, sealed in its place, and taken up by whoever runs."""

import asyncio

import pytest

from doorward.errors import TamperError, UnavailableError
from doorward.flows.stored_keys import SameInstallation, SessionKey, find_key, load_key, make_key, open_keys
from doorward.outside.keyring import FileKeyring
from doorward.rules.stored_key import AUDIT, DERIVE, INSTALLATION, SESSION, place_of
from tests.fakes.neighbours import FakeLog
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom

MASTER = bytes(range(40, 72))


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def keyring():
    return FileKeyring([MASTER], FakeRandom("keyring"))


class View:
    """What is stored of the key of session cookies, and how often it was asked for."""

    def __init__(self, store):
        self._store = store
        self.asked = 0

    def stamp(self):
        return self._store.state.changes

    def revision(self):
        return self._store.state.revision

    def find_setting(self, name):
        return self._store.state.settings.get(name)

    def find_session_key(self):
        self.asked += 1
        found = [each for each in self._store.state.keys if each.purpose == SESSION and each.retired_at is None]
        return (found[-1].number, found[-1].sealed) if found else None


async def rotate(store, keyring, secret):
    async with store.records.transaction() as transaction:
        await transaction.retire_keys(SESSION, START, forget=True)
        return await make_key(transaction, keyring, secret, SESSION, now=START)


async def test_a_first_start_makes_one_key_of_each_purpose_and_later_ones_find_them(store, keyring):
    """A-07, B-05: state, and no configuration."""
    await asyncio.gather(*(open_keys(store.records, keyring, FakeRandom(str(n)), now=START) for n in range(3)))
    assert [key.purpose for key in store.state.keys] == [SESSION, DERIVE]
    assert len(bytes.fromhex(store.state.settings[INSTALLATION])) == 16
    assert len({key.sealed for key in store.state.keys}) == 2


async def test_a_key_of_another_purpose_is_made_when_it_is_first_asked_for(store, keyring):
    """With the part of it that everybody may know."""
    for _ in range(2):
        async with store.records.transaction() as transaction:
            key, secret = await load_key(
                transaction, keyring, FakeRandom("audit"), AUDIT, now=START, public_of=lambda secret: secret[:2].hex()
            )
        assert (key.purpose, key.public, len(secret)) == (AUDIT, secret[:2].hex(), 32)
    assert len(store.state.keys) == 1


async def test_a_replaced_key_counts_at_once_and_what_it_was_is_forgotten(store, keyring):
    await open_keys(store.records, keyring, FakeRandom("start"), now=START)
    view = View(store)
    key = SessionKey(view, keyring)
    first = key()
    assert key() == first
    async with store.records.transaction() as transaction:
        await transaction.put_setting("x", "y")
    assert key() == first
    assert view.asked == 1
    async with store.records.transaction() as transaction:
        await make_key(transaction, keyring, b"a" * 32, AUDIT, now=START)
    assert key() == first
    made, second = await rotate(store, keyring, b"n" * 32)
    assert key() == second == b"n" * 32
    async with store.records.transaction() as transaction:
        assert await find_key(transaction, SESSION) == made
        old = (await transaction.list_keys(SESSION))[1]
    assert (old.sealed, old.retired_at) == ("", START)


async def test_a_key_that_is_gone_or_was_exchanged_lets_nobody_in(store, keyring):
    """M01, T-04."""
    key = SessionKey(View(store), keyring)
    with pytest.raises(TamperError, match="gone"):
        key()
    await open_keys(store.records, keyring, FakeRandom("start"), now=START)
    derive = store.state.keys[1]
    store.state.keys[0] = type(derive)(1, SESSION, derive.sealed, START)
    with pytest.raises(TamperError):
        key()
    with pytest.raises(TamperError):
        await open_keys(store.records, keyring, FakeRandom("again"), now=START)
    assert keyring.unseal(place_of(2), derive.sealed)


async def test_nothing_is_served_once_the_database_is_that_of_another_installation(store, keyring):
    """B-05: said once in the log; who joins it knowingly goes on as soon as it is that."""
    await open_keys(store.records, keyring, FakeRandom("start"), now=START)
    log = FakeLog()
    same = SameInstallation(View(store), log)
    key = SessionKey(View(store), keyring, same)
    assert key()
    same.check()
    async with store.records.transaction() as transaction:
        await transaction.put_setting("x", "y")
    same.check()
    async with store.records.transaction() as transaction:
        await transaction.put_setting(INSTALLATION, "another")
        await make_key(transaction, keyring, b"a" * 32, AUDIT, now=START)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="restart"):
            key()
    assert [event for event, _ in log.events] == ["installation_replaced"]
    same.join("another")
    same.check()
    assert key()
