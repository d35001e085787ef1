"""What only a database can get wrong about factors, invitations, sign-ins and mail: its plans, its rows, its room."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import TamperError
from doorward.rules.history import KEPT_OF_EACH
from doorward.rules.letter import LetterState
from doorward.storage.sql import accounts as accounts_module
from tests.contract.durable import find_scans, note_statements
from tests.contract.samples import (
    a_letter,
    a_passkey,
    a_recovery_code,
    a_sign_in,
    a_totp,
    a_user,
    add,
    an_invite,
    queue,
)
from tests.fakes.system import START

ALICE = a_user()


async def test_what_a_sign_in_or_an_errand_asks_is_found_by_an_index(storage):
    """The cost does not grow with what is stored, removing an account included."""
    await add(storage.records, ALICE)
    totp, passkey, code = a_totp(ALICE), a_passkey(ALICE), a_recovery_code(ALICE)
    invite, letter = an_invite(), a_letter(user_id=ALICE.id)
    statements = note_statements(storage)
    async with storage.records.transaction() as transaction:
        await transaction.put_totp(totp)
        await transaction.advance_totp(totp, replace(totp, last_step=99_999_999))
        await transaction.add_passkey(passkey)
        await transaction.advance_passkey(passkey, replace(passkey, sign_count=1))
        await transaction.find_passkey(passkey.digest)
        await transaction.put_recovery_codes(ALICE.id, [code])
        await transaction.spend_recovery_code(code.id, START)
        await transaction.find_factors(ALICE.id)
        await transaction.remove_passkey(passkey.id)
        await transaction.remove_totp(ALICE.id)
        await transaction.add_invite(invite)
        await transaction.find_invite(invite.digest)
        await transaction.advance_invite(invite, replace(invite, uses=1))
        await transaction.remove_invite(invite.id)
        for _ in range(KEPT_OF_EACH + 1):
            await transaction.note_sign_in(a_sign_in(ALICE))
        await transaction.list_sign_ins(ALICE.id, limit=10)
        await transaction.add_letter(letter)
        await transaction.find_letter(letter.id)
        await transaction.list_due_letters(START, limit=10)
        await transaction.advance_letter(letter, replace(letter, tries=1))
        await transaction.purge_letters(START)
        await transaction.remove_user(ALICE.id)
    assert len(statements) > 100
    assert find_scans(storage, dict(statements).items()) == []
    async with storage.records.transaction() as transaction:
        statements.clear()
        await transaction.list_letters()
    # Read newest first, along its key.
    assert [step for step, _ in find_scans(storage, statements)] == ["SCAN letters USING INDEX ix_letters_queued_at"]


@pytest.mark.parametrize("table", ["totp", "passkeys", "recovery_codes", "sign_ins", "letters"])
async def test_what_goes_with_an_account_is_found_by_an_index(storage, table):
    """What a foreign key looks for has no plan of its own to be seen: it is the same search."""
    statement = f"DELETE FROM {table} WHERE user_id = ?"
    assert find_scans(storage, [(statement, ("",))]) == []


async def test_rows_of_accounts_that_we_cannot_have_written_are_tampering(storage):
    """Never read as a default (docs/adr 0009)."""
    await add(storage.records, ALICE)
    invite, letter, note = an_invite(), a_letter(), a_sign_in(ALICE)
    await queue(storage.records, letter)
    async with storage.records.transaction() as transaction:
        await transaction.add_invite(invite)
        await transaction.note_sign_in(note)
    for change, ask in (
        ("UPDATE invites SET groups = '['", lambda transaction: transaction.list_invites()),
        ("UPDATE invites SET groups = '{}'", lambda transaction: transaction.find_invite(invite.digest)),
        ("UPDATE invites SET groups = '[1]'", lambda transaction: transaction.list_invites()),
        ("UPDATE sign_ins SET methods = 'magic'", lambda transaction: transaction.list_sign_ins(ALICE.id, limit=1)),
        ("UPDATE letters SET kind = 'magic'", lambda transaction: transaction.list_letters()),
        ("UPDATE letters SET kind = 'test', state = 'magic'", lambda transaction: transaction.find_letter(letter.id)),
    ):
        async with storage.database.write() as connection:
            await connection.exec_driver_sql(change)
        with pytest.raises(TamperError):
            async with storage.records.transaction() as transaction:
                await ask(transaction)


async def test_very_many_letters_are_purged_over_several_calls(storage, monkeypatch):
    """Nobody waits for the writer until a flood of mail is forgotten."""
    monkeypatch.setattr(accounts_module, "_PURGE_MOST", 10)
    await queue(storage.records, *(a_letter(state=LetterState.SENT, done_at=START) for _ in range(25)))
    removed = []
    for _ in range(4):
        async with storage.records.transaction() as transaction:
            removed.append(await transaction.purge_letters(START + timedelta(seconds=1)))
    assert removed == [10, 10, 5, 0]
