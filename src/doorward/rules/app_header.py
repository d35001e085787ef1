"""What we show one app besides the identity headers: headers by template, and a name and password (Basic).

A template is text with placeholders: `{user}`, `{email}`, `{name}`, `{groups}`, `{groups:PREFIX}` (the groups that
begin so, without it) and `{secret:NAME}`. `{{` and `}}` are braces.

SECURITY: what is shown in somebody's name is shown for somebody only. Where nobody is signed in, every header is there
and empty, so that nothing survives that a visitor sent under its name. tests/unit/test_app_header.py would fail.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from doorward.errors import InputError
from doorward.rules.header_value import encode
from doorward.rules.identity import User

AUTHORIZATION: Final = "authorization"
MAX_SECRET: Final = 4096
_MAX_TEMPLATE: Final = 1024
_MAX_NAME: Final = 64
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_SECRET_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}|[^{}]+|[{}]")
_GROUPS: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,64}")

FindSecret = Callable[[str], str | None]
"""The secret of this name; None where there is none."""


class Fill(Enum):
    """What a placeholder stands for."""

    USER = "user"
    EMAIL = "email"
    NAME = "name"
    GROUPS = "groups"
    SECRET = "secret"  # noqa: S105 -- a word


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a template: literal text where `fill` is None, else a placeholder and what follows its colon."""

    text: str
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class AppHeader:
    """A header that an app is sent. `name` in lower case.

    `password`: the name of a secret, for a header that shows what the template makes as a name, and that (Basic).
    """

    name: str
    template: tuple[Piece, ...]
    password: str = ""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets it needs."""
        named = {piece.text for piece in self.template if piece.fill is Fill.SECRET}
        return frozenset(named | {self.password} if self.password else named)

    def write(self, user: User, groups: Iterable[str], find_secret: FindSecret) -> bytes | None:
        """Its value for somebody; None where a secret is missing, or is none that a header can hold."""
        if not self.password:
            return _fill(self.template, user, groups, find_secret)
        name, password = _fill(self.template, user, groups, find_secret), find_secret(self.password)
        if name is None or password is None:
            return None
        return b"Basic " + b64encode(name + b":" + password.encode("utf-8"))


def parse_header(name: str, template: str) -> AppHeader:
    """A header as the configuration has it. InputError says what is wrong."""
    return AppHeader(parse_header_name(name), _parse_template(template))


def parse_basic(user: str, password: str) -> AppHeader:
    """A name and the name of the secret that is its password, for the header Authorization (RFC 7617)."""
    template = _parse_template(user)
    if any(piece.fill not in {None, Fill.USER, Fill.EMAIL} for piece in template):
        raise InputError("a name for Basic is made of text, {user} and {email} only")
    if ":" in "".join(piece.text for piece in template):
        raise InputError("a name for Basic has no colon: the password begins behind it")
    return AppHeader(AUTHORIZATION, template, parse_secret_name(password))


def write_headers(
    headers: Sequence[AppHeader], user: User | None, groups: Iterable[str], find_secret: FindSecret
) -> tuple[tuple[bytes, bytes], ...] | None:
    """What an app is sent, all empty where there is nobody; None where it cannot be sent what it should be.

    SECURITY: None is no allow: an app that falls back on something else for want of a header would open by accident.
    tests/unit/test_app_secrets.py would fail.
    """
    if user is None:
        return tuple((header.name.encode("ascii"), b"") for header in headers)
    held = tuple(groups)
    written = []
    for header in headers:
        value = header.write(user, held, find_secret)
        if value is None:
            return None
        written.append((header.name.encode("ascii"), value))
    return tuple(written)


def parse_header_name(name: str) -> str:
    """The name of a header that may be sent to one app, in lower case. InputError where it is none, or not an app's."""
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise InputError(f"{name!r} is no header's name: letters, digits and dashes, beginning with a letter")
    if lower in _FREE:
        return lower
    if lower in _TAKEN or lower.startswith(_TAKEN_BEGINNINGS):
        raise InputError(f"{name} has a meaning for us, the proxy or the connection, and is not to be set for an app")
    return lower


def parse_secret_name(name: str) -> str:
    """The name of an app secret: as user names are, for it stands in commands and addresses."""
    if not _SECRET_NAME.fullmatch(name):
        raise InputError("a secret's name has 1 to 64 lower-case letters, digits, dots, dashes or underscores")
    return name


def parse_secret(value: str) -> str:
    """A secret as it may be stored: one line without control characters, so that it can stand in a header."""
    if not value or len(value.encode("utf-8", "replace")) > MAX_SECRET:
        raise InputError(f"a secret has 1 to {MAX_SECRET} bytes")
    if not value.isprintable() or value != value.strip():
        raise InputError("a secret is one line, without control characters and without spaces around it")
    return value


def _parse_template(text: str) -> tuple[Piece, ...]:
    if len(text) > _MAX_TEMPLATE or not (text.isascii() and text.isprintable()) or text != text.strip():
        raise InputError(f"a template is one line of at most {_MAX_TEMPLATE} visible ASCII characters")
    pieces: list[Piece] = []
    for found in _PIECE.finditer(text):
        whole, word, argument = found[0], found[1], found[2]
        if word is not None:
            pieces.append(_parse_placeholder(whole, word, argument))
        elif whole in {"{", "}"}:
            raise InputError(f"{text!r} has a brace without its other: {{{{ and }}}} stand for braces themselves")
        else:
            pieces.append(Piece({"{{": "{", "}}": "}"}.get(whole, whole)))
    return tuple(pieces)


def _parse_placeholder(whole: str, word: str, argument: str | None) -> Piece:
    fill = next((each for each in Fill if each.value == word), None)
    if fill is Fill.SECRET and argument is not None:
        return Piece(parse_secret_name(argument), fill)
    if fill is Fill.GROUPS and argument is not None and _GROUPS.fullmatch(argument):
        return Piece(argument, fill)
    if fill in {None, Fill.SECRET} or argument is not None:
        known = "{user}, {email}, {name}, {groups}, {groups:PREFIX} and {secret:NAME}"
        raise InputError(f"{whole} stands for nothing: there are {known}")
    return Piece("", fill)


def _fill(template: Sequence[Piece], user: User, groups: Iterable[str], find_secret: FindSecret) -> bytes | None:
    made = b""
    for piece in template:
        match piece.fill:
            case None:
                made += piece.text.encode("ascii")
            case Fill.USER:
                made += encode(user.name)
            case Fill.EMAIL:
                made += encode(user.email)
            case Fill.NAME:
                made += encode(user.display_name)
            case Fill.GROUPS:
                begin = piece.text
                made += encode(",".join(sorted(each[len(begin) :] for each in groups if each.startswith(begin))))
            case Fill.SECRET:
                # As it is, for a token is compared byte by byte: what would have to be encoded cannot be shown.
                secret = find_secret(piece.text)
                if secret is None or not (secret.isascii() and secret.isprintable()):
                    return None
                made += secret.encode("ascii")
            case _:
                assert_never(piece.fill)
    return made


_FREE: Final = frozenset({
    "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username",
})  # fmt: skip
"""Headers that say who somebody is, among those that say where a request came from."""
_TAKEN: Final = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "age", "allow", "alt-svc",
    "cache-control", "cf-connecting-ip", "client-ip", "connection", "cookie", "cookie2", "date", "dnt", "etag",
    "expect", "expires", "forwarded", "from", "host", "http2-settings", "keep-alive", "last-modified", "location",
    "max-forwards", "origin", "pragma", "range", "referer", "retry-after", "server", "set-cookie", "set-cookie2", "te",
    "trailer", "transfer-encoding", "true-client-ip", "upgrade", "user-agent", "vary", "via", "warning",
    "www-authenticate", "x-client-ip", "x-cluster-client-ip", "x-csrf-token", "x-http-method", "x-http-method-override",
    "x-method-override", "x-real-ip", "x-request-id", "x-requested-with", "x-rewrite-url",
})  # fmt: skip
_TAKEN_BEGINNINGS: Final = (
    "access-control-", "content-", "if-", "proxy-", "sec-", "x-accel-", "x-doorward-", "x-envoy-", "x-forwarded-",
    "x-original-", "cf-",
)  # fmt: skip
