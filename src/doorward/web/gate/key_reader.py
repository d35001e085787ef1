"""From what is shown as a key to whose it is, without awaiting anything.

A key whose hash is slow (`api_keys.hash: bcrypt`) is verified before the check is judged, by whoever may await
(`asgi_lane`), and counts from then on like any other, as long as what is stored of it stays the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from doorward.rules.access_token import is_token
from doorward.rules.app_key import SHA256, AppKey, KeyId, matches, parse_key
from doorward.rules.policy import Address
from doorward.rules.reason import Reason
from doorward.web.gate.dialect import Fields
from doorward.web.gate.key_failures import KeyFailures
from doorward.web.gate.proven_keys import ProvenKeys
from doorward.web.gate.shown import Shown, read_shown, take_from_target
from doorward.web.gate.table import Entry, SessionTable

KeyTouch = Callable[[KeyId, datetime, str, str], None]
"""Hand over a use to be written later: key, instant, user agent, address."""
ReadToken = Callable[[str, datetime], tuple[KeyId, bytes] | None]
"""The row an access token of ours names and what the row's hash is of; None where it is not good at that instant."""
VerifyKey = Callable[[bytes, str], Awaitable[bool]]
"""Whether this is the secret of a slow hash; elsewhere than on the loop."""


class KeyRefusal(NamedTuple):
    """Why what was shown opens nothing. `wait`: how long to wait before the next one."""

    reason: Reason
    wait: timedelta = timedelta(0)


class Unverified(NamedTuple):
    """A key with a slow hash that nobody has verified in this process. `client`: who shows it."""

    key: AppKey
    secret: bytes
    client: Address | None
    at: datetime


class KeyReader:
    """One per gate. `parameter` is the name of the query parameter that may hold a key."""

    def __init__(
        self,
        table: SessionTable,
        *,
        parameter: bytes = b"dw_key",
        failures: KeyFailures | None = None,
        read_token: ReadToken | None = None,
        verify: VerifyKey | None = None,
    ) -> None:
        self.parameter = parameter
        self.failures = failures if failures is not None else KeyFailures()
        self.verify = verify
        self._table = table
        self._read_token = read_token
        # SECURITY: apart, for what is no key at all costs no slow hash, and must not keep anybody's right one waiting.
        # tests/unit/test_key_failures.py would fail.
        self.compared = KeyFailures(self.failures.windows)
        self.proven = ProvenKeys()

    def read(self, fields: Fields, target: bytes) -> tuple[Shown, bytes]:
        """What is shown in headers and address, and the address without it."""
        shown = read_shown(fields, is_token if self._read_token is not None else _is_none)
        if b"?" in target and (b"dw_" in target or b"%" in target):
            key, rest = take_from_target(target, self.parameter)
            if key:
                return Shown((*shown.keys, key), shown.left, in_url=True), rest
        return shown, target

    def find(self, shown: Shown, client: Address | None, now: datetime) -> Entry | KeyRefusal:
        """Whose it is. Everything shown must be good, and one: two keys are two readings of who asks."""
        found: Entry | None = None
        for text in shown.keys:
            entry = self._find_one(text, now)
            if entry is None:
                return self._fail(client, now)
            if found is not None and entry.subject.key != found.subject.key:
                return KeyRefusal(Reason.CREDENTIALS_DIFFER)
            found = entry
        if found is None:
            raise ValueError("nothing was shown")
        # SECURITY: whoever contains an incident need not think of keys. tests/unit/test_gate_keys.py would fail.
        if self._table.is_locked_down:
            return KeyRefusal(Reason.LOCKDOWN)
        # SECURITY: a key does no more than its owner could. tests/unit/test_gate_key_owners.py would fail.
        return KeyRefusal(Reason.OWNER_PENDING) if found.owes else found

    def find_unverified(self, shown: Shown, client: Address | None, now: datetime) -> Sequence[Unverified]:
        """What has to be verified elsewhere before this can be judged; nothing while too many there were wrong."""
        if self.verify is None or self.compared.find_wait(client, now) is not None:
            return ()
        waiting = []
        for key_id, secret in filter(None, (self._parse(text, now) for text in shown.keys)):
            entry = self._table.find_key(key_id, now)
            key = entry.subject.key if entry is not None else None
            if key is not None and not key.digest.startswith(SHA256) and not self._matches(key, secret):
                waiting.append(Unverified(key, secret, client, now))
        return waiting

    async def prove(self, found: Unverified) -> None:
        """Find out whether this is the secret of this hash, and remember it if it is."""
        if self.verify is None or not await self.verify(found.secret, found.key.digest):
            self.compared.note(found.client, found.at)
            return
        self.proven.note(found.key, found.secret)

    def _find_one(self, text: str, now: datetime) -> Entry | None:
        named = self._parse(text, now)
        if named is None:
            return None
        key_id, secret = named
        entry = self._table.find_key(key_id, now)
        key = entry.subject.key if entry is not None else None
        return entry if key is not None and self._matches(key, secret) else None

    def _parse(self, text: str, now: datetime) -> tuple[KeyId, bytes] | None:
        named = parse_key(text)
        return self._read_token(text, now) if named is None and self._read_token is not None else named

    def _matches(self, key: AppKey, secret: bytes) -> bool:
        if key.digest.startswith(SHA256):
            return matches(secret, key.digest)
        return self.proven.knows(key, secret)

    def _fail(self, client: Address | None, now: datetime) -> KeyRefusal:
        wait = self.failures.find_wait(client, now)
        if wait is not None:
            return KeyRefusal(Reason.KEY_TRIES, wait)
        self.failures.note(client, now)
        return KeyRefusal(Reason.KEY_INVALID)


def _is_none(_: str) -> bool:
    return False
