"""What a provider says about itself, and the requests and answers that follow from it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.rules.authorization import (
    ProviderWords,
    check_response_issuer,
    clean_words,
    extend_url,
    find_words,
    judge_refusal,
    make_basic,
    make_challenge,
    make_parameters,
    read_token_answer,
)
from doorward.rules.discovery import (
    IssuerMismatchError,
    Metadata,
    choose_algorithms,
    choose_client_auth,
    choose_par,
    is_address,
    make_discovery_url,
    read_metadata,
)
from doorward.rules.oidc import Departure, Failure, UpstreamError
from doorward.rules.provider import ALGORITHMS, ClientAuth, Kind, Par, Provider, ProviderId

PROVIDER = Provider(
    id=ProviderId("idp"),
    kind=Kind.OIDC,
    name="IdP",
    issuer="https://idp.example/realms/home",
    client_id="us",
    client_secret="secret",
)
SOURCE = "https://idp.example/realms/home/.well-known/openid-configuration"
DOCUMENT = {
    "issuer": PROVIDER.issuer,
    "authorization_endpoint": "https://idp.example/auth",
    "token_endpoint": "https://idp.example/token",
    "jwks_uri": "https://idp.example/jwks",
}
METADATA = read_metadata(DOCUMENT, PROVIDER, source=SOURCE)


def describe(**changes: Any) -> Metadata:
    return read_metadata(DOCUMENT | changes, PROVIDER, source=SOURCE)


@pytest.mark.parametrize(
    ("issuer", "discovery_url", "url"),
    [
        ("https://idp.example", "", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/", "", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/a/", "", "https://idp.example/a/.well-known/openid-configuration"),
        ("https://idp.example", "http://inner:8080/d", "http://inner:8080/d"),
    ],
)
def test_the_description_lies_where_the_standard_or_the_settings_say(issuer: str, discovery_url: str, url: str) -> None:
    assert make_discovery_url(replace(PROVIDER, issuer=issuer, discovery_url=discovery_url)) == url


def test_a_plain_description_says_nothing_that_it_does_not_say() -> None:
    assert Metadata(**DOCUMENT) == METADATA
    assert METADATA.algorithms is None
    assert not METADATA.announces_issuer


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "value", [None, "", 1, "http://idp.example/x", "ftp://idp.example/", "idp.example", ["https://a"]]
)
def test_what_there_must_be_must_be_usable(name: str, value: object) -> None:
    with pytest.raises(UpstreamError, match=name) as caught:
        describe(**{name: value})
    assert caught.value.failure is Failure.DISCOVERY


@pytest.mark.parametrize("name", ["userinfo_endpoint", "end_session_endpoint"])
def test_what_there_may_be_is_left_out_where_it_is_not_usable(name: str) -> None:
    assert getattr(describe(**{name: "https://idp.example/x"}), name) == "https://idp.example/x"
    for value in ("http://idp.example/x", "javascript:x", None, 1):
        assert getattr(describe(**{name: value}), name) == ""


def test_plain_http_is_taken_where_the_description_came_by_it() -> None:
    document = DOCUMENT | {"token_endpoint": "http://idp.lan:8080/token"}
    assert read_metadata(document, PROVIDER, source="http://idp.lan:8080/d").token_endpoint.startswith("http:")


@pytest.mark.parametrize("value", ["true", 1, None, [], "false"])
def test_a_promise_is_made_by_true_alone(value: object) -> None:
    made = describe(
        require_pushed_authorization_requests=value,
        authorization_response_iss_parameter_supported=value,
        backchannel_logout_supported=value,
        frontchannel_logout_supported=value,
    )
    promises = [made.par_required, made.announces_issuer, made.backchannel_logout, made.frontchannel_logout]
    assert promises == [False] * 4


def test_lists_are_read_as_far_as_they_are_lists_of_words() -> None:
    made = describe(
        scopes_supported=["openid", 1, "é", "a\n", None, *["x"] * 500],
        code_challenge_methods_supported="S256",
        id_token_signing_alg_values_supported=["Ed25519", "HS256"],
    )
    assert made.scopes is not None
    assert made.scopes[:2] == ("openid", "x")
    assert len(made.scopes) < 200
    assert made.challenge_methods is None
    assert made.algorithms == ("EdDSA", "HS256")


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [
        (PROVIDER.issuer + "/", True),
        ("https://evil.example", True),
        (PROVIDER.issuer.upper(), False),
        ("not an address", False),
        ("https://evil.example/\u202e", False),
        (None, False),
        ([PROVIDER.issuer], False),
        (True, False),
    ],
)
def test_another_issuer_is_refused_and_shown_where_it_is_an_address(issuer: object, shown: bool) -> None:
    with pytest.raises(IssuerMismatchError) as caught:
        describe(issuer=issuer)
    assert caught.value.failure is Failure.DISCOVERY
    assert (caught.value.announced == issuer) is shown
    assert (str(issuer) in str(caught.value)) is shown
    with pytest.raises(IssuerMismatchError) as caught:
        describe(issuer=issuer, token_endpoint=None)
    assert caught.value.announced == ""


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("https://a", True),
        ("https://a.example:8443/x?y=z", True),
        ("http://127.0.0.1:9000", True),
        ("https://[::1]/x", True),
        ("HTTPS://a.example", False),
        ("https://", False),
        ("https:///x", False),
        ("https://:443/", False),
        ("https://a:0/", False),
        ("https://a:99999/", False),
        ("https://a:x/", False),
        ("https://[::1", False),
        ("https://u:p@a/", False),
        ("https://a/#x", False),
        ("https://a/\\b", False),
        ("https://a b/", False),
        ("https://é.example/", False),
        ("https://a/\n", False),
        ("https://a/" + "x" * 2048, False),
        ("/x", False),
        ("", False),
    ],
)
def test_an_address_is_one_that_a_browser_and_we_read_alike(text: str, right: bool) -> None:
    assert is_address(text) is right


# What follows from it


def test_signatures_are_those_of_the_settings_narrowed_to_what_is_announced() -> None:
    assert choose_algorithms(PROVIDER, METADATA) == set(ALGORITHMS)
    made = describe(id_token_signing_alg_values_supported=["RS256", "HS256", "none"])
    assert choose_algorithms(PROVIDER, made) == {"RS256"}
    assert choose_algorithms(replace(PROVIDER, algorithms=("ES256",)), made) == set()


@pytest.mark.parametrize(
    ("announced", "secret", "key", "way"),
    [
        (None, "s", "", ClientAuth.BASIC),
        ([], "s", "", ClientAuth.BASIC),
        (["client_secret_post", "client_secret_basic"], "s", "", ClientAuth.BASIC),
        (["client_secret_post"], "s", "", ClientAuth.POST),
        (["client_secret_basic", "private_key_jwt"], "s", "k", ClientAuth.PRIVATE_KEY),
        (["client_secret_basic"], "s", "k", ClientAuth.BASIC),
        (["none"], "", "", ClientAuth.NONE),
        (["client_secret_basic"], "", "", ClientAuth.NONE),
        (["tls_client_auth"], "s", "", None),
        (["client_secret_basic"], "", "k", None),
    ],
)
def test_the_best_proof_that_both_have_is_taken(
    announced: list[str] | None, secret: str, key: str, way: ClientAuth | None
) -> None:
    made = describe(token_endpoint_auth_methods_supported=announced)
    provider = replace(PROVIDER, client_secret=secret, private_key=key)
    if way is None:
        with pytest.raises(UpstreamError, match="announces") as caught:
            choose_client_auth(provider, made)
        assert caught.value.failure is Failure.CLIENT_REFUSED
    else:
        assert choose_client_auth(provider, made) is way
    for chosen in ClientAuth:
        assert choose_client_auth(replace(provider, client_auth=chosen), made) is chosen


@pytest.mark.parametrize(
    ("par", "offered", "required", "pushed"),
    [
        (Par.AUTO, True, False, True),
        (Par.AUTO, False, False, False),
        (Par.REQUIRE, True, False, True),
        (Par.REQUIRE, False, False, None),
        (Par.NEVER, True, False, False),
        (Par.NEVER, True, True, None),
        (Par.NEVER, False, False, False),
    ],
)
def test_a_request_is_pushed_where_both_want_it(par: Par, offered: bool, required: bool, pushed: bool | None) -> None:
    made = describe(
        pushed_authorization_request_endpoint="https://idp.example/par" if offered else None,
        require_pushed_authorization_requests=required,
    )
    if pushed is None:
        with pytest.raises(UpstreamError, match="pushed"):
            choose_par(replace(PROVIDER, par=par), made)
    else:
        assert choose_par(replace(PROVIDER, par=par), made) is pushed


# The request


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    challenge = make_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_what_is_not_asked_for_is_not_in_the_request() -> None:
    departure = Departure(redirect_uri="https://us/cb", state="s", nonce="n", verifier="v")
    names = {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce"}
    assert set(make_parameters(PROVIDER, departure)) == names | {"code_challenge", "code_challenge_method"}
    asked = make_parameters(PROVIDER, replace(departure, max_age=timedelta(minutes=5), prompt="login"))
    assert (asked["max_age"], asked["prompt"]) == ("300", "login")


@pytest.mark.parametrize(("domains", "hint"), [((), None), (("a.example",), "a.example"), (("a.example", "b"), None)])
def test_google_is_told_the_domain_where_there_is_one(domains: tuple[str, ...], hint: str | None) -> None:
    departure = Departure(redirect_uri="https://us/cb", state="s", nonce="n", verifier="v")
    google = replace(PROVIDER, kind=Kind.GOOGLE, allowed_domains=frozenset(domains))
    assert make_parameters(google, departure).get("hd") == hint
    assert "access_type" not in make_parameters(google, departure)
    tied = replace(google, check_every=timedelta(hours=1))
    assert make_parameters(tied, departure)["access_type"] == "offline"


def test_an_address_keeps_its_query_and_nothing_slips_out_of_a_parameter() -> None:
    assert extend_url("https://a/x", {"a": "b c"}) == "https://a/x?a=b+c"
    assert extend_url("https://a/x?y=z", {"a": "&=#\r\n"}) == "https://a/x?y=z&a=%26%3D%23%0D%0A"


def test_the_halves_of_basic_are_form_encoded() -> None:
    assert make_basic("a:b", "p w%+é") == "a%3Ab:p+w%25%2B%C3%A9"


@pytest.mark.parametrize(
    ("issuer", "announced", "right"),
    [
        (None, False, True),
        (None, True, False),
        ("https://idp.example", True, True),
        ("https://idp.example", False, True),
        ("https://idp.example/", False, False),
        ("", False, False),
    ],
)
def test_an_answer_names_whom_it_is_from(issuer: str | None, announced: bool, right: bool) -> None:
    if right:
        check_response_issuer(issuer, expected=("https://idp.example",), announced=announced)
    else:
        with pytest.raises(UpstreamError) as caught:
            check_response_issuer(issuer, expected=("https://idp.example",), announced=announced)
        assert caught.value.failure is Failure.TOKEN


# The answer


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "invalid_grant"}', "invalid_grant"),
        (b'{"error": "x", "error_description": "It is\\r\\n\\u0000 so."}', "x: It is \ufffd so."),
        (b'{"error": "x", "error_description": ["y"]}', "x"),
        (b'{"error": "x", "error_description": "of s3cr3t-word"}', "x: of [secret]"),
        (b'{"error": ""}', None),
        (b'{"error": 1}', None),
        (b'{"message": "secret"}', None),
        (b"<html>", None),
        (b"[" * 100_000, None),
    ],
)
def test_of_a_refusal_only_the_words_of_oauth_are_kept(body: bytes, text: str | None) -> None:
    words = find_words(body, ["s3cr3t-word", "", "a"])
    assert (words.text if words else None) == text


def test_words_are_bounded_whatever_they_are() -> None:
    assert len(clean_words("a\u202e" * 100_000)) == 300
    assert clean_words("\x1b[31m\x07") == "\ufffd[31m\ufffd"


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (401, "invalid_client", Failure.CLIENT_REFUSED),
        (400, "invalid_client", Failure.CLIENT_REFUSED),
        (500, "invalid_client", Failure.CLIENT_REFUSED),
        (400, "invalid_grant", Failure.CODE_REFUSED),
        (200, "bad_verification_code", Failure.CODE_REFUSED),
        (400, "invalid_scope", Failure.PROVIDER_ERROR),
        (503, "temporarily_unavailable", Failure.UNREACHABLE),
        (401, None, Failure.CLIENT_REFUSED),
        (401, "invalid_token", Failure.PROVIDER_ERROR),
        (400, None, Failure.PROVIDER_ERROR),
        (429, None, Failure.UNREACHABLE),
        (599, None, Failure.UNREACHABLE),
        (302, None, Failure.PROVIDER_ERROR),
    ],
)
def test_a_refusal_comes_down_to_one_word(status: int, error: str | None, failure: Failure) -> None:
    assert judge_refusal(status, ProviderWords(error, "") if error else None) is failure


def test_tokens_are_words_and_nothing_of_them_is_shown() -> None:
    found = read_token_answer({"id_token": "a.b.c", "access_token": "t", "refresh_token": None, "token_type": "BEARER"})
    assert (found.id_token, found.access_token, found.refresh_token) == ("a.b.c", "t", "")
    assert "a.b.c" not in repr(found)
    assert read_token_answer({}).access_token == ""


@pytest.mark.parametrize(
    "answer",
    [
        {"id_token": 1},
        {"id_token": "a b"},
        {"refresh_token": "é"},
        {"access_token": "a\n", "token_type": "Bearer"},
        {"access_token": "a"},
        {"access_token": "a", "token_type": "mac"},
        {"access_token": "a", "token_type": ["Bearer"]},
    ],
)
def test_an_answer_with_something_else_for_a_token_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_token_answer(answer)
    assert caught.value.failure is Failure.TOKEN
