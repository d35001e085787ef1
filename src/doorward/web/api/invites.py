"""Invitations, for administrators: whom they let in, until when, and what has become of them (B-13)."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import Field

from doorward.flows.invites import MAX_LIFETIME, MAX_USES
from doorward.flows.outcome import Unacceptable
from doorward.rules.invite import InviteId
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.people_answers import Invitation, Invitations, NewInvitation, tell_invite
from doorward.web.api.problems import UNPROCESSABLE, refusals, unacceptable
from doorward.web.api.users import ACTS, LONGEST, LOOKS, MOST_GROUPS

_INVITES: Final = "/api/v1/invites"


class InvitationWish(Ask):
    """Null uses or days: without limit. With `email` it is sent there, and the account gets that address."""

    max_uses: int | None = Field(default=1, ge=1, le=MAX_USES)
    days: int | None = Field(default=7, ge=1, le=MAX_LIFETIME.days)
    groups: list[Annotated[str, Field(max_length=LONGEST)]] = Field(default=[], max_length=MOST_GROUPS)
    email: str = Field(default="", max_length=LONGEST)
    note: str = Field(default="", max_length=LONGEST)


def invite_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/invites` and what is under it."""
    router = APIRouter(tags=["invites"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    flows = parts.flows

    @router.get(_INVITES, responses=LOOKS)
    async def list_invites(admin: Annotated[Administrator, Depends(looks)]) -> Invitations:
        """All invitations, also those that open nothing any more. Revoked, too: whose maker administers no more."""
        found = await flows.invites.list_states(admin.actor, now=admin.visit.now)
        openness = await flows.registration.describe()
        return Invitations(
            invites=tuple(tell_invite(invite, state) for invite, state in found),
            counted=openness.mode.takes_invited,
        )

    @router.post(_INVITES, status_code=201, responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def make_invite(ask: InvitationWish, admin: Annotated[Administrator, Depends(acts)]) -> NewInvitation:
        """Make an invitation. Its link is stored nowhere: this answer is the only place where it stands."""
        outcome = await flows.invites.make(
            admin.actor,
            max_uses=ask.max_uses,
            lifetime=None if ask.days is None else timedelta(days=ask.days),
            groups=ask.groups,
            email=ask.email,
            note=ask.note,
            now=admin.visit.now,
        )
        if isinstance(outcome, Unacceptable):
            raise unacceptable(outcome)
        state = outcome.invite.state(admin.visit.now)
        return NewInvitation(invite=tell_invite(outcome.invite, state), url=outcome.url, mailed=outcome.mailed)

    @router.post(f"{_INVITES}/{{invite}}/revoke", responses=ACTS)
    async def revoke_invite(invite: str, admin: Annotated[Administrator, Depends(acts)]) -> Invitation:
        """Take an invitation back at once. It stays on the list; twice is as good as once."""
        revoked = await flows.invites.revoke(admin.actor, InviteId(invite), now=admin.visit.now)
        return tell_invite(revoked, revoked.state(admin.visit.now))

    @router.delete(f"{_INVITES}/{{invite}}", status_code=204, responses=ACTS)
    async def remove_invite(invite: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Take an invitation back at once, and off the list."""
        await flows.invites.remove(admin.actor, InviteId(invite), now=admin.visit.now)

    return router
