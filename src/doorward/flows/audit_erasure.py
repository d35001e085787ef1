"""Erasing personal data of audit records: the records stay, and that it was done stands in the chain itself."""

from collections.abc import Mapping
from datetime import datetime

from doorward.flows.acting import Actor, append
from doorward.interfaces import Transaction
from doorward.rules.audit import Act, AuditQuery
from doorward.rules.ranges import Ranges


async def erase_private(
    transaction: Transaction,
    actor: Actor,
    query: AuditQuery,
    *,
    subject: str,
    why: Mapping[str, str],
    now: datetime,
    limit: int,
    after: int = 0,
    upto: int | None = None,
) -> list[int]:
    """Erase it in the oldest records that fit, and record which these are: the numbers, as many as `limit`.

    Whoever verifies the chain finds an erasure that is not recorded.
    """
    few = await transaction.list_erasable(query, after=after, upto=upto, limit=limit)
    if few:
        count = await transaction.erase_private(few)
        public = {**why, "records": Ranges(few).spell(), "count": str(count)}
        await append(transaction, actor, Act.AUDIT_ERASED, subject, now, public)
    return few
