"""Housekeeping: forgetting what has expired, and writing down when sessions were last used."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from doorward.flows.visitor import MAX_USER_AGENT
from doorward.interfaces import Clock, Counters, Log, Pause, Records, Sessions, Tickets, Use
from doorward.rules.names import clean_text
from doorward.rules.session import Fingerprint

Errand = Callable[[datetime], Awaitable[None]]

FLUSH_EVERY: Final = 5.0
"""Seconds between two writes of collected uses."""
PURGE_EVERY: Final = 12
"""Flushes between two purges."""
MAX_NOTES: Final = 100_000
BATCH: Final = 100
"""Uses written at once: enough to share the cost of a durable write, few enough not to hold up a check."""


class Touches:
    """Uses of sessions, handed over by the gate without I/O and written in batches.

    The gate notes a session at most once a minute; the store takes a note only forwards, and never brings back an
    ended session (J16).
    """

    def __init__(self, *, sessions: Sessions, log: Log) -> None:
        self._sessions = sessions
        self._log = log
        self._notes: dict[Fingerprint, Use] = {}

    def note(self, fingerprint: Fingerprint, seen_at: datetime, user_agent: str, address: str) -> None:
        """Remember a use. Never waits and never fails; where nothing gets written for long, newcomers are not noted."""
        if len(self._notes) < MAX_NOTES or fingerprint in self._notes:
            self._notes[fingerprint] = Use(fingerprint, seen_at, clean_text(user_agent, MAX_USER_AGENT), address)

    async def flush(self) -> int:
        """Write what was noted; how many were written. What fails is logged once, kept, and tried again."""
        notes, self._notes = self._notes, {}
        written = 0
        while notes:
            batch = list(islice(notes.values(), BATCH))
            try:
                await self._sessions.touch_all(batch)
            except Exception as error:  # noqa: BLE001 -- a use not written down must never disturb a request
                self._notes = {**notes, **self._notes}
                self._log.warning("touches_not_written", waiting=len(notes), error=repr(error))
                return written
            for use in batch:
                del notes[use.fingerprint]
            written += len(batch)
        return written


class Upkeep:
    """The loop that keeps the house clean. `chores` are done at each flush; they neither wait nor fail.

    `errands` may wait, for somebody outside, too. So each runs beside the loop, and again only when it is back.
    """

    def __init__(
        self,
        *,
        touches: Touches,
        sessions: Sessions,
        tickets: Tickets,
        counters: Counters,
        records: Records,
        clock: Clock,
        pause: Pause,
        log: Log,
        chores: Sequence[Callable[[], None]] = (),
        errands: Sequence[Errand] = (),
    ) -> None:
        self._touches = touches
        self._sessions = sessions
        self._tickets = tickets
        self._counters = counters
        self._records = records
        self._clock = clock
        self._pause = pause
        self._log = log
        self._chores = chores
        self._errands = errands

    async def run(self) -> None:
        """Flush, do the chores, send out the errands and purge until cancelled."""
        rounds = 0
        out: dict[Errand, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                await self._pause(FLUSH_EVERY)
                for chore in self._chores:
                    chore()
                for errand in self._errands:
                    if errand not in out or out[errand].done():
                        out[errand] = group.create_task(self._send(errand))
                await self._touches.flush()
                rounds += 1
                if rounds % PURGE_EVERY == 0:
                    await self.purge(self._clock.now())

    async def _send(self, errand: Errand) -> None:
        try:
            await errand(self._clock.now())
        except Exception as error:  # noqa: BLE001 -- housekeeping must never end the process
            self._log.warning("errand_failed", error=repr(error))

    async def purge(self, now: datetime) -> None:
        """Remove what has expired. A failure is logged and tried again at the next turn."""
        try:
            sessions = await self._sessions.purge(now)
            tickets = await self._tickets.purge(now)
            instants = await self._counters.purge(now)
            async with self._records.transaction() as transaction:
                upstream = await transaction.purge_upstream(now)
        except Exception as error:  # noqa: BLE001 -- housekeeping must never end the process
            self._log.warning("purge_failed", error=repr(error))
            return
        self._log.debug("purged", sessions=sessions, tickets=tickets, instants=instants, upstream=upstream)
