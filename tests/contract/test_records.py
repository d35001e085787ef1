"""Durable truth: all of a transaction or none of it, and what one has read holds until it commits."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.interfaces import StoredPassword
from doorward.rules.audit import GENESIS, Act, verify_link
from tests.contract.samples import a_session, a_user, add, an_event
from tests.fakes.system import START

ALICE = a_user()
MANY = 24


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


async def test_an_account_is_found_as_it_was_added(store):
    await add(store.records, ALICE)
    async with store.records.transaction() as transaction:
        assert await transaction.find_user(ALICE.id) == ALICE
        assert await transaction.find_user_by_login("alice") == ALICE
        assert await transaction.find_user_by_login("alice@example.test") == ALICE
        assert await transaction.find_user_by_login("a_ice") is None
        assert await transaction.find_user_by_login("ALICE") is None
        assert await transaction.find_user_by_login("") is None


async def test_accounts_are_listed_by_name(store):
    plain = a_user("carol", groups=frozenset(), email="", is_admin=True, enabled=False, generation=7)
    await add(store.records, plain, ALICE)
    async with store.records.transaction() as transaction:
        assert await transaction.list_users() == [ALICE, plain]


@pytest.mark.parametrize("changes", [{"name": "alice"}, {"email": "alice@example.test"}, {"id": ALICE.id}])
async def test_a_taken_name_address_or_id_is_refused(store, changes):
    """A name belongs to one account (E16, R02)."""
    await add(store.records, ALICE)
    with pytest.raises(ConflictError):
        await add(store.records, replace(a_user("bob"), **changes))
    async with store.records.transaction() as transaction:
        assert await transaction.list_users() == [ALICE]


async def test_any_number_of_accounts_may_have_no_address(store):
    await add(store.records, a_user("a", email=""), a_user("b", email=""))
    async with store.records.transaction() as transaction:
        assert len(await transaction.list_users()) == 2


async def test_of_many_who_take_one_name_at_once_one_gets_it(store):
    """R02."""
    tries = [
        add(store.elsewhere if number % 2 else store.records, a_user(id=f"{number:022d}", email=""))
        for number in range(MANY)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result for result in results if result is None] == [None]
    assert all(isinstance(result, ConflictError) for result in results if result is not None)


async def test_an_account_changes_only_from_the_state_that_was_seen(store):
    """A stale form cannot undo what somebody else changed (R08)."""
    await add(store.records, ALICE)
    changed = replace(ALICE, groups=frozenset({"staff", "new"}), enabled=False, generation=1, name="alicia", email="")
    async with store.records.transaction() as transaction:
        await transaction.advance_user(ALICE, changed)
    async with store.records.transaction() as transaction:
        assert await transaction.find_user(ALICE.id) == changed
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.advance_user(ALICE, replace(ALICE, is_admin=True))
    async with store.records.transaction() as transaction:
        assert await transaction.find_user(ALICE.id) == changed
        with pytest.raises(ValueError, match="id"):
            await transaction.advance_user(changed, replace(changed, id=a_user("eve").id))


async def test_an_account_cannot_be_renamed_to_a_taken_name(store):
    bob = a_user("bob")
    await add(store.records, ALICE, bob)
    for stolen in (replace(bob, name="alice"), replace(bob, email=ALICE.email)):
        with pytest.raises(ConflictError):
            async with store.records.transaction() as transaction:
                await transaction.advance_user(bob, stolen)


async def test_of_many_changes_from_one_state_one_succeeds(store):
    """R08."""
    await add(store.records, ALICE)

    async def change(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            await transaction.advance_user(ALICE, replace(ALICE, generation=number))

    results = await asyncio.gather(*(change(number) for number in range(1, MANY + 1)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, ConflictError) for result in results if result is not None)


async def test_what_a_transaction_read_holds_until_it_commits(store):
    """The last administrator stays one, however many demote each other at once (R05)."""
    admins = [a_user(f"admin{number}", is_admin=True) for number in range(MANY)]
    await add(store.records, *admins)

    async def demote(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            if sum(user.is_admin for user in await transaction.list_users()) > 1:
                await transaction.advance_user(admins[number], replace(admins[number], is_admin=False))

    await asyncio.gather(*(demote(number) for number in range(MANY)))
    async with store.records.transaction() as transaction:
        assert sum(user.is_admin for user in await transaction.list_users()) == 1


async def test_a_removed_account_leaves_nothing_that_a_new_one_of_its_name_could_find(store):
    """A recycled name brings back no password, no session and no group (E30)."""
    await add(store.records, ALICE)
    session = a_session(ALICE)
    await store.sessions.put(session)
    async with store.records.transaction() as transaction:
        await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
    async with store.records.transaction() as transaction:
        assert await transaction.remove_user(ALICE.id)
        assert not await transaction.remove_user(ALICE.id)
    assert await store.sessions.find(session.fingerprint) is None
    assert await store.sessions.count() == 0
    assert store.live_view.find_subject(session.fingerprint) is None
    again = replace(ALICE, groups=frozenset())
    async with store.records.transaction() as transaction:
        assert await transaction.find_user(ALICE.id) is None
        assert await transaction.find_user_by_login("alice") is None
        await transaction.add_user(again)
        assert await transaction.find_password(ALICE.id) is None
        assert await transaction.find_user(ALICE.id) == again


async def test_a_password_is_kept_as_given_and_replaced(store):
    await add(store.records, ALICE)
    first = StoredPassword("gcm1:first", START)
    second = StoredPassword("gcm1:second", START + timedelta(microseconds=1))
    async with store.records.transaction() as transaction:
        assert await transaction.find_password(ALICE.id) is None
        await transaction.put_password(ALICE.id, first)
        assert await transaction.find_password(ALICE.id) == first
        await transaction.put_password(ALICE.id, second)
    async with store.records.transaction() as transaction:
        assert await transaction.find_password(ALICE.id) == second


async def test_a_password_for_nobody_is_refused(store):
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.put_password(ALICE.id, StoredPassword("sealed", START))


async def test_rehashing_does_not_undo_a_change_of_password(store):
    """Compare and set on the old hash: the final hash belongs to the new password (E24)."""
    await add(store.records, ALICE)
    seen, chosen, rehashed = (StoredPassword(text, START) for text in ("seen", "chosen", "rehashed"))
    async with store.records.transaction() as transaction:
        assert not await transaction.advance_password(ALICE.id, seen, rehashed)
        await transaction.put_password(ALICE.id, chosen)
        assert not await transaction.advance_password(ALICE.id, seen, rehashed)
        assert not await transaction.advance_password(
            ALICE.id, replace(chosen, changed_at=START + timedelta(microseconds=1)), rehashed
        )
        assert await transaction.find_password(ALICE.id) == chosen
        assert await transaction.advance_password(ALICE.id, chosen, rehashed)
        assert await transaction.find_password(ALICE.id) == rehashed


async def test_an_installation_is_set_up_once_and_for_ever(store):
    """After the first administrator is deleted too (R01)."""
    async with store.records.transaction() as transaction:
        assert not await transaction.is_set_up()
        await transaction.claim_first_admin(ALICE.id, START)
        await transaction.add_user(ALICE)
    async with store.records.transaction() as transaction:
        assert await transaction.remove_user(ALICE.id)
        assert await transaction.is_set_up()
    with pytest.raises(ConflictError, match="set up already"):
        async with store.records.transaction() as transaction:
            await transaction.claim_first_admin(ALICE.id, START)


async def test_of_many_first_administrators_there_is_exactly_one(store):
    """Exactly one, however many race, and the losers leave no account behind (R01)."""

    async def claim(number):
        records = store.elsewhere if number % 2 else store.records
        user = a_user(f"user{number}", is_admin=True)
        async with records.transaction() as transaction:
            await transaction.add_user(user)
            await asyncio.sleep(0)
            await transaction.claim_first_admin(user.id, START)

    results = await asyncio.gather(*(claim(number) for number in range(MANY)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, ConflictError) for result in results if result is not None)
    async with store.records.transaction() as transaction:
        assert len(await transaction.list_users()) == 1


async def test_a_transaction_that_raises_leaves_nothing(store):
    """Nothing half-made remains (R12)."""
    await add(store.records, ALICE)
    session = a_session(ALICE)
    await store.sessions.put(session)
    revision = store.live_view.revision()

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.add_user(a_user("bob"))
            await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
            await transaction.advance_user(ALICE, replace(ALICE, enabled=False))
            await transaction.claim_first_admin(ALICE.id, START)
            await transaction.append_audit(an_event())
            await transaction.end_session(session.handle)
            await transaction.end_sessions_of(ALICE.id)
            raise Undone

    with pytest.raises(Undone):
        await act()
    async with store.records.transaction() as transaction:
        assert await transaction.list_users() == [ALICE]
        assert await transaction.find_password(ALICE.id) is None
        assert not await transaction.is_set_up()
        assert await transaction.list_audit() == []
    assert await store.sessions.find(session.fingerprint) == session
    assert await store.sessions.count() == 1
    assert store.live_view.revision() == revision


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(store):
    started = asyncio.Event()

    async def linger():
        async with store.records.transaction() as transaction:
            await transaction.add_user(ALICE)
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(linger())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.records.transaction() as transaction:
        assert await transaction.list_users() == []


async def test_audit_records_form_one_chain_without_gaps(store):
    """Appended by many at once, through two connections; undone transactions leave no hole."""

    async def act(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            record = await transaction.append_audit(an_event(subject=str(number)))
            if number % 5 == 0:
                raise Undone
        return record

    results = await asyncio.gather(*(act(number) for number in range(MANY)), return_exceptions=True)
    acknowledged = {result.sequence: result for result in results if not isinstance(result, Undone)}
    async with store.records.transaction() as transaction:
        records = (await transaction.list_audit(limit=1000))[::-1]
    assert [record.sequence for record in records] == list(range(1, len(acknowledged) + 1))
    assert {record.sequence: record for record in records} == acknowledged
    previous = GENESIS
    for record in records:
        assert verify_link(record, previous)
        previous = record.hash
    assert len({record.salt for record in records}) == len(records)


async def test_audit_records_are_read_back_exactly_and_in_pages(store):
    async with store.records.transaction() as transaction:
        made = [await transaction.append_audit(an_event(act=act)) for act in Act]
    async with store.records.transaction() as transaction:
        assert await transaction.list_audit(limit=2) == made[:-3:-1]
        assert await transaction.list_audit(limit=2, before=made[-2].sequence) == made[-3:-5:-1]
        assert await transaction.list_audit(before=1) == []
        assert len(await transaction.list_audit(limit=1000)) == len(made)
