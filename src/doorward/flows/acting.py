"""Who acts upon accounts, and whether they may: looked at in the transaction of the act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError, NotFoundError
from doorward.flows.visitor import Visitor
from doorward.interfaces import Transaction
from doorward.rules.app_key import ApiScope
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.names import parse_login
from doorward.rules.session import Subject


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an account, or the word "cli". `private` goes into the erasable part of the audit record."""

    id: str
    user_id: UserId | None = None
    private: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ById:
    """An account named by its id: nobody else ever gets it, whoever is renamed meanwhile."""

    id: str


Named = str | ById
"""Whom an act is about: an id, or a user name or e-mail address as somebody typed it."""


CLI = Actor("cli")
"""The operator at the machine, whom the operating system has let in."""


def actor_of(subject: Subject, visitor: Visitor) -> Actor:
    """The actor behind a signed-in administrator; ForbiddenError when it is none.

    A key is one only with the scope for it, and as long as its owner is (L02, L03).
    """
    if not subject.user.administers or (subject.key is not None and ApiScope.ADMIN not in subject.key.scopes):
        raise ForbiddenError("this is for administrators")
    return Actor(subject.user.id, subject.user.id, visitor.private())


async def check_actor(transaction: Transaction, actor: Actor) -> None:
    """ForbiddenError where the actor is no administrator (any more), looked at in the transaction of the act."""
    if actor.user_id is None:
        return
    user = await transaction.find_user(actor.user_id)
    if user is None or not user.enabled or not user.administers:
        raise ForbiddenError("this is for administrators")


async def get_present(transaction: Transaction, subject: Subject) -> User:
    """The account of a session as it is now; ForbiddenError as for `get_intact`."""
    return await get_intact(transaction, subject.user.id, subject.session.generation)


async def get_intact(transaction: Transaction, user_id: UserId, generation: int) -> User:
    """The account as it is now; ForbiddenError where it lost a right since the door was opened to it.

    The door looks before the act, and whatever takes rights away may come between (J04).
    """
    user = await transaction.find_user(user_id)
    if user is None or not user.enabled or user.generation != generation:
        raise ForbiddenError("this session has ended")
    return user


async def get_user(transaction: Transaction, login: Named) -> User:
    """The account that is meant. NotFoundError where there is none."""
    if isinstance(login, ById):
        found = await transaction.find_user(UserId(login.id))
        if found is None:
            raise NotFoundError("there is no account with this id")
        return found
    name = parse_login(login)
    if name is None:
        raise InputError("that is neither a user name nor an e-mail address")
    user = await transaction.find_user_by_login(name)
    if user is None:
        raise NotFoundError(f"there is no account {name}")
    return user


async def check_admin_remains(transaction: Transaction, leaving: User) -> None:
    """ConflictError where nobody but this account administers the gateway."""
    if not (leaving.administers and leaving.enabled) or leaving.is_service:
        return
    # A program cannot come in and mend anything.
    others = [user for user in await transaction.list_administrators() if user.enabled and not user.is_service]
    if len(others) <= 1:
        raise ConflictError("this is the last enabled administrator", Clash.LAST_ADMINISTRATOR)


async def append(
    transaction: Transaction,
    actor: Actor,
    act: Act,
    subject: str,
    now: datetime,
    public: Mapping[str, str] | None = None,
    private: Mapping[str, str] | None = None,
) -> None:
    """Write down what an actor did."""
    await transaction.append_audit(
        AuditEvent(act, actor.id, subject, now, public or {}, {**actor.private, **(private or {})})
    )


async def append_own(
    transaction: Transaction,
    act: Act,
    user: User,
    visitor: Visitor,
    now: datetime,
    public: Mapping[str, str] | None = None,
    private: Mapping[str, str] | None = None,
) -> None:
    """Write down what somebody did with their own account."""
    await append(transaction, Actor(user.id, user.id, visitor.private()), act, user.id, now, public, private)
