"""One's own account: who I am, what is stored of me, changing it, and leaving. The flows are those of the pages."""

from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.rules.session import Subject
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.factors import reads_shown
from doorward.web.api.own_answers import (
    MailAsked,
    OwnAccount,
    OwnPreferences,
    Renewed,
    SignInsTried,
    tell_account,
    tell_sign_in,
)
from doorward.web.api.own_sessions import end_here
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import UNPROCESSABLE, Code, ProblemError, refusals, refuse, unacceptable
from doorward.web.visit import Visit

_ACCOUNT = "/api/v1/account"
_NO_MAIL = "There is no mail here; an administrator can change your address."


class ProfileAsk(Ask):
    """What is left out, or null, stays as it is."""

    display_name: str | None = Field(default=None, max_length=1024)
    language: str | None = Field(default=None, max_length=16, description="`en`, `de`, or empty: as the browser asks.")


class PreferencesAsk(Ask):
    """What is left out, or null, stays as it is. `geolocation_enabled` is another name of `locations`."""

    locations: bool | None = None
    geolocation_enabled: bool | None = None


class PasswordAsk(Ask):
    """The present password is the proof."""

    current: str = Field(max_length=4096)
    password: str = Field(max_length=4096)


class EmailAsk(Ask):
    """The new address."""

    email: str = Field(max_length=1024)


class LeaveAsk(Ask):
    """`confirm` is the account's name, so that nobody leaves by a slip."""

    confirm: str = Field(max_length=256)


def account_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/account`, and below it what is no session and no factor."""
    router = APIRouter(tags=["account"], route_class=StrictRoute)
    _add_profile(router, parts)
    _add_password(router, parts)
    _add_email(router, parts)
    _add_record(router, parts)
    _add_preferences(router, parts)
    return router


def _add_profile(router: APIRouter, parts: ApiParts) -> None:
    read_visit, read_act = parts.reads_visit(), parts.reads_act()
    flows = parts.flows

    async def tell(subject: Subject) -> OwnAccount:
        user = subject.user
        return tell_account(
            user,
            subject.session,
            await flows.factors.list_of(user),
            has_password=(await flows.ways.find(user=user)).password,
            required=await flows.factors.are_demanded(user),
        )

    @router.get(_ACCOUNT, responses=refusals(401))
    async def get_account(visit: Annotated[Visit, Depends(read_visit)]) -> OwnAccount:
        """Who I am here, and what I may do."""
        return await tell(get_subject(visit))

    @router.patch(_ACCOUNT, responses=refusals(401, 403, UNPROCESSABLE))
    async def change_account(ask: ProfileAsk, visit: Annotated[Visit, Depends(read_act)]) -> OwnAccount:
        """Change the name that is shown, and the language. That takes nothing from anybody: no proof is asked for."""
        subject = get_subject(visit)
        outcome = await flows.profile.change_name(
            subject, visit.visitor, display_name=ask.display_name, language=ask.language, now=visit.now
        )
        if isinstance(outcome, Unacceptable):
            raise unacceptable(outcome)
        return await tell(Subject(outcome, subject.session))


def _add_preferences(router: APIRouter, parts: ApiParts) -> None:
    read_visit, read_act = parts.reads_visit(), parts.reads_act()
    lookout = parts.flows.lookout

    @router.get(f"{_ACCOUNT}/preferences", responses=refusals(401))
    async def get_preferences(visit: Annotated[Visit, Depends(read_visit)]) -> OwnPreferences:
        """What I chose. `available`: whether the operator has set up what it takes."""
        agreed = await lookout.agrees(get_subject(visit).user)
        return OwnPreferences(locations=agreed, available=lookout.knows_places)

    @router.patch(f"{_ACCOUNT}/preferences", responses=refusals(401, 403))
    async def change_preferences(ask: PreferencesAsk, visit: Annotated[Visit, Depends(read_act)]) -> OwnPreferences:
        """Agree that the places of my sign-ins are noted, or no longer. It counts for those to come."""
        subject = get_subject(visit)
        wanted = ask.geolocation_enabled if ask.locations is None else ask.locations
        if wanted is not None:
            await lookout.choose(subject, visit.visitor, wanted=wanted, now=visit.now)
        return OwnPreferences(locations=await lookout.agrees(subject.user), available=lookout.knows_places)


def _add_password(router: APIRouter, parts: ApiParts) -> None:
    read_act = parts.reads_act()

    @router.post(f"{_ACCOUNT}/password", responses=refusals(401, 403, UNPROCESSABLE, 429))
    async def change_password(
        ask: PasswordAsk, visit: Annotated[Visit, Depends(read_act)], response: Response
    ) -> Renewed:
        """Change the password. All sessions end, and this browser is given a new one.

        Wrong tries count with those of the sign-in, and lock it.
        """
        outcome = await parts.flows.profile.change_password(
            get_subject(visit),
            visit.visitor,
            current=ask.current,
            password=ask.password,
            again=ask.password,
            now=visit.now,
        )
        match outcome:
            case SignedIn():
                return _renew(parts, visit, outcome, response)
            case Refused():
                raise refuse(outcome)
            case Unacceptable():
                raise unacceptable(outcome)
            case _:
                assert_never(outcome)


def _add_email(router: APIRouter, parts: ApiParts) -> None:
    read_shown = reads_shown(parts)
    flows = parts.flows

    @router.post(f"{_ACCOUNT}/email", status_code=202, responses=refusals(401, 403, UNPROCESSABLE, 429))
    async def ask_email(ask: EmailAsk, visit: Annotated[Visit, Depends(read_shown)]) -> MailAsked:
        """Send a link to the new address, which counts when somebody follows it. Asks for a recent proof."""
        if not flows.post.is_open:
            raise ProblemError(403, Code.NO_MAIL, _NO_MAIL)
        outcome = await flows.profile.ask_email(get_subject(visit), visit.visitor, email=ask.email, now=visit.now)
        match outcome:
            case None:
                return MailAsked(email=ask.email)
            case Refused():
                raise refuse(outcome)
            case Unacceptable():
                raise unacceptable(outcome)
            case _:
                assert_never(outcome)


def _add_record(router: APIRouter, parts: ApiParts) -> None:
    read_visit, read_proven, read_shown = parts.reads_visit(), parts.reads_proven(), reads_shown(parts)
    flows = parts.flows

    @router.get(f"{_ACCOUNT}/sign-ins", responses=refusals(401))
    async def list_sign_ins(visit: Annotated[Visit, Depends(read_visit)]) -> SignInsTried:
        """The last ten sign-ins and tries, the newest first, the last five that succeeded among them."""
        shown = await flows.own_record.list_sign_ins(get_subject(visit))
        return SignInsTried(sign_ins=tuple(map(tell_sign_in, shown)))

    @router.get(f"{_ACCOUNT}/export", responses=refusals(401, 403, 429))
    async def export(visit: Annotated[Visit, Depends(read_proven)]) -> dict[str, Any]:
        """Everything that is stored of me. Asks for a recent proof.

        It is counted and written down, so it asks for the CSRF token, too, in the header.
        """
        copy = await flows.own_record.export(get_subject(visit), visit.visitor, now=visit.now)
        if isinstance(copy, Refused):
            raise refuse(copy)
        return dict(copy)

    @router.delete(_ACCOUNT, status_code=204, responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def leave(ask: LeaveAsk, visit: Annotated[Visit, Depends(read_shown)], response: Response) -> None:
        """Delete the account with all that is stored of it. Asks for a recent proof."""
        subject = get_subject(visit)
        if ask.confirm.strip() != subject.user.name:
            raise unacceptable(Unacceptable((("confirm", "That is not your user name."),)))
        refused = await flows.profile.delete(subject, visit.visitor, now=visit.now)
        if refused is not None:
            raise refuse(refused)
        end_here(parts, visit, response)


def _renew(parts: ApiParts, visit: Visit, signed_in: SignedIn, response: Response) -> Renewed:
    """Give the browser the session that takes the place of the one it had, and the token that belongs to it."""
    session = signed_in.session
    outlives = session.remembered or parts.cookies.persistent
    response.raw_headers += parts.cookies.set_session(
        signed_in.cookie, expires_at=session.expires_at if outlives else None, now=visit.now
    )
    response.raw_headers += parts.cookies.set_device(signed_in.device)
    visit.subject = Subject(signed_in.user, session)
    token = parts.give_token(visit)
    response.raw_headers += visit.cookies_out
    return Renewed(session=session.handle, expires_at=session.expires_at, csrf_token=token)
