"""Looking out: what operators are told of sign-ins, and places only where everybody agreed."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.preference import LOCATIONS
from doorward.rules.session import Subject
from doorward.rules.spread import MOST, Spread, remember
from doorward.rules.travel import Place, find_distance, is_impossible
from tests.fakes.accounts import a_visitor
from tests.fakes.alarm import connect_lookout
from tests.fakes.flows import Town
from tests.fakes.system import START

BERLIN = Place("Berlin", "", "Germany", (52.52, 13.4), 10)
TOKYO = Place("Tokyo", "", "Japan", (35.68, 139.69), 10)
POTSDAM = Place("Potsdam", "", "Germany", (52.4, 13.07), 20)
HOUR = timedelta(hours=1)


@pytest.fixture
def town():
    return Town()


# Rules


def test_distances_are_those_of_the_globe():
    assert find_distance((52.52, 13.4), (35.68, 139.69)) == pytest.approx(8918, rel=0.01)
    assert find_distance((0.0, 0.0), (0.0, 180.0)) == pytest.approx(20015, rel=0.01)
    assert find_distance((1.0, 1.0), (1.0, 1.0)) == 0


def test_nobody_is_in_two_far_places_at_once():
    """E-73: 1000 km an hour, and nothing is said below 500 km."""
    assert is_impossible(BERLIN, TOKYO, HOUR)
    assert is_impossible(BERLIN, TOKYO, -HOUR)
    assert not is_impossible(BERLIN, TOKYO, 9 * HOUR)
    assert not is_impossible(BERLIN, POTSDAM, timedelta(0))
    assert not is_impossible(BERLIN, replace(TOKYO, radius=9000), HOUR)
    assert not is_impossible(BERLIN, replace(TOKYO, point=None), HOUR)
    assert not is_impossible(replace(BERLIN, point=None), TOKYO, HOUR)


def test_failures_are_kept_in_mind_for_a_while_and_never_too_many():
    spread, seen = Spread(within=timedelta(minutes=10)), {}
    for number in range(MOST + 50):
        seen = remember(seen, number.to_bytes(2), START + timedelta(milliseconds=number), spread)
    assert len(seen) == MOST
    assert (0).to_bytes(2) not in seen
    later = remember(seen, b"x", START + timedelta(minutes=11), spread)
    assert list(later) == [b"x"]
    assert remember({b"a": START + HOUR}, b"b", START, spread) == {b"a": START, b"b": START}
    assert remember({b"a": START}, b"a", START + HOUR, spread) == {b"a": START + HOUR}


# What is told


async def test_a_sign_in_in_a_new_browser_is_told(town):
    user = await town.add_user("alice")
    town.clock.advance(HOUR)
    await town.enter("alice")
    (raised,) = town.alarm.raised
    assert (raised.kind, raised.about, raised.values["who"]) == (AlertKind.NEW_DEVICE, user.id, "alice")


async def fail(town, user, account="id:x", *, locked=timedelta(0), now=START):
    async with town.store.records.transaction() as transaction:
        await town.lookout.report_failure(transaction, account, user, a_visitor(), locked, now)


async def test_a_lock_is_told_of_accounts_that_exist(town):
    user = await town.add_user("alice")
    await fail(town, user)
    await fail(town, None, locked=HOUR)
    assert town.alarm.raised == []
    await fail(town, user, locked=HOUR)
    assert town.alarm.rung() == [("locked_out", user.id)]


async def test_failures_over_many_accounts_are_told_without_their_names(town):
    """E-75: each account fails once, which no lock would see."""
    for number in range(Spread().accounts - 1):
        await fail(town, None, f"name:{number}")
        await fail(town, None, f"name:{number}")
    assert town.alarm.raised == []
    await fail(town, None, "name:secret")
    (raised,) = town.alarm.raised
    assert (raised.kind, raised.about, raised.values["accounts"]) == (AlertKind.FAILURES_BURST, "", "20")
    assert "secret" not in str(town.lookout._failed)


async def test_administrators_with_a_password_alone_are_told(town):
    admin = await town.add_user("root", is_admin=True)
    await town.add_user("alice")
    away = await town.add_user("away", is_admin=True)
    async with town.store.records.transaction() as transaction:
        await transaction.advance_user(away, replace(away, enabled=False))
    await town.lookout.look_at_administrators(START)
    await town.lookout.look_at_administrators(START + timedelta(minutes=1))
    assert town.alarm.rung() == [("admin_without_factor", admin.id)]
    await town.lookout.look_at_administrators(START + HOUR)
    assert len(town.alarm.raised) == 2


# Places


async def note(town, user, address, now, **more):
    visitor = replace(a_visitor(), address=None if address is None else ip_address(address))
    async with town.store.records.transaction() as transaction:
        await town.lookout.note(transaction, user, visitor, frozenset(), now, known=True, **more)


async def places(town, user):
    async with town.store.records.transaction() as transaction:
        notes = await transaction.list_sign_ins(user.id, limit=9)
    return [town.flows.own_record._read(each).place for each in notes]


async def agree(town, user):
    async with town.store.records.transaction() as transaction:
        await transaction.put_preference(user.id, LOCATIONS, "on")


async def test_places_are_noted_only_for_who_agreed_and_not_looking_back(town):
    """D-37."""
    user = await town.add_user("alice")
    town.places = {"203.0.113.9": BERLIN}
    await note(town, user, "203.0.113.9", START)
    await agree(town, user)
    await note(town, user, "203.0.113.9", START + HOUR)
    await note(town, user, "192.0.2.1", START + 2 * HOUR)
    await note(town, user, None, START + 3 * HOUR)
    assert await places(town, user) == ["", "", "Berlin, Germany", ""]
    async with town.store.records.transaction() as transaction:
        notes = await transaction.list_sign_ins(user.id, limit=9)
    assert "Berlin" not in str(notes)


async def test_without_a_database_no_place_is_noted_though_somebody_agreed(town):
    user = await town.add_user("alice")
    await agree(town, user)
    town.lookout._locate = None
    assert not town.lookout.knows_places
    await note(town, user, "203.0.113.9", START)
    assert await places(town, user) == [""]


async def test_two_sign_ins_too_far_apart_are_told(town):
    """E-73."""
    user = await town.add_user("alice")
    await agree(town, user)
    town.places = {"203.0.113.9": BERLIN, "198.51.100.9": TOKYO, "192.0.2.9": Place("Nowhere")}
    await note(town, user, "203.0.113.9", START)
    await note(town, user, "198.51.100.9", START + HOUR, failure="wrong")
    assert town.alarm.raised == []
    await note(town, user, "198.51.100.9", START + 2 * HOUR)
    (raised,) = town.alarm.raised
    assert (raised.kind, raised.about) == (AlertKind.IMPOSSIBLE_TRAVEL, user.id)
    assert (raised.values["place"], raised.values["before"]) == ("Tokyo, Japan", "Berlin, Germany")
    await note(town, user, "192.0.2.9", START + 3 * HOUR)
    await note(town, user, "203.0.113.9", START + 4 * HOUR)
    assert len(town.alarm.raised) == 1


async def test_a_note_that_was_changed_is_compared_with_nothing(town):
    user = await town.add_user("alice")
    await agree(town, user)
    town.places = {"203.0.113.9": BERLIN, "198.51.100.9": TOKYO}
    await note(town, user, "203.0.113.9", START)
    town.store.state.sign_ins = [replace(each, sealed="gcm1:x") for each in town.store.state.sign_ins]
    await note(town, user, "198.51.100.9", START + HOUR)
    assert town.alarm.raised == []


async def test_somebody_chooses_for_themselves_and_it_is_written_down(town):
    user = await town.add_user("alice")
    signed_in = await town.enter("alice")
    subject = Subject(user, signed_in.session)
    for wanted in (True, False):
        await town.lookout.choose(subject, a_visitor(), wanted=wanted, now=START)
        assert await town.lookout.agrees(user) is wanted
    said = [event.public["locations"] for event in town.audit if event.act is Act.PROFILE_CHANGED]
    assert said == ["on", "off"]
    assert connect_lookout(town).knows_places
    assert json.dumps(said)


def test_a_place_is_told_in_words_where_one_is_known(town):
    """Nothing of it is kept, so that nobody is asked for it."""
    town.places["203.0.113.7"] = BERLIN
    assert town.lookout.name_place(ip_address("203.0.113.7")) == "Berlin, Germany"
    assert town.lookout.name_place(ip_address("203.0.113.8")) == ""
    town.lookout._locate = None
    assert town.lookout.name_place(ip_address("203.0.113.7")) == ""
