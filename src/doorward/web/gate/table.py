"""The sessions the gate remembers, so that a check costs no I/O, and never remembers longer than it may.

SECURITY: before every look-up the store's stamp is compared (interfaces.LiveView). When anything was taken away or
altered since, by whatever process, everything remembered is forgotten. tests/property/test_shortcut.py would fail.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from doorward.interfaces import LiveView
from doorward.rules.app_key import KeyId
from doorward.rules.identity import User
from doorward.rules.key_limits import end_in_time
from doorward.rules.key_subject import subject_of
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.mfa import Standing
from doorward.rules.policy import Address, Policy
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject

TOUCH_EVERY = timedelta(seconds=60)
"""A session's last use is written at most this often."""

MAX_ENTRIES = 100_000
MAX_HELD = 32 * 1024 * 1024
"""Bytes of headers, and of answers with them, that are remembered at once: a visitor can make up any number of headers
around one session."""
_MAX_HEADER = 4096
_MAX_PLACES = 32
Name = TypeVar("Name", Fingerprint, KeyId)
_FOR_EVER = timedelta(days=36500)
_NEVER = datetime.max.replace(tzinfo=UTC)


JudgeOwner = Callable[[User, datetime], Standing]
"""Whether the owner of a key owes a second factor (`flows.owing.OwnerStandings`)."""

Hosts = Mapping[bytes, tuple[bytes, ...]]
"""Hosts to the beginnings of paths. Shared by sessions, so never changed."""

NO_HOSTS: Hosts = {}

Credential = bytes | tuple[bytes | None, bytes | None, bytes | None, bool]
"""What a check is remembered by: the Cookie header where nothing else is shown; else Cookie, Authorization, X-Api-Key,
and whether its headers are such that it may begin a websocket."""


Asked = tuple[SessionHandle, str, bytes, bytes, bytes, bytes]
"""What an assertion is about: session or key, audience, method, scheme, host and path as they came."""


class Minted(NamedTuple):
    """An assertion, and until when it is used again."""

    value: bytes
    until: datetime


class HostAnswer(NamedTuple):
    """An allow for one host whose app is told more than others: bytes before and after the assertion, if there is one.

    `audience`: whom the assertion is for; "" where there is none.
    """

    guards: tuple[bytes, ...]
    before: bytes
    audience: str = ""
    after: bytes = b""


HostAnswers = Mapping[bytes, HostAnswer]
NO_ANSWERS: HostAnswers = {}


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
    places: frozenset[Address | None] = frozenset()
    """From where a key was seen to be used: it is handed over when it comes from anywhere else."""
    owes: bool = False
    """Whether a key's owner has to set up a second factor first. Never kept: it is looked at anew each time."""

    def extend(self) -> None:
        """Take account of the use that memory knows of and the store not yet."""
        session = replace(self.subject.session, last_seen_at=self.written_at)
        self.subject = Subject(self.subject.user, session, self.subject.key)
        self.lives_until = _end_of(session)
        self.plain_until = min(self.lives_until, self.written_at + TOUCH_EVERY)

    def note_written(self, now: datetime) -> None:
        """Note that a use was handed over to be stored."""
        self.written_at = now
        self.plain_until = min(self.lives_until, now + TOUCH_EVERY)

    def note_place(self, client: Address | None) -> None:
        """Note from where a key was used."""
        self.places = (self.places if len(self.places) < _MAX_PLACES else frozenset()) | {client}


@dataclass(slots=True)
class Recalled:
    """What a credential was found to stand for, and what it gets where it is allowed: from one dialect, as bytes.

    `hosts`: on which hosts, as the proxy spells them, this session is allowed where the path does not begin with one of
    these (rules/guards.py). `answers`: the same for hosts with an answer of their own; none of them is in `hosts`.
    `chain` is an X-Forwarded-For that was found to be well-formed.
    """

    entry: Entry
    policy: Policy | None = None
    dialect: str = ""
    wire: bytes = b""
    chain: bytes | None = None
    hosts: Hosts = field(default_factory=lambda: NO_HOSTS)
    answers: HostAnswers = field(default_factory=lambda: NO_ANSWERS)

    def renew(self, policy: Policy, dialect: str) -> None:
        """Forget what was allowed under another policy, or asked in another dialect."""
        self.policy, self.dialect = policy, dialect
        self.wire, self.hosts, self.answers = b"", NO_HOSTS, NO_ANSWERS


class SessionTable:
    """Fingerprint or key to entry."""

    def __init__(
        self,
        view: LiveView,
        *,
        max_entries: int = MAX_ENTRIES,
        max_held: int = MAX_HELD,
        key_lifetime: timedelta | None = None,
        judge: JudgeOwner | None = None,
    ) -> None:
        """`key_lifetime`: how long a key may last, counted from when it was made; None for any time.

        `judge`: whether a key's owner owes a second factor; None where nobody is asked for one.
        """
        self._view = view
        self._key_lifetime = key_lifetime
        self._judge = judge
        self._max = max_entries
        self._max_held = max_held
        self._entries: dict[Fingerprint, Entry] = {}
        self._keys: dict[KeyId, Entry] = {}
        self._headers: dict[Credential, Recalled] = {}
        self._held = 0
        self._stamp: Hashable = None
        self._revision = -1
        self.minted: dict[Asked, Minted] = {}
        """Assertions that were signed (`allowing`), forgotten with everything else."""
        self.is_locked_down = False
        """Whether an incident is being contained, as of the last look."""

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

    def find_key(self, key_id: KeyId, now: datetime) -> Entry | None:
        """The key with this id as it is at this instant, good or not; None where there is none. As `find`."""
        self._refresh()
        entry = self._keys.get(key_id)
        # SECURITY: read anew when its time is over, for that may be its owner's grace, or what was known of their
        # second factor. tests/unit/test_gate_key_owners.py would fail.
        if entry is None or now >= entry.lives_until:
            self._keys.pop(key_id, None)
            found = self._view.find_key_owner(key_id)
            if found is None:
                return None
            key, user = found
            subject = subject_of(end_in_time(key, self._key_lifetime), user)
            standing = self._judge(user, now) if self._judge is not None else Standing(owes=False)
            end = min(_end_of(subject.session), standing.until or _NEVER)
            # One that was never used is due to be written with its first use, however new it is.
            seen = key.last_used_at or key.made_at - TOUCH_EVERY
            entry = Entry(subject, seen, end, min(end, seen + TOUCH_EVERY), owes=standing.owes)
            if now < end:
                self._make_room(self._keys)
                self._keys[key_id] = entry
        return entry

    def recall(self, credential: Credential) -> Recalled | None:
        """What exactly these headers were found to stand for before; None where that is unknown.

        A browser sends the same header with every request to a host, and a program its key, so parsing and verifying
        them once is enough, until anything is taken away. They may have come to their end meanwhile: the caller looks.
        """
        self._refresh()
        return self._headers.get(credential)

    def remember(self, credential: Credential, entry: Entry) -> Recalled:
        """Note for `recall` that this stands for this session or key, if it is of ordinary length."""
        recalled = Recalled(entry)
        size = len(credential) if isinstance(credential, bytes) else sum(len(each or b"") for each in credential[:3])
        if size <= _MAX_HEADER:
            if len(self._headers) >= self._max:
                self._forget_headers()
            self.hold(size)
            self._headers[credential] = recalled
        return recalled

    def hold(self, size: int) -> None:
        """Count bytes that are kept with what is remembered; where they are too many, all of it is forgotten."""
        if self._held + size > self._max_held:
            self._forget_headers()
        self._held += size

    def __len__(self) -> int:
        return len(self._entries) + len(self._keys)

    def _refresh(self) -> None:
        stamp = self._view.stamp()
        if stamp == self._stamp:
            return
        # The stamp is read before the revision: what is committed in between shows as a new stamp next time.
        revision = self._view.revision()
        if revision != self._revision:
            self._forget()
            self._revision = revision
        locked_down = self._view.find_setting(LOCKDOWN_SETTING) is not None
        if locked_down != self.is_locked_down:
            self._forget()
            self.is_locked_down = locked_down
        self._stamp = stamp

    def _forget(self) -> None:
        self._entries.clear()
        self._keys.clear()
        self.minted.clear()
        self._forget_headers()

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
        self._make_room(self._entries)
        self._entries[fingerprint] = entry
        return entry

    def _make_room(self, entries: dict[Name, Entry]) -> None:
        if len(entries) >= self._max:
            # The oldest half; a check that needs one of them reads it again.
            for name in list(entries)[: self._max // 2]:
                del entries[name]
            self._forget_headers()


Touch = Callable[[Fingerprint, datetime, str, str], None]
"""Hand over a use to be written later: fingerprint, instant, user agent, address."""


def _end_of(session: Session) -> datetime:
    idle = session.idle_timeout if session.idle_timeout is not None else _FOR_EVER
    return min(session.expires_at, session.last_seen_at + idle)
