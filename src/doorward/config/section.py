"""What all sections of the configuration share, and the kinds of text that stand in one setting each."""

import re
from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict

from doorward.config.values import refuse
from doorward.errors import InputError
from doorward.rules.request import parse_host

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_METHOD = re.compile(r"[A-Z]{1,20}")
_REDIS_ADDRESS = re.compile(r"[A-Za-z0-9_.-]{1,253}:[0-9]{1,5}")
_MAX_LINE = 200
_MAX_ISSUER = 64


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


def parse_line(value: object) -> str:
    """One line of text."""
    if not isinstance(value, str):
        raise refuse("this must be text", "put it in quotes")
    if len(value) > _MAX_LINE or not value.isprintable():
        raise refuse(f"this must be one line of at most {_MAX_LINE} characters")
    return value.strip()


def parse_web_path(value: object) -> str:
    """The path of a page."""
    if not isinstance(value, str) or not re.fullmatch(r"/[A-Za-z0-9_./-]{0,100}", value):
        raise refuse("this is not the path of a page", "write /metrics")
    return value


def parse_cookie_name(value: object) -> str:
    """A cookie's name."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise refuse("a cookie's name has 1 to 64 letters, digits, - or _", "write doorward")
    return value


def parse_own_cookie_name(value: object) -> str | None:
    """The same, or nothing for the name we choose."""
    return None if value is None else parse_cookie_name(value)


def parse_cookie_domain(value: object) -> str | None:
    """The domain of a cookie, with or without a leading dot."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refuse("this must be text", "write example.com")
    try:
        host, port = parse_host(value.removeprefix("."))
    except InputError:
        host, port = "", ""
    if not host or port or host.startswith("["):
        raise refuse(f"{value!r} is not a domain", "write the parent of all protected hosts, such as example.com")
    return host


def parse_secure(value: object) -> object:
    """`auto`, true or false."""
    if value == "auto" or isinstance(value, bool):
        return value
    raise refuse(f"{value!r} is not one of auto, true, false", "write auto")


def parse_rp_id(value: object) -> str:
    """The name that passkeys are bound to."""
    hint = "write the host of public_url or a parent of it, such as example.com"
    if not isinstance(value, str):
        raise refuse("this must be text", hint)
    try:
        host, port = parse_host(value)
    except InputError:
        host, port = "", ""
    if not host or port or host.startswith("[") or re.fullmatch(r"[0-9.]+", host):
        raise refuse(f"{value!r} is not a domain", hint)
    return host


def parse_issuer(value: object) -> str:
    """What authenticator apps call us. They part it from the account's name by a colon."""
    issuer = parse_line(value)
    if ":" in issuer or len(issuer) > _MAX_ISSUER:
        raise refuse(f"this must be at most {_MAX_ISSUER} characters without a colon", "write Example Inc.")
    return issuer


def parse_method(value: object) -> str:
    """An HTTP method."""
    if not isinstance(value, str) or not _METHOD.fullmatch(value):
        raise refuse(f"{value!r} is not a method", "write it in capital letters: GET, POST, …")
    return value


def parse_zone(value: object) -> tzinfo:
    """The name of a time zone. UTC needs no time zone data, which small systems do not have."""
    if isinstance(value, tzinfo):
        return value
    if value == "UTC":
        return UTC
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (KeyError, OSError, ValueError):
        raise refuse(f"{value!r} is not a time zone", "write a name such as Europe/Berlin, or UTC") from None


def parse_redis_address(value: object) -> str:
    """Host and port."""
    if not isinstance(value, str) or not _REDIS_ADDRESS.fullmatch(value):
        raise refuse("this is not host:port", "write redis:6379")
    return value


Line = Annotated[str, BeforeValidator(parse_line)]
