"""Keys for apps, once there are some: seen, named, taken back, put to sleep and woken."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError, NotFoundError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.app_keys import KeyQuery
from doorward.rules.app_key import KeyId, KeyKind, KeyUse
from doorward.rules.audit import Act
from doorward.rules.letter import LetterKind
from tests.fakes.flows import a_visitor
from tests.fakes.key_town import KeyTown

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HERE = a_visitor()


@pytest.fixture
async def town():
    return await KeyTown().settle()


async def test_one_key_is_taken_back_without_touching_the_others(town):
    """A-21: by its id or by its name."""
    first, second, third = [(await town.make(name=name)).key for name in ("One", "Two", "Three")]
    assert await town.keys.revoke(town.alice, first.id, HERE, now=town.now) == first
    assert await town.keys.revoke(town.alice, " Two ", HERE, now=town.now) == second
    assert await town.keys.list_of(town.alice) == [third]
    assert town.acts()[-2:] == ["user.api_key_revoke"] * 2
    for which in (first.id, "Two", ""):
        with pytest.raises(NotFoundError):
            await town.keys.revoke(town.alice, which, HERE, now=town.now)
    with pytest.raises(NotFoundError):
        await town.keys.revoke(town.bob, third.id, HERE, now=town.now)


async def test_all_of_ones_own_are_taken_back_at_once(town):
    for name in ("One", "Two"):
        await town.make(name=name)
    await town.make(town.bob)
    assert await town.keys.revoke_all(town.alice, HERE, now=town.now) == 2
    assert town.audit[-1].public == {"key": "all", "count": "2"}
    before = len(town.audit)
    assert await town.keys.revoke_all(town.alice, HERE, now=town.now) == 0
    assert len(town.audit) == before
    assert [key.user_id for key in town.rows.values()] == [town.bob.user.id]


async def test_a_key_gets_another_name_that_is_free(town):
    first = (await town.make(name="One")).key
    await town.make(name="Two")
    renamed = await town.keys.rename(town.alice, "One", "Tablet", HERE, now=town.now)
    assert town.rows[first.id] == renamed == replace(first, name="Tablet")
    assert town.audit[-1].private["old_name"] == "One"
    before = len(town.audit)
    assert await town.keys.rename(town.alice, "Tablet", "Tablet", HERE, now=town.now) == renamed
    assert len(town.audit) == before
    with pytest.raises(ConflictError) as caught:
        await town.keys.rename(town.alice, "Tablet", "Two", HERE, now=town.now)
    assert caught.value.clash is Clash.TAKEN


async def test_a_key_that_nobody_uses_falls_asleep_and_is_woken(town):
    town.limit(sleep_after=90 * DAY)
    key = (await town.make(forever=True)).key
    used = (await town.make(town.bob, forever=True)).key
    town.clock.advance(90 * DAY)
    await town.keys.sleep_due(town.now)
    assert town.rows[key.id].disabled_at is None
    async with town.store.records.transaction() as transaction:
        await transaction.note_key_uses([KeyUse(used.id, town.now, "")])
    town.clock.advance(HOUR)
    await town.keys.sleep_due(town.now)
    assert town.rows[key.id].disabled_at == town.now
    assert town.rows[used.id].disabled_at is None
    assert (town.audit[-1].act, town.audit[-1].actor) == (Act.APP_KEY_ASLEEP, "system")
    kind, who, said = town.letters[-1]
    assert (kind, who, said["key"], said["days"]) == (LetterKind.KEY_ASLEEP, "alice", "Phone", "90")
    alice = await town.stand("alice")
    awake = await town.keys.wake(alice, "Phone", HERE, now=town.now)
    assert town.rows[key.id] == awake == replace(key, woken_at=town.now)
    with pytest.raises(ConflictError, match="awake"):
        await town.keys.wake(alice, "Phone", HERE, now=town.now)
    town.clock.advance(2 * HOUR)
    await town.keys.sleep_due(town.now)
    assert town.rows[key.id].disabled_at is None


async def test_keys_do_not_sleep_unless_that_is_wanted_and_are_looked_at_once_an_hour(town):
    key = (await town.make(forever=True)).key
    town.clock.advance(1000 * DAY)
    await town.keys.sleep_due(town.now)
    assert town.rows[key.id].disabled_at is None
    town.limit(sleep_after=DAY)
    await town.keys.sleep_due(town.now)
    town.rows[key.id] = key
    town.clock.advance(HOUR / 2)
    await town.keys.sleep_due(town.now)
    assert town.rows[key.id].disabled_at is None


async def test_administrators_see_and_filter_everybodys_keys(town):
    """E-76."""
    phone = (await town.make(expires_at=town.now + DAY)).key
    town.clock.advance(DAY)
    bob = await town.stand("bob")
    feed = (await town.make(bob, "Feed", apps=("Feeds",))).key
    town.rows[phone.id] = phone = replace(phone, disabled_at=town.now)
    admin = actor_of(town.root, HERE)

    async def ids(**query):
        return [key.id for key, _ in await town.keys.list_all(admin, KeyQuery(**query))]

    assert await town.keys.count() == {(KeyKind.KEY, True): 1, (KeyKind.KEY, False): 1}
    assert await town.keys.list_all(admin) == [(feed, bob.user), (phone, town.alice.user)]
    assert await ids(login="alice") == [phone.id]
    assert await ids(app="Feeds") == [feed.id]
    assert await ids(kind=KeyKind.DEVICE) == []
    assert await ids(kind=KeyKind.KEY) == [feed.id, phone.id]
    assert await ids(asleep=True) == [phone.id]
    assert await ids(asleep=False) == [feed.id]
    assert await ids(made_before=town.now) == [phone.id]
    assert await ids(unused_since=town.now) == [phone.id]
    with pytest.raises(ForbiddenError):
        await town.keys.list_all(replace(admin, user_id=bob.user.id))


async def test_administrators_take_keys_back_and_the_owners_are_told(town):
    phone, tablet = [(await town.make(name=name)).key for name in ("Phone", "Tablet")]
    own = (await town.make(town.root)).key
    admin = actor_of(town.root, HERE)
    assert await town.keys.revoke_any(admin, [KeyId("gone"), phone.id, tablet.id, own.id], now=town.now) == 3
    assert not town.rows
    told = [(kind, who, said["key"]) for kind, who, said in town.letters if kind is LetterKind.KEY_REVOKED]
    assert told in (
        [(LetterKind.KEY_REVOKED, "alice", "Tablet, Phone")],
        [(LetterKind.KEY_REVOKED, "alice", "Phone, Tablet")],
    )
    assert town.acts()[-3:] == ["user.api_key_revoke"] * 3


async def test_all_that_fit_are_taken_back_and_everything_only_when_that_is_said(town):
    for number in range(7):
        await town.make(name=f"Phone {number}", address=f"203.0.113.{number}")
    await town.make(town.bob, "Feed", apps=("Feeds",), address="198.51.100.1")
    with pytest.raises(InputError, match="say which"):
        await town.keys.revoke_where(CLI, KeyQuery(), now=town.now)
    assert await town.keys.revoke_where(CLI, KeyQuery(app="Wiki"), now=town.now) == 7
    said = town.letters[-1][2]
    assert said["key"].endswith(", +2")
    assert await town.keys.revoke_where(CLI, KeyQuery(), everything=True, now=town.now) == 1
    assert await town.keys.revoke_where(CLI, KeyQuery(), everything=True, now=town.now) == 0


async def test_administrators_wake_keys(town):
    key = (await town.make()).key
    town.rows[key.id] = replace(key, disabled_at=town.now)
    woken = await town.keys.wake_any(CLI, key.id, now=town.now)
    assert town.rows[key.id] == woken
    assert town.audit[-1].act is Act.APP_KEY_WOKEN
    with pytest.raises(NotFoundError):
        await town.keys.wake_any(CLI, KeyId("gone"), now=town.now)


async def test_a_key_ends_no_later_than_policy_has_it_now(town):
    """A-20: as its owner and administrators see it; and it counts no more where there may be few."""
    key = (await town.make(name="Old", forever=True)).key
    town.keys.terms = replace(town.keys.terms, max_lifetime=MINUTE, max_keys=1)
    (own,) = await town.keys.list_of(town.alice)
    ((anybodys, _),) = await town.keys.list_all(CLI)
    assert own == anybodys == replace(key, expires_at=key.made_at + MINUTE)
    town.clock.advance(MINUTE)
    assert (await town.make(name="New")).key.name == "New"
