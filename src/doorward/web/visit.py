"""One request of one browser, read once: what pages and API go by, and nothing is decided by anything else.

SECURITY: the framework's `request.url` is built from the Host header; nothing here or above uses it (attack B19).
tests/unit/test_server.py would fail.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from starlette.types import Scope

from doorward.errors import InputError
from doorward.flows.visitor import Visitor, hash_browser
from doorward.interfaces import Random
from doorward.rules.cookie import find_cookies
from doorward.rules.identity import User
from doorward.rules.language import choose
from doorward.rules.lockdown import Lockdown
from doorward.rules.session import Fingerprint, Subject
from doorward.rules.token import read_cookie
from doorward.web.asserted import AssertedHeader
from doorward.web.client import Trust
from doorward.web.errors import wants_page
from doorward.web.form import Form, parse_pairs
from doorward.web.gate.table import TOUCH_EVERY, Touch
from doorward.web.headers import RawHeaders
from doorward.web.session_cookie import Cookies

_BROWSER_SIZE = 32

FindSubject = Callable[[Fingerprint, datetime], Awaitable[Subject | None]]


@dataclass(slots=True)
class Visit:
    """A request. `scheme` is "http" or "https" as told by a trusted proxy or seen by ourselves, "" where nobody knows.

    `fingerprint` belongs to a cookie of ours with a good MAC, whether or not its session lives; `subject` only to a
    session that counts at `now`. `accompanied`: the session's companion came with it; only then do our own pages and
    the API go by it. `torn`: the browser sent our session cookie more than once, which counts as none.
    `tail` is the name at the end of the path, for routes that have one. `way` is the cookie that says how somebody
    signed in here last (`web/way.py`). `asserted` is whom a proxy names whose word counts for a sign-in.
    `lockdown` is the one in force, for pages of the console.
    `cookies_out` are Set-Cookie lines that go with whatever is answered.
    """

    method: str
    path: str
    query: Form
    headers: list[tuple[bytes, bytes]]
    scheme: str
    visitor: Visitor
    browser: str
    now: datetime
    correlation_id: str
    navigates: bool
    fingerprint: Fingerprint | None = None
    subject: Subject | None = None
    accompanied: bool = False
    torn: bool = False
    trail: str = ""
    way: str = ""
    tail: str = ""
    asserted: str = ""
    lockdown: Lockdown | None = None
    cookies_out: RawHeaders = field(default_factory=list)

    @property
    def stands_alone(self) -> bool:
        """Whether this is to be a page of its own, as far as the browser says: no picture, no frame, no script's."""
        return find_header(self.headers, b"sec-fetch-dest") in {None, b"document"}

    @property
    def language(self) -> str:
        """The language to answer in: the account's own, or what the browser asks for."""
        own = self.subject.user.language if self.subject is not None else ""
        return read_language(self.headers, own=own)

    @property
    def binding(self) -> bytes:
        """What a CSRF token of this visit is bound to: the sign-in, or before it the browser; b"" without either."""
        if self.subject is not None:
            return b"session:" + self.subject.session.fingerprint
        return b"browser:" + self.visitor.browser if self.visitor.browser else b""


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns an ASGI scope into a Visit. `signing_key` tells what signs session cookies now.

    `touch` takes note of a session's use, like the gate's.
    """

    cookies: Cookies
    trust: Trust
    signing_key: Callable[[], bytes]
    find_subject: FindSubject
    touch: Touch
    asserted: AssertedHeader | None = None

    async def read(self, scope: Scope, *, now: datetime, correlation_id: str) -> Visit:
        """Read a request. InputError where it is malformed; UnavailableError where the session cannot be looked up."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        client = scope.get("client")
        peer: str = client[0] if client else ""
        lines = [value for name, value in headers if name == b"cookie"]
        browser = self._own(lines, self.cookies.browser)
        values = find_cookies(lines, self.cookies.session.encode("ascii"))
        visit = Visit(
            method=scope["method"],
            path=scope["path"],
            query=parse_pairs(scope["query_string"]),
            headers=headers,
            scheme=self.scheme_of(scope),
            visitor=Visitor(
                address=self.trust.client_address(peer, _joined(headers, b"x-forwarded-for")),
                user_agent=(find_header(headers, b"user-agent") or b"").decode("utf-8", "replace"),
                browser=hash_browser(browser),
                device=self._own(lines, self.cookies.device),
            ),
            browser=browser,
            now=now,
            correlation_id=correlation_id,
            navigates=wants_page(lambda name: find_header(headers, name)),
            torn=len(values) > 1,
            trail=self._own(lines, self.cookies.trail),
            way=self._own(lines, self.cookies.way),
        )
        if len(values) == 1:
            visit.fingerprint = read_cookie(values[0], self.signing_key())
        if visit.fingerprint is not None:
            visit.subject = await self.find_subject(visit.fingerprint, now)
            # SECURITY: every app is sent the session cookie, and one of its siblings can plant another's: alone it
            # opens nothing of ours (J18). tests/unit/test_companion.py would fail.
            visit.accompanied = self.cookies.accompanies(self._own(lines, self.cookies.companion), values[0])
        if self.asserted is not None:
            visit.asserted = self.asserted.read(peer, headers)
            if visit.asserted and visit.subject is not None and not _is_named(visit.subject.user, visit.asserted):
                # SECURITY: somebody else sits there now, says the proxy; whoever was signed in before is not them.
                # tests/unit/test_asserted.py would fail.
                visit.subject = None
        if visit.subject is not None and now - visit.subject.session.last_seen_at >= TOUCH_EVERY:
            visitor = visit.visitor
            self.touch(visit.subject.session.fingerprint, now, visitor.agent_text, visitor.address_text)
        return visit

    def _own(self, lines: list[bytes], name: str) -> str:
        values = find_cookies(lines, name.encode("ascii"))
        # Values of ours are ASCII; anything else under our name was put there by somebody else.
        return values[0].decode("ascii") if len(values) == 1 and values[0].isascii() else ""

    def scheme_of(self, scope: Scope) -> str:
        """How the visitor came, as `Visit.scheme`. InputError where a proxy says it twice."""
        client, headers, own = scope.get("client"), scope["headers"], scope.get("scheme", "")
        peer: str = client[0] if client else ""
        if not self.trust.trusts(peer):
            return ""
        told = find_header(headers, b"x-forwarded-proto")
        if told is None:
            return own if own == "https" else ""
        return told.decode("ascii", "replace") if told in {b"http", b"https"} else ""


def _is_named(user: User, login: str) -> bool:
    return login in {user.name, user.email}


def know_browser(visit: Visit, cookies: Cookies, random: Random) -> None:
    """Give the browser its pre-session cookie if it has none, so that tickets, offers and tokens can be bound to it."""
    if visit.browser:
        return
    visit.browser = base64.urlsafe_b64encode(random.token(_BROWSER_SIZE)).rstrip(b"=").decode("ascii")
    visit.visitor = replace(visit.visitor, browser=hash_browser(visit.browser))
    visit.cookies_out += cookies.set_browser(visit.browser)


def find_header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a header that is there exactly once. InputError where it is there more often."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise InputError(f"the header {name.decode('ascii')} is there twice")
    return values[0] if values else None


def read_language(headers: list[tuple[bytes, bytes]], *, own: str = "") -> str:
    """The language a request is to be answered in; `own` is the account's choice."""
    return choose((_joined(headers, b"accept-language") or b"").decode("latin-1"), own=own)


def _joined(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    values = [value for key, value in headers if key == name]
    return b",".join(values) if values else None
