"""The assertion itself: read strictly, verified by one algorithm, compared with the request (RFC 7515, 7519, 8725)."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from doorward.verify.strict import RefusedError, decode, read_object

if TYPE_CHECKING:
    from doorward.verify.keys import KeySource, PublicKey

HEADER: Final = "X-Doorward-Assertion"
TYPE: Final = "doorward-assertion+jwt"
MOST_LIFETIME: Final = 60
Algorithm = Literal["EdDSA", "ES256"]
_MOST_TOKEN: Final = 16 * 1024
_MOST_KID: Final = 128
_LEFT_OUT: Final = re.compile(r"[\x00-\x20\x7f#]")
_STANDARD_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Token:
    """An assertion whose signature is still to be verified. Nothing it says is read before that."""

    kid: str
    algorithm: Algorithm
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    payload: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an assertion must say to be good here: who made it, for whom, with which algorithm."""

    issuer: str
    audience: str
    algorithm: Algorithm = "EdDSA"
    leeway: int = 0


def verify(
    token: str | bytes,
    *,
    keys: "KeySource",
    issuer: str,
    audience: str,
    method: str,
    url: str | Collection[str],
    now: float,
    algorithm: Algorithm = "EdDSA",
    leeway: int = 0,
) -> dict[str, Any]:
    """What an assertion says, once all of it holds. RefusedError where anything does not.

    `url`: the address that was asked for, as the visitor knows it (several where an app has several). `now`: seconds
    since 1970. `leeway`: seconds that the clocks may differ by. KeysUnavailableError where the keys cannot be had.
    """
    read = read_token(token, algorithm)
    expected = Expected(issuer, audience, algorithm, leeway)
    return check(read, keys.find(read.kid), expected, method=method, url=url, now=now)


def read_token(token: str | bytes, algorithm: Algorithm) -> Token:
    """Read a compact JWS of exactly three parts (I07, I08)."""
    if isinstance(token, bytes):
        token = token.decode("latin-1")
    if len(token) > _MOST_TOKEN or not token.isascii():
        raise RefusedError("it is too long, or no text that a token can be")
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 -- header, claims, signature
        raise RefusedError("it is not a signed token of three parts")
    header = read_object(decode(parts[0]))
    # SECURITY: the algorithm is ours to say, never the token's (I01, I02); and nothing may stand there that we would
    # have to heed or ignore, a key of its own least of all (I04). tests/attacks/test_assertions.py would fail.
    if set(header) != {"alg", "kid", "typ"}:
        raise RefusedError("its header has not exactly alg, kid and typ")
    if header["alg"] != algorithm:
        raise RefusedError("it is not signed with the algorithm that is expected")
    if header["typ"] != TYPE:
        raise RefusedError("it is a token of another type")  # (I13, I14)
    kid = header["kid"]
    if not isinstance(kid, str) or not 0 < len(kid) <= _MOST_KID:
        raise RefusedError("it names its key by something that is no name")  # (I05)
    return Token(kid, algorithm, f"{parts[0]}.{parts[1]}".encode("ascii"), decode(parts[2]), parts[1])


def check(
    token: Token,
    key: "PublicKey | None",
    expected: Expected,
    *,
    method: str,
    url: str | Collection[str],
    now: float,
) -> dict[str, Any]:
    """The claims, once signature and claims hold for this request."""
    if key is None:
        raise RefusedError("its key is not one of those that are published")
    if key.algorithm != token.algorithm:
        raise RefusedError("the key it names is for another algorithm")
    if not key.verifies(token.signed, token.signature):
        raise RefusedError("its signature is not good")
    claims = read_object(decode(token.payload))
    _check_text(claims, "iss", expected.issuer)
    _check_text(claims, "aud", expected.audience)
    _check_text(claims, "htm", method)
    _check_times(claims, now, expected.leeway)
    subject, address = claims.get("sub"), claims.get("htu")
    if not isinstance(subject, str) or not subject:
        raise RefusedError("it does not say who asks")
    urls = (url,) if isinstance(url, str) else tuple(url)
    if not isinstance(address, str) or normal_form(address) not in [normal_form(each) for each in urls]:
        raise RefusedError("it is for another address")
    return claims


def normal_form(url: str) -> tuple[str, str, int | None, tuple[bytes, ...]]:
    """Scheme, host, port and the segments of the path, so that two spellings of one address are the same.

    Each segment is decoded by itself: an escaped slash never becomes one. The query does not count (RFC 9449).
    """
    # SECURITY: `urlsplit` leaves these out, and an app may not: `/a#b` would be good by what was signed for `/a`.
    # tests/attacks/test_assertions.py would fail.
    if _LEFT_OUT.search(url):
        raise RefusedError("an address is malformed")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedError("an address is malformed") from None
    if not parts.hostname or parts.username is not None:
        raise RefusedError("an address is malformed")
    port = _STANDARD_PORTS.get(parts.scheme) if port is None else port
    segments = (parts.path or "/").split("/")
    return parts.scheme, parts.hostname, port, tuple(unquote_to_bytes(segment) for segment in segments)


def _check_text(claims: dict[str, Any], name: str, expected: str) -> None:
    # Exactly this text: a list of audiences that has ours in it is for others as well.
    if claims.get(name) != expected:
        raise RefusedError(f"its {name} is another")


def _check_times(claims: dict[str, Any], now: float, leeway: int) -> None:
    issued, expires = _read_instant(claims, "iat"), _read_instant(claims, "exp")
    begins = _read_instant(claims, "nbf") if "nbf" in claims else issued
    if not 0 < expires - issued <= MOST_LIFETIME:
        raise RefusedError("it is good for longer than one ever is")
    if now >= expires + leeway:
        raise RefusedError("it has expired")
    if max(issued, begins) > now + leeway:
        raise RefusedError("it is from the future: compare the clocks")


def _read_instant(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError("it does not say from when to when it is good")
    return value
