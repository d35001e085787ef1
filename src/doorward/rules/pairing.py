"""Pairing: how an app that cannot show a sign-in page gets a key of its own (RFC 8628). Codes, scopes, states.

The app is given a long code to ask with, and a short one that somebody types into a page of ours. A scope says what the
app would like to open:

- `app:<name>`: an app by the name the configuration gives it. Names may have spaces and letters that no scope can
  (RFC 6749, 3.3), so that it stands there percent-encoded: `app:Home%20Assistant`.
- `host:<host>`: one host exactly.
- `read`, `write`: our own API. `admin` is never given to a device: what administers is made by its owner's own hand.

Well-formed words that are none of these (`openid`, `offline_access`) are passed over, for ordinary clients send them
unasked; the answer says what was given. What begins like ours and is no such thing is refused.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from hmac import digest
from ipaddress import IPv4Network
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from doorward.errors import InputError
from doorward.rules.app_key import ApiScope
from doorward.rules.policy import Address, in_networks
from doorward.rules.request import parse_host
from doorward.rules.throttle import address_key

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no word comes of it, and no digits, which are taken for letters (RFC 8628, 6.1)."""
CODE_LENGTH: Final = 8
"""Characters: 34 bits, good for ten minutes and a few counted tries."""
DEVICE_CODE_SIZE: Final = 32
"""Random bytes of the code that the app asks with."""
INTERVAL: Final = timedelta(seconds=5)
"""How long an app waits between two questions, and how much longer each time it did not (RFC 8628, 3.5)."""
SLOWEST: Final = timedelta(minutes=1)
JITTER: Final = timedelta(seconds=1)
"""So much earlier than the interval is still in time: what is asked on time may arrive early."""
MAX_CLIENT: Final = 50
MAX_SCOPE: Final = 2000
MAX_ITEMS: Final = 20

WAITING: Final = "pairing_waiting"
"""Under which name those are counted that wait."""
MAX_WAITING_EACH: Final = 10
"""Pairings of one address that wait at a time."""

_SITE: Final = 48
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TYPED: Final = re.compile(r"[\s\-\u2010-\u2015._]+")
_MAX_TYPED: Final = 64
_NEIGHBOURS: Final = 24
_HOUSES: Final = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_API: Final = {"read": ApiScope.READ, "write": ApiScope.WRITE}


class Stage(Enum):
    """Where a pairing stands."""

    WAITING = "waiting"
    """For somebody to type the code and say yes or no."""
    APPROVED = "approved"
    """The app may fetch its key, once."""
    REFUSED = "refused"


class Answer(Enum):
    """Why there is no key (yet); the words of RFC 8628, 3.5, and RFC 6749, 5.2."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"
    UNKNOWN = "invalid_grant"


class Whence(Enum):
    """Where the app asks from, as somebody who is to approve it sees it."""

    HERE = "here"
    """From their own network, as far as the address tells."""
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a key opens, as it is asked for, narrowed, and given. Neither apps nor hosts: nobody said."""

    apps: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    scopes: frozenset[ApiScope] = frozenset()

    @property
    def text(self) -> str:
        """As a scope."""
        words = [f"app:{quote(name, safe='')}" for name in self.apps]
        words += [f"host:{host}" for host in self.hosts]
        return " ".join([*words, *(word for word, scope in _API.items() if scope in self.scopes)])

    @property
    def names_places(self) -> bool:
        """Whether it says which apps."""
        return bool(self.apps or self.hosts)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an app asks: when it did last, and how long it has to wait. `asked` counts in seconds of any clock."""

    asked: float
    interval: timedelta = INTERVAL


def parse_scope(text: str) -> Reach:
    """What an app asks for. InputError where it cannot be read, and for what no device is given."""
    if not text:
        return Reach()
    if len(text) > MAX_SCOPE or not _SCOPE.fullmatch(text):
        raise InputError("the scope is malformed")
    items = dict.fromkeys(text.split(" "))
    if len(items) > MAX_ITEMS:
        raise InputError("the scope asks for too much")
    apps: list[str] = []
    hosts: list[str] = []
    scopes: set[ApiScope] = set()
    for item in items:
        kind, colon, rest = item.partition(":")
        if colon and kind == "app":
            apps.append(_parse_name(rest))
        elif colon and kind == "host":
            hosts.append(_parse_place(rest))
        elif item == ApiScope.ADMIN.value:
            raise InputError("no device is given the right to administer")
        elif item in _API:
            scopes.add(_API[item])
    return Reach(tuple(dict.fromkeys(apps)), tuple(dict.fromkeys(hosts)), frozenset(scopes))


def write_user_code(random: bytes) -> str:
    """The short code from at least 16 random bytes, without its dash."""
    number = int.from_bytes(random)
    digits = []
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def show_user_code(code: str) -> str:
    """As people read it: `BCDF-GHJK`."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"


def parse_user_code(text: str) -> str | None:
    """The code that somebody typed, however they wrote it: small letters, with or without dash; None for no code."""
    if len(text) > _MAX_TYPED:
        return None
    code = _TYPED.sub("", text)
    # Letters of other scripts can have capitals that are ours.
    code = code.upper() if code.isascii() else ""
    return code if len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) else None


def hash_user_code(code: str, key: bytes) -> bytes:
    """What a short code is stored under: with a key, for without one it could be found by trying them all."""
    return digest(key, b"doorward-pairing-v1" + code.encode("ascii"), "sha256")


def keep_pace(pace: Pace | None, at: float) -> tuple[Pace, bool]:
    """The pace after a question at this second, and whether it came too soon."""
    if pace is None or at - pace.asked >= (pace.interval - JITTER).total_seconds():
        return Pace(at, pace.interval if pace else INTERVAL), False
    return Pace(at, min(pace.interval + INTERVAL, SLOWEST)), True


def list_places(address: Address | None, most: int) -> tuple[tuple[str, int], ...]:
    """Under what those are counted that wait, the narrowest first, and how many may; `most` altogether.

    SECURITY: a site's IPv6 network holds 65536 of those that an address counts as. It gets a quarter of all, or it
    alone could keep everybody else out. tests/unit/test_pairing_rules.py would fail.
    """
    each, site = address_key(address), address_key(address, prefix=_SITE)
    places = {f"{WAITING}:{site}": max(MAX_WAITING_EACH, most // 4)} if site != each else {}
    return ((f"{WAITING}:{each}", MAX_WAITING_EACH), *places.items(), (WAITING, most))


def compare_networks(device: Address | None, browser: Address | None) -> Whence:
    """Whether an app asks from the network of whoever is to approve it.

    From the outside that is one address (of IPv6, one /64), and within a house of private addresses, its neighbours.
    """
    if device is None or browser is None:
        return Whence.UNKNOWN
    if address_key(device) == address_key(browser):
        return Whence.HERE
    if device.version == browser.version and in_networks(device, _HOUSES):
        neighbours = IPv4Network(f"{device}/{_NEIGHBOURS}", strict=False)
        return Whence.HERE if browser in neighbours else Whence.ELSEWHERE
    return Whence.ELSEWHERE


def _parse_name(text: str) -> str:
    if not text or _BROKEN.search(text):
        raise InputError("the scope names no app")
    try:
        name = unquote_to_bytes(text).decode("utf-8").strip()
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable():
        raise InputError("the scope names no app")
    return name


def _parse_place(text: str) -> str:
    host, port = parse_host(text)
    if port:
        raise InputError("a host is named without its port")
    return host
