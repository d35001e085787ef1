"""Sessions in the memory of this one process: quick, gone at a restart, and never on a disk.

What becomes of accounts stays durable. Another process (the CLI) cannot reach this memory, so it leaves rows of
pending ends with the act itself; whoever looks here sees them done, because every look first catches up.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from doorward.errors import ConflictError
from doorward.interfaces import SecondProofs, Use
from doorward.rules.app_key import AppKey, KeyId
from doorward.rules.identity import User, UserId
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject


class Ended(Protocol):
    """All sessions of `user_id` have ended, except `keep`; or, with `handle`, that one."""

    @property
    def number(self) -> int:
        """Grows, and never comes again."""
        ...

    @property
    def user_id(self) -> UserId | None:
        """Whose sessions."""
        ...

    @property
    def keep(self) -> SessionHandle | None:
        """The one that lives on."""
        ...

    @property
    def handle(self) -> SessionHandle | None:
        """The one that ended."""
        ...


class Accounts(Protocol):
    """The durable side, read without awaiting."""

    def stamp(self) -> Hashable:
        """A value that changes with every commit."""
        ...

    def revision(self) -> int:
        """How often something was taken away or an account altered."""
        ...

    def find_user(self, user_id: UserId) -> User | None:
        """The account as it is now."""
        ...

    def find_user_by_name(self, name: str) -> User | None:
        """The account with this user name as it is now."""
        ...

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        """The key for apps with this id, and its owner, as they are now."""
        ...

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        """What this account could show as a second proof now."""
        ...

    def list_app_secrets(self) -> Mapping[str, str]:
        """The secrets we show apps, sealed, by name."""
        ...

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody."""
        ...

    def list_pending_ends(self, after: int) -> Sequence[Ended]:
        """Ends that were committed, oldest first, numbered above `after`."""
        ...


class MemorySessions:
    """`interfaces.Sessions`, and `interfaces.LiveView` of itself joined with the accounts.

    `clear` is told, at each purge, up to which number pending ends are done; so only the process whose memory holds the
    sessions may purge.
    """

    def __init__(self, accounts: Accounts, clear: Callable[[int], Awaitable[object]]) -> None:
        self._accounts = accounts
        self._clear = clear
        self._by_fingerprint: dict[Fingerprint, Session] = {}
        self._by_handle: dict[SessionHandle, Fingerprint] = {}
        self._by_user: dict[UserId, set[Fingerprint]] = {}
        self._changes = 0
        self._ends = 0
        self._stamp: Hashable = None
        self._done = self._cleared = 0

    async def find(self, fingerprint: Fingerprint) -> Session | None:
        """The session stored under this fingerprint, expired or not."""
        self._catch_up()
        return self._by_fingerprint.get(fingerprint)

    async def find_by_handle(self, handle: SessionHandle) -> Session | None:
        """The session with this public handle."""
        self._catch_up()
        fingerprint = self._by_handle.get(handle)
        return None if fingerprint is None else self._by_fingerprint[fingerprint]

    async def put(self, session: Session) -> None:
        """Store a new session."""
        self._catch_up()
        if session.fingerprint in self._by_fingerprint or session.handle in self._by_handle:
            raise ConflictError("the session exists already")
        if self._accounts.find_user(session.user_id) is None:
            raise ConflictError("the account is gone")
        self._by_fingerprint[session.fingerprint] = session
        self._by_handle[session.handle] = session.fingerprint
        self._by_user.setdefault(session.user_id, set()).add(session.fingerprint)
        self._changes += 1

    async def touch(self, fingerprint: Fingerprint, *, seen_at: datetime, user_agent: str, address: str) -> bool:
        """Record that the session was used; whether it lives."""
        self._catch_up()
        session = self._by_fingerprint.get(fingerprint)
        if session is None or _end_of(session) <= seen_at:
            return False
        if session.last_seen_at < seen_at:
            self._by_fingerprint[fingerprint] = replace(
                session, last_seen_at=seen_at, user_agent=user_agent, address=address
            )
            self._changes += 1
        return True

    async def touch_all(self, uses: Sequence[Use]) -> None:
        """Record many uses."""
        for use in uses:
            await self.touch(use.fingerprint, seen_at=use.seen_at, user_agent=use.user_agent, address=use.address)

    async def end(self, handle: SessionHandle) -> bool:
        """End one session; it answers no check after this returns."""
        self._catch_up()
        return self._end(handle)

    async def end_all_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> int:
        """End an account's sessions, except `keep`."""
        self._catch_up()
        return self._end_all(user_id, keep)

    async def list_of(self, user_id: UserId) -> list[Session]:
        """An account's sessions, last seen first."""
        self._catch_up()
        return sorted((self._by_fingerprint[each] for each in self._by_user.get(user_id, ())), key=_newest_first)

    async def list_all(self, *, limit: int = 200, offset: int = 0) -> list[Session]:
        """Everybody's sessions, last seen first."""
        self._catch_up()
        return sorted(self._by_fingerprint.values(), key=_newest_first)[offset : offset + limit]

    async def count(self) -> int:
        """How many sessions are stored."""
        self._catch_up()
        return len(self._by_fingerprint)

    async def purge(self, now: datetime) -> int:
        """Remove sessions that ended by lifetime or idleness, and pending ends that are done."""
        self._catch_up()
        over = [fingerprint for fingerprint, session in self._by_fingerprint.items() if _end_of(session) <= now]
        for fingerprint in over:
            self._drop(fingerprint)
        self._ends += len(over)  # or a gate could remember what nobody can end any more
        if self._done > self._cleared:
            done = self._done
            await self._clear(done)
            self._cleared = done
        return len(over)

    def stamp(self) -> Hashable:
        """Differs after every change here and every commit there."""
        return (self._changes, self._accounts.stamp())

    def revision(self) -> int:
        """Ends here and everything taken away there: grows with each."""
        self._catch_up()
        return self._ends + self._accounts.revision()

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        """The session and its account as they are now."""
        self._catch_up()
        session = self._by_fingerprint.get(fingerprint)
        user = None if session is None else self._accounts.find_user(session.user_id)
        return None if session is None or user is None else Subject(user, session)

    def find_user_by_name(self, name: str) -> User | None:
        """The account with this user name as it is now."""
        return self._accounts.find_user_by_name(name)

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        """The key for apps with this id, and its owner, as they are now."""
        return self._accounts.find_key_owner(key_id)

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        """What this account could show as a second proof now."""
        return self._accounts.find_second_proofs(user_id)

    def list_app_secrets(self) -> Mapping[str, str]:
        """The secrets we show apps, sealed, by name."""
        return self._accounts.list_app_secrets()

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody."""
        return self._accounts.find_setting(name)

    def _catch_up(self) -> None:
        # The stamp is taken before the rows are read: a commit in between changes it again, and we look again.
        stamp = self._accounts.stamp()
        if stamp == self._stamp:
            return
        for ended in self._accounts.list_pending_ends(self._done):
            if ended.user_id is not None:
                self._end_all(ended.user_id, ended.keep)
            if ended.handle is not None:
                self._end(ended.handle)
            self._done = ended.number
        self._stamp = stamp

    def _end(self, handle: SessionHandle) -> bool:
        fingerprint = self._by_handle.get(handle)
        if fingerprint is None:
            return False
        self._drop(fingerprint)
        self._ends += 1
        return True

    def _end_all(self, user_id: UserId, keep: SessionHandle | None) -> int:
        ended = [each for each in self._by_user.get(user_id, ()) if self._by_fingerprint[each].handle != keep]
        for fingerprint in ended:
            self._drop(fingerprint)
        self._ends += len(ended)
        return len(ended)

    def _drop(self, fingerprint: Fingerprint) -> None:
        session = self._by_fingerprint.pop(fingerprint)
        del self._by_handle[session.handle]
        siblings = self._by_user[session.user_id]
        siblings.discard(fingerprint)
        if not siblings:
            del self._by_user[session.user_id]
        self._changes += 1


def _end_of(session: Session) -> datetime:
    if session.idle_timeout is None:
        return session.expires_at
    return min(session.expires_at, session.last_seen_at + session.idle_timeout)


def _newest_first(session: Session) -> tuple[float, SessionHandle]:
    return (-session.last_seen_at.timestamp(), session.handle)
