"""Second factors: what counts once counts once, a credential has one owner, and all of it goes with the account."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.interfaces import SecondProofs
from doorward.rules.factor import MAX_PASSKEYS, FactorId, Factors
from tests.contract.samples import a_passkey, a_recovery_code, a_session, a_totp, a_user, add
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
MANY = 50
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


@pytest.fixture(autouse=True)
async def _accounts(store):
    await add(store.records, ALICE, BOB)


async def find(store, user):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.find_factors(user.id)


async def at_once(store, act):
    """What many get who do the same at the same time, in two processes: the act is given a transaction and a number."""

    async def attempt(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            return await act(transaction, number)

    return await asyncio.gather(*(attempt(number) for number in range(MANY)), return_exceptions=True)


def a_set(user, size=10, **changes):
    return [a_recovery_code(user, position, **changes) for position in range(size)]


async def test_an_account_has_no_factor_until_one_is_set_up(store):
    assert await find(store, ALICE) == Factors()
    async with store.records.transaction() as transaction:
        assert await transaction.list_protected() == frozenset()
        assert await transaction.find_factors(a_user("nobody").id) == Factors()
        assert await transaction.find_passkey(b"d" * 32) is None
        assert not await transaction.remove_totp(ALICE.id)
        assert not await transaction.remove_passkey(FactorId("f" * 32))
        assert not await transaction.spend_recovery_code(FactorId("f" * 32), START)
        assert not await transaction.advance_totp(a_totp(ALICE), a_totp(ALICE, last_step=63_116_641))
        assert not await transaction.advance_passkey(passkey := a_passkey(ALICE), replace(passkey, sign_count=1))
    assert await find(store, ALICE) == Factors()


async def test_factors_are_found_as_they_were_stored(store):
    """Passkeys in the order they were added, recovery codes in the order they were shown."""
    totp = a_totp(ALICE, last_used_at=START + MICROSECOND)
    late = a_passkey(ALICE, created_at=START + MINUTE, sign_count=4_294_967_295, verifies=False, backed_up=True)
    early = a_passkey(ALICE, created_at=START, backup_eligible=False, last_used_at=START + MICROSECOND)
    codes = a_set(ALICE)
    codes[3] = replace(codes[3], used_at=START + MINUTE)
    other = a_passkey(BOB)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(totp)
        for passkey in (late, early, other):
            await transaction.add_passkey(passkey)
        await transaction.put_recovery_codes(ALICE.id, codes[::-1])
    assert await find(store, ALICE) == Factors(totp, (early, late), tuple(codes))
    assert await find(store, BOB) == Factors(passkeys=(other,))
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_passkey(late.digest) == late
        assert await transaction.find_passkey(late.digest[:-1]) is None


async def test_who_is_protected_has_an_app_or_a_passkey(store):
    """Recovery codes by themselves stand in for nothing."""
    carol, dave = a_user("carol"), a_user("dave")
    await add(store.records, carol, dave)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(dave.id, a_set(dave))
        await transaction.put_totp(a_totp(ALICE))
        await transaction.add_passkey(a_passkey(ALICE))
        await transaction.add_passkey(a_passkey(ALICE))
        await transaction.add_passkey(passkey := a_passkey(BOB))
        await transaction.put_totp(a_totp(carol))
        assert await transaction.list_protected() == {ALICE.id, BOB.id, carol.id}
        await transaction.remove_passkey(passkey.id)
        await transaction.remove_totp(ALICE.id)
        await transaction.remove_totp(carol.id)
        assert await transaction.list_protected() == {ALICE.id}


async def test_an_account_has_one_authenticator_app(store):
    first, second = a_totp(ALICE), a_totp(ALICE, sealed="gcm1:second", last_step=0, created_at=START + MINUTE)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(first)
        await transaction.put_totp(second)
        await transaction.put_totp(a_totp(BOB))
        assert (await transaction.find_factors(ALICE.id)).totp == second
        # Whoever still looks at the old one changes nothing.
        assert not await transaction.advance_totp(first, replace(first, last_step=99_999_999))
        assert await transaction.remove_totp(ALICE.id)
        assert not await transaction.remove_totp(ALICE.id)
    assert (await find(store, ALICE)).totp is None
    assert (await find(store, BOB)).totp == a_totp(BOB)


async def test_of_many_who_use_one_step_one_succeeds(store):
    """One code opens one door, however many bring it at once."""
    known = a_totp(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(known)
    used = replace(known, last_step=known.last_step + 1, last_used_at=START + MINUTE)
    results = await at_once(store, lambda transaction, _: transaction.advance_totp(known, used))
    assert sorted(results) == [False] * (MANY - 1) + [True]
    assert (await find(store, ALICE)).totp == used


@pytest.mark.parametrize(
    "change",
    [
        {"sealed": "gcm1:other"},
        {"last_step": 63_116_641},
        {"created_at": START},
        {"last_used_at": START},
    ],
)
async def test_an_authenticator_app_changes_only_from_exactly_the_state_that_was_seen(store, change):
    stored = a_totp(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(stored)
        assert not await transaction.advance_totp(replace(stored, **change), replace(stored, last_step=99_999_999))
        with pytest.raises(ValueError, match="owner never changes"):
            await transaction.advance_totp(stored, replace(stored, user_id=BOB.id))
        assert await transaction.advance_totp(stored, replace(stored, **change))
        assert not await transaction.advance_totp(stored, stored)
    assert (await find(store, ALICE)).totp == replace(stored, **change)


async def test_a_credential_has_one_owner(store):
    """Whoever registers it again, for themselves or for somebody else, gets nothing and takes nothing."""
    known = a_passkey(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.add_passkey(known)
    for again in (
        a_passkey(BOB, digest=known.digest),
        a_passkey(ALICE, digest=known.digest),
        a_passkey(BOB, id=known.id),
    ):
        with pytest.raises(ConflictError):
            async with store.records.transaction() as transaction:
                await transaction.add_passkey(again)
    assert (await find(store, ALICE)).passkeys == (known,)
    assert (await find(store, BOB)).passkeys == ()
    async with store.records.transaction() as transaction:
        await transaction.remove_passkey(known.id)
        await transaction.add_passkey(taken := a_passkey(BOB, digest=known.digest))
        assert await transaction.find_passkey(known.digest) == taken


async def test_of_many_who_register_one_credential_at_once_one_gets_it(store):
    def register(transaction, number):
        return transaction.add_passkey(a_passkey(BOB if number % 3 else ALICE, digest=b"d" * 32))

    results = await at_once(store, register)
    assert results.count(None) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == MANY - 1
    assert len((await find(store, ALICE)).passkeys + (await find(store, BOB)).passkeys) == 1


async def test_many_who_add_passkeys_at_once_do_not_exceed_what_was_counted(store):
    """What a transaction counted holds until it commits."""

    async def register(transaction, _number):
        if len((await transaction.find_factors(ALICE.id)).passkeys) < MAX_PASSKEYS:
            await transaction.add_passkey(a_passkey(ALICE))

    assert await at_once(store, register) == [None] * MANY
    assert len((await find(store, ALICE)).passkeys) == MAX_PASSKEYS


async def test_of_many_who_raise_a_counter_from_one_state_one_succeeds(store):
    known = a_passkey(ALICE, sign_count=7)
    async with store.records.transaction() as transaction:
        await transaction.add_passkey(known)
    used = replace(known, sign_count=8, last_used_at=START)
    results = await at_once(store, lambda transaction, _: transaction.advance_passkey(known, used))
    assert sorted(results) == [False] * (MANY - 1) + [True]
    assert (await find(store, ALICE)).passkeys == (used,)


@pytest.mark.parametrize(
    "change",
    [
        {"sealed": "gcm1:other"},
        {"name": "Other"},
        {"sign_count": 1},
        {"verifies": False},
        {"backup_eligible": False},
        {"backed_up": True},
        {"created_at": START},
        {"last_used_at": START},
    ],
)
async def test_a_passkey_changes_only_from_exactly_the_state_that_was_seen(store, change):
    stored, other = a_passkey(ALICE), a_passkey(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.add_passkey(stored)
        await transaction.add_passkey(other)
        assert not await transaction.advance_passkey(replace(stored, **change), replace(stored, sign_count=9))
        for kept in ({"id": other.id}, {"user_id": BOB.id}, {"digest": b"x" * 32}):
            with pytest.raises(ValueError, match="never change"):
                await transaction.advance_passkey(stored, replace(stored, **kept))
        assert await transaction.advance_passkey(stored, replace(stored, **change))
        assert not await transaction.advance_passkey(stored, stored)
        assert await transaction.remove_passkey(other.id)
        assert not await transaction.remove_passkey(other.id)
    assert (await find(store, ALICE)).passkeys == (replace(stored, **change),)


async def test_a_new_set_of_codes_takes_the_place_of_the_whole_old_one(store):
    old, new, others = a_set(ALICE), a_set(ALICE, 8), a_set(BOB)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(ALICE.id, old)
        await transaction.put_recovery_codes(BOB.id, others)
        assert await transaction.spend_recovery_code(old[0].id, START)
        await transaction.put_recovery_codes(ALICE.id, new)
        assert not await transaction.spend_recovery_code(old[1].id, START)
    assert (await find(store, ALICE)).recovery_codes == tuple(new)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(ALICE.id, [])
        with pytest.raises(ValueError, match="one account"):
            await transaction.put_recovery_codes(ALICE.id, [*new, *others])
    assert (await find(store, ALICE)).recovery_codes == ()
    assert (await find(store, BOB)).recovery_codes == tuple(others)


async def test_a_set_in_which_a_code_stands_twice_is_refused_whole(store):
    old, others = a_set(ALICE), a_set(BOB)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(ALICE.id, old)
        await transaction.put_recovery_codes(BOB.id, others)
    new = a_set(ALICE)
    for wrong in ([*new, new[0]], [*new, replace(new[0], position=10)], [*new, a_recovery_code(ALICE, 0)]):
        with pytest.raises(ConflictError):
            async with store.records.transaction() as transaction:
                await transaction.put_recovery_codes(ALICE.id, wrong)
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.put_recovery_codes(ALICE.id, [a_recovery_code(ALICE, 0, id=others[0].id)])
    assert (await find(store, ALICE)).recovery_codes == tuple(old)
    assert (await find(store, BOB)).recovery_codes == tuple(others)


async def test_of_many_who_bring_one_recovery_code_one_is_let_in(store):
    """It stays, as used, so that its owner sees how many are left."""
    codes = a_set(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(ALICE.id, codes)
    results = await at_once(
        store, lambda transaction, number: transaction.spend_recovery_code(codes[2].id, START + number * MINUTE)
    )
    assert results.count(True) == 1
    assert results.count(False) == MANY - 1
    spent = replace(codes[2], used_at=START + results.index(True) * MINUTE)
    found = await find(store, ALICE)
    assert found.recovery_codes == (*codes[:2], spent, *codes[3:])
    assert found.unused_codes == 9


async def test_a_code_that_was_spent_in_a_transaction_that_raises_is_not_spent(store):
    """Nor is anything else of it done: nothing half-made remains (R12)."""
    totp, passkey, codes = a_totp(ALICE), a_passkey(ALICE), a_set(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(totp)
        await transaction.add_passkey(passkey)
        await transaction.put_recovery_codes(ALICE.id, codes)

    async def act():
        async with store.records.transaction() as transaction:
            assert await transaction.spend_recovery_code(codes[0].id, START)
            assert await transaction.advance_totp(totp, replace(totp, last_step=99_999_999))
            assert await transaction.advance_passkey(passkey, replace(passkey, sign_count=5))
            await transaction.put_recovery_codes(ALICE.id, a_set(ALICE))
            await transaction.remove_passkey(passkey.id)
            await transaction.remove_totp(ALICE.id)
            await transaction.add_passkey(a_passkey(BOB))
            raise Undone

    with pytest.raises(Undone):
        await act()
    assert await find(store, ALICE) == Factors(totp, (passkey,), tuple(codes))
    assert await find(store, BOB) == Factors()


async def test_nobody_can_be_given_a_factor_who_is_gone(store):
    ghost = a_user("ghost")
    for give in (
        lambda transaction: transaction.put_totp(a_totp(ghost)),
        lambda transaction: transaction.add_passkey(a_passkey(ghost)),
        lambda transaction: transaction.put_recovery_codes(ghost.id, a_set(ghost)),
    ):
        with pytest.raises(ConflictError, match="gone"):
            async with store.records.transaction() as transaction:
                await give(transaction)


async def test_a_removed_account_takes_its_factors_along(store):
    """A new account of the same id is protected by nothing, and opened by nothing."""
    passkey, codes = a_passkey(ALICE), a_set(ALICE)
    for user, own_passkey, own_codes in ((ALICE, passkey, codes), (BOB, a_passkey(BOB), a_set(BOB))):
        async with store.records.transaction() as transaction:
            await transaction.put_totp(a_totp(user))
            await transaction.add_passkey(own_passkey)
            await transaction.put_recovery_codes(user.id, own_codes)
    bobs = await find(store, BOB)
    async with store.records.transaction() as transaction:
        assert await transaction.remove_user(ALICE.id)
        assert await transaction.find_passkey(passkey.digest) is None
        assert not await transaction.spend_recovery_code(codes[0].id, START)
        assert await transaction.list_protected() == {BOB.id}
        await transaction.add_user(ALICE)
    assert await find(store, ALICE) == Factors()
    assert await find(store, BOB) == bobs


async def test_whoever_judges_keys_sees_at_once_what_an_account_could_show(store):
    """An authenticator app or a passkey is a factor of its own; recovery codes are none."""
    view = store.live_view
    totp, passkey = a_totp(ALICE), a_passkey(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_recovery_codes(ALICE.id, a_set(ALICE))
    assert view.find_second_proofs(ALICE.id) == SecondProofs(own=False)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(totp)
    assert view.find_second_proofs(ALICE.id) == SecondProofs(own=True)
    async with store.records.transaction() as transaction:
        await transaction.remove_totp(ALICE.id)
        await transaction.add_passkey(passkey)
    assert view.find_second_proofs(ALICE.id) == SecondProofs(own=True)
    assert view.find_second_proofs(BOB.id) == SecondProofs(own=False)


async def test_changing_factors_empties_no_gates_memory(store):
    """Checks ask for what a session proved; taking rights away is a change of the account, which they do see."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    view = store.live_view
    revision, stamp = view.revision(), view.stamp()
    subject = view.find_subject(session.fingerprint)
    totp, passkey, codes = a_totp(ALICE), a_passkey(ALICE), a_set(ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_totp(totp)
        await transaction.advance_totp(totp, replace(totp, last_step=99_999_999))
        await transaction.add_passkey(passkey)
        await transaction.advance_passkey(passkey, replace(passkey, sign_count=1))
        await transaction.put_recovery_codes(ALICE.id, codes)
        await transaction.spend_recovery_code(codes[0].id, START)
        await transaction.remove_passkey(passkey.id)
        await transaction.remove_totp(ALICE.id)
    assert view.stamp() != stamp
    assert view.revision() == revision
    assert view.find_subject(session.fingerprint) == subject
    async with store.records.transaction() as transaction:
        await transaction.advance_user(ALICE, replace(ALICE, generation=1))
    assert view.revision() > revision
