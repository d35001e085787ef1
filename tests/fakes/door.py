"""The whole application for people over storage in memory: real pages, real flows, real CSRF; only the world is fake.

`Door` is a Doorward, `Browser` somebody in front of it who keeps cookies and follows nothing by himself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any, Literal
from urllib.parse import quote, unquote, urlencode

from doorward.rules.identity import User
from doorward.rules.policy import App, Audience, Effect, Policy, Requirement, Rule, parse_host_pattern
from doorward.rules.provider import GITHUB_ISSUER, GOOGLE_ISSUER, Kind, Provider
from doorward.rules.session import Fingerprint, Subject
from doorward.web.asserted import AssertedHeader
from doorward.web.client import Trust
from doorward.web.csrf import CsrfGuard
from doorward.web.headers import HeaderPolicy
from doorward.web.health import Health, State
from doorward.web.pages.assets import Assets
from doorward.web.pages.desk import Desk, Site
from doorward.web.pages.errors import ErrorPages
from doorward.web.pages.routes import build_routes
from doorward.web.pages.templates import Templates
from doorward.web.pages.threshold import Threshold
from doorward.web.pairing import PairingDoor
from doorward.web.server import Server
from doorward.web.session_cookie import Cookies
from doorward.web.visit import Reader
from tests.fakes.flows import GOOD, SIGNING_KEY, FakeLog, Town
from tests.fakes.system import FakeRandom
from tests.fakes.upstream import a_provider, somebody

PASSWORD = GOOD


@dataclass
class Answer:
    """What came back, as bytes on the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str:
        """The only value of a header; fails when it is there twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        return [value.decode() for key, value in self.headers if key == name.encode()]

    @property
    def location(self) -> str:
        return self.header("location")

    @property
    def onward(self) -> str:
        """Where a page leads by itself."""
        found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]*)">', self.text)
        assert found, f"{self.status} leads nowhere: {self.text[:2000]}"
        return unescape(found[1])

    def hidden(self, name: str) -> str:
        """The value of a form's field."""
        found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', self.text)
        assert found, f"no field {name} in the page"
        return unescape(found[1])


async def call_app(
    app, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, peer: str = "127.0.0.1"
) -> Answer:
    """One request straight into an ASGI application, headers as given."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": headers,
        "client": (peer, 40000) if peer else None,
        "server": ("127.0.0.1", 8080),
    }
    sent: list[dict] = []
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)] or [b""]

    async def receive() -> dict:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(start["status"], list(start["headers"]), content)


class _KnownHosts:
    """The hosts the door's present policy serves."""

    def __init__(self, door: "Door") -> None:
        self._door = door

    def __contains__(self, host: str) -> bool:
        return self._door.is_known_host(host)


class Door:
    """A Doorward at `public_url` with apps `grafana` (alice, admins), `vault` (admins, fresh) and `wiki` (any user)."""

    def __init__(
        self,
        *,
        public_url: str = "https://auth.example.test",
        cookie_domain: str = "example.test",
        policy: Policy | None = None,
        trust: Trust | None = None,
        site: Site | None = None,
        headers: HeaderPolicy | None = None,
        same_site: Literal["Lax", "Strict"] = "Lax",
        https_only: bool = False,
        asserted: AssertedHeader | None = None,
    ) -> None:
        self.public_url = public_url
        secure = public_url.startswith("https:")
        self.town = Town(public_url=public_url, header=asserted.name.decode() if asserted else "")
        self.clock, self.store, self.random = self.town.clock, self.town.store, FakeRandom("door")
        self.log = FakeLog()
        self.policy = policy or sample_policy()
        self.town.hosts = _KnownHosts(self)
        self.cookies = Cookies(
            session="doorward",
            secure=secure,
            companion_key=self.town.keyring.derive("companion"),
            domain=cookie_domain,
            same_site=same_site,
        )
        self.assets = Assets()
        self.templates = Templates()
        self.headers = headers or HeaderPolicy(hsts_seconds=31536000 if secure else None)
        self.site = site or Site(public_url=public_url)
        self.csrf = CsrfGuard(self.town.keyring.derive("csrf"), self.site.origin, self.cookies.csrf, self.random)
        # Nobody's button is on the sign-in page until a test puts it there.
        self.town.providers.clear()
        self.town.consult_ways()
        self.flows = self.town.flows
        self.desk = Desk(
            site=self.site,
            headers=self.headers,
            cookies=self.cookies,
            csrf=self.csrf,
            random=self.random,
            templates=self.templates,
            assets=self.assets,
            is_known_host=self.is_known_host,
            log=self.log,
        )
        self.touched: list[Fingerprint] = []
        self.gate_calls: list[str] = []
        self.health = Health(self._probe)
        self.health.state = State.SERVING
        self.server = Server(
            gate=self._gate,
            api=PairingDoor(self._api, self.flows.pairing, trust or Trust(), self.clock, public_url),
            routes=build_routes(self.desk, self.flows, lambda: self.policy),
            threshold=Threshold(self.desk),
            assets=self.assets,
            errors=ErrorPages(self.desk),
            reader=Reader(self.cookies, trust or Trust(), lambda: SIGNING_KEY, self.find_subject, self.touch, asserted),
            health=self.health,
            headers=self.headers,
            public_url=public_url,
            clock=self.clock,
            random=self.random,
            log=self.log,
            https_only=https_only,
        )

    @property
    def policy(self) -> Policy:
        """The policy pages and flows go by."""
        return self.town.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self.town.policy = policy

    def is_known_host(self, host: str) -> bool:
        return self.policy.for_host(host).is_known

    async def find_subject(self, fingerprint: Fingerprint, now: datetime) -> Subject | None:
        return await self.flows.account.find_subject(fingerprint, now=now)

    def touch(self, fingerprint: Fingerprint, seen_at: datetime, user_agent: str, address: str) -> None:
        self.touched.append(fingerprint)

    async def add_user(self, name: str, *, admin: bool = False, display_name: str = "") -> User:
        user = await self.town.add_user(
            name,
            PASSWORD,
            display_name=display_name or name.title(),
            groups=("admins",) if admin else (),
            is_admin=admin,
        )
        assert isinstance(user, User)
        return user

    def add_provider(self, provider_id: str = "idp", **changes: Any) -> Provider:
        """One of the configuration file, which lets everybody in unless told otherwise."""
        kind = {"google": Kind.GOOGLE, "github": Kind.GITHUB}.get(provider_id, Kind.OIDC)
        issuer = {Kind.GOOGLE: GOOGLE_ISSUER, Kind.GITHUB: GITHUB_ISSUER}.get(kind, f"https://{provider_id}.test")
        name = {Kind.GOOGLE: "Google", Kind.GITHUB: "GitHub"}.get(kind, provider_id.title())
        provider = a_provider(provider_id, **{"kind": kind, "issuer": issuer, "name": name, **changes})
        self.town.providers[provider_id] = provider
        return provider

    async def close_passwords(self, provider_id: str = "idp", name: str = "root") -> None:
        """Switch passwords off, and let an administrator come through a provider, which closes them."""
        self.town.passwords_open = False
        browser = Browser(self)
        await browser.sign_in(name)
        await browser.connect(provider_id, f"sub-{name}")
        assert (await Browser(self).enter_with(provider_id, f"sub-{name}")).status == 303

    async def setup_token(self) -> str:
        token = await self.flows.setup.issue(now=self.clock.now())
        assert token is not None
        return token

    async def _probe(self) -> None:
        self.store.check()

    async def _gate(self, scope, receive, send) -> None:
        self.gate_calls.append(scope["path"])
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _api(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"{}"})


class Browser:
    """Somebody in front of a door. Keeps cookies as a browser does, as far as these tests need."""

    def __init__(
        self, door: Door, *, agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0"
    ) -> None:
        self.door = door
        self.agent = agent
        self.jar: dict[str, str] = {}
        self.strict: set[str] = set()

    async def get(self, target: str, **headers: str) -> Answer:
        return await self._send("GET", target, headers)

    async def post(self, target: str, fields: Mapping[str, str], **headers: str) -> Answer:
        told = {"origin": self.door.site.origin, "sec_fetch_site": "same-origin", **headers}
        body = urlencode(fields).encode()
        told.setdefault("content_type", "application/x-www-form-urlencoded")
        return await self._send("POST", target, told, body)

    async def sign_in(self, name: str, *, rd: str = "", password: str = PASSWORD, remember: bool = False) -> Answer:
        page = await self.get("/login?choose=1" + (f"&rd={quote(rd, safe='')}" if rd else ""))
        assert page.status == 200, page.text
        return await self.post("/login", login_fields(page, name, password, remember=remember))

    async def press(self, path: str, page: Answer, **fields: str) -> Answer:
        """Send a form of a page, with its token."""
        return await self.post(path, {"csrf_token": page.hidden("csrf_token"), **fields})

    async def leave_with(self, provider: str, *, at: str = "/login?choose=1", remember: bool = False) -> Answer:
        """Press a provider's button on the sign-in page."""
        page = await self.get(at)
        assert page.status == 200, page.text
        fields = {name: page.hidden(name) for name in ("ticket", "rd", "demand") if f'name="{name}"' in page.text}
        more = {"remember": "1"} if remember else {}
        return await self.press("/login/with", page, provider=provider, **fields, **more)

    async def return_from(self, url: str, subject: str = "sub-alice", *, answer: Any = None, **more: str) -> Answer:
        """Be let in at the provider that `url` led to, and come back."""
        state, code = self.door.town.upstream.grant(url, answer or somebody(subject))
        redirect_uri = self.door.town.upstream.departures[state].redirect_uri
        query = urlencode({"state": state, "code": code, **more})
        return await self.get(redirect_uri.removeprefix(self.door.public_url) + "?" + query)

    async def enter_with(
        self, provider: str, subject: str = "sub-alice", *, at: str = "/login?choose=1", answer: Any = None, **more: Any
    ) -> Answer:
        """Sign in with a provider, all the way."""
        departing = await self.leave_with(provider, at=at, **more)
        return await self.return_from(departing.onward, subject, answer=answer)

    async def connect(self, provider: str, subject: str = "sub-alice", *, answer: Any = None) -> Answer:
        """Connect an account at a provider to one's own."""
        departing = await self.press("/account/link", await self.get("/account"), provider=provider)
        return await self.return_from(departing.onward, subject, answer=answer)

    async def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        lines = {
            "host": self.door.site.origin.partition("://")[2],
            "user-agent": self.agent,
            "accept": "text/html,application/xhtml+xml",
            "sec-fetch-mode": "navigate",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self.jar and "cookie" not in lines:
            lines["cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        if body:
            lines["content-length"] = str(len(body))
        raw = [(name.encode(), value.encode()) for name, value in lines.items() if value]
        answer = await call_app(self.door.server, method, target, raw, body)
        for line in answer.all("set-cookie"):
            pair, _, attributes = line.partition("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
                (self.strict.add if "SameSite=Strict" in attributes else self.strict.discard)(name)
        return answer

    def keep_back(self, *names: str) -> dict[str, str]:
        """Take cookies out of the jar, as for a navigation that another site began; they are put back by hand."""
        return {name: self.jar.pop(name) for name in names if name in self.jar}


def login_fields(page: Answer, name: str, password: str = PASSWORD, *, remember: bool = False) -> dict[str, str]:
    """What a person's form sends."""
    fields = {
        "csrf_token": page.hidden("csrf_token"),
        "ticket": page.hidden("ticket"),
        "login": name,
        "password": password,
    }
    if 'name="rd"' in page.text:
        fields["rd"] = page.hidden("rd")
    if remember:
        fields["remember"] = "1"
    return fields


def sample_policy() -> Policy:
    """Three apps: one for named people, one that wants a fresh sign-in, one for everybody who has an account."""
    grafana, vault, wiki, secret = (_hosts(f"{name}.example.test") for name in ("grafana", "vault", "wiki", "secret"))
    return Policy(
        [
            Rule("dashboards", Effect.ALLOW, grafana, users=frozenset({"alice"}), groups=frozenset({"admins"})),
            Rule("vault", Effect.ALLOW, vault, groups=frozenset({"admins"})),
            Rule("vault fresh", Effect.REQUIRE, vault, audience=Audience.ANYONE,
                 requirement=Requirement(fresh=timedelta(minutes=15))),
            Rule("wiki", Effect.ALLOW, wiki, audience=Audience.ANY_USER),
        ],
        apps=[
            App("Grafana", grafana, "Dashboards of the whole house", "chart"),
            App("Vault", vault, "Keys and certificates", "key"),
            App("Wiki", wiki, "What we know", "book"),
            App("Secret", secret, "Nobody may see this", "🔒", "carol@example.test"),
        ],
    )  # fmt: skip


def _hosts(name: str):
    pattern = parse_host_pattern(name)
    assert pattern is not None
    return (pattern,)
