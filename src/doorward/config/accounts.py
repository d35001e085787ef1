"""The settings of accounts: how people sign in, and for how long."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from doorward.config.modes import TrustedHeader
from doorward.config.section import Section, parse_issuer, parse_rp_id
from doorward.config.upstream import Provider, ProviderEntry, TrustedWords
from doorward.config.values import Duration, Flag, Many, OptionalDuration, Origin, Whole
from doorward.config.words import Straight


class SessionSection(Section):
    """How long a sign-in lasts."""

    ttl: Duration = Field(
        default=timedelta(hours=24), description="A session ends this long after sign-in, used or not."
    )
    idle_timeout: OptionalDuration = Field(
        default=timedelta(minutes=120), description="It ends earlier when unused for this long, or `off`."
    )
    remember_ttl: OptionalDuration = Field(
        default=timedelta(days=7), description="The same with “remember me”; `off` takes that box away."
    )
    remember_idle_timeout: OptionalDuration = Field(
        default=None, description="The idle limit with “remember me”, or `off`."
    )


class Authn(Section):
    """Signing in."""

    state_ttl: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a sign-in may take from first page to last, the way to a provider and back included.",
    )
    select_account: Flag = Field(
        default=False, description="Have every provider set in this file ask which account, at every sign-in."
    )
    password: Flag = Field(
        default=True,
        description="Whether one may sign in with a password of ours. `false` takes effect when an administrator has "
        "signed in with a provider, and only as long as there is such a way; "
        "`doorward sign-in passwords on` brings passwords back whatever stands here.",
    )
    straight: Straight = Field(
        default="only",
        description="When to go to a provider without showing the sign-in page first. `only`: when there is one "
        "provider and no password; `last`: to the one last used in this browser; a provider's id: always to that "
        "one; `off`: never. After signing out, the page is shown once in any case.",
    )
    trusted_header: TrustedHeader = TrustedHeader()
    provider: Provider | None = Field(
        default=None, description="One provider that people may sign in with, in forward-auth's form."
    )
    providers: tuple[ProviderEntry, ...] = Field(
        default=(), description="Any number of providers, besides that one and those added in the console."
    )


class Mfa(Section):
    """Second factors. What is set in the console stands above `required`."""

    required: Literal["none", "admins", "all", "per_rule"] = Field(
        default="none",
        description="Who must have one. Whoever has one is asked for it at every sign-in; with `per_rule` only where a "
        "rule asks for `two_factor` or `passkey`.",
    )
    grace: OptionalDuration = Field(
        default=timedelta(days=7),
        description="How long those who must and have none may still sign in without, from the first time they are "
        "told. `off`: they set one up at once.",
    )
    trust_idp: TrustedWords = TrustedWords()


class Totp(Section):
    """Authenticator apps."""

    issuer: Annotated[str, PlainValidator(parse_issuer)] = Field(
        default="",
        description="What apps call us beside the account's name. Default: `Doorward at` and the host of "
        "`server.public_url`.",
    )


class Webauthn(Section):
    """Passkeys and security keys. They work over https only, or at localhost, and never at a bare address."""

    rp_id: Annotated[str | None, PlainValidator(parse_rp_id)] = Field(
        default=None,
        description="The name they are bound to: the host of `server.public_url`, which is the default, or a parent of "
        "it. Choose it for good: with another one, all passkeys are lost.",
    )
    origins: Many[Origin] = Field(
        default=(),
        description="Addresses besides `server.public_url` whose pages may use them, each within `rp_id`.",
    )
    verify: Literal["preferred", "required"] = Field(
        default="preferred",
        description="Whether the key must verify its user, by PIN or biometrics, also when it is the second proof. "
        "A passkey alone always must.",
    )


class Registration(Section):
    """Who may make an account, also by signing in with a provider. What is set in the console stands above `mode`."""

    mode: Literal["first_user_then_locked", "closed", "invite", "open", "oidc_auto"] = Field(
        default="first_user_then_locked",
        description="`first_user_then_locked`: the setup link makes the first account, an administrator; later ones "
        "need an invitation, or a provider with `auto_provision`. `oidc_auto`: the same, said for providers. "
        "`closed`: nobody, invited or not, whatever a provider says. `invite`: who has an invitation, and nobody else. "
        "`open`: anyone, too. Administrators can always add accounts.",
    )
    first_user: Literal["person", "console_only"] = Field(
        default="person",
        description="What the setup link makes. `person`: an administrator who may open apps, too, as rules say. "
        "`console_only`: an account for running the gateway, which opens no app, whatever rules say.",
    )
    approval: Flag = Field(
        default=False,
        description="An account that somebody made for themselves, or got from a provider, waits until an "
        "administrator lets it in. Not with an invitation, nor who administers by a provider's word.",
    )


class Recovery(Section):
    """Setting a new password when the old one is forgotten."""

    link_ttl: Duration = Field(default=timedelta(hours=1), description="How long a link to set a new password is good.")


class Password(Section):
    """Passwords. The floor stands; these tighten it."""

    min_length: Whole = Field(default=8, ge=8, le=128, description="The fewest characters of a new password.")
    algorithm: Literal["bcrypt", "argon2id"] = Field(
        default="bcrypt", description="How passwords are hashed. Older hashes are renewed at the next sign-in."
    )
    bcrypt_cost: Whole = Field(default=12, ge=12, le=15, description="Each step doubles the work.")
