"""Secrets of providers, and what the environment says of providers."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from doorward.config.load import parse_config
from doorward.config.providers import build_providers
from doorward.config.show import list_settings, show_config
from doorward.errors import ConfigError
from doorward.rules.provider import ClientAuth
from tests.fakes.configured import OIDC, SECRET, load, problems_of, providers_of

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
