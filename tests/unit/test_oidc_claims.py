"""What tokens claim, judged by itself."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorward.rules.claims import (
    LOGOUT_EVENT,
    Expected,
    add_profile,
    check_id_token,
    check_logout_token,
    find_claim,
    list_wanted,
)
from doorward.rules.oidc import Authenticated, Failure, UpstreamError
from doorward.rules.provider import Kind, Provider, ProviderId

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLAIMS = {
    "iss": "https://idp.example",
    "aud": "us",
    "sub": "alice",
    "iat": SECONDS,
    "exp": SECONDS + 300,
    "nonce": "n",
}
EXPECTED = Expected(issuer="https://idp.example", client_id="us", nonce="n")
PROVIDER = Provider(
    id=ProviderId("idp"), kind=Kind.OIDC, name="IdP", issuer="https://idp.example", client_id="us", client_secret="s"
)


def judge(
    expected: Expected = EXPECTED, *, access_token: str = "", algorithm: str = "RS256", **claims: Any
) -> Authenticated:
    return check_id_token(CLAIMS | claims, expected, algorithm=algorithm, access_token=access_token, now=NOW)


def person(**claims: Any) -> Authenticated:
    return Authenticated(issuer="https://idp.example", subject="alice", claims=claims)


def test_good_claims_become_somebody() -> None:
    who = judge(sid="s", acr="gold", amr=["pwd"], auth_time=SECONDS - 5)
    assert (who.issuer, who.subject, who.sid, who.acr, who.amr) == (
        "https://idp.example",
        "alice",
        "s",
        "gold",
        {"pwd"},
    )
    assert who.auth_time == NOW - timedelta(seconds=5)
    assert (who.email, who.email_verified, who.id_token) == ("", False, "")


@pytest.mark.parametrize(
    ("name", "forgiven", "refused"),
    [("exp", -59, -60), ("iat", 60, 61), ("nbf", 60, 61), ("auth_time", 60, 61), ("exp", 366 * 86400, 366 * 86400 + 1)],
)
def test_a_minute_of_difference_is_forgiven_and_no_second_more(name: str, forgiven: int, refused: int) -> None:
    assert judge(**{name: SECONDS + forgiven}).subject == "alice"
    with pytest.raises(UpstreamError, match=f"refused: {name} "):
        judge(**{name: SECONDS + refused})


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "nonce"])
def test_what_there_must_be_must_be_there(name: str) -> None:
    claims = {key: value for key, value in CLAIMS.items() if key != name}
    with pytest.raises(UpstreamError, match=f"refused: {name} "):
        check_id_token(claims, EXPECTED, algorithm="RS256", access_token="", now=NOW)


@pytest.mark.parametrize("subject", ["a", "a" * 255, "Alice Smith", " ", "x|y:z/~", "1"])
def test_a_subject_is_kept_exactly_as_it_is(subject: str) -> None:
    assert judge(sub=subject).subject == subject


@pytest.mark.parametrize("subject", ["", "a" * 256, "a\n", "a\x7f", "é", None, 1, True, ["alice"], {}])
def test_a_subject_that_is_none_is_refused(subject: object) -> None:
    with pytest.raises(UpstreamError, match="sub is missing or malformed"):
        judge(sub=subject)


@pytest.mark.parametrize("audience", ["us", ["us"]])
@pytest.mark.parametrize("party", [{}, {"azp": "us"}])
def test_an_audience_is_us_alone_or_in_a_list(audience: object, party: dict[str, str]) -> None:
    assert judge(aud=audience, **party).subject == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["us", "them"]},
        {"aud": ["them"], "azp": "us"},
        {"aud": [], "azp": "us"},
        {"aud": ["us", None], "azp": "us"},
        {"aud": {"us": 1}},
        {"aud": None},
        {"aud": "us them"},
        {"aud": "us", "azp": "them"},
        {"aud": "us", "azp": None},
    ],
)
def test_an_audience_that_is_others_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError, match=r"aud|azp"):
        judge(**claims)


def test_an_audience_of_several_is_ours_if_the_token_was_made_for_us() -> None:
    assert judge(aud=["project", "us"], azp="us").subject == "alice"


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("RS256", "77QmUPtjPfzWtF2AnpK9RQ"),  # OpenID Connect Core, A.3
        ("ES384", None),
        ("PS512", None),
        ("EdDSA", None),
    ],
)
def test_the_hash_of_the_access_token_fits_the_algorithm(algorithm: str, digest: str | None) -> None:
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    name = "sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}"
    raw = hashlib.new(name, token.encode()).digest()
    expected = base64.urlsafe_b64encode(raw[: len(raw) // 2]).rstrip(b"=").decode()
    assert digest in {None, expected}
    assert judge(algorithm=algorithm, access_token=token, at_hash=expected).subject == "alice"
    for wrong in (expected[:-1], expected + "=", "", None, [expected]):
        with pytest.raises(UpstreamError, match="at_hash"):
            judge(algorithm=algorithm, access_token=token, at_hash=wrong)
    with pytest.raises(UpstreamError, match="at_hash"):
        judge(algorithm=algorithm, at_hash=expected)


@pytest.mark.parametrize("amr", [None, "pwd", ["pwd", 1], {"pwd": True}, [["pwd"]]])
def test_methods_that_are_no_list_of_words_prove_nothing(amr: object) -> None:
    assert judge(amr=amr).amr == frozenset()


@pytest.mark.parametrize("acr", [None, 2, ["gold"]])
def test_a_class_that_is_no_word_proves_nothing(acr: object) -> None:
    assert judge(acr=acr).acr == ""


@pytest.mark.parametrize("sid", [1, None, "a\n", "s" * 1025])
def test_a_session_id_that_is_none_is_refused(sid: object) -> None:
    with pytest.raises(UpstreamError, match="sid is malformed"):
        judge(sid=sid)


def test_a_renewal_needs_no_nonce_but_the_same_person() -> None:
    renewal = Expected(issuer="https://idp.example", client_id="us", nonce=None, subject="alice")
    assert judge(renewal, nonce="whatever").subject == "alice"
    with pytest.raises(UpstreamError, match="somebody else"):
        judge(renewal, sub="bob")


@pytest.mark.parametrize(("auth_time", "fresh"), [(-60, True), (-61, False), (60, True), (None, False)])
def test_freshness_is_proven_by_auth_time(auth_time: int | None, fresh: bool) -> None:
    asked = Expected(issuer="https://idp.example", client_id="us", nonce="n", not_before=NOW)
    claims = {} if auth_time is None else {"auth_time": SECONDS + auth_time}
    if fresh:
        assert judge(asked, **claims).auth_time is not None
    else:
        with pytest.raises(UpstreamError) as caught:
            judge(asked, **claims)
        assert caught.value.failure is Failure.NOT_FRESH


def notice(**claims: Any) -> Any:
    given = {
        "iss": "https://idp.example",
        "aud": "us",
        "iat": SECONDS,
        "exp": SECONDS + 60,
        "jti": "j",
        "sub": "alice",
        "events": {LOGOUT_EVENT: {}, "https://other.example/event": 1},
    }
    merged = {name: value for name, value in (given | claims).items() if value is not None}
    return check_logout_token(merged, issuer="https://idp.example", client_id="us", now=NOW)


def test_a_notice_tells_who_or_which_session() -> None:
    assert (notice().subject, notice().sid, notice().jti) == ("alice", "", "j")
    assert (notice(sub=None, sid="s").subject, notice(sub=None, sid="s").sid) == ("", "s")
    assert notice(exp=SECONDS + 86400).expires_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": SECONDS + 86401},
        {"nonce": ""},
        {"events": None},
        {"events": {LOGOUT_EVENT: []}},
        {"jti": None},
        {"sub": None},
        {"sub": ""},
        {"sid": 1},
        {"aud": "them"},
        {"iss": "https://idp.example/"},
    ],
)
def test_a_notice_that_is_none_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        notice(**claims)
    assert caught.value.failure is Failure.TOKEN


# Which address counts


@pytest.mark.parametrize(
    ("own", "more", "email", "verified", "claimed"),
    [
        ({"email": "a@x.org", "email_verified": True}, None, "a@x.org", True, True),
        ({"email": "A@X.org", "email_verified": True}, None, "a@x.org", True, True),
        ({"email": "a@x.org", "email_verified": False}, None, "a@x.org", False, False),
        ({"email": "a@x.org", "email_verified": "true"}, None, "a@x.org", False, False),
        ({"email": "a@x.org", "email_verified": 1}, None, "a@x.org", False, False),
        ({"email": "a@x.org", "email_verified": None}, None, "a@x.org", False, False),
        ({"email": "a@x.org"}, None, "a@x.org", False, None),
        ({}, {"email": "a@x.org", "email_verified": True}, "a@x.org", True, True),
        # From one source, never one half from each
        ({"email_verified": True}, {"email": "a@x.org"}, "a@x.org", False, None),
        ({"email_verified": False}, {"email": "a@x.org", "email_verified": True}, "a@x.org", False, False),
        ({"email": "a@x.org"}, {"email": "b@x.org", "email_verified": True}, "a@x.org", False, None),
        ({"email": "a@x.org"}, {"email": "a@x.org", "email_verified": True}, "a@x.org", True, True),
        ({"email": "a@x.org"}, {"email_verified": True}, "a@x.org", False, None),
        ({"email": "a@x.org", "email_verified": True}, {"email_verified": False}, "a@x.org", False, False),
        ({"email": "a@x.org", "email_verified": True}, {"email": "b@x.org"}, "a@x.org", True, True),
        # None at all
        ({"email": "no address", "email_verified": True}, None, "", False, None),
        ({"email": ["a@x.org"], "email_verified": True}, None, "", False, None),
        ({"email": None}, {"email": "a@x.org", "email_verified": True}, "", False, None),
        ({}, {}, "", False, None),
    ],
)
def test_an_address_and_the_word_on_it_come_from_one_source(
    own: dict[str, Any], more: dict[str, Any] | None, email: str, verified: bool, claimed: bool | None
) -> None:
    userinfo = None if more is None else {"sub": "alice", **more}
    who = add_profile(person(**own), userinfo)
    assert (who.email, who.email_verified) == (email, verified)
    assert who.claims.get("email_verified") is claimed
    assert who.claims.get("email", "") == email


def test_userinfo_adds_and_never_replaces() -> None:
    own = {"sub": "alice", "iss": "https://idp.example", "name": "  Alice \n of  the token"}
    more = {"sub": "alice", "iss": "https://evil.example", "name": "x", "groups": ["a"], "preferred_username": "al\0"}
    who = add_profile(person(**own), more)
    assert (who.name, who.user_name) == ("Alice of the token", "al\ufffd")
    assert (who.claims["iss"], who.claims["groups"]) == ("https://idp.example", ["a"])
    assert len(add_profile(person(name="x" * 500), None).name) == 128
    assert add_profile(person(name=1), None).name == ""


@pytest.mark.parametrize("subject", ["bob", "Alice", "alice ", "", None, 1, ["alice"]])
def test_userinfo_about_somebody_else_is_refused(subject: object) -> None:
    with pytest.raises(UpstreamError, match="somebody else"):
        add_profile(person(), {"sub": subject})
    with pytest.raises(UpstreamError, match="somebody else"):
        add_profile(person(), {})


# What is asked of userinfo


@pytest.mark.parametrize(
    ("changes", "claims", "wanted"),
    [
        ({}, {}, ["email", "name"]),
        ({}, {"email": "a@x.org", "name": "A"}, []),
        ({"scopes": ("openid",)}, {}, []),
        ({"scopes": ("openid",), "groups_claim": "groups", "admin_claim": "r.roles"}, {}, ["groups", "r.roles"]),
        ({"scopes": ("openid",), "groups_claim": "r.roles", "admin_claim": "r.roles"}, {"r": {"roles": []}}, []),
    ],
)
def test_userinfo_is_asked_only_for_what_is_wanted_and_missing(
    changes: dict[str, Any], claims: dict[str, Any], wanted: list[str]
) -> None:
    assert list_wanted(claims, replace(PROVIDER, **changes)) == wanted


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", {"b": {"c": 1}, "b.c": 2}),
        ("a.b", {"c": 1}),
        ("a.b.c", 2),
        ("https://x.example/g", ["g"]),
        ("https://x.example/o.p", 3),
        ("e.f", 4),
        ("n", None),
        ("a.x", None),
        ("a.b.c.d", None),
        ("", None),
        (".", None),
        ("a.", None),
    ],
)
def test_a_claim_is_found_under_its_name_or_along_the_dots(path: str, found: object) -> None:
    claims = {
        "a": {"b": {"c": 1}, "b.c": 2},
        "https://x.example/g": ["g"],
        "https://x.example/o": {"p": 3},
        "e.f": 4,
        "e": {"f": 5},
        "n": None,
    }
    assert find_claim(claims, path) == found
