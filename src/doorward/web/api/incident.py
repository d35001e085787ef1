"""When something went wrong, for administrators: the lockdown (E-90)."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from doorward.flows.lockdown import View
from doorward.rules.lockdown import MAX_NETWORKS, MAX_REASON
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.problems import refusals
from doorward.web.api.users import ACTS, LOOKS

_INCIDENT: Final = "/api/v1/incident"
_LONGEST_NETWORK: Final = 64


class LockdownWish(Ask):
    """`networks`: where the console stays open, everywhere where there are none.

    `keys_too`: revoke all keys for apps as well; they open nothing while it holds, but would again afterwards.
    """

    networks: list[Annotated[str, Field(max_length=_LONGEST_NETWORK)]] = Field(
        default_factory=list, max_length=MAX_NETWORKS
    )
    reason: str = Field(default="", max_length=MAX_REASON)
    keys_too: bool = False


class InForce(Answer):
    """A lockdown. `by`: an account's id, or `cli`. `readable`: false where what is stored of it is damaged."""

    since: datetime
    by: str
    reason: str
    networks: tuple[str, ...]
    readable: bool


class WayBack(Answer):
    """What an administrator could sign in with after a lockdown."""

    sub: str
    name: str
    password: bool
    passkey: bool
    providers: tuple[str, ...]
    second_factor: bool


class Incident(Answer):
    """How it stands. `address`: where this request is seen to come from. `keys`: keys for apps that are awake."""

    lockdown: InForce | None
    administrators: tuple[WayBack, ...]
    address: str
    keys: int


def incident_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/incident` and what is under it."""
    router = APIRouter(tags=["incident"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    lockdowns = parts.flows.lockdowns

    @router.get(_INCIDENT, responses=LOOKS)
    async def get_incident(admin: Annotated[Administrator, Depends(looks)]) -> Incident:
        """Whether there is a lockdown, and which administrators have a way in."""
        return _tell(await lockdowns.look(admin.actor, admin.visit.visitor, now=admin.visit.now))

    @router.post(f"{_INCIDENT}/lockdown", responses={**ACTS, **refusals(400, 409)}, status_code=204)
    async def lock_down(ask: LockdownWish, admin: Annotated[Administrator, Depends(acts)]) -> Response:
        """End all sessions, the one that asks included, and let nobody register or add a way of signing in."""
        visit = admin.visit
        await lockdowns.begin(
            admin.actor,
            networks=ask.networks,
            reason=ask.reason,
            keys_too=ask.keys_too,
            visitor=visit.visitor,
            now=visit.now,
        )
        return Response(status_code=204)

    @router.post(f"{_INCIDENT}/lift", responses=ACTS, status_code=204)
    async def lift_lockdown(admin: Annotated[Administrator, Depends(acts)]) -> Response:
        """Lift it; where there is none, nothing happens."""
        await lockdowns.lift(admin.actor, now=admin.visit.now)
        return Response(status_code=204)

    return router


def _tell(view: View) -> Incident:
    lockdown = view.lockdown
    return Incident(
        lockdown=None
        if lockdown is None
        else InForce(
            since=lockdown.since,
            by=lockdown.by,
            reason=lockdown.reason,
            networks=tuple(map(str, lockdown.networks)),
            readable=lockdown.readable,
        ),
        administrators=tuple(
            WayBack(
                sub=each.user.id,
                name=each.user.name,
                password=each.password,
                passkey=each.passkey,
                providers=each.providers,
                second_factor=each.factor,
            )
            for each in view.prospects
        ),
        address=view.address,
        keys=view.keys,
    )
