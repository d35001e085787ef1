"""What is refused, and how the API says it: one code for each reason, which programs may go by."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from doorward.errors import Clash, ConflictError, DoorwardError
from doorward.flows.outcome import Refused, Unacceptable
from doorward.rules.login import Failure
from doorward.web.errors import CODES, Words, problem, words_for
from doorward.web.pages.entering import STATUS_OF
from doorward.web.pages.waiting import seconds

PROBLEM_TYPE: Final = "application/problem+json"
_MOST_PROBLEMS: Final = 10
_MOST_FIELD: Final = 64
UNPROCESSABLE: Final = int(HTTPStatus.UNPROCESSABLE_ENTITY)


class Code(StrEnum):
    """Why. Codes stay as they are; there may be more of them some day."""

    MALFORMED = "MALFORMED"
    NOT_SIGNED_IN = "NOT_SIGNED_IN"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    TOO_LARGE = "TOO_LARGE"
    BROKEN = "BROKEN"
    BAD_PEER = "BAD_PEER"
    UNAVAILABLE = "UNAVAILABLE"

    WRONG_KEY = "WRONG_KEY"
    KEY_REFUSED = "KEY_REFUSED"
    TWO_ACCOUNTS = "TWO_ACCOUNTS"
    CSRF_FAILED = "CSRF_FAILED"
    PROOF_TOO_OLD = "PROOF_TOO_OLD"
    RATE_LIMITED = "RATE_LIMITED"
    LOCKED = "LOCKED"
    UNACCEPTABLE = "UNACCEPTABLE"
    WRONG_PASSWORD = "WRONG_PASSWORD"  # noqa: S105 -- a code's name
    WRONG_CODE = "WRONG_CODE"
    WRONG_PASSKEY = "WRONG_PASSKEY"
    OFFER_GONE = "OFFER_GONE"
    FACTOR_NEEDED = "FACTOR_NEEDED"
    PASSKEY_KNOWN = "PASSKEY_KNOWN"
    TOO_MANY_PASSKEYS = "TOO_MANY_PASSKEYS"
    LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR"
    NO_MAIL = "NO_MAIL"
    TAKEN = "TAKEN"
    LAST_WAY = "LAST_WAY"
    NO_PASSWORD = "NO_PASSWORD"  # noqa: S105 -- a code's name
    NOT_WAITING = "NOT_WAITING"
    DISABLED = "DISABLED"
    TOO_MANY = "TOO_MANY"
    MAIL_DONE = "MAIL_DONE"
    NEEDED = "NEEDED"
    PASSWORDS_CLOSED = "PASSWORDS_CLOSED"
    OWN_FACTOR_NEEDED = "OWN_FACTOR_NEEDED"
    OWN_FACTORS = "OWN_FACTORS"
    LOCKDOWN = "LOCKDOWN"
    NO_READERS = "NO_READERS"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    MISDIRECTED = "MISDIRECTED"


_OF_FAILURE: Final = {
    Failure.WRONG: Code.WRONG_PASSWORD,
    Failure.WRONG_CODE: Code.WRONG_CODE,
    Failure.WRONG_PASSKEY: Code.WRONG_PASSKEY,
    Failure.LOCKED: Code.LOCKED,
    Failure.THROTTLED: Code.RATE_LIMITED,
    Failure.TICKET_GONE: Code.OFFER_GONE,
    Failure.FACTOR_NEEDED: Code.FACTOR_NEEDED,
    Failure.PASSKEY_KNOWN: Code.PASSKEY_KNOWN,
    Failure.TOO_MANY_PASSKEYS: Code.TOO_MANY_PASSKEYS,
    Failure.LOCKDOWN: Code.LOCKDOWN,
}
_SENTENCES: Final = {
    Code.WRONG_PASSWORD: "That password is not right.",
    Code.OFFER_GONE: "The offer is used up, too old, or was made for another browser. Begin again.",
}
"""Where a person at a page reads something else."""
_CLASHES: Final = {
    Clash.TAKEN: "That name or e-mail address is taken.",
    Clash.LAST_ADMINISTRATOR: "This is the last administrator. Make somebody else one first.",
    Clash.LAST_WAY: "This is the only way in that the account has. Set a password for it first, or disable it.",
    Clash.NO_PASSWORD: "This account has no password.",
    Clash.NOT_WAITING: "This account does not wait to be let in.",
    Clash.DISABLED: "This account is disabled.",
    Clash.TOO_MANY: "There are too many already. Take some back first.",
    Clash.NO_MAIL: "Mail is not set up.",
    Clash.MAIL_DONE: "That mail is done with, or is being sent just now.",
    Clash.NEEDED: "It is needed as it is: without it passwords would open again, or nobody would administer.",
    Clash.PASSWORDS_CLOSED: "Passwords are closed here, so such a link would open nothing.",
    Clash.OWN_FACTORS: "Your own second factors are taken away under your account, where each asks for what it has to.",
    Clash.LOCKDOWN: "There is a lockdown. This waits until an administrator lifts it.",
    Clash.NO_READERS: "The configuration does not say who may read backups, so that none is made.",
}
_UNACCEPTABLE: Final = Words("That cannot be used", "See the problems; nothing was changed.")


class FieldProblem(BaseModel):
    """What is wrong with one field, in a sentence."""

    model_config = ConfigDict(frozen=True)

    field: str
    text: str


class Problem(BaseModel):
    """RFC 9457, as `application/problem+json`. `code` is for programs, title and detail for people.

    `retry_after`: the seconds to wait. `login`: where a person confirms that it is still them. `problems`: what is
    wrong with what was sent.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    correlation_id: str
    code: Code | None = None
    retry_after: int | None = None
    login: str | None = None
    problems: tuple[FieldProblem, ...] | None = None


class ProblemError(DoorwardError):
    """A refusal with a code of its own."""

    def __init__(
        self,
        status: int,
        code: Code,
        text: str = "",
        *,
        retry_after: int = 0,
        login: str = "",
        challenge: str = "",
        problems: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(code.value)
        self.status = status
        self.code = code
        title = words_for(status) if status != UNPROCESSABLE else _UNACCEPTABLE
        self.words = Words(title.title, text or title.text)
        self.retry_after = retry_after
        self.challenge = challenge
        self.more: dict[str, object] = {"login": login} if login else {}
        listed = [{"field": field, "text": said} for field, said in problems]
        if listed:
            self.more["problems"] = listed

    def write(self, correlation_id: str) -> bytes:
        """The problem document."""
        return problem(
            self.status,
            correlation_id,
            words=self.words,
            code=self.code.value,
            retry_after=self.retry_after,
            more=self.more,
        )


def refuse(refused: Refused) -> ProblemError:
    """What a flow refused, as the API says it."""
    failure = refused.failure
    status = STATUS_OF[failure]
    code = _OF_FAILURE.get(failure) or Code(CODES[status])
    return ProblemError(status, code, _SENTENCES.get(code, failure.sentence), retry_after=seconds(refused.retry_after))


def clash(error: ConflictError) -> ProblemError:
    """What stands in the way, by name."""
    return ProblemError(409, Code(error.clash.value), _CLASHES.get(error.clash, ""))


def malformed(errors: Iterable[Mapping[str, Any]]) -> ProblemError:
    """What does not fit the description, as the framework found it; nothing of what was sent but names of fields."""
    found = [(".".join(map(str, error["loc"][1:]))[:_MOST_FIELD], f"{error['msg']}.") for error in errors]
    return ProblemError(400, Code.MALFORMED, problems=found[:_MOST_PROBLEMS])


def unacceptable(outcome: Unacceptable) -> ProblemError:
    """What a flow cannot use, field by field."""
    return ProblemError(UNPROCESSABLE, Code.UNACCEPTABLE, problems=outcome.problems)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the description: these statuses come with a problem document."""
    return {status: {"model": Problem, "content": {PROBLEM_TYPE: {}}} for status in statuses}
