"""What is wrong with a provider, found before a visitor finds it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from doorward.rules.provider import (
    ALGORITHMS,
    GITHUB_ISSUER,
    GITHUB_SCOPES,
    GOOGLE_ISSUER,
    ClientAuth,
    Kind,
    Par,
    check_provider,
    check_together,
    split_problem,
)
from tests.fakes.upstream import a_provider

GOOGLE = {"kind": Kind.GOOGLE, "issuer": GOOGLE_ISSUER}
GITHUB = {"kind": Kind.GITHUB, "issuer": GITHUB_ISSUER, "scopes": GITHUB_SCOPES}


def pem_of(key, *, passphrase=None):
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock).decode()


def fields_of(problems):
    return [split_problem(problem)[0] for problem in problems]


@pytest.mark.parametrize("changes", [{}, GOOGLE, GITHUB])
def test_a_plain_provider_of_each_kind_is_fine(changes):
    """C-22: all three kinds."""
    assert check_provider(a_provider(**changes)) == []


def test_everything_that_may_be_set_may_be_set_at_once():
    provider = a_provider(
        icon="key",
        issuer="https://id.example.test:8443/realms/Home/",
        discovery_url="https://id.example.test/.well-known/openid-configuration?tenant=home",
        client_auth=ClientAuth.BASIC,
        scopes=("openid", "email", "groups", "https://example.test/scope"),
        redirect_path="/api/auth/login",
        algorithms=("ES256", "EdDSA"),
        par=Par.REQUIRE,
        prompt="login consent",
        max_age=timedelta(hours=1),
        acr_values=("urn:mace:incommon:iap:silver", "2"),
        groups_claim="realm_access.roles",
        groups_rename=(("cn=admins,ou=groups", "admins"),),
        groups_prefix="id:",
        admin_claim="https://example.test/roles",
        admin_value="Domain Admins",
        allowed_emails=frozenset({"alice@example.test"}),
        allowed_domains=frozenset({"example.test"}),
        allowed_groups=frozenset({"Everyone (all)"}),
        link_by_email=True,
        trust_mfa=True,
        check_every=timedelta(minutes=10),
    )
    assert check_provider(provider) == []


@pytest.mark.parametrize("provider_id", ["", "-idp", "Idp", "i_p", "i" * 33, "id/p", "idp\n"])
def test_an_id_stands_in_addresses_and_records(provider_id):
    assert "id" in fields_of(check_provider(a_provider(provider_id, name="Id")))


@pytest.mark.parametrize("name", ["", "  ", "Work ", "Wo\u0308rk", "Wo\u200brk", "W" * 129])
def test_a_name_is_one_that_can_be_shown(name):
    assert fields_of(check_provider(a_provider(name=name))) == ["name"]


def test_a_drawing_has_a_plain_name():
    assert fields_of(check_provider(a_provider(icon="../key.svg"))) == ["icon"]


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "id.example.test",
        "ftp://id.example.test",
        "HTTPS://id.example.test",
        "https://",
        "https:///path",
        "https://id.example.test?tenant=1",
        "https://id.example.test#top",
        "https://user@id.example.test",
        "https://id.example.test\\@evil.test",
        "https://id example.test",
        "https://id.example.test/\r\nX: y",
        "https://höme.example.test",
        "https://id.example.test:99999",
        "https://-/",
        "https://id.example.test/" + "a" * 1000,
    ],
)
def test_an_issuer_is_an_address_without_more(issuer):
    assert fields_of(check_provider(a_provider(issuer=issuer))) == ["issuer_url"]


@pytest.mark.parametrize("issuer", [GOOGLE_ISSUER, GITHUB_ISSUER])
def test_nobody_else_can_speak_for_google_or_github(issuer):
    """An issuer is half of an identity's key; with a discovery address of its own, anybody could sign for it."""
    provider = a_provider(issuer=issuer, discovery_url="https://evil.example.test/configuration")
    assert fields_of(check_provider(provider)) == ["issuer_url"]


@pytest.mark.parametrize("kind", [GOOGLE, GITHUB])
def test_google_and_github_are_where_they_are(kind):
    provider = a_provider(**{**kind, "issuer": "https://id.example.test", "discovery_url": "https://id.example.test/x"})
    assert fields_of(check_provider(provider)) == ["issuer_url", "discovery_url"]


@pytest.mark.parametrize("url", ["id.example.test/configuration", "https://id.example.test/#x", "https://:1/"])
def test_a_discovery_address_is_one(url):
    assert fields_of(check_provider(a_provider(discovery_url=url))) == ["discovery_url"]


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/oidc/callback", "/login/callback/idp"])
def test_the_browser_may_come_back_to_paths_of_ours(path):
    """C-23, D-07: what other gateways had registered keeps working."""
    assert check_provider(a_provider(redirect_path=path)) == []


@pytest.mark.parametrize("path", ["/login/callback/other", "/", "/login", "//evil.test/login", "/api/auth/login/"])
def test_the_browser_may_come_back_nowhere_else(path):
    assert fields_of(check_provider(a_provider(redirect_path=path))) == ["redirect_url"]


@pytest.mark.parametrize("client_id", ["", "two words", "id\r\nX: y", "ä", "c" * 501])
def test_a_client_id_is_what_a_request_can_carry(client_id):
    assert fields_of(check_provider(a_provider(client_id=client_id))) == ["client_id"]


@pytest.mark.parametrize("secret", ["secret\n", " secret", "sec\x00ret"])
def test_a_secret_that_was_copied_with_more_than_itself_is_noticed(secret):
    assert fields_of(check_provider(a_provider(client_secret=secret))) == ["client_secret"]


RSA = pem_of(rsa.generate_private_key(65537, 2048))
GOOD_KEYS = {
    "rsa": RSA,
    "p256": pem_of(ec.generate_private_key(ec.SECP256R1())),
    "p384": pem_of(ec.generate_private_key(ec.SECP384R1())),
    "p521": pem_of(ec.generate_private_key(ec.SECP521R1())),
    "ed25519": pem_of(ed25519.Ed25519PrivateKey.generate()),
}


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_key_may_be_of_several_kinds(key):
    provider = a_provider(client_secret="", client_auth=ClientAuth.PRIVATE_KEY, private_key=GOOD_KEYS[key])
    assert check_provider(provider) == []


BAD_KEYS = {
    "short": pem_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505 -- that is the point
    "bitcoin": pem_of(ec.generate_private_key(ec.SECP256K1())),
    "ed448": pem_of(ed448.Ed448PrivateKey.generate()),
    "locked": pem_of(ec.generate_private_key(ec.SECP256R1()), passphrase=b"passphrase"),
    "words": "not a key at all",
    "half": RSA[: len(RSA) // 2],
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_be_used_is_noticed(key):
    provider = a_provider(client_secret="", client_auth=ClientAuth.PRIVATE_KEY, private_key=BAD_KEYS[key])
    assert fields_of(check_provider(provider)) == ["private_key"]


@pytest.mark.parametrize(
    ("auth", "secret", "key", "wrong"),
    [
        (None, "s", "", []),
        (None, "", RSA, []),
        (None, "s", RSA, []),
        (None, "", "", ["client_secret"]),
        (ClientAuth.BASIC, "s", "", []),
        (ClientAuth.BASIC, "", "", ["client_secret"]),
        (ClientAuth.POST, "", "", ["client_secret"]),
        (ClientAuth.POST, "s", RSA, ["private_key"]),
        (ClientAuth.PRIVATE_KEY, "", "", ["private_key"]),
        (ClientAuth.PRIVATE_KEY, "s", RSA, ["client_secret"]),
        (ClientAuth.NONE, "", "", []),
        (ClientAuth.NONE, "s", "", ["client_secret"]),
        (ClientAuth.NONE, "", RSA, ["private_key"]),
    ],
)
def test_the_way_to_prove_who_we_are_has_what_it_needs_and_nothing_else(auth, secret, key, wrong):
    provider = a_provider(client_auth=auth, client_secret=secret, private_key=key)
    assert fields_of(check_provider(provider)) == wrong


@pytest.mark.parametrize(
    ("kind", "auth", "secret", "wrong"),
    [
        (GOOGLE, ClientAuth.BASIC, "s", []),
        (GOOGLE, ClientAuth.POST, "s", []),
        (GOOGLE, None, "", ["client_secret"]),
        (GOOGLE, ClientAuth.NONE, "", ["token_auth_method"]),
        (GITHUB, ClientAuth.POST, "s", []),
        (GITHUB, ClientAuth.BASIC, "s", ["token_auth_method"]),
        (GITHUB, None, "", ["client_secret"]),
    ],
)
def test_google_and_github_take_secrets_only(kind, auth, secret, wrong):
    assert fields_of(check_provider(a_provider(**kind, client_auth=auth, client_secret=secret))) == wrong


@pytest.mark.parametrize("kind", [GOOGLE, GITHUB])
def test_google_and_github_take_no_keys(kind):
    assert fields_of(check_provider(a_provider(**kind, private_key=RSA))) == ["private_key"]


def test_openid_must_be_asked_for_where_there_is_an_id_token():
    assert fields_of(check_provider(a_provider(scopes=("email",)))) == ["scopes"]
    assert check_provider(a_provider(**{**GITHUB, "scopes": ("user:email",)})) == []


@pytest.mark.parametrize(
    "scopes", [("openid", "two words"), ("openid", 'quo"te'), ("openid", ""), ("openid", "openid")]
)
def test_scopes_are_words_each_of_them_once(scopes):
    assert fields_of(check_provider(a_provider(scopes=scopes))) == ["scopes"]


def test_classes_of_authentication_are_words():
    assert fields_of(check_provider(a_provider(acr_values=("a b",)))) == ["acr_values"]


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "rs256", "RSA-OAEP", ""])
def test_no_signature_can_be_allowed_that_proves_nothing(algorithm):
    """Neither `none` nor one with a shared secret, whatever somebody writes into the settings."""
    assert fields_of(check_provider(a_provider(algorithms=(algorithm,)))) == ["algorithms"]


def test_some_signature_must_be_allowed():
    assert fields_of(check_provider(a_provider(algorithms=()))) == ["algorithms"]
    assert check_provider(a_provider(algorithms=ALGORITHMS[:1])) == []


@pytest.mark.parametrize(
    ("kind", "prompt", "wrong"),
    [
        ({}, "login select_account", []),
        ({}, "none", ["prompt"]),
        ({}, "login login", ["prompt"]),
        ({}, "login  consent", ["prompt"]),
        (GOOGLE, "select_account", []),
        (GOOGLE, "login", ["prompt"]),
        (GITHUB, "select_account", []),
        (GITHUB, "consent", ["prompt"]),
    ],
)
def test_a_provider_is_asked_to_ask_only_for_what_it_knows(kind, prompt, wrong):
    """C-21."""
    assert fields_of(check_provider(a_provider(**kind, prompt=prompt))) == wrong


def test_spans_are_long_enough_to_mean_something():
    provider = a_provider(max_age=timedelta(0), check_every=timedelta(seconds=59))
    assert fields_of(check_provider(provider)) == ["max_age", "check_every"]
    assert check_provider(a_provider(max_age=timedelta(seconds=1), check_every=timedelta(minutes=1))) == []


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *(
            (kind, changes)
            for kind in (GOOGLE, GITHUB)
            for changes in (
                {"max_age": timedelta(hours=1)},
                {"acr_values": ("1",)},
                {"trust_mfa": True},
                {"assume_verified": True},
                {"par": Par.REQUIRE},
            )
        ),
        (GITHUB, {"check_every": timedelta(hours=1)}),
    ],
)
def test_nothing_can_be_set_that_would_do_nothing(kind, changes):
    assert fields_of(check_provider(a_provider(**kind, **changes))) == list(changes)


def test_google_can_be_asked_again_by_a_refresh_token():
    assert check_provider(a_provider(**GOOGLE, par=Par.NEVER)) == []


@pytest.mark.parametrize("claim", [".groups", "a..b", "groups.", " groups", "gro\nups", "g" * 501])
def test_a_claim_has_a_name(claim):
    provider = a_provider(groups_claim=claim, admin_claim=claim, admin_value="admins")
    assert fields_of(check_provider(provider)) == ["groups_claim", "admin_claim"]


def test_claim_and_value_of_administrators_go_together():
    assert fields_of(check_provider(a_provider(admin_claim="groups"))) == ["admin_value"]
    assert fields_of(check_provider(a_provider(admin_value="admins"))) == ["admin_claim"]
    assert fields_of(check_provider(a_provider(admin_claim="groups", admin_value=" "))) == ["admin_value"]


@pytest.mark.parametrize("prefix", ["-x", "a b", "a,", "x" * 33])
def test_a_prefix_can_begin_the_name_of_a_group(prefix):
    assert fields_of(check_provider(a_provider(groups_claim="groups", groups_prefix=prefix))) == ["groups_prefix"]


@pytest.mark.parametrize(
    "renames", [(("", "admins"),), (("their", "our admins"),), (("their", ""),), (("a", "one"), ("a", "two"))]
)
def test_renamed_groups_have_names_on_both_sides(renames):
    provider = a_provider(groups_claim="groups", groups_rename=renames)
    assert fields_of(check_provider(provider)) == ["groups_rename"]


def test_without_a_claim_nothing_can_be_said_about_groups():
    provider = a_provider(groups_prefix="idp-", groups_rename=(("a", "b"),), allowed_groups=frozenset({"family"}))
    assert fields_of(check_provider(provider)) == ["groups_prefix", "groups_rename", "allowed_groups"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"allowed_emails": frozenset({"Alice@example.test"})}, "allowed_emails"),
        ({"allowed_emails": frozenset({"example.test"})}, "allowed_emails"),
        ({"allowed_domains": frozenset({"@example.test"})}, "allowed_domains"),
        ({"allowed_domains": frozenset({"Example.test"})}, "allowed_domains"),
        ({"allowed_domains": frozenset({"*.example.test"})}, "allowed_domains"),
        ({"groups_claim": "groups", "allowed_groups": frozenset({""})}, "allowed_groups"),
    ],
)
def test_who_may_come_in_is_spelt_so_that_it_can_match(changes, wrong):
    assert fields_of(check_provider(a_provider(**changes))) == [wrong]


def test_an_address_nobody_verified_is_never_the_key_to_an_account():
    """H08."""
    assert check_provider(a_provider(link_by_email=True)) == []
    assert check_provider(a_provider(assume_verified=True)) == []
    assert fields_of(check_provider(a_provider(link_by_email=True, assume_verified=True))) == ["link_by_email"]


def test_google_is_tied_to_only_where_it_gives_what_that_takes():
    """At Google a refresh token comes with consent and not without."""
    tied = {**GOOGLE, "check_every": timedelta(hours=1)}
    for prompt in ("", "select_account"):
        assert fields_of(check_provider(a_provider(**tied, prompt=prompt))) == ["prompt"]
    for prompt in ("consent", "consent select_account", "select_account consent"):
        assert check_provider(a_provider(**tied, prompt=prompt)) == []


def test_nothing_that_people_write_about_themselves_at_github_gives_rights():
    """H08: a login can be renamed, and then be taken by somebody else."""
    named = a_provider(**GITHUB, groups_claim="company", admin_claim="login", admin_value="octocat")
    assert fields_of(check_provider(named)) == ["groups_claim", "admin_claim"]
    assert check_provider(replace(named, groups_claim="", admin_claim="", admin_value="")) == []


def test_no_account_with_an_address_that_nobody_verified_waits_for_its_owner():
    """H08: one makes accounts with any address, the other takes whoever has it for the owner."""
    sloppy, strict = a_provider("sloppy", assume_verified=True), a_provider("strict", link_by_email=True)
    assert fields_of(check_together([sloppy, strict])) == ["link_by_email"]
    assert fields_of(check_together([strict, sloppy])) == ["assume_verified"]
    assert check_together([replace(sloppy, auto_provision=False), strict]) == []
    assert check_together([sloppy, replace(strict, link_by_email=False)]) == []
    assert check_together([replace(sloppy, assume_verified=False), strict]) == []


def test_a_problem_never_repeats_a_secret():
    provider = a_provider(client_secret="hunter2\n", private_key="hunter2")
    assert not any("hunter2" in problem for problem in check_provider(provider))


def test_no_two_providers_share_a_name_or_a_way_back():
    first, second = a_provider("one"), a_provider("two", redirect_path="/api/auth/login")
    assert check_together([first, second]) == []
    assert fields_of(check_together([first, second, a_provider("one", redirect_path="/api/auth/login")])) == ["id"]
    assert fields_of(check_together([second, a_provider("three", redirect_path="/api/auth/login")])) == ["redirect_url"]
