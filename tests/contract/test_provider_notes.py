"""Marks, providers and settings: what must be known to have happened, and what was set in the console."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.interfaces import SecondProofs
from tests.contract.samples import a_provider, a_user, add, an_identity, link
from tests.fakes.system import START

MANY = 24
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


async def mark(records, name, at=START, keep_until=START + MINUTE):
    async with records.transaction() as transaction:
        return await transaction.put_mark(name, at, keep_until=keep_until)


async def find_mark(store, name):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.find_mark(name)


async def purge(store, now):
    async with store.records.transaction() as transaction:
        return await transaction.purge_upstream(now)


async def test_a_mark_is_news_once(store):
    assert await find_mark(store, "jti:main:1") is None
    assert await mark(store.records, "jti:main:1")
    assert await find_mark(store, "jti:main:1") == START
    assert not await mark(store.records, "jti:main:1")
    assert not await mark(store.elsewhere, "jti:main:1", START + MINUTE)


async def test_of_many_who_bring_one_logout_token_one_brings_news(store):
    results = await asyncio.gather(
        *(mark(store.elsewhere if number % 2 else store.records, "jti:main:1") for number in range(MANY))
    )
    assert sorted(results) == [False] * (MANY - 1) + [True]


async def test_a_mark_moves_forwards_only(store):
    """What came later stays the last word, however the messages overtake each other."""
    await mark(store.records, "sid", START + MINUTE, START + 5 * MINUTE)
    await mark(store.records, "sid", START, START + 4 * MINUTE)
    assert await find_mark(store, "sid") == START + MINUTE
    assert await purge(store, START + 4 * MINUTE) == 0
    await mark(store.records, "sid", START + 2 * MINUTE + MICROSECOND, START + 3 * MINUTE)
    assert await find_mark(store, "sid") == START + 2 * MINUTE + MICROSECOND
    assert await purge(store, START + 5 * MINUTE - MICROSECOND) == 0
    await mark(store.records, "sid", START, START + 6 * MINUTE)
    assert await find_mark(store, "sid") == START + 2 * MINUTE + MICROSECOND
    assert await purge(store, START + 5 * MINUTE) == 0
    assert await purge(store, START + 6 * MINUTE) == 1
    assert await find_mark(store, "sid") is None
    assert await mark(store.records, "sid", START)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sub:https://id.example.test:Zoë", "sub:https://id.example.test:Zoe\u0308"),
        ("sub:a", "sub:A"),
        ("sub:a", "sub:a "),
        ("sub:a", ""),
        ("x" * 100_000, "x" * 99_999),
        ("jti:\ud800", "jti:\udfff"),
        ("jti:\x00", "jti:"),
    ],
)
async def test_marks_are_told_apart_by_every_byte_of_a_name_of_any_length(store, name, other):
    """A provider may write whatever JSON can hold; nothing of it breaks the transaction, or stands for another."""
    assert await mark(store.records, name)
    assert await find_mark(store, other) is None
    assert await mark(store.records, other)
    assert not await mark(store.records, name)


async def test_a_mark_of_a_transaction_that_raises_was_never_made(store):
    """A logout token whose work was not done counts when it comes again."""

    async def act():
        async with store.records.transaction() as transaction:
            assert await transaction.put_mark("jti", START, keep_until=START + MINUTE)
            await transaction.put_provider(a_provider())
            await transaction.put_setting("sign_in.password", "off")
            raise Undone

    with pytest.raises(Undone):
        await act()
    async with store.records.transaction() as transaction:
        assert await transaction.put_mark("jti", START, keep_until=START + MINUTE)
        assert await transaction.list_providers() == []
        assert await transaction.find_setting("sign_in.password") is None


async def test_providers_are_kept_as_given_and_listed_by_id(store):
    main, other = a_provider("main"), a_provider("b-2", client_secret="", private_key="", enabled=False)
    async with store.records.transaction() as transaction:
        assert await transaction.list_providers() == []
        await transaction.put_provider(main)
        await transaction.put_provider(other)
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.list_providers() == [other, main]


async def test_whoever_judges_keys_sees_connections_with_what_the_console_says_of_them(store):
    """Of one that is disabled there, or is the file's, nothing but its id."""
    alice, main = a_user(), a_provider("main")
    identity = an_identity(alice)
    assert identity.provider == main.id
    await add(store.records, alice)
    view = store.live_view
    assert view.find_second_proofs(alice.id) == SecondProofs(own=False)
    await link(store.records, identity)
    assert view.find_second_proofs(alice.id) == SecondProofs(False, (("main", None),))
    for provider, settings in ((main, main.settings), (replace(main, enabled=False), None)):
        async with store.records.transaction() as transaction:
            await transaction.put_provider(provider)
        assert view.find_second_proofs(alice.id) == SecondProofs(False, (("main", settings),))


async def test_a_provider_is_replaced_whole(store):
    main, other = a_provider("main"), a_provider("other")
    changed = replace(
        main,
        settings="{}",
        client_secret="gcm1:new",
        private_key="",
        enabled=False,
        changed_at=START + MINUTE,
    )
    async with store.records.transaction() as transaction:
        await transaction.put_provider(main)
        await transaction.put_provider(other)
        await transaction.put_provider(changed)
        assert await transaction.list_providers() == [changed, other]


async def test_a_removed_provider_leaves_its_identities(store):
    """Whether they are unlinked is for people to decide."""
    alice = a_user()
    identity = an_identity(alice)
    await add(store.records, alice)
    await link(store.records, identity)
    async with store.records.transaction() as transaction:
        await transaction.put_provider(a_provider(identity.provider))
        assert await transaction.remove_provider(identity.provider)
        assert not await transaction.remove_provider(identity.provider)
        assert await transaction.list_providers() == []
        assert await transaction.list_identities() == [identity]


async def test_a_setting_is_made_changed_and_taken_back(store):
    async with store.records.transaction() as transaction:
        assert await transaction.find_setting("sign_in.password") is None
        await transaction.put_setting("sign_in.password", None)
        await transaction.put_setting("sign_in.password", "on")
        await transaction.put_setting("other", "")
        assert await transaction.find_setting("sign_in.password") == "on"
        await transaction.put_setting("sign_in.password", "off")
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_setting("sign_in.password") == "off"
        assert await transaction.find_setting("SIGN_IN.PASSWORD") is None
        assert await transaction.find_setting("other") == ""
        await transaction.put_setting("sign_in.password", None)
        assert await transaction.find_setting("sign_in.password") is None
        assert await transaction.find_setting("other") == ""
