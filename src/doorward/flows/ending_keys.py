"""Taking back every key for apps there is, in the transaction of what makes that necessary."""

from datetime import datetime

from doorward.flows.acting import Actor, append
from doorward.interfaces import Transaction
from doorward.rules.audit import Act


async def end_all_keys(transaction: Transaction, actor: Actor, now: datetime) -> int:
    """Revoke everybody's keys; how many there were. One record says so: there may be very many."""
    keys = await transaction.list_app_keys()
    if keys:
        await transaction.remove_app_keys([key.id for key in keys])
        public = {"key": "all", "count": str(len(keys))}
        await append(transaction, actor, Act.APP_KEY_REVOKED, "system", now, public)
    return len(keys)
