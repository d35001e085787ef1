"""How often devices ask, how many wait, how often codes are typed: each has an end, and says when to come again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import InputError
from doorward.flows.outcome import Refused
from doorward.flows.pairing import Paired, PairingTerms
from doorward.rules.login import Failure
from doorward.rules.pairing import Answer
from tests.fakes.devices import BROWSER, PHONE, WISH, Bench
from tests.fakes.flows import Town, a_visitor


@pytest.fixture
def bench():
    return Bench(Town())


async def test_a_device_that_comes_when_too_many_keys_were_made_waits_its_turn(bench):
    """B-28: nothing was made, so nothing is lost."""
    subject = await bench.sign_in()
    begun = [await bench.begin() for _ in range(6)]
    for number, each in enumerate(begun):
        await bench.approve(subject, each, replace(WISH, name=f"Phone {number}"))
    answers = [await bench.fetch(each) for each in begun]
    assert [isinstance(answer, Paired) for answer in answers] == [True] * 5 + [False]
    assert answers[5] is Answer.SLOW_DOWN
    paired = await bench.fetch(begun[5], visitor=a_visitor("192.0.2.77", browser=""))
    assert isinstance(paired, Paired)
    assert len(bench.made) == 6


async def test_codes_are_guessed_by_nobody(bench):
    """RFC 8628, 5.1: each try is counted, whatever was typed, for the address and the account."""
    subject = await bench.sign_in()
    begun = await bench.begin()
    outcomes = [
        await bench.pairing.look(subject, f"BCDF-GHJ{letter}", BROWSER, now=bench.town.now) for letter in "BCDFGHJKLM"
    ]
    assert outcomes == [None] * 10
    refused = await bench.look(subject, begun)
    assert isinstance(refused, Refused)
    assert refused.failure is Failure.THROTTLED
    assert isinstance(await bench.approve(subject, begun), Refused)
    assert isinstance(await bench.refuse(subject, begun), Refused)
    assert bench.town.tally.limited["pairing_code"] == 3


async def test_many_addresses_guess_no_more_for_one_account(bench):
    subject = await bench.sign_in()
    tries = [
        await bench.pairing.look(subject, "nonsense", a_visitor(f"192.0.2.{number}"), now=bench.town.now)
        for number in range(21)
    ]
    assert tries[:20] == [None] * 20
    assert isinstance(tries[20], Refused)


async def test_one_address_asks_for_only_so_many(bench):
    for _ in range(10):
        await bench.begin()
    refused = await bench.pairing.begin("More", "", PHONE, now=bench.town.now)
    assert isinstance(refused, Refused)
    assert refused.failure is Failure.THROTTLED
    await bench.begin(visitor=a_visitor("192.0.2.1"))


async def test_only_so_many_wait_altogether_and_who_was_answered_makes_room():
    bench = Bench(Town(), terms=PairingTerms(waiting=3))
    subject = await bench.sign_in()
    begun = [await bench.begin(visitor=a_visitor(f"192.0.2.{number}", browser="")) for number in range(3)]
    late = a_visitor("192.0.2.99", browser="")
    refused = await bench.pairing.begin("Late", "", late, now=bench.town.now)
    assert isinstance(refused, Refused)
    assert refused.retry_after == timedelta(minutes=10)
    await bench.refuse(subject, begun[0])
    await bench.begin(visitor=late)
    await bench.approve(subject, begun[1])
    assert isinstance(await bench.pairing.begin("Later", "", late, now=bench.town.now), Refused)
    await bench.fetch(begun[1])
    await bench.begin(visitor=late)


async def test_who_finds_no_room_is_not_counted_among_those_who_wait():
    """Or whoever tries while others fill it would be kept out after there is room."""
    bench = Bench(Town(), terms=PairingTerms(lifetime=timedelta(minutes=30), waiting=1))
    subject = await bench.sign_in()
    begun = await bench.begin(visitor=a_visitor("192.0.2.1", browser=""))
    late = a_visitor("192.0.2.99", browser="")
    for _ in range(10):
        assert isinstance(await bench.pairing.begin("Late", "", late, now=bench.town.now), Refused)
    bench.town.clock.advance(timedelta(minutes=16))
    await bench.refuse(subject, begun)
    await bench.begin(visitor=late)


async def test_one_site_leaves_room_for_others_whatever_networks_it_has():
    bench = Bench(Town(), terms=PairingTerms(waiting=44))
    subject = await bench.sign_in()
    begun = [await bench.begin(visitor=a_visitor(f"2001:db8:1:{number}::1", browser="")) for number in range(11)]
    more = a_visitor("2001:db8:1:ffff::1", browser="")
    assert isinstance(await bench.pairing.begin("More", "", more, now=bench.town.now), Refused)
    await bench.begin(visitor=a_visitor("2001:db8:2::1", browser=""))
    await bench.refuse(subject, begun[0])
    await bench.begin(visitor=more)


async def test_one_address_has_only_so_many_waiting():
    """Also where its budget would let it ask for more."""
    bench = Bench(Town(), terms=PairingTerms(lifetime=timedelta(minutes=30)))
    for _ in range(10):
        await bench.begin()
    bench.town.clock.advance(timedelta(minutes=16))
    refused = await bench.pairing.begin("More", "", PHONE, now=bench.town.now)
    assert refused == Refused(Failure.THROTTLED, timedelta(minutes=14))


async def test_a_malformed_scope_is_refused_before_anything_is_counted(bench):
    for _ in range(30):
        with pytest.raises(InputError):
            await bench.pairing.begin("App", "admin", PHONE, now=bench.town.now)
    await bench.begin()
