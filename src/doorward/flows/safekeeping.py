"""How everything stands that is kept for the worst: keys, backups, the record, a lockdown, a kit. Looking only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.flows.acting import Actor, check_actor
from doorward.flows.audit_trail import VERIFYING
from doorward.flows.lockdown import find_lockdown
from doorward.interfaces import Records
from doorward.rules.alert import AlertState
from doorward.rules.backup import BACKUP_CHORE, DRILL_CHORE
from doorward.rules.chore import Chore
from doorward.rules.lockdown import Lockdown
from doorward.rules.stored_key import SESSION

MOST_ALERTS: Final = 100


@dataclass(frozen=True, slots=True)
class Overview:
    """`signing_key_at`: since when the key of session cookies signs. `checkpoint_at`: the newest one of the record.

    `kits`: administrators with an unused break-glass code. `untold`: alerts that reached nobody.
    """

    lockdown: Lockdown | None
    kits: int
    signing_key_at: datetime | None
    backup: Chore
    drill: Chore
    verifying: Chore
    checkpoint_at: datetime | None
    untold: int


class Safekeeping:
    """The overview."""

    def __init__(self, *, records: Records) -> None:
        self._records = records

    async def look(self, actor: Actor) -> Overview:
        """How it stands at this moment."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            keys = [key for key in await transaction.list_keys(SESSION) if key.retired_at is None]
            point = await transaction.find_checkpoint()
            failed = await transaction.list_alerts(limit=MOST_ALERTS, state=AlertState.FAILED)
            unsent = await transaction.list_alerts(limit=MOST_ALERTS, state=AlertState.UNSENT)
            return Overview(
                lockdown=await find_lockdown(transaction),
                kits=len({kit.user_id for kit in await transaction.list_kits() if kit.used_at is None}),
                signing_key_at=keys[0].created_at if keys else None,
                backup=await transaction.find_chore(BACKUP_CHORE),
                drill=await transaction.find_chore(DRILL_CHORE),
                verifying=await transaction.find_chore(VERIFYING),
                checkpoint_at=None if point is None else point.checkpoint.at,
                untold=len(failed) + len(unsent),
            )
