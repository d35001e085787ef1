"""Keys for apps where everything ends: with a new key of session cookies, and in a lockdown."""

import pytest

from doorward.flows.acting import CLI, Actor
from doorward.flows.ending_keys import end_all_keys
from doorward.flows.stored_keys import open_keys
from doorward.rules.audit import Act
from doorward.rules.letter import LetterKind
from tests.contract.samples import a_user, add, an_app_key, give_keys
from tests.fakes.api import Program, open_api, told
from tests.fakes.door import Browser, Door
from tests.fakes.flows import Town
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom
from tests.unit.test_signing_keys import _Opened

ALICE, BOB = a_user(), a_user("bob")
LOCKDOWN = "/admin/incident/lockdown"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    await open_keys(door.store.records, _Opened(door.town.keyring), FakeRandom("start"), now=door.clock.now())
    await give_keys(door.store.records, *(an_app_key(user) for user in door.store.state.users.values()))
    return door


async def enter(door):
    browser = Browser(door)
    assert (await browser.sign_in("root")).status == 303
    return browser


async def press(browser, page, path, **fields):
    shown = await browser.get(page)
    return await browser.post(path, {"csrf_token": shown.hidden("csrf_token"), "sure": "on", **fields})


def acts_of(state):
    return [record.event.act for record in state.audit]


async def test_all_keys_are_revoked_with_one_record_and_a_letter_to_each_owner():
    """E-06, E-90: but to who does it."""
    store, letters = FakeStore(), []

    async def notify(transaction, kind, user, values, now):
        letters.append((kind, user.name, values["key"].count(", ") + 1))

    await add(store.records, ALICE, BOB)
    await give_keys(store.records, an_app_key(ALICE), an_app_key(ALICE), an_app_key(BOB))
    for count in (3, 0):
        async with store.records.transaction() as transaction:
            assert await end_all_keys(transaction, notify, Actor(BOB.id, BOB.id), START) == count
            assert await transaction.list_app_keys() == []
    (record,) = store.state.audit
    assert (record.event.act, record.event.public) == (Act.APP_KEY_REVOKED, {"key": "all", "count": "3"})
    assert letters == [(LetterKind.KEY_REVOKED, ALICE.name, 2)]


async def test_a_new_signing_key_revokes_keys_for_apps_only_when_that_is_asked(door):
    """E-06, A-21: on the page a box of its own."""
    page, path = "/admin/keys", "/admin/keys/signing"
    assert (await press(await enter(door), page, path)).status == 303
    assert len(door.store.state.app_keys) == 2
    assert (await press(await enter(door), page, path, keys="on")).status == 303
    assert door.store.state.app_keys == {}
    assert (LetterKind.KEY_REVOKED, "alice") in [letter[:2] for letter in door.town.letters]
    assert acts_of(door.store.state)[-2:] == [Act.APP_KEY_REVOKED, Act.SIGNING_KEY_ROTATED]


async def test_by_program_keys_for_apps_are_revoked_only_when_that_is_asked(door):
    """E-06."""
    open_api(door)
    path = "/api/v1/keys/signing/rotate"
    assert told(await (await Program.enter(door, "root")).call("POST", path)) == {"accounts": 2, "keys": 0}
    told_too = told(await (await Program.enter(door, "root")).call("POST", f"{path}?keys_too=true"))
    assert told_too == {"accounts": 2, "keys": 2}
    assert door.store.state.app_keys == {}


async def test_a_lockdown_says_beforehand_how_many_keys_stop(door):
    """E-90: those that are asleep or over do not count."""
    asleep = an_app_key(next(iter(door.store.state.users.values())), disabled_at=START)
    over = an_app_key(next(iter(door.store.state.users.values())), expires_at=START)
    await give_keys(door.store.records, asleep, over)
    root = await enter(door)
    assert "The 2 keys for apps open nothing" in (await root.get("/admin/incident")).text
    open_api(door)
    assert told(await (await Program.enter(door, "root")).send("GET", "/api/v1/incident"))["keys"] == 2
    await door.flows.signing_keys.rotate(CLI, keys_too=True, now=door.clock.now())
    page = (await (await enter(door)).get("/admin/incident")).text
    assert "Nobody makes a key for an app" in page
    assert "Revoke all keys for apps" not in page


@pytest.mark.parametrize(("box", "left"), [({}, 2), ({"keys": "on"}, 0)])
async def test_keys_are_there_after_a_lockdown_unless_they_were_revoked_with_it(door, box, left):
    """E-90."""
    root = await enter(door)
    assert (await press(root, "/admin/incident", LOCKDOWN, keep="on", **box)).status == 303
    await door.flows.lockdowns.lift(CLI, now=door.clock.now())
    assert len(door.store.state.app_keys) == left
    assert (Act.APP_KEY_REVOKED in acts_of(door.store.state)) is (left == 0)


async def test_a_program_may_revoke_all_keys_with_a_lockdown(door):
    """E-90."""
    open_api(door)
    program = await Program.enter(door, "root")
    assert (await program.call("POST", "/api/v1/incident/lockdown", {"keys_too": True})).status == 204
    assert door.store.state.app_keys == {}


async def test_what_was_ended_is_told_to_who_began_it_and_to_owners():
    """E-90."""
    town = Town()
    user = await town.add_user("root", is_admin=True)
    await give_keys(town.store.records, an_app_key(user))
    contained = await town.flows.lockdowns.begin(CLI, keys_too=True, now=town.now)
    assert (contained.accounts, contained.keys) == (1, 1)
    assert [letter[:2] for letter in town.letters] == [(LetterKind.KEY_REVOKED, "root")]
