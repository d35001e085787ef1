"""The check: a proxy's question to an answer, without awaiting anything. Both lanes call `Gate.answer`.

Hops 2 to 6 of the journey stand inside one `try`: bad input is 400, anything else that goes wrong 503, and neither
carries an identity header. No login state is created here: the way to sign in is an address of our own.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

from doorward.errors import InputError
from doorward.interfaces import Clock, Log, Random
from doorward.rules.access import Allow, Challenge, Deny, decide
from doorward.rules.cookie import find_cookies, without_cookies
from doorward.rules.policy import App, Policy
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest, parse_host, parse_method, parse_scheme, parse_target
from doorward.rules.token import read_cookie
from doorward.web.client import Trust
from doorward.web.gate.answer import Answer, header_block
from doorward.web.gate.dialect import (
    LOGIN_HEADER,
    SECRET_HEADER,
    Dialect,
    Fields,
    Headers,
    Question,
    gather,
)
from doorward.web.gate.identity import FORWARDED, IdentityHeaders
from doorward.web.gate.proxies import DIALECTS
from doorward.web.gate.refusals import RefusalLog
from doorward.web.gate.table import TOUCH_EVERY, Entry, SessionTable, Touch

ANCESTOR_PATH = b"/api/auth/forwardauth"
"""The ancestor's address of the check (C-06); answered as for Traefik."""

AUTHZ_PATH = b"/api/authz/"
CHECK_PREFIXES = (ANCESTOR_PATH, b"/api/authz")
"""Nothing under these is ever answered by anything but the gate (C12)."""


class Refusal(NamedTuple):
    """What a page about a refusal may tell the visitor."""

    status: int
    reason: Reason
    correlation_id: str
    host: str
    url: str
    app: App | None
    user_name: str
    switch_url: str
    """Where to sign in as somebody else; "" where that makes no sense."""


RefusalPage = Callable[[Refusal], tuple[bytes, Headers]]
"""Render a refusal for a person: HTML in UTF-8, and the headers that belong to it (its own Content-Security-Policy)."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the gate needs to know besides the policy. `public_url` without a trailing slash."""

    public_url: str
    cookie_name: bytes
    cookie_domain: str
    cookie_secure: bool
    identity: IdentityHeaders = FORWARDED
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    """Shared secret by dialect; a dialect without one needs none."""
    private_cookies: frozenset[bytes] = frozenset()
    """Names of ours besides the session's that an app must not see."""
    client_headers: Headers = ()
    """Security headers for every answer that reaches a visitor."""


class Tally:
    """Plain counters of the gate's work, read by the metrics at scrape time."""

    def __init__(self) -> None:
        self.checks: dict[tuple[str, str, Reason, int, str], list[float]] = {}
        """(dialect, verdict, reason, status, method of the check) to [number, seconds]."""

    def count(self, key: tuple[str, str, Reason, int, str], seconds: float) -> None:
        """Count one answered check."""
        cell = self.checks.get(key)
        if cell is None:
            self.checks[key] = [1, seconds]
        else:
            cell[0] += 1
            cell[1] += seconds


class _Context:
    """What is known about the check at hand, for its refusal and its place in the counters."""

    __slots__ = ("client", "entry", "fields", "reason", "request", "torn", "verdict")

    def __init__(self) -> None:
        self.fields: Fields = {}
        self.request: AccessRequest | None = None
        self.client = ""
        self.entry: Entry | None = None
        self.torn = False
        self.verdict = "error"
        self.reason = Reason.UNAVAILABLE


class Gate:
    """Answers checks. One per process; `policy` and `settings` may be replaced at any moment (a reload)."""

    def __init__(
        self,
        *,
        policy: Policy,
        settings: GateSettings,
        trust: Trust,
        table: SessionTable,
        signing_key: bytes,
        clock: Clock,
        random: Random,
        log: Log,
        touch: Touch,
        page: RefusalPage,
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.trust = trust
        self.table = table
        self.tally = Tally()
        self._signing_key = signing_key
        self._clock = clock
        self._random = random
        self._refusals = RefusalLog(log)
        self._touch = touch
        self._page = page
        self._hosts: dict[str, tuple[str, str]] = {}

    def answer(self, dialect: Dialect, method: bytes, target: bytes, headers: Headers, peer: str) -> Answer:
        """Answer one check. `target` follows the endpoint's own path; `peer` is the socket's address, "" for unix."""
        began = self._clock.elapsed()
        context = _Context()
        try:
            answer = self._judge(dialect, method, target, headers, peer, context)
        except InputError as error:
            answer = self._refuse(dialect, context, HTTPStatus.BAD_REQUEST, Reason.BAD_REQUEST, peer, detail=str(error))
        except Exception as error:  # noqa: BLE001 -- whatever happens, the answer is a refusal
            answer = self._refuse(
                dialect, context, HTTPStatus.SERVICE_UNAVAILABLE, Reason.UNAVAILABLE, peer, detail=repr(error)
            )
        word = _METHODS.get(method, "other")
        self.tally.count(
            (dialect.name, context.verdict, context.reason, answer.status, word), self._clock.elapsed() - began
        )
        return answer

    def _judge(
        self, dialect: Dialect, method: bytes, target: bytes, headers: Headers, peer: str, context: _Context
    ) -> Answer:
        now = self._clock.now()
        context.fields = fields = gather(headers)
        if not self.trust.trusts(peer):
            return self._refuse(dialect, context, HTTPStatus.FORBIDDEN, Reason.PROXY_UNTRUSTED, peer)
        secret = self.settings.secrets.get(dialect.name)
        if secret is not None and not hmac.compare_digest(fields.get(SECRET_HEADER, b""), secret):
            return self._refuse(dialect, context, HTTPStatus.FORBIDDEN, Reason.PROXY_SECRET, peer)
        context.request = request = self._canonical(dialect.read(fields, method, target), fields, peer)
        policy = self.policy

        cookie = fields.get(b"cookie")
        entry = self._find_entry(cookie, context, now) if cookie is not None else None
        if entry is not None:
            context.entry = entry
            if entry.policy is not policy:
                entry.reset(policy)
            if now < entry.lives_until:
                entry.last_seen_at = now
                if now - entry.written_at >= TOUCH_EVERY:
                    self._note_use(entry, request, fields, now)
                if request.host in entry.open_hosts and not request.preflight:
                    context.verdict, context.reason = "allow", Reason.RULE
                    return self._allow(dialect, entry, policy, cookie, fields)

        verdict = decide(request, entry.subject if entry else None, policy, now=now)
        match verdict:
            case Allow(reason=reason, subject=subject):
                context.verdict, context.reason = "allow", reason
                if subject is not None and entry is not None and not policy.for_host(request.host).facets:
                    entry.open_hosts.add(request.host)
                return self._allow(dialect, entry if subject is not None else None, policy, cookie, fields)
            case Challenge() | Deny():
                return self._answer_refusal(dialect, context, verdict, cookie is not None and entry is None, peer)

    def _canonical(self, question: Question, fields: Fields, peer: str) -> AccessRequest:
        known = self._hosts.get(question.host)
        if known is None:
            known = parse_host(question.host)
            if len(self._hosts) >= _MAX_REMEMBERED_HOSTS:
                self._hosts.clear()
            self._hosts[question.host] = known
        host, port = known
        method = question.method if question.method in _PLAIN_METHODS else parse_method(question.method)
        scheme = question.scheme if question.scheme == "https" else parse_scheme(question.scheme)
        if port and port == _DEFAULT_PORTS[scheme]:
            port = ""
        path, target, ambiguous = parse_target(question.target)
        client = self.trust.client_address(peer, fields.get(b"x-forwarded-for"))
        preflight = method == "OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields
        return AccessRequest(method, scheme, host, path, target, ambiguous, client, port, preflight)

    def _find_entry(self, cookie: bytes, context: _Context, now: datetime) -> Entry | None:
        values = find_cookies((cookie,), self.settings.cookie_name)
        if len(values) != 1:
            # SECURITY: two cookies of our name are none (J06): one of them was planted.
            context.torn = len(values) > 1
            return None
        fingerprint = read_cookie(values[0], self._signing_key)
        return self.table.find(fingerprint, now) if fingerprint is not None else None

    def _note_use(self, entry: Entry, request: AccessRequest, fields: Fields, now: datetime) -> None:
        entry.written_at = now
        agent = fields.get(b"user-agent", b"").decode("utf-8", "replace")
        self._touch(entry.subject.session.fingerprint, now, agent, str(request.client or ""))

    def _allow(
        self, dialect: Dialect, entry: Entry | None, policy: Policy, cookie: bytes | None, fields: Fields
    ) -> Answer:
        if entry is None:
            block = header_block(dialect.identify(self.settings.identity.of(None, ())))
        else:
            known = entry.identity.get(dialect.name)
            if known is None:
                user = entry.subject.user
                known = header_block(dialect.identify(self.settings.identity.of(user, policy.groups_of(user))))
                entry.identity[dialect.name] = known
            block = known
        if cookie is not None:
            names = {self.settings.cookie_name, *self.settings.private_cookies}
            stripped = dialect.strip(_printable(without_cookies((cookie,), names)))
            block += header_block(stripped) if stripped else b""
        return Answer(HTTPStatus.OK, block + (_ALLOW_END_CLOSE if b"upgrade" in fields else _ALLOW_END))

    def _answer_refusal(
        self, dialect: Dialect, context: _Context, verdict: Challenge | Deny, unknown: bool, peer: str
    ) -> Answer:
        request = context.request
        reason = verdict.reason
        rule = verdict.rule.name if verdict.rule else ""
        if isinstance(verdict, Deny) or request is None:
            return self._refuse(dialect, context, HTTPStatus.FORBIDDEN, reason, peer, rule=rule)
        if request.scheme == "http" and self.settings.cookie_secure:
            # The browser will not send a Secure cookie here, so a sign-in would lead straight back to this point.
            return self._refuse(dialect, context, HTTPStatus.FORBIDDEN, Reason.INSECURE_SCHEME, peer, rule=rule)
        if (
            reason is Reason.NO_SESSION
            and unknown
            and context.fields.get(b"cookie", b"").find(self.settings.cookie_name) >= 0
        ):
            reason = Reason.SESSION_UNKNOWN
        return self._challenge(dialect, context, request, reason, peer, rule)

    def _challenge(
        self, dialect: Dialect, context: _Context, request: AccessRequest, reason: Reason, peer: str, rule: str
    ) -> Answer:
        context.verdict, context.reason = "challenge", reason
        self._log_refusal(dialect, context, reason, peer, "", rule, "")
        login = self._login_url(request, fresh=reason is Reason.NOT_FRESH)
        navigation = is_navigation(context.fields, request)
        headers: list[tuple[bytes, bytes]] = [*self.settings.client_headers, *_NO_STORE]
        if context.torn:
            headers += self._clear_cookies()
        if navigation and dialect.redirects():
            headers += [(b"location", login), (b"content-length", b"0")]
            return self._close_if_upgrade(context, Answer(HTTPStatus.SEE_OTHER, header_block(headers)))
        headers += [(b"www-authenticate", b'Doorward realm="doorward"'), (LOGIN_HEADER, login)]
        if navigation:
            headers.append((b"location", login))
        body = problem(HTTPStatus.UNAUTHORIZED, reason, login_url=login.decode("ascii"))
        headers += [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        return self._close_if_upgrade(context, Answer(HTTPStatus.UNAUTHORIZED, header_block(headers), body))

    def _refuse(
        self,
        dialect: Dialect,
        context: _Context,
        status: int,
        reason: Reason,
        peer: str,
        *,
        detail: str = "",
        rule: str = "",
    ) -> Answer:
        context.reason = reason
        context.verdict = "deny" if status == HTTPStatus.FORBIDDEN else "error"
        correlation_id = self._random.token(5).hex()
        self._log_refusal(dialect, context, reason, peer, detail, rule, correlation_id)
        request = context.request
        headers: list[tuple[bytes, bytes]] = [*self.settings.client_headers, *_NO_STORE]
        carried = dialect.status(status)
        body: bytes | None = None
        if request is not None and is_navigation(context.fields, request):
            body = self._render(carried, reason, correlation_id, context, request, headers)
        if body is None:
            body = problem(carried, reason, correlation_id=correlation_id)
            headers.append((b"content-type", b"application/problem+json"))
        headers.append((b"content-length", b"%d" % len(body)))
        return self._close_if_upgrade(context, Answer(carried, header_block(headers), body))

    def _render(
        self,
        status: int,
        reason: Reason,
        correlation_id: str,
        context: _Context,
        request: AccessRequest,
        headers: list[tuple[bytes, bytes]],
    ) -> bytes | None:
        rules = self.policy.for_host(request.host)
        refusal = Refusal(
            status=status,
            reason=reason,
            correlation_id=correlation_id,
            host=request.host,
            url=request.url,
            app=rules.app,
            user_name=context.entry.subject.user.display_name if context.entry else "",
            switch_url=self.settings.public_url + "/logout" if context.entry else "",
        )
        try:
            body, own = self._page(refusal)
        except Exception as error:  # noqa: BLE001 -- a page that cannot be drawn must not turn into anything else
            self._refusals.note("refusal_page_failed", Reason.UNAVAILABLE, error=repr(error))
            return None
        replaced = {name for name, _ in own}
        headers[:] = [*((name, value) for name, value in headers if name not in replaced), *own]
        headers.append((b"content-type", b"text/html; charset=utf-8"))
        return body

    def _log_refusal(
        self,
        dialect: Dialect,
        context: _Context,
        reason: Reason,
        peer: str,
        detail: str,
        rule: str,
        correlation_id: str,
    ) -> None:
        request = context.request
        fields: dict[str, object] = {"proxy": dialect.name, "peer": peer or "unix"}
        if request is not None:
            app = self.policy.for_host(request.host).app
            fields |= {
                "app": app.name if app else "",
                "host": request.host,
                "method": request.method,
                "path": request.path[:_MAX_LOGGED],
                "client": str(request.client or ""),
            }
        if context.entry is not None:
            fields["user"] = context.entry.subject.user.name
        if rule:
            fields["rule"] = rule
        if detail:
            fields["detail"] = detail[:_MAX_LOGGED]
        if correlation_id:
            fields["correlation_id"] = correlation_id
        if reason is Reason.PROXY_UNTRUSTED:
            fields["hint"] = f"if this is your proxy, add {peer or 'unix'} to proxy.trusted"
        elif reason is Reason.PROXY_SECRET:
            fields["hint"] = (
                f"have the proxy send {SECRET_HEADER.decode()} with the value of proxy.secrets.{dialect.name}"
            )
        self._refusals.note("check_refused", reason, **fields)

    def _login_url(self, request: AccessRequest, *, fresh: bool) -> bytes:
        address = f"{self.settings.public_url}/login?rd={quote(request.url, safe='')}"
        return (address + "&fresh=1" if fresh else address).encode("ascii")

    def _clear_cookies(self) -> Headers:
        name = self.settings.cookie_name
        rest = b"=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" + (b"; Secure" if self.settings.cookie_secure else b"")
        host_only = (b"set-cookie", name + rest)
        if not self.settings.cookie_domain:
            return (host_only,)
        return (host_only, (b"set-cookie", name + rest + b"; Domain=" + self.settings.cookie_domain.encode("ascii")))

    def _close_if_upgrade(self, context: _Context, answer: Answer) -> Answer:
        # After an upgrade request the parser does not read on, so the connection cannot be kept.
        if b"upgrade" not in context.fields:
            return answer
        return answer._replace(head=answer.head + b"connection: close\r\n")


def find_dialect(target: bytes) -> tuple[Dialect, bytes] | None:
    """The dialect that answers this raw request target, and what follows the endpoint's path; None if there is none."""
    path = target.partition(b"?")[0]
    found = _BY_PATH.get(path)
    if found is not None:
        return found, b""
    for prefix, dialect in _BY_PREFIX:
        if target.startswith(prefix) and target[len(prefix) : len(prefix) + 1] in {b"/", b"?"}:
            return dialect, target[len(prefix) :]
    return None


def is_check_path(target: bytes) -> bool:
    """Whether the raw target lies under the gate's own prefixes, however it is spelt after them."""
    return target.startswith(CHECK_PREFIXES)


def is_navigation(fields: Fields, request: AccessRequest) -> bool:
    """Whether a person's browser is opening a page, so that a redirect or a page makes sense (proxies.md 1.5)."""
    if b"upgrade" in fields or request.method == "OPTIONS":
        return False
    mode = fields.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    if b"x-requested-with" in fields:
        return False
    return b"text/html" in fields.get(b"accept", b"")


def problem(status: int, reason: Reason, *, login_url: str = "", correlation_id: str = "") -> bytes:
    """A problem document (RFC 9457) for a program."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": reason.sentence,
        "reason": reason.value,
    }
    if login_url:
        content["login_url"] = login_url
    if correlation_id:
        content["correlation_id"] = correlation_id
    return json.dumps(content).encode("ascii")


def _printable(value: bytes) -> bytes:
    """What is left of a Cookie header, without control bytes, which may not stand in a header of ours."""
    return value.translate(None, _UNPRINTABLE)


_UNPRINTABLE = bytes({*range(0x20), 0x7F})
_ALLOW_END = b"cache-control: no-store\r\ncontent-length: 0\r\n"
_ALLOW_END_CLOSE = _ALLOW_END + b"connection: close\r\n"
_NO_STORE = ((b"cache-control", b"no-store"),)
_MAX_LOGGED = 200
_MAX_REMEMBERED_HOSTS = 4096
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PLAIN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHODS = {word.encode(): word for word in _PLAIN_METHODS}
_BY_PATH: dict[bytes, Dialect] = {
    ANCESTOR_PATH: DIALECTS[0],
    **{AUTHZ_PATH + dialect.name.encode(): dialect for dialect in DIALECTS if not dialect.prefix},
}
_BY_PREFIX = [(AUTHZ_PATH + dialect.name.encode(), dialect) for dialect in DIALECTS if dialect.prefix]
