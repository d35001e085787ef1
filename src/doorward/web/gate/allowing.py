"""An allow: who it is, what is left of the headers that showed it, and what the app is told of its own."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

from doorward.errors import TamperError, UnavailableError
from doorward.rules.cookie import find_cookies, without_cookies
from doorward.rules.policy import App, Policy
from doorward.rules.request import AccessRequest
from doorward.rules.session import SessionHandle, Subject
from doorward.rules.token import COOKIE_LENGTH
from doorward.web.gate.answer import Answer, header_block
from doorward.web.gate.app_answer import AppHeaders, Minter
from doorward.web.gate.check import Check
from doorward.web.gate.dialect import Headers, Identity
from doorward.web.gate.settings import GateSettings
from doorward.web.gate.table import Asked, HostAnswer, Minted

MOST_MINTED: Final = 20_000
"""Assertions that are kept at once."""
MOST_MINTED_PATH: Final = 256
"""Bytes of the path of one that is kept: a visitor can make up any number of them, and each holds its path twice."""


class AppSecretError(UnavailableError):
    """What an app is to be shown cannot be had."""


class Allowing:
    """Writes every allow, and remembers assertions for half of their life."""

    def __init__(
        self,
        settings: GateSettings,
        minted: dict[Asked, Minted],
        *,
        app_headers: AppHeaders | None,
        minter: Minter | None,
    ) -> None:
        """`minted` is the memory for assertions. Its owner empties it when anything is taken away or altered."""
        self._identity = settings.identity
        self._session_cookie = settings.cookie_name
        self._private = frozenset({settings.cookie_name, *settings.private_cookies})
        self._assertion_header = settings.assertion_header
        self._app_headers = app_headers
        self._minter = minter
        self._minted = minted
        self._policy: Policy | None = None

    def own_of(self, app: App | None) -> App | None:
        """The app, where it is told more than others."""
        return app if app is not None and (app.headers or self._asserts_to(app)) else None

    def allow(self, check: Check, request: AccessRequest, subject: Subject | None, policy: Policy) -> Answer:
        """The answer. UnavailableError, maybe as AppSecretError, when the app cannot be told what it is to be told.

        SECURITY: every name of ours is set, whoever it is, so that nothing of that name survives which a visitor sent;
        and what is the app's own replaces both that and what is left. tests/unit/test_gate_apps.py would fail.
        """
        if policy is not self._policy:  # who is in which group stands in it, too
            self._minted.clear()
            self._policy = policy
        user = subject.user if subject is not None else None
        groups = policy.groups_of(user) if user is not None else frozenset[str]()
        app = policy.app_of(request.host)
        own = self._render(app, subject, groups) if app is not None and app.headers else ()
        names = {name for name, _ in own}
        said = [header for header in self._identity.of(user, groups).headers if header[0] not in names]
        if self._assertion_header:
            said.append((self._assertion_header, self._assert(check, request, subject, app)))
        left = [header for header in self._left(check) if header[0] not in names]
        block = header_block(check.dialect.carry(Identity((*said, *own)), left))
        end = b"connection: close\r\n" if b"upgrade" in check.fields else b""
        return Answer(HTTPStatus.OK, block + _END + end)

    def part(self, wire: bytes, app: App, guards: tuple[bytes, ...]) -> HostAnswer:
        """An allow for this app, as it is kept: around the assertion, which is another for every request."""
        if not self._asserts_to(app):
            return HostAnswer(guards, wire)
        name = b"\r\n" + self._assertion_header + b": "
        before, _, rest = wire.partition(name)
        _, line, after = rest.partition(b"\r\n")
        return HostAnswer(guards, before + name, app.assertion_audience, line + after)

    def repeat(
        self,
        own: HostAnswer,
        handle: SessionHandle,
        method: bytes,
        scheme: bytes,
        host: bytes,
        path: bytes,
        now: datetime,
    ) -> bytes:
        """The answer once more; nothing where an assertion has to be signed for it."""
        if not own.audience:
            return own.before
        minted = self._minted.get((handle, own.audience, method, scheme, host, path))
        return own.before + minted.value + own.after if minted is not None and now < minted.until else b""

    def _asserts_to(self, app: App) -> bool:
        return app.assertion and bool(self._assertion_header)

    def _assert(self, check: Check, request: AccessRequest, subject: Subject | None, app: App | None) -> bytes:
        if subject is None or app is None or not app.assertion:
            return b""
        if self._minter is None:
            raise UnavailableError("nothing signs assertions")
        method, scheme, host, target = check.question
        url = request.url.partition("?")[0]
        path = target.partition(b"?")[0]
        key = (subject.session.handle, app.assertion_audience, method, scheme, host, path)
        minted = self._minted.get(key)
        if minted is None or check.now >= minted.until:
            value = self._minter.mint(subject, app, request.method, url, check.now)
            if len(path) > MOST_MINTED_PATH:
                return value
            minted = Minted(value, check.now + self._minter.lifetime / 2)
            if len(self._minted) >= MOST_MINTED:
                self._minted.clear()
            self._minted[key] = minted
        return minted.value

    def _render(self, app: App, subject: Subject | None, groups: frozenset[str]) -> Headers:
        if self._app_headers is None:
            raise AppSecretError("nothing renders headers of apps")
        try:
            return self._app_headers.render(app, subject.user if subject is not None else None, groups)
        except (UnavailableError, TamperError) as error:
            raise AppSecretError(str(error)) from error

    def _left(self, check: Check) -> list[tuple[bytes, bytes]]:
        cookie = check.fields.get(b"cookie")
        if cookie is None:
            return [(name, value.translate(None, _CONTROL)) for name, value in check.shown.left]
        # SECURITY: no app is told a session, also where a script of its own puts the cookie into another header.
        # tests/attacks/test_identity.py would fail.
        tokens = [each for each in find_cookies((cookie,), self._session_cookie) if len(each) == COOKIE_LENGTH]
        left = [(name, b"" if any(token in value for token in tokens) else value) for name, value in check.shown.left]
        left.insert(0, (b"cookie", without_cookies((cookie,), self._private)))
        return [(name, value.translate(None, _CONTROL)) for name, value in left]


_END = b"cache-control: no-store\r\ncontent-length: 0\r\n"
_CONTROL = bytes({*range(0x20), 0x7F})
