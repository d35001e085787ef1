"""The key that signs assertions: made when it is wanted, taken up by whoever runs, replaced without anybody's notice."""

import asyncio
import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, UnavailableError
from doorward.flows.acting import CLI, Actor
from doorward.flows.assertion_keys import AssertionKeys, Minter
from doorward.outside.assertion_signatures import AssertionSignatures
from doorward.outside.keyring import FileKeyring
from doorward.rules.assertion import KEPT, LEAD, Algorithm
from doorward.rules.audit import Act
from doorward.rules.policy import App
from doorward.rules.session import Subject
from doorward.rules.stored_key import ASSERTION
from tests.contract.samples import a_session, a_user, add
from tests.fakes.assertions import View
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom

ALICE, BOB = a_user(), a_user("bob", is_admin=True)
WIKI = App("Wiki", (), assertion=True)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
URL = "https://wiki.example.test/"


class House:
    def __init__(self, **settings):
        self.store = FakeStore()
        self.keyring = FileKeyring([bytes(range(50, 82))], FakeRandom("keyring"))
        self.wanted = True
        self.checks = 0
        self.settings = settings
        self.keys = self.open(self.store)

    def open(self, store):
        """A process that signs."""
        return AssertionKeys(
            records=store.records,
            view=View(store),
            keyring=self.keyring,
            signatures=AssertionSignatures(),
            random=FakeRandom("new"),
            is_wanted=lambda: self.wanted,
            same=self,
            **self.settings,
        )

    def check(self):
        self.checks += 1

    def numbers(self):
        return [(key.number, key.retired_at, key.sealed == "") for key in self.store.state.keys]

    def told(self, now):
        return [key["kid"] for key in json.loads(self.keys.publish(now))["keys"]]


def part(token, place):
    raw = token.split(b".")[place]
    return json.loads(urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))


def minter_of(keys):
    return Minter(
        keys=keys, random=FakeRandom("jti"), issuer="https://auth.example.test", groups_of=lambda _: {"b", "a"}
    )


async def test_there_is_no_key_before_an_app_asks_and_one_however_many_servers_make_it():
    house = House()
    house.wanted = False
    await house.keys.tend(START)
    assert house.store.state.keys == []
    with pytest.raises(UnavailableError):
        house.keys.find_signer(START)
    assert house.told(START) == []
    await asyncio.gather(*(house.open(house.store).tend(START, wanted=True) for _ in range(3)))
    (key,) = house.store.state.keys
    assert (key.purpose, key.retired_at) == (ASSERTION, None)
    assert house.store.state.audit[-1].event.act is Act.ASSERTION_KEY_ROTATED
    assert house.keys.find_signer(START).number == key.number
    assert house.told(START) == [
        part(minter_of(house.keys).mint(Subject(ALICE, a_session(ALICE)), WIKI, "GET", URL, START), 0)["kid"]
    ]


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_what_is_minted_is_for_one_app(algorithm):
    house = House(algorithm=algorithm)
    await house.keys.tend(START)
    minter, subject = minter_of(house.keys), Subject(ALICE, a_session(ALICE))
    token = minter.mint(subject, WIKI, "GET", URL, START)
    assert part(token, 0) == {"alg": algorithm.value, "kid": house.told(START)[0], "typ": "doorward-assertion+jwt"}
    claims = part(token, 1)
    assert (claims["aud"], claims["groups"]) == ("Wiki", ["a", "b"])
    assert part(minter.mint(subject, replace(WIKI, audience="wiki-1"), "GET", URL, START), 1)["aud"] == "wiki-1"
    assert part(minter.mint(subject, WIKI, "GET", URL, START), 1)["jti"] != claims["jti"]


async def test_a_new_key_takes_its_turn_and_the_old_one_is_forgotten():
    """By itself: a running process signs with it as soon as everybody can know it."""
    house = House(every=30 * DAY)
    await house.keys.tend(START)
    first = house.keys.find_signer(START)
    due = START + 30 * DAY
    await house.keys.tend(due - SECOND)
    assert len(house.store.state.keys) == 1
    await house.keys.tend(due)
    assert [number for number, *_ in house.numbers()] == [1, 2]
    assert len(house.told(due)) == 2
    waiting = house.keys.find_signer(due)
    assert (waiting.number, waiting.sign, waiting.until) == (1, first.sign, due + LEAD)
    assert house.keys.find_signer(due + LEAD).number == 2
    await house.keys.tend(due + LEAD)
    assert house.numbers() == [(1, due + LEAD, True), (2, None, False)]
    assert house.store.state.audit[-1].event.act is Act.ASSERTION_KEY_RETIRED
    assert len(house.told(due + LEAD)) == 2
    assert len(house.told(due + LEAD + KEPT)) == 1


async def test_another_process_replaces_it_at_once():
    """The CLI: no assertion is signed with a key that was taken back, and nobody is told of it any more."""
    house = House()
    await house.keys.tend(START)
    before = house.keys.find_signer(START)
    kid = await house.open(house.store).rotate(CLI, at_once=True, now=START)
    after = house.keys.find_signer(START)
    assert (before.number, after.number) == (1, 2)
    assert house.told(START) == [kid]
    assert house.store.state.keys[0].sealed == ""
    assert house.told(START + KEPT) == [kid]
    assert house.store.state.audit[-1].event.public == {"kid": kid, "algorithm": "EdDSA", "at_once": "yes"}
    await house.keys.rotate(CLI, at_once=False, now=START)
    assert house.keys.find_signer(START).number == 2
    assert len(house.told(START)) == 2


async def test_keys_that_sign_no_more_are_taken_back_as_well():
    """What is stolen may be older than what is known of it."""
    house = House(every=DAY)
    await house.keys.tend(START)
    await house.keys.tend(START + DAY)
    await house.keys.tend(START + DAY + LEAD)
    assert len(house.told(START + DAY + LEAD)) == 2
    kid = await house.keys.rotate(CLI, at_once=True, now=START + DAY + LEAD)
    assert house.told(START + DAY + LEAD) == [kid]


async def test_only_who_administers_at_that_moment_may_replace_it():
    house = House()
    await add(house.store.records, ALICE, BOB)
    with pytest.raises(ForbiddenError):
        await house.keys.rotate(Actor(ALICE.id, ALICE.id), at_once=True, now=START)
    await house.keys.rotate(Actor(BOB.id, BOB.id), at_once=True, now=START)


async def test_it_is_looked_for_only_after_something_changed():
    house = House()
    await house.keys.tend(START)
    first = house.keys.find_signer(START)
    assert house.keys.find_signer(START) is first
    assert house.checks == 1
    async with house.store.records.transaction() as transaction:
        await transaction.put_setting("something", "else")
    assert house.keys.find_signer(START) is first
    house.keys.forget()
    assert house.keys.find_signer(START) is not first


async def test_what_was_due_is_looked_at_again_in_the_transaction_that_does_it():
    house, other = House(), None
    other = house.open(house.store)
    await other.tend(START)
    stale = house.open(House().store)
    stale._records = house.store.records
    await stale.tend(START)
    assert len(house.store.state.keys) == 1


async def test_with_its_keys_gone_nothing_is_signed():
    house = House()
    await house.keys.tend(START)
    assert house.keys.find_signer(START)
    house.store.state.keys.clear()
    house.keys._following.forget()
    with pytest.raises(UnavailableError):
        house.keys.find_signer(START)
    assert await AssertionKeysWithoutGuard(house).sign()


class AssertionKeysWithoutGuard:
    """A process that has nothing to compare the installation with."""

    def __init__(self, house):
        self._house = house

    async def sign(self):
        self._house.settings = {}
        keys = AssertionKeys(
            records=self._house.store.records,
            view=View(self._house.store),
            keyring=self._house.keyring,
            signatures=AssertionSignatures(),
            random=FakeRandom("again"),
            is_wanted=lambda: True,
        )
        await keys.tend(START)
        return keys.find_signer(START)
