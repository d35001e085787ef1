"""Refusals as answers: content negotiation, statuses, the way to sign in, the page and the problem document."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import NamedTuple
from urllib.parse import quote

from doorward.interfaces import Random
from doorward.rules.access import Challenge, Deny
from doorward.rules.language import choose
from doorward.rules.policy import App, Policy
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest
from doorward.web.gate.answer import Answer, header_block
from doorward.web.gate.check import Check
from doorward.web.gate.dialect import LOGIN_HEADER, SECRET_HEADER, Headers
from doorward.web.gate.refusal_log import RefusalLog
from doorward.web.gate.settings import GateSettings


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
    login_url: str = ""
    """Where to prove what is missing, where a form was held back for that; "" everywhere else."""
    language: str = "en"


RefusalPage = Callable[[Refusal], tuple[bytes, Headers]]
"""Render a refusal for a person: HTML in UTF-8, and the headers that belong to it (its own Content-Security-Policy)."""

CONFIRMED_PATH = "/confirmed"
"""The page of ours that says to go back to the other tab."""

DEVICE_PATH = "/api/device/code"
"""Where a device asks for a key of its own (RFC 8628)."""

STATUSES = {
    Reason.KEY_INVALID: HTTPStatus.UNAUTHORIZED,
    Reason.KEY_EXPIRED: HTTPStatus.UNAUTHORIZED,
    Reason.KEY_ASLEEP: HTTPStatus.UNAUTHORIZED,
    Reason.KEY_TRIES: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.CREDENTIALS_DIFFER: HTTPStatus.BAD_REQUEST,
    Reason.LOCKDOWN: HTTPStatus.FORBIDDEN,
    Reason.OWNER_PENDING: HTTPStatus.FORBIDDEN,
}
"""Of refusals that are no plain 403."""

MutableHeaders = list[tuple[bytes, bytes]]


class Refuser:
    """Writes every answer that is not an allow."""

    def __init__(self, *, settings: GateSettings, random: Random, log: RefusalLog, page: RefusalPage) -> None:
        self.settings = settings
        self._random = random
        self._log = log
        self._page = page
        self._device_url = settings.public_url + DEVICE_PATH if settings.pairs_devices else ""

    def answer(self, check: Check, request: AccessRequest, verdict: Challenge | Deny, policy: Policy) -> Answer:
        """The answer to a verdict of the rules."""
        rule = verdict.rule.name if verdict.rule else ""
        if isinstance(verdict, Deny):
            status = STATUSES.get(verdict.reason, HTTPStatus.FORBIDDEN)
            return self.refuse(check, status, verdict.reason, policy, rule=rule)
        if request.scheme == "http" and self.settings.cookie_secure:
            # The browser will not send a Secure cookie here, so a sign-in would lead straight back to this point.
            return self.refuse(check, HTTPStatus.FORBIDDEN, Reason.INSECURE_SCHEME, policy, rule=rule)
        return self._challenge(check, request, verdict, policy)

    def _ask_for_key(self, check: Check, policy: Policy) -> Headers:
        """The challenge of a 401 (RFC 9110 11.6.1).

        SECURITY: Basic is for programs alone, such as git and calendars, which send nothing before they are asked. A
        browser would show a dialog of its own for it, which looks like nobody's and asks for a password.
        tests/unit/test_gate_keys.py would fail.
        """
        error = b', error="invalid_token"' if check.shown.keys else b""
        bearer = (b"www-authenticate", b'Bearer realm="doorward"' + error)
        app = policy.app_of(check.request.host) if check.request is not None else None
        takes_keys = app is None or app.keys
        if takes_keys and not check.is_navigation() and not check.is_browser():
            # First, for a proxy that passes on but one asks for what cannot do without being asked.
            return ((b"www-authenticate", b'Basic realm="doorward", charset="UTF-8"'), bearer)
        return (bearer,)

    def refuse(
        self,
        check: Check,
        status: int,
        reason: Reason,
        policy: Policy,
        *,
        detail: str = "",
        rule: str = "",
        wait: timedelta = timedelta(0),
    ) -> Answer:
        """Say no, with a page to a person and a problem document to a program."""
        check.reason = reason
        check.verdict = "deny" if status in _DENIALS else "error"
        correlation_id = self._random.token(5).hex()
        self._note(check, reason, policy, detail=detail, rule=rule, correlation_id=correlation_id)
        headers: MutableHeaders = [*self.settings.refusal_headers]
        carried = check.dialect.status(status)
        device_url = ""
        if carried == HTTPStatus.UNAUTHORIZED:
            device_url = self._device_url
            headers += self._ask_for_key(check, policy)
        if carried == HTTPStatus.TOO_MANY_REQUESTS:
            headers.append((b"retry-after", b"%d" % max(1, ceil(wait.total_seconds()))))
        # Whoever follows an address with a key in it is a person; a program with a key is told what it can read.
        shows_page = check.is_navigation() and (check.is_browser() or not check.shown.keys)
        body = self._render(check, carried, correlation_id, policy, headers) if shows_page else None
        if body is None:
            body = problem(carried, reason, correlation_id=correlation_id, device_url=device_url)
            headers.append((b"content-type", b"application/problem+json"))
        headers.append((b"content-length", b"%d" % len(body)))
        return _finish(check, Answer(carried, header_block(headers), body))

    def _challenge(self, check: Check, request: AccessRequest, challenge: Challenge, policy: Policy) -> Answer:
        check.verdict, check.reason = "challenge", challenge.reason
        if check.sends_form() and check.dialect.redirects():
            return self._hold_back(check, challenge, policy)
        reason, rule = challenge.reason, challenge.rule
        self._note(check, reason, policy, rule=rule.name if rule else "")
        login = self._login_url(request.url, challenge).encode("ascii")
        navigation = check.is_navigation()
        headers: MutableHeaders = [*self.settings.refusal_headers]
        if check.torn:
            headers += self._clear_cookies()
        if navigation and check.dialect.redirects():
            headers += [(b"location", login), (b"content-length", b"0")]
            return _finish(check, Answer(HTTPStatus.SEE_OTHER, header_block(headers)))
        headers += [*self._ask_for_key(check, policy), (LOGIN_HEADER, login)]
        if navigation:
            headers.append((b"location", login))
        login_url = login.decode("ascii")
        body = problem(HTTPStatus.UNAUTHORIZED, reason, login_url=login_url, device_url=self._device_url)
        headers += [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        return _finish(check, Answer(HTTPStatus.UNAUTHORIZED, header_block(headers), body))

    def _hold_back(self, check: Check, challenge: Challenge, policy: Policy) -> Answer:
        """A page in place of what a form was to do. A redirect would lose what somebody filled in, without a word.

        It stands at the form's own address, as the answer to it, so that reloading it sends the same form again.
        """
        reason, rule = challenge.reason, challenge.rule
        correlation_id = self._random.token(5).hex()
        self._note(check, reason, policy, rule=rule.name if rule else "", correlation_id=correlation_id)
        login_url = self._login_url(self.settings.public_url + CONFIRMED_PATH, challenge)
        headers: MutableHeaders = [*self.settings.refusal_headers]
        if check.torn:
            headers += self._clear_cookies()
        status = check.dialect.status(HTTPStatus.FORBIDDEN)
        body = self._render(check, status, correlation_id, policy, headers, login_url)
        if body is None:
            body = problem(status, reason, login_url=login_url, correlation_id=correlation_id)
            headers.append((b"content-type", b"application/problem+json"))
        headers.append((b"content-length", b"%d" % len(body)))
        return _finish(check, Answer(status, header_block(headers), body))

    def _render(
        self,
        check: Check,
        status: int,
        correlation_id: str,
        policy: Policy,
        headers: MutableHeaders,
        login_url: str = "",
    ) -> bytes | None:
        request, user = check.request, check.user
        refusal = Refusal(
            status=status,
            reason=check.reason,
            correlation_id=correlation_id,
            host=request.host if request else "",
            url=request.url if request else "",
            app=policy.app_of(request.host) if request else None,
            user_name=user.display_name if user else "",
            switch_url=self._switch_url(check),
            login_url=login_url,
            language=choose(
                check.fields.get(b"accept-language", b"").decode("latin-1"),
                own=user.language if user else "",
            ),
        )
        try:
            body, own = self._page(refusal)
        except Exception as error:  # noqa: BLE001 -- a page that cannot be drawn must not change the answer
            self._log.note("refusal_page_failed", Reason.UNAVAILABLE, error=repr(error))
            return None
        replaced = {name for name, _ in own}
        headers[:] = [*((name, value) for name, value in headers if name not in replaced), *own]
        headers.append((b"content-type", b"text/html; charset=utf-8"))
        return body

    def _note(
        self,
        check: Check,
        reason: Reason,
        policy: Policy,
        *,
        detail: str = "",
        rule: str = "",
        correlation_id: str = "",
    ) -> None:
        request, name = check.request, check.dialect.name
        fields: dict[str, object] = {"proxy": name, "peer": check.peer or "unix"}
        if request is not None:
            app = policy.app_of(request.host)
            fields |= {
                "app": app.name if app else "",
                "host": request.host,
                "method": request.method,
                "path": request.path[:_MAX_LOGGED],
                "client": str(request.client or ""),
            }
        if check.user is not None:
            fields["user"] = check.user.name
        if check.entry is not None and check.entry.subject.key is not None:
            fields["key"] = check.entry.subject.key.id
        if check.single_user is not None:
            fields["single_user"] = "yes"
        fields |= {key: value for key, value in (("rule", rule), ("correlation_id", correlation_id)) if value}
        if detail:
            fields["detail"] = detail[:_MAX_LOGGED]
        if reason is Reason.PROXY_UNTRUSTED:
            fields["hint"] = f"if this is your proxy, add {check.peer or 'unix'} to proxy.trusted"
        elif reason is Reason.PROXY_SECRET:
            send = f"have the proxy send {SECRET_HEADER.decode()} with the value of proxy.secrets.{name}"
            fields["hint"] = send if name in self.settings.secrets else f"set proxy.secrets.{name}, too, and {send}"
        self._log.note("check_refused", reason, **fields)

    def _login_url(self, return_to: str, challenge: Challenge) -> str:
        words = "".join(f"&{word}" for word in _words_of(challenge))
        return f"{self.settings.public_url}/login?rd={quote(return_to, safe='')}{words}"

    def _switch_url(self, check: Check) -> str:
        if check.single_user is not None:
            return self.settings.public_url + "/login"  # nobody is signed in who could sign out
        return self.settings.public_url + "/logout" if check.entry is not None else ""

    def _clear_cookies(self) -> Headers:
        name = self.settings.cookie_name
        rest = b"=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" + (b"; Secure" if self.settings.cookie_secure else b"")
        host_only = (b"set-cookie", name + rest)
        if not self.settings.cookie_domain:
            return (host_only,)
        return (host_only, (b"set-cookie", name + rest + b"; Domain=" + self.settings.cookie_domain.encode("ascii")))


def problem(
    status: int, reason: Reason, *, login_url: str = "", correlation_id: str = "", device_url: str = ""
) -> bytes:
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
    if device_url:
        content["device_authorization_url"] = device_url
    if correlation_id:
        content["correlation_id"] = correlation_id
    return json.dumps(content).encode("ascii")


def _words_of(challenge: Challenge) -> Iterator[str]:
    """What to prove, as it stands in the sign-in page's address.

    What a rule asks for beside a fresh sign-in is asked for together with it, or there would be two journeys.
    """
    asked = challenge.rule.requirement if challenge.rule else None
    is_stale = challenge.reason is Reason.NOT_FRESH
    if is_stale:
        yield "fresh=1"
    if challenge.reason is Reason.PASSKEY_REQUIRED or (is_stale and asked is not None and asked.passkey):
        yield "need=passkey"
    elif challenge.reason is Reason.TWO_FACTOR_REQUIRED or (is_stale and asked is not None and asked.two_factor):
        yield "need=two_factor"


def _finish(check: Check, answer: Answer) -> Answer:
    # After an upgrade request the parser does not read on, so the connection cannot be kept.
    if b"upgrade" in check.fields:
        return answer._replace(head=answer.head + b"connection: close\r\n")
    return answer


_MAX_LOGGED = 200
_DENIALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
