"""What every route of the API stands on, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from doorward.errors import DoorwardError
from doorward.flows.bundle import Flows
from doorward.interfaces import Clock, Random
from doorward.rules.session import Subject
from doorward.web.api.answers import Problem
from doorward.web.csrf import CsrfGuard
from doorward.web.session_cookie import Cookies
from doorward.web.visit import Reader, Visit

CORRELATION_KEY = "doorward.correlation_id"
"""Scope key of the id under which this request stands in the log; a server around us may have set it."""
PROBLEM_TYPE = "application/problem+json"
_CORRELATION_SIZE = 5


class UnauthorizedError(DoorwardError):
    """Nobody is signed in. HTTP 401, which only this door speaks: pages send people to the sign-in instead."""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the API stands on. `remember_me`: whether sign-ins can be remembered."""

    flows: Flows
    reader: Reader
    csrf: CsrfGuard
    cookies: Cookies
    clock: Clock
    random: Random
    version: str
    remember_me: bool

    def reads_visit(self) -> Callable[[Request], Awaitable[Visit]]:
        """A dependency: the request, read once."""

        async def read_visit(request: Request) -> Visit:
            correlation_id = str(request.scope.get(CORRELATION_KEY) or self.random.token(_CORRELATION_SIZE).hex())
            request.scope[CORRELATION_KEY] = correlation_id
            return await self.reader.read(request.scope, now=self.clock.now(), correlation_id=correlation_id)

        return read_visit


def get_subject(visit: Visit) -> Subject:
    """Who is signed in; UnauthorizedError when nobody is."""
    if visit.subject is None:
        raise UnauthorizedError("nobody is signed in")
    return visit.subject


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the description: these statuses come with a problem document."""
    return {status: {"model": Problem, "content": {PROBLEM_TYPE: {}}} for status in statuses}
