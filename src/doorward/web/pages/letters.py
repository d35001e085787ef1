"""Sent mail, for administrators: what went out, what waits, and what the server said."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.post import Listed, Post
from doorward.rules.letter import LetterId, LetterKind, LetterState
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.visit import Visit

_PAGE: Final = "/admin/mail"
_ABOUT: Final = {
    LetterKind.RESET: "Link to set a new password",
    LetterKind.EMAIL_CONFIRM: "New address to confirm",
    LetterKind.EMAIL_CHANGED: "Address was changed",
    LetterKind.INVITE: "Invitation",
    LetterKind.REGISTRATION_CONFIRM: "Registration to confirm",
    LetterKind.REGISTRATION_KNOWN: "Registration with a known address",
    LetterKind.REGISTRATION_WAITS: "Registration waits to be let in",
    LetterKind.REGISTRATION_APPROVED: "Registration let in",
    LetterKind.NEW_DEVICE: "Sign-in from a new device",
    LetterKind.PASSWORD_CHANGED: "Password was changed",
    LetterKind.FACTOR_ADDED: "Second factor was added",
    LetterKind.FACTOR_REMOVED: "Second factor was removed",
    LetterKind.PROVIDER_CONNECTED: "Provider connected",
    LetterKind.PROVIDER_DISCONNECTED: "Provider disconnected",
    LetterKind.ACCOUNT_DELETED: "Account was deleted",
    LetterKind.RECOVERY_CODE_USED: "Recovery code was used",
    LetterKind.PASSKEY_REFUSED: "Passkey looked copied",
    LetterKind.KEY_MADE: "Key was made",
    LetterKind.KEY_REVOKED: "Key was taken back",
    LetterKind.KEY_ASLEEP: "Key was put to sleep",
    LetterKind.KEY_NEW_PLACE: "Key was used from a new network",
    LetterKind.ALERT: "Alert",
    LetterKind.TEST: "Test mail",
}
_STATES: Final = {LetterState.WAITING: "waiting", LetterState.SENT: "sent", LetterState.FAILED: "given up"}
_NOTES: Final = {
    "again": ("good", "It is tried again in the next round, within a minute."),
    "done": ("good", "That mail was done with already, or is being sent just now."),
    "sent": ("good", "The test mail is on its way: the server has taken it."),
    "unsent": ("warn", "The test mail did not go out. What the server said stands below."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A mail as the page shows it."""

    id: str
    about: str
    state: str
    state_words: str
    to: str
    queued_at: datetime
    next_try_at: datetime
    done_at: datetime | None
    tries: int
    trouble: str

    @classmethod
    def of(cls, listed: Listed) -> "Row":
        """The row of one. Once the address is forgotten, the account stands for it."""
        letter, user = listed.letter, listed.user
        return cls(
            id=letter.id,
            about=_ABOUT[letter.kind],
            state=letter.state.value,
            state_words=_STATES[letter.state],
            to=listed.to or (user.display_name if user else ""),
            queued_at=letter.queued_at,
            next_try_at=letter.next_try_at,
            done_at=letter.done_at,
            tries=letter.tries,
            trouble=letter.trouble,
        )


class LettersPage:
    """`/admin/mail`, `/admin/mail/retry` and `/admin/mail/test`."""

    def __init__(self, desk: Desk, post: Post) -> None:
        self._desk = desk
        self._post = post

    async def get(self, visit: Visit) -> Response:
        """Show the last ones."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor))

    async def post_retry(self, visit: Visit, form: Form) -> Response:
        """Have one tried again."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        done = "again"
        try:
            await self._post.retry(actor, LetterId(form.get("letter", "")), now=visit.now)
        except (ConflictError, NotFoundError):
            done = "done"
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def post_test(self, visit: Visit, form: Form) -> Response:
        """Send a test mail."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            letter = await self._post.send_test(actor, to=form.get("to", ""), now=visit.now)
        except InputError:
            return await self._show(visit, actor, problem="That is no e-mail address.")
        except ConflictError:
            return await self._show(visit, actor, problem="Mail is not set up.")
        done = "sent" if letter.state is LetterState.SENT else "unsent"
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def _show(self, visit: Visit, actor: Actor, *, problem: str = "") -> Response:
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "letters.html",
            status=400 if problem else 200,
            here="people",
            letters=[Row.of(listed) for listed in await self._post.list_letters(actor)],
            mail_open=self._post.is_open,
            own_email=subject_of(visit).user.email,
            problem=problem,
            wait_seconds=0,
            note=note,
            note_kind=kind,
        )
