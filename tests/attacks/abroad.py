"""The stage with providers on loopback: people who set out for one, what happens to them there, how they come back."""

import asyncio
import hashlib
import itertools
import json
import re
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from threading import Thread
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from doorward.outside.system import SystemClock
from tests.attacks.invariants import REFRESH
from tests.attacks.stage import CONFIG, ROOT, Browser, Person, Stage, handed_out, serving
from tests.attacks.wire import PATIENCE, Answer
from tests.fakes import github as octo
from tests.fakes.github import FakeGitHub
from tests.fakes.keys import make_key
from tests.fakes.loopback import Answer as Said
from tests.fakes.loopback import Request
from tests.fakes.peer import Peer, listening
from tests.fakes.provider import Client, FakeProvider
from tests.integration.processes import free_ports

T = TypeVar("T")

PUBLIC_URL = "https://auth.example.test"
CLIENT_ID = "doorward:1"
CLIENT_SECRET = "Canary-of-the-cl1ent: s3cr3t/+%"
NAMES = "names.json"
"""The file, in the folder of the stage, with where names lead."""
SPARE, SPARES = "spare-", 4
MARKS = (
    re.compile(re.escape(CLIENT_SECRET).encode()),
    re.compile(re.escape(octo.CLIENT_SECRET).encode()),
    re.compile(rb"\b(?:code|access|refresh)-[0-9]+-[0-9a-f]{16}\b"),
    re.compile(rb"\beyJ[A-Za-z0-9_-]{8,}\.eyJ"),
    re.compile(rb"\bgho_[0-9a-f]{20}\b"),
)
"""Client secrets, and codes and tokens of the providers below."""
ELSEWHERE = str(Path(__file__).with_name("elsewhere.py"))
"""`doorward` that looks for Google and GitHub on loopback."""

ROWS = (
    "SELECT id, name, email, is_admin, enabled, generation FROM users",
    "SELECT user_id, group_name FROM memberships",
    "SELECT id, user_id, issuer, subject, is_admin FROM identities",
    "SELECT identity_id, group_name FROM identity_groups",
    "SELECT handle FROM sessions",
    "SELECT handle, subject, sid FROM upstream_sessions",
)
"""What a failed sign-in leaves as it was."""


class Shore:
    """A thread with an event loop, on which the providers live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run this there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    @contextmanager
    def serving(self, server: Any) -> Iterator[Any]:
        """Have something that serves do so until the end of the block."""
        entered = self.run(server.__aenter__())
        try:
            yield entered
        finally:
            self.run(server.__aexit__(None, None, None))


@dataclass(slots=True)
class Scene:
    """A running Doorward, and providers it knows. `fakes` are the providers by the id they have here."""

    stage: Stage
    shore: Shore
    fakes: dict[str, FakeProvider]
    octocat: FakeGitHub
    _spares: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(SPARES)))

    @property
    def idp(self) -> FakeProvider:
        """The provider that most is about."""
        return self.fakes["idp"]

    # The way there

    def depart(self, browser: Browser, provider: str = "idp", *, rd: str = "", **fields: str) -> Answer:
        """Press the provider's button on the sign-in page."""
        form = browser.open_form(f"/login?choose=1&rd={quote(rd, safe='')}" if rd else "/login?choose=1")
        return browser.post("/login/with", {**form.fields, "provider": provider, **fields})

    def leave(self, browser: Browser, provider: str = "idp", *, rd: str = "", **fields: str) -> str:
        """The same, and it works: the address the browser goes to."""
        return find_onward(self.depart(browser, provider, rd=rd, **fields))

    def agree(self, url: str, user: str = "alice", *, provider: str = "idp") -> dict[str, str]:
        """Sign in there and agree; the parameters of the callback."""
        if provider == "github":
            return self.octocat.authorize(url)
        back = self.shore.run(self.fakes[provider].authorize(f"{url}&login_hint={quote(user)}"))
        return {**back, "iss": self.issuer_of(provider)}

    def issuer_of(self, provider: str) -> str:
        """What the provider calls itself."""
        fake = self.fakes[provider]
        return f"{fake.url}/{provider}" if provider.startswith(SPARE) else fake.issuer

    # The way back

    def come_back(self, browser: Browser, back: Mapping[str, str] | str, provider: str = "idp") -> Answer:
        """Open the callback with these parameters, or with this query as it is."""
        query = back if isinstance(back, str) else urlencode(back)
        answer = browser.get(f"/login/callback/{provider}?{query}")
        self._remember(browser, answer)
        return answer

    def sign_in(self, browser: Browser, user: str = "alice", provider: str = "idp", **options: str) -> Answer:
        """The whole way there and back."""
        back = self.agree(self.leave(browser, provider, **options), user, provider=provider)
        return self.come_back(browser, back, provider)

    def signed_in(self, user: str, provider: str = "idp") -> Browser:
        """A fresh browser of this person, signed in."""
        browser = self.stage.browser()
        answer = self.sign_in(browser, user, provider)
        assert handed_out(answer), answer
        return browser

    def newcomer(self, *, provider: str = "idp", **claims: Any) -> str:
        """Somebody who has an account there and none here yet; their login name there."""
        fake = self.fakes[provider]
        name = f"{provider}-guest{len(fake.users)}"
        known = {"sub": f"{name}-sub", "name": name, "email": f"{name}@there.test", "email_verified": True}
        fake.users[name] = {**known, "preferred_username": name, **claims}
        return name

    def _remember(self, browser: Browser, answer: Answer) -> None:
        for value in handed_out(answer):
            [(name, email)] = self.stage.query(
                "SELECT users.name, users.email FROM upstream_sessions JOIN sessions USING (handle) "
                "JOIN users ON users.id = sessions.user_id WHERE sessions.handle = ?",
                self.handle_of(value),
            )
            self.stage.live[value] = Person(name, email, "")

    # What can be seen from behind

    def handle_of(self, cookie: bytes) -> str:
        """The handle of the session with this cookie."""
        fingerprint = hashlib.sha256(cookie.partition(b".")[0]).digest()
        return str(self.stage.query("SELECT handle FROM sessions WHERE fingerprint = ?", fingerprint)[0][0])

    def user_of(self, browser: Browser) -> str:
        """The id of the account that this browser is signed in with."""
        handle = self.handle_of(browser.jar["doorward"].encode())
        return str(self.stage.query("SELECT user_id FROM sessions WHERE handle = ?", handle)[0][0])

    def rows(self) -> list[set[tuple]]:
        """Accounts, identities, grants and sessions as they stand."""
        return [set(self.stage.query(statement)) for statement in ROWS]

    def asked(self, path: str = "/token", provider: str = "idp") -> int:
        """How often the provider was asked for this so far."""
        return len(self.fakes[provider].asked(path))

    @contextmanager
    def nothing_happens(self, *, asks: bool = False, provider: str = "idp") -> Iterator[None]:
        """No session, account, identity, grant, cookie; unless `asks`, no question to the provider's token endpoint."""
        rows, calls, answers = self.rows(), self.asked(provider=provider), len(self.stage.journal)
        yield
        assert self.rows() == rows
        assert asks or self.asked(provider=provider) == calls
        assert [note for note in self.stage.journal[answers:] if handed_out(note.answer)] == []

    @contextmanager
    def saying(self, provider: str = "idp", *, apart: bool = False, **claims: Any) -> Iterator[None]:
        """Have the provider put these claims, too, into ID tokens; with `apart` the person's only into userinfo."""
        fake = self.fakes[provider]
        before, fake.claims, fake.profile_in_id_token = fake.claims, {**fake.claims, **claims}, not apart
        try:
            yield
        finally:
            fake.claims, fake.profile_in_id_token, fake.userinfo = before, True, {}

    @contextmanager
    def lying(self, lie: Any, provider: str = "idp") -> Iterator[None]:
        """Have the provider lie about its tokens."""
        self.fakes[provider].lie(lie)
        try:
            yield
        finally:
            self.fakes[provider].lie(None)

    @contextmanager
    def answering(self, path: str, answer: Said | Callable[..., Any], provider: str = "idp") -> Iterator[None]:
        """Have the provider answer this instead of the truth."""
        answers = self.fakes[provider].answers
        before = dict(answers)
        answers[path] = answer
        try:
            yield
        finally:
            self.fakes[provider].answers = before

    @contextmanager
    def spare(self, **changes: Any) -> Iterator[str]:
        """A provider of which nothing is known, whose description differs so from a good one; None takes a word out.

        Its id. It shares everything but its name with the first provider.
        """
        name, fake = f"{SPARE}{next(self._spares)}", self.idp
        issuer = self.issuer_of(name)

        def describe(_request: Request) -> Said:
            document = {**fake.metadata, "issuer": issuer, **changes}
            return Said(
                body=json.dumps({word: value for word, value in document.items() if value is not None}).encode()
            )

        claims, fake.claims = fake.claims, {"iss": issuer}
        with self.answering(f"/{name}/.well-known/openid-configuration", describe):
            try:
                yield self.forget(name)
            finally:
                fake.claims = claims

    def forget(self, provider: str) -> str:
        """Have what is known of a provider asked anew. Its id."""
        self.examine(provider)
        return provider

    def examine(self, provider: str) -> Answer:
        """Have an administrator press the provider's test button, after which it is asked anew; the page."""
        administrator = self.stage.visitor(ROOT)
        token = administrator.open_form("/admin/providers").fields["csrf_token"]
        page = administrator.post("/admin/providers/test", {"csrf_token": token, "provider": provider})
        assert page.status == 200, page
        return page

    @contextmanager
    def meanwhile(self, act: Callable[[], object], path: str = "/token", provider: str = "idp") -> Iterator[None]:
        """Do something while the provider is being asked for `path`, before it answers."""
        fake = self.fakes[provider]

        def do() -> None:
            try:
                act()
            finally:
                self.stage.hang_up()  # what this thread has opened, nobody else can close

        async def respond(request: Request) -> Said:
            await asyncio.get_running_loop().run_in_executor(None, do)
            return fake.answer(request)

        with self.answering(path, respond, provider):
            yield


def find_onward(answer: Answer) -> str:
    """Where a page of ours leads on to."""
    assert answer.status == 200, answer
    found = REFRESH.search(answer.body)
    assert found is not None, answer.body
    return unescape(found[1].decode())


def is_refusal(answer: Answer, *statuses: int) -> bool:
    """Whether this is a page of ours that refuses, with nothing in it that would let anybody in."""
    return answer.status in (statuses or (400, 403, 502)) and not handed_out(answer) and b"</html>" in answer.body


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address, each of which is there once."""
    pairs = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in pairs.values()), url
    return {name: values[0] for name, values in pairs.items()}


def entry(provider: str, url: str | None, **options: Any) -> dict[str, Any]:
    """A provider as the configuration has it."""
    given = {"id": provider, "issuer_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return {name: value for name, value in {**given, "auto_provision": True, **options}.items() if value is not None}


def make_fake(*callbacks: str, **options: Any) -> FakeProvider:
    """A provider at which we are registered with these callbacks."""
    fake = FakeProvider(SystemClock(), **options)
    fake.too_far = 120
    uris = tuple(f"{PUBLIC_URL}/login/callback/{name}" for name in callbacks)
    fake.clients = {CLIENT_ID: Client(secret=CLIENT_SECRET, redirect_uris=uris)}
    return fake


@contextmanager
def trapped(shore: Shore) -> Iterator[Peer]:
    """Something on this machine that no call may reach: its port is in no `outbound.allow`."""
    stack = AsyncExitStack()
    peer = shore.run(stack.enter_async_context(listening()))
    try:
        yield peer
    finally:
        shore.run(stack.aclose())


@contextmanager
def abroad(
    folder: Path,
    make: Mapping[str, Mapping[str, Any] | None],
    *,
    spares: int = 0,
    tls: Mapping[str, ssl.SSLContext] | None = None,
    allow: Sequence[str] = (),
    more: Sequence[Mapping[str, Any]] = (),
    first: Person | None = None,
    **sections: Any,
) -> Iterator[Scene]:
    """A stage of its own with a provider for each of `make`, whose values are options of the configuration; None: not in it.

    `spares` are so many more that live at the first one (`Scene.spare`), `more` are further entries of
    `authn.providers`; `sections` are added to the configuration, in which `@port@` and `@metrics@` are where we listen, and
    `@NAME@` the port of a provider.
    `tls`: how those providers that speak it prove who they are. `allow`: more of `outbound.allow`.
    """
    with ExitStack() as stack:
        shore = stack.enter_context(Shore())
        names = [f"{SPARE}{number}" for number in range(spares)]
        fakes = {
            name: stack.enter_context(
                shore.serving(make_fake(name, *(names if number == 0 else ()), tls=(tls or {}).get(name)))
            )
            for number, name in enumerate(make)
        }
        for fake in list(fakes.values())[1:]:
            fake.keys = [make_key("ES256", "key-1")]  # of its own, though it calls it as others do
        octocat = stack.enter_context(shore.serving(FakeGitHub()))
        octocat.redirect_uri = f"{PUBLIC_URL}/login/callback/github"
        told = {name: options for name, options in make.items() if options is not None}
        entries = [*(entry(name, fakes[name].url, **options) for name, options in told.items()), *more]
        if spares:
            home = fakes[next(iter(make))]
            entries += [entry(name, f"{home.url}/{name}") for name in names]
            fakes |= dict.fromkeys(names, home)
        if "google" in fakes:
            fakes["google"].metadata["issuer"] = "https://accounts.google.com"
        ports = [urlsplit(fake.url).netloc for fake in fakes.values()]
        host = urlsplit(octocat.addresses.user).netloc
        outbound = {"allow": [*ports, host, *allow], "insecure_http": True} | sections.pop("outbound", {})
        sections = {"outbound": outbound} | sections
        sections["authn"] = {"providers": entries, **sections.get("authn", {})}
        # One administrator does here in a minute what others do in a year.
        sections["limits"] = {"admin": ["9999/1m"], "destructive": ["9999/1m"], **sections.get("limits", {})}
        port, metrics = free_ports(2)
        text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics) + write_sections(sections)
        text = text.replace("@port@", str(port)).replace("@metrics@", str(metrics))
        for name in make:
            text = text.replace(f"@{name}@", str(urlsplit(fakes[name].url).port))
        google = fakes["google"].url if "google" in fakes else "http://127.0.0.1:1"
        program = (sys.executable, ELSEWHERE, google, f"http://{host}", str(folder / NAMES))
        stage = stack.enter_context(serving(folder, text, port, first=first, program=program))
        stage.metrics, stage.abroad = metrics, {*ports, host}
        stage.marks.extend(MARKS)
        yield Scene(stage, shore, fakes, octocat)


def write_sections(sections: Mapping[str, Any]) -> str:
    """Sections of the configuration; JSON is YAML."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in sections.items())
