"""The settings of signing in with an account elsewhere: `authn.provider`, `authn.providers`, and `outbound`.

A provider has two forms: the one forward-auth knows, for one provider, and a flat one, for any number of them. What the
options mean is the same in both. What they come to is in `providers`; whether that can work is `rules.provider`'s to
say, in the same words for this file and for the console.
"""

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from doorward.config.section import Line, Section
from doorward.config.values import (
    Duration,
    Flag,
    Many,
    OptionalDuration,
    SecretValue,
    Text,
)
from doorward.config.words import ICONS, Algorithm, AllowanceValue, Domain, Email, Icon, KeyValue, ProviderName, Renames
from doorward.rules.provider import ALGORITHMS, GITHUB_SCOPES, OIDC_SCOPES

Kind = Literal["oidc", "google", "github"]
_REDIRECT: Final = (
    "Where the provider sends the browser back to, exactly as registered there: our address with `/login/callback/ID`, "
    "`/api/auth/login` or `/api/auth/oidc/callback`. Default: the first of them."
)


class ProviderOptions(Section):
    """What can be set about a provider in either form."""

    name: Line = Field(
        default="",
        description="What the button on the sign-in page says. Default: `Google`, `GitHub`, else the issuer's host.",
    )
    icon: Icon = Field(
        default="",
        description="The drawing on the button: " + ", ".join(f"`{name}`" for name in ICONS) + ". Default: the one "
        "that fits `type`.",
    )
    private_key: KeyValue | None = Field(
        default=None,
        description="A private key in PEM for `private_key_jwt`: RSA of 2048 bits or more, P-256, P-384, P-521 or "
        "Ed25519. The provider gets its public half.",
    )
    discovery_url: Text = Field(
        default="",
        description="Where the provider describes itself, if not at the issuer with "
        "`/.well-known/openid-configuration` after it.",
    )
    token_auth_method: Literal["auto", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = Field(
        default="auto",
        description="How we prove to the provider that it is us. `auto`: the best that it takes and we have.",
    )
    algorithms: Many[Algorithm] = Field(
        default=ALGORITHMS,
        description="Signatures accepted on what the provider signs; narrowed to those that it announces.",
    )
    par: Literal["auto", "require", "never"] = Field(
        default="auto",
        description="Pushed authorization requests. `auto`: where the provider offers them.",
    )
    prompt: Text = Field(
        default="",
        description="What the provider is to ask at every sign-in: `login`, `consent` or `select_account`, or several "
        "of them. See `authn.select_account`, too.",
    )
    max_age: OptionalDuration = Field(
        default=None, description="How old the sign-in at the provider may be before it asks again, or `off`."
    )
    acr_values: Many[Text] = Field(
        default=(), description="Authentication context classes to ask the provider for, the most wanted first."
    )
    groups_claim: Text = Field(
        default="",
        description="The claim with the groups, with a dot for depth: `groups`, `realm_access.roles`. Unset: the "
        "provider grants no groups.",
    )
    groups_rename: Renames = Field(
        default=(),
        description="The provider's word and ours: `{their-admins: admins}`, or `[their-admins=admins]`. A renamed "
        "group gets no prefix.",
    )
    groups_prefix: Text = Field(
        default="", description="Put before every other group of the provider, so that it is none of ours by chance."
    )
    admin_claim: Text = Field(
        default="",
        description="The claim that makes administrators, read like `groups_claim`. Unset: the provider makes none.",
    )
    admin_value: Text = Field(default="", description="What `admin_claim` must be, or have among its values.")
    allowed_emails: Many[Email] = Field(
        default=(), description="Only who has one of these verified addresses may sign in."
    )
    allowed_domains: Many[Domain] = Field(
        default=(),
        description="The same by the part after the @, not below it. With `allowed_emails`: one of both suffices. "
        "At Google the domain of the organisation is meant.",
    )
    allowed_groups: Many[Text] = Field(
        default=(), description="Only who is in one of these, in the provider's words. A condition of its own."
    )
    link_by_email: Flag = Field(
        default=False,
        description="Take somebody unknown for the owner of the account here with the same verified address. Only "
        "for a provider whose every address you trust.",
    )
    assume_verified: Flag = Field(
        default=False, description="Take addresses for verified though the provider says nothing about that."
    )
    trust_mfa: Flag = Field(
        default=False, description="Believe the provider when it says there was a second factor (`mfa.trust_idp`)."
    )
    logout: Flag = Field(default=True, description="Sign out at the provider, too, where it offers that.")
    check_every: OptionalDuration = Field(
        default=None,
        description="Try the refresh token this often, so that what is revoked there ends here, or `off`. Most "
        "providers want the scope `offline_access` for it.",
    )
    enabled: Flag = Field(default=True, description="Whether one can sign in with it.")


class Oidc(Section):
    """The client at an OpenID Connect provider, Google included."""

    client_id: Text = Field(default="", description="Client id at the provider.")
    client_secret: SecretValue | None = Field(default=None, description="Client secret at the provider.")
    issuer_url: Text = Field(
        default="", description="The provider's issuer, exactly as it spells it. Needed by `type: oidc` only."
    )
    scopes: Many[Text] = Field(default=OIDC_SCOPES, description="Scopes to ask for.")


class GitHub(Section):
    """The OAuth app at GitHub."""

    client_id: Text = Field(default="", description="Client id at GitHub.")
    client_secret: SecretValue | None = Field(default=None, description="Client secret at GitHub.")
    scopes: Many[Text] = Field(default=GITHUB_SCOPES, description="Scopes to ask for.")


class NestedClient(Section):
    """What forward-auth knows of a provider."""

    type: Kind = Field(default="oidc", description="What it speaks.")
    redirect_url: Text = Field(default="", description=_REDIRECT)
    oidc: Oidc = Field(default=Oidc(), description="For `oidc` and `google`.")
    github: GitHub = Field(default=GitHub(), description="For `github`.")


class FlatClient(Section):
    """The same without sections, and with a name of its own."""

    id: ProviderName = Field(
        description="What addresses and records call it: small letters, digits and dashes. Choose it for good."
    )
    type: Kind = Field(default="oidc", description="What it speaks.")
    redirect_url: Text = Field(default="", description=_REDIRECT)
    issuer_url: Text = Field(
        default="", description="The provider's issuer, exactly as it spells it. Needed by `type: oidc` only."
    )
    client_id: Text = Field(default="", description="Client id at the provider.")
    client_secret: SecretValue | None = Field(default=None, description="Client secret at the provider.")
    scopes: Many[Text] = Field(
        default=(),
        description="Scopes to ask for. Unset: `[openid, email, profile]`, at GitHub `[user:email, read:user]`.",
    )


class Provider(ProviderOptions, NestedClient):
    """One provider, in forward-auth's form. It is called `oidc`, `google` or `github` in addresses and records."""

    auto_provision: Flag | None = Field(
        default=None,
        description="Whether somebody unknown gets an account, where `registration.mode` lets providers make them. "
        "Unset: yes.",
    )


class ProviderEntry(ProviderOptions, FlatClient):
    """A provider that people may sign in with."""

    auto_provision: Flag | None = Field(
        default=None,
        description="Whether somebody unknown gets an account, where `registration.mode` lets providers make them. "
        "Unset: yes where an `allowed_…` says who, else no.",
    )


class TrustedWords(Section):
    """Words of a provider that count as a second factor, for providers with `trust_mfa`."""

    amr: Many[Text] = Field(
        default=("mfa", "otp", "hwk", "swk"),
        description="Methods (`amr`, RFC 8176). One of them suffices.",
    )
    acr: Many[Text] = Field(default=(), description="Authentication context classes (`acr`). One of them suffices.")


class Outbound(Section):
    """Calls that Doorward makes, to providers. Without more: https, port 443, public addresses."""

    allow: Many[AllowanceValue] = Field(
        default=(),
        description="What may be called besides: a host whose address is private, or a network, with a port where it "
        "is another than 443: `auth.lan`, `auth.lan:8443`, `10.0.0.0/8`, `127.0.0.1:9000`, `[::1]:9000`.",
    )
    insecure_http: Flag = Field(
        default=False,
        description="Call providers by http://, too. Secrets and sign-ins then travel readably; every start warns.",
    )
    ca_file: Text = Field(
        default="", description="A file with certificates (PEM) of authorities to trust besides the usual ones."
    )
    timeout: Duration = Field(default=timedelta(seconds=10), description="The longest that one call may take.")
