"""The stage: one real `doorward serve` with the hosts, rules and people that the attacks are about."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import chdir, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, local
from urllib.parse import quote, urlencode

from typer.testing import CliRunner

from doorward.cli import build
from doorward.outside.keyring import open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.audit import unpack_private
from doorward.rules.envelope import Place
from tests.attacks.wire import HUNG_UP, Answer, Connection, Pairs, question, write
from tests.integration.gateway import Form, Gateway, start_gateway

PROXY = "127.0.0.2"
"""Where our proxy connects from."""
STRANGER = "127.0.0.3"
"""A peer that nobody trusts."""
AUTH = b"auth.example.test"
COOKIE = b"doorward"
BROWSER_COOKIE = "__Host-doorward-browser"
DEVICE_COOKIE = "__Host-doorward-device"
CSRF_COOKIE = "__Host-doorward-csrf"

CONFIG = """\
server:
  addr: {addr}
  public_url: https://auth.example.test
logger: {{level: debug, format: json}}
prometheus: {{addr: "127.0.0.1:{metrics}"}}
proxy: {{trusted: [127.0.0.2/32]}}
cookie: {{domain: example.test}}
headers: {{remote_user: true}}
authz:
  rules:
    - {{name: people, domain: app.example.test, who: any_user}}
    - {{name: nobody here, domain: app.example.test, path: [/private, "~/s(ecret)+"], effect: deny}}
    - {{name: rulers, domain: admin.example.test, groups: [admin]}}
    - {{name: two, domain: two.example.test, who: any_user}}
    - {{name: two factors, domain: two.example.test, require: [two_factor]}}
    - {{name: open, domain: pub.example.test, path: /public, who: anyone}}
    - {{name: open too, domain: pub.example.test, path: ["~/health[a-z]*", "/files/*/open", "=/exact"], who: anyone}}
    - {{name: at home, domain: lan.example.test, who: anyone, networks: [127.0.0.0/8, 10.0.0.0/8, "::1/128"]}}
    - {{name: wide, domain: "*.wide.example.test", who: any_user}}
    - {{name: strict, domain: "*.b.wide.example.test", effect: deny}}
    - {{name: staff, domain: cors.example.test, groups: [admin]}}
    - {{name: feeds, domain: feeds.example.test, who: any_user}}
apps:
  - {{name: App, hosts: [app.example.test]}}
  - {{name: Cors, hosts: [cors.example.test], preflight: pass}}
  - {{name: Feeds, hosts: [feeds.example.test], url_keys: true, assertion: true}}
"""

HOSTS = ("auth", "app", "admin", "two", "pub", "lan", "cors", "feeds")
NAVIGATION: Pairs = (
    (b"Accept", b"text/html,application/xhtml+xml"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Dest", b"document"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An account."""

    name: str
    email: str
    password: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    display: str = ""


ALICE = Person("alice", "alice@example.test", "Canary-of-Alic3 sings!", ("users",), display="Alice")
BOB = Person("bob", "bob@example.test", "Canary-of-B0b sings, too!")
ROOT = Person("root", "root@example.test", "Canary-of-the-R00t!", ("admin", "users"), admin=True)
DORA = Person("dora", "dora@example.test", "Canary-of-D0ra is mute!", ("users",))


@dataclass(slots=True)
class Note:
    """One exchange, for the invariants: what was sent, what came back, and whose live session was in it by then."""

    sent: bytes
    answer: Answer
    owners: frozenset[str]


@dataclass(slots=True)
class Stage:
    """A running Doorward, its data, and the people who use it."""

    gateway: Gateway
    where: int | str
    metrics: int = 0
    journal: list[Note] = field(default_factory=list)
    live: dict[bytes, Person] = field(default_factory=dict)
    """Session cookie values that are good now, and whose they are."""
    issued: set[bytes] = field(default_factory=set)
    """Every session cookie value ever handed out: a secret, dead or alive."""
    issued_pieces: set[bytes] = field(default_factory=set)
    """The halves of them."""
    token_pieces: set[bytes] = field(default_factory=set)
    """Of what browsers were given besides: other cookies, and the tickets in forms."""
    people: dict[str, Person] = field(default_factory=dict)
    shelf: dict[str, "Browser"] = field(default_factory=dict)
    """Browsers that several tests use."""
    abroad: set[str] = field(default_factory=set)
    """Hosts, with their ports, of the providers that people may be sent to."""
    marks: list[re.Pattern[bytes]] = field(default_factory=list)
    """How what providers gave us in confidence looks: no page, log or audit record has any of it."""
    _cookies: dict[str, bytes] = field(default_factory=dict)
    _devices: dict[str, str] = field(default_factory=dict)
    _addresses: int = 0
    _kept: local = field(default_factory=local)
    _window: sqlite3.Connection | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.gateway.folder / "data" / "doorward.db"

    # What an operator does

    def command(self, *arguments: str, typed: str = "") -> str:
        """Run a command of `doorward` on the same data; it must work."""
        return run_command(self.gateway.config, *arguments, typed=typed)

    def add(self, person: Person) -> Person:
        """Make an account by the command line."""
        add_person(self.gateway.config, person)
        self.people[person.name] = person
        return person

    def newcomer(self, *groups: str, admin: bool = False) -> Person:
        """Somebody whose account a test may spoil."""
        name = f"guest{len(self.people)}"
        return self.add(Person(name, f"{name}@example.test", f"Canary-of-N0body {len(self.people)}!", groups, admin))

    def bury(self, person: Person) -> None:
        """Note that every session of this person has ended."""
        self.live = {value: owner for value, owner in self.live.items() if owner.name != person.name}
        self._cookies.pop(person.name, None)

    # What a proxy does

    def connect(self, source: str = PROXY) -> Connection:
        """A connection from this address."""
        return Connection(self.where, source=source)

    def send(self, raw: bytes, *, source: str = PROXY, method: bytes = b"") -> Answer:
        """Send these bytes on a connection of their own."""
        with self.connect(source) as connection:
            return self.note(raw, connection.exchange(raw, method=method))

    def send_on(self, raw: bytes, *, source: str = PROXY, method: bytes = b"") -> Answer:
        """Send these bytes on a connection that is kept for the next question, as proxies do."""
        lines: dict[str, Connection] = self._kept.__dict__
        line = lines.pop(source, None)
        answer = line.exchange_or_close(raw, method=method) if line is not None else HUNG_UP
        if answer.status == 0:
            # Not there yet, or given up while it was idle: what a kept connection may always be.
            if line is not None:
                line.socket.close()
            line = self.connect(source)
            answer = line.exchange_or_close(raw, method=method)
        assert line is not None
        if answer.status == 0 or answer.one("connection").lower() == b"close":
            line.socket.close()
        else:
            lines[source] = line
        return self.note(raw, answer)

    def hang_up(self) -> None:
        """End the connections this thread has kept."""
        for line in self._kept.__dict__.values():
            line.socket.close()
        self._kept.__dict__.clear()

    def close(self) -> None:
        """Let go of everything this thread has opened."""
        self.hang_up()
        if self._window is not None:
            self._window.close()
            self._window = None

    def note(self, raw: bytes, answer: Answer) -> Answer:
        """Put an exchange into the journal."""
        owners = frozenset(owner.email for value, owner in list(self.live.items()) if value in raw)
        self.journal.append(Note(raw, answer, owners))
        self.issued.update(given := handed_out(answer))
        self.issued_pieces.update(half for value in given for half in value.split(b"."))
        others = [value for name, value in cookies_set(answer) if name != COOKIE]
        others += [match[1] for match in _ONE_TIME.finditer(answer.body)]
        self.token_pieces.update(part for value in others for part in value.split(b".") if len(part) == _PIECE)
        return answer

    def ask(
        self,
        dialect: str,
        *,
        host: bytes = b"app.example.test",
        target: bytes = b"/",
        method: bytes = b"GET",
        proto: bytes = b"https",
        cookie: bytes = b"",
        forwarded_for: bytes = b"203.0.113.7",
        more: Pairs = (),
        source: str = PROXY,
        kept: bool = True,
    ) -> Answer:
        """Ask about a request the way this proxy does, on a connection that is kept, or on one of its own."""
        verb, path, headers = question(dialect, host=host, target=target, method=method, proto=proto)
        lines = [*headers, (b"X-Forwarded-For", forwarded_for), *((b"Cookie", cookie) for _ in range(bool(cookie)))]
        send = self.send_on if kept else self.send
        return send(write(verb, path, [*lines, *more]), source=source, method=verb)

    # What people do

    def address(self) -> str:
        """An address that has not been seen yet: sign-ins are limited by address."""
        with self._lock:
            self._addresses += 1
            high, low = divmod(self._addresses, 250)
        return f"198.18.{high}.{low + 1}"

    def browser(self, address: str = "") -> "Browser":
        """A browser at an address of its own."""
        return Browser(self, address or self.address())

    def cookie_of(self, person: Person) -> bytes:
        """A Cookie header with a live session of this person, signed in the first time it is asked for."""
        if person.name not in self._cookies:
            self._cookies[person.name] = self.signed_in(person).cookie()
        return self._cookies[person.name]

    def known(self, person: Person) -> "Browser":
        """A fresh browser on a device this person has used before, if there is one: it is not slowed down by strangers."""
        browser = self.browser()
        if person.name in self._devices:
            browser.jar[DEVICE_COOKIE] = self._devices[person.name]
        return browser

    def signed_in(self, person: Person, **options: str) -> "Browser":
        """A fresh browser of this person, signed in."""
        browser = self.known(person)
        answer = browser.sign_in(person, **options)
        assert answer.status == 303, answer
        self._devices[person.name] = browser.jar[DEVICE_COOKIE]
        return browser

    def visitor(self, person: Person) -> "Browser":
        """A browser of this person that several tests share, signed in; no test may sign it out."""
        if person.name not in self.shelf:
            self.shelf[person.name] = self.signed_in(person)
        return self.shelf[person.name]

    # What can be seen from behind

    def find_secrets(self, text: bytes, *, one_time: bool = True) -> set[bytes]:
        """What of all that is secret stands in this text: passwords, halves of session cookies, the hashes we keep.

        With `one_time` also what stands in forms and cookies of the browser it was made for, and nowhere else.
        """
        found = {person.password.encode() for person in list(self.people.values()) if person.password.encode() in text}
        found |= {mark for mark in KEPT if mark in text}
        found |= {match[0] for mark in self.marks for match in mark.finditer(text)}
        for run in _LONG.findall(text):
            pieces = (
                {run[start : start + _PIECE] for start in range(len(run) - _PIECE + 1)} if len(run) < 500 else set()
            )
            found |= pieces & self.issued_pieces
            found |= pieces & self.token_pieces if one_time else set()
        return found

    @property
    def log(self) -> str:
        """Everything that was logged so far."""
        return self.gateway.process.log

    def log_size(self) -> int:
        """How many bytes were logged so far."""
        return self.gateway.process.log_path.stat().st_size

    def log_since(self, size: int) -> str:
        """What was logged after it had this size."""
        with self.gateway.process.log_path.open("rb") as file:
            file.seek(size)
            return file.read().decode("utf-8", "replace")

    def query(self, statement: str, *values: object) -> list[tuple]:
        """Look into the database."""
        if self._window is None:
            self._window = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10, isolation_level=None)
        return self._window.execute(statement, values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Change the database behind Doorward's back, as somebody who got hold of it would, and say that it changed."""
        with closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            connection.execute(statement, values)
            connection.execute("UPDATE revision SET value = value + 1")

    def audit(self, act: str = "") -> list[dict[str, str]]:
        """Audit records, oldest first."""
        rows = self.query("SELECT act, actor, subject, public, sequence, private FROM audit ORDER BY sequence")
        names = ("act", "actor", "subject", "public")
        return [
            {**dict(zip(names, row[:4], strict=True)), "private": json.dumps(self.open_private(*row[4:])[0])}
            for row in rows
            if act in {"", row[0]}
        ]

    def open_private(self, sequence: int, sealed: str) -> tuple[dict[str, str], bytes]:
        """The personal data of an audit record, and its salt, as only the holder of the master key reads them."""
        keyring = open_keyring(self.database.parent, random=SystemRandom(), create=False)
        keyring.join(str(self.query("SELECT value FROM settings WHERE name = 'installation'")[0][0]))
        private, salt = unpack_private(keyring.unseal(Place("audit", "private", str(sequence)), sealed))
        return dict(private), salt


@dataclass(slots=True)
class Browser:
    """A browser with a jar of cookies. It follows nothing by itself."""

    stage: Stage
    address: str
    jar: dict[str, str] = field(default_factory=dict)

    def headers(self, *more: tuple[bytes, bytes], host: bytes = AUTH) -> list[tuple[bytes, bytes]]:
        """What it sends with everything, through the proxy."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        return [
            (b"Host", host),
            (b"X-Forwarded-For", self.address.encode()),
            (b"X-Forwarded-Proto", b"https"),
            (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"),
            *((b"Cookie", cookies.encode("latin-1")) for _ in range(bool(cookies))),
            *more,
        ]

    def get(self, target: str, *more: tuple[bytes, bytes]) -> Answer:
        """Open a page."""
        return self._keep(self.stage.send_on(write(b"GET", target.encode("latin-1"), self.headers(*NAVIGATION, *more))))

    def call(self, method: str, target: str, *more: tuple[bytes, bytes], body: bytes | None = None) -> Answer:
        """Make a request as a script of our own page would."""
        own = ((b"Accept", b"application/json"), (b"Sec-Fetch-Site", b"same-origin"), (b"Sec-Fetch-Mode", b"cors"))
        raw = write(method.encode(), target.encode("latin-1"), self.headers(*own, *more), body)
        return self._keep(self.stage.send_on(raw))

    def post(
        self,
        target: str,
        fields: dict[str, str] | bytes,
        *more: tuple[bytes, bytes],
        origin: bytes = b"https://" + AUTH,
    ) -> Answer:
        """Send a form of our own page."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        own = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Sec-Fetch-Site", b"same-origin")]
        if origin:
            own.append((b"Origin", origin))
        raw = write(b"POST", target.encode("latin-1"), self.headers(*NAVIGATION, *own, *more), body)
        return self._keep(self.stage.send_on(raw))

    def open_form(self, target: str = "/login") -> Form:
        """Open a page that has a form."""
        page = self.get(target)
        assert page.status == 200, page
        return Form(page.body)

    def try_password(self, login: str, password: str, *, rd: str = "", **fields: str) -> Answer:
        """Open the sign-in page and try."""
        form = self.open_form(f"/login?rd={quote(rd, safe='')}" if rd else "/login")
        return self.post("/login", {**form.fields, "login": login, "password": password, **fields})

    def sign_in(self, person: Person, **options: str) -> Answer:
        """Sign in with the right password."""
        answer = self.try_password(person.name, person.password, **options)
        self.stage.live |= dict.fromkeys(handed_out(answer), person)
        return answer

    def sign_out(self) -> Answer:
        """Sign out."""
        value = self.jar.get("doorward", "").encode()
        answer = self.post("/logout", self.open_form("/logout").fields)
        self.stage.live.pop(value, None)
        return answer

    def cookie(self) -> bytes:
        """The Cookie header with the session only."""
        return COOKIE + b"=" + self.jar["doorward"].encode()

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.all("set-cookie"):
            name, _, rest = line.decode("ascii").partition("=")
            value, _, attributes = rest.partition(";")
            if re.search(r"Max-Age=0\b", attributes):
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer


def cookies_set(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Name and value of every cookie this answer sets."""
    pairs = [line.partition(b";")[0].partition(b"=") for line in answer.all("set-cookie")]
    return [(name, value) for name, _, value in pairs]


def handed_out(answer: Answer) -> list[bytes]:
    """The session cookie values this answer hands out."""
    return [value for name, value in cookies_set(answer) if name == COOKIE and value]


def run_command(config: Path, *arguments: str, typed: str = "") -> str:
    """Run a command of `doorward` with this configuration; it must work."""
    line = [*arguments, "--config", str(config)]
    with chdir(config.parent):
        result = CliRunner().invoke(build(arguments[0]), line, input=typed, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def add_person(config: Path, person: Person) -> None:
    """Make an account by the command line."""
    groups = [option for group in person.groups for option in ("--group", group)]
    run_command(
        config, "user", "add", person.name, "--email", person.email, "--display-name", person.display or person.name,
        *groups, *(["--admin"] if person.admin else []), "--password-stdin", typed=person.password + "\n",
    )  # fmt: skip


@contextmanager
def serving(
    folder: Path,
    text: str,
    port: int,
    *,
    unix: str = "",
    first: Person | None = None,
    program: Sequence[str] | None = None,
) -> Iterator[Stage]:
    """Run a Doorward with this configuration until the end of the block; `first` has an account before it starts."""
    config = folder / "doorward.yaml"
    config.write_text(text, "utf-8")
    if first is not None:
        add_person(config, first)
    gateway = start_gateway(folder, text, port, ready=Path(unix).exists if unix else None, program=program)
    stage = Stage(gateway, unix or port, people={first.name: first} if first else {})
    try:
        yield stage
    finally:
        stage.close()
        gateway.process.stop()


KEPT = (b"$2b$", b"$argon2", b"gcm2:")
"""How stored secrets begin. None of them is ever in an answer, the log or the audit."""

_PIECE = 43  # 32 bytes in base64url
_LONG = re.compile(rb"[A-Za-z0-9_-]{%d,}" % _PIECE)
_ONE_TIME = re.compile(rb'(?:name="ticket"[^>]* value="|[?;&]state=)([A-Za-z0-9_.-]+)')
