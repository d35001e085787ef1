"""A new key of session cookies: everybody is signed out, in one transaction, by hand or by age; and at the doors."""

import json
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, TamperError
from doorward.flows.acting import CLI, Actor
from doorward.flows.signing_keys import Ended, SigningKeys
from doorward.flows.stored_keys import SessionKey, find_master_since, note_master, open_keys
from doorward.outside.keyring import FileKeyring
from doorward.rules.audit import Act
from doorward.rules.stored_key import SESSION
from tests.contract.samples import a_session, a_user, add
from tests.fakes.api import Program, code_told, open_api, told
from tests.fakes.door import Browser, Door
from tests.fakes.flows import Town
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom
from tests.unit.test_stored_keys import View

PAGE = "/admin/keys"
API = "/api/v1/keys"
ALICE, BOB = a_user(), a_user("bob", is_admin=True)
DAY = timedelta(days=1)


class House:
    """A store with two accounts and a session each, and its keys."""

    def __init__(self, every=None):
        self.store = FakeStore()
        self.keyring = FileKeyring([bytes(range(50, 82))], FakeRandom("keyring"), source="a test")
        self.flow = SigningKeys(
            records=self.store.records,
            keyring=self.keyring,
            random=FakeRandom("new"),
            notify=Town().notify,
            every=every,
        )
        self.key = SessionKey(View(self.store), self.keyring)

    async def open(self):
        await open_keys(self.store.records, self.keyring, FakeRandom("start"), now=START)
        await add(self.store.records, ALICE, BOB)
        for user in (ALICE, BOB):
            await self.store.sessions.put(a_session(user))
        return self


async def test_a_new_key_ends_every_session_and_forgets_the_old_one():
    """B-05, E-06, A-16: and nothing else that is sealed."""
    house = await House().open()
    before, sealed = house.key(), {key.purpose: key.sealed for key in house.store.state.keys}
    assert await house.flow.rotate(CLI, now=START + DAY) == Ended(2, 0)
    assert house.key() != before
    assert house.store.state.sessions == {}
    assert {user.generation for user in house.store.state.users.values()} == {ALICE.generation + 1}
    old, derive, new = house.store.state.keys
    assert (old.sealed, old.retired_at) == ("", START + DAY)
    assert derive.sealed == sealed["derive"]
    assert (new.purpose, new.retired_at) == (SESSION, None)
    event = house.store.state.audit[-1].event
    assert (event.act, event.actor, event.public) == (
        Act.SIGNING_KEY_ROTATED,
        "cli",
        {"accounts": "2", "number": "3"},
    )


async def test_only_who_administers_at_that_moment_may():
    house = await House().open()
    before = house.key()
    for flow in (house.flow.rotate(Actor(ALICE.id, ALICE.id), now=START), house.flow.look(Actor(ALICE.id, ALICE.id))):
        with pytest.raises(ForbiddenError):
            await flow
    assert house.key() == before
    await house.flow.rotate(Actor(BOB.id, BOB.id), now=START)
    assert house.key() != before


async def test_by_itself_it_is_replaced_when_it_is_as_old_as_it_may_be():
    """E-69: and never where that is not wanted."""
    never, house = await House().open(), await House(every=30 * DAY).open()
    for each, days, replaced in ((never, 9999, False), (house, 29, False), (house, 30, True), (house, 31, False)):
        before = each.key()
        await each.flow.rotate_due(START + days * DAY)
        assert (each.key() != before) is replaced
    assert house.store.state.audit[-1].event.actor == "system"
    house.store.state.keys.clear()
    with pytest.raises(TamperError, match="gone"):
        await house.flow.rotate_due(START)


async def test_the_age_of_the_master_key_is_since_it_was_first_seen_to_seal():
    """B-04: the key itself does not tell."""
    house = await House().open()
    assert await house.flow.list_ages(START + DAY) == [("master", 86400.0), ("session", 86400.0)]
    async with house.store.records.transaction() as transaction:
        await note_master(transaction, house.keyring.key_id, START + DAY)
        assert await find_master_since(transaction, house.keyring.key_id) == START
        await note_master(transaction, "another", START + DAY)
        assert await find_master_since(transaction, "another") == START + DAY
    ages = await house.flow.look(CLI)
    assert ages.master_since is None
    assert ages.masters == (house.keyring.key_id,)
    assert ages.source == "a test"
    house.store.state.keys.clear()
    assert await house.flow.list_ages(START) == []


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    await open_keys(door.store.records, _Opened(door.town.keyring), FakeRandom("start"), now=door.clock.now())
    return door


class _Opened:
    """The keyring of the door's town, as the program opens its own."""

    def __init__(self, keyring):
        self.seal, self.unseal, self.key_id = keyring.seal, keyring.unseal, keyring.key_ids[0]

    def join(self, installation, *, reads_older=False):
        """Its town is the only one."""

    def derive_from(self, root, of_old):
        """It derives from its own."""


async def enter(door, name="root"):
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


async def test_the_page_shows_names_and_ages_and_no_key(door):
    """B-02, E-06."""
    root = await enter(door)
    page = (await root.get(PAGE)).text
    assert door.town.keyring.key_ids[0] in page
    assert "doorward keys export" in page
    assert "Session cookies" in page
    assert "is not replaced by itself" in page
    assert "gcm2:" not in page
    door.flows.signing_keys.every = 90 * DAY
    door.town.keyring.key_ids += ("older",)
    page = (await root.get(PAGE)).text
    assert "Greatest age: 90 days" in page
    assert "a rotation is not finished" in page
    assert (await (await enter(door, "alice")).get(PAGE)).status == 403


async def test_the_button_signs_everybody_out_once_it_is_meant(door):
    root, alice = await enter(door), await enter(door, "alice")
    token = (await root.get(PAGE)).hidden("csrf_token")
    refused = await root.post(f"{PAGE}/signing", {"csrf_token": token})
    assert refused.status == 400
    assert "Nothing was done" in refused.text
    assert (await alice.get("/account")).status == 200
    answer = await root.post(f"{PAGE}/signing", {"csrf_token": token, "sure": "on"})
    assert answer.status == 303
    assert "/login" in answer.location
    for browser in (root, alice):
        assert (await browser.get("/account")).status == 303


async def test_who_replaces_it_right_after_signing_in_goes_in_no_circle(door):
    """The way to the sign-in page and back is the same a second time, and the cookie is not there: on purpose."""
    root = Browser(door)
    await root.sign_in("root", rd=door.public_url + PAGE)
    page = await root.get(PAGE)
    answer = await root.post(f"{PAGE}/signing", {"csrf_token": page.hidden("csrf_token"), "sure": "on"})
    assert (await root.get(answer.location.removeprefix(door.public_url))).hidden("csrf_token")
    assert "Going round in circles" not in (await root.get(f"/login?rd={door.public_url}{PAGE}")).text


async def test_the_button_asks_for_a_recent_proof(door):
    root = await enter(door)
    token = (await root.get(PAGE)).hidden("csrf_token")
    door.clock.advance(timedelta(minutes=16))
    answer = await root.post(f"{PAGE}/signing", {"csrf_token": token, "sure": "on"})
    assert answer.status == 303
    assert len(door.store.state.sessions) == 1


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/signing/rotate",
        "/api/v1/admin/rotate-signing-key",
        "/api/admin/rotate-signing-key",
        "/api/admin/rotate-jwt-secret",
    ],
)
async def test_a_program_may_ask_for_it_at_every_name_it_has(door, path):
    """B-05: with a recent proof, a token, and as an administrator."""
    open_api(door)
    program, other = await Program.enter(door, "root"), await Program.enter(door, "alice")
    assert (await other.call("POST", path)).status == 403
    assert told(await program.call("POST", path)) == {"accounts": 2, "keys": 0}
    assert door.store.state.sessions == {}
    stale = await Program.enter(door, "root")
    door.clock.advance(timedelta(minutes=16))
    assert code_told(await stale.call("POST", path), 403) == "PROOF_TOO_OLD"


async def test_a_program_is_told_names_and_ages(door):
    open_api(door)
    answer = await (await Program.enter(door, "root")).send("GET", API)
    assert told(answer)["master"]["names"] == list(door.town.keyring.key_ids)
    assert [key["purpose"] for key in told(answer)["stored"]] == ["derive", "session"]
    assert "gcm2:" not in answer.text


async def test_the_key_of_assertions_is_replaced_on_the_page_in_time_or_at_once(door):
    """B-25: and its age is told."""
    root = await enter(door)
    assert "/admin/keys/assertion" not in (await root.get(PAGE)).text
    await door.flows.assertion_keys.tend(door.clock.now(), wanted=True)
    page = await root.get(PAGE)
    assert "Assertions to apps" in page.text
    published = []
    for more, said in (({}, "signs in ten minutes"), ({"at_once": "on"}, "no other is published")):
        answer = await root.post(f"{PAGE}/assertion", {"csrf_token": page.hidden("csrf_token"), **more})
        assert answer.status == 303
        assert said in (await root.get(answer.location.removeprefix("https://auth.example.test"))).text
        published.append(len(json.loads(door.flows.assertion_keys.publish(door.clock.now()))["keys"]))
    assert published == [2, 1]
    assert "assertion" in dict(await door.flows.signing_keys.list_ages(door.clock.now()))


async def test_a_program_replaces_the_key_of_assertions(door):
    """B-25."""
    open_api(door)
    path = f"{API}/assertion/rotate"
    made = told(await (await Program.enter(door, "root")).call("POST", f"{path}?at_once=true"))
    (key,) = json.loads(door.flows.assertion_keys.publish(door.clock.now()))["keys"]
    assert made == {"kid": key["kid"], "at_once": True}
