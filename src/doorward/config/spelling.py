"""A setting's value written the way the configuration file spells it. A secret is never written."""

from datetime import timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from doorward.config import values
from doorward.config.access import Require, Rule
from doorward.config.app_headers import BasicEntry, HeaderTemplate
from doorward.config.mail import Sender
from doorward.config.patterns import Hours
from doorward.config.upstream import ProviderEntry
from doorward.config.values import (
    Listen,
    Secret,
    format_size,
    parse_optional_duration,
    parse_optional_listen,
    parse_size,
)
from doorward.config.words import Rename
from doorward.rules.alert import AlertKind
from doorward.rules.explain import format_path
from doorward.rules.outbound import Allowance
from doorward.rules.policy import HostPattern, PathPattern
from doorward.rules.span import format_span
from doorward.rules.throttle import Window

HIDDEN = "***"


def spell_setting(field: FieldInfo, value: object) -> Any:
    """The value of a setting: as `spell`, but what can be switched off is `off` where it has no value."""
    readers = {getattr(reader, "func", None) for reader in field.metadata}
    if value is None and readers & {parse_optional_duration, parse_optional_listen}:
        return values.OFF
    if parse_size in readers and isinstance(value, int):
        return format_size(value)
    return spell(value)


def spell(value: object) -> Any:
    """The value as YAML's own kinds: nothing, text, numbers, booleans, lists, mappings."""
    match value:
        case Secret():
            return HIDDEN
        case timedelta():
            return format_span(value)
        case Window():
            return f"{value.limit}/{format_span(value.span)}"
        case HostPattern():
            return value.text
        case AlertKind():
            return value.value
        case PathPattern():
            return format_path(value)
        case Allowance():
            return _spell_allowance(value)
        case Listen() | Hours() | Rename() | Sender() | HeaderTemplate() | IPv4Network() | IPv6Network() | tzinfo():
            return str(value)
        case BasicEntry():
            return {"user": value.user, "secret": value.secret}
        case tuple():
            return [spell(item) for item in value]
        case Rule() | Require() | ProviderEntry():
            return {word: spell(inner) for word, inner in _set_fields(value)}
        case BaseModel():
            return {word: spell(inner) for word, inner in value}
        case _:
            return value


def spell_scalar(value: object) -> str:
    """A spelled value on one line of YAML, quoted where YAML would read it as something else."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(spell_scalar(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word}: {spell_scalar(inner)}" for word, inner in value.items()) + "}"
    text = str(value)
    if isinstance(value, int) or (_is_plain(text) and text not in {"true", "false", "null", "~"}):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _spell_allowance(allowance: Allowance) -> str:
    place = allowance.host
    if allowance.network is not None:
        network = allowance.network
        place = str(network.network_address if network.prefixlen == network.max_prefixlen else network)
        place = f"[{place}]" if ":" in place and allowance.port is not None else place
    return place if allowance.port is None else f"{place}:{allowance.port}"


def _is_plain(text: str) -> bool:
    if not text or text[0] in "!&*-?:,[]{}#|>@`\"'%~ =" or text != text.strip() or text.isdigit():
        return text.startswith(":") and text[1:].isdigit()
    return not any(mark in text for mark in (": ", " #", ",", "[", "]", "{", "}", "\n")) and not text.endswith(":")


def _set_fields(section: BaseModel) -> list[tuple[str, object]]:
    defaults = {name: field.default for name, field in type(section).model_fields.items()}
    return [(name, value) for name, value in section if value != defaults[name]]
