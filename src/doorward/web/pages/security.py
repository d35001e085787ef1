"""What protects my account: factors, recovery codes and the last sign-ins. Every change asks for a recent proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.factors import CodesOffer, Factors, TotpOffer
from doorward.flows.outcome import Refused
from doorward.flows.own_record import OwnRecord, SignInShown
from doorward.rules.factor import FactorId
from doorward.rules.login import Failure
from doorward.rules.session import SessionHandle, Subject
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.admit import admit, admit_shown
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.device import Device, name_device
from doorward.web.pages.drawing import qr_drawing
from doorward.web.pages.entering import STATUS_OF
from doorward.web.pages.methods import name_methods
from doorward.web.pages.options import give_options
from doorward.web.pages.proof import is_just_proven, is_proven
from doorward.web.pages.score import rate
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_PAGE: Final = "/account/security"
_KEPT_FIRST: Final = "Please confirm that you have put the codes in a safe place."
_NOTES: Final = {
    "totp": ("good", "Your authenticator app is set up. From now on it is asked for."),
    "totp-codes": ("good", "Your authenticator app is set up. Make recovery codes now, for the day it is lost."),
    "totp-off": ("good", "Your authenticator app is off."),
    "passkey": ("good", "The passkey is added. You can sign in with it from now on."),
    "renamed": ("good", "Renamed."),
    "removed": ("good", "Removed. Nobody can sign in with it any more."),
    "codes": ("good", "Your new recovery codes count from now on, and the old ones no more."),
    "gone": ("warn", "That was gone already, or this page was open for too long. Nothing was changed."),
}
_DISOWNED: Final = Words(
    "You are signed out everywhere",
    "Every sign-in of your account has ended, this one too, and keys for apps that were made since are revoked. Sign "
    "in again; you will choose a new password.",
)
_DISOWNED_ELSEWHERE: Final = Words(
    "You are signed out everywhere",
    "Every sign-in of your account has ended, this one too, and keys for apps that were made since are revoked. Look "
    "at your account at the provider you sign in with, too; whoever it was may have come that way.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A sign-in, or a try, as the page shows it. `handle` names the session it made, "" for none."""

    at: datetime
    device: Device
    address: str
    place: str
    methods: list[str]
    failed: bool
    new_device: bool
    here: bool
    handle: str

    @classmethod
    def of(cls, shown: SignInShown) -> "Line":
        """The line of one."""
        note = shown.note
        return cls(
            at=note.at,
            device=name_device(shown.agent),
            address=shown.address,
            place=shown.place,
            methods=name_methods(note.methods),
            failed=bool(note.failure),
            new_device=note.new_device,
            here=shown.is_this,
            handle=note.session or "",
        )


class SecurityPage:
    """`/account/security`, and below `/account`: `totp`, `passkeys`, `codes` and `sign-ins`."""

    def __init__(self, desk: Desk, factors: Factors, record: OwnRecord) -> None:
        self._desk = desk
        self._factors = factors
        self._record = record

    async def get(self, visit: Visit) -> Response:
        """Show it."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, visit.subject)

    async def get_totp(self, visit: Visit) -> Response:
        """Show what to give to the authenticator app; the same again when the page is loaded anew."""
        if visit.subject is None:
            return self._desk.to_login(visit, _PAGE)
        token = visit.query.get("offer", "")
        offer = await self._factors.find_totp(visit.subject.user, visit.visitor, token, now=visit.now)
        if offer is None or not is_proven(visit.subject.session, visit.now):
            return self._back("gone", visit)
        return self._show_totp(visit, offer)

    async def post_totp(self, visit: Visit, form: Form) -> Response:
        """Make a secret; or, with a code that the app shows, let it count."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        token = form.get("offer", "")
        self._desk.know_browser(visit)
        if not token:
            begun = await self._factors.begin_totp(subject.user, visit.visitor, now=visit.now)
            if isinstance(begun, Refused):
                return await self._show(visit, subject, begun)
            return self._desk.redirect(visit, f"/account/totp?offer={quote(begun.token, safe='')}")
        outcome = await self._factors.confirm_totp(
            subject.user, visit.visitor, token=token, code=form.get("code", ""), now=visit.now
        )
        if not isinstance(outcome, Refused):
            return self._back("totp-codes" if outcome.needs_codes else "totp", visit)
        offer = await self._factors.find_totp(subject.user, visit.visitor, token, now=visit.now)
        return self._back("gone", visit) if offer is None else self._show_totp(visit, offer, outcome)

    async def post_totp_remove(self, visit: Visit, form: Form) -> Response:
        """Turn the authenticator app off, with proof of it or a recovery code (F13)."""
        subject = admit(self._desk, visit, form, _PAGE)
        if isinstance(subject, Response):
            return subject
        try:
            refused = await self._factors.remove_totp(
                subject.user, visit.visitor, code=form.get("code", ""), now=visit.now
            )
        except NotFoundError:
            return self._back("gone", visit)
        return self._back("totp-off", visit) if refused is None else await self._show(visit, subject, refused, True)

    async def post_passkey_options(self, visit: Visit, form: Form) -> Response:
        """What our script asks the browser to make a passkey with."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        self._desk.know_browser(visit)
        offer = await self._factors.begin_passkey(subject.user, visit.visitor, now=visit.now)
        if isinstance(offer, Refused):
            return give_options(visit, offer)
        return give_options(visit, offer.options, token=offer.token)

    async def post_passkey(self, visit: Visit, form: Form) -> Response:
        """Keep the passkey that the browser made."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        outcome = await self._factors.confirm_passkey(
            subject.user,
            visit.visitor,
            token=form.get("offer", ""),
            answer=form.get("answer", ""),
            name=form.get("name", ""),
            now=visit.now,
        )
        if isinstance(outcome, Refused):
            return await self._show(visit, subject, outcome)
        return self._back("passkey", visit)

    async def post_passkey_rename(self, visit: Visit, form: Form) -> Response:
        """Give one another name."""
        subject = admit(self._desk, visit, form, _PAGE)
        if isinstance(subject, Response):
            return subject
        try:
            await self._factors.rename_passkey(
                subject.user,
                visit.visitor,
                passkey_id=FactorId(form.get("passkey", "")),
                name=form.get("name", ""),
                now=visit.now,
            )
        except InputError:
            return await self._show(visit, subject, problem="That name cannot be used.")
        except (ConflictError, NotFoundError):
            return self._back("gone", visit)
        return self._back("renamed", visit)

    async def post_passkey_remove(self, visit: Visit, form: Form) -> Response:
        """Remove one."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        try:
            outcome = await self._factors.remove_passkey(
                subject.user, visit.visitor, passkey_id=FactorId(form.get("passkey", "")), now=visit.now
            )
        except NotFoundError:
            return self._back("gone", visit)
        return (
            await self._show(visit, subject, outcome) if isinstance(outcome, Refused) else self._back("removed", visit)
        )

    async def get_codes(self, visit: Visit) -> Response:
        """Show recovery codes that are not acknowledged yet."""
        if visit.subject is None:
            return self._desk.to_login(visit, _PAGE)
        token = visit.query.get("offer", "")
        offer = await self._factors.find_codes(visit.subject.user, visit.visitor, token, now=visit.now)
        if offer is None or not is_proven(visit.subject.session, visit.now):
            return self._back("gone", visit)
        return self._show_codes(visit, offer)

    async def post_codes(self, visit: Visit, form: Form) -> Response:
        """Make new recovery codes."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        self._desk.know_browser(visit)
        offer = await self._factors.begin_codes(subject.user, visit.visitor, now=visit.now)
        if isinstance(offer, Refused):
            return await self._show(visit, subject, offer)
        return self._desk.redirect(visit, f"/account/codes?offer={quote(offer.token, safe='')}")

    async def post_codes_keep(self, visit: Visit, form: Form) -> Response:
        """They are put away: now they count."""
        subject = await self._admit(visit, form)
        if isinstance(subject, Response):
            return subject
        token = form.get("offer", "")
        if "kept" not in form:
            offer = await self._factors.find_codes(subject.user, visit.visitor, token, now=visit.now)
            return self._back("gone", visit) if offer is None else self._show_codes(visit, offer, _KEPT_FIRST)
        kept = await self._factors.acknowledge_codes(subject.user, visit.visitor, token=token, now=visit.now)
        if isinstance(kept, Refused):
            gone = kept.failure is Failure.TICKET_GONE
            return self._back("gone", visit) if gone else await self._show(visit, subject, kept)
        return self._back("codes", visit)

    async def post_disown(self, visit: Visit, form: Form) -> Response:
        """That was somebody else: end everything. No proof is asked for, since every minute counts."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        try:
            changed = await self._record.disown(
                subject, SessionHandle(form.get("which", "")), visit.visitor, now=visit.now
            )
        except NotFoundError:
            return self._back("gone", visit)
        visit.cookies_out += self._desk.cookies.end_session()
        visit.subject = None
        link = Link("Sign in again", login_path(None, asking="choose"))
        words = _DISOWNED if changed.must_change_password else _DISOWNED_ELSEWHERE
        return self._desk.message(visit, words, actions=[link], reference=False)

    async def _admit(self, visit: Visit, form: Form) -> Subject | Response:
        """Who changes factors."""
        return await admit_shown(self._desk, visit, form, _PAGE, self._factors)

    def _back(self, done: str, visit: Visit) -> Response:
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def _show(
        self,
        visit: Visit,
        subject: Subject,
        refused: Refused | None = None,
        removing: bool = False,
        *,
        problem: str = "",
    ) -> Response:
        factors = await self._factors.list_of(subject.user)
        sign_ins: Sequence[SignInShown] = await self._record.list_sign_ins(subject)
        wait = seconds(refused.retry_after) if refused else 0
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        response = self._desk.page(
            visit,
            "security.html",
            status=STATUS_OF[refused.failure] if refused else 400 if problem else 200,
            here="account",
            asks_first=not is_just_proven(subject.session, visit.now),
            confirm=login_path(self._desk.site.public_url + _PAGE, asking="confirm"),
            score=rate(factors, has_email=bool(subject.user.email)),
            totp=factors.totp,
            passkeys=factors.passkeys,
            codes_left=factors.unused_codes,
            codes_made=len(factors.recovery_codes),
            removing=removing,
            sign_ins=[Line.of(shown) for shown in sign_ins],
            problem=refused.failure.sentence if refused else problem,
            wait_seconds=wait,
            note=note,
            note_kind=kind,
        )
        return _with_wait(response, wait)

    def _show_totp(self, visit: Visit, offer: TotpOffer, refused: Refused | None = None) -> Response:
        wait = seconds(refused.retry_after) if refused else 0
        response = self._desk.page(
            visit,
            "totp.html",
            status=STATUS_OF[refused.failure] if refused else 200,
            here="account",
            offer=offer,
            qr=qr_drawing(offer.qr),
            problem=refused.failure.sentence if refused else "",
            wait_seconds=wait,
        )
        return _with_wait(response, wait)

    def _show_codes(self, visit: Visit, offer: CodesOffer, problem: str = "") -> Response:
        return self._desk.page(
            visit,
            "codes.html",
            status=400 if problem else 200,
            here="account",
            offer=offer,
            site_host=self._desk.site.host,
            problem=problem,
        )


def _with_wait(response: Response, wait: int) -> Response:
    if wait:
        response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
    return response
