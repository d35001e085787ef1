"""What the fake store keeps about upstream providers."""

from collections.abc import Callable
from datetime import datetime

from doorward.errors import ConflictError
from doorward.rules.identity import UserId
from doorward.rules.provider import ProviderId
from doorward.rules.session import SessionHandle
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession
from tests.fakes.state import State


class FakeUpstreamRecords:
    """`interfaces.UpstreamRecords`. `check` raises where the store is broken."""

    def __init__(self, state: State, check: Callable[[], None]) -> None:
        self._state = state
        self._check = check

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        self._check()
        return self._with_key(issuer, subject)

    async def list_identities(self, user_id: UserId | None = None) -> list[Identity]:
        self._check()
        found = [each for each in self._state.identities.values() if user_id is None or each.user_id == user_id]
        return sorted(found, key=lambda each: (each.linked_at, each.id))

    async def add_identity(self, identity: Identity) -> None:
        self._check()
        if identity.id in self._state.identities or self._with_key(identity.issuer, identity.subject) is not None:
            raise ConflictError("that identity is linked already")
        if identity.user_id not in self._state.users:
            raise ConflictError("the account is gone")
        self._state.identities[identity.id] = identity
        self._state.revision += 1 if identity.groups or identity.is_admin else 0

    async def advance_identity(self, old: Identity, new: Identity) -> None:
        self._check()
        if (new.id, new.issuer, new.subject, new.user_id) != (old.id, old.issuer, old.subject, old.user_id):
            raise ValueError("an identity's id, key and owner never change")
        if self._state.identities.get(old.id) != old:
            raise ConflictError("the identity was changed by somebody else")
        self._state.identities[new.id] = new
        self._state.revision += 1 if (new.groups, new.is_admin) != (old.groups, old.is_admin) else 0

    async def remove_identity(self, identity_id: IdentityId) -> bool:
        self._check()
        removed = self._state.drop_identity(identity_id)
        self._state.revision += 1 if removed else 0
        return removed

    async def put_upstream_session(self, session: UpstreamSession) -> None:
        self._check()
        if session.handle in self._state.upstream_sessions:
            raise ConflictError("the session has an upstream session already")
        self._put(session)

    async def find_upstream_session(self, handle: SessionHandle) -> UpstreamSession | None:
        self._check()
        return self._state.upstream_sessions.get(handle)

    async def list_upstream_sessions(
        self,
        *,
        provider: ProviderId | None = None,
        identity: IdentityId | None = None,
        subject: str | None = None,
        sid: str | None = None,
    ) -> list[UpstreamSession]:
        self._check()
        return [
            each
            for _, each in sorted(self._state.upstream_sessions.items())
            if (provider is None or each.provider == provider)
            and (identity is None or each.identity == identity)
            and (subject is None or each.subject == subject)
            and (sid is None or each.sid == sid)
        ]

    async def list_due_upstream_sessions(self, now: datetime, *, limit: int) -> list[UpstreamSession]:
        self._check()
        due = [
            (each.check_at, each.handle, each)
            for each in self._state.upstream_sessions.values()
            if each.check_at is not None and each.check_at <= now < each.expires_at
        ]
        return [each for *_, each in sorted(due, key=lambda entry: entry[:2])][:limit]

    async def advance_upstream_session(self, old: UpstreamSession, new: UpstreamSession) -> bool:
        self._check()
        if new.handle != old.handle:
            raise ValueError("an upstream session's handle never changes")
        if self._state.upstream_sessions.get(old.handle) != old:
            return False
        self._put(new)
        return True

    async def purge_upstream(self, now: datetime) -> int:
        self._check()
        sessions = [each.handle for each in self._state.upstream_sessions.values() if each.expires_at <= now]
        marks = [name for name, (_, keep_until) in self._state.marks.items() if keep_until <= now]
        for handle in sessions:
            del self._state.upstream_sessions[handle]
        for name in marks:
            del self._state.marks[name]
        return len(sessions) + len(marks)

    async def put_mark(self, name: str, at: datetime, *, keep_until: datetime) -> bool:
        self._check()
        known = self._state.marks.get(name)
        self._state.marks[name] = (at, keep_until) if known is None else (max(known[0], at), max(known[1], keep_until))
        return known is None

    async def find_mark(self, name: str) -> datetime | None:
        self._check()
        known = self._state.marks.get(name)
        return None if known is None else known[0]

    async def list_providers(self) -> list[StoredProvider]:
        self._check()
        return [each for _, each in sorted(self._state.providers.items())]

    async def put_provider(self, provider: StoredProvider) -> None:
        self._check()
        self._state.providers[provider.id] = provider

    async def remove_provider(self, provider_id: ProviderId) -> bool:
        self._check()
        return self._state.providers.pop(provider_id, None) is not None

    async def find_setting(self, name: str) -> str | None:
        self._check()
        return self._state.settings.get(name)

    async def put_setting(self, name: str, value: str | None) -> None:
        self._check()
        if value is None:
            self._state.settings.pop(name, None)
        else:
            self._state.settings[name] = value

    def _with_key(self, issuer: str, subject: str) -> Identity | None:
        found = [each for each in self._state.identities.values() if (each.issuer, each.subject) == (issuer, subject)]
        return found[0] if found else None

    def _put(self, session: UpstreamSession) -> None:
        if session.identity not in self._state.identities:
            raise ConflictError("the identity is gone")
        self._state.upstream_sessions[session.handle] = session
