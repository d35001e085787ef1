"""One's own second factors: authenticator app, passkeys, recovery codes. Every change asks for a recent proof.

What is being set up counts for nothing until it is confirmed. An offer belongs to the browser that asked for it:
whoever calls without the cookies we gave finds it gone.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from doorward.errors import InputError
from doorward.flows.outcome import Refused, Unacceptable
from doorward.rules.factor import FactorId, must_show_one
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.own_answers import (
    CodesBegun,
    OwnFactors,
    OwnPasskey,
    OwnPasskeys,
    PasskeyBegun,
    TotpBegun,
    TotpEnabled,
    tell_codes_offer,
    tell_factors,
    tell_passkey,
    tell_passkey_offer,
    tell_totp_offer,
)
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import UNPROCESSABLE, Code, ProblemError, refusals, refuse, unacceptable
from doorward.web.pages.desk import login_path
from doorward.web.visit import Visit

_FACTORS = "/api/v1/account/factors"
_TOTP = f"{_FACTORS}/totp"
_PASSKEYS = f"{_FACTORS}/passkeys"
_CODES = f"{_FACTORS}/recovery-codes"
_BAD_NAME = Unacceptable((("name", "That name cannot be used."),))
_MOST_OFFER = 256
_MOST_CODE = 256
_MOST_NAME = 1024
_PAGE = "/account/security"
_SHOW_FIRST = "Let whoever is signed in open the address in `login`, show their second factor, and try again."


class OfferAsk(Ask):
    """The offer that was made."""

    offer: str = Field(max_length=_MOST_OFFER)


class TotpAsk(OfferAsk):
    """The offer, and a code that the app shows for it."""

    code: str = Field(max_length=_MOST_CODE)


class CodeAsk(Ask):
    """A code of the app, or a recovery code."""

    code: str = Field(max_length=_MOST_CODE)


class PasskeyAsk(OfferAsk):
    """What the browser made: `credential` is its `toJSON()`. Without a name we choose one."""

    credential: dict[str, Any]
    name: str = Field(default="", max_length=_MOST_NAME)


class NameAsk(Ask):
    """What a passkey is called."""

    name: str = Field(max_length=_MOST_NAME)


def factor_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/account/factors…`."""
    router = APIRouter(tags=["factors"], route_class=StrictRoute)
    read_visit = parts.reads_visit()
    factors = parts.flows.factors

    @router.get(_FACTORS, responses=refusals(401))
    async def list_factors(visit: Annotated[Visit, Depends(read_visit)]) -> OwnFactors:
        """What I can confirm a sign-in with."""
        return tell_factors(await factors.list_of(get_subject(visit).user))

    _add_totp(router, parts)
    _add_passkeys(router, parts)
    _add_codes(router, parts)
    return router


def _add_totp(router: APIRouter, parts: ApiParts) -> None:
    read_proven, read_shown = parts.reads_proven(), reads_shown(parts)
    factors = parts.flows.factors

    @router.post(_TOTP, responses=refusals(401, 403, 429))
    async def begin_totp(visit: Annotated[Visit, Depends(read_shown)], response: Response) -> TotpBegun:
        """Make a secret for an authenticator app. One that is set up counts until the new one is confirmed."""
        _know_browser(parts, visit, response)
        begun = await factors.begin_totp(get_subject(visit).user, visit.visitor, now=visit.now)
        if isinstance(begun, Refused):
            raise refuse(begun)
        return tell_totp_offer(begun)

    @router.post(f"{_TOTP}/confirm", responses=refusals(401, 403, 409, 429))
    async def confirm_totp(ask: TotpAsk, visit: Annotated[Visit, Depends(read_shown)]) -> TotpEnabled:
        """Let the app count, given a code that it shows. A wrong one may be mended while the offer holds."""
        user = get_subject(visit).user
        outcome = await factors.confirm_totp(user, visit.visitor, token=ask.offer, code=ask.code, now=visit.now)
        if isinstance(outcome, Refused):
            raise refuse(outcome)
        return TotpEnabled(needs_codes=outcome.needs_codes)

    @router.post(f"{_TOTP}/remove", status_code=204, responses=refusals(401, 403, 404, 409, 429))
    async def remove_totp(ask: CodeAsk, visit: Annotated[Visit, Depends(read_proven)]) -> None:
        """Take the app away, given a code of it or a recovery code (F13)."""
        user = get_subject(visit).user
        refused = await factors.remove_totp(user, visit.visitor, code=ask.code, now=visit.now)
        if refused is not None:
            raise refuse(refused)


def _add_passkeys(router: APIRouter, parts: ApiParts) -> None:
    read_visit, read_proven, read_shown = parts.reads_visit(), parts.reads_proven(), reads_shown(parts)
    factors = parts.flows.factors

    @router.get(_PASSKEYS, responses=refusals(401))
    async def list_passkeys(visit: Annotated[Visit, Depends(read_visit)]) -> OwnPasskeys:
        """My passkeys and security keys."""
        found = await factors.list_of(get_subject(visit).user)
        return OwnPasskeys(passkeys=tuple(map(tell_passkey, found.passkeys)))

    @router.post(f"{_PASSKEYS}/options", responses=refusals(401, 403, 409, 429))
    async def begin_passkey(visit: Annotated[Visit, Depends(read_shown)], response: Response) -> PasskeyBegun:
        """What to ask the browser to make a passkey with."""
        _know_browser(parts, visit, response)
        begun = await factors.begin_passkey(get_subject(visit).user, visit.visitor, now=visit.now)
        if isinstance(begun, Refused):
            raise refuse(begun)
        return tell_passkey_offer(begun)

    @router.post(_PASSKEYS, status_code=201, responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def confirm_passkey(ask: PasskeyAsk, visit: Annotated[Visit, Depends(read_shown)]) -> OwnPasskey:
        """Keep what the browser made. The offer is used up, whatever comes of it."""
        try:
            outcome = await factors.confirm_passkey(
                get_subject(visit).user,
                visit.visitor,
                token=ask.offer,
                answer=json.dumps(ask.credential),
                name=ask.name,
                now=visit.now,
            )
        except InputError:
            raise unacceptable(_BAD_NAME) from None
        if isinstance(outcome, Refused):
            raise refuse(outcome)
        return tell_passkey(outcome)

    @router.patch(f"{_PASSKEYS}/{{passkey_id}}", responses=refusals(401, 403, 404, 409, UNPROCESSABLE))
    async def rename_passkey(
        passkey_id: str, ask: NameAsk, visit: Annotated[Visit, Depends(read_proven)]
    ) -> OwnPasskey:
        """Give one another name."""
        try:
            renamed = await factors.rename_passkey(
                get_subject(visit).user,
                visit.visitor,
                passkey_id=FactorId(passkey_id),
                name=ask.name,
                now=visit.now,
            )
        except InputError:
            raise unacceptable(_BAD_NAME) from None
        return tell_passkey(renamed)

    @router.delete(f"{_PASSKEYS}/{{passkey_id}}", status_code=204, responses=refusals(401, 403, 404, 409))
    async def remove_passkey(passkey_id: str, visit: Annotated[Visit, Depends(read_shown)]) -> None:
        """Remove one: nobody can sign in with it any more."""
        await take_passkey(parts, visit, passkey_id)


def _add_codes(router: APIRouter, parts: ApiParts) -> None:
    read_shown = reads_shown(parts)
    factors = parts.flows.factors

    @router.post(_CODES, responses=refusals(401, 403, 429))
    async def begin_codes(visit: Annotated[Visit, Depends(read_shown)], response: Response) -> CodesBegun:
        """Make ten new recovery codes. The old ones count until these are acknowledged."""
        _know_browser(parts, visit, response)
        begun = await factors.begin_codes(get_subject(visit).user, visit.visitor, now=visit.now)
        if isinstance(begun, Refused):
            raise refuse(begun)
        return tell_codes_offer(begun)

    @router.post(f"{_CODES}/acknowledge", status_code=204, responses=refusals(401, 403, 409))
    async def acknowledge_codes(ask: OfferAsk, visit: Annotated[Visit, Depends(read_shown)]) -> None:
        """They are put away: now they count, and the old ones no more. Without a second factor there is no use."""
        user = get_subject(visit).user
        kept = await factors.acknowledge_codes(user, visit.visitor, token=ask.offer, now=visit.now)
        if isinstance(kept, Refused):
            raise refuse(kept)


def reads_shown(parts: ApiParts) -> Callable[[Request], Awaitable[Visit]]:
    """A dependency of what changes factors, or stands in for them: `reads_proven`, of somebody who showed theirs."""
    read_proven = parts.reads_proven()

    async def read_shown(request: Request) -> Visit:
        visit = await read_proven(request)
        await check_shown(parts, visit)
        return visit

    return read_shown


async def check_shown(parts: ApiParts, visit: Visit) -> None:
    """ProblemError where somebody has a second factor and has not shown it in this session."""
    subject = get_subject(visit)
    if must_show_one(await parts.flows.factors.list_of(subject.user), subject.session):
        login = login_path(_PAGE, need="two_factor")
        raise ProblemError(403, Code.PROOF_TOO_OLD, _SHOW_FIRST, login=login)


async def take_passkey(parts: ApiParts, visit: Visit, passkey_id: str) -> None:
    """Remove one of one's own. NotFoundError where one has none such (G15)."""
    user = get_subject(visit).user
    outcome = await parts.flows.factors.remove_passkey(
        user, visit.visitor, passkey_id=FactorId(passkey_id), now=visit.now
    )
    if isinstance(outcome, Refused):
        raise refuse(outcome)


def _know_browser(parts: ApiParts, visit: Visit, response: Response) -> None:
    parts.know_browser(visit)
    response.raw_headers += visit.cookies_out
