"""What may be lost and is then gone: sessions, tickets, counters; and what the gate reads of them."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from doorward.rules.app_key import AppKey, KeyId
from doorward.rules.identity import User, UserId
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject
from doorward.rules.throttle import Spent, Window
from doorward.rules.ticket import Purpose, Ticket, TicketId


class Use(NamedTuple):
    """One use of a session, to be recorded."""

    fingerprint: Fingerprint
    seen_at: datetime
    user_agent: str
    address: str


class SecondProofs(NamedTuple):
    """What an account could show as a second proof.

    `own`: whether it has an authenticator app or a passkey. `providers`: those it is connected to, by id, each with its
    settings where it was added in the console and is enabled there.
    """

    own: bool
    providers: tuple[tuple[str, str | None], ...] = ()


class Sessions(Protocol):
    """Sign-ins (perishable). One contract suite holds every implementation."""

    async def find(self, fingerprint: Fingerprint) -> Session | None:
        """The session stored under this fingerprint, expired or not."""
        ...

    async def find_by_handle(self, handle: SessionHandle) -> Session | None:
        """The session with this public handle."""
        ...

    async def put(self, session: Session) -> None:
        """Store a new session. ConflictError when its fingerprint or handle exists."""
        ...

    async def touch(self, fingerprint: Fingerprint, *, seen_at: datetime, user_agent: str, address: str) -> bool:
        """Record that the session was used. Never brings back an ended one, never moves `last_seen_at` backwards."""
        ...

    async def touch_all(self, uses: Sequence[Use]) -> None:
        """`touch` for many at once, at the cost of one: either all are recorded or none."""
        ...

    async def end(self, handle: SessionHandle) -> bool:
        """End one session; it answers no check after this returns. Whether there was one."""
        ...

    async def end_all_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> int:
        """End an account's sessions, except `keep`; complete when it returns. How many there were."""
        ...

    async def list_of(self, user_id: UserId) -> list[Session]:
        """An account's sessions, last seen first."""
        ...

    async def list_all(self, *, limit: int = 200, offset: int = 0) -> list[Session]:
        """Everybody's sessions, last seen first."""
        ...

    async def count(self) -> int:
        """How many sessions are stored. Costs the same with ten or a million."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove sessions that ended by lifetime or idleness; how many."""
        ...


class Tickets(Protocol):
    """Half-finished things (perishable)."""

    async def put(self, ticket: Ticket) -> None:
        """Store a new ticket."""
        ...

    async def find(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """The ticket, if it is of this purpose and has not expired."""
        ...

    async def advance(self, old: Ticket, new: Ticket) -> bool:
        """Replace `old` by `new` (same id), only if it still is exactly `old`."""
        ...

    async def take(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """Return the ticket and remove it, at most once however many ask."""
        ...

    async def count(self) -> int:
        """How many tickets are stored."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove expired tickets; how many."""
        ...


class Counters(Protocol):
    """Tries and failures (perishable, but a restart must not forget them where storage is durable)."""

    async def spend(self, key: str, windows: Sequence[Window], now: datetime) -> Spent:
        """Count one try under `key` if every window has room, atomically; a refused try is not counted."""
        ...

    async def give_back(self, key: str, at: datetime) -> None:
        """Uncount one try that was spent at this instant; nothing where there is none."""
        ...

    async def record(self, key: str, now: datetime, *, keep: timedelta) -> None:
        """Note an instant under `key`, to be forgotten after `keep`."""
        ...

    async def recall(self, key: str, *, since: datetime) -> list[datetime]:
        """The instants noted under `key` after `since`, in order."""
        ...

    async def forget(self, key: str) -> None:
        """Drop everything under `key`."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop what no window needs any more; how many instants."""
        ...


class LiveView(Protocol):
    """What the gate may read without awaiting: the present truth about one fingerprint."""

    def stamp(self) -> Hashable:
        """A value that changes whenever anything the gate remembers may have changed, by this process or another."""
        ...

    def revision(self) -> int:
        """A number that grows with every change that takes something away or alters an account."""
        ...

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        """The session and its account as they are now; None when there is no such session."""
        ...

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        """The key for apps with this id and its owner as they are now; None when there is no such key."""
        ...

    def list_app_secrets(self) -> Mapping[str, str]:
        """The secrets we show apps, sealed, by name."""
        ...

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        """What this account could show as a second proof now."""
        ...

    def find_user_by_name(self, name: str) -> User | None:
        """The account with this canonical user name as it is now."""
        ...

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody, under this name; None where nothing is."""
        ...
