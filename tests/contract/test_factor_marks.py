"""What is remembered of second factors: kept with every change, and never made good by one."""

import sqlite3
from contextlib import closing

from doorward.rules.factor import UNREADABLE, FactorId
from tests.contract.durable import opened
from tests.contract.samples import a_passkey, a_recovery_code, a_totp, a_user, add

ALICE, BOB = a_user(), a_user("bob")


async def lost(records, user):
    async with records.transaction() as transaction:
        return await transaction.find_lost_factors(user.id)


async def test_what_is_set_up_and_taken_away_is_never_missed(store):
    await add(store.records, ALICE)
    async with store.records.transaction() as transaction:
        for act in (
            transaction.put_totp(a_totp(ALICE)),
            transaction.add_passkey(passkey := a_passkey(ALICE)),
            transaction.put_recovery_codes(ALICE.id, [a_recovery_code(ALICE, position) for position in range(10)]),
            transaction.put_totp(a_totp(ALICE, last_step=7)),
            transaction.remove_totp(ALICE.id),
            transaction.put_recovery_codes(ALICE.id, ()),
            transaction.remove_passkey(passkey.id),
            transaction.put_totp(a_totp(ALICE)),
            transaction.clear_factors(ALICE.id),
        ):
            await act
            assert await transaction.find_lost_factors(ALICE.id) == frozenset()
        assert not (await transaction.find_factors(ALICE.id)).protects
        assert await transaction.find_lost_factors(BOB.id) == {UNREADABLE}
        await transaction.clear_factors(BOB.id)
        assert not await transaction.remove_passkey(FactorId("f" * 32))
        assert await transaction.mark_factors() == 0


async def test_what_was_removed_behind_our_back_is_missed_until_it_is_cleared(folder):
    """M10."""
    codes = [a_recovery_code(ALICE, position) for position in range(10)]
    async with opened(folder) as storage:
        await add(storage.records, ALICE, BOB)
        async with storage.records.transaction() as transaction:
            await transaction.put_totp(a_totp(ALICE))
            await transaction.add_passkey(passkey := a_passkey(ALICE))
            await transaction.put_recovery_codes(ALICE.id, codes)

        def change(statement):
            with closing(sqlite3.connect(storage.path)) as connection, connection:
                connection.execute(statement)

        change("DELETE FROM recovery_codes WHERE position = 4")
        assert await lost(storage.records, ALICE) == {"codes:10"}
        change("DELETE FROM totp")
        change("DELETE FROM passkeys")
        assert await lost(storage.records, ALICE) == {"codes:10", "totp", f"passkey:{passkey.id}"}
        async with storage.records.transaction() as transaction:
            await transaction.put_recovery_codes(ALICE.id, ())
            await transaction.add_passkey(passkey)
            assert await transaction.find_lost_factors(ALICE.id) == {"totp"}
        change("UPDATE users SET factors = ''")
        async with storage.records.transaction() as transaction:
            await transaction.put_totp(a_totp(ALICE))
            assert await transaction.find_lost_factors(ALICE.id) == {UNREADABLE}
            await transaction.clear_factors(ALICE.id)
            assert await transaction.find_lost_factors(ALICE.id) == frozenset()
            await transaction.put_totp(a_totp(BOB))
            assert await transaction.mark_factors() == 1
            assert await transaction.find_lost_factors(BOB.id) == frozenset()
        change("UPDATE users SET factors = 'gcm2:0:x'")
        assert await lost(storage.records, BOB) == {UNREADABLE}
        change("DELETE FROM totp")
        assert await lost(storage.records, BOB) == {UNREADABLE}
