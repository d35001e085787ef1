"""A real gateway in one profile, and visitors who keep cookies as browsers do and show them as they came."""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
from typer.testing import CliRunner

from doorward.cli import build
from doorward.rules.totp import make_code, step_of
from tests.integration.gateway import Form, doorward
from tests.integration.processes import Process, accepts, free_ports

HOME = "example.test"
URL = f"https://auth.{HOME}"
GOOD = "Tr4vel-by-Night!"
NEVER = ("nobody", "Wr0ng-by-Daylight!")

CONFIG = """\
profile: {profile}
server: {{addr: "127.0.0.1:{main}", public_url: "{url}"}}
prometheus: {{addr: off}}
proxy: {{trusted: ["127.0.0.1/32"]}}
authz: {{rules: [{{domain: "{app}", who: any_user}}]}}
"""


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One line of `Set-Cookie`; attributes by their names in lower case, flags with the value ""."""

    name: str
    value: str
    attributes: Mapping[str, str]

    @classmethod
    def read(cls, line: str) -> "SetCookie":
        """Take it apart."""
        first, *rest = line.split("; ")
        name, _, value = first.partition("=")
        pairs = [part.partition("=") for part in rest]
        assert len({key.lower() for key, _, _ in pairs}) == len(pairs), f"an attribute stands twice: {line}"
        return cls(name, value, {key.lower(): text for key, _, text in pairs})


@dataclass(slots=True)
class Gateway:
    """A running Doorward, and the folder it runs in."""

    folder: Path
    url: str
    cookie: str
    app: str
    ports: list[int] = field(default_factory=lambda: free_ports(1))
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    process: Process | None = None
    addresses: Iterator[int] = field(default_factory=lambda: count(1))

    def visitor(self) -> "Visitor":
        """Somebody new, at an address of their own: attempts are limited by address."""
        high, low = divmod(next(self.addresses), 250)
        return Visitor(self, f"203.0.{high}.{low + 1}")

    def command(self, *arguments: str, typed: str = "") -> str:
        """Run a command as an operator would; what it printed."""
        with chdir(self.folder):
            runner = CliRunner(env=dict(self.variables))
            done = runner.invoke(build(arguments[0]), arguments, input=typed, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def add(self, name: str, *options: str) -> None:
        """Make an account."""
        email = f"{name}@{HOME}"
        self.command("user", "add", name, "--email", email, "--password-stdin", *options, typed=GOOD + "\n")


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser: cookies are kept and sent; nothing is followed."""

    gateway: Gateway
    address: str
    jar: dict[str, str] = field(default_factory=dict)
    told: dict[str, SetCookie] = field(default_factory=dict)
    """Every cookie as it was last set."""

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page, or ask the API."""
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, *, content: bytes = b"", **headers: str) -> httpx.Response:
        """Send a request through the proxy."""
        site = urlsplit(self.gateway.url)
        sent = {"host": site.netloc, "x-forwarded-proto": site.scheme, "x-forwarded-for": self.address}
        if self.jar:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"http://127.0.0.1:{self.gateway.ports[0]}{path}"
        answer = httpx.request(method, target, headers=sent, content=content, timeout=60)
        for line in answer.headers.get_list("set-cookie"):
            cookie = SetCookie.read(line)
            self.told[cookie.name] = cookie
            if cookie.attributes.get("max-age") == "0":
                self.jar.pop(cookie.name, None)
            else:
                self.jar[cookie.name] = cookie.value
        return answer

    def post(self, path: str, fields: Mapping[str, str]) -> httpx.Response:
        """Send a form of ours."""
        kind, content = "application/x-www-form-urlencoded", urlencode(fields).encode()
        return self.send("POST", path, origin=self.gateway.url, content_type=kind, content=content)

    def fill(self, page: str, fields: Mapping[str, str], *, action: str = "") -> httpx.Response:
        """Open a page and send a form of it: the first, or the one that leads to `action`."""
        shown = self.get(page)
        assert shown.status_code == 200, (page, shown.status_code, shown.text)
        form = find_form(shown.text, action)
        return self.post(form.action or page.partition("?")[0], {**form.fields, **fields})

    def try_password(self, name: str, password: str, **more: str) -> httpx.Response:
        """One attempt to sign in."""
        return self.fill("/login", {"login": name, "password": password, **more})

    def sign_in(self, name: str, **more: str) -> "Visitor":
        """Sign in with the password, and put off what else is owed for as long as that may be."""
        answer = self.try_password(name, GOOD, **more)
        assert answer.status_code == 303, answer.text
        if "/login/enrol" in answer.headers["location"]:
            owed = answer.headers["location"].removeprefix(self.gateway.url)
            answer = self.fill(owed, {}, action="/login/enrol/later")
            assert answer.status_code == 303, answer.text
        assert self.gateway.cookie in self.jar, answer.headers
        return self

    def enrol(self) -> bytes:
        """Set up an authenticator app; its secret."""
        begun = self.fill("/account/security", {}, action="/account/totp")
        assert begun.status_code == 303, begun.text
        page = self.get(begun.headers["location"].removeprefix(self.gateway.url))
        found = re.search(r'<p class="secret[^>]*>([A-Z2-7 ]+)</p>', page.text)
        assert found, page.text
        secret = base64.b32decode("".join(found[1].split()))
        form = find_form(page.text, "/account/totp")
        answer = self.post("/account/totp", {**form.fields, "code": code_of(secret)})
        assert answer.status_code == 303, answer.text
        return secret

    def is_signed_in(self) -> bool:
        """Whether the gateway lets this browser through to an app."""
        answer = self.get(
            "/api/auth/forwardauth",
            x_forwarded_method="GET", x_forwarded_host=self.gateway.app, x_forwarded_uri="/", accept="application/json",
        )  # fmt: skip
        assert answer.status_code in {200, 401}, answer.text
        return answer.status_code == 200


def code_of(secret: bytes, *, later: int = 0) -> str:
    """What the app shows now, or so many codes later."""
    return make_code(secret, step_of(datetime.now(UTC)) + later)


def find_form(page: str, action: str = "") -> Form:
    """The first form of a page that is posted, or the one that leads to `action`."""
    for text in re.findall(r"<form\b.*?</form>", page, re.DOTALL):
        if 'method="post"' in text and (not action or f'action="{action}"' in text):
            return Form(text.encode())
    raise AssertionError(f"no form leads to {action!r} on this page:\n{page}")


@contextmanager
def serve(
    folder: Path,
    profile: str,
    *,
    url: str = URL,
    cookie: str,
    more: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Doorward in this profile, from a file that says nothing else but where it is; `more` is added to it.

    People: `root`, an administrator, and `alice`.
    """
    host = urlsplit(url).hostname or ""
    app = f"app.{HOME}" if "domain:" in more else host
    gateway = Gateway(folder, url, cookie, app, variables=variables or {})
    text = CONFIG.format(profile=profile, main=gateway.ports[0], url=url, app=app)
    (folder / "doorward.yaml").write_text(text + more, "utf-8")
    gateway.add("root", "--admin")
    gateway.add("alice")
    with running(gateway):
        yield gateway


@contextmanager
def running(gateway: Gateway) -> Iterator[None]:
    """Start it, and end it."""
    gateway.process = Process("doorward", doorward("serve"), gateway.folder, gateway.variables)
    try:
        gateway.process.wait_until(
            lambda: accepts(gateway.ports[0]) and gateway.visitor().get("/readyz").status_code == 200
        )
        yield
    finally:
        gateway.process.stop()
