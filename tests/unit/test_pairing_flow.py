"""Pairing: a device asks, somebody approves exactly what it may do, and it fetches its key once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError
from doorward.flows import pairing as module
from doorward.flows.outcome import Refused
from doorward.flows.pairing import Asked, Paired, PairingTerms
from doorward.flows.rights import take_rights
from doorward.flows.tickets import ticket_id
from doorward.rules.app_key import ApiScope, KeyKind, matches, parse_key
from doorward.rules.key_wish import KeyTerms, KeyWish
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.login import Failure
from doorward.rules.pairing import Answer, Whence
from doorward.rules.policy import Audience, Effect, HostPattern, Rule
from doorward.rules.ticket import Purpose
from doorward.rules.travel import Place
from tests.fakes.devices import PHONE, WISH, Bench
from tests.fakes.flows import Town

MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench():
    return Bench(Town())


async def test_a_device_is_paired(bench):
    """The whole way: it asks, waits, is approved, and has a key of its own."""
    subject = await bench.sign_in()
    begun = await bench.begin(scope="app:wiki openid")
    assert await bench.fetch(begun) is Answer.PENDING
    asked = await bench.approve(subject, begun, replace(WISH, read_only=True))
    assert isinstance(asked, Asked)
    paired = await bench.fetch(begun)
    assert isinstance(paired, Paired)
    [key] = bench.made
    assert paired.key == key
    assert (key.user_id, key.kind, key.name, key.apps, key.read_only) == (
        subject.user.id,
        KeyKind.DEVICE,
        "Phone",
        ("wiki",),
        True,
    )
    assert paired.reach.text == "app:wiki"
    parsed = parse_key(paired.text)
    assert parsed is not None
    assert parsed[0] == key.id
    assert matches(parsed[1], key.digest)
    assert bench.town.acts()[-2:] == ["user.pairing_approve", "user.api_key_create"]
    approved = bench.town.audit[-2]
    # What people call their things, and what strangers do, can be erased.
    assert approved.public == {"scope": "app:wiki"}
    assert (approved.private["client"], approved.private["name"]) == ("Wiki Reader", "Phone")
    assert approved.private["device_address"] == "198.51.100.9"
    assert bench.town.audit[-1].private["address"] == "198.51.100.9"
    assert paired.text not in repr(paired)


async def test_what_is_kept_opens_nothing(bench):
    """Neither code stands in the store, and the text of the key nowhere."""
    subject = await bench.sign_in()
    begun = await bench.begin()
    await bench.approve(subject, begun)
    stored = str(bench.town.store.state)
    assert begun.device_code not in stored
    assert begun.user_code not in stored
    assert begun.user_code.replace("-", "") not in stored
    paired = await bench.fetch(begun)
    assert isinstance(paired, Paired)
    assert paired.text.split("_")[2] not in str(bench.town.store.state)


async def test_a_code_is_good_once(bench):
    subject, other = await bench.sign_in(), await bench.sign_in("bob")
    begun = await bench.begin()
    assert await bench.approve(subject, begun) is not None
    assert await bench.look(subject, begun) is None
    assert await bench.approve(other, begun) is None
    assert await bench.refuse(other, begun) is None
    assert isinstance(await bench.fetch(begun), Paired)
    assert await bench.fetch(begun) is Answer.UNKNOWN
    assert [key.user_id for key in bench.made] == [subject.user.id]


async def test_of_many_who_fetch_at_once_one_gets_a_key(bench):
    """E21."""
    subject = await bench.sign_in()
    begun = await bench.begin()
    await bench.approve(subject, begun)
    answers = await asyncio.gather(*(bench.fetch(begun) for _ in range(24)))
    assert sum(isinstance(answer, Paired) for answer in answers) == 1
    assert {answer for answer in answers if not isinstance(answer, Paired)} == {Answer.UNKNOWN}
    assert len(bench.made) == 1


async def test_of_several_who_answer_at_once_one_is_heard(bench):
    alice, bob = await bench.sign_in(), await bench.sign_in("bob")
    begun = await bench.begin()
    answers = await asyncio.gather(
        bench.approve(alice, begun), bench.refuse(bob, begun), bench.approve(bob, begun), bench.refuse(alice, begun)
    )
    assert sum(answer is not None for answer in answers) == 1


async def test_a_device_that_is_refused_is_told_so(bench):
    subject = await bench.sign_in()
    begun = await bench.begin()
    assert isinstance(await bench.refuse(subject, begun), Asked)
    assert await bench.fetch(begun) is Answer.DENIED
    bench.town.clock.advance(11 * MINUTE)
    assert await bench.fetch(begun) is Answer.DENIED
    assert bench.town.acts()[-1] == "user.pairing_refuse"
    assert bench.town.audit[-1].public == {}
    assert bench.town.audit[-1].private["client"]
    assert await bench.approve(subject, begun) is None
    assert bench.made == []


async def test_who_comes_late_is_told_that_it_is_late(bench):
    """`expired_token` for as long again, then nobody knows it any more."""
    subject = await bench.sign_in()
    begun, approved = await bench.begin(), await bench.begin()
    await bench.approve(subject, approved)
    bench.town.clock.advance(begun.expires_in)
    assert await bench.fetch(begun) is Answer.EXPIRED
    assert await bench.fetch(approved) is Answer.EXPIRED
    assert await bench.look(subject, begun) is None
    assert await bench.approve(subject, begun) is None
    bench.town.clock.advance(begun.expires_in)
    assert await bench.fetch(begun) is Answer.UNKNOWN
    assert bench.made == []


async def test_who_asks_too_often_is_slowed_down(bench):
    begun = await bench.begin()
    assert [await bench.fetch(begun) for _ in range(2)] == [Answer.PENDING, Answer.SLOW_DOWN]
    bench.town.clock.advance(timedelta(seconds=6))
    assert await bench.fetch(begun) is Answer.SLOW_DOWN, "ten seconds it has to wait now"
    bench.town.clock.advance(timedelta(seconds=15))
    assert await bench.fetch(begun) is Answer.PENDING


async def test_the_pace_of_no_more_is_remembered_than_may_wait():
    bench = Bench(Town(), terms=PairingTerms(waiting=2))
    first, second = await bench.begin(), await bench.begin()
    assert [await bench.fetch(each) for each in (first, second)] == [Answer.PENDING] * 2
    bench.town.clock.advance(first.expires_in)
    third = await bench.begin()
    assert await bench.fetch(third) is Answer.PENDING
    assert len(bench.pairing._paces) == 2


@pytest.mark.parametrize("device_code", ["", "x" * 43, "\ud800", "A" * 5000])
async def test_a_code_that_nobody_was_given_is_unknown(bench, device_code):
    answer = await bench.pairing.fetch(device_code, "Wiki Reader", PHONE, now=bench.town.now)
    assert answer is Answer.UNKNOWN


async def test_a_device_fetches_only_what_it_asked_for_itself(bench):
    """Under the name it began with; and the code that people type is none to fetch with."""
    subject = await bench.sign_in()
    begun = await bench.begin()
    await bench.approve(subject, begun)
    assert await bench.fetch(begun, client="Another") is Answer.UNKNOWN
    for code in (begun.user_code, begun.user_code.replace("-", "")):
        assert await bench.fetch(replace(begun, device_code=code)) is Answer.UNKNOWN
    assert isinstance(await bench.fetch(begun), Paired)


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.PAIRING])
async def test_tickets_of_other_purposes_fetch_nothing(bench, purpose):
    """T-05."""
    subject = await bench.sign_in()
    begun = await bench.begin()
    await bench.approve(subject, begun)
    tickets = bench.town.store.tickets
    ticket = await tickets.take(ticket_id(begun.device_code), Purpose.PAIRING, bench.town.now)
    await tickets.put(replace(ticket, purpose=purpose))
    assert await bench.fetch(begun) is Answer.UNKNOWN
    assert bench.made == []


async def test_whoever_approves_sees_what_they_need_to_know(bench):
    subject = await bench.sign_in()
    bench.town.places["198.51.100.9"] = Place("Oslo", "", "Norway")
    begun = await bench.begin(
        "Evil\u202e\x1b[31m<b>App</b>" + "x" * 80, "app:WIKI app:vault host:home.example.test write"
    )
    asked = await bench.look(subject, begun)
    assert isinstance(asked, Asked)
    assert asked.client == ("Evil\ufffd\ufffd[31m<b>App</b>" + "x" * 80)[:50]
    assert (asked.code, asked.agent, asked.address) == (begun.user_code, "Dart/3.3 (dart:io)", "198.51.100.9")
    assert (asked.place, asked.whence) == ("Oslo, Norway", Whence.ELSEWHERE)
    assert (asked.apps, asked.hosts, asked.beyond) == (("wiki",), ("home.example.test",), ("vault",))
    assert asked.reach.scopes == {ApiScope.WRITE}
    assert (asked.asked_at, asked.until) == (bench.town.now, bench.town.now + begun.expires_in)


async def test_a_host_that_nobody_may_open_is_beyond(bench):
    asked = await bench.look(await bench.sign_in(), await bench.begin(scope="host:nowhere.example.test"))
    assert isinstance(asked, Asked)
    assert (asked.apps, asked.hosts, asked.beyond) == ((), (), ("nowhere.example.test",))


async def test_what_a_device_asks_for_says_no_more_than_a_name(bench):
    words = "Your administrator asks you to let this device in today: press the button below"
    begun = await bench.begin(scope=f"app:{quote(words)} app:wiki")
    asked = await bench.look(await bench.sign_in(), begun)
    assert isinstance(asked, Asked)
    assert asked.beyond == (words[:50],)


async def test_a_device_that_names_nothing_is_offered_what_its_owner_may_open(bench):
    begun = await bench.begin(visitor=replace(PHONE, address=None))
    asked = await bench.look(await bench.sign_in(), begun)
    assert isinstance(asked, Asked)
    assert (asked.apps, asked.hosts, asked.beyond) == (("Home Assistant", "wiki"), (), ())
    assert (asked.address, asked.place, asked.whence) == ("", "", Whence.UNKNOWN)
    again = await bench.look(await bench.sign_in("root"), begun)
    assert isinstance(again, Asked)
    assert again.apps == ("Home Assistant", "wiki", "vault")


@pytest.mark.parametrize(
    "wish",
    [
        replace(WISH, apps=("wiki", "Home Assistant")),
        replace(WISH, apps=("vault",)),
        replace(WISH, hosts=("home.example.test",)),
        replace(WISH, scopes=frozenset({ApiScope.WRITE})),
        replace(WISH, scopes=frozenset({ApiScope.ADMIN})),
    ],
)
async def test_nothing_is_given_that_was_not_asked_for(bench, wish):
    """A form can be made up."""
    subject = await bench.sign_in(is_admin=True)
    begun = await bench.begin(scope="app:wiki read")
    with pytest.raises(InputError):
        await bench.approve(subject, begun, wish)
    assert isinstance(await bench.look(subject, begun), Asked), "the code is good for another try"


async def test_less_may_be_given_than_was_asked_for(bench):
    subject = await bench.sign_in()
    begun = await bench.begin(scope="app:wiki host:home.example.test read write")
    end = bench.town.now + timedelta(days=30)
    wish = KeyWish("TV", hosts=("home.example.test",), scopes=frozenset({ApiScope.READ}), expires_at=end)
    assert isinstance(await bench.approve(subject, begun, wish), Asked)
    paired = await bench.fetch(begun)
    assert isinstance(paired, Paired)
    assert (paired.reach.text, paired.key.expires_at) == ("host:home.example.test read", end)


async def test_too_many_keys_are_refused_when_a_device_is_approved(bench):
    """A-19: with a sentence, and the code is good still."""
    bench = Bench(bench.town, key_terms=KeyTerms(max_keys=1))
    subject = await bench.sign_in()
    first, second = await bench.begin(), await bench.begin()
    await bench.approve(subject, first)
    await bench.approve(subject, second, replace(WISH, name="Other"))
    assert isinstance(await bench.fetch(first), Paired)
    assert await bench.fetch(second) is Answer.DENIED, "and counted again when it is fetched"
    with pytest.raises(InputError, match="has 1 keys already"):
        await bench.approve(subject, await bench.begin())
    assert len(bench.made) == 1


async def test_whoever_lost_a_right_meanwhile_gives_no_key(bench):
    """J04: disabled, signed out everywhere, or no longer let in there."""
    subject = await bench.sign_in()
    begun = [await bench.begin() for _ in range(3)]
    for each in begun:
        await bench.approve(subject, each)
    policy, bench.policy = bench.policy, bench.policy.__class__(())
    assert await bench.fetch(begun[0]) is Answer.DENIED
    bench.policy = policy
    async with bench.town.store.records.transaction() as transaction:
        user = await transaction.find_user(subject.user.id)
        await take_rights(transaction, user, user)
    assert await bench.fetch(begun[1]) is Answer.DENIED
    async with bench.town.store.records.transaction() as transaction:
        await transaction.remove_user(subject.user.id)
    assert await bench.fetch(begun[2]) is Answer.DENIED
    assert bench.made == []
    assert [fields["reason"] for event, fields in bench.town.log.events if event == "pairing_denied"][1:] == [
        "this session has ended"
    ] * 2


async def test_nothing_is_approved_or_fetched_in_a_lockdown(bench):
    """E-90."""
    subject = await bench.sign_in()
    begun, waiting = await bench.begin(), await bench.begin()
    await bench.approve(subject, begun)
    async with bench.town.store.records.transaction() as transaction:
        await transaction.put_setting(LOCKDOWN_SETTING, "{}")
    assert await bench.approve(subject, waiting) == Refused(Failure.LOCKDOWN)
    assert await bench.fetch(begun) is Answer.DENIED
    assert bench.made == []


async def test_whoever_was_signed_out_meanwhile_approves_and_refuses_nothing(bench):
    subject = await bench.sign_in()
    begun, other = await bench.begin(), await bench.begin()
    async with bench.town.store.records.transaction() as transaction:
        user = await transaction.find_user(subject.user.id)
        await take_rights(transaction, user, user)
    with pytest.raises(ForbiddenError):
        await bench.approve(subject, begun)
    with pytest.raises(ForbiddenError):
        await bench.refuse(subject, other)
    assert await bench.fetch(begun) is Answer.PENDING


async def test_approving_asks_for_recent_proof(bench):
    subject = await bench.sign_in()
    bench.town.clock.advance(timedelta(minutes=16))
    with pytest.raises(ForbiddenError):
        await bench.approve(subject, await bench.begin())


async def test_two_devices_never_wait_under_one_code(bench, monkeypatch):
    codes = iter(["BCDFGHJK", "BCDFGHJK", "LMNPQRST", *["BCDFGHJK"] * 5])
    monkeypatch.setattr(module, "write_user_code", lambda _random: next(codes))
    assert [(await bench.begin()).user_code for _ in range(2)] == ["BCDF-GHJK", "LMNP-QRST"]
    with pytest.raises(ConflictError):
        await bench.begin()


async def test_a_code_whose_device_is_gone_leads_nowhere(bench):
    subject = await bench.sign_in()
    begun = await bench.begin()
    await bench.town.store.tickets.take(ticket_id(begun.device_code), Purpose.PAIRING, bench.town.now)
    assert await bench.look(subject, begun) is None


async def test_what_is_taken_between_look_and_answer_is_answered_once(bench, monkeypatch):
    """Whoever is second finds the code gone, or the pairing changed."""
    subject = await bench.sign_in()
    begun, other = await bench.begin(), await bench.begin()
    tickets = bench.town.store.tickets

    async def nobody(*_):
        return None

    async def unchanged(*_):
        return False

    monkeypatch.setattr(tickets, "take", nobody)
    assert await bench.approve(subject, begun) is None
    assert await bench.refuse(subject, begun) is None
    monkeypatch.undo()
    monkeypatch.setattr(tickets, "advance", unchanged)
    assert await bench.approve(subject, other) is None


async def test_a_rule_for_one_host_is_enough_for_an_app(bench):
    host = HostPattern("example.org", below=True, apex=False)
    rule = Rule("tools", Effect.ALLOW, (host,), audience=Audience.ANY_USER)
    bench.policy = bench.policy.__class__((rule,), apps=())
    asked = await bench.look(await bench.sign_in(), await bench.begin(scope="host:a.example.org"))
    assert isinstance(asked, Asked)
    assert asked.hosts == ("a.example.org",)
