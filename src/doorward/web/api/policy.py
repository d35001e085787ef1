"""Policy for accounts, for administrators: second factors, registration, and passwords (B-12, B-13, D-12)."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import Field

from doorward.errors import ForbiddenError
from doorward.flows.acting import Actor
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.house_answers import MfaWord, Policy, RegistrationWord, tell_policy
from doorward.web.api.parts import Administrator, ApiParts, get_subject
from doorward.web.api.problems import UNPROCESSABLE, Code, ProblemError, refusals
from doorward.web.api.users import LOOKS

_POLICY: Final = "/api/v1/policy"
_CHANGES: Final = refusals(401, 403, UNPROCESSABLE, 429)
_OWN_FACTOR: Final = "Only who has a second factor, and signed in with it, can change this."


class MfaChange(Ask):
    """Null leaves it to the configuration file."""

    required: MfaWord | None


class RegistrationChange(Ask):
    """Null leaves it to the configuration file."""

    mode: RegistrationWord | None


class PasswordChange(Ask):
    """Null leaves it to the configuration file."""

    wanted: bool | None = Field(description="They stay open until an administrator came in through a provider.")


def policy_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/policy` and what is under it."""
    router = APIRouter(tags=["policy"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    flows = parts.flows

    async def tell(actor: Actor) -> Policy:
        return tell_policy(await flows.policies.find(actor), await flows.ways.describe_password())

    @router.get(_POLICY, responses=LOOKS)
    async def get_policy(admin: Annotated[Administrator, Depends(looks)]) -> Policy:
        """How it stands, and whose word it is."""
        return await tell(admin.actor)

    @router.put(f"{_POLICY}/mfa", responses=_CHANGES)
    async def set_mfa_policy(ask: MfaChange, admin: Annotated[Administrator, Depends(acts)]) -> Policy:
        """Say who needs a second factor. Whoever it asks for more than before signs in again."""
        proven = get_subject(admin.visit).session.methods
        try:
            await flows.policies.set_mfa(admin.actor, ask.required, proven=proven, now=admin.visit.now)
        except ForbiddenError:
            raise ProblemError(403, Code.OWN_FACTOR_NEEDED, _OWN_FACTOR) from None
        return await tell(admin.actor)

    @router.put(f"{_POLICY}/registration", responses=_CHANGES)
    async def set_registration_policy(
        ask: RegistrationChange, admin: Annotated[Administrator, Depends(acts)]
    ) -> Policy:
        """Say who may make an account."""
        await flows.policies.set_registration(admin.actor, ask.mode, now=admin.visit.now)
        return await tell(admin.actor)

    @router.put(f"{_POLICY}/passwords", responses=_CHANGES)
    async def set_password_policy(ask: PasswordChange, admin: Annotated[Administrator, Depends(acts)]) -> Policy:
        """Switch the sign-in with passwords on or off."""
        await flows.ways.set_password(admin.actor, ask.wanted, now=admin.visit.now)
        return await tell(admin.actor)

    return router
