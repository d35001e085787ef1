"""Identities: whose they are is decided byte for byte, and what they grant counts with the next check."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.provider import ProviderId
from doorward.rules.session import Subject
from doorward.rules.upstream import IdentityId
from tests.contract.samples import a_session, a_user, add, an_identity, an_upstream_session, link
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
MANY = 24
MINUTE = timedelta(minutes=1)
KEY = ("https://id.example.test/", "Zoë 1")


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


@pytest.fixture(autouse=True)
async def _accounts(store):
    await add(store.records, ALICE, BOB)


async def find(store, identity):
    async with store.records.transaction() as transaction:
        return await transaction.find_identity(identity.issuer, identity.subject)


async def advance(records, old, new):
    async with records.transaction() as transaction:
        await transaction.advance_identity(old, new)


async def find_user(store, user):
    async with store.records.transaction() as transaction:
        return await transaction.find_user(user.id)


async def test_an_identity_is_found_as_it_was_linked(store):
    plain = an_identity(ALICE, email="", name="")
    full = an_identity(
        BOB,
        provider=ProviderId("other"),
        owns_profile=True,
        groups=frozenset({"staff", "team:eu/1"}),
        is_admin=True,
        used_at=START + timedelta(microseconds=3),
    )
    await link(store.records, plain, full)
    for identity in (plain, full):
        assert await find(store, identity) == identity
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_identity(plain.issuer, full.subject + "x") is None
        assert await transaction.find_identity("", "") is None


@pytest.mark.parametrize(
    "other",
    [
        ("https://id.example.test", "Zoë 1"),
        ("https://ID.example.test/", "Zoë 1"),
        ("https://id.example.test/ ", "Zoë 1"),
        ("https://id.example.test/", "zoë 1"),
        ("https://id.example.test/", "Zoë 1 "),
        ("https://id.example.test/", " Zoë 1"),
        ("https://id.example.test/", "Zoe\u0308 1"),
        ("https://id.example.test/", "Zoë 01"),
        ("https://id.example.test/", "Zoë\u00a01"),
        ("https://id.example.test/", "Zo_ 1"),
        ("https://id.example.test/", "%"),
        ("https://id.example.test/Zoë", " 1"),
    ],
)
async def test_a_key_is_compared_byte_for_byte(store, other):
    """Letter case, spaces, accents written otherwise: another key is another identity."""
    known = an_identity(ALICE, issuer=KEY[0], subject=KEY[1])
    stranger = an_identity(BOB, issuer=other[0], subject=other[1])
    await link(store.records, known)
    assert await find(store, stranger) is None
    await link(store.records, stranger)
    assert await find(store, known) == known
    assert await find(store, stranger) == stranger


@pytest.mark.parametrize("number", ["1", "01", "1.0", "1e0", "9007199254740993", "9007199254740992"])
async def test_a_subject_that_looks_like_a_number_stays_text(store, number):
    known = an_identity(ALICE, subject=number)
    await link(store.records, known)
    assert (await find(store, known)).subject == number
    assert await find(store, replace(known, subject=number + "0")) is None


async def test_a_key_is_linked_once_to_whomever(store):
    known = an_identity(ALICE, groups=frozenset({"staff"}))
    await link(store.records, known)
    for double in (
        an_identity(BOB, subject=known.subject, groups=frozenset({"stolen"})),
        an_identity(ALICE, subject=known.subject),
        an_identity(BOB, subject=known.subject, provider=ProviderId("other")),
        an_identity(BOB, id=known.id, groups=frozenset({"stolen"})),
    ):
        with pytest.raises(ConflictError, match="linked already"):
            await link(store.records, double)
    async with store.records.transaction() as transaction:
        assert await transaction.list_identities() == [known]
        assert (await transaction.find_user(BOB.id)).granted_groups == frozenset()


async def test_an_identity_of_nobody_is_refused(store):
    """A link that loses the race against the removal of its account leaves nothing."""
    with pytest.raises(ConflictError):
        await link(store.records, an_identity(a_user("carol")))
    async with store.records.transaction() as transaction:
        assert await transaction.list_identities() == []


async def test_of_many_who_link_one_identity_at_once_one_gets_it(store):
    tries = [an_identity(ALICE if number % 3 else BOB, subject="one") for number in range(MANY)]
    results = await asyncio.gather(
        *(link(store.elsewhere if number % 2 else store.records, each) for number, each in enumerate(tries)),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, ConflictError) for result in results if result is not None)
    assert await find(store, tries[0]) == tries[results.index(None)]


async def test_of_many_first_sign_ins_with_one_identity_one_account_remains(store):
    """Account and identity are made together or not at all."""

    async def provision(number):
        user = a_user(f"new{number}")
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            await transaction.add_user(user)
            await asyncio.sleep(0)
            await transaction.add_identity(an_identity(user, subject="one", owns_profile=True))

    results = await asyncio.gather(*(provision(number) for number in range(MANY)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    async with store.records.transaction() as transaction:
        (identity,) = await transaction.list_identities()
        assert {user.id for user in await transaction.list_users()} == {ALICE.id, BOB.id, identity.user_id}


async def test_identities_are_listed_in_the_order_of_linking(store):
    late, early, other = (
        an_identity(ALICE, linked_at=START + 2 * MINUTE),
        an_identity(ALICE, linked_at=START, groups=frozenset({"a", "b"})),
        an_identity(BOB, linked_at=START + MINUTE, groups=frozenset({"c"})),
    )
    await link(store.records, late, early, other)
    async with store.records.transaction() as transaction:
        assert await transaction.list_identities(ALICE.id) == [early, late]
        assert await transaction.list_identities(BOB.id) == [other]
        assert await transaction.list_identities() == [early, other, late]
        assert await transaction.list_identities(a_user("carol").id) == []


async def test_an_identity_changes_only_from_the_state_that_was_seen(store):
    """Whatever part of it somebody else changed, a stale sign-in does not undo it."""
    first = an_identity(ALICE, groups=frozenset({"staff", "old"}))
    await link(store.records, first)
    changes = [
        {"groups": frozenset({"staff", "new"})},
        {"groups": frozenset()},
        {"is_admin": True},
        {"used_at": START + MINUTE},
        {"used_at": START + MINUTE + timedelta(microseconds=1)},
        {"email": "else@example.test", "name": "Else"},
        {"owns_profile": True},
        {"provider": ProviderId("renamed")},
    ]
    seen = [first]
    for change in changes:
        seen.append(replace(seen[-1], **change))
        await advance(store.elsewhere, seen[-2], seen[-1])
        assert await find(store, first) == seen[-1]
    for stale in seen[:-1]:
        with pytest.raises(ConflictError, match="somebody else"):
            await advance(store.records, stale, replace(stale, groups=frozenset({"undone"})))
    assert await find(store, first) == seen[-1]
    unknown = an_identity(ALICE)
    with pytest.raises(ConflictError):
        await advance(store.records, unknown, unknown)


@pytest.mark.parametrize(
    "change",
    [{"id": IdentityId("x" * 22)}, {"issuer": "https://id.example.test"}, {"subject": "other"}, {"user_id": BOB.id}],
)
async def test_an_identity_keeps_its_id_its_key_and_its_owner(store, change):
    """Nothing hands an identity over: it is unlinked, and linked anew."""
    known = an_identity(ALICE)
    await link(store.records, known)
    with pytest.raises(ValueError, match="never change"):
        await advance(store.records, known, replace(known, **change))
    assert await find(store, known) == known


async def test_of_many_changes_from_one_state_one_succeeds(store):
    known = an_identity(ALICE)
    await link(store.records, known)
    results = await asyncio.gather(
        *(
            advance(
                store.elsewhere if number % 2 else store.records,
                known,
                replace(known, groups=frozenset({f"g{number}"})),
            )
            for number in range(MANY)
        ),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert (await find(store, known)).groups == {f"g{results.index(None)}"}
    assert (await find_user(store, ALICE)).granted_groups == {f"g{results.index(None)}"}


async def test_what_identities_grant_shows_on_the_account_beside_its_own(store):
    """Everywhere an account is read: by id, by name, by address, in the list, at the check."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    first = an_identity(ALICE, groups=frozenset({"staff", "team"}))
    second = an_identity(ALICE, groups=frozenset({"team", "ops"}), is_admin=True)
    third = an_identity(ALICE)
    await link(store.records, first, second, third, an_identity(BOB, groups=frozenset({"foreign"})))
    both = replace(ALICE, granted_groups=frozenset({"staff", "team", "ops"}), granted_admin=True)
    assert both.every_group == {"staff", "admins:eu/1", "team", "ops"}
    assert not both.is_admin
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_user(ALICE.id) == both
        assert await transaction.find_user_by_login("alice") == both
        assert await transaction.find_user_by_login("alice@example.test") == both
        assert await transaction.list_users() == [both, replace(BOB, granted_groups=frozenset({"foreign"}))]
    assert store.live_view.find_subject(session.fingerprint) == Subject(both, session)
    async with store.records.transaction() as transaction:
        assert await transaction.remove_identity(second.id)
        assert await transaction.find_user(ALICE.id) == replace(ALICE, granted_groups=frozenset({"staff", "team"}))
    await advance(store.records, first, replace(first, groups=frozenset()))
    # What is the account's own was never the provider's to take.
    assert await find_user(store, ALICE) == ALICE
    assert store.live_view.find_subject(session.fingerprint) == Subject(ALICE, session)


async def test_an_administrator_by_a_providers_word_alone_needs_no_group(store):
    session = a_session(ALICE)
    await store.sessions.put(session)
    await link(store.records, an_identity(ALICE, is_admin=True))
    granted = replace(ALICE, granted_admin=True)
    assert await find_user(store, ALICE) == granted
    assert store.live_view.find_subject(session.fingerprint) == Subject(granted, session)


async def test_who_administers_is_told_whoever_made_them_one(store):
    own, off = (
        a_user("zoe", is_admin=True, email="zoe@example.test"),
        a_user("olaf", is_admin=True, enabled=False, email=""),
    )
    await add(store.records, own, off)
    await link(store.records, an_identity(ALICE, is_admin=True), an_identity(ALICE), an_identity(BOB))
    await link(store.records, an_identity(own, is_admin=True))
    async with store.elsewhere.transaction() as transaction:
        told = [replace(ALICE, granted_admin=True), off, replace(own, granted_admin=True)]
        assert await transaction.list_administrators() == told
    async with store.records.transaction() as transaction:
        await transaction.remove_user(ALICE.id)
        assert [user.name for user in await transaction.list_administrators()] == ["olaf", "zoe"]


async def test_what_is_granted_is_neither_written_with_the_account_nor_lost_with_it(store):
    """Changing an account does not make a provider's grant its own."""
    granted = replace(ALICE, granted_groups=frozenset({"team"}), granted_admin=True)
    identity = an_identity(ALICE, groups=frozenset({"team"}), is_admin=True)
    await link(store.records, identity)
    changed = replace(granted, generation=1, groups=frozenset({"staff"}), granted_groups=frozenset({"forged"}))
    async with store.records.transaction() as transaction:
        await transaction.advance_user(granted, changed)
        assert await transaction.find_user(ALICE.id) == replace(changed, granted_groups=frozenset({"team"}))
        await transaction.add_user(a_user("carol", granted_groups=frozenset({"forged"}), granted_admin=True))
        assert await transaction.find_user_by_login("carol") == a_user("carol")
        await transaction.remove_identity(identity.id)
        assert await transaction.find_user(ALICE.id) == replace(ALICE, generation=1, groups=frozenset({"staff"}))


async def test_an_account_changes_only_while_what_was_granted_is_what_was_seen(store):
    """Whoever decided by a grant that is gone meanwhile has to decide again."""
    identity = an_identity(ALICE, is_admin=True, groups=frozenset({"team"}))
    await link(store.records, identity)
    for stale in (ALICE, replace(ALICE, granted_admin=True), replace(ALICE, granted_groups=frozenset({"team"}))):
        with pytest.raises(ConflictError, match="somebody else"):
            async with store.records.transaction() as transaction:
                await transaction.advance_user(stale, replace(stale, generation=9))
    assert (await find_user(store, ALICE)).generation == 0


async def test_a_grant_counts_at_the_next_check_and_nothing_else_empties_the_gates_memory(store):
    """The revision grows with every change of what is granted, and only then."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    view = store.live_view

    async def grows(act):
        before, stamp = view.revision(), view.stamp()
        async with store.elsewhere.transaction() as transaction:
            await act(transaction)
        assert view.stamp() != stamp
        return view.revision() > before

    plain = an_identity(ALICE)
    assert not await grows(lambda transaction: transaction.add_identity(plain))
    used = replace(plain, used_at=START, email="new@example.test", name="New", owns_profile=True)
    assert not await grows(lambda transaction: transaction.advance_identity(plain, used))
    grouped = replace(used, groups=frozenset({"team"}))
    assert await grows(lambda transaction: transaction.advance_identity(used, grouped))
    assert view.find_subject(session.fingerprint).user.granted_groups == {"team"}
    again = replace(grouped, used_at=START + MINUTE)
    assert not await grows(lambda transaction: transaction.advance_identity(grouped, again))
    admin = replace(again, is_admin=True)
    assert await grows(lambda transaction: transaction.advance_identity(again, admin))
    assert view.find_subject(session.fingerprint).user.granted_admin
    assert await grows(lambda transaction: transaction.advance_identity(admin, plain))
    assert view.find_subject(session.fingerprint).user == ALICE
    assert await grows(lambda transaction: transaction.add_identity(an_identity(ALICE, groups=frozenset({"x"}))))
    assert await grows(lambda transaction: transaction.add_identity(an_identity(ALICE, is_admin=True)))
    assert await grows(lambda transaction: transaction.remove_identity(plain.id))
    assert not await grows(lambda transaction: transaction.put_setting("any", "on"))


async def test_unlinking_what_is_not_linked_changes_nothing(store):
    known = an_identity(ALICE)
    await link(store.records, known)
    revision = store.live_view.revision()
    async with store.records.transaction() as transaction:
        assert not await transaction.remove_identity(IdentityId("x" * 22))
    assert store.live_view.revision() == revision
    async with store.records.transaction() as transaction:
        assert await transaction.remove_identity(known.id)
        assert not await transaction.remove_identity(known.id)
        assert await transaction.find_identity(known.issuer, known.subject) is None


async def test_an_unlinked_identity_can_be_linked_anew_and_brings_nothing_back(store):
    known = an_identity(ALICE, groups=frozenset({"team"}), is_admin=True)
    await link(store.records, known)
    async with store.records.transaction() as transaction:
        await transaction.remove_identity(known.id)
    again = replace(known, user_id=BOB.id, groups=frozenset(), is_admin=False)
    await link(store.records, again)
    assert await find(store, known) == again
    assert await find_user(store, ALICE) == ALICE
    assert await find_user(store, BOB) == BOB


async def test_a_removed_account_takes_its_identities_along(store):
    """A new account of the same name, or id, has nobody's identity and nobody's groups."""
    mine = an_identity(ALICE, groups=frozenset({"team"}), is_admin=True)
    other = an_identity(BOB, groups=frozenset({"team"}))
    await link(store.records, mine, other)
    upstream = an_upstream_session(mine)
    async with store.records.transaction() as transaction:
        await transaction.put_upstream_session(upstream)
    async with store.records.transaction() as transaction:
        assert await transaction.remove_user(ALICE.id)
        assert await transaction.find_identity(mine.issuer, mine.subject) is None
        assert await transaction.find_upstream_session(upstream.handle) is None
        assert await transaction.list_identities() == [other]
        await transaction.add_user(ALICE)
        assert await transaction.find_user(ALICE.id) == ALICE
        assert await transaction.list_identities(ALICE.id) == []
    await link(store.records, replace(mine, user_id=BOB.id))


async def test_a_transaction_that_raises_leaves_identities_as_they_were(store):
    """Nothing half-made remains (R12)."""
    known = an_identity(ALICE, groups=frozenset({"team"}))
    gone = an_identity(BOB, groups=frozenset({"team"}))
    await link(store.records, known, gone)
    revision = store.live_view.revision()

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.advance_identity(known, replace(known, groups=frozenset({"new"}), is_admin=True))
            await transaction.remove_identity(gone.id)
            await transaction.add_identity(an_identity(ALICE, subject="new"))
            await transaction.remove_user(BOB.id)
            raise Undone

    with pytest.raises(Undone):
        await act()
    async with store.records.transaction() as transaction:
        assert await transaction.list_identities() == [known, gone]
    assert store.live_view.revision() == revision
