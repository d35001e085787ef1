"""Keys for apps: who may have which, how many, and what becomes of them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError, NotFoundError, TamperError
from doorward.flows.admin import CLI
from doorward.flows.app_keys import NewKey
from doorward.flows.outcome import Refused
from doorward.rules.app_key import ApiScope, KeyKind, hash_secret, parse_key
from doorward.rules.audit import Act
from doorward.rules.key_wish import KeyTerms
from doorward.rules.letter import LetterKind
from doorward.rules.login import Failure
from doorward.rules.session import RECENT, Subject
from tests.fakes.app_keys import a_wish
from tests.fakes.flows import a_visitor
from tests.fakes.key_town import KeyTown

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HERE = a_visitor()


@pytest.fixture
async def town():
    return await KeyTown().settle()


async def test_a_key_is_shown_once_and_only_its_hash_is_stored(town):
    """A-20: what is stored, recorded and mailed does not open anything."""
    new = await town.make(paths=("/api",), scopes=frozenset({ApiScope.READ}))
    key_id, secret = parse_key(new.text)
    assert town.rows[key_id] == new.key
    assert new.key.digest == hash_secret(secret)
    assert new.key.preview == f"{new.text[:8]}…{new.text[-4:]}"
    assert (new.key.kind, new.key.made_by, new.key.generation) == (KeyKind.KEY, town.alice.user.id, None)
    assert await town.keys.verify_key(secret, new.key.digest)
    assert not await town.keys.verify_key(b"x" * 32, new.key.digest)
    event = town.audit[-1]
    assert (event.act, event.actor, event.subject) == (Act.APP_KEY_MADE, town.alice.user.id, town.alice.user.id)
    assert event.public["scopes"] == "read"
    assert event.private["name"] == "Phone"
    kind, who, said = town.letters[-1]
    assert (kind, who, said["key"], said["opens"]) == (LetterKind.KEY_MADE, "alice", "Phone", "Wiki")
    kept = new.text.split("_")[2]
    assert kept not in f"{town.store.state}{town.letters}{town.log.lines if hasattr(town.log, 'lines') else ''}{new}"
    assert town.key_hasher.work == 0


async def test_a_key_may_be_hashed_slowly(town):
    """A-20."""
    town.limit(slow_hash=True)
    new = await town.make()
    _, secret = parse_key(new.text)
    assert new.key.digest.startswith("bcrypt")
    assert await town.keys.verify_key(secret, new.key.digest)
    assert not await town.keys.verify_key(b"x" * 32, new.key.digest)
    assert town.key_hasher.work == 3


async def test_each_device_has_a_name_of_its_own(town):
    await town.make()
    with pytest.raises(ConflictError) as caught:
        await town.make()
    assert caught.value.clash is Clash.TAKEN
    await town.make(town.bob)


async def test_the_eleventh_key_is_refused_and_one_that_is_over_is_in_nobodys_way(town):
    """A-19."""
    for number in range(10):
        await town.make(name=f"Phone {number}", address=f"203.0.113.{number}", expires_at=town.now + 2 * HOUR)
    with pytest.raises(InputError, match="10 keys already"):
        await town.make(name="One more", address="198.51.100.1")
    town.clock.advance(2 * HOUR)
    alice = await town.stand("alice")
    await town.make(alice, name="One more")


async def test_of_keys_that_are_over_only_the_last_ones_stay(town):
    """A program that renews its token every day fills no table."""
    town.limit(terms=KeyTerms(max_keys=2))
    for number in range(6):
        alice = await town.stand("alice")
        await town.make(alice, name=f"Day {number}", expires_at=town.now + DAY)
        town.clock.advance(DAY)
    assert [key.name for key in town.rows.values()] == ["Day 3", "Day 4", "Day 5"]


async def test_an_app_has_so_many_keys_whosever_they_are(town):
    town.limit(terms=KeyTerms(max_per_app=2))
    await town.make(expires_at=town.now + DAY)
    await town.make(town.bob)
    with pytest.raises(InputError, match="Wiki has 2 keys already"):
        await town.make(town.bob, "Another")
    await town.make(town.bob, "Feed", apps=("Feeds",))
    await town.make(town.bob, "Only the API", apps=(), scopes=frozenset({ApiScope.READ}), address="198.51.100.7")


async def test_keys_are_made_five_an_hour_from_one_address(town):
    """A-23, A-32, B-28: whoever asks, and whatever for."""
    for number in range(5):
        await town.make(name=f"Phone {number}")
    refused = await town.keys.create(town.bob, a_wish(), HERE, now=town.now)
    assert refused == Refused(Failure.THROTTLED, HOUR)
    assert town.tally.limited == {"key_create": 1}
    assert isinstance(await town.keys.create(town.bob, a_wish(), a_visitor("198.51.100.7"), now=town.now), NewKey)


async def test_what_cannot_be_had_costs_nothing_of_the_limit(town):
    for _ in range(9):
        with pytest.raises(InputError):
            await town.make(name="")
    await town.make()


async def test_of_many_at_once_no_more_are_made_than_may_be(town):
    town.limit(terms=KeyTerms(max_keys=3))
    asks = [
        town.keys.create(town.alice, a_wish(f"Phone {number}"), a_visitor(f"203.0.113.{number}"), now=town.now)
        for number in range(20)
    ]
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(each, NewKey) for each in outcomes) == 3
    assert len(town.rows) == 3


async def test_only_administrators_have_keys_that_administer(town):
    with pytest.raises(InputError, match="only an administrator's"):
        await town.make(scopes=frozenset({ApiScope.ADMIN}))
    assert (await town.make(town.root, scopes=frozenset({ApiScope.ADMIN}))).key.scopes == {ApiScope.ADMIN}


async def test_a_key_opens_no_app_that_its_owner_cannot(town):
    with pytest.raises(InputError, match="no app 'Vault'"):
        await town.make(apps=("Vault",))
    assert town.keys.list_openable(town.alice.user) == ("Wiki", "Feeds")
    assert not town.rows


async def test_making_and_waking_keys_asks_for_a_recent_proof(town):
    town.clock.advance(RECENT)
    with pytest.raises(ForbiddenError, match="who you are"):
        await town.make()
    with pytest.raises(ForbiddenError, match="who you are"):
        await town.keys.create_for(town.root, "alice", a_wish(), HERE, now=town.now)
    with pytest.raises(ForbiddenError, match="who you are"):
        await town.keys.wake(town.alice, "Phone", HERE, now=town.now)


async def test_keys_are_never_managed_with_a_key(town):
    """A key that was found makes no second one, and none that opens more."""
    key = (await town.make()).key
    by_key = replace_key(town.alice, key)
    for act in (
        lambda: town.keys.create(by_key, a_wish("More"), HERE, now=town.now),
        lambda: town.keys.create_token(by_key, a_wish("More"), lambda _key: "token", HERE, now=town.now),
        lambda: town.keys.create_for(by_key, "bob", a_wish("More"), HERE, now=town.now),
        lambda: town.keys.rename(by_key, key.id, "Other", HERE, now=town.now),
        lambda: town.keys.revoke(by_key, key.id, HERE, now=town.now),
        lambda: town.keys.revoke_all(by_key, HERE, now=town.now),
        lambda: town.keys.wake(by_key, key.id, HERE, now=town.now),
    ):
        with pytest.raises(ForbiddenError, match="not managed with a key"):
            await act()
    assert list(town.rows.values()) == [key]


def replace_key(subject, key):
    return Subject(subject.user, subject.session, key)


async def test_in_a_lockdown_there_are_no_new_keys_for_anybody(town):
    """E-90."""
    key = (await town.make()).key
    town.rows[key.id] = replace(key, disabled_at=town.now)
    await town.lock_down()
    for subject in (town.alice, town.root):
        assert await town.keys.create(subject, a_wish("More"), HERE, now=town.now) == Refused(Failure.LOCKDOWN)
    assert await town.keys.create_for(None, "alice", a_wish("More"), now=town.now) == Refused(Failure.LOCKDOWN)
    with pytest.raises(ConflictError) as caught:
        await town.keys.wake(town.alice, "Phone", HERE, now=town.now)
    assert caught.value.clash is Clash.LOCKDOWN
    assert len(town.rows) == 1


async def test_whoever_lost_a_right_meanwhile_makes_no_key(town):
    """J04."""
    await town.administration.end_sessions_of(CLI, "alice", now=town.now)
    with pytest.raises(ForbiddenError, match="has ended"):
        await town.make()
    with pytest.raises(ForbiddenError, match="has ended"):
        await town.keys.create_for_device(town.alice.user.id, 0, a_wish(), HERE, now=town.now)


async def test_a_device_gets_a_key_under_a_name_that_is_free(town):
    user = town.alice.user
    names = []
    for _ in range(3):
        new = await town.keys.create_for_device(user.id, user.generation, a_wish("TV"), HERE, now=town.now)
        assert (new.key.kind, new.key.made_by) == (KeyKind.DEVICE, user.id)
        names.append(new.key.name)
    assert names == ["TV", "TV (2)", "TV (3)"]
    long = await town.keys.create_for_device(user.id, user.generation, a_wish("x" * 50), HERE, now=town.now)
    other = await town.keys.create_for_device(user.id, user.generation, a_wish("x" * 50), HERE, now=town.now)
    assert len(long.key.name) == 50
    assert other.key.name == "x" * 44 + " (2)"


async def test_a_token_dies_with_the_sessions_of_its_owner(town):
    """E-20: its row holds a hash of the whole of it."""
    new = await town.keys.create_token(
        town.alice,
        a_wish(apps=(), scopes=frozenset({ApiScope.READ})),
        lambda key: f"token.{key.id}.x",
        HERE,
        now=town.now,
    )
    assert new.text == f"token.{new.key.id}.x"
    assert (new.key.kind, new.key.generation) == (KeyKind.TOKEN, town.alice.user.generation)
    assert await town.keys.verify_key(new.text.encode(), new.key.digest)


async def test_administrators_make_keys_for_others_who_are_told(town):
    new = await town.keys.create_for(town.root, "alice", a_wish("Backup"), HERE, now=town.now)
    assert (new.key.user_id, new.key.made_by) == (town.alice.user.id, town.root.user.id)
    kind, who, said = town.letters[-1]
    assert (kind, who, said["by"]) == (LetterKind.KEY_MADE, "alice", "root")
    assert "address" not in said
    with pytest.raises(ForbiddenError, match="administrators"):
        await town.keys.create_for(town.bob, "alice", a_wish("Other"), HERE, now=town.now)
    for subject in (town.bob, town.root):
        with pytest.raises(ForbiddenError, match="somewhere"):
            await town.keys.create_for(subject, "alice", a_wish("Other"), now=town.now)
    with pytest.raises(NotFoundError):
        await town.keys.create_for(None, "nobody", a_wish("Other"), now=town.now)
    await town.administration.set_enabled(CLI, "alice", False, now=town.now)
    with pytest.raises(ConflictError) as caught:
        await town.keys.create_for(None, "alice", a_wish("Other"), now=town.now)
    assert caught.value.clash is Clash.DISABLED


async def test_the_command_line_is_limited_by_no_address(town):
    for number in range(7):
        await town.keys.create_for(None, "alice", a_wish(f"Phone {number}"), now=town.now)
    assert len(town.rows) == 7
    assert town.audit[-1].actor == "cli"


async def test_what_changed_meanwhile_is_not_overwritten(town, monkeypatch):
    await town.make()

    async def lose(*_keys):
        return False

    town.limit(sleep_after=DAY)
    async with town.store.records.transaction() as transaction:
        monkeypatch.setattr(type(transaction), "advance_app_key", lose)
    with pytest.raises(ConflictError, match="meanwhile"):
        await town.keys.rename(town.alice, "Phone", "Other", HERE, now=town.now)
    town.clock.advance(2 * DAY)
    await town.keys.sleep_due(town.now)
    assert Act.APP_KEY_ASLEEP not in {event.act for event in town.audit}


async def test_from_where_a_key_was_used_is_not_read_from_another_row(town):
    key = (await town.make()).key
    assert town.keys.find_last_use(key).address == ""
    with pytest.raises(TamperError):
        town.keys.find_last_use(replace(key, sealed="gcm1:damaged"))
