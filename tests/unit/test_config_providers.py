"""Providers in the configuration: both forms, what they come to, and every way of getting them wrong."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from doorward.config.load import Loaded, load_config, parse_config
from doorward.config.provider_check import note_ways
from doorward.config.providers import build_outbound, build_provider, build_providers, list_entries
from doorward.config.schema import Config
from doorward.config.show import list_settings, show_config
from doorward.config.upstream import ProviderEntry
from doorward.config.values import Secret
from doorward.config.words import ICONS, Rename
from doorward.errors import ConfigError
from doorward.rules.outbound import parse_allowance
from doorward.rules.provider import ALGORITHMS, ClientAuth, Kind, Par, Provider, ProviderId
from doorward.rules.throttle import Window
from doorward.rules.ways import PasswordWay
from doorward.web.pages import provider_icons

VECTOR = Path(__file__).parents[1] / "vectors" / "forward-auth-config.yaml"
SITE = "server: {public_url: 'https://auth.example.com'}\n"
SECRET = "9f86d081884c7d659a2feaa0c55ad015"
OIDC = f"issuer_url: https://id.example.com, client_id: door, client_secret: {SECRET}"


def load(text: str, **environ: str) -> Loaded:
    return parse_config((SITE + text).encode(), environ=environ)


def providers_of(text: str, **environ: str) -> tuple[Provider, ...]:
    return build_providers(load(text, **environ).config)


def the_entry(keys: str, **environ: str) -> Provider:
    (provider,) = providers_of(f"authn: {{providers: [{{id: work, {OIDC}, {keys}}}]}}", **environ)
    return provider


def problems_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text, **environ)
    return list(refused.value.problems)


def notices_of(text: str, **environ: str) -> list[str]:
    return [str(notice) for notice in load(text, **environ).notices]


# The form of forward-auth


def test_google_of_the_documentation_is_google() -> None:
    """C-22, C-23, C-24, T-17: the type that forward-auth documents and refuses is accepted."""
    (provider,) = build_providers(load_config(VECTOR, environ={}).config)
    assert (provider.id, provider.kind, provider.name) == ("google", Kind.GOOGLE, "Google")
    assert provider.issuer == "https://accounts.google.com"
    assert (provider.client_id, provider.client_secret) == ("<client-id>", "<client-secret>")
    assert provider.scopes == ("openid", "email", "profile")
    assert provider.callback == "/api/auth/login"
    assert provider.enabled
    assert provider.from_file


def test_google_as_an_openid_provider_is_google_too() -> None:
    """C-22: forward-auth's own guide has it as `type: oidc` with Google's issuer."""
    raw = VECTOR.read_bytes().replace(b'type: "google"', b"type: oidc")
    (as_oidc,) = build_providers(parse_config(raw, environ={}).config)
    (as_google,) = build_providers(load_config(VECTOR, environ={}).config)
    assert as_oidc == as_google


def test_google_needs_no_issuer() -> None:
    """C-24: the issuer is for `type: oidc` only."""
    raw = VECTOR.read_bytes().replace(b"      issuer_url: https://accounts.google.com\n", b"")
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert provider.issuer == "https://accounts.google.com"


def test_github_of_the_documentation_is_github() -> None:
    """C-22, C-25."""
    raw = VECTOR.read_bytes().replace(b'type: "google"', b"type: github")
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert (provider.id, provider.kind, provider.name) == ("github", Kind.GITHUB, "GitHub")
    assert provider.issuer == "https://github.com"
    assert provider.scopes == ("user:email", "read:user")
    assert provider.client_id == "<client-id>"
    assert provider.callback == "/api/auth/login"


def test_an_openid_provider_is_called_by_its_host() -> None:
    """C-22, C-24: scopes have a default."""
    (provider,) = providers_of(f"authn: {{provider: {{type: oidc, oidc: {{{OIDC}}}}}}}")
    assert (provider.id, provider.kind, provider.name) == ("oidc", Kind.OIDC, "id.example.com")
    assert provider.scopes == ("openid", "email", "profile")
    assert provider.callback == "/login/callback/oidc"


def test_the_options_of_the_flat_form_stand_in_the_nested_one_too() -> None:
    keys = "name: Work, groups_claim: groups, admin_claim: roles, admin_value: boss, trust_mfa: true, enabled: false"
    (provider,) = providers_of(f"authn: {{provider: {{oidc: {{{OIDC}}}, {keys}}}}}")
    assert provider.name == "Work"
    assert (provider.groups_claim, provider.admin_claim, provider.admin_value) == ("groups", "roles", "boss")
    assert provider.trust_mfa
    assert not provider.enabled


@pytest.mark.parametrize("select", [True, False])
def test_which_account_is_asked_where_that_is_wanted(*, select: bool) -> None:
    """C-21."""
    raw = VECTOR.read_bytes().replace(b"select_account: false", f"select_account: {str(select).lower()}".encode())
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert provider.prompt == ("select_account" if select else "")


@pytest.mark.parametrize(("own", "whole"), [("login", "login select_account"), ("select_account", "select_account")])
def test_which_account_is_asked_besides_what_the_provider_is_told_to_ask(own: str, whole: str) -> None:
    (provider,) = providers_of(f"authn: {{select_account: true, providers: [{{id: a, {OIDC}, prompt: {own}}}]}}")
    assert provider.prompt == whole


# The list


def test_every_option_of_a_provider_arrives() -> None:
    provider = the_entry(
        "name: Work, icon: key, discovery_url: https://id.example.com/x, scopes: [openid, groups], "
        "redirect_url: https://auth.example.com/api/auth/oidc/callback, token_auth_method: client_secret_post, "
        "algorithms: [ES256], par: require, prompt: login, max_age: 1h, acr_values: [gold, silver], "
        "groups_claim: realm_access.roles, groups_rename: {their-admins: admins, 'cn=a,ou=b': b}, groups_prefix: w-, "
        "admin_claim: role, admin_value: boss, allowed_emails: [Alice@Example.com], allowed_domains: ['@Example.org'], "
        "allowed_groups: [staff], auto_provision: false, link_by_email: true, trust_mfa: true, logout: false, "
        "check_every: 15m, enabled: false"
    )
    assert provider == Provider(
        id=ProviderId("work"),
        kind=Kind.OIDC,
        name="Work",
        icon="key",
        issuer="https://id.example.com",
        discovery_url="https://id.example.com/x",
        client_id="door",
        client_secret=SECRET,
        client_auth=ClientAuth.POST,
        scopes=("openid", "groups"),
        redirect_path="/api/auth/oidc/callback",
        algorithms=("ES256",),
        par=Par.REQUIRE,
        prompt="login",
        max_age=timedelta(hours=1),
        acr_values=("gold", "silver"),
        groups_claim="realm_access.roles",
        groups_rename=(("their-admins", "admins"), ("cn=a,ou=b", "b")),
        groups_prefix="w-",
        admin_claim="role",
        admin_value="boss",
        allowed_emails=frozenset({"alice@example.com"}),
        allowed_domains=frozenset({"example.org"}),
        allowed_groups=frozenset({"staff"}),
        auto_provision=False,
        link_by_email=True,
        trust_mfa=True,
        logout=False,
        check_every=timedelta(minutes=15),
        enabled=False,
    )


def test_what_is_not_said_of_a_provider_is_the_careful_choice() -> None:
    provider = the_entry("name: Work")
    assert provider.client_auth is None
    assert provider.algorithms == ALGORITHMS
    assert provider.par is Par.AUTO
    assert provider.max_age is provider.check_every is None
    assert provider.logout
    assert provider.enabled
    flags = ("auto_provision", "link_by_email", "assume_verified", "trust_mfa")
    assert [name for name in flags if getattr(provider, name)] == []
    assert provider.groups_claim == provider.admin_claim == provider.prompt == ""
    assert provider.callback == "/login/callback/work"


def test_several_providers_stand_side_by_side() -> None:
    found = providers_of(
        f"authn: {{provider: {{oidc: {{{OIDC}}}}}, providers: ["
        f"{{id: hub, type: github, client_id: a, client_secret: {SECRET}}}, "
        f"{{id: goo, type: google, client_id: a, client_secret: {SECRET}}}]}}"
    )
    assert [(each.id, each.kind, each.name) for each in found] == [
        ("oidc", Kind.OIDC, "id.example.com"),
        ("hub", Kind.GITHUB, "GitHub"),
        ("goo", Kind.GOOGLE, "Google"),
    ]
    assert [each.scopes[0] for each in found] == ["openid", "user:email", "openid"]


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ("logout: true", False),
        ("allowed_emails: [a@b.c]", True),
        ("allowed_domains: [b.c]", True),
        ("allowed_groups: [staff], groups_claim: groups", True),
        ("allowed_domains: [b.c], auto_provision: false", False),
        ("auto_provision: true", True),
    ],
)
def test_an_account_is_made_for_strangers_only_where_it_was_said_who_may_come(keys: str, *, made: bool) -> None:
    assert the_entry(keys).auto_provision is made


@pytest.mark.parametrize(
    ("keys", "made"), [("", True), ("auto_provision: true", True), ("auto_provision: false", False)]
)
def test_the_one_provider_of_forward_auth_makes_accounts_as_it_did(keys: str, *, made: bool) -> None:
    (provider,) = providers_of(f"authn: {{provider: {{oidc: {{{OIDC}}}, {keys}}}}}")
    assert provider.auto_provision is made


@pytest.mark.parametrize("written", ["{their: ours, b: c}", "[their=ours, b=c]", "['their = ours', ' b=c ']"])
def test_groups_are_renamed_in_either_spelling(written: str) -> None:
    assert the_entry(f"groups_claim: groups, groups_rename: {written}").groups_rename == (
        ("their", "ours"),
        ("b", "c"),
    )


def test_one_group_is_renamed_without_a_list() -> None:
    assert the_entry("groups_claim: groups, groups_rename: 'cn=x,dc=y=ours'").groups_rename == (("cn=x,dc=y", "ours"),)


# Secrets, files and variables


def write(folder: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def make_key() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_secret_in_a_list_can_stand_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "secret", SECRET.encode() + b"\n", 0o644)
    text = (
        "authn: {providers: [{id: a, type: github, client_id: x, client_secret: abc}, "
        f"{{id: b, type: github, client_id: x, client_secret_file: {path}}}]}}"
    )
    loaded = load(text)
    assert [provider.client_secret for provider in build_providers(loaded.config)] == ["abc", SECRET]
    origin = loaded.origins["authn.providers[1].client_secret"]
    assert origin == f"the configuration line 2, from {path}"
    assert any(
        str(notice).startswith("authn.providers[1].client_secret_file") and "can be read by others" in str(notice)
        for notice in loaded.notices
    )


def test_a_secret_in_a_list_can_stand_in_a_variable_that_the_file_names() -> None:
    text = "authn: {providers: [{id: a, type: github, client_id: x, client_secret: '${HUB}'}]}"
    (provider,) = providers_of(text, HUB=SECRET)
    assert provider.client_secret == SECRET


def test_the_whole_list_can_stand_in_a_variable_whose_secrets_stand_in_files(tmp_path: Path) -> None:
    path = write(tmp_path, "secret", SECRET.encode())
    value = f"[{{id: a, type: github, client_id: x, client_secret_file: {path}}}]"
    loaded = load("authn: {providers: [{id: z}]}", DOORWARD__AUTHN__PROVIDERS=value)
    assert [provider.client_secret for provider in build_providers(loaded.config)] == [SECRET]
    origin = loaded.origins["authn.providers[0].client_secret"]
    assert origin == f"variable DOORWARD__AUTHN__PROVIDERS, from {path}"


def test_a_secret_that_cannot_be_read_is_one_problem_and_not_two() -> None:
    (problem,) = problems_of("authn: {providers: [{id: a, type: github, client_id: x, client_secret_file: /no/such}]}")
    assert problem == "authn.providers[0].client_secret_file: /no/such cannot be read: No such file or directory"


def test_both_forms_of_a_secret_in_a_list_are_a_problem() -> None:
    (problem,) = problems_of(
        "authn: {providers: [{id: a, type: github, client_id: x, client_secret: y, client_secret_file: /no/such}]}"
    )
    assert problem.startswith("authn.providers[0].client_secret_file: authn.providers[0].client_secret is set too")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_private_key_has_several_lines(tmp_path: Path, end: bytes) -> None:
    key = make_key().replace(b"\n", end)
    path = write(tmp_path, "key", key)
    (provider,) = providers_of(
        "authn: {providers: [{id: a, issuer_url: https://id.example.com, client_id: x, "
        f"token_auth_method: private_key_jwt, private_key_file: {path}}}]}}"
    )
    assert provider.private_key.strip() == key.decode().strip()
    assert provider.client_auth is ClientAuth.PRIVATE_KEY
    assert "PRIVATE KEY" not in repr(provider)


def test_a_private_key_can_stand_in_the_file_itself() -> None:
    key = make_key().decode()
    block = "".join(f"        {line}\n" for line in key.splitlines())
    text = (
        "authn:\n  provider:\n    token_auth_method: private_key_jwt\n    private_key: |\n"
        f"{block}    oidc:\n      issuer_url: https://id.example.com\n      client_id: x\n"
    )
    (provider,) = providers_of(text)
    assert provider.private_key == key


@pytest.mark.parametrize(("content", "word"), [(b"", "is empty"), (b"\0", "is not text"), (b"x" * 70_000, "too long")])
def test_a_file_that_holds_no_private_key_is_a_problem(tmp_path: Path, content: bytes, word: str) -> None:
    path = write(tmp_path, "key", content)
    (problem,) = problems_of(
        f"authn: {{providers: [{{id: a, issuer_url: https://x.y, client_id: x, private_key_file: {path}}}]}}"
    )
    assert word in problem
    assert "a private key in PEM" in problem


def test_variables_set_one_provider_and_beat_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "secret", SECRET.encode())
    (provider,) = providers_of(
        f"authn: {{provider: {{oidc: {{{OIDC}}}}}}}",
        DOORWARD__AUTHN__PROVIDER__OIDC__CLIENT_SECRET_FILE=str(path),
        DOORWARD__AUTHN__PROVIDER__OIDC__SCOPES="openid, groups",
        DOORWARD__AUTHN__PROVIDER__AUTO_PROVISION="false",
        DOORWARD__AUTHN__PROVIDER__GROUPS_CLAIM="groups",
        DOORWARD__AUTHN__PROVIDER__GROUPS_RENAME="{x: y, 'a,b': c}",
        DOORWARD__AUTHN__PROVIDER__MAX_AGE="off",
    )
    assert provider.client_secret == SECRET
    assert provider.scopes == ("openid", "groups")
    assert provider.auto_provision is False
    assert provider.groups_rename == (("x", "y"), ("a,b", "c"))
    assert provider.max_age is None


KNOWN = {
    "OIDC_PROVIDER_NAME": "Work",
    "OIDC_ISSUER_URL": "https://id.example.com",
    "OIDC_CLIENT_ID": "door",
    "OIDC_CLIENT_SECRET": SECRET,
    "OIDC_TOKEN_AUTH_METHOD": "client_secret_post",
    "OIDC_REDIRECT_URI": "https://auth.example.com/api/auth/oidc/callback",
    "OIDC_SCOPES": "openid email profile groups",
    "OIDC_ADMIN_GROUP": "Door Keepers",
    "OIDC_AUTO_PROVISION": "false",
}


def test_variables_people_already_have_make_a_provider() -> None:
    """D-07."""
    loaded = parse_config(b"", environ=KNOWN)
    assert loaded.config.server.public_url == "https://auth.example.com"
    (provider,) = build_providers(loaded.config)
    assert (provider.id, provider.name, provider.issuer) == ("oidc", "Work", "https://id.example.com")
    assert (provider.client_id, provider.client_secret) == ("door", SECRET)
    assert provider.client_auth is ClientAuth.POST
    assert provider.callback == "/api/auth/oidc/callback"
    assert provider.scopes == ("openid", "email", "profile", "groups")
    assert (provider.groups_claim, provider.admin_claim) == ("groups", "groups")
    assert provider.admin_value == "Door Keepers"
    assert provider.auto_provision is False
    told = {notice.path for notice in loaded.notices}
    assert told >= set(KNOWN)


def test_scopes_in_such_a_variable_may_have_commas_too() -> None:
    """D-07."""
    (provider,) = build_providers(parse_config(b"", environ=KNOWN | {"OIDC_SCOPES": "openid, groups"}).config)
    assert provider.scopes == ("openid", "groups")


def test_such_a_variable_can_name_a_file_with_the_secret(tmp_path: Path) -> None:
    """D-07: also where the file of the configuration has the secret in its other form."""
    path = write(tmp_path, "secret", SECRET.encode())
    environ = {name: text for name, text in KNOWN.items() if name != "OIDC_CLIENT_SECRET"}
    raw = b"authn: {provider: {oidc: {client_secret: other}}}"
    (provider,) = build_providers(parse_config(raw, environ=environ | {"OIDC_CLIENT_SECRET_FILE": str(path)}).config)
    assert provider.client_secret == SECRET
    raw = b"authn: {provider: {oidc: {client_secret_file: /no/such}}}"
    (provider,) = build_providers(parse_config(raw, environ=KNOWN).config)
    assert provider.client_secret == SECRET


def test_such_a_variable_that_says_neither_yes_nor_no_is_a_problem() -> None:
    """D-07."""
    with pytest.raises(ConfigError) as refused:
        parse_config(b"", environ=KNOWN | {"OIDC_AUTO_PROVISION": "maybe"})
    assert refused.value.problems == (
        "OIDC_AUTO_PROVISION: 'maybe' is not what this variable holds -- write true or false",
    )


def test_secrets_are_shown_by_no_command() -> None:
    loaded = load(
        f"authn: {{provider: {{oidc: {{{OIDC}}}}}, providers: [{{id: a, {OIDC}, private_key: abcdef}}]}}".replace(
            ", private_key: abcdef", ""
        )
    )
    assert SECRET not in show_config(loaded)
    assert SECRET not in str(list_settings(loaded))
    assert SECRET not in repr(loaded.config)
    assert SECRET not in repr(build_providers(loaded.config))
    assert "client_secret: ***" in show_config(loaded) or 'client_secret: "***"' in show_config(loaded)


def test_providers_that_are_shown_can_be_read_again() -> None:
    text = (
        f"authn: {{straight: a, providers: [{{id: a, {OIDC}, groups_claim: groups, groups_rename: {{x=1: y, b: c}}, "
        "max_age: 1h, allowed_domains: b.c}]}\n"
        "outbound: {allow: [auth.lan, 'auth.lan:8443', 10.0.0.0/8, '10.1.0.0/16:8080', '127.0.0.1:9000', "
        "'[::1]:9000', '::1', fd00::/8], timeout: 5s}\nmfa: {trust_idp: {acr: [gold]}}\n"
    )
    loaded = load(text)
    again = parse_config(show_config(loaded).replace('"***"', SECRET).replace("***", SECRET).encode(), environ={})
    assert again.config == loaded.config


# What is wrong


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems_of(
        "authn:\n"
        "  provider: {type: okta, redirect_url: 'https://auth.example.com/x', oidc: {client_id: 5}}\n"
        "  providers:\n"
        "    - {id: a, type: github, client_id: x}\n"
        "    - {id: Big, type: github}\n"
        f"    - {{id: c, {OIDC}, prompt: none, allowed_groups: [x]}}\n"
        f"    - {{id: c, {OIDC}, isuer: x}}\n"
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "authn.provider.type (line 3)",
        "authn.provider.oidc.client_id (line 3)",
        "authn.providers[1].id (line 6)",
        "authn.providers[3].isuer (line 8)",
        "authn.provider.redirect_url (line 3)",
        "authn.providers[0].client_secret (line 5)",
        "authn.providers[2].prompt (line 7)",
        "authn.providers[2].allowed_groups (line 7)",
    ]
    assert "did you mean issuer_url?" in found[3]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("id: UPPER", "id: 'UPPER' cannot stand in an address"),
        ("id: last", "id: 'last' means something else in authn.straight"),
        ("type: saml", "type: 'saml' is not known here"),
        ("client_id: ''", "client_id: this is missing"),
        ("client_secret: ' '", "client_secret: the secret is empty"),
        ("issuer_url: ''", "issuer_url: this is missing"),
        ("issuer_url: id.example.com", "issuer_url: this is not an address that begins with https://"),
        ("issuer_url: 'http://id.example.com'", "issuer_url: this is not https"),
        ("issuer_url: 'https://github.com'", "issuer_url: this is GitHub: set the type 'github'"),
        ("type: google", "issuer_url: the issuer of Google is https://accounts.google.com: leave this out"),
        ("discovery_url: 'http://id.example.com/x'", "discovery_url: this is not https"),
        ("token_auth_method: basic", "token_auth_method: 'basic' is not known here"),
        ("token_auth_method: private_key_jwt, client_secret: ", "private_key: private_key_jwt needs a private key"),
        ("token_auth_method: none", "client_secret: this is never sent with none"),
        (
            "private_key: x, token_auth_method: private_key_jwt, client_secret: ",
            "private_key: this is not a private key in PEM",
        ),
        ("scopes: [email]", "scopes: openid must be among them"),
        ("algorithms: [HS256]", "algorithms[0]: 'HS256' may not be allowed"),
        ("algorithms: [none]", "algorithms[0]: 'none' may not be allowed"),
        ("algorithms: []", "algorithms: at least one must be allowed"),
        ("icon: https://id.example.com/logo.png", "icon: 'https://id.example.com/logo.png' is none of our drawings"),
        ("par: 'yes'", "par: 'yes' is not known here"),
        ("prompt: none", "prompt: this may hold login, consent, select_account, each once"),
        ("max_age: 60", "max_age: 60 is not text"),
        ("groups_rename: {a: b}", "groups_rename: without groups_claim there are no groups"),
        ("groups_rename: {a: ''}", "groups_rename: '': a group name has"),
        ("groups_rename: [a]", "groups_rename: this must name the provider's words and ours"),
        ("groups_rename: [a=b, a=c]", "groups_rename: 'a' is renamed twice"),
        ("groups_rename: {a: 5}", "groups_rename: each of the provider's words needs one of ours"),
        ("groups_rename: {'': b}", "groups_rename: each of the provider's words needs one of ours"),
        ("groups_rename: 5", "groups_rename: this must name the provider's words and ours"),
        ("groups_rename: [5]", "groups_rename: this must name the provider's words and ours"),
        ("groups_claim: g, groups_prefix: '-'", "groups_prefix: this has at most 32 letters"),
        ("admin_claim: groups", "admin_value: admin_claim and admin_value go together"),
        ("allowed_emails: [alice]", "allowed_emails[0]: 'alice': that is not an e-mail address"),
        ("allowed_domains: [a b]", "allowed_domains[0]: 'a b' is not the domain of an e-mail address"),
        ("allowed_domains: 'a@b.c'", "allowed_domains[0]: 'a@b.c' is not the domain of an e-mail address"),
        ("link_by_email: true, assume_verified: true", "link_by_email: an address that is only assumed"),
        ("check_every: 1s", "check_every: this must be a minute or more"),
        ("enabled: 'yes'", "enabled: 'yes' is neither true nor false"),
        ("enabled: false, client_id: ''", "client_id: this is missing"),
        ("secret: x", "secret: no setting has this name"),
    ],
)
def test_a_provider_that_cannot_work_is_refused_in_plain_words(keys: str, problem: str) -> None:
    """C-22, C-24, D-12: one that lacks what it needs is never switched on."""
    named = {key.partition(":")[0].strip() for key in re.split(r", (?=[a-z_]+: )", keys)}
    sound = {"id": "work", "issuer_url": "https://id.example.com", "client_id": "door", "client_secret": SECRET}
    rest = ", ".join(f"{key}: {value}" for key, value in sound.items() if key not in named)
    found = problems_of(f"authn: {{providers: [{{{keys}, {rest}}}]}}")
    assert len(found) == 1, found
    assert found[0].replace(" (line 2)", "").startswith(f"authn.providers[0].{problem}")


def test_a_provider_without_an_id_is_refused() -> None:
    (problem,) = problems_of(f"authn: {{providers: [{{{OIDC}}}]}}")
    assert problem == "authn.providers[0].id (line 2): this must be given"


@pytest.mark.parametrize(("kind", "section"), [("oidc", "oidc"), ("google", "oidc"), ("github", "github")])
def test_what_is_missing_is_named_where_forward_auth_has_it(kind: str, section: str) -> None:
    """C-24, C-25."""
    found = problems_of(f"authn: {{provider: {{type: {kind}}}}}")
    places = {problem.partition(" ")[0] for problem in found}
    assert places >= {f"authn.provider.{section}.client_id", f"authn.provider.{section}.client_secret"}
    assert ("authn.provider.oidc.issuer_url" in places) == (kind == "oidc")


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com/oauth",
        "https://auth.example.com/api/auth/login?x=1",
        "https://auth.example.com/login/callback/other",
        "https://AUTH.example.com/api/auth/login",
        "https://elsewhere.example.com/api/auth/login",
        "http://auth.example.com/api/auth/login",
        "/api/auth/login",
    ],
)
def test_a_redirect_url_is_one_of_three_and_the_problem_says_which(url: str) -> None:
    """C-23, D-07: it must be equal here and there, so nothing is guessed."""
    (problem,) = problems_of(f"authn: {{providers: [{{id: work, {OIDC}, redirect_url: '{url}'}}]}}")
    assert problem.startswith("authn.providers[0].redirect_url (line 2): browsers cannot come back to")
    assert "https://auth.example.com/login/callback/work, https://auth.example.com/api/auth/login or " in problem
    assert "https://auth.example.com/api/auth/oidc/callback, and the same at the provider" in problem


def test_two_providers_share_neither_a_name_nor_a_way_back() -> None:
    back = "redirect_url: https://auth.example.com/api/auth/login"
    found = problems_of(
        f"authn: {{provider: {{oidc: {{{OIDC}}}, {back}}}, "
        f"providers: [{{id: a, {OIDC}, {back}}}, {{id: oidc, {OIDC}}}, {{id: b, {OIDC}}}]}}"
    )
    assert found == [
        "authn.providers[0].redirect_url (line 2): /api/auth/login belongs to the provider 'oidc' already, not to 'a'",
        "authn.providers[1].id (line 2): two providers are called 'oidc'",
    ]


def test_plain_http_to_a_provider_needs_a_switch_that_warns() -> None:
    text = f"authn: {{providers: [{{id: a, {OIDC}}}]}}\n".replace("https://id", "http://id")
    assert "outbound.insecure_http: true" in problems_of(text)[0]
    notices = notices_of(text + "outbound: {insecure_http: true}")
    assert any(notice.startswith("outbound.insecure_http (line 3): DANGER") for notice in notices)
    nested = f"authn: {{provider: {{oidc: {{{OIDC}}}}}}}".replace("https://id", "http://id")
    assert problems_of(nested)[0].startswith("authn.provider.oidc.issuer_url (line 2): this is not https")


# Straight to a provider, passwords, limits, words of a second factor


def test_the_settings_around_providers_have_careful_defaults() -> None:
    """C-20, D-25."""
    config = Config()
    assert config.authn.password is True
    assert config.authn.straight == "only"
    assert config.authn.state_ttl == timedelta(minutes=10)
    assert config.limits.oidc == (Window(10, timedelta(minutes=1)), Window(20, timedelta(minutes=15)))
    assert config.mfa.trust_idp.amr == ("mfa", "otp", "hwk", "swk")
    assert config.mfa.trust_idp.acr == ()
    assert config.outbound.allow == ()
    assert config.outbound.insecure_http is False
    assert config.outbound.timeout == timedelta(seconds=10)


@pytest.mark.parametrize("word", ["off", "only", "last", "work"])
def test_going_straight_to_a_provider_is_a_word_or_an_id(word: str) -> None:
    text = f"authn: {{straight: {word}, providers: [{{id: work, {OIDC}}}]}}"
    assert load(text).config.authn.straight == word
    assert not any("authn.straight" in notice for notice in notices_of(text))


def test_going_straight_to_nowhere_known_is_said_and_nonsense_refused() -> None:
    (notice,) = [each for each in load("authn: {straight: other}").notices if each.path == "authn.straight"]
    assert notice.calm
    assert problems_of("authn: {straight: 'no such'}")[0].startswith("authn.straight (line 2): 'no such' is neither")


# What an operator should know


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("authn: {password: false}", "passwords stay open: no provider of this file is switched on"),
        (f"authn: {{password: false, providers: [{{id: a, {OIDC}, enabled: false}}]}}", "passwords stay open"),
        (
            "authn: {providers: [{id: a, type: github, client_id: <id>, client_secret: x}]}",
            "authn.providers[0] (line 2): the client id or secret is still the sample",
        ),
        (
            f"authn: {{providers: [{{id: a, {OIDC}, assume_verified: true}}]}}",
            "whoever may write any address into their account at id.example.com is its owner",
        ),
        (
            f"authn: {{providers: [{{id: a, {OIDC}, trust_mfa: true}}]}}\nmfa: {{trust_idp: {{amr: []}}}}",
            "it has no effect: mfa.trust_idp names no word that counts",
        ),
        (f"authn: {{providers: [{{id: a, {OIDC}, check_every: 5m}}]}}", "only with the scope offline_access"),
    ],
)
def test_what_is_likely_to_be_meant_otherwise_is_said(text: str, words: str) -> None:
    assert any(words in notice for notice in notices_of(text)), notices_of(text)


@pytest.mark.parametrize("kind", ["github", "google"])
@pytest.mark.parametrize(
    ("keys", "rule", "told"),
    [
        ("auto_provision: true", "who: any_user", True),
        ("auto_provision: true", "users: [alice]", False),
        ("auto_provision: true, allowed_emails: [a@b.c]", "who: any_user", False),
        ("auto_provision: true", "effect: deny, who: any_user", False),
        ("logout: true", "who: any_user", False),
    ],
)
def test_letting_the_whole_world_in_is_said(kind: str, keys: str, rule: str, *, told: bool) -> None:
    notices = notices_of(
        f"authn: {{providers: [{{id: a, type: {kind}, client_id: x, client_secret: {SECRET}, {keys}}}]}}\n"
        f"authz: {{rules: [{{domain: auth.example.com, {rule}}}]}}"
    )
    assert any("gets one here, and a rule lets in whoever is signed in" in notice for notice in notices) is told


def test_what_only_the_data_can_tell_is_said_as_well() -> None:
    open_way = PasswordWay(wanted=False, open=True, because="Not closed yet.", set_by="file")
    provider = the_entry("name: Work")
    notes = [str(note) for note in note_ways(open_way, [(provider, "The file has one of this name.")])]
    assert notes[0].startswith("authn.password: Not closed yet.")
    assert notes[1].startswith("provider work: The file has one of this name.")
    said_elsewhere = PasswordWay(wanted=False, open=True, because="Not closed yet.", set_by="setting")
    assert str(note_ways(said_elsewhere, [])[0]).startswith("sign-in passwords: Not closed yet.")
    for way in (
        PasswordWay(wanted=True, open=True, because="", set_by="file"),
        PasswordWay(wanted=False, open=False, because="", set_by="file"),
    ):
        assert note_ways(way, []) == []


# Calling out


def test_what_may_be_called_is_read_and_passed_on() -> None:
    entries = ["auth.lan", "auth.lan:8443", "10.0.0.0/8", "[::1]:9000"]
    config = load(f"outbound: {{allow: {entries}, timeout: 5s}}").config
    policy = build_outbound(config)
    assert policy.allowances == tuple(parse_allowance(entry) for entry in entries)
    assert policy.insecure_http is False
    assert config.outbound.timeout == timedelta(seconds=5)
    assert build_outbound(load("outbound: {insecure_http: true}").config).insecure_http is True


@pytest.mark.parametrize("entry", ["'*'", "10.0.0.1/8", "'https://auth.lan'", "'auth.lan:99999'", "5", "0.0.0.0/0"])
def test_what_cannot_be_called_is_refused(entry: str) -> None:
    (problem,) = problems_of(f"outbound: {{allow: [{entry}]}}")
    assert problem.startswith("outbound.allow[0] (line 2): ")
    assert "write auth.lan, auth.lan:8443, 10.0.0.0/8" in problem


@pytest.mark.parametrize(
    ("addr", "own"),
    [
        ("':8080'", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("127.0.0.1:8080", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("'[::1]:8080'", {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}),
        ("10.0.0.5:8080", {"http://10.0.0.5:8080"}),
        ("'[fd00::5]:8080'", {"http://[fd00::5]:8080"}),
        ("unix:/run/d.sock", set()),
        ("127.0.0.1:0", set()),
    ],
)
def test_we_never_call_ourselves(addr: str, own: set[str]) -> None:
    text = f"server: {{public_url: 'https://auth.example.com', addr: {addr}}}\nprometheus: {{addr: off}}\n"
    policy = build_outbound(parse_config(text.encode(), environ={}).config)
    assert policy.own_origins == {"https://auth.example.com", *own}


def test_metrics_are_ourselves_too() -> None:
    assert "http://127.0.0.1:9120" in build_outbound(load("").config).own_origins


def test_a_file_of_certificates_must_hold_some(tmp_path: Path) -> None:
    path = write(tmp_path, "ca.pem", b"# ours\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert load(f"outbound: {{ca_file: {path}}}").config.outbound.ca_file == str(path)
    for content, words in ((b"nothing", "holds no certificate"), (b"x" * (4 * 1024 * 1024 + 1), "is too long")):
        path.write_bytes(content)
        (problem,) = problems_of(f"outbound: {{ca_file: {path}}}")
        assert problem.startswith("outbound.ca_file (line 2): ")
        assert words in problem
    (problem,) = problems_of("outbound: {ca_file: /no/such}")
    assert "cannot be read: No such file or directory" in problem


# Values


def test_the_drawings_that_can_be_named_are_those_there_are() -> None:
    assert ICONS == provider_icons.NAMES


def test_a_key_and_a_secret_are_values_that_hide() -> None:
    config = load(f"authn: {{providers: [{{id: a, {OIDC}, groups_claim: g, groups_rename: {{x: y}}}}]}}").config
    (entry,) = config.authn.providers
    assert entry.client_secret == Secret(SECRET)
    assert entry.groups_rename == (Rename("x", "y"),)
    assert list(list_entries(config)) == [("authn.providers[0]", entry)]
    assert build_provider(entry, config).id == "a"
    assert ProviderEntry.model_validate(dict(entry)) == entry
