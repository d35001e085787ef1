"""Taking rights away: written in one place, so that nobody who has lost one keeps it in a session or a ticket."""

from dataclasses import replace

from doorward.interfaces import Transaction
from doorward.rules.identity import User
from doorward.rules.session import SessionHandle


async def take_rights(transaction: Transaction, old: User, new: User, *, keep: SessionHandle | None = None) -> User:
    """Write `new` with the next generation, and end all sessions of the account; the account as it is then.

    Sessions, device markers and tickets of an older generation count for nothing, also those that are being made at
    this moment (docs/adr 0007; J04). ConflictError where the account is not exactly `old` any more. The session `keep`
    is not ended here, but it too is of the older generation: whoever keeps one gives its browser a new one instead.
    """
    changed = replace(new, generation=old.generation + 1)
    await transaction.advance_user(old, changed)
    await transaction.end_sessions_of(old.id, keep=keep)
    return changed
