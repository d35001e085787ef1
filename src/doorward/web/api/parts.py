"""What every route of the API stands on, and who is asking."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from fastapi import Request

from doorward.errors import DoorwardError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.bundle import Flows
from doorward.flows.key_entry import KeyEntry, TokenTerms
from doorward.flows.throttle import Bucket
from doorward.interfaces import Clock, Random
from doorward.rules.app_key import ApiScope
from doorward.rules.session import SessionHandle, Subject
from doorward.rules.strict_json import parse_object
from doorward.web.api.credentials import enter_by_key
from doorward.web.api.problems import Code, ProblemError, refuse
from doorward.web.csrf import FIELD, HEADER, CsrfGuard
from doorward.web.form import FORM_TYPE, parse_pairs
from doorward.web.pages.desk import login_path
from doorward.web.pages.proof import is_proven
from doorward.web.session_cookie import Cookies
from doorward.web.visit import Reader, Visit, know_browser

CORRELATION_KEY = "doorward.correlation_id"
"""Scope key of the id under which this request stands in the log; a server around us may have set it."""
_CORRELATION_SIZE = 5
_PROOF_TOO_OLD = "Let whoever is signed in open the address in `login`, confirm, and try again."
_SHUT = "There is a lockdown, and administration is open from named networks only."
_JSON_TYPE = re.compile(r"\s*application/(?:[\w.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


class UnauthorizedError(DoorwardError):
    """Nobody is signed in. HTTP 401, which only this door speaks: pages send people to the sign-in instead."""


class Administrator(NamedTuple):
    """Who asks, for what administrators do."""

    visit: Visit
    actor: Actor

    @property
    def handle(self) -> SessionHandle:
        """The session that asks."""
        return get_subject(self.visit).session.handle


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the API stands on. `remember_me`: whether sign-ins can be remembered.

    `keys` None: none is taken. `tokens` None: none is made.
    """

    flows: Flows
    reader: Reader
    csrf: CsrfGuard
    cookies: Cookies
    clock: Clock
    random: Random
    version: str
    remember_me: bool
    keys: KeyEntry | None = None
    tokens: TokenTerms | None = None

    def reads_visit(self) -> Callable[[Request], Awaitable[Visit]]:
        """A dependency: the request, read once, with whoever a key that it shows stands for.

        SECURITY: the one place where a key is looked at, for every route of ours; which it opens is in `scopes`, and a
        route that is not there is opened by none (L03). tests/unit/test_api_keys.py tries every route.
        """

        async def read_visit(request: Request) -> Visit:
            correlation_id = str(request.scope.get(CORRELATION_KEY) or self.random.token(_CORRELATION_SIZE).hex())
            request.scope[CORRELATION_KEY] = correlation_id
            visit = await self.reader.read(request.scope, now=self.clock.now(), correlation_id=correlation_id)
            raw_path: bytes = request.scope.get("raw_path") or visit.path.encode()
            await enter_by_key(self.keys, visit, route=request.scope["route"].path, raw_path=raw_path)
            return visit

        return read_visit

    def reads_act(self) -> Callable[[Request], Awaitable[Visit]]:
        """A dependency of whatever changes something: the request of somebody signed in, with their CSRF token.

        SECURITY: no header excuses from it by being there. A key that was found good does, for no browser adds one by
        itself, and no cookie decides beside it; any other was refused before (T-03, A-22, A-27).
        tests/unit/test_api.py and test_api_keys.py would fail.
        """
        read_visit = self.reads_visit()

        async def read_act(request: Request) -> Visit:
            visit = await read_visit(request)
            if get_subject(visit).key is None:
                self.csrf.check(visit.headers, visit.binding, await find_token(request))
            return visit

        return read_act

    def reads_proven(self) -> Callable[[Request], Awaitable[Visit]]:
        """A dependency: the same, of somebody who has shown recently enough who they are (`rules.session.RECENT`)."""
        read_act = self.reads_act()

        async def read_proven(request: Request) -> Visit:
            visit = await read_act(request)
            check_proof(visit)
            return visit

        return read_proven

    def reads_administrator(self) -> Callable[[Request], Awaitable[Administrator]]:
        """A dependency: an administrator who looks."""
        read_visit = self.reads_visit()

        async def read_administrator(request: Request) -> Administrator:
            visit = await read_visit(request)
            actor = actor_of(get_subject(visit), visit.visitor)
            await self.check_console(visit)
            return Administrator(visit, actor)

        return read_administrator

    def reads_administration(self, *, also: Bucket | None = None) -> Callable[[Request], Awaitable[Administrator]]:
        """A dependency: an administrator who changes something, asked for all that a page would ask for."""
        read_ending = self.reads_ending(also=also)

        async def read_administration(request: Request) -> Administrator:
            admin = await read_ending(request)
            check_proof(admin.visit)
            return admin

        return read_administration

    def reads_ending(self, *, also: Bucket | None = None) -> Callable[[Request], Awaitable[Administrator]]:
        """A dependency: the same, for what ends a session, which asks for no proof at any door.

        It counts with what is done in the console (D-24). `also`: what it counts for besides.
        """
        read_act = self.reads_act()

        async def read_ending(request: Request) -> Administrator:
            visit = await read_act(request)
            actor = actor_of(get_subject(visit), visit.visitor)
            await self.check_console(visit)
            await self.count_act(visit, also=also)
            return Administrator(visit, actor)

        return read_ending

    async def check_console(self, visit: Visit) -> None:
        """ProblemError where a lockdown keeps administration to networks that the visitor is not in."""
        lockdown = await self.flows.lockdowns.find()
        if lockdown is not None and not lockdown.admits(visit.visitor.address):
            raise ProblemError(403, Code.FORBIDDEN, _SHUT)

    async def count_act(self, visit: Visit, *, also: Bucket | None = None) -> None:
        """Count what an administrator sets out to do. ProblemError where it is too much."""
        refused = await self.flows.turnstile.count_act(visit.visitor, also=also, now=visit.now)
        if refused is not None:
            raise refuse(refused)

    def know_browser(self, visit: Visit) -> None:
        """Give the browser its pre-session cookie if it has none: offers and tokens are bound to it."""
        know_browser(visit, self.cookies, self.random)

    def give_token(self, visit: Visit) -> str:
        """The CSRF token of this visit; its cookie goes out where it is new."""
        token, is_new = self.csrf.issue(visit.headers, visit.binding)
        if is_new:
            visit.cookies_out += self.cookies.set_csrf(token)
        return token


def get_subject(visit: Visit) -> Subject:
    """Who is signed in; UnauthorizedError when nobody is, and where the session cookie came without its companion."""
    if visit.subject is None or not visit.accompanied:
        raise UnauthorizedError("nobody is signed in")
    return visit.subject


def check_proof(visit: Visit) -> None:
    """ProblemError unless who is signed in has shown recently enough who they are.

    A key that administers was made with recent proof, and opens only what is in `scopes`. No other stands for it.
    """
    subject = get_subject(visit)
    if subject.key is not None and ApiScope.ADMIN in subject.key.scopes:
        return
    if not is_proven(subject.session, visit.now):
        raise ProblemError(403, Code.PROOF_TOO_OLD, _PROOF_TOO_OLD, login=login_path(None, asking="confirm"))


async def find_token(request: Request) -> str | None:
    """The CSRF token in the field of a form or a JSON object; None where the header has it, or nothing does.

    InputError where the body is not what it says it is.
    """
    kind = request.headers.get("content-type", "")
    if HEADER.decode("ascii") in request.headers:
        return None
    if FORM_TYPE.fullmatch(kind.encode("latin-1")):
        return parse_pairs(await request.body(), lines=True).get(FIELD)
    if _JSON_TYPE.fullmatch(kind):
        token = parse_object(await request.body()).get(FIELD)
        return token if isinstance(token, str) else None
    return None
