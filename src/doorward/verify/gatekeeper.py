"""What both middlewares do with one request, and what they answer where it is not good."""

import asyncio
import json
import logging
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

from doorward.verify.keys import WELL_KNOWN, KeySource, KeysUnavailableError, RemoteKeys
from doorward.verify.strict import RefusedError
from doorward.verify.token import Algorithm, Expected, Token, check, read_token

LEEWAY: Final = 5
"""Seconds that the clocks of an app and its gateway may differ by."""
REFUSED, UNAVAILABLE = 401, 503
REASONS: Final = {REFUSED: "Unauthorized", UNAVAILABLE: "Service Unavailable"}
_DETAILS: Final = {
    REFUSED: "This app is opened through its gateway, whose assertion is missing or not good here.",
    UNAVAILABLE: "The keys of the gateway cannot be had at the moment.",
}

_log = logging.getLogger("doorward.verify")


class Gatekeeper:
    """Decides about one request by the values of its header."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        public_url: str | Collection[str],
        keys: KeySource | None,
        algorithm: Algorithm,
        anonymous: bool,
        leeway: int,
    ) -> None:
        self._expected = Expected(issuer, audience, algorithm, leeway)
        self._homes = [public_url] if isinstance(public_url, str) else list(public_url)
        self._keys = keys if keys is not None else RemoteKeys(issuer.rstrip("/") + WELL_KNOWN)
        self._anonymous = anonymous

    def judge(self, values: Sequence[str | bytes], method: str, path: str) -> dict[str, Any] | None:
        """The claims; None for nobody, where nobody may pass. RefusedError or KeysUnavailableError."""
        token = self._read(values)
        return None if token is None else self._check(token, method, path)

    async def judge_aside(self, values: Sequence[str | bytes], method: str, path: str) -> dict[str, Any] | None:
        """The same; a look at the gateway's keys does not hold up the event loop."""
        token = self._read(values)
        if token is None:
            return None
        if self._keys.knows(token.kid):
            return self._check(token, method, path)
        return await asyncio.to_thread(self._check, token, method, path)

    def _read(self, values: Sequence[str | bytes]) -> Token | None:
        if len(values) != 1:
            raise RefusedError("there is not exactly one header with it")
        if not values[0] and self._anonymous:
            return None
        return read_token(values[0], self._expected.algorithm)

    def _check(self, token: Token, method: str, path: str) -> dict[str, Any]:
        urls = [home.rstrip("/") + path for home in self._homes]
        now = time.time()  # noqa: TID251 -- this runs in an app, which has no clock of ours
        return check(token, self._keys.find(token.kid), self._expected, method=method, url=urls, now=now)


def answer(error: RefusedError | KeysUnavailableError) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body (RFC 9457). Why is for the log: whoever forges one is told nothing."""
    status = REFUSED if isinstance(error, RefusedError) else UNAVAILABLE
    _log.warning("refused: %s", error)
    problem = {"type": "about:blank", "title": REASONS[status], "status": status, "detail": _DETAILS[status]}
    body = json.dumps(problem).encode("ascii")
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        ("www-authenticate", "Doorward-Assertion") if status == REFUSED else ("retry-after", "10"),
    ]
    return status, headers, body
