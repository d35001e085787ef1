"""My profile: name, language, address and password, a copy of everything, and leaving."""

import json
from collections.abc import Mapping
from typing import Final, assert_never

from starlette.responses import Response

from doorward.errors import ConflictError
from doorward.flows.app_keys import AppKeys
from doorward.flows.factors import Factors
from doorward.flows.lookout import Lookout
from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.flows.own_record import OwnRecord
from doorward.flows.post import Post
from doorward.flows.profile import Profile
from doorward.flows.ways import Ways
from doorward.rules.language import NAMES
from doorward.rules.login import Failure
from doorward.rules.session import Subject
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.admit import admit, admit_shown
from doorward.web.pages.desk import Desk, Link
from doorward.web.pages.entering import STATUS_OF, welcome
from doorward.web.pages.logout import leave
from doorward.web.pages.marked import gather
from doorward.web.pages.recovery import GONE, show_link
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_PAGE: Final = "/account/profile"
_FIELDS: Final = ("display_name", "language", "email", "current", "password", "password_again", "confirm")
_MARKED: Final = "Please look at what is marked below. Nothing was changed."
_NOTES: Final = {
    "saved": ("good", "Saved."),
    "mailed": ("good", "A link is on its way to the new address. It counts once you have followed it."),
    "password": ("good", "Your password is changed. Everywhere else you are signed out."),
    "last": ("warn", "You are the last administrator, so your account stays. Make somebody else one first."),
}
_CONFIRMED: Final = Words("Your address is changed", "Every sign-in of your account has ended. Please sign in again.")
_DELETED: Final = Words("Your account is deleted", "You are signed out everywhere. Thank you for having been here.")


class ProfilePage:
    """`/account/profile`, and below `/account`: `email`, `password`, `export` and `delete`."""

    def __init__(
        self,
        desk: Desk,
        profile: Profile,
        record: OwnRecord,
        ways: Ways,
        post: Post,
        factors: Factors,
        lookout: Lookout,
        app_keys: AppKeys,
    ) -> None:
        self._desk = desk
        self._profile = profile
        self._record = record
        self._ways = ways
        self._post = post
        self._factors = factors
        self._lookout = lookout
        self._app_keys = app_keys

    async def get(self, visit: Visit) -> Response:
        """Show it."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, visit.subject)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Change name and language. That takes nothing from anybody, so it asks for no proof."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        outcome = await self._profile.change_name(
            subject,
            visit.visitor,
            display_name=form.get("display_name", ""),
            language=form.get("language", ""),
            now=visit.now,
        )
        if isinstance(outcome, Unacceptable):
            return await self._show(visit, subject, form=form, wrong=gather(outcome.problems))
        return self._desk.redirect(visit, f"{_PAGE}?done=saved")

    async def post_locations(self, visit: Visit, form: Form) -> Response:
        """Agree that places of sign-ins are noted, or no longer."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        await self._lookout.choose(subject, visit.visitor, wanted=bool(form.get("locations", "")), now=visit.now)
        return self._desk.redirect(visit, f"{_PAGE}?done=saved")

    async def post_email(self, visit: Visit, form: Form) -> Response:
        """Send a link to the new address."""
        subject = await admit_shown(self._desk, visit, form, _PAGE, self._factors)
        if isinstance(subject, Response):
            return subject
        outcome = await self._profile.ask_email(subject, visit.visitor, email=form.get("email", ""), now=visit.now)
        match outcome:
            case None:
                return self._desk.redirect(visit, f"{_PAGE}?done=mailed")
            case Unacceptable(problems):
                return await self._show(visit, subject, form=form, wrong=gather(problems))
            case Refused():
                return await self._show(visit, subject, outcome)
            case _:
                assert_never(outcome)

    async def get_email(self, visit: Visit) -> Response:
        """A link came by mail: ask before it is used. Whoever has the link need not be signed in here."""
        token = visit.query.get("token", "")
        email = await self._profile.look_email(token, now=visit.now)
        if email is None:
            return self._gone(visit)
        self._desk.know_browser(visit)
        return self._show_email(visit, token, email)

    async def post_confirm_email(self, visit: Visit, form: Form) -> Response:
        """Use the link."""
        token = form.get("token", "")
        self._desk.check_form(visit, form, page="/login")
        outcome = await self._profile.confirm_email(token, visit.visitor, now=visit.now)
        match outcome:
            case Refused(Failure.THROTTLED):
                email = await self._profile.look_email(token, now=visit.now) or ""
                return self._show_email(visit, token, email, outcome)
            case Refused():
                return self._gone(visit)
            case _:
                return self._leave(visit, _CONFIRMED, "Sign in")

    async def post_password(self, visit: Visit, form: Form) -> Response:
        """Change the password. The present one is the proof."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        outcome = await self._profile.change_password(
            subject,
            visit.visitor,
            current=form.get("current", ""),
            password=form.get("password", ""),
            again=form.get("password_again", ""),
            now=visit.now,
        )
        match outcome:
            case SignedIn():
                response = welcome(self._desk, visit, outcome)
                response.headers["location"] = f"{self._desk.site.public_url}{_PAGE}?done=password"
                return response
            case Unacceptable(problems):
                return await self._show(visit, subject, form=form, wrong=gather(problems))
            case Refused(Failure.WRONG):
                return await self._show(visit, subject, wrong={"current": "That is not your password."}, status=403)
            case Refused():
                return await self._show(visit, subject, outcome)
            case _:
                assert_never(outcome)

    async def post_export(self, visit: Visit, form: Form) -> Response:
        """Hand out a copy of everything."""
        subject = admit(self._desk, visit, form, _PAGE)
        if isinstance(subject, Response):
            return subject
        copy = await self._record.export(subject, visit.visitor, now=visit.now)
        if isinstance(copy, Refused):
            return await self._show(visit, subject, copy)
        body = json.dumps(copy, ensure_ascii=False, indent=2).encode("utf-8")
        response = Response(body, media_type="application/json")
        response.raw_headers.append((b"content-disposition", b'attachment; filename="my-account.json"'))
        return response

    async def post_delete(self, visit: Visit, form: Form) -> Response:
        """Delete the account, when its name was typed."""
        subject = await admit_shown(self._desk, visit, form, _PAGE, self._factors)
        if isinstance(subject, Response):
            return subject
        if form.get("confirm", "").strip() != subject.user.name:
            return await self._show(visit, subject, wrong={"confirm": "That is not your user name."})
        try:
            refused = await self._profile.delete(subject, visit.visitor, now=visit.now)
        except ConflictError:
            return self._desk.redirect(visit, f"{_PAGE}?done=last")
        return self._leave(visit, _DELETED, "") if refused is None else await self._show(visit, subject, refused)

    def _leave(self, visit: Visit, words: Words, way: str) -> Response:
        visit.cookies_out += self._desk.cookies.end_session()
        visit.cookies_out += self._desk.cookies.end_trail()
        leave(self._desk, visit)
        visit.subject = None
        links = [Link(way, "/login?choose=1")] if way else []
        return self._desk.message(visit, words, actions=links, reference=False)

    def _gone(self, visit: Visit) -> Response:
        links = [Link("Your account", "/account")]
        return self._desk.message(visit, GONE, status=404, fan="shut", actions=links, reference=False)

    def _show_email(self, visit: Visit, token: str, email: str, refused: Refused | None = None) -> Response:
        return show_link(
            self._desk,
            visit,
            refused,
            action="/account/email",
            token=token,
            heading="Is this your new address?",
            text="From now on it belongs to your account, and you sign in again:",
            label="Yes, change it",
            about=email,
        )

    async def _show(
        self,
        visit: Visit,
        subject: Subject,
        refused: Refused | None = None,
        *,
        form: Form | None = None,
        wrong: Mapping[str, str] | None = None,
        status: int = 400,
    ) -> Response:
        user = subject.user
        values = {"display_name": user.display_name, "language": user.language, "email": ""}
        wait = seconds(refused.retry_after) if refused else 0
        done = visit.query.get("done", "")
        kind, note = _NOTES.get(done, ("", ""))
        response = self._desk.page(
            visit,
            "profile.html",
            status=STATUS_OF[refused.failure] if refused else status if wrong else 200,
            here="account",
            user=user,
            languages=[("", "As my browser asks"), *NAMES.items()],
            values={name: (form or {}).get(name, value) for name, value in values.items()},
            wrong={name: (wrong or {}).get(name, "") for name in _FIELDS},
            mail_open=self._post.is_open,
            knows_places=self._lookout.knows_places,
            locations=await self._lookout.agrees(user),
            has_password=(await self._ways.find(user=user)).password,
            password_hint=self._desk.site.password_hint,
            problem=refused.failure.sentence if refused else _MARKED if wrong else "",
            wait_seconds=wait,
            note=note,
            note_kind=kind,
            keys_go_on=done == "password" and await self._app_keys.has_working(user, now=visit.now),
        )
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response
