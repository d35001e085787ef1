"""A gate with everything around it in memory: users, sessions, a clock, a log that can be read."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from doorward.errors import UnavailableError
from doorward.interfaces import SecondProofs
from doorward.rules.app_key import (
    AppKey,
    KeyId,
    KeyKind,
    hash_secret,
    parse_key,
    preview_of,
    write_key,
    write_key_id,
)
from doorward.rules.identity import User, UserId
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.policy import Network, Policy
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle, Subject
from doorward.rules.throttle import Window
from doorward.rules.token import make_cookie
from doorward.web.client import Trust
from doorward.web.gate.app_answer import AppHeaders, Minter
from doorward.web.gate.dialect import Headers
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.key_failures import KeyFailures
from doorward.web.gate.key_reader import KeyReader
from doorward.web.gate.refuse import Refusal
from doorward.web.gate.settings import GateSettings
from doorward.web.gate.single_user import SingleUserAccount
from doorward.web.gate.table import JudgeOwner, SessionTable
from tests.fakes.system import FakeClock, FakeRandom

SIGNING_KEY = b"k" * 32
PROXY = "127.0.0.2"
STRANGER = "127.0.0.3"


class FakeView:
    """`interfaces.LiveView` over a dictionary."""

    def __init__(self) -> None:
        self.subjects: dict[Fingerprint, Subject] = {}
        self.users: dict[str, User] = {}
        """Accounts without a session."""
        self.app_keys: dict[KeyId, tuple[AppKey, User]] = {}
        self.protected: set[UserId] = set()
        """Who has a second factor."""
        self.decided: dict[str, str] = {}
        self.commits = 0
        self.revisions = 0
        self.broken = False

    def stamp(self) -> Hashable:
        return self.commits

    def revision(self) -> int:
        if self.broken:
            raise UnavailableError("the store is away")
        return self.revisions

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        if self.broken:
            raise UnavailableError("the store is away")
        return self.subjects.get(fingerprint)

    def find_user_by_name(self, name: str) -> User | None:
        if self.broken:
            raise UnavailableError("the store is away")
        return self.users.get(name)

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        if self.broken:
            raise UnavailableError("the store is away")
        return self.app_keys.get(key_id)

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        return SecondProofs(user_id in self.protected)

    def list_app_secrets(self) -> dict[str, str]:
        return {}

    def find_setting(self, name: str) -> str | None:
        if self.broken:
            raise UnavailableError("the store is away")
        return self.decided.get(name)


@dataclass
class FakeLog:
    """`interfaces.Log` that keeps its lines as (level, event, fields)."""

    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))


@dataclass
class World:
    """A gate and what it stands in. `touches` holds what was handed over to be written."""

    policy: Policy
    settings: GateSettings = field(
        default_factory=lambda: GateSettings(
            "https://auth.example.test", b"doorward", ".example.test", cookie_secure=True
        )
    )
    trust: Trust = field(default_factory=lambda: Trust((ip_network("127.0.0.2/32"),)))
    view: FakeView = field(default_factory=FakeView)
    clock: FakeClock = field(default_factory=FakeClock)
    log: FakeLog = field(default_factory=FakeLog)
    single_user: str = ""
    at_home: tuple[Network, ...] = (ip_network("192.168.1.0/24"),)
    """The networks that `single_user` stands for."""
    touches: list[tuple[Fingerprint, datetime, str, str]] = field(default_factory=list)
    key_touches: list[tuple[KeyId, datetime, str, str]] = field(default_factory=list)
    key_lifetime: timedelta | None = None
    judge: JudgeOwner | None = None
    make_reader: Callable[[SessionTable], KeyReader] | None = None
    app_headers: AppHeaders | None = None
    minter: Minter | None = None

    def make_gate(self) -> Gate:
        """A gate that remembers nothing yet; several may share one world."""
        table = SessionTable(self.view, key_lifetime=self.key_lifetime, judge=self.judge)
        return Gate(
            policy=self.policy,
            settings=self.settings,
            trust=self.trust,
            table=table,
            signing_key=lambda: SIGNING_KEY,
            clock=self.clock,
            random=FakeRandom("gate"),
            log=self.log,
            touch=lambda *touch: self.touches.append(touch),
            page=draw,
            keys=self.make_reader(table)
            if self.make_reader is not None
            else KeyReader(table, failures=KeyFailures((Window(3, timedelta(minutes=15)),))),
            key_touch=lambda *touch: self.key_touches.append(touch),
            app_headers=self.app_headers,
            minter=self.minter,
            single_user=SingleUserAccount(
                self.view, self.single_user, self.log, networks=self.at_home, proxies=self.trust.networks
            )
            if self.single_user
            else None,
        )

    def sign_in(self, user: User, **changes: object) -> str:
        """Store a session for the user; returns its cookie value."""
        now = self.clock.now()
        seed = f"{user.name}:{self.view.commits}"
        cookie, fingerprint = make_cookie(FakeRandom(seed).token(32), SIGNING_KEY)
        session = Session(
            fingerprint=fingerprint,
            handle=SessionHandle(seed.ljust(22, "x")[:22]),
            user_id=user.id,
            generation=user.generation,
            created_at=now,
            authenticated_at=now,
            expires_at=now + timedelta(hours=24),
            idle_timeout=timedelta(minutes=120),
            last_seen_at=now,
            methods=frozenset({Method.PASSWORD}),
            remembered=False,
            user_agent="agent",
            address="203.0.113.7",
        )
        self.view.subjects[fingerprint] = Subject(user, replace(session, **changes))  # type: ignore[arg-type]
        self.view.commits += 1
        return cookie

    def change_user(self, name: str, **changes: object) -> None:
        """Alter the account, as a transaction would: everywhere, with a new revision."""
        for fingerprint, subject in list(self.view.subjects.items()):
            if subject.user.name == name:
                self.view.subjects[fingerprint] = subject._replace(user=replace(subject.user, **changes))  # type: ignore[arg-type]
        for key_id, (key, user) in list(self.view.app_keys.items()):
            if user.name == name:
                self.view.app_keys[key_id] = (key, replace(user, **changes))  # type: ignore[arg-type]
        self._revoke()

    def make_key(self, user: User, **changes: object) -> str:
        """Store a key of the user's for the app named App; returns it as it is shown."""
        seed = FakeRandom(f"key:{user.name}:{self.view.commits}")
        key_id, secret = write_key_id(seed.token(16)), seed.token(32)
        text = write_key(key_id, secret)
        now = self.clock.now()
        key = AppKey(
            key_id, user.id, "phone", KeyKind.KEY, hash_secret(secret), preview_of(text), now, user.id, apps=("App",)
        )
        self.view.app_keys[key_id] = (replace(key, **changes), user)  # type: ignore[arg-type]
        self.view.commits += 1
        return text

    def change_key(self, text: str, **changes: object) -> None:
        """Alter a key, as a transaction would; with `gone`, take it away."""
        parsed = parse_key(text)
        assert parsed is not None
        key, user = self.view.app_keys.pop(parsed[0])
        if not changes.pop("gone", False):
            self.view.app_keys[key.id] = (replace(key, **changes), user)  # type: ignore[arg-type]
        self._revoke()

    def lock_down(self, *, on: bool) -> None:
        """Begin a lockdown, or lift it."""
        self.view.decided = {LOCKDOWN_SETTING: "{}"} if on else {}
        self.view.commits += 1

    def put_user(self, user: User) -> None:
        """Store an account, or what has become of it."""
        self.view.users[user.name] = user
        self.view.commits += 1

    def end_sessions(self, name: str) -> None:
        """End the user's sessions."""
        for fingerprint, subject in list(self.view.subjects.items()):
            if subject.user.name == name:
                del self.view.subjects[fingerprint]
        self._revoke()

    def _revoke(self) -> None:
        self.view.commits += 1
        self.view.revisions += 1


def make_user(name: str, *groups: str, **changes: object) -> User:
    """An enabled account."""
    user = User(
        id=UserId(f"id-of-{name}"),
        name=name,
        display_name=name.title(),
        email=f"{name}@example.test",
        groups=frozenset(groups),
        is_admin=False,
        enabled=True,
        generation=1,
        created_at=FakeClock().now(),
    )
    return replace(user, **changes)  # type: ignore[arg-type]


def draw(refusal: Refusal) -> tuple[bytes, Headers]:
    """A refusal page in one line."""
    unsent = f" unsent {refusal.login_url}" if refusal.login_url else ""
    text = f"<html>{refusal.status} {refusal.reason.value} {refusal.host} {refusal.correlation_id}{unsent}</html>"
    return text.encode(), ((b"content-security-policy", b"default-src 'none'"),)


def ask(host: str, uri: str = "/", method: str = "GET", proto: str = "https", **more: str) -> list[tuple[bytes, bytes]]:
    """The headers Traefik sends for a visitor's request. `more`: further headers, with `_` for `-`."""
    headers = [
        (b"host", b"127.0.0.1:8080"),
        (b"x-forwarded-method", method.encode()),
        (b"x-forwarded-proto", proto.encode()),
        (b"x-forwarded-host", host.encode()),
        (b"x-forwarded-uri", uri.encode()),
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"accept", b"text/html"),
    ]
    return headers + [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
