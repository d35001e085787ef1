"""What the reference says is what the models say, and the example is a configuration."""

import re
from pathlib import Path

import pytest

from doorward.config.access import Rule
from doorward.config.environment import is_secret, variable_of, walk_settings
from doorward.config.load import parse_config
from doorward.config.reference import make_reference
from doorward.config.schema import Config
from doorward.config.show import list_settings, show_config
from doorward.config.spelling import spell_scalar
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.reason import Reason

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(make_reference()))
def test_the_committed_page_is_what_the_models_say(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == make_reference()[name], "stale: run `make docs`"


def test_every_setting_stands_in_the_reference_with_its_variable() -> None:
    page = make_reference()["configuration.md"]
    for path, field in walk_settings():
        assert f"`{variable_of(path)}`" in page
        assert field.description, path


def test_every_key_of_a_rule_stands_in_the_reference() -> None:
    page = make_reference()["configuration.md"]
    assert all(f"| `{name}` |" in page for name in Rule.model_fields)


def test_every_reason_and_every_event_has_its_line() -> None:
    pages = make_reference()
    assert all(f"| `{reason.value}` | {reason.sentence} |" in pages["reasons.md"] for reason in Reason)
    assert all(f"| `{act.value}` | {act.meaning} |" in pages["audit-events.md"] for act in Act)
    assert all(f"| `{kind.value}` | {kind.meaning} |" in pages["alerts.md"] for kind in AlertKind)


def test_the_example_as_it_stands_changes_nothing() -> None:
    assert parse_config(make_reference()["doorward.example.yaml"].encode(), environ={}).config == Config()


def test_the_example_without_its_comment_signs_is_a_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("9f86d081884c7d659a2feaa0c55ad015")
    secret.chmod(0o600)
    text = make_reference()["doorward.example.yaml"]
    text = re.sub(r"(?m)^( *)# (?=( *- | *[a-z_]+:))", r"\1", text)
    text = re.sub(r"/run/secrets/\S+", str(secret), text)
    site = "https://auth.example.com"
    text = text.replace("public_url: http://localhost:8080", f"public_url: {site}").replace(
        "domain:\n", "domain: example.com\n"
    )
    text = text.replace('username: ""', "username: x")  # a password without one is refused
    text = text.replace('redirect_url: ""', f"redirect_url: {site}/api/auth/login").replace(
        'client_id: ""', "client_id: x"
    )
    text = text.replace('issuer_url: ""', "issuer_url: https://id.example.com")
    text = re.sub(r'(?m)^  (issuer|audience): ""$', r"  \1: x", text)  # a secret for no tokens is refused
    # A private key stands instead of a secret, not beside it, and these two are secrets with a shape of their own.
    text = re.sub(r"(?m)^ *(private_key_file|webhook_file|identity_file): .*$", "", text)
    config = parse_config(text.encode(), environ={}).config
    assert config.proxy.secrets.envoy is not None
    assert [provider.id for provider in config.authn.providers] == ["work", "github"]
    assert len(config.authz.rules) == 5
    assert config.authn.provider is not None
    assert config.session == Config().session
    assert config.limits == Config().limits
    assert config.headers == Config().headers


def test_what_is_shown_says_where_it_came_from_and_hides_secrets() -> None:
    secret = "9f86d081884c7d659a2feaa0c55ad015"
    text = (
        "server: {public_url: 'https://auth.example.com'}\ncookie: {domain: example.com}\n"
        f"proxy: {{trusted: [10.0.0.0/8], secrets: {{nginx: {secret}}}}}\n"
        "authz: {rules: [{domain: '*.example.com', path: ['/a', '=/b', '~c'], users: [alice], times: Mon 08:00-18:00},"
        " {domain: a.example.com, require: [passkey, fresh: 15m]}]}\n"
    )
    loaded = parse_config(text.encode(), environ={"DOORWARD__SESSION__IDLE_TIMEOUT": "off"})
    shown = show_config(loaded)
    listed = list_settings(loaded)
    assert secret not in shown
    assert secret not in str(listed)
    assert listed["proxy.secrets.nginx"] == {"value": "***", "origin": "the configuration line 3"}
    assert listed["session.idle_timeout"] == {"value": "off", "origin": "variable DOORWARD__SESSION__IDLE_TIMEOUT"}
    assert listed["session.ttl"] == {"value": "24h", "origin": "default"}
    assert listed["limits.body_size"]["value"] == "64KiB"
    assert listed["proxy.hops"]["value"] is None
    assert set(listed) >= {".".join(path) for path, _ in walk_settings() if path[:2] != ("authn", "provider")}
    assert "require: {passkey: true, fresh: 15m}" in shown


def test_what_is_shown_can_be_read_again() -> None:
    text = (
        "server: {public_url: 'https://auth.example.com', addr: '[::1]:8443'}\ncookie: {domain: example.com}\n"
        "proxy: {trusted: [10.0.0.0/8, fd00::/8, unix]}\nstorage: {path: 'true'}\n"
        "authz:\n  timezone: Europe/Berlin\n  rules:\n"
        "    - {domain: '**.example.com', path: ['/a', '=/b', '~c\\.[a-z]+', '/x/**'], users: ['a@b.c', '5'], times: 'Sat,Sun'}\n"
        "    - {domain: a.example.com, require: [passkey, fresh: 15m, network: [10.0.0.0/8]], name: 'x: y # z'}\n"
        "apps: [{name: '\"A\"', hosts: a.example.com, icon: 📚, description: 'what, [ever]'}]\n"
    )
    first = parse_config(text.encode(), environ={}).config
    again = parse_config(show_config(parse_config(text.encode(), environ={})).encode(), environ={}).config
    assert again == first


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "no",
        "true",
        "5",
        "-",
        "a: b",
        "a #b",
        '"',
        "'",
        "\\",
        "",
        " ",
        "~",
        "*.a",
        "[x]",
        ":8080",
        "null",
        "%",
        "@a",
    ],
)
def test_any_text_is_spelled_so_that_it_is_read_as_itself(text: str) -> None:
    from doorward.config.source import read_value

    assert read_value(spell_scalar(text), {}, name="x") == (text, [])


def test_secrets_are_known_by_their_kind() -> None:
    found = {".".join(path) for path, _ in walk_settings() if is_secret(path)}
    assert "proxy.secrets.traefik" in found
    assert "authn.provider.oidc.client_secret" in found
    assert "storage.redis.password" in found
    assert not is_secret(("storage", "path"))
    assert not is_secret(("storage", "path", "x"))
