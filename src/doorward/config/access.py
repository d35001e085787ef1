"""The settings that say who may open what: rules, groups and apps."""

from datetime import UTC, tzinfo
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, field_validator, model_validator

from doorward.config.app_headers import Basic, Templates
from doorward.config.patterns import Group, Host, HoursValue, Path, Person
from doorward.config.section import Line, Section, parse_method, parse_zone
from doorward.config.values import Flag, Many, NetworkValue, OptionalDuration, Text, refuse
from doorward.rules.app_header import AUTHORIZATION

_MAX_ICON = 8


class Require(Section):
    """What a require rule asks for. Written as a list: `[two_factor, fresh: 15m, network: [10.0.0.0/8]]`."""

    two_factor: Flag = Field(
        default=False, description="A second factor was shown. Who has not shown it yet is asked in place."
    )
    passkey: Flag = Field(
        default=False,
        description="A passkey that verified its user was used. Who has not used it yet is asked in place.",
    )
    fresh: OptionalDuration = Field(default=None, description="The last proof of identity is younger than this.")
    network: Many[NetworkValue] = Field(default=(), description="The visitor's address is in one of these networks.")
    or_key: Flag = Field(
        default=False,
        description="A key will do in place of the above, as far as only a person could prove that. Networks are asked "
        "of a key all the same.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_list(cls, value: object) -> object:
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, tuple | list):
            return value
        merged: dict[str, object] = {}
        for item in value:
            pairs = {item: True} if isinstance(item, str) else item
            if not isinstance(pairs, dict):
                raise refuse("each item is a word or `word: value`", "write [two_factor, fresh: 15m]")
            for word, wanted in pairs.items():
                if word in merged:
                    raise refuse(f"{word!r} is asked for twice")
                merged[word] = wanted
        return merged


class Rule(Section):
    """One rule. Order never matters: one allow is needed, one deny refuses, every require that matches must hold."""

    name: Line = Field(default="", description="What log lines and `explain` call it. Default: `rule 1`, `rule 2`, …")
    effect: Literal["allow", "deny", "require"] = Field(
        default="allow",
        description="What it does when it matches. `require` is implied by `require:`. Also spelled `policy`.",
    )
    hosts: Many[Host] = Field(
        default=(),
        description="`app.example.com`, `*.example.com` (below), `**.example.com` (it and below). "
        "Also spelled `domain`.",
    )
    paths: Many[Path] = Field(
        default=(),
        description="`/x` (it and below), `=/x` (exactly), `/a/*/b`, `/a/**` (glob), `~regex` (RE2, whole path). "
        "Unset: every path. Also spelled `path`.",
    )
    methods: Many[Annotated[str, PlainValidator(parse_method)]] = Field(
        default=(), description="HTTP methods. Unset: all."
    )
    users: Many[Person] = Field(default=(), description="User names or e-mail addresses it speaks of.")
    groups: Many[Group] = Field(default=(), description="Groups it speaks of. Users or groups: one match suffices.")
    who: Literal["any_user", "anyone"] | None = Field(
        default=None,
        description="`any_user`: whoever is signed in. `anyone`: without signing in, too. "
        "A deny or require without users and groups speaks of anyone; an allow without them of nobody.",
    )
    networks: Many[NetworkValue] = Field(default=(), description="Networks the visitor comes from. Unset: all.")
    times: Many[HoursValue] = Field(
        default=(), description="`Mon-Fri 08:00-18:00`, in `authz.timezone`. Unset: always."
    )
    require: Require | None = Field(default=None, description="What a require rule asks for.")

    @model_validator(mode="before")
    @classmethod
    def _imply_effect(cls, value: object) -> object:
        if isinstance(value, dict) and "require" in value and "effect" not in value:
            return {**value, "effect": "require"}
        return value

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if not self.hosts:
            raise refuse("the rule names no host", "add `domain: app.example.com`")
        if self.who and (self.users or self.groups):
            raise refuse(f"`who: {self.who}` already includes the users and groups named", "keep one of them")
        asked = self.require is not None and self.require.model_copy(update={"or_key": False}) != Require()
        if self.effect == "require" and not asked:
            raise refuse("a require rule must ask for something", "add `require: [two_factor]` or the like")
        if self.effect != "require" and self.require is not None:
            raise refuse(f"`require` cannot stand in a rule of effect {self.effect}", "give it a rule of its own")
        return self


class GroupSection(Section):
    """A group defined here, besides those that accounts are put in."""

    name: Group = Field(description="Its name.")
    users: Many[Person] = Field(default=(), description="User names or e-mail addresses in it.")


class Authz(Section):
    """Who may open what. No rules: nobody, nothing."""

    rules: tuple[Rule, ...] = Field(default=(), description="The rules, in any order.")
    groups: tuple[GroupSection, ...] = Field(default=(), description="Groups by member.")
    timezone: Annotated[tzinfo, PlainValidator(parse_zone)] = Field(
        default=UTC, description="The time zone in which the rules' `times` are meant."
    )


class App(Section):
    """What pages and log lines call a host."""

    name: Line = Field(min_length=1, description="Its name.")
    hosts: Many[Host] = Field(min_length=1, description="Its hosts, written as in rules.")
    description: Line = Field(default="", description="One line for the list of apps.")
    icon: Line = Field(
        default="",
        description="What its tile shows: an emoji, some letters, or one of our drawings: `book`, `calendar`, "
        "`camera`, `chart`, `chat`, `cloud`, `code`, `data`, `film`, `folder`, `gear`, `home`, `key`, `mail`, `music`, "
        "`server`, `shell`. Default: its initial.",
    )
    contact: Line = Field(default="", description="Whom to ask for access; shown on the denial page.")
    url: Text = Field(default="", description="Where the list of apps leads. Default: its first exact host.")
    preflight: Literal["pass", "deny"] = Field(
        default="deny", description="Whether CORS preflights, which never carry a cookie, reach the app unasked."
    )
    assertion: Flag = Field(
        default=False,
        description="Whether it is sent a signed assertion of who asks for what, which it can verify "
        "(docs/guides/assertions.md).",
    )
    audience: Line = Field(default="", description="Whom the assertion is for (`aud`). Default: the app's name.")
    keys: Flag = Field(default=True, description="Whether keys may open it, as far as their owners may.")
    url_keys: Flag = Field(
        default=False,
        description="Whether a key made for that may stand in an address of it, for calendar feeds and the like. "
        "Addresses end up in logs and histories: only for reading, and only where nothing else works.",
    )
    guard_cross_site: Flag = Field(
        default=False,
        description="Whether to refuse what pages of other origins have a visitor's browser change there (by `Origin` "
        "and `Sec-Fetch-Site`), for an app that has no defence of its own. Programs that send neither are not meant.",
    )
    headers: Templates = Field(
        default=(),
        description='Headers the app is sent, by template: `{X-WEBAUTH-USER: "{user}"}`. `{user}`, `{email}`, '
        "`{name}`, `{groups}`, `{groups:PREFIX}` (those that begin so, without it), `{secret:NAME}` (`doorward "
        "app-secret`); `{{` and `}}` are braces. Empty where nobody is signed in.",
    )
    basic: Basic = Field(
        default=None,
        description="The name and password that open the app's own door, `{user: admin, secret: NAME}`, sent as "
        "`Authorization: Basic` for whoever may enter. `user` may have `{user}` and `{email}`.",
    )

    @model_validator(mode="after")
    def _check_authorization(self) -> Self:
        if self.basic is not None and any(each.header.name == AUTHORIZATION for each in self.headers):
            raise refuse("`basic` and a header Authorization cannot both be sent", "keep one of them")
        return self

    @field_validator("icon")
    @classmethod
    def _check_icon(cls, value: str) -> str:
        if len(value) > _MAX_ICON:
            raise refuse("an icon is a few characters, not a picture or its address", "write an emoji or two letters")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or not value.isprintable()):
            raise refuse(f"{value!r} is not an http address", "write https://app.example.com/")
        return value
