"""The real `doorward serve` as a process of its own, and the people who use it."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

from tests.integration.processes import Process, accepts
from tests.integration.wire import NAVIGATION, Reply, Visitor

AUTH = "auth.example.com"
COOKIE = "doorward"


@dataclass(frozen=True, slots=True)
class Person:
    """An account. `headers` is what an app must be told about it."""

    name: str
    display: str
    email: str
    password: str
    groups: tuple[str, ...]
    headers: dict[str, str]


ALICE = Person(
    "alice", "Łukasz 名前 é 100%", "alice@example.com", "Correct-horse 7 battery staple!", ("ops", "staff"),
    {
        "X-Forwarded-User-Email": "alice@example.com",
        "X-Forwarded-User-Name": "%C5%81ukasz %E5%90%8D%E5%89%8D %C3%A9 100%25",
        "X-Forwarded-User-Groups": "ops,staff",
    },
)  # fmt: skip
BOB = Person("bob", "Bob", "bob@example.com", "Another long 8 passphrase!", (), {})
NOBODY = dict.fromkeys(ALICE.headers, "")


@dataclass(slots=True)
class Gateway:
    """A running Doorward."""

    process: Process
    folder: Path
    config: Path
    port: int
    cookies: list[str] = field(default_factory=list)
    """The value of every session cookie that was handed out: none may ever be seen in a log."""
    _sessions: dict[str, str] = field(default_factory=dict)
    _addresses: int = 0

    def command(self, *arguments: str, typed: str = "") -> str:
        """Run a command of `doorward` on the same data; what it printed."""
        return run_command(self.config, self.folder, *arguments, typed=typed)

    def add(self, person: Person) -> None:
        """Make an account."""
        groups = [option for group in person.groups for option in ("--group", group)]
        self.command(
            "user", "add", person.name, "--email", person.email, "--display-name", person.display,
            *groups, "--password-stdin", typed=person.password + "\n",
        )  # fmt: skip

    def session_of(self, person: Person, visitor: Visitor) -> str:
        """A cookie header of a session of this person, signed in through this proxy the first time it is asked for."""
        if person.name not in self._sessions:
            self._sessions[person.name] = self.sign_in(person, visitor)
        return self._sessions[person.name]

    def sign_in(self, person: Person, visitor: Visitor) -> str:
        """Sign in afresh; the cookie header."""
        reply = submit_login(self.elsewhere(visitor), person, "/login")
        return self.keep(reply)

    def keep(self, reply: Reply) -> str:
        """The cookie header for the session that a sign-in began."""
        self.cookies.append(cookie_set_by(reply))
        return f"{COOKIE}={self.cookies[-1]}"

    def elsewhere(self, visitor: Visitor) -> Visitor:
        """The same visitor at an address that has not been seen yet: attempts are limited by address."""
        self._addresses += 1
        high, low = divmod(self._addresses, 250)
        return Visitor(visitor.port, visitor.authority, f"127.9.{high}.{low + 1}", visitor.journal)


class Form(HTMLParser):
    """The first form of a page: where it goes, what it holds, and the names of its fields."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self._state = 0
        self.feed(page.decode("utf-8"))
        assert self._state, "there is no form on this page"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read the form and its fields."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self._state == 0 and values.get("method", "").lower() == "post":
            self._state, self.action = 1, values.get("action", "")
        elif tag == "input" and self._state == 1 and "name" in values:
            kind = values.get("type", "text")
            self.kinds[values["name"]] = kind
            if kind not in {"checkbox", "radio", "submit"} or "checked" in values:
                self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the form."""
        if tag == "form" and self._state == 1:
            self._state = 2


def start_gateway(
    folder: Path,
    text: str,
    port: int,
    *,
    ready: Callable[[], bool] | None = None,
    program: Sequence[str] | None = None,
) -> Gateway:
    """Start Doorward with this configuration. `ready` tells when it listens, where it is not on a port.

    `program`: what is started instead of the `doorward` of this Python, with the same arguments.
    """
    config = folder / "doorward.yaml"
    config.write_text(text, "utf-8")
    command = doorward("serve", "--config", str(config))
    process = Process("doorward", command if program is None else [*program, *command[1:]], folder)
    try:
        process.wait_until(ready or (lambda: accepts(port)))
    except BaseException:
        process.stop()
        raise
    return Gateway(process, folder, config, port)


def doorward(*arguments: str) -> list[str]:
    """The command line of Doorward with this Python."""
    return [str(Path(sys.executable).parent / "doorward"), *arguments]


def run_command(config: Path, folder: Path, *arguments: str, typed: str = "") -> str:
    """Run one command of `doorward` to its end."""
    done = subprocess.run(
        doorward(*arguments, "--config", str(config)),
        cwd=folder, input=typed, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"doorward {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def submit_login(visitor: Visitor, person: Person, target: str) -> Reply:
    """Open the sign-in page as a browser would, fill in its form, send it."""
    page = visitor.navigate(target, host=AUTH)
    assert page.status == 200, page
    form = Form(page.body)
    jar = [value.partition(";")[0] for value in page.all("Set-Cookie")]
    secret = next(name for name, kind in form.kinds.items() if kind == "password")
    login = next(name for name, kind in form.kinds.items() if kind in {"text", "email"})
    return post_form(visitor, form.action or target, {**form.fields, login: person.name, secret: person.password}, jar)


def post_form(visitor: Visitor, target: str, fields: dict[str, str], jar: list[str]) -> Reply:
    """Send a form of Doorward's own pages."""
    body = urlencode(fields).encode()
    headers = (
        *NAVIGATION[:3],
        ("Sec-Fetch-Site", "same-origin"),
        ("Origin", f"https://{AUTH}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )
    return visitor.send("POST", target, headers, host=AUTH, body=body, cookie="; ".join(jar))


def cookie_set_by(reply: Reply) -> str:
    """The session cookie's value."""
    for line in reply.all("Set-Cookie"):
        match = re.match(rf"{COOKIE}=([^;]+)", line)
        if match:
            return match[1]
    raise AssertionError(f"no session cookie in {reply.status} {reply.headers}\n{reply.body.decode()[:2000]}")
