"""Everybody's accounts, for administrators. The flows are those of the console, and so is what is asked for first."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from doorward.errors import NotFoundError
from doorward.flows.acting import Actor, ById
from doorward.flows.changing import Change
from doorward.flows.outcome import Unacceptable
from doorward.flows.throttle import Bucket
from doorward.rules.history import KEPT
from doorward.rules.identity import User
from doorward.rules.upstream import IdentityId
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.people_answers import (
    Account,
    AccountInFull,
    Accounts,
    AccountSessions,
    AccountSignIns,
    Ended,
    RecoveryLink,
    tell_session,
    tell_sign_in,
    tell_user,
    tell_user_in_full,
)
from doorward.web.api.problems import UNPROCESSABLE, refusals, unacceptable

_USERS: Final = "/api/v1/users"
_USER: Final = f"{_USERS}/{{user}}"
LOOKS: Final = refusals(401, 403)
LOOKS_AT_ONE: Final = refusals(401, 403, 404)
ACTS: Final = refusals(401, 403, 404, 409, 429)
MOST: Final = 500
LONGEST: Final = 1024
MOST_GROUPS: Final = 200


class NewAccount(Ask):
    """`password` is good for one sign-in, which asks for another. An empty `display_name` becomes the name."""

    name: str = Field(max_length=LONGEST)
    display_name: str = Field(default="", max_length=LONGEST)
    email: str = Field(default="", max_length=LONGEST)
    password: str = Field(max_length=4 * LONGEST)
    groups: list[Annotated[str, Field(max_length=LONGEST)]] = Field(default=[], max_length=MOST_GROUPS)
    is_admin: bool = False
    console_only: bool = False


class AccountChange(Ask):
    """What is left out, or null, stays as it is. All of it is done or nothing.

    `version`: what the account said when you looked at it. Where somebody else changed it since, nothing is done.
    """

    name: str | None = Field(default=None, max_length=LONGEST)
    display_name: str | None = Field(default=None, max_length=LONGEST)
    email: str | None = Field(default=None, max_length=LONGEST)
    groups: list[Annotated[str, Field(max_length=LONGEST)]] | None = Field(default=None, max_length=MOST_GROUPS)
    is_admin: bool | None = None
    console_only: bool | None = None
    enabled: bool | None = None
    version: str | None = Field(default=None, max_length=64)


def user_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/users` and what is under it."""
    router = APIRouter(tags=["users"], route_class=StrictRoute)
    _add_looks(router, parts)
    _add_changes(router, parts)
    _add_acts(router, parts)
    return router


def _add_looks(router: APIRouter, parts: ApiParts) -> None:
    looks = parts.reads_administrator()
    flows = parts.flows

    @router.get(_USERS, responses=LOOKS)
    async def list_users(
        admin: Annotated[Administrator, Depends(looks)],
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Accounts:
        """Everybody's accounts."""
        users = await flows.administration.list_users(admin.actor)
        users.sort(key=lambda user: not user.awaits_approval)
        protected = await flows.administration.list_protected(admin.actor)
        shown = users[offset : offset + limit]
        return Accounts(
            users=tuple(tell_user(user, protected=user.id in protected) for user in shown), total=len(users)
        )

    @router.get(_USER, responses=LOOKS_AT_ONE)
    async def get_user(user: str, admin: Annotated[Administrator, Depends(looks)]) -> AccountInFull:
        """One account, and the accounts at providers that it is connected to."""
        users = await flows.administration.list_users(admin.actor)
        found = next((each for each in users if each.id == user), None)
        if found is None:
            raise NotFoundError("there is no such account")
        identities = await flows.identities.list_all(admin.actor)
        protected = await flows.administration.list_protected(admin.actor)
        return tell_user_in_full(found, identities.get(found.id, []), protected=found.id in protected)

    @router.get(f"{_USER}/sign-ins", responses=LOOKS_AT_ONE)
    async def list_user_sign_ins(
        user: str,
        admin: Annotated[Administrator, Depends(looks)],
        limit: Annotated[int, Query(ge=1, le=KEPT)] = KEPT,
    ) -> AccountSignIns:
        """The account's last sign-ins and tries, good and bad."""
        history = await flows.own_record.list_history(admin.actor, ById(user), limit=limit)
        return AccountSignIns(sign_ins=tuple(map(tell_sign_in, history)))

    @router.get(f"{_USER}/sessions", responses=LOOKS_AT_ONE)
    async def list_user_sessions(user: str, admin: Annotated[Administrator, Depends(looks)]) -> AccountSessions:
        """Where the account is signed in."""
        found = await flows.administration.list_sessions(admin.actor, login=ById(user), now=admin.visit.now, limit=MOST)
        here = admin.handle
        return AccountSessions(
            sessions=tuple(tell_session(each, owner, current=each.handle == here) for each, owner in found)
        )


def _add_changes(router: APIRouter, parts: ApiParts) -> None:
    acts, deletes = parts.reads_administration(), parts.reads_administration(also=Bucket.DESTRUCTIVE)
    flows = parts.flows

    async def tell(actor: Actor, user: User) -> Account:
        return tell_user(user, protected=user.id in await flows.administration.list_protected(actor))

    @router.post(_USERS, status_code=201, responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def add_user(ask: NewAccount, admin: Annotated[Administrator, Depends(acts)]) -> Account:
        """Add an account. Its first sign-in asks for a new password."""
        outcome = await flows.administration.add_user(
            admin.actor,
            name=ask.name,
            display_name=ask.display_name,
            email=ask.email,
            password=ask.password,
            groups=ask.groups,
            is_admin=ask.is_admin,
            console_only=ask.console_only,
            must_change=True,
            now=admin.visit.now,
        )
        if isinstance(outcome, Unacceptable):
            raise unacceptable(outcome)
        return await tell(admin.actor, outcome)

    @router.patch(_USER, responses=refusals(401, 403, 404, 409, UNPROCESSABLE, 429))
    async def change_user(
        user: str,
        ask: AccountChange,
        admin: Annotated[Administrator, Depends(acts)],
    ) -> Account:
        """Change an account. Where it loses a right, or gets another name or address, all its sessions end."""
        change = Change(
            name=ask.name,
            display_name=ask.display_name,
            email=ask.email,
            groups=None if ask.groups is None else tuple(ask.groups),
            is_admin=ask.is_admin,
            console_only=ask.console_only,
            enabled=ask.enabled,
        )
        outcome = await flows.administration.change_user(
            admin.actor, ById(user), change, seen=ask.version or "", now=admin.visit.now
        )
        if isinstance(outcome, Unacceptable):
            raise unacceptable(outcome)
        return await tell(admin.actor, outcome)

    @router.delete(_USER, status_code=204, responses=ACTS)
    async def delete_user(user: str, admin: Annotated[Administrator, Depends(deletes)]) -> None:
        """Delete an account with its sessions. Its id is never used again."""
        await flows.administration.delete_user(admin.actor, ById(user), now=admin.visit.now)

    @router.delete(f"{_USER}/connections/{{connection}}", status_code=204, responses=ACTS)
    async def disconnect_user(user: str, connection: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Disconnect the account from one at a provider; the sign-ins made with it end. Never the last way in."""
        await flows.identities.unlink_for(admin.actor, ById(user), IdentityId(connection), now=admin.visit.now)


def _add_acts(router: APIRouter, parts: ApiParts) -> None:
    acts = parts.reads_administration()
    flows = parts.flows
    people = flows.administration

    @router.post(f"{_USER}/force-password-change", status_code=204, responses=ACTS)
    async def force_password_change(user: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Have the next sign-in ask for a new password. Every sign-in ends."""
        await people.force_password_change(admin.actor, ById(user), now=admin.visit.now)

    @router.post(f"{_USER}/reset-factors", status_code=204, responses=ACTS)
    async def reset_factors(user: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Take all second factors and recovery codes away. Every sign-in ends, and the owner is told by mail."""
        await people.reset_factors(admin.actor, ById(user), now=admin.visit.now)

    @router.post(f"{_USER}/end-sessions", responses=ACTS)
    async def end_user_sessions(user: str, admin: Annotated[Administrator, Depends(acts)]) -> Ended:
        """End every sign-in of the account."""
        return Ended(ended=await people.end_sessions_of(admin.actor, ById(user), now=admin.visit.now))

    @router.post(f"{_USER}/approve", status_code=204, responses=ACTS)
    async def approve_user(user: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Let in an account that was registered."""
        await people.approve(admin.actor, ById(user), now=admin.visit.now)

    @router.post(f"{_USER}/refuse", status_code=204, responses=ACTS)
    async def refuse_user(user: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Delete an account that was registered and not let in."""
        await people.refuse(admin.actor, ById(user), now=admin.visit.now)

    @router.post(f"{_USER}/recovery-link", status_code=201, responses=ACTS)
    async def make_recovery_link(user: str, admin: Annotated[Administrator, Depends(acts)]) -> RecoveryLink:
        """Make a link to set a new password with, to hand over. A second factor is asked for all the same."""
        link = await flows.recovery.hand_out(admin.actor, ById(user), now=admin.visit.now)
        return RecoveryLink(url=link.url, expires_at=link.expires_at)
