"""Providers that cannot work, and those that are likely to be meant otherwise."""

import re

import pytest

from doorward.config.provider_check import note_ways
from doorward.rules.ways import PasswordWay
from tests.fakes.configured import OIDC, SECRET, notices_of, problems_of, the_entry

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


# What an operator should know


@pytest.mark.parametrize(
    ("text", "words"),
    [
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
