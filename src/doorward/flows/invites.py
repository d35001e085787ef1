"""Invitations: links with which a guest makes an account, and no more of one than the inviter said (B-13)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import Clash, ConflictError, NotFoundError
from doorward.flows.accepting import accept_email, accept_groups
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.letters import Outbox, name_of, tell_time
from doorward.flows.opening import encode
from doorward.flows.outcome import Unacceptable
from doorward.flows.tickets import TICKET_SIZE, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Random, Records, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteId, InviteState
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.names import clean_text

MAX_INVITES: Final = 1000
"""Invitations that are kept; more are for a directory to make."""
MAX_USES: Final = 10_000
MAX_LIFETIME: Final = timedelta(days=365)
MAX_NOTE: Final = 200
_ID_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class Made:
    """An invitation, and the link that nobody is shown again. `mailed`: it is on its way to the guest."""

    invite: Invite
    url: str
    mailed: bool


class Invites:
    """What administrators do with invitations. Errors as in `flows.people`."""

    def __init__(self, *, records: Records, random: Random, outbox: Outbox, public_url: str) -> None:
        self._records = records
        self._random = random
        self._outbox = outbox
        self._public_url = public_url

    async def list_states(self, actor: Actor, *, now: datetime) -> list[tuple[Invite, InviteState]]:
        """All of them with what each is worth, the newest first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            return [(each, await find_state(transaction, each, now)) for each in await transaction.list_invites()]

    async def make(
        self,
        actor: Actor,
        *,
        max_uses: int | None,
        lifetime: timedelta | None,
        groups: Iterable[str] = (),
        email: str = "",
        note: str = "",
        language: str = "en",
        now: datetime,
    ) -> Made | Unacceptable:
        """Make one. With `email` it is sent there, where mail is set up, and the account gets that address.

        ConflictError where too many count already, and in a lockdown. Of those that do not count, the eldest make room
        where there is none.
        """
        accepted_groups, accepted_email = accept_groups(groups), accept_email(email)
        problems = [
            *(accepted_groups.problems if isinstance(accepted_groups, Unacceptable) else ()),
            *(accepted_email.problems if isinstance(accepted_email, Unacceptable) else ()),
        ]
        if max_uses is not None and not 1 <= max_uses <= MAX_USES:
            problems.append(("max_uses", f"An invitation counts from once to {MAX_USES} times."))
        if lifetime is not None and not timedelta(0) < lifetime <= MAX_LIFETIME:
            problems.append(("lifetime", f"An invitation is good for up to {MAX_LIFETIME.days} days."))
        if problems or isinstance(accepted_groups, Unacceptable) or isinstance(accepted_email, Unacceptable):
            return Unacceptable(tuple(problems))
        token = encode(self._random.token(TICKET_SIZE))
        invite = Invite(
            id=InviteId(self._random.token(_ID_SIZE).hex()),
            digest=ticket_id(token),
            made_by=actor.user_id or UserId(""),
            made_at=now,
            expires_at=None if lifetime is None else now + lifetime,
            max_uses=max_uses,
            uses=0,
            groups=accepted_groups,
            email=accepted_email,
            note=clean_text(note, MAX_NOTE),
        )
        url = f"{self._public_url}/register?invite={token}"
        mailed = bool(accepted_email) and self._outbox.is_open
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if await transaction.find_setting(LOCKDOWN_SETTING) is not None:
                raise ConflictError("there is a lockdown: nobody is invited until it is lifted", Clash.LOCKDOWN)
            await _make_room(transaction, now)
            await transaction.add_invite(invite)
            if mailed:
                await self._outbox.queue(
                    transaction,
                    LetterKind.INVITE,
                    to=accepted_email,
                    language=language,
                    values={
                        "url": url,
                        "inviter": await name_of(transaction, actor),
                        "note": invite.note,
                        "until": tell_time(invite.expires_at) if invite.expires_at is not None else "",
                    },
                    user_id="",
                    now=now,
                )
            public = {
                "invite": invite.id,
                "uses": "unlimited" if max_uses is None else str(max_uses),
                "groups": ",".join(sorted(accepted_groups)),
                "mailed": "yes" if mailed else "no",
            }
            await append(transaction, actor, Act.INVITE_MADE, invite.id, now, public, {"email": accepted_email})
        return Made(invite, url, mailed)

    async def revoke(self, actor: Actor, invite_id: InviteId, *, now: datetime) -> Invite:
        """Take one back, which counts at once. NotFoundError where there is none such; twice is as good as once."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            invite = next((each for each in await transaction.list_invites() if each.id == invite_id), None)
            if invite is None:
                raise NotFoundError("there is no such invitation")
            if invite.revoked_at is not None:
                return invite
            revoked = replace(invite, revoked_at=now)
            await transaction.advance_invite(invite, revoked)
            await append(transaction, actor, Act.INVITE_REVOKED, invite.id, now, {"invite": invite.id})
        return revoked

    async def remove(self, actor: Actor, invite_id: InviteId, *, now: datetime) -> None:
        """Forget one, which takes it back as well. NotFoundError where there is none such."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if not await transaction.remove_invite(invite_id):
                raise NotFoundError("there is no such invitation")
            public = {"invite": invite_id, "removed": "yes"}
            await append(transaction, actor, Act.INVITE_REVOKED, invite_id, now, public)


async def _make_room(transaction: Transaction, now: datetime) -> None:
    """Forget what opens nothing any more, as far as is needed; the audit trail keeps what became of it."""
    invites = await transaction.list_invites()
    too_many = len(invites) - MAX_INVITES + 1
    dead = [each for each in reversed(invites) if each.state(now) is not InviteState.ACTIVE]
    if too_many > len(dead):
        raise ConflictError("there are too many invitations: take some back first", Clash.TOO_MANY)
    for each in dead[: max(too_many, 0)]:
        await transaction.remove_invite(each.id)


async def find_state(transaction: Transaction, invite: Invite, now: datetime) -> InviteState:
    """What an invitation is worth now.

    SECURITY: nothing, once its maker is no administrator any more; tests/unit/test_invites.py takes the right away.
    """
    if invite.made_by:
        maker = await transaction.find_user(invite.made_by)
        if maker is None or not maker.enabled or not maker.administers:
            return InviteState.REVOKED
    return invite.state(now)


async def use_invite(transaction: Transaction, invite: Invite, user: User, visitor: Visitor, now: datetime) -> None:
    """Use an invitation once, in the transaction that makes the account and has seen that it counts (R02, E27)."""
    await transaction.advance_invite(invite, replace(invite, uses=invite.uses + 1))
    used = {"invite": invite.id, "uses": str(invite.uses + 1)}
    await transaction.append_audit(AuditEvent(Act.INVITE_USED, user.id, user.id, now, used, visitor.private()))
