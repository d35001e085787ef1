"""Uses of keys are counted, and one from a new network is told of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import TamperError, UnavailableError
from doorward.flows import key_uses as module
from doorward.flows.key_uses import KeyUses, find_place
from doorward.rules.alert import AlertKind
from doorward.rules.app_key import KeyId
from doorward.rules.key_use import MAX_NETWORKS, KeyPlace, network_of, read_place
from doorward.rules.letter import LetterKind
from tests.fakes.key_town import KeyTown
from tests.fakes.system import START

DAY = timedelta(days=1)
HOME, NEXT_DOOR, AWAY = "203.0.113.7", "203.0.113.200", "198.51.100.9"


@pytest.fixture
async def town():
    made = await KeyTown().settle()
    made.key = (await made.make(forever=True)).key
    made.uses = made.flows.key_uses
    made.letters.clear()
    return made


async def use(town, address, agent="curl/8"):
    town.uses.note(town.key.id, town.now, agent, address)
    assert await town.uses.flush() == 1


async def test_a_use_is_written_down_with_when_and_from_where(town):
    town.uses.note(town.key.id, town.now, "old", NEXT_DOOR)
    town.uses.note(town.key.id, town.now, "curl\n/8", HOME)
    await town.uses.write_due(town.now)
    key = town.rows[town.key.id]
    assert (key.uses, key.last_used_at) == (1, town.now)
    assert HOME not in key.sealed
    place = town.keys.find_last_use(key)
    assert (place.address, place.agent, place.networks) == (HOME, "curl\ufffd/8", ("203.0.113.0/24",))
    assert await town.uses.flush() == 0


async def test_the_first_use_from_a_new_network_is_told_of_once_a_day(town):
    """E-76."""
    await use(town, HOME)
    await use(town, NEXT_DOOR)
    assert (town.letters, town.alarm.raised) == ([], [])
    await use(town, AWAY)
    [(kind, who, said)] = town.letters
    assert (kind, who, said["key"], said["address"]) == (LetterKind.KEY_NEW_PLACE, "alice", "Phone", AWAY)
    [raised] = town.alarm.raised
    assert (raised.kind, raised.about) == (AlertKind.KEY_NEW_PLACE, town.key.id)
    assert raised.values == {"who": "alice", "what": "Phone", "device": "curl/8", "address": AWAY}
    town.clock.advance(DAY / 2)
    await use(town, "192.0.2.1")
    await use(town, AWAY)
    assert len(town.letters) == 1
    town.clock.advance(DAY / 2)
    await use(town, AWAY)
    assert len(town.letters) == 1
    await use(town, "2001:db8:1::1")
    assert len(town.letters) == 2


async def test_a_use_from_elsewhere_is_not_hidden_by_later_ones(town):
    """E-76: a program that asks all day has the last word, and not the only one."""
    await use(town, HOME)
    for address in (HOME, AWAY, HOME):
        town.clock.advance(timedelta(seconds=1))
        town.uses.note(town.key.id, town.now, "curl/8", address)
    assert await town.uses.flush() == 2
    key = town.rows[town.key.id]
    place = find_place(town.keyring, key)
    assert (key.last_used_at, place.address) == (town.now, HOME)
    assert place.networks == ("198.51.100.0/24", "203.0.113.0/24")
    [(_, _, said)] = town.letters
    assert said["address"] == AWAY


async def test_what_is_known_of_networks_cannot_be_damaged_into_silence(town):
    await use(town, HOME)
    town.rows[town.key.id] = replace(town.rows[town.key.id], sealed="gcm1:damaged")
    await use(town, AWAY)
    assert len(town.letters) == 1
    assert find_place(town.keyring, town.rows[town.key.id]).address == AWAY


async def test_keys_that_are_gone_and_accounts_that_are_gone_are_passed_over(town):
    town.uses.note(KeyId("gone"), town.now, "", HOME)
    await town.uses.flush()
    await use(town, HOME)
    town.store.state.users.pop(town.alice.user.id)
    await use(town, AWAY)
    assert town.letters == []


async def test_what_cannot_be_written_is_kept_and_tried_again(town, monkeypatch):
    class Broken:
        def transaction(self):
            raise UnavailableError("the disk is full")

    uses = KeyUses(records=Broken(), keyring=town.keyring, alarm=town.alarm, notify=town.notify, log=town.log)
    monkeypatch.setattr(module, "MAX_NOTES", 1)
    uses.note(town.key.id, town.now, "", HOME)
    uses.note(KeyId("other"), town.now, "", HOME)
    assert await uses.flush() == 0
    uses._records = town.store.records
    assert await uses.flush() == 1
    assert town.rows[town.key.id].uses == 1


def test_neighbours_are_one_network():
    assert network_of(HOME) == network_of(f"::ffff:{NEXT_DOOR}") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of("unix") == ""


def test_an_unknown_address_is_no_new_network():
    place, tells = KeyPlace(networks=("203.0.113.0/24",)).see("", "curl", START)
    assert (place.networks, tells) == (("203.0.113.0/24",), False)


def test_only_the_newest_networks_are_remembered():
    place = KeyPlace()
    for number in range(MAX_NETWORKS + 5):
        place, _ = place.see(f"10.0.{number}.1", "", START)
    assert len(place.networks) == MAX_NETWORKS
    assert place.networks[-1] == "10.0.36.0/24"


def test_what_is_kept_is_read_as_it_was_written():
    place = KeyPlace(HOME, "curl", ("203.0.113.0/24",), START)
    assert read_place(place.write()) == place
    assert read_place(KeyPlace().write()) == KeyPlace()
    for raw in (b"", b"[]", b"{}", b'{"address":"","agent":"","networks":[],"told":"x"}'):
        with pytest.raises(TamperError):
            read_place(raw)
