"""What administrators do to accounts and sessions. Every act is audited in its own transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from doorward.flows.outcome import Unacceptable
from doorward.rules.identity import User
from doorward.rules.session import Session, SessionHandle, Subject


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user id or the word "cli". `private` goes into the erasable part of the audit record."""

    id: str
    private: tuple[tuple[str, str], ...] = ()


CLI = Actor("cli")


class Administration:
    """Accounts and everybody's sessions.

    A web actor must be an enabled administrator at the moment of the act: ForbiddenError otherwise, decided inside the
    transaction. Accounts are named by user name or e-mail address: NotFoundError when there is none. No act may leave
    an installation that has enabled administrators without one: ConflictError (R05).
    """

    async def list_users(self, actor: Actor) -> list[User]:
        """Every account, by name."""
        ...

    async def list_sessions(
        self, actor: Actor, *, now: datetime, login: str | None = None, limit: int = 200, offset: int = 0
    ) -> list[tuple[Session, User]]:
        """Live sessions, everybody's or one account's, last seen first."""
        ...

    async def end_session(self, actor: Actor, handle: SessionHandle, *, now: datetime) -> bool:
        """End anybody's session; whether there was one."""
        ...

    async def end_sessions_of(self, actor: Actor, login: str, *, now: datetime) -> int:
        """End all sessions of an account; how many there were."""
        ...

    async def add_user(
        self,
        actor: Actor,
        *,
        name: str,
        display_name: str,
        email: str,
        password: str,
        groups: Iterable[str] = (),
        is_admin: bool = False,
        now: datetime,
    ) -> User | Unacceptable:
        """Add an account. ConflictError when its name or e-mail address is taken."""
        ...

    async def set_password(
        self, actor: Actor, login: str, password: str, *, now: datetime
    ) -> User | Unacceptable:
        """Set an account's password; all its sessions end."""
        ...

    async def set_groups(
        self, actor: Actor, login: str, groups: Iterable[str], *, now: datetime
    ) -> User | Unacceptable:
        """Set an account's groups; all its sessions end when it loses one."""
        ...

    async def set_enabled(self, actor: Actor, login: str, enabled: bool, *, now: datetime) -> User:
        """Disable (all its sessions end) or enable an account."""
        ...

    async def delete_user(self, actor: Actor, login: str, *, now: datetime) -> User:
        """Delete an account with its sessions; its id is never used again (E30)."""
        ...


def actor_of(subject: Subject, *, address: str = "", user_agent: str = "") -> Actor:
    """The actor behind a signed-in administrator; ForbiddenError when it is none."""
    ...
