"""One check in the making: what has been found out about it so far, for its answer, its log line and its count."""

from datetime import datetime
from typing import NamedTuple

from doorward.errors import InputError
from doorward.rules.identity import User
from doorward.rules.policy import Address
from doorward.rules.reason import Reason
from doorward.rules.request import (
    AccessRequest,
    acts_from_elsewhere,
    parse_host,
    parse_method,
    parse_scheme,
    parse_target,
)
from doorward.web.gate.dialect import Dialect, Fields, Question
from doorward.web.gate.shown import API_KEY, AUTHORIZATION, NOTHING, Shown
from doorward.web.gate.table import Credential, Entry


class Origin(NamedTuple):
    """Method, scheme, host and port, canonical; `port` is "" where it is the scheme's own."""

    method: str
    scheme: str
    host: str
    port: str


class Check:
    """Filled in step by step; what is not reached keeps its first value."""

    __slots__ = (
        "client", "dialect", "entry", "fields", "now", "peer", "question", "reason", "request", "shown", "single_user",
        "torn", "verdict",
    )  # fmt: skip

    now: datetime
    question: Question

    def __init__(self, dialect: Dialect, peer: str) -> None:
        self.dialect = dialect
        self.peer = peer
        self.fields: Fields = {}
        self.client: Address | None = None
        self.request: AccessRequest | None = None
        self.entry: Entry | None = None
        self.single_user: User | None = None
        """Who it is decided for where nobody is signed in, by the network it comes from."""
        self.shown: Shown = NOTHING
        """What is shown besides cookies."""
        self.torn = False
        """Whether several cookies of our name came."""
        self.verdict = "error"
        self.reason = Reason.UNAVAILABLE

    def canonical(self, origin: Origin) -> AccessRequest:
        """The request in the form rules see. InputError when its target is malformed."""
        path, target, ambiguous = parse_target(self.question[3])
        fields = self.fields
        preflight = origin.method == "OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields
        elsewhere = acts_from_elsewhere(
            origin.method,
            origin.host,
            origin=fields.get(b"origin"),
            site=fields.get(b"sec-fetch-site"),
            websocket=self.opens_websocket(),
        )
        return AccessRequest(
            origin.method,
            origin.scheme,
            origin.host,
            path,
            target,
            ambiguous,
            self.client,
            origin.port,
            preflight,
            elsewhere,
            self.opens_websocket(),
            self.shown.in_url,
        )

    @property
    def user(self) -> User | None:
        """Who it is decided for, or whose session has ended; None where nobody is known."""
        if self.single_user is not None:
            return self.single_user
        return self.entry.subject.user if self.entry is not None else None

    @property
    def credential(self) -> Credential | None:
        """What this check is remembered by; None where it shows nothing that could be."""
        return None if self.shown.in_url else credential_of(self.fields)

    def opens_websocket(self) -> bool:
        """Whether this may begin a websocket, which is a GET and can do anything.

        SECURITY: any of the signs will do. Browsers send `Sec-Fetch-Mode` over https only, proxies take `Upgrade` out
        of what they ask, and only some tell a scheme of its own. tests/unit/test_cross_site.py would fail.
        """
        fields = self.fields
        return (
            not _WEBSOCKET.isdisjoint(fields)
            or fields.get(b"sec-fetch-mode") == b"websocket"
            or self.question[1].lower() in {b"ws", b"wss"}
        )

    def is_browser(self) -> bool:
        """Whether anything says that a browser asks; programs send none of these."""
        return any(name.startswith(b"sec-fetch-") or name in _OF_BROWSERS for name in self.fields)

    def sends_form(self) -> bool:
        """Whether a person's browser opens a page by sending a form of that very app, which a redirect would lose.

        SECURITY: a form made elsewhere, even by another app of this site, is not one to ask a person to prove something
        for and send again. tests/unit/test_gate.py would fail.
        """
        request = self.request
        if request is None or request.method in _SAFE or not self.is_navigation():
            return False
        return self.fields.get(b"sec-fetch-site", b"none") in {b"same-origin", b"none"}

    def is_navigation(self) -> bool:
        """Whether a person's browser opens a page, so that a redirect or a page makes sense (proxies differ; C-06)."""
        fields = self.fields
        if b"upgrade" in fields or (self.request is not None and self.request.method == "OPTIONS"):
            return False
        mode = fields.get(b"sec-fetch-mode")
        if mode is not None:
            return mode == b"navigate"
        if b"x-requested-with" in fields:
            return False
        return b"text/html" in fields.get(b"accept", b"")


def credential_of(fields: Fields) -> Credential | None:
    """What a check with these headers is remembered by; None where it shows nothing."""
    cookie = fields.get(b"cookie")
    if AUTHORIZATION in fields or API_KEY in fields:
        signs = not MAY_BE_WEBSOCKET.isdisjoint(fields)
        return (cookie, fields.get(AUTHORIZATION), fields.get(API_KEY), signs)
    return cookie


def read_origin(question: Question) -> Origin:
    """Method, scheme and host of a question. InputError when one of them is malformed."""
    try:
        method, scheme, host = (raw.decode("ascii") for raw in question[:3])
    except UnicodeDecodeError:
        raise InputError("a forwarded header is not ASCII") from None
    scheme = parse_scheme(scheme)
    host, port = parse_host(host)
    return Origin(parse_method(method), scheme, host, "" if port == _DEFAULT_PORTS[scheme] else port)


_OF_BROWSERS = frozenset({b"origin", b"x-requested-with"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WEBSOCKET = frozenset({b"upgrade", b"sec-websocket-key", b"sec-websocket-version"})
MAY_BE_WEBSOCKET = _WEBSOCKET | {b"sec-fetch-mode"}
"""Headers without which only the scheme says that this begins a websocket."""
_DEFAULT_PORTS = {"http": "80", "https": "443"}
