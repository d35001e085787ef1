"""The API over storage in memory, and a program that calls it with somebody's cookies."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from doorward.flows.key_entry import KeyEntry, TokenTerms
from doorward.rules.app_key import (
    SECRET_SIZE,
    SHA256,
    ApiScope,
    AppKey,
    KeyId,
    KeyKind,
    hash_secret,
    matches,
    preview_of,
    write_key,
    write_key_id,
)
from doorward.rules.identity import User
from doorward.rules.mfa import Standing
from doorward.rules.policy import Address
from doorward.rules.throttle import Window
from doorward.web.api.application import build_api
from doorward.web.api.parts import ApiParts
from doorward.web.client import Trust
from doorward.web.gate.key_failures import KeyFailures
from doorward.web.gate.proven_keys import ProvenKeys
from doorward.web.visit import Reader
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.flows import SIGNING_KEY

TOKENS = TokenTerms(b"what access tokens are signed with", "Doorward", "programs", 7)


class Ring:
    """What the API makes of keys here: which were used, and how many wrong ones came; `wait` is for the next.

    `slow` counts those for which a slow hash was compared.
    """

    def __init__(self) -> None:
        self.used: list[KeyId] = []
        self.wrong: list[str] = []
        self.compared: list[str] = []
        self.wait: timedelta | None = None
        self.key_lifetime: timedelta | None = None
        self.owes = False
        self.proven = ProvenKeys()
        self.slow = KeyFailures((Window(2, timedelta(minutes=15)),))

    def note(self, address: Address | None, now: datetime) -> None:
        """`WrongKeys.note`."""
        self.wrong.append(str(address))

    def find_wait(self, address: Address | None, now: datetime) -> timedelta | None:
        """`WrongKeys.find_wait`."""
        return self.wait

    def use(self, key_id: KeyId, seen_at: datetime, user_agent: str, address: str) -> None:
        """A use."""
        self.used.append(key_id)

    async def verify(self, secret: bytes, digest: str) -> bool:
        """Compare. A hash that begins with `slow:` stands for bcrypt's."""
        self.compared.append(digest)
        return matches(secret, digest.replace("slow:", SHA256))

    def judge(self, user: User, now: datetime) -> Standing:
        """How the owner stands."""
        return Standing(self.owes)

    def entry(self, door: Door) -> KeyEntry:
        """The flow itself."""
        return KeyEntry(
            live=door.store.live_view,
            verify=self.verify,
            find_lockdown=door.flows.lockdowns.find,
            wrong=self,
            compared=self.slow,
            proven=self.proven,
            note=self.use,
            tokens=TOKENS,
            max_lifetime=self.key_lifetime,
            judge=self.judge,
        )


async def give_key(door: Door, owner: str, /, *scopes: ApiScope, number: int = 1, **changes: Any) -> str:
    """A key of somebody's, as text; `changes` are to its row."""
    user = door.store.live_view.find_user_by_name(owner)
    assert user is not None
    secret = number.to_bytes(SECRET_SIZE)
    key_id = write_key_id(hashlib.sha256(f"{owner} {number}".encode()).digest())
    text = write_key(key_id, secret)
    key = AppKey(
        id=key_id,
        user_id=user.id,
        name=f"device {number}",
        kind=KeyKind.KEY,
        digest=hash_secret(secret),
        preview=preview_of(text),
        made_at=door.clock.now(),
        made_by=user.id,
        scopes=frozenset(scopes),
    )
    async with door.store.records.transaction() as transaction:
        await transaction.add_app_key(replace(key, **changes))
    return text


def open_api(door: Door, ring: Ring | None = None) -> Door:
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
        keys=(ring or Ring()).entry(door),
        tokens=TOKENS,
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
