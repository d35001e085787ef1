"""Making an account of one's own: openly, with an invitation, or with a link that confirms an address (B-13)."""

from collections.abc import Callable, Mapping
from typing import Final, assert_never
from urllib.parse import quote

from starlette.responses import Response

from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable, UpstreamRefused
from doorward.flows.registration import Registration, Waiting
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.ways import Ways
from doorward.rules.invite import Invite
from doorward.rules.login import Failure
from doorward.rules.policy import Policy
from doorward.rules.registration import Openness
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.buttons import list_buttons
from doorward.web.pages.desk import Desk, Link
from doorward.web.pages.entering import STATUS_OF, enter, step_path
from doorward.web.pages.marked import gather
from doorward.web.pages.round_trip import show_refused
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_FIELDS: Final = ("display_name", "name", "email", "password", "password_again")
_MARKED: Final = "Please look at what is marked below. No account was made yet."
_CLOSED: Final = Words("Nobody can register here", "Ask the administrator for an account, or for an invitation.")
_GONE: Final = Words(
    "This link does not open anything", "It was used up or taken back, or is too old. Ask whoever sent it for another."
)
_WAITS: Final = Words(
    "Your account is made", "An administrator has to let you in first. You can sign in as soon as that is done."
)


class RegisterPage:
    """`/register`, `/register/with` and `/register/mail`. Looking at the page uses no invitation (K15)."""

    def __init__(
        self,
        desk: Desk,
        registration: Registration,
        ways: Ways,
        upstream: UpstreamSignIn,
        policy: Callable[[], Policy],
    ) -> None:
        self._desk = desk
        self._registration = registration
        self._ways = ways
        self._upstream = upstream
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show the form that fits."""
        if visit.subject is not None:
            return await self._turn(visit, visit.query.get("invite", ""))
        self._desk.know_browser(visit)
        return await self._show(visit, visit.query)

    async def post_mail(self, visit: Visit, form: Form) -> Response:
        """Send a link to the address. The answer is the same whether or not it has an account (E01)."""
        self._desk.check_form(visit, form, page="/register")
        outcome = await self._registration.ask_mail(
            visit.visitor, email=form.get("email", ""), language=visit.language, now=visit.now
        )
        match outcome:
            case None:
                return self._desk.redirect(visit, "/register?sent=1")
            case Unacceptable(problems):
                return await self._show(visit, form, wrong=gather(problems))
            case Refused():
                return await self._show(visit, form, refused=outcome)
            case _:
                assert_never(outcome)

    async def post_with(self, visit: Visit, form: Form) -> Response:
        """Set out for a provider with an invitation."""
        invite, chosen = form.get("invite", ""), form.get("provider", "")
        self._desk.check_form(visit, form, page=register_path(invite, ""))
        if not isinstance(await self._registration.find_invite(invite, now=visit.now), Invite):
            return self._gone(visit)
        outcome = await self._upstream.depart_invited(
            visit.visitor, provider=chosen, invite=invite, return_to=form.get("rd"), now=visit.now
        )
        if isinstance(outcome, UpstreamRefused):
            return show_refused(self._desk, visit, outcome)
        provider = await self._ways.find_provider(chosen)
        name = provider.name if provider else "the provider"
        return self._desk.lead_out(visit, outcome.url, title="Signing in with %(name)s", name=name)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Make the account."""
        invite, link = form.get("invite", ""), form.get("link", "")
        self._desk.check_form(visit, form, page=register_path(invite, link))
        outcome = await self._registration.register(
            visit.visitor,
            invite=invite,
            link=link,
            name=form.get("name", ""),
            display_name=form.get("display_name", ""),
            email=form.get("email", ""),
            password=form.get("password", ""),
            again=form.get("password_again", ""),
            return_to=self._desk.vet(form.get("rd")),
            language=visit.language,
            previous=visit.fingerprint,
            now=visit.now,
        )
        match outcome:
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy())
            case Continued(started):
                return self._desk.redirect(visit, step_path(started))
            case Waiting():
                return self._desk.message(
                    visit, _WAITS, actions=[Link("Sign in", "/login?choose=1")], reference=False, fan="lit"
                )
            case Unacceptable(problems):
                return await self._show(visit, form, wrong=gather(problems))
            case Refused(Failure.TICKET_GONE):
                return self._gone(visit)
            case Refused():
                return await self._show(visit, form, refused=outcome)
            case _:
                assert_never(outcome)

    async def _turn(self, visit: Visit, invite: str) -> Response:
        """Answer somebody who has an account, and is signed in to it."""
        if not invite:
            return self._desk.redirect(visit, "/")
        if not isinstance(await self._registration.find_invite(invite, now=visit.now), Invite):
            return self._gone(visit)
        response = self._desk.page(visit, "logout.html", rd="", invite=invite)
        response.raw_headers.append((b"referrer-policy", b"strict-origin"))
        return response

    async def _show(
        self,
        visit: Visit,
        form: Form,
        *,
        wrong: Mapping[str, str] | None = None,
        refused: Refused | None = None,
    ) -> Response:
        invite, link = form.get("invite", ""), form.get("link", "")
        openness = await self._registration.describe()
        email = await self._find_email(visit, invite, link, openness)
        if isinstance(email, Response):
            return email
        wait = seconds(refused.retry_after) if refused else 0
        ways = await self._ways.find()
        providers = ways.providers if invite else ()
        response = self._desk.page(
            visit,
            "register.html",
            status=STATUS_OF[refused.failure] if refused else 400 if wrong else 200,
            asked="sent" in visit.query,
            asks_mail=openness.asks_email and not invite and not link,
            approval=openness.approval and not invite,
            invite=invite,
            link=link,
            rd=form.get("rd", ""),
            buttons=list_buttons(providers, self._upstream),
            closed="" if ways.password else Failure.PASSWORDS_CLOSED.sentence,
            fixed_email=email,
            # Passwords are never sent back.
            values={name: "" if "password" in name else form.get(name, "") for name in _FIELDS},
            wrong={name: (wrong or {}).get(name, "") for name in _FIELDS},
            problem=refused.failure.sentence if refused else _MARKED if wrong else "",
            wait_seconds=wait,
            password_hint=self._desk.site.password_hint,
        )
        response.raw_headers.append((b"referrer-policy", b"strict-origin"))
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response

    async def _find_email(self, visit: Visit, invite: str, link: str, openness: Openness) -> str | Response:
        """The address that is settled already, "" for none; or the answer where nobody may register this way."""
        if invite:
            found = await self._registration.find_invite(invite, now=visit.now)
            return found.email if isinstance(found, Invite) else self._gone(visit)
        if not openness.open:
            return self._desk.message(
                visit,
                _CLOSED,
                status=403,
                fan="shut",
                actions=[Link("Sign in", "/login?choose=1")],
                reference=False,
                is_error=False,
            )
        if not link:
            return ""
        email = await self._registration.find_link(link, now=visit.now)
        return email if email is not None else self._gone(visit)

    def _gone(self, visit: Visit) -> Response:
        links = [Link("Sign in", "/login?choose=1") if visit.subject is None else Link("Your apps", "/")]
        return self._desk.message(visit, _GONE, status=404, fan="shut", actions=links, reference=False)


def register_path(invite: str, link: str) -> str:
    """The page's address, with what somebody comes with."""
    if invite:
        return f"/register?invite={quote(invite, safe='')}"
    return f"/register?link={quote(link, safe='')}" if link else "/register"
