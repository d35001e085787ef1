"""The sessions the gate remembers, so that a check costs no I/O, and never remembers longer than it may.

SECURITY: before every look-up the store's stamp is compared (interfaces.LiveView). When anything was taken away or
altered since, by whatever process, everything remembered is forgotten. tests/property/test_shortcut.py would fail.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from doorward.interfaces import LiveView
from doorward.rules.policy import Policy
from doorward.rules.session import Fingerprint, Session, Subject

TOUCH_EVERY = timedelta(seconds=60)
"""A session's last use is written at most this often."""

MAX_ENTRIES = 100_000
MAX_HELD = 32 * 1024 * 1024
"""Bytes of Cookie headers that are remembered at once: a visitor can make up any number of them around one session."""
_MAX_HEADER = 4096
_FOR_EVER = timedelta(days=36500)


Hosts = Mapping[bytes, tuple[bytes, ...]]
"""Hosts to the beginnings of paths. Shared by sessions, so never changed."""

NO_HOSTS: Hosts = {}


@dataclass(slots=True)
class Entry:
    """A remembered session. `written_at` is when its last use was last handed over to be stored.

    SECURITY: it is idle by what is stored, not by every use, or it could live on here when the store has given it up
    and nobody can end it any more. tests/property/test_shortcut.py and tests/unit/test_gate.py would fail.
    """

    subject: Subject
    written_at: datetime
    lives_until: datetime
    plain_until: datetime
    """Before this instant the session lives, and a use of it need not be handed over."""

    def extend(self) -> None:
        """Take account of the use that memory knows of and the store not yet."""
        session = replace(self.subject.session, last_seen_at=self.written_at)
        self.subject = Subject(self.subject.user, session)
        self.lives_until = _end_of(session)
        self.plain_until = min(self.lives_until, self.written_at + TOUCH_EVERY)

    def note_written(self, now: datetime) -> None:
        """Note that a use was handed over to be stored."""
        self.written_at = now
        self.plain_until = min(self.lives_until, now + TOUCH_EVERY)


@dataclass(slots=True)
class Recalled:
    """What one Cookie header was found to stand for, and what it gets where it is allowed: from one dialect, as bytes.

    `hosts`: on which hosts, as the proxy spells them, this session is allowed where the path does not begin with one of
    these (rules/guards.py). `chain` is an X-Forwarded-For that was found to be well-formed.
    """

    entry: Entry
    policy: Policy | None = None
    dialect: str = ""
    wire: bytes = b""
    chain: bytes | None = None
    hosts: Hosts = field(default_factory=lambda: NO_HOSTS)


class SessionTable:
    """Fingerprint to entry."""

    def __init__(self, view: LiveView, *, max_entries: int = MAX_ENTRIES, max_held: int = MAX_HELD) -> None:
        self._view = view
        self._max = max_entries
        self._max_held = max_held
        self._entries: dict[Fingerprint, Entry] = {}
        self._headers: dict[bytes, Recalled] = {}
        self._held = 0
        self._stamp: Hashable = None
        self._revision = -1

    def find(self, fingerprint: Fingerprint, now: datetime) -> Entry | None:
        """The session as it is at this instant, live or not; None where there is none. UnavailableError on failure."""
        self._refresh()
        entry = self._entries.get(fingerprint)
        if entry is None:
            entry = self._read(fingerprint)
        if entry is not None and now >= entry.lives_until:
            entry.extend()
            if now >= entry.lives_until:
                # Kept out of memory, so that a clock stepping back cannot bring it to life here.
                self._entries.pop(fingerprint, None)
        return entry

    def recall(self, cookie_header: bytes) -> Recalled | None:
        """What exactly this Cookie header was found to stand for before; None where that is unknown.

        A browser sends the same header with every request to a host, so parsing and verifying it once is enough, until
        anything is taken away. The session may have come to its end meanwhile: the caller looks.
        """
        self._refresh()
        return self._headers.get(cookie_header)

    def remember(self, cookie_header: bytes, entry: Entry) -> Recalled:
        """Note for `recall` that this header stands for this session, if it is of ordinary length."""
        recalled = Recalled(entry)
        if len(cookie_header) <= _MAX_HEADER:
            if len(self._headers) >= self._max or self._held + len(cookie_header) > self._max_held:
                self._forget_headers()
            self._held += len(cookie_header)
            self._headers[cookie_header] = recalled
        return recalled

    def __len__(self) -> int:
        return len(self._entries)

    def _refresh(self) -> None:
        stamp = self._view.stamp()
        if stamp == self._stamp:
            return
        # The stamp is read before the revision: what is committed in between shows as a new stamp next time.
        revision = self._view.revision()
        if revision != self._revision:
            self._entries.clear()
            self._forget_headers()
            self._revision = revision
        self._stamp = stamp

    def _forget_headers(self) -> None:
        self._headers.clear()
        self._held = 0

    def _read(self, fingerprint: Fingerprint) -> Entry | None:
        subject = self._view.find_subject(fingerprint)
        if subject is None:
            return None
        session = subject.session
        end, seen = _end_of(session), session.last_seen_at
        entry = Entry(subject, seen, end, min(end, seen + TOUCH_EVERY))
        if len(self._entries) >= self._max:
            # The oldest half; a check that needs one of them reads it again.
            for key in list(self._entries)[: self._max // 2]:
                del self._entries[key]
            self._forget_headers()
        self._entries[fingerprint] = entry
        return entry


Touch = Callable[[Fingerprint, datetime, str, str], None]
"""Hand over a use to be written later: fingerprint, instant, user agent, address."""


def _end_of(session: Session) -> datetime:
    idle = session.idle_timeout if session.idle_timeout is not None else _FOR_EVER
    return min(session.expires_at, session.last_seen_at + idle)
