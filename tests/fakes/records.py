"""All of storage in memory, plainly: what the flows' tests run on. The contract suite holds it to the real one.

`FakeStore().broken = True` makes everything raise UnavailableError, in transactions that are open too.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta

from doorward.errors import Clash, ConflictError, UnavailableError
from doorward.interfaces import Random, SecondProofs, StoredPassword, Transaction, Use
from doorward.rules.app_key import AppKey, KeyId
from doorward.rules.identity import User, UserId
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject
from doorward.rules.throttle import Spent, Window, spend
from doorward.rules.ticket import Purpose, Ticket, TicketId
from tests.fakes.account_records import FakeAccountRecords, FakeFactorRecords
from tests.fakes.alert_records import FakeAlertRecords, FakePreferenceRecords
from tests.fakes.app_key_records import FakeAppKeyRecords
from tests.fakes.audit_records import FakeAuditRecords
from tests.fakes.break_glass_records import FakeBreakGlassRecords
from tests.fakes.decision_records import FakeDecisionRecords
from tests.fakes.key_records import FakeKeyRecords
from tests.fakes.recorded import check_unrecorded
from tests.fakes.retention_records import FakeRetentionRecords
from tests.fakes.safekeeping_records import FakeChoreRecords
from tests.fakes.state import State, end, end_all, end_one, is_over, own, touch
from tests.fakes.system import FakeRandom
from tests.fakes.upstream_records import FakeUpstreamRecords


class FakeStore:
    """One store; its parts are `records`, `sessions`, `tickets`, `counters` and `live_view`."""

    def __init__(self, random: Random | None = None) -> None:
        self.random = random or FakeRandom("store")
        self.state = State()
        self.broken = False
        self._turn = asyncio.Lock()
        self.records = FakeRecords(self)
        self.sessions = FakeSessions(self)
        self.tickets = FakeTickets(self)
        self.counters = FakeCounters(self)
        self.live_view = FakeLiveView(self)

    def check(self) -> None:
        if self.broken:
            raise UnavailableError("the fake store is broken")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[State]:
        """A serial transaction on a copy, which becomes the truth when the block ends."""
        self.check()
        async with self._turn:
            draft = self.state.copy()
            # Let others run, as any real store would.
            await asyncio.sleep(0)
            yield draft
            self.check()
            draft.changes += 1
            self.state = draft

    async def read(self) -> State:
        self.check()
        await asyncio.sleep(0)
        return self.state


class FakeRecords:
    """`interfaces.Records`."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        # What tests prepare for themselves needs no record; what the program does, does.
        caller = sys._getframe(1).f_code
        return self._transaction("" if "/doorward/" not in caller.co_filename else caller.co_name)

    @asynccontextmanager
    async def _transaction(self, caller: str) -> AsyncIterator[Transaction]:
        async with self._store.write() as state:
            before, count = state.copy(), len(state.audit)
            yield FakeTransaction(self._store, state)
            if caller and len(state.audit) == count:
                check_unrecorded(before, state, caller)


class FakeTransaction(
    FakeAuditRecords,
    FakeUpstreamRecords,
    FakeFactorRecords,
    FakeAccountRecords,
    FakeChoreRecords,
    FakeBreakGlassRecords,
    FakeAlertRecords,
    FakeKeyRecords,
    FakeDecisionRecords,
    FakeRetentionRecords,
    FakePreferenceRecords,
    FakeAppKeyRecords,
):
    """`interfaces.Transaction`."""

    def __init__(self, store: FakeStore, state: State) -> None:
        super().__init__(state, store.check)
        self._store = store
        self._random = store.random

    async def find_user(self, user_id: UserId) -> User | None:
        self._store.check()
        return self._state.find_user(user_id)

    async def find_user_by_login(self, login: str) -> User | None:
        found = [user for user in await self.list_users() if login and login in {user.name, user.email}]
        return found[0] if found else None

    async def list_users(self) -> list[User]:
        self._store.check()
        return [self._state.granted(user) for user in sorted(self._state.users.values(), key=lambda user: user.name)]

    async def list_administrators(self) -> list[User]:
        return [user for user in await self.list_users() if user.administers]

    async def add_user(self, user: User) -> None:
        self._store.check()
        if user.id in self._state.users:
            raise ConflictError("that id is taken")
        self._check_names(user)
        self._state.users[user.id] = own(user)
        self._state.factor_marks[user.id] = frozenset()

    async def advance_user(self, old: User, new: User) -> None:
        self._store.check()
        if new.id != old.id:
            raise ValueError("an account's id never changes")
        if self._state.find_user(old.id) != old:
            raise ConflictError("the account was changed by somebody else")
        self._check_names(new)
        self._state.users[new.id] = own(new)
        self._state.revision += 1

    async def remove_user(self, user_id: UserId) -> bool:
        await self.end_sessions_of(user_id)
        self._state.drop_belongings(user_id)
        for identity in await self.list_identities(user_id):
            self._state.drop_identity(identity.id)
        return self._state.users.pop(user_id, None) is not None

    async def find_password(self, user_id: UserId) -> StoredPassword | None:
        self._store.check()
        return self._state.passwords.get(user_id)

    async def put_password(self, user_id: UserId, password: StoredPassword) -> None:
        self._store.check()
        if user_id not in self._state.users:
            raise ConflictError("the account is gone")
        self._state.passwords[user_id] = password
        self._state.revision += 1

    async def advance_password(self, user_id: UserId, old: StoredPassword, new: StoredPassword) -> bool:
        self._store.check()
        if self._state.passwords.get(user_id) != old:
            return False
        self._state.passwords[user_id] = new
        return True

    async def claim_first_admin(self, user_id: UserId, at: datetime) -> None:
        self._store.check()
        if self._state.first_admin is not None:
            raise ConflictError("this gateway is set up already")
        self._state.first_admin = user_id

    async def is_set_up(self) -> bool:
        self._store.check()
        return self._state.first_admin is not None

    async def end_session(self, handle: SessionHandle) -> bool:
        self._store.check()
        return end_one(self._state, handle)

    async def end_sessions_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> None:
        self._store.check()
        end_all(self._state, user_id, keep)
        self._state.revision += 1

    def _check_names(self, user: User) -> None:
        others = [other for other in self._state.users.values() if other.id != user.id]
        if any(other.name == user.name or (user.email and other.email == user.email) for other in others):
            raise ConflictError("that user name or e-mail address is taken", Clash.TAKEN)


class FakeSessions:
    """`interfaces.Sessions`."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def find(self, fingerprint: Fingerprint) -> Session | None:
        return (await self._store.read()).sessions.get(fingerprint)

    async def find_by_handle(self, handle: SessionHandle) -> Session | None:
        found = [each for each in (await self._store.read()).sessions.values() if each.handle == handle]
        return found[0] if found else None

    async def put(self, session: Session) -> None:
        async with self._store.write() as state:
            handles = {each.handle for each in state.sessions.values()}
            if session.fingerprint in state.sessions or session.handle in handles:
                raise ConflictError("the session exists already")
            if session.user_id not in state.users:
                raise ConflictError("the account is gone")
            state.sessions[session.fingerprint] = session

    async def touch(self, fingerprint: Fingerprint, *, seen_at: datetime, user_agent: str, address: str) -> bool:
        async with self._store.write() as state:
            return touch(state, Use(fingerprint, seen_at, user_agent, address))

    async def touch_all(self, uses: Sequence[Use]) -> None:
        async with self._store.write() as state:
            for use in uses:
                touch(state, use)

    async def end(self, handle: SessionHandle) -> bool:
        async with self._store.write() as state:
            return end_one(state, handle)

    async def end_all_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> int:
        async with self._store.write() as state:
            return end_all(state, user_id, keep)

    async def list_of(self, user_id: UserId) -> list[Session]:
        return [each for each in await self.list_all(limit=1_000_000) if each.user_id == user_id]

    async def list_all(self, *, limit: int = 200, offset: int = 0) -> list[Session]:
        newest_first = sorted(
            (await self._store.read()).sessions.values(), key=lambda each: (-each.last_seen_at.timestamp(), each.handle)
        )
        return newest_first[offset : offset + limit]

    async def count(self) -> int:
        return len((await self._store.read()).sessions)

    async def purge(self, now: datetime) -> int:
        async with self._store.write() as state:
            return end(state, [each for each in state.sessions.values() if is_over(each, now)])


class FakeTickets:
    """`interfaces.Tickets`."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def put(self, ticket: Ticket) -> None:
        async with self._store.write() as state:
            if ticket.id in state.tickets:
                raise ConflictError("the ticket exists already")
            state.tickets[ticket.id] = ticket

    async def find(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        return _valid((await self._store.read()).tickets.get(ticket_id), purpose, now)

    async def advance(self, old: Ticket, new: Ticket) -> bool:
        if new.id != old.id:
            raise ValueError("a ticket's id never changes")
        async with self._store.write() as state:
            if state.tickets.get(old.id) != old:
                return False
            state.tickets[new.id] = new
            return True

    async def take(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        async with self._store.write() as state:
            ticket = _valid(state.tickets.get(ticket_id), purpose, now)
            if ticket is not None:
                del state.tickets[ticket_id]
            return ticket

    async def count(self) -> int:
        return len((await self._store.read()).tickets)

    async def purge(self, now: datetime) -> int:
        async with self._store.write() as state:
            over = [ticket.id for ticket in state.tickets.values() if ticket.expires_at <= now]
            for ticket_id in over:
                del state.tickets[ticket_id]
            return len(over)


class FakeCounters:
    """`interfaces.Counters`: pairs of an instant and when it is forgotten."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def spend(self, key: str, windows: Sequence[Window], now: datetime) -> Spent:
        async with self._store.write() as state:
            noted = state.counters.setdefault(key, [])
            spent = spend([at for at, _ in noted], windows, now)
            if spent.allowed and windows:
                noted.append((now, now + max(window.span for window in windows)))
            return spent

    async def give_back(self, key: str, at: datetime) -> None:
        async with self._store.write() as state:
            noted = state.counters.get(key, [])
            for pair in [pair for pair in noted if pair[0] == at][:1]:
                noted.remove(pair)

    async def record(self, key: str, now: datetime, *, keep: timedelta) -> None:
        async with self._store.write() as state:
            state.counters.setdefault(key, []).append((now, now + keep))

    async def recall(self, key: str, *, since: datetime) -> list[datetime]:
        noted = (await self._store.read()).counters.get(key, [])
        return sorted(at for at, _ in noted if at > since)

    async def forget(self, key: str) -> None:
        async with self._store.write() as state:
            state.counters.pop(key, None)

    async def purge(self, now: datetime) -> int:
        async with self._store.write() as state:
            before = sum(map(len, state.counters.values()))
            state.counters = {
                key: kept
                for key, noted in state.counters.items()
                if (kept := [pair for pair in noted if pair[1] > now])
            }
            return before - sum(map(len, state.counters.values()))


class FakeLiveView:
    """`interfaces.LiveView`."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def stamp(self) -> Hashable:
        return self._store.state.changes

    def revision(self) -> int:
        self._store.check()
        return self._store.state.revision

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        self._store.check()
        session = self._store.state.sessions.get(fingerprint)
        user = None if session is None else self._store.state.find_user(session.user_id)
        return None if session is None or user is None else Subject(user, session)

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        self._store.check()
        key = self._store.state.app_keys.get(key_id)
        user = None if key is None else self._store.state.find_user(key.user_id)
        return None if key is None or user is None else (key, user)

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        self._store.check()
        state = self._store.state
        own = user_id in state.totps or any(each.user_id == user_id for each in state.passkeys.values())
        connected = sorted({each.provider for each in state.identities.values() if each.user_id == user_id})
        added = {each.id: each.settings for each in state.providers.values() if each.enabled}
        return SecondProofs(own, tuple((each, added.get(each)) for each in connected))

    def list_app_secrets(self) -> dict[str, str]:
        self._store.check()
        return {name: secret.sealed for name, secret in self._store.state.app_secrets.items()}

    def find_setting(self, name: str) -> str | None:
        self._store.check()
        return self._store.state.settings.get(name)

    def find_user_by_name(self, name: str) -> User | None:
        self._store.check()
        return next((user for user in self._store.state.users.values() if user.name == name), None)


def _valid(ticket: Ticket | None, purpose: Purpose, now: datetime) -> Ticket | None:
    return ticket if ticket is not None and ticket.purpose is purpose and ticket.expires_at > now else None
