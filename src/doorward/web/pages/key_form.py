"""The form a key is asked for with: what was typed into it, and what of that cannot be had."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from doorward.errors import InputError
from doorward.rules.app_key import ApiScope
from doorward.rules.key_wish import KeyTerms, KeyWish, parse_key_name, parse_key_path
from doorward.rules.lockdown import parse_networks
from doorward.rules.policy import Address
from doorward.rules.request import parse_method
from doorward.web.form import Form

LIFETIMES: Final = (7, 30, 90, 365)
"""Days that are offered besides what is usual here and no end."""
FOREVER: Final = "forever"
_TEXTS: Final = ("name", "paths", "methods", "networks", "expires")
_FLAGS: Final = ("read_only", "in_url", "here")
_APP: Final = "app-"
_SCOPE: Final = "scope-"
_IPV6_HOME: Final = 64

NOTHING: Final = "Choose at least one app, or what the key may do with Doorward itself."
_BAD_NAME: Final = "Give the key a name by which you know the device: 1 to 50 characters."
_BAD_PATHS: Final = (
    "Write each path with a slash first, such as /api, without a question mark or an asterisk. What is below is meant, "
    "too."
)
_BAD_METHODS: Final = "Write methods with spaces between them, such as GET POST."
_BAD_NETWORKS: Final = "Write each network as 192.0.2.0/24, with zeros behind the mask, or a single address."
_BAD_EXPIRY: Final = "A key may not last so long here. Choose a shorter time."
_NOWHERE: Final = "We do not know which network you are in. Write one down instead."
_NOT_IN_URL: Final = (
    "Some of the chosen apps take no key in an address. Make one key for those that do, and another for the others."
)
_OWN_IN_URL: Final = "A key that may stand in an address cannot be for Doorward itself."


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form: texts and ticks by the name of their field, and what is chosen of the lists."""

    texts: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(_TEXTS, ""))
    flags: frozenset[str] = frozenset()
    apps: tuple[str, ...] = ()
    scopes: frozenset[ApiScope] = frozenset()


def read_typed(form: Form) -> Typed:
    """What somebody sent. InputError for what the page does not offer."""
    try:
        scopes = frozenset(ApiScope(name.removeprefix(_SCOPE)) for name in form if name.startswith(_SCOPE))
    except ValueError:
        raise InputError("there is no such scope") from None
    return Typed(
        texts={name: form.get(name, "") for name in _TEXTS},
        flags=frozenset(name for name in _FLAGS if name in form),
        apps=tuple(dict.fromkeys(value for name, value in form.items() if name.startswith(_APP))),
        scopes=scopes,
    )


def make_wish(
    typed: Typed, terms: KeyTerms, *, url_apps: Collection[str], client: Address | None, now: datetime
) -> tuple[KeyWish, dict[str, str]]:
    """The wish, and what is wrong with which field: a sentence each. Nothing is to be asked for while there is any.

    `url_apps`: those that take keys in addresses.
    """
    wrong: dict[str, str] = {}
    paths, methods, networks = typed.texts["paths"].split("\n"), typed.texts["methods"].split(), _networks_of(typed)
    _check(wrong, "name", _BAD_NAME, lambda: parse_key_name(typed.texts["name"]))
    _check(wrong, "paths", _BAD_PATHS, lambda: [parse_key_path(path) for path in paths if path.strip()])
    _check(wrong, "methods", _BAD_METHODS, lambda: [parse_method(method.upper()) for method in methods])
    _check(wrong, "networks", _BAD_NETWORKS, lambda: parse_networks(networks))
    if "here" in typed.flags:
        if client is None:
            wrong["networks"] = _NOWHERE
        else:
            networks.append(network_of(client))
    if not typed.apps and not typed.scopes:
        wrong["apps"] = NOTHING
    if "in_url" in typed.flags and typed.scopes:
        wrong["in_url"] = _OWN_IN_URL
    elif "in_url" in typed.flags and not set(typed.apps) <= set(url_apps):
        wrong["in_url"] = _NOT_IN_URL
    forever, lifetime = _read_lifetime(typed.texts["expires"])
    if terms.max_lifetime is not None and (forever or (lifetime is not None and lifetime > terms.max_lifetime)):
        wrong["expires"] = _BAD_EXPIRY
    wish = KeyWish(
        name=typed.texts["name"],
        apps=typed.apps,
        paths=tuple(paths),
        methods=tuple(methods),
        networks=tuple(networks),
        scopes=typed.scopes,
        read_only="read_only" in typed.flags,
        in_url="in_url" in typed.flags,
        expires_at=None if lifetime is None else now + lifetime,
        forever=forever,
    )
    return wish, wrong


def network_of(client: Address) -> str:
    """The network somebody is in, as a key is bound to it: the address, or what a home gets of IPv6."""
    mapped = getattr(client, "ipv4_mapped", None)
    if mapped is not None:
        client = mapped
    if client.version == 4:  # noqa: PLR2004 -- of the protocol
        return str(client)
    return str(ip_network((int(client), _IPV6_HOME), strict=False))


def choices_of(terms: KeyTerms) -> list[int]:
    """The lifetimes in days that policy leaves."""
    return [days for days in LIFETIMES if terms.max_lifetime is None or timedelta(days=days) <= terms.max_lifetime]


def usual_days(terms: KeyTerms) -> int | None:
    """How long a key lasts for which nothing was chosen; None for no end."""
    given = [span for span in (terms.default_lifetime, terms.max_lifetime) if span is not None]
    return max(min(given).days, 1) if given else None


def _read_lifetime(text: str) -> tuple[bool, timedelta | None]:
    if not text:
        return False, None
    if text == FOREVER:
        return True, None
    if text not in {str(days) for days in LIFETIMES}:
        raise InputError("that is no lifetime the page offers")
    return False, timedelta(days=int(text))


def _networks_of(typed: Typed) -> list[str]:
    return typed.texts["networks"].replace(",", " ").split()


def _check(wrong: dict[str, str], name: str, sentence: str, read: Callable[[], Iterable[object]]) -> None:
    try:
        read()
    except InputError:
        wrong[name] = sentence
