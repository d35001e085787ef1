"""A provider as text: in the console's form, and as the settings of one that was added there.

The form's fields have the names of the configuration's keys, and are read the same way. Nothing here is a secret but
what stands in the fields `client_secret` and `private_key`; neither is ever written back.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from doorward.errors import InputError, TamperError
from doorward.rules.provider import (
    ALGORITHMS,
    GITHUB_ISSUER,
    GITHUB_SCOPES,
    GOOGLE_ISSUER,
    OIDC_SCOPES,
    ClientAuth,
    Kind,
    Par,
    Provider,
    ProviderId,
    check_provider,
    split_problem,
)
from doorward.rules.span import format_span, parse_span
from doorward.rules.strict_json import parse_object
from doorward.rules.upstream import StoredProvider

AUTO: Final = "auto"
OFF: Final = "off"
FLAGS: Final = ("auto_provision", "link_by_email", "assume_verified", "trust_mfa", "logout")
"""Fields that are boxes to tick: there, with any text, or not."""

_VERSION: Final = 1
_ISSUERS: Final = {Kind.GOOGLE: GOOGLE_ISSUER, Kind.GITHUB: GITHUB_ISSUER}
_NAMES: Final = {Kind.GOOGLE: "Google", Kind.GITHUB: "GitHub"}
_SEPARATOR: Final = re.compile(r"[\s,]+")
_Choice = TypeVar("_Choice", bound=Enum)
_T = TypeVar("_T")


def parse_fields(
    fields: Mapping[str, str],
    *,
    id: ProviderId,  # noqa: A002 -- what it is called
    stored: Provider | None = None,
) -> Provider | list[str]:
    """Read the console's form, or list every problem in the words of `check_provider`.

    Lists are separated by lines, commas or spaces; groups, which may have commas and spaces, by lines alone. `stored`
    is the provider that is being changed: its secrets stay where their fields are empty, but only while it is the same
    place they are shown to. Who could turn its address elsewhere would read them there.
    """
    reading = _Reading(fields)
    kind = reading.choose("type", Kind, Kind.OIDC)
    auth = reading.choose("token_auth_method", ClientAuth, None, none=AUTO)
    issuer = reading.text("issuer_url") or _ISSUERS.get(kind, "")
    provider = Provider(
        id=id,
        kind=kind,
        name=reading.text("name") or _NAMES.get(kind) or _host_of(issuer) or id,
        icon=reading.text("icon"),
        issuer=issuer,
        discovery_url=reading.text("discovery_url"),
        client_id=reading.text("client_id"),
        client_secret=reading.text("client_secret"),
        private_key=reading.pem("private_key"),
        client_auth=auth,
        scopes=reading.words("scopes") or (GITHUB_SCOPES if kind is Kind.GITHUB else OIDC_SCOPES),
        redirect_path=reading.text("redirect_url"),
        algorithms=reading.words("algorithms") or ALGORITHMS,
        par=reading.choose("par", Par, Par.AUTO),
        prompt=" ".join(reading.words("prompt")),
        max_age=reading.span("max_age"),
        acr_values=reading.words("acr_values"),
        groups_claim=reading.text("groups_claim"),
        groups_rename=reading.renames("groups_rename"),
        groups_prefix=reading.text("groups_prefix"),
        admin_claim=reading.text("admin_claim"),
        admin_value=reading.text("admin_value"),
        allowed_emails=frozenset(word.lower() for word in reading.words("allowed_emails")),
        allowed_domains=frozenset(word.lower().removeprefix("@") for word in reading.words("allowed_domains")),
        allowed_groups=frozenset(reading.lines("allowed_groups")),
        check_every=reading.span("check_every"),
        enabled=stored.enabled if stored else False,
        from_file=False,
        **{name: reading.flag(name) for name in FLAGS},
    )
    if stored is not None:
        provider = _keep_secrets(provider, stored, reading.problems)
    told = {split_problem(problem)[0] for problem in reading.problems}
    problems = reading.problems + [
        problem for problem in check_provider(provider) if split_problem(problem)[0] not in told
    ]
    return problems or provider


def format_fields(provider: Provider) -> dict[str, str]:
    """The form as it stands filled in for this provider: `parse_fields` reads it back. Secrets stay empty."""
    fields = {
        "type": provider.kind.value,
        "name": provider.name,
        "icon": provider.icon,
        "issuer_url": "" if provider.kind in _ISSUERS else provider.issuer,
        "discovery_url": provider.discovery_url,
        "client_id": provider.client_id,
        "client_secret": "",
        "private_key": "",
        "token_auth_method": provider.client_auth.value if provider.client_auth else AUTO,
        "scopes": " ".join(provider.scopes),
        "redirect_url": provider.redirect_path,
        "algorithms": "" if provider.algorithms == ALGORITHMS else " ".join(provider.algorithms),
        "par": provider.par.value,
        "prompt": provider.prompt,
        "max_age": format_span(provider.max_age) if provider.max_age else "",
        "acr_values": " ".join(provider.acr_values),
        "groups_claim": provider.groups_claim,
        "groups_rename": "\n".join(f"{theirs}={ours}" for theirs, ours in provider.groups_rename),
        "groups_prefix": provider.groups_prefix,
        "admin_claim": provider.admin_claim,
        "admin_value": provider.admin_value,
        "allowed_emails": "\n".join(sorted(provider.allowed_emails)),
        "allowed_domains": "\n".join(sorted(provider.allowed_domains)),
        "allowed_groups": "\n".join(sorted(provider.allowed_groups)),
        "check_every": format_span(provider.check_every) if provider.check_every else "",
    }
    return fields | {name: "on" for name in FLAGS if getattr(provider, name)}


def to_settings(provider: Provider) -> str:
    """What is stored of a provider besides its id, its secrets and whether it is enabled."""
    return json.dumps(
        {
            "version": _VERSION,
            "kind": provider.kind.value,
            "name": provider.name,
            "icon": provider.icon,
            "issuer": provider.issuer,
            "discovery_url": provider.discovery_url,
            "client_id": provider.client_id,
            "client_auth": provider.client_auth.value if provider.client_auth else None,
            "scopes": provider.scopes,
            "redirect_path": provider.redirect_path,
            "algorithms": provider.algorithms,
            "par": provider.par.value,
            "prompt": provider.prompt,
            "max_age": _to_seconds(provider.max_age),
            "acr_values": provider.acr_values,
            "groups_claim": provider.groups_claim,
            "groups_rename": provider.groups_rename,
            "groups_prefix": provider.groups_prefix,
            "admin_claim": provider.admin_claim,
            "admin_value": provider.admin_value,
            "allowed_emails": sorted(provider.allowed_emails),
            "allowed_domains": sorted(provider.allowed_domains),
            "allowed_groups": sorted(provider.allowed_groups),
            "check_every": _to_seconds(provider.check_every),
            **{name: getattr(provider, name) for name in FLAGS},
        },
        sort_keys=True,
    )


def from_settings(stored: StoredProvider, *, client_secret: str, private_key: str) -> Provider:
    """The provider that was stored, with its secrets unsealed. TamperError unless the settings are what we write.

    Also where they name something unknown, which a newer release may have written: half of what somebody set would be
    another provider than the one they set.
    """
    try:
        raw = dict(parse_object(stored.settings.encode()))
        provider = _read_settings(stored, raw, client_secret=client_secret, private_key=private_key)
    except (InputError, KeyError, TypeError, ValueError):
        raise TamperError(f"the settings of the provider {stored.id} are not what we wrote") from None
    if raw:
        raise TamperError(f"the settings of the provider {stored.id} say more than this release knows")
    return provider


def _read_settings(stored: StoredProvider, raw: dict[str, Any], *, client_secret: str, private_key: str) -> Provider:
    def take(name: str, read: Callable[[Any], _T]) -> _T:
        return read(raw.pop(name))

    if take("version", int) != _VERSION:
        raise InputError("these settings are of another version")
    return Provider(
        id=stored.id,
        kind=take("kind", Kind),
        name=take("name", _text),
        icon=take("icon", _text),
        issuer=take("issuer", _text),
        discovery_url=take("discovery_url", _text),
        client_id=take("client_id", _text),
        client_secret=client_secret,
        private_key=private_key,
        client_auth=take("client_auth", lambda word: None if word is None else ClientAuth(word)),
        scopes=take("scopes", _texts),
        redirect_path=take("redirect_path", _text),
        algorithms=take("algorithms", _texts),
        par=take("par", Par),
        prompt=take("prompt", _text),
        max_age=take("max_age", _from_seconds),
        acr_values=take("acr_values", _texts),
        groups_claim=take("groups_claim", _text),
        groups_rename=take("groups_rename", _pairs),
        groups_prefix=take("groups_prefix", _text),
        admin_claim=take("admin_claim", _text),
        admin_value=take("admin_value", _text),
        allowed_emails=frozenset(take("allowed_emails", _texts)),
        allowed_domains=frozenset(take("allowed_domains", _texts)),
        allowed_groups=frozenset(take("allowed_groups", _texts)),
        check_every=take("check_every", _from_seconds),
        enabled=stored.enabled,
        from_file=False,
        **{name: take(name, _flag) for name in FLAGS},
    )


class _Reading:
    """One reading of a form. What cannot be read is noted in `problems` and stands for its default meanwhile."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._fields.get(name, "").strip()

    def flag(self, name: str) -> bool:
        return bool(self.text(name))

    def pem(self, name: str) -> str:
        lines = [line.strip() for line in self.text(name).splitlines()]
        return "\n".join(lines) + "\n" if lines else ""

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word for word in _SEPARATOR.split(self.text(name)) if word))

    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.text(name).splitlines() if line.strip())

    def choose(self, name: str, choices: type[_Choice], default: Any, *, none: str = "") -> Any:
        word = self.text(name)
        if word in {"", none}:
            return default
        try:
            return choices(word)
        except ValueError:
            self.problems.append(f"{name}: this is none of the choices")
            return default

    def span(self, name: str) -> timedelta | None:
        word = self.text(name)
        if word in {"", OFF}:
            return None
        try:
            return parse_span(word)
        except InputError as error:
            self.problems.append(f"{name}: {error}")
            return None

    def renames(self, name: str) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for line in self.lines(name):
            # The last one counts: the provider's word may be a DN of LDAP.
            theirs, equals, ours = line.rpartition("=")
            if equals:
                pairs.append((theirs.strip(), ours.strip()))
            else:
                self.problems.append(f"{name}: write their-admins=admins, each in a line of its own")
        return tuple(pairs)


def _keep_secrets(provider: Provider, stored: Provider, problems: list[str]) -> Provider:
    same_place = (provider.kind, provider.issuer, provider.discovery_url) == (
        stored.kind,
        stored.issuer,
        stored.discovery_url,
    )
    kept: dict[str, Any] = {}
    uses = {
        "client_secret": {None, ClientAuth.BASIC, ClientAuth.POST},
        "private_key": {None, ClientAuth.PRIVATE_KEY},
    }
    for name, ways in uses.items():
        secret = getattr(stored, name)
        if not secret or getattr(provider, name) or provider.client_auth not in ways:
            continue
        if same_place:
            kept[name] = secret
        else:
            problems.append(f"{name}: the provider's address was changed: give this again")
    return replace(provider, **kept)


def _host_of(issuer: str) -> str:
    try:
        return urlsplit(issuer).hostname or ""
    except ValueError:
        return ""


def _to_seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _from_seconds(value: Any) -> timedelta | None:
    if value is None:
        return None
    if type(value) is not int or not 0 < value < 10**10:
        raise InputError("a span is a number of seconds")
    return timedelta(seconds=value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError("this is no text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError("this is neither true nor false")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError("this is no list")
    return tuple(_text(each) for each in value)


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise InputError("this is no list")
    return tuple((_text(theirs), _text(ours)) for theirs, ours in value)
