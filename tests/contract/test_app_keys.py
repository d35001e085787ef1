"""Keys for apps and secrets we show apps: both stores keep them alike."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from doorward.errors import ConflictError
from doorward.rules.app_key import ApiScope, AppKey, AppSecret, KeyId, KeyKind, KeyUse
from tests.contract.samples import a_user
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob", email="bob@example.com")
DAY = timedelta(days=1)


def a_key(key_id="abcdefghijkl", user=ALICE, name="Phone", **changes):
    key = AppKey(KeyId(key_id), user.id, name, KeyKind.KEY, "sha256:00", "dw_abcde…wxyz", START, user.id)
    return replace(key, **changes)


FULL = a_key(
    apps=("NAS", "Calendar"),
    hosts=("feed.example.com",),
    paths=("/dav/", "/ics"),
    methods=frozenset({"GET", "PROPFIND"}),
    networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
    scopes=frozenset({ApiScope.READ, ApiScope.ADMIN}),
    read_only=True,
    in_url=True,
    generation=3,
    expires_at=START + DAY,
    disabled_at=START + DAY / 2,
    woken_at=START + DAY / 4,
)


@pytest.fixture
async def store(store):
    async with store.records.transaction() as transaction:
        await transaction.add_user(ALICE)
        await transaction.add_user(BOB)
    return store


async def test_a_key_comes_back_as_it_was(store):
    async with store.records.transaction() as transaction:
        await transaction.add_app_key(FULL)
        assert await transaction.find_app_key(FULL.id) == FULL
        assert await transaction.find_app_key(KeyId("aaaaaaaaaaaa")) is None
    assert store.live_view.find_key_owner(FULL.id) == (FULL, ALICE)
    assert store.live_view.find_key_owner(KeyId("aaaaaaaaaaaa")) is None


async def test_one_account_has_no_two_keys_of_one_name(store):
    other = a_key("bbbbbbbbbbbb")
    async with store.records.transaction() as transaction:
        await transaction.add_app_key(a_key())
        await transaction.add_app_key(a_key("cccccccccccc", user=BOB))
        for clash in (other, a_key(name="Another")):
            with pytest.raises(ConflictError):
                await transaction.add_app_key(clash)
        assert await transaction.list_app_keys(BOB.id) == [a_key("cccccccccccc", user=BOB)]


async def test_the_newest_key_comes_first(store):
    older, newer = a_key("zzzzzzzzzzzz", name="Old", made_at=START - DAY), a_key("bbbbbbbbbbbb", name="New")
    async with store.records.transaction() as transaction:
        for key in (older, newer, a_key()):
            await transaction.add_app_key(key)
        assert await transaction.list_app_keys() == [a_key(), newer, older]


async def test_a_key_changes_only_from_what_was_seen_and_the_gate_is_told(store):
    key = a_key()
    async with store.records.transaction() as transaction:
        await transaction.add_app_key(key)
        await transaction.note_key_uses([KeyUse(key.id, START + DAY, "sealed"), KeyUse(KeyId("gone"), START, "x")])
    before = store.live_view.revision()
    async with store.records.transaction() as transaction:
        assert await transaction.advance_app_key(key, replace(key, disabled_at=START))
        assert not await transaction.advance_app_key(key, replace(key, name="Other"))
        found = await transaction.find_app_key(key.id)
    assert found == replace(key, disabled_at=START, uses=1, last_used_at=START + DAY, sealed="sealed")
    assert store.live_view.revision() > before


async def test_noting_a_use_disturbs_no_gate(store):
    async with store.records.transaction() as transaction:
        await transaction.add_app_key(a_key())
    before = store.live_view.revision()
    async with store.records.transaction() as transaction:
        await transaction.note_key_uses([KeyUse(a_key().id, START, "")])
    assert store.live_view.revision() == before


async def test_keys_are_removed_one_by_one_and_with_their_account(store):
    keys = [a_key(), a_key("bbbbbbbbbbbb", name="Two"), a_key("cccccccccccc", user=BOB)]
    async with store.records.transaction() as transaction:
        for key in keys:
            await transaction.add_app_key(key)
    before = store.live_view.revision()
    async with store.records.transaction() as transaction:
        assert await transaction.remove_app_keys([keys[0].id, KeyId("gone")]) == 1
        assert await transaction.remove_app_keys([keys[0].id]) == 0
        assert await transaction.list_app_keys() == keys[1:]
    assert store.live_view.revision() > before
    async with store.records.transaction() as transaction:
        await transaction.remove_user(ALICE.id)
        assert await transaction.list_app_keys() == keys[2:]
    assert store.live_view.find_key_owner(keys[1].id) is None


async def test_only_what_was_neither_made_nor_used_nor_woken_since_sleeps(store):
    long_ago = START - 90 * DAY
    old = a_key("aaaaaaaaaaaa", name="Old", made_at=long_ago)
    used = a_key("bbbbbbbbbbbb", name="Used", made_at=long_ago)
    asleep = a_key("cccccccccccc", name="Asleep", made_at=long_ago, disabled_at=START)
    async with store.records.transaction() as transaction:
        woken = a_key("dddddddddddd", name="Woken", made_at=long_ago, woken_at=START)
        for key in (old, used, asleep, woken, a_key()):
            await transaction.add_app_key(key)
        await transaction.note_key_uses([KeyUse(used.id, START, "")])
        assert await transaction.list_sleeping_keys(START - DAY) == [old]


async def test_keys_are_counted_by_kind_and_sleep(store):
    async with store.records.transaction() as transaction:
        assert await transaction.count_app_keys() == {}
        for number, changes in enumerate(({}, {}, {"disabled_at": START}, {"kind": KeyKind.TOKEN})):
            await transaction.add_app_key(a_key(f"{number}" * 12, name=f"Key {number}", **changes))
        found = await transaction.count_app_keys()
    assert found == {(KeyKind.KEY, False): 2, (KeyKind.KEY, True): 1, (KeyKind.TOKEN, False): 1}


async def test_secrets_we_show_apps_are_kept_by_name(store):
    one, two = AppSecret("nas", "sealed-1", START), AppSecret("feed", "sealed-2", START)
    before = store.live_view.revision()
    async with store.records.transaction() as transaction:
        await transaction.put_app_secret(one)
        await transaction.put_app_secret(two)
        await transaction.put_app_secret(replace(one, sealed="sealed-3"))
        assert await transaction.list_app_secrets() == [two, replace(one, sealed="sealed-3")]
    assert store.live_view.list_app_secrets() == {"nas": "sealed-3", "feed": "sealed-2"}
    async with store.records.transaction() as transaction:
        assert await transaction.remove_app_secret("nas")
        assert not await transaction.remove_app_secret("nas")
        assert await transaction.list_app_secrets() == [two]
    assert store.live_view.revision() > before
