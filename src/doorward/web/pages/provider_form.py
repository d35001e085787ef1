"""The form for a provider: which fields there are, for which kind, and in what words they are asked for.

Their names, and what may stand in them, are `rules.provider_form`'s.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from doorward.rules.provider import ALGORITHMS, SHARED_CALLBACKS, ClientAuth, Kind, Par
from doorward.rules.provider_form import AUTO
from doorward.web.pages.provider_icons import NAMES

Asking = Literal["line", "lines", "secret", "secret lines", "choice", "flag"]

KIND_NAMES: Final = {Kind.OIDC: "OpenID Connect", Kind.GOOGLE: "Google", Kind.GITHUB: "GitHub"}
_OIDC: Final = frozenset({Kind.OIDC})
_JOSE: Final = frozenset({Kind.OIDC, Kind.GOOGLE})
_EVERY: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `choices` are values with their words; `kept` says that an empty one leaves what is stored."""

    name: str
    label: str
    asking: Asking = "line"
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    kinds: frozenset[Kind] = _EVERY
    required: bool = False
    kept: bool = False
    most: int = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together. `folded`: shown only to who asks for it."""

    id: str
    title: str
    fields: tuple[Field, ...]
    text: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A field with what stands in it, and what is wrong with that."""

    field: Field
    value: str
    wrong: str


@dataclass(frozen=True, slots=True)
class FilledGroup:
    """A group of the form as a page shows it."""

    id: str
    title: str
    text: str
    folded: bool
    fields: list[Filled] = field(default_factory=list)


_BASICS: Final = (
    Field("name", "Name", hint="What the button says after “Continue with”.", required=True, most=128),
    Field("icon", "Drawing", "choice", choices=(("", "the one that fits"), *((name, name) for name in NAMES))),
    Field(
        "issuer_url",
        "Address of the provider (issuer)",
        hint="Exactly as the provider spells it itself; every slash counts.",
        kinds=_OIDC,
        required=True,
    ),
    Field(
        "client_id",
        "Client ID",
        hint="The provider tells it when you register Doorward there.",
        required=True,
        most=500,
    ),
    Field("client_secret", "Client secret", "secret", kept=True, most=500),
)

_PEOPLE: Final = (
    Field(
        "allowed_emails", "E-mail addresses that may sign in", "lines", hint="One in each line. They must be verified."
    ),
    Field(
        "allowed_domains",
        "Domains whose addresses may sign in",
        "lines",
        hint="One in each line. Who has one of the addresses or one of the domains fits.",
    ),
    Field(
        "allowed_groups",
        "Groups that may sign in",
        "lines",
        hint="The provider's own words, one in each line. Needs the claim with the groups, below.",
        kinds=_OIDC,
    ),
    Field(
        "auto_provision",
        "Make an account for whoever is new",
        "flag",
        hint="Otherwise only people whose account is connected to this provider can sign in with it.",
    ),
    Field(
        "link_by_email",
        "Take a verified address for its owner",
        "flag",
        hint="Whoever comes with the verified address of an account here gets into it. Only for a provider that you "
        "trust to verify addresses.",
    ),
)

_GROUPS: Final = (
    Field("groups_claim", "Claim with the groups", hint="For example groups, or realm_access.roles.", kinds=_OIDC),
    Field(
        "groups_prefix",
        "Prefix of the other groups",
        hint="So that they cannot be mistaken for our own.",
        kinds=_OIDC,
        most=32,
    ),
    Field("admin_claim", "Claim that makes administrators", kinds=_OIDC),
    Field(
        "admin_value",
        "… when it holds",
        hint="The group or word that makes somebody an administrator here.",
        kinds=_OIDC,
    ),
    Field(
        "groups_rename",
        "Renamed groups",
        "lines",
        hint="their-word=our-word, one in each line. No prefix is put to them.",
        kinds=_OIDC,
    ),
)

_ADVANCED: Final = (
    Field(
        "redirect_url",
        "Where the browser comes back to",
        "choice",
        choices=(("", "its own address"), *((path, path) for path in SHARED_CALLBACKS)),
        hint="The others are for providers that know this site from another gateway.",
    ),
    Field(
        "token_auth_method",
        "How we prove who we are",
        "choice",
        choices=((AUTO, "whatever the provider offers"), *((auth.value, auth.value) for auth in ClientAuth)),
        kinds=_OIDC,
    ),
    Field(
        "private_key",
        "Private key for private_key_jwt",
        "secret lines",
        hint="In PEM, with its first and last line.",
        kinds=_OIDC,
        kept=True,
        most=10_000,
    ),
    Field(
        "discovery_url",
        "Address of the discovery document",
        hint="Only where it does not follow from the issuer.",
        kinds=_OIDC,
    ),
    Field("scopes", "Scopes", hint="Empty for the usual ones."),
    Field("algorithms", "Signatures that are accepted", hint=f"Empty for {', '.join(ALGORITHMS)}.", kinds=_OIDC),
    Field(
        "par",
        "Pushed authorization requests",
        "choice",
        choices=(
            (Par.AUTO.value, "where the provider offers them"),
            (Par.REQUIRE.value, "always"),
            (Par.NEVER.value, "never"),
        ),
        kinds=_OIDC,
    ),
    Field(
        "prompt",
        "Prompt",
        hint="select_account asks which account each time; consent and, elsewhere, login are known, too.",
    ),
    Field("max_age", "How old the sign-in there may be", hint="Such as 8h. Empty: as old as it likes.", kinds=_OIDC),
    Field("acr_values", "Authentication contexts asked for (acr_values)", kinds=_OIDC),
    Field(
        "assume_verified", "Addresses count as verified though the provider says nothing about it", "flag", kinds=_OIDC
    ),
    Field("trust_mfa", "Its word on a second factor counts", "flag", kinds=_OIDC),
    Field("logout", "Signing out here signs out there, too", "flag", hint="Where the provider offers it.", kinds=_JOSE),
    Field(
        "check_every",
        "Ask again whether the sign-in still stands, every",
        hint="Such as 15m; needs refresh tokens. What ended there then ends here. Empty: never.",
        kinds=_JOSE,
    ),
)

_ID: Final = Field(
    "id",
    "Short name",
    hint="Small letters, digits and dashes. It stands in addresses and records and cannot be changed later.",
    required=True,
    most=32,
)

_FORM: Final = (
    Group("basics", "Basics", _BASICS),
    Group(
        "people",
        "Who may sign in",
        _PEOPLE,
        "Without any list, everybody fits who has an account at the provider.",
    ),
    Group(
        "groups",
        "Groups and administration",
        _GROUPS,
        "Read anew at each sign-in: what somebody loses there is gone here.",
    ),
    Group("advanced", "Advanced", _ADVANCED, folded=True),
)

DEFAULTS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.OIDC: {"logout": "on"},
    Kind.GOOGLE: {"id": "google", "name": "Google", "logout": "on"},
    Kind.GITHUB: {"id": "github", "name": "GitHub"},
}
"""What stands in the form before anybody typed."""

_SETTING: Final = re.compile(r"\b[A-Za-z][a-z]*(?:_[a-z]+)+\b")


def say(words: str) -> str:
    """A sentence about what was entered, with the form's words for what the configuration file calls settings."""
    labels = {each.name: f"“{each.label}”" for group in _FORM for each in group.fields}
    return _SETTING.sub(lambda found: labels.get(found[0].lower(), found[0]), words)


def fill(kind: Kind, values: Mapping[str, str], wrong: Mapping[str, str], *, new: bool) -> list[FilledGroup]:
    """The form for a provider of this kind. Secrets are never sent back. A group with a mistake in it is not folded."""
    groups: list[FilledGroup] = []
    for group in _FORM:
        fields = (_ID, *group.fields) if new and group.id == "basics" else group.fields
        filled = [
            Filled(
                each, "" if each.asking.startswith("secret") else values.get(each.name, ""), wrong.get(each.name, "")
            )
            for each in fields
            if kind in each.kinds
        ]
        if filled:
            folded = group.folded and not any(each.wrong for each in filled)
            groups.append(FilledGroup(group.id, group.title, group.text, folded, filled))
    return groups


def find_unshown(kind: Kind, wrong: Mapping[str, str], *, new: bool) -> list[str]:
    """What is wrong with something that the form for this kind does not show."""
    shown = {each.name for group in _FORM for each in group.fields if kind in each.kinds} | ({"id"} if new else set())
    return [f"{name}: {sentence}" for name, sentence in wrong.items() if name not in shown]
