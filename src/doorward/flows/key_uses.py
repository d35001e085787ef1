"""Uses of keys for apps: handed over by the gate without I/O, written in batches, and told of where they are new."""

from datetime import datetime
from itertools import islice
from typing import Final

from doorward.errors import TamperError
from doorward.flows.alerts import Alarm
from doorward.flows.letters import tell_time
from doorward.flows.notify import Notify
from doorward.flows.upkeep import BATCH
from doorward.flows.visitor import MAX_USER_AGENT
from doorward.interfaces import Keyring, Log, Records, Transaction
from doorward.rules.alert import AlertKind
from doorward.rules.app_key import AppKey, KeyId, KeyUse
from doorward.rules.envelope import Place
from doorward.rules.key_use import KeyPlace, network_of, read_place
from doorward.rules.letter import LetterKind
from doorward.rules.names import clean_text

MAX_NOTES: Final = 10_000
_Use = tuple[KeyId, str]
"""A key, and the network it was used from."""


class KeyUses:
    """Notes uses and writes them. The gate notes a key about once a minute, and from where it was not seen before."""

    def __init__(self, *, records: Records, keyring: Keyring, alarm: Alarm, notify: Notify, log: Log) -> None:
        self._records = records
        self._keyring = keyring
        self._alarm = alarm
        self._notify = notify
        self._log = log
        self._notes: dict[_Use, tuple[datetime, str, str]] = {}

    def note(self, key_id: KeyId, seen_at: datetime, user_agent: str, address: str) -> None:
        """Remember a use. Never waits and never fails; where nothing gets written for long, newcomers are not noted."""
        # SECURITY: by network, or a program that asks all day would hide who else has its key.
        # tests/unit/test_key_uses.py would fail.
        use = (key_id, network_of(address))
        if self._notes.pop(use, None) is not None or len(self._notes) < MAX_NOTES:
            self._notes[use] = (seen_at, clean_text(user_agent, MAX_USER_AGENT), address)

    async def write_due(self, now: datetime) -> None:
        """Write what was noted; as an errand."""
        del now
        await self.flush()

    async def flush(self) -> int:
        """Write what was noted; how many uses there were. What fails is logged once, kept, and tried again."""
        notes, self._notes = self._notes, {}
        written = 0
        while notes:
            batch = dict(islice(notes.items(), BATCH))
            try:
                async with self._records.transaction() as transaction:
                    for (key_id, _), note in batch.items():
                        use = await self._see(transaction, key_id, *note)
                        if use is not None:  # one by one: the next may be of the same key
                            await transaction.note_key_uses([use])
            except Exception as error:  # noqa: BLE001 -- a use not written down must never disturb a request
                self._notes = {**notes, **self._notes}
                self._log.warning("key_uses_not_written", waiting=len(notes), error=repr(error))
                return written
            for each in batch:
                del notes[each]
            written += len(batch)
        return written

    async def _see(
        self, transaction: Transaction, key_id: KeyId, at: datetime, agent: str, address: str
    ) -> KeyUse | None:
        key = await transaction.find_app_key(key_id)
        if key is None:
            return None
        try:
            before = find_place(self._keyring, key)
        except TamperError:
            # SECURITY: whoever damages what is known of the networks of a key must not make any network a known one;
            # tests/unit/test_key_uses.py does.
            self._log.error("key_place_unreadable", key=key.id)
            before = KeyPlace(networks=("unknown",))
        after, tells = before.see(address, agent, at)
        if tells:
            await self._tell(transaction, key, at, agent, address)
        return KeyUse(key.id, at, self._keyring.seal(use_place(key.id), after.write()))

    async def _tell(self, transaction: Transaction, key: AppKey, at: datetime, agent: str, address: str) -> None:
        user = await transaction.find_user(key.user_id)
        if user is None:
            return
        said = {"key": key.name, "device": agent, "address": address}
        await self._notify(transaction, LetterKind.KEY_NEW_PLACE, user, {**said, "at": tell_time(at)}, at)
        values = {"who": user.name, "what": key.name, "device": agent, "address": address}
        await self._alarm(transaction, AlertKind.KEY_NEW_PLACE, key.id, values, at)


def find_place(keyring: Keyring, key: AppKey) -> KeyPlace:
    """From where a key was used last. TamperError where that was changed in the records."""
    return read_place(keyring.unseal(use_place(key.id), key.sealed)) if key.sealed else KeyPlace()


def use_place(key_id: KeyId) -> Place:
    """What the last use of a key is sealed for."""
    return Place("app_keys", "sealed", key_id)
