"""A new master key: everything is sealed anew while the gateway runs, and the old key is retired once that is proven.

The order is what makes it safe to be killed anywhere and run again: the file holds [new, old] before anything is sealed
under the new one, and the old one leaves it only after a scan that found nothing under it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from doorward.flows.alerts import Alarm
from doorward.flows.resealing import Outcome, Progress, SealingKeys, Tell, reseal
from doorward.flows.stored_keys import note_master
from doorward.interfaces import Clock, Pause, Records, SealedStore
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import FORM
from doorward.rules.stored_key import SEALING

SETTLE: Final = timedelta(seconds=15)
"""Who sealed under the old key just before the switch has stored it by then."""


class MasterKeys(SealingKeys, Protocol):
    """The keyring as a rotation needs it. Every change of the file is whole and on the disk when it returns."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The names of all keys, the newest first."""
        ...

    def begin_rotation(self) -> bool:
        """Put a new key before the present one; False where there are several already: a rotation goes on.

        InputError where the keys come from elsewhere and there is no new one.
        """
        ...

    def note_retired(self) -> None:
        """Write the old keys to where no server looks."""
        ...

    def drop_old(self) -> bool:
        """Take the old keys away; False where only the operator can."""
        ...


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of a rotation.

    `retired`: whether the old keys are gone from the keyring; where only the operator can take them away, they are not.
    `mentions`: columns that name an old key still, though nothing we know of is sealed under it.
    """

    key_id: str
    old: tuple[str, ...]
    outcome: Outcome
    retired: bool
    mentions: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing needs the old keys any more."""
        return self.outcome.is_whole and not self.mentions


class Rotation:
    """Rotates the master key. The caller sees to it that there is one at a time."""

    def __init__(
        self,
        *,
        records: Records,
        sealed: SealedStore,
        keyring: MasterKeys,
        clock: Clock,
        pause: Pause,
        alarm: Alarm,
    ) -> None:
        self._records = records
        self._sealed = sealed
        self._keyring = keyring
        self._clock = clock
        self._pause = pause
        self._alarm = alarm

    async def rotate(self, actor: str, *, settle: timedelta = SETTLE, tell: Tell) -> Rotated:
        """Rotate, or go on with a rotation that was interrupted."""
        began = self._keyring.begin_rotation()
        new, *old = self._keyring.key_ids
        tell(Progress("began" if began else "resumed"))
        await self._note(actor, Act.MASTER_KEY_ROTATING, new, old, {"resumed": "no" if began else "yes"})
        outcome = await reseal(self._sealed, self._keyring, tell)
        tell(Progress("settling"))
        await self._pause(settle.total_seconds())
        late = await reseal(self._sealed, self._keyring, tell)
        outcome = Outcome(outcome.resealed + late.resealed, outcome.already, late.failed, late.left)
        mentions = tuple(await self._sealed.find_mentions([f":{kid}:" for kid in old])) if outcome.is_whole else ()
        tell(Progress("proven" if outcome.is_whole and not mentions else "unproven"))
        counts = {"resealed": str(outcome.resealed), "already": str(outcome.already)}
        counts["failed"] = str(sum(outcome.failed.values()))
        if not outcome.is_whole or mentions:
            await self._note(actor, Act.MASTER_KEY_KEPT, new, old, counts)
            return Rotated(new, tuple(old), outcome, retired=False, mentions=mentions)
        # Before the file changes: an act that is recorded twice, after a kill, is better than one that is not.
        await self._note(actor, Act.MASTER_KEY_ROTATED, new, old, counts)
        tell(Progress("recorded"))
        self._keyring.note_retired()
        tell(Progress("noted"))
        retired = self._keyring.drop_old()
        tell(Progress("retired" if retired else "done"))
        return Rotated(new, tuple(old), outcome, retired=retired)

    async def _note(self, actor: str, act: Act, new: str, old: Sequence[str], more: dict[str, str]) -> None:
        public, now = {"key": new, "old": ",".join(old), **more}, self._clock.now()
        async with self._records.transaction() as transaction:
            await note_master(transaction, new, now)
            await transaction.append_audit(AuditEvent(act, actor, "system", now, public))
            if act is Act.MASTER_KEY_KEPT:
                reason = f"values that do not open: {more['failed']}; the old key is kept"
                values = {"what": "doorward keys rotate master", "reason": reason}
                await self._alarm(transaction, AlertKind.ROTATION_FAILED, "master", values, now)


async def renew_form(
    records: Records, sealed: SealedStore, keyring: SealingKeys, *, clock: Clock, tell: Tell
) -> Outcome:
    """Seal what is sealed in the older form anew, once after an upgrade; from then on that form opens no more (M04).

    What does not open stays as it is, and is no more readable than before.
    """
    outcome = await reseal(sealed, keyring, tell)
    async with records.transaction() as transaction:
        # Once: afterwards an account of which nothing is remembered is one whose row was changed (M10).
        await transaction.mark_factors()
        await transaction.put_setting(SEALING, FORM)
        counts = {"form": FORM, "resealed": str(outcome.resealed), "failed": str(sum(outcome.failed.values()))}
        await transaction.append_audit(AuditEvent(Act.RESEALED, "system", "system", clock.now(), counts))
    return outcome
