"""Errors as a page or as a problem document: they need nothing of the request but whether a person is looking."""

import base64
from collections.abc import Sequence
from datetime import datetime

from starlette.responses import Response

from doorward.web.csrf import CsrfError
from doorward.web.errors import (
    CSRF_ELSEWHERE,
    CSRF_STALE,
    Refusal,
    Words,
    problem,
    status_of,
    words_for,
)
from doorward.web.pages.desk import Desk, Link

_NONCE_SIZE = 16
_TRY_AGAIN_AFTER = 5
_FILES_REFUSED = frozenset({421, 431})
"""Whoever gets one of these gets it for our style sheets, too: they are inside the page."""


class ErrorPages:
    """Answers exceptions. What the exception says stays inside."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def respond(
        self, error: Exception, *, navigates: bool, correlation_id: str, now: datetime, language: str = "en"
    ) -> Response:
        """The answer for an exception."""
        status = status_of(error)
        words, code = words_for(status), ""
        links: list[Link] = []
        if isinstance(error, CsrfError):
            words, code = (CSRF_ELSEWHERE if error.elsewhere else CSRF_STALE), "CSRF_FAILED"
            links = [Link("Load it again", error.page)] if error.page else []
        wait = error.retry_after if isinstance(error, Refusal) else 0
        if navigates:
            response = self._page(status, words, wait, links, correlation_id, now, language)
        else:
            body = problem(status, correlation_id, words=words, code=code, retry_after=wait)
            response = Response(body, status, media_type="application/problem+json")
        if isinstance(error, Refusal):
            response.raw_headers.extend(error.headers)
        if status == 503:  # noqa: PLR2004 -- the one status besides 429 that names a time to wait
            response.raw_headers.append((b"retry-after", str(_TRY_AGAIN_AFTER).encode("ascii")))
        return response

    def _page(
        self,
        status: int,
        words: Words,
        wait: int,
        links: Sequence[Link],
        correlation_id: str,
        now: datetime,
        language: str,
    ) -> Response:
        desk = self._desk
        nonce = base64.b64encode(desk.random.token(_NONCE_SIZE)).decode("ascii")
        home = Link("To the start", "/")
        bare = {"inline_css": desk.assets.inline_style} if status in _FILES_REFUSED else {}
        if status == 421:  # noqa: PLR2004 -- "/" would knock here again
            home = Link("Go to %(origin)s", desk.site.public_url + "/")
        html = desk.templates.render(
            "message.html",
            {
                "nonce": nonce,
                "static": desk.assets.prefix,
                "csrf_token": "",
                "banner": desk.site.banner,
                "home": home.href,
                "title": words.title,
                "values": {"origin": desk.site.origin},
                "lines": [words.text],
                "status_shown": status,
                "wait_seconds": wait,
                "actions": [*links, home],
                "fan": "shut",
                "closes": False,
                "correlation_id": correlation_id,
                "at": now,
                **bare,
            },
            language,
        )
        response = Response(html, status, media_type="text/html")
        response.raw_headers.append(
            (b"content-security-policy", desk.headers.content_policy(nonce=nonce, has_style=bool(bare)))
        )
        return response
