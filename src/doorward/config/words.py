"""The kinds of value that only providers have: ids, claims' words, private keys, and what may be called out to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator
from typing_extensions import override

from doorward.config.values import PrivateKey, parse_secret, read_text, refuse
from doorward.errors import InputError
from doorward.rules.names import parse_email, parse_group_name
from doorward.rules.outbound import Allowance, parse_allowance
from doorward.rules.provider import ALGORITHMS, PROVIDER_ID

ICONS: Final = (
    "authelia",
    "authentik",
    "codeberg",
    "forgejo",
    "github",
    "google",
    "key",
    "keycloak",
    "microsoft",
    "pocket-id",
    "zitadel",
)
"""Our drawings for providers. tests/unit/test_config_providers.py holds them to those of the pages."""

_TAKEN = frozenset({"off", "only", "last"})
"""What `authn.straight` means something else by."""

_MAX_WORD = 512


@dataclass(frozen=True, slots=True)
class Rename:
    """A group of the provider, and what it is called here."""

    theirs: str
    ours: str

    @override
    def __str__(self) -> str:
        return f"{self.theirs}={self.ours}"


def parse_provider_id(value: object) -> str:
    """Read what a provider is called in addresses."""
    hint = "write 1 to 32 small letters, digits or dashes, such as work"
    text = read_text(value, hint)
    if not PROVIDER_ID.fullmatch(text):
        raise refuse(f"{text[:_MAX_WORD]!r} cannot stand in an address", hint)
    if text in _TAKEN:
        raise refuse(f"{text!r} means something else in authn.straight", hint)
    return text


def parse_algorithm(value: object) -> str:
    """Read the name of a signature that may be allowed."""
    text = read_text(value, f"write some of {', '.join(ALGORITHMS)}")
    if text not in ALGORITHMS:
        raise refuse(f"{text[:_MAX_WORD]!r} may not be allowed", f"write some of {', '.join(ALGORITHMS)}")
    return text


def parse_icon(value: object) -> str:
    """Read the name of a drawing, or nothing for the one that fits."""
    hint = f"write one of {', '.join(ICONS)}"
    text = read_text(value, hint)
    if text and text not in ICONS:
        raise refuse(f"{text[:_MAX_WORD]!r} is none of our drawings", hint)
    return text


def parse_straight(value: object) -> str:
    """Read when to go straight to a provider: a word, or the id of one."""
    hint = "write off, only, last or the id of a provider"
    text = read_text(value, hint)
    if not PROVIDER_ID.fullmatch(text):
        raise refuse(f"{text[:_MAX_WORD]!r} is neither a word known here nor the id of a provider", hint)
    return text


def parse_address(value: object) -> str:
    """Read an e-mail address, canonical."""
    text = read_text(value, "write alice@example.com")
    try:
        return parse_email(text)
    except InputError as error:
        raise refuse(f"{text!r}: {error}", "write alice@example.com") from None


def parse_domain(value: object) -> str:
    """Read the part of an e-mail address after the @, canonical. Also read with the @ before it."""
    hint = "write example.com"
    text = read_text(value, hint)
    try:
        return parse_email("somebody@" + text.removeprefix("@")).partition("@")[2]
    except InputError:
        raise refuse(f"{text!r} is not the domain of an e-mail address", hint) from None


def parse_renames(value: object) -> tuple[Rename, ...]:
    """Read `{theirs: ours}`, or `theirs=ours` once or in a list. The last `=` counts: theirs may be a DN of LDAP."""
    hint = "write {their-admins: admins}"
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, str | tuple | list):
        pairs = [_split(item, hint) for item in ((value,) if isinstance(value, str) else value)]
    else:
        raise refuse("this must name the provider's words and ours", hint)
    renames: dict[str, Rename] = {}
    for theirs, ours in pairs:
        if not theirs or not isinstance(ours, str):
            raise refuse("each of the provider's words needs one of ours", hint)
        if theirs in renames:
            raise refuse(f"{theirs!r} is renamed twice", "keep one of them")
        try:
            renames[theirs] = Rename(theirs, parse_group_name(ours))
        except InputError as error:
            raise refuse(f"{ours!r}: {error}", hint) from None
    return tuple(renames.values())


def _split(item: object, hint: str) -> tuple[str, object]:
    if isinstance(item, Rename):
        return item.theirs, item.ours
    if not isinstance(item, str) or "=" not in item:
        raise refuse("this must name the provider's words and ours", hint)
    theirs, _, ours = item.rpartition("=")
    return theirs.strip(" "), ours.strip(" ")


def parse_private_key(value: object) -> PrivateKey:
    """Read a private key in PEM. What is in it is looked at by `rules.provider`."""
    return value if isinstance(value, PrivateKey) else PrivateKey(parse_secret(value).reveal())


def parse_outbound(value: object) -> Allowance:
    """Read what may be called besides public addresses."""
    if isinstance(value, Allowance):
        return value
    hint = "write auth.lan, auth.lan:8443, 10.0.0.0/8, 127.0.0.1:9000 or [::1]:9000"
    text = read_text(value, hint)
    try:
        return parse_allowance(text)
    except InputError as error:
        raise refuse(f"{text!r}: {error}", hint) from None


Algorithm = Annotated[str, PlainValidator(parse_algorithm)]
Icon = Annotated[str, PlainValidator(parse_icon)]
Straight = Annotated[str, PlainValidator(parse_straight)]
ProviderName = Annotated[str, PlainValidator(parse_provider_id)]
Email = Annotated[str, PlainValidator(parse_address)]
Domain = Annotated[str, PlainValidator(parse_domain)]
Renames = Annotated[tuple[Rename, ...], PlainValidator(parse_renames)]
KeyValue = Annotated[PrivateKey, PlainValidator(parse_private_key)]
AllowanceValue = Annotated[Allowance, PlainValidator(parse_outbound)]
