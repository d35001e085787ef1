"""What a visitor is told when something is refused or broken: prepared words and a correlation id (E-43 to E-46).

The message of an exception is for the log. Navigations get a page, everything else a problem document (RFC 9457).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from doorward.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    PeerError,
    TamperError,
    UnavailableError,
)
from doorward.web.headers import RawHeaders


class Refusal(Exception):  # noqa: N818 -- it is an answer, thrown from where it is known
    """A status of HTTP's own (404, 405, 413, 415, 421, 429, 431), with its headers. `detail` is for the log."""

    def __init__(
        self, status: int, *, headers: RawHeaders | None = None, retry_after: int = 0, detail: str = ""
    ) -> None:
        super().__init__(detail or f"HTTP {status}")
        self.status = status
        self.headers = list(headers or [])
        self.retry_after = retry_after
        if retry_after:
            self.headers.append((b"retry-after", str(retry_after).encode("ascii")))


@dataclass(frozen=True, slots=True)
class Words:
    """A title and what to do next, in English, the key to other languages. Safe to show to anybody.

    `values` are what people or the configuration named: they stand where the sentences say `%(name)s`.
    """

    title: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


CATALOGUE = {
    400: Words("We could not read that request", "Something in it is malformed. Go back and try again."),
    401: Words("You are not signed in", "Sign in and try again."),
    403: Words("That is not allowed", "Your account may not do this."),
    404: Words("There is nothing here", "The address may be mistyped, or what it named is gone."),
    405: Words("That is not how this works", "This address does not answer that kind of request."),
    409: Words("Something else was faster", "What you saw has changed meanwhile. Load the page again and look."),
    413: Words("That is too much", "The request is larger than this page accepts."),
    415: Words("We do not read that format", "Send the form as a browser does."),
    421: Words("You knocked at the wrong house", "This Doorward does not answer under that name. Use its own address."),
    429: Words("One moment, please", "There were too many tries. Waiting helps; trying more often does not."),
    431: Words(
        "That is too much", "Your browser sends more headers or cookies than we accept. Clearing cookies helps."
    ),
    500: Words(
        "Something broke on our side", "It is not your fault. The reference below helps the administrator find it."
    ),
    502: Words("A system we asked gave no good answer", "Try again in a moment."),
    503: Words("We cannot answer right now", "Doorward or its storage is not ready. Try again in a moment."),
}

CODES = {
    400: "MALFORMED",
    401: "NOT_SIGNED_IN",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_TYPE",
    421: "MISDIRECTED",
    422: "UNACCEPTABLE",
    429: "RATE_LIMITED",
    431: "TOO_LARGE",
    500: "BROKEN",
    502: "BAD_PEER",
    503: "UNAVAILABLE",
}
"""What a problem is called for programs, where nothing more is to be said."""

CSRF_STALE = Words(
    "This page is out of date",
    "It was opened before you signed in or out, or your browser holds back our cookies. "
    "Nothing was changed. Load the page again and repeat what you did.",
)
CSRF_ELSEWHERE = Words(
    "That did not come from our page",
    "The request was made by another page or under another address of ours, so nothing was changed. "
    "Open Doorward itself and repeat what you wanted.",
)

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (InputError, 400),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (UnavailableError, 503),
    (PeerError, 502),
    (TamperError, 500),
)


def status_of(error: Exception) -> int:
    """The HTTP status for an exception; 500 for what nobody foresaw."""
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def words_for(status: int) -> Words:
    """The prepared words for a status."""
    return CATALOGUE.get(status, CATALOGUE[500 if status >= 500 else 400])  # noqa: PLR2004 -- the class of the status


def problem(
    status: int,
    correlation_id: str,
    *,
    words: Words | None = None,
    code: str = "",
    retry_after: int = 0,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """A problem document (RFC 9457). `more`: members of its own."""
    words = words or words_for(status)
    document: dict[str, object] = {
        "type": "about:blank",
        "title": words.title,
        "status": status,
        "detail": words.text,
        "correlation_id": correlation_id,
    }
    if code := code or CODES.get(status, ""):
        document["code"] = code
    if retry_after:
        document["retry_after"] = retry_after
    document.update(more or {})
    return json.dumps(document).encode("utf-8")


def wants_page(header: Callable[[bytes], bytes | None]) -> bool:
    """Whether a person's browser is navigating: by Fetch metadata where there is any, by `Accept` otherwise."""
    mode = header(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return b"text/html" in (header(b"accept") or b"") and header(b"x-requested-with") is None
