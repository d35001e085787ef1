"""The kinds of value a setting can have: strict text in, one canonical value out, or a sentence on what is wrong.

Nothing is guessed: a number is no duration, `no` is no boolean, `10.0.0.1/8` is no network (Q02, Q07).
"""

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BeforeValidator, PlainValidator, StrictBool, StrictInt, StrictStr
from pydantic_core import PydanticCustomError
from typing_extensions import override

from doorward.errors import InputError
from doorward.rules.policy import Network
from doorward.rules.request import parse_host, parse_port
from doorward.rules.span import HINT, parse_span

OFF: Final = "off"
UNIX: Final = "unix"
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}
_ORIGIN = re.compile(r"(?i:(https?))://([^/?#\\@]+)([/?#].*)?")
_MAPPED = ip_network("::ffff:0:0/96")


class Secret:
    """A secret from the configuration. It never shows itself in a log line, a traceback or `config show`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself. Write nothing that holds it."""
        return self._text

    @override
    def __repr__(self) -> str:
        return "Secret('***')"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    @override
    def __hash__(self) -> int:
        return hash((Secret, self._text))


class PrivateKey(Secret):
    """A private key in PEM: a secret of several lines."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: `host` ("" = all interfaces) and `port` (0 = any free one), or a unix socket at `path`."""

    host: str = ""
    port: int = 0
    path: str = ""

    @override
    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error of a value that cannot be used: what is wrong, and what to write instead."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def read_text(value: object, hint: str) -> str:
    """Return the value if it is text; refuse it otherwise."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise refuse(f"{str(value).lower()} is not text", hint)
    raise refuse("this must be text", hint)


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `10m`, `24h`, `7d`, `1h30m`: largest unit first, each at most once, more than nothing."""
    if isinstance(value, timedelta):
        return value
    try:
        return parse_span(read_text(value, HINT))
    except InputError as error:
        raise refuse(str(error), HINT) from None


def parse_optional_duration(value: object) -> timedelta | None:
    """Read a span of time, or `off` for none."""
    if value is None or value == OFF:
        return None
    return parse_duration(value)


def parse_size(value: object) -> int:
    """Read `64KiB`, `2MiB` or `512B` as bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise refuse(f"{value} has no unit", "write 64KiB, 1MiB or 512B")
    text = read_text(value, "write 64KiB, 1MiB or 512B")
    parts = re.fullmatch(r"([1-9][0-9]{0,8})(B|KiB|MiB)", text)
    if parts is None:
        raise refuse(f"{text!r} is not a size", "write 64KiB, 1MiB or 512B")
    return int(parts[1]) * _SIZES[parts[2]]


def format_size(size: int) -> str:
    """Write a size the way `parse_size` reads it."""
    unit = next(unit for unit in ("MiB", "KiB", "B") if size % _SIZES[unit] == 0)
    return f"{size // _SIZES[unit]}{unit}"


def parse_listen(value: object) -> Listen:
    """Read `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `unix:/run/doorward.sock`."""
    if isinstance(value, Listen):
        return value
    hint = "write :8080, 127.0.0.1:8080, [::1]:8080 or unix:/run/doorward/doorward.sock"
    text = read_text(value, hint)
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        if not path.startswith("/") or not path.isprintable() or path.endswith("/"):
            raise refuse(f"{text!r} does not name a socket by its absolute path", hint)
        return Listen(path=path)
    host, _, port = text.rpartition(":")
    extra = ""
    try:
        number = 0 if port == "0" else int(parse_port(port))
        if host.startswith("[") and host.endswith("]"):
            host = str(IPv6Address(host[1:-1]))
        elif host or not text.startswith(":"):
            host, extra = parse_host(host)
    except (InputError, ValueError):
        raise refuse(f"{text!r} is not an address to listen on", hint) from None
    if extra:  # two ports, or an IPv6 address without its brackets
        raise refuse(f"{text!r} is not an address to listen on", hint)
    return Listen(host, number)


def parse_optional_listen(value: object) -> Listen | None:
    """Read an address to listen on, or `off` for none."""
    return None if value is None or value == OFF else parse_listen(value)


def parse_origin(value: object) -> str:
    """Read `https://auth.example.com[:port]`: scheme, host and port, canonical, nothing after them."""
    hint = "write https://auth.example.com, without a path"
    text = read_text(value, hint)
    shape = _ORIGIN.fullmatch(text)
    if shape is None:
        raise refuse(f"{text!r} is not the address of a site", hint)
    if shape[3] not in {None, "", "/"}:
        raise refuse(f"{text!r} has something after the host", hint)
    try:
        host, port = parse_host(shape[2])
    except InputError:
        raise refuse(f"{text!r} is not the address of a site", hint) from None
    scheme = shape[1].lower()
    standard = {"http": "80", "https": "443"}[scheme]
    return f"{scheme}://{host}" + (f":{port}" if port and port != standard else "")


def parse_network(value: object) -> Network:
    """Read `10.0.0.0/8`, `2001:db8::/32` or one address. Host bits, zones and names are refused (Q07)."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    hint = "write a network such as 10.0.0.0/8 or fd00::/8, or one address"
    text = read_text(value, hint)
    if text == "*":
        raise refuse("'*' would be the whole world", hint)
    if ";" in text:
        raise refuse(f"{text!r} is not one network", "write each network as its own item of the list")
    if text != text.strip() or "%" in text:
        raise refuse(f"{text!r} is not a network: remove spaces and zones", hint)
    try:
        network = ip_network(text)
    except ValueError:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise refuse(f"{text!r} is not a network", hint) from None
        raise refuse(f"{text!r} has bits set beyond its prefix", f"write {meant} for the network") from None
    if isinstance(network, IPv6Network) and isinstance(_MAPPED, IPv6Network) and network.subnet_of(_MAPPED):
        raise refuse(f"{text!r} is an IPv4 network in IPv6 clothes", "write it as IPv4")
    return network


def parse_peer(value: object) -> Network | Literal["unix"]:
    """Read what may be trusted as a proxy: a network, or `unix` for whoever can open our socket."""
    return UNIX if value == UNIX else parse_network(value)


def parse_secret(value: object) -> Secret:
    """Read a secret: text, not empty."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):  # never repeat it
        raise refuse("a secret must be text", "put it in quotes, or give it in a file with the key's _file form")
    if not value.strip():
        raise refuse("the secret is empty", "remove the key, or give the secret")
    return Secret(value)


def as_many(value: object) -> object:
    """One value where a list may stand is a list of one."""
    return (value,) if isinstance(value, str) else value


_T = TypeVar("_T")
Text = StrictStr
Flag = StrictBool
Whole = StrictInt
Many = Annotated[tuple[_T, ...], BeforeValidator(as_many)]
Duration = Annotated[timedelta, PlainValidator(parse_duration)]
OptionalDuration = Annotated[timedelta | None, PlainValidator(parse_optional_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
ListenAddress = Annotated[Listen, PlainValidator(parse_listen)]
OptionalListenAddress = Annotated[Listen | None, PlainValidator(parse_optional_listen)]
Origin = Annotated[str, PlainValidator(parse_origin)]
NetworkValue = Annotated[Network, PlainValidator(parse_network)]
Peer = Annotated[IPv4Network | IPv6Network | Literal["unix"], PlainValidator(parse_peer)]
SecretValue = Annotated[Secret, PlainValidator(parse_secret)]
