"""What a person may ask for, done by an administrator: a copy of everything, and the end of everything.

Erased is more than deleted: with the account goes what is kept about it for evidence. What remains of a record is that
something happened, by and about an id that leads to nobody any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.acting import Actor, ById, Named, append, check_actor, check_admin_remains, get_user
from doorward.flows.audit_erasure import erase_private
from doorward.flows.copying import make_copy
from doorward.flows.letters import Outbox, signature, tell_last
from doorward.interfaces import Keyring, Records, Sessions, Transaction
from doorward.rules.audit import Act, AuditQuery
from doorward.rules.identity import User, UserId, is_user_id
from doorward.rules.letter import LetterKind

EVERY: Final = timedelta(hours=1)
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased, besides the account itself and all that goes with it."""

    audit: int
    decisions: int
    alerts: int
    counters: int
    invites: int

    def counts(self) -> dict[str, str]:
        """For the record, which tells no more than this."""
        return {each.name: str(getattr(self, each.name)) for each in fields(self)}


class Erasure:
    """Copies and ends. Actors as in `flows.people`."""

    def __init__(self, *, records: Records, sessions: Sessions, keyring: Keyring, outbox: Outbox | None = None) -> None:
        self._records = records
        self._sessions = sessions
        self._keyring = keyring
        self._outbox = outbox
        self._repeated_at: datetime | None = None

    async def export(self, actor: Actor, login: Named, *, now: datetime) -> Mapping[str, object]:
        """Everything that is stored of an account. The copy is written down, as one's own is."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        sessions = await self._sessions.list_of(user.id)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            copy = await make_copy(
                transaction, await get_user(transaction, ById(user.id)), sessions, self._keyring, now
            )
            await append(transaction, actor, Act.USER_EXPORTED, user.id, now)
        return copy

    async def erase(self, actor: Actor, login: Named, *, now: datetime) -> Erased:
        """Delete an account, if it is still there, and erase what is kept of it elsewhere. Its address is told.

        An account that was deleted before is named by its id. NotFoundError where nothing is known of it;
        ConflictError where it is the last enabled administrator.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user_id, user = await _find(transaction, login)
            said = await signature(transaction, actor, now)
            erased = await _erase(transaction, user_id, user, now)
            if user is None and not any(int(count) for count in erased.counts().values()):
                raise NotFoundError("nothing is kept of an account with this id")
            actor = Actor(actor.id, actor.user_id) if actor.user_id == user_id else actor
            await append(transaction, actor, Act.USER_ERASED, user_id, now, erased.counts())
            if user is not None:
                await tell_last(self._outbox, transaction, LetterKind.ACCOUNT_DELETED, user, now, said)
        return erased

    async def repeat_due(self, now: datetime) -> None:
        """Erase anew, once an hour, what came back: out of a backup, or because it was on its way."""
        if self._repeated_at is not None and now - self._repeated_at < EVERY:
            return
        self._repeated_at = now
        before: int | None = None
        while True:
            async with self._records.transaction() as transaction:
                some = await transaction.find_audit(
                    AuditQuery(acts=(Act.USER_ERASED.value,)), limit=BATCH, before=before
                )
                for entry in some:
                    user_id = UserId(entry.subject)
                    if not is_user_id(user_id):
                        continue
                    user = await transaction.find_user(user_id)
                    if user is not None and not await _may_go(transaction, user):
                        continue  # it administers alone: an operator has to make another first
                    erased = await _erase(transaction, user_id, user, now)
                    if user is not None:
                        await append(transaction, Actor("system"), Act.USER_ERASED, user_id, now, erased.counts())
            if len(some) < BATCH:
                return
            before = some[-1].sequence


async def _may_go(transaction: Transaction, user: User) -> bool:
    try:
        await check_admin_remains(transaction, user)
    except ConflictError:
        return False
    return True


async def _find(transaction: Transaction, login: Named) -> tuple[UserId, User | None]:
    """An account that was deleted before is known by its id alone."""
    if isinstance(login, ById):
        # SECURITY: records are by and about "cli" and "anonymous", too, and who erases these erases evidence that is
        # nobody's own; tests/unit/test_erasure.py tries.
        if not is_user_id(login.id):
            raise NotFoundError("that is no account's id")
        return UserId(login.id), await transaction.find_user(UserId(login.id))
    user = await get_user(transaction, login)
    return user.id, user


async def _erase(transaction: Transaction, user_id: UserId, user: User | None, now: datetime) -> Erased:
    invites = 0
    if user is not None:
        await check_admin_remains(transaction, user)
        await transaction.end_sessions_of(user.id)
        await transaction.remove_user(user.id)
        invites = await transaction.forget_invites_to(user.email) if user.email else 0
    audit = 0
    for query in (AuditQuery(actors=(user_id,)), AuditQuery(subjects=(user_id,))):
        # Recorded as the house's own act: as one about the account it would itself be erased, and recorded, for ever.
        while few := await erase_private(
            transaction,
            Actor("system"),
            query,
            subject="system",
            why={"why": "account", "account": user_id},
            now=now,
            limit=BATCH,
        ):
            audit += len(few)
    return Erased(
        audit=audit,
        decisions=await transaction.forget_decisions(user_id),
        alerts=await transaction.forget_alerts_of(user_id),
        counters=await transaction.forget_counters(user_id),
        invites=invites,
    )
