"""The API over storage in memory, and a program that calls it with somebody's cookies."""

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from doorward.web.api.application import build_api
from doorward.web.api.parts import ApiParts
from doorward.web.client import Trust
from doorward.web.visit import Reader
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.flows import SIGNING_KEY


def open_api(door: Door) -> Door:
    """Put the real API behind a door. Proxies on this machine are trusted."""
    reader = Reader(
        door.cookies,
        Trust(networks=(ip_network("127.0.0.1"),)),
        lambda: SIGNING_KEY,
        door.find_subject,
        door.touch,
        door.server.reader.asserted,
    )
    parts = ApiParts(
        flows=door.flows,
        reader=reader,
        csrf=door.csrf,
        cookies=door.cookies,
        clock=door.clock,
        random=door.random,
        version="0",
        remember_me=True,
    )
    door.server = replace(door.server, api=build_api(parts), reader=reader)
    return door


class Program:
    """A script with the cookies of a browser. It asks for its CSRF token as the guide says."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    @classmethod
    async def enter(cls, door: Door, name: str) -> "Program":
        """One that runs in a browser where somebody signed in."""
        browser = Browser(door)
        answer = await browser.sign_in(name)
        assert answer.status == 303, answer.text
        return cls(browser)

    async def token(self) -> str:
        """The CSRF token, and its cookie."""
        return str(json.loads((await self.send("GET", "/api/auth/csrf-token")).body)["csrf_token"])

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """A request as the guide says: with the token."""
        return await self.send(method, path, body, **{"x_csrf_token": await self.token(), **headers})

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """A request with just these headers; `body` is JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = {"content_type": "application/json"} if raw else {}
        told: Mapping[str, str] = {"accept": "application/json", "sec_fetch_mode": "", **kind, **headers}
        return await self.browser._send(method, path, told, raw)


def told(answer: Answer, status: int = 200) -> Any:
    """What an answer says, once it has the status that it should have."""
    assert answer.status == status, answer.text
    return json.loads(answer.body) if answer.body else None


def code_told(answer: Answer, status: int) -> str:
    """The code of a problem."""
    problem = told(answer, status)
    assert answer.header("content-type") == "application/problem+json"
    assert problem["correlation_id"]
    return str(problem.get("code"))
