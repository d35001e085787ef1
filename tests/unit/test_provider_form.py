"""A provider as text: what somebody typed, and what is stored of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import InputError, TamperError
from doorward.rules.provider import ALGORITHMS, GITHUB_SCOPES, GOOGLE_ISSUER, ClientAuth, Kind, Par, Provider
from doorward.rules.provider_form import format_fields, from_settings, parse_fields, to_settings
from doorward.rules.span import format_span, parse_span
from doorward.rules.upstream import StoredProvider
from tests.fakes.keys import make_key
from tests.fakes.system import START
from tests.fakes.upstream import ISSUER, a_provider

PRIVATE_PEM = make_key("EdDSA").private_pem()
FIELDS = {"type": "oidc", "name": "Work", "issuer_url": ISSUER, "client_id": "doorward", "client_secret": "s3cret"}


def read(fields=FIELDS, **more):
    read = parse_fields({**fields, **more}, id="work")
    assert isinstance(read, Provider), read
    return read


def refused(**more):
    read = parse_fields({**FIELDS, **more}, id="work")
    assert not isinstance(read, Provider), read
    return read


def change(stored, **more):
    return parse_fields({**format_fields(stored), **more}, id=stored.id, stored=stored)


def test_what_is_left_out_has_its_default():
    assert read() == Provider(
        id="work",
        kind=Kind.OIDC,
        name="Work",
        issuer=ISSUER,
        client_id="doorward",
        client_secret="s3cret",
        logout=False,
        enabled=False,
        from_file=False,
    )


def test_a_name_is_found_where_none_was_given():
    assert read(name=" ").name == "id.example.test"
    assert read(type="google", name="", issuer_url="").name == "Google"
    assert read(type="github", name="", issuer_url="").name == "GitHub"
    assert parse_fields({"issuer_url": "https://[::1"}, id="work") == [
        "issuer_url: there is no host in this address",
        "client_id: this is missing: the provider tells it when the gateway is registered there",
        "client_secret: this is missing; where the provider gives none, set token_auth_method to none",
    ]


def test_google_and_github_need_no_address():
    assert read(type="google", issuer_url="").issuer == GOOGLE_ISSUER
    assert read(type="github", issuer_url="").scopes == GITHUB_SCOPES


def test_every_field_is_read():
    provider = read(
        icon="key",
        discovery_url="https://id.example.test/configuration",
        token_auth_method="client_secret_post",
        scopes="openid, email\r\nprofile offline_access",
        redirect_url="/api/auth/login",
        algorithms="ES256 EdDSA",
        par="require",
        prompt="login,  consent",
        max_age="1h30m",
        acr_values="silver gold",
        groups_claim="roles",
        groups_rename="cn=admins,ou=groups=admins\r\n\r\nfamily = home ",
        groups_prefix="id:",
        admin_claim="roles",
        admin_value="Domain Admins",
        allowed_emails="Alice@example.test\nbob@example.test, carol@example.test",
        allowed_domains="@Example.test",
        allowed_groups="cn=family,ou=groups\nThe Neighbours",
        auto_provision="on",
        trust_mfa="yes",
        logout="on",
        check_every="10m",
    )
    assert provider == Provider(
        id="work",
        kind=Kind.OIDC,
        name="Work",
        icon="key",
        issuer=ISSUER,
        discovery_url="https://id.example.test/configuration",
        client_id="doorward",
        client_secret="s3cret",
        client_auth=ClientAuth.POST,
        scopes=("openid", "email", "profile", "offline_access"),
        redirect_path="/api/auth/login",
        algorithms=("ES256", "EdDSA"),
        par=Par.REQUIRE,
        prompt="login consent",
        max_age=timedelta(minutes=90),
        acr_values=("silver", "gold"),
        groups_claim="roles",
        groups_rename=(("cn=admins,ou=groups", "admins"), ("family", "home")),
        groups_prefix="id:",
        admin_claim="roles",
        admin_value="Domain Admins",
        allowed_emails=frozenset({"alice@example.test", "bob@example.test", "carol@example.test"}),
        allowed_domains=frozenset({"example.test"}),
        allowed_groups=frozenset({"cn=family,ou=groups", "The Neighbours"}),
        auto_provision=True,
        trust_mfa=True,
        check_every=timedelta(minutes=10),
        enabled=False,
        from_file=False,
    )


def test_a_key_is_read_however_a_browser_sends_its_lines():
    sent = "  " + PRIVATE_PEM.replace("\n", "  \r\n") + "\r\n"
    provider = read(token_auth_method="private_key_jwt", client_secret="", private_key=sent)
    assert provider.private_key == PRIVATE_PEM


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("type", "saml"),
        ("token_auth_method", "tls_client_auth"),
        ("par", "maybe"),
        ("max_age", "90"),
        ("check_every", "often"),
        ("groups_rename", "their-admins"),
    ],
)
def test_what_cannot_be_read_is_said_once_with_its_field(field, text):
    more = {"groups_claim": "groups"} if field == "groups_rename" else {}
    (problem,) = refused(**{field: text}, **more)
    assert problem.startswith(f"{field}: ")


def test_every_problem_is_said_at_once():
    problems = refused(max_age="soon", issuer_url="id", scopes="email", admin_claim="roles")
    assert [problem.partition(":")[0] for problem in problems] == ["max_age", "issuer_url", "scopes", "admin_value"]


def test_off_is_no_span():
    assert read(max_age="off", check_every="off").check_every is None


def test_secrets_that_are_left_empty_stay():
    stored = replace(read(), enabled=True)
    changed = change(stored, name="Job")
    assert changed == replace(stored, name="Job")
    assert change(stored, client_secret="n3w").client_secret == "n3w"


def test_a_key_that_is_left_empty_stays():
    stored = read(token_auth_method="private_key_jwt", client_secret="", private_key=PRIVATE_PEM)
    assert change(stored, name="Job").private_key == PRIVATE_PEM


def test_a_secret_that_is_used_no_more_goes():
    stored = read()
    changed = change(stored, token_auth_method="private_key_jwt", private_key=PRIVATE_PEM)
    assert (changed.client_secret, changed.private_key) == ("", PRIVATE_PEM)
    back = change(changed, token_auth_method="client_secret_basic", client_secret="s3cret")
    assert (back.client_secret, back.private_key) == ("s3cret", "")
    assert change(back, token_auth_method="none").client_secret == ""


@pytest.mark.parametrize(
    ("field", "text"),
    [("issuer_url", "https://evil.test"), ("discovery_url", "https://evil.test/x"), ("type", "google")],
)
def test_a_stored_secret_is_not_shown_to_another_place(field, text):
    """Who can turn the address elsewhere would read there what the console never shows."""
    stored = read()
    problems = change(stored, **{"issuer_url": "" if field == "type" else ISSUER, field: text})
    assert problems == ["client_secret: the provider's address was changed: give this again"]


def test_what_is_typed_again_goes_with_the_new_address():
    changed = change(read(), issuer_url="https://new.example.test", client_secret="n3w")
    assert (changed.issuer, changed.client_secret) == ("https://new.example.test", "n3w")


def test_the_form_shows_no_secret():
    provider = read(token_auth_method="client_secret_basic")
    assert "s3cret" not in format_fields(provider).values()
    with_key = read(token_auth_method="private_key_jwt", client_secret="", private_key=PRIVATE_PEM)
    assert format_fields(with_key)["private_key"] == ""


def test_boxes_stand_in_the_form_when_they_are_ticked():
    fields = format_fields(read(logout="on"))
    assert (fields["logout"], "trust_mfa" in fields) == ("on", False)


# Settings


def stored_of(provider, **changes):
    settings = json.loads(to_settings(provider))
    for name, value in changes.items():
        if value is ...:
            del settings[name]
        else:
            settings[name] = value
    return StoredProvider(id=provider.id, settings=json.dumps(settings), enabled=provider.enabled, changed_at=START)


def test_settings_hold_neither_secrets_nor_what_stands_beside_them():
    provider = a_provider(private_key=PRIVATE_PEM)
    settings = to_settings(provider)
    assert "s3cret" not in settings
    assert "PRIVATE KEY" not in settings
    assert not {"id", "enabled", "from_file", "client_secret", "private_key"} & set(json.loads(settings))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": ...},
        {"name": ...},
        {"name": 1},
        {"surprise": True},
        {"kind": "saml"},
        {"client_auth": "basic"},
        {"par": None},
        {"scopes": "openid"},
        {"scopes": [1]},
        {"max_age": "1h"},
        {"max_age": True},
        {"max_age": 0},
        {"max_age": 10**10},
        {"groups_rename": "a=b"},
        {"groups_rename": [["a"]]},
        {"groups_rename": [["a", 1]]},
        {"groups_rename": [1]},
        {"logout": 1},
    ],
)
def test_settings_that_are_not_what_we_write_are_refused(changes):
    with pytest.raises(TamperError):
        from_settings(stored_of(a_provider(), **changes), client_secret="s", private_key="")


@pytest.mark.parametrize("settings", ["", "{", "[]", "null", '{"version": 1, "version": 1}', "\ud800"])
def test_settings_that_are_no_object_are_refused(settings):
    stored = StoredProvider(id="idp", settings=settings, changed_at=START)
    with pytest.raises(TamperError):
        from_settings(stored, client_secret="s", private_key="")


def test_what_stands_beside_the_settings_counts_from_there():
    stored = replace(stored_of(a_provider()), enabled=False)
    provider = from_settings(stored, client_secret="other", private_key="")
    assert (provider.enabled, provider.from_file, provider.client_secret) == (False, False, "other")


# Spans


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("24h", 86400), ("7d", 604800), ("1h30m", 5400), ("1d1s", 86401), ("0h1s", 1)],
)
def test_a_span_is_read_as_people_write_it(text, seconds):
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "s", "1m1h", "1h1h", "-1h", "1.5h", "0s", "3661d", " 1h", "1h\n", "٣m"])
def test_a_span_that_is_none_is_refused(text):
    with pytest.raises(InputError):
        parse_span(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1m30s"), (86400, "24h"), (172800, "2d"), (180061, "2d2h1m1s"), (3600, "1h")]
)
def test_a_span_is_written_as_people_write_it(seconds, text):
    assert format_span(timedelta(seconds=seconds)) == text


def test_the_default_signatures_are_all_that_there_are():
    assert read(algorithms=" ").algorithms == ALGORITHMS
