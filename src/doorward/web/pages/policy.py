"""Policy for accounts, for administrators: who needs a second factor, and who may make an account (B-12, B-13)."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from doorward.errors import ForbiddenError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.policies import Policies
from doorward.rules.factor import Factor
from doorward.rules.identity import User
from doorward.rules.mfa import MfaRequired
from doorward.rules.registration import Mode
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.visit import Visit

_PAGE: Final = "/admin/policy"
_SHOWN_BY: Final = Factor.TOTP.methods | Factor.PASSKEY.methods
_NOTES: Final = {
    "mfa": ("good", "Saved. Whoever it now asks for more signs in again."),
    "registration": ("good", "Saved. It counts from now on."),
    "proof": ("warn", "Sign in with your own second factor first. Nothing was changed."),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One choice."""

    word: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting. `why_not` says why it cannot be changed now, with a way to change that."""

    id: str
    title: str
    options: tuple[Option, ...]
    word: str
    set_here: bool
    why_not: str = ""
    way: str = ""
    way_href: str = ""


_MFA: Final = (
    Option(MfaRequired.NONE.value, "Nobody", "Whoever has a second factor is asked for it at every sign-in."),
    Option(
        MfaRequired.PER_RULE.value,
        "Where a rule asks",
        "Nobody is asked when signing in, only at what needs it. The console itself asks administrators for none.",
    ),
    Option(MfaRequired.ADMINS.value, "Administrators", "They set one up at their next sign-in."),
    Option(MfaRequired.ALL.value, "Everybody", "Each sets one up at the next sign-in."),
)
_REGISTRATION: Final = (
    Option(
        Mode.FIRST_USER_THEN_LOCKED.value,
        "Nobody unasked",
        "The setup link made the first account; then invitations and administrators make them.",
    ),
    Option(Mode.CLOSED.value, "Nobody", "Only administrators add accounts. Invitations open nothing."),
    Option(Mode.INVITE.value, "Who is invited", "Whoever has an invitation makes an account."),
    Option(Mode.OPEN.value, "Anyone", "Whoever finds this page may make an account."),
    Option(
        Mode.OIDC_AUTO.value, "Who comes through a provider", "Providers that may make accounts do, and invitations."
    ),
)


class PolicyPage:
    """`/admin/policy`."""

    def __init__(self, desk: Desk, policies: Policies) -> None:
        self._desk = desk
        self._policies = policies

    async def get(self, visit: Visit) -> Response:
        """Show how it stands."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        actor = actor_of(visit.subject, visit.visitor)
        view = await self._policies.find(actor)
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "policy.html",
            here="people",
            unprotected=view.unprotected,
            single_user=view.unasked.single_user,
            networks=view.unasked.networks,
            flaw=view.flaw,
            takeable=view.takeable,
            choices=[
                self._second_factors(visit, actor, view.mfa, view.mfa_set_by, view.unprotected),
                Choice(
                    "registration",
                    "Who may make an account",
                    _REGISTRATION,
                    view.registration.value,
                    view.registration_set_by == "setting",
                ),
            ],
            problem="",
            note=note,
            note_kind=kind,
        )

    async def post_mfa(self, visit: Visit, form: Form) -> Response:
        """Say who needs a second factor."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        proven = subject_of(visit).session.methods
        try:
            await self._policies.set_mfa(actor, _read(form), proven=proven, now=visit.now)
        except ForbiddenError:
            return self._desk.redirect(visit, f"{_PAGE}?done=proof")
        return self._desk.redirect(visit, f"{_PAGE}?done=mfa")

    async def post_registration(self, visit: Visit, form: Form) -> Response:
        """Say who may make an account."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        await self._policies.set_registration(actor, _read(form), now=visit.now)
        return self._desk.redirect(visit, f"{_PAGE}?done=registration")

    def _second_factors(
        self, visit: Visit, actor: Actor, required: MfaRequired, set_by: str, unprotected: tuple[User, ...]
    ) -> Choice:
        why, way, href = "", "", ""
        if any(user.id == actor.user_id for user in unprotected):
            why = "Only an administrator who has a second factor can change this, so that nobody locks everybody out."
            way, href = "Set one up", "/account/security"
        elif not subject_of(visit).session.methods & _SHOWN_BY:
            why = "To change this, sign in with your second factor."
            way, href = "Sign out, and in again", "/logout"
        return Choice("mfa", "Who needs a second factor", _MFA, required.value, set_by == "setting", why, way, href)


def _read(form: Form) -> str | None:
    """The word chosen; None for what the configuration file says."""
    return None if "back" in form else form.get("word", "")
