"""What must hold for every word of a provider: one reading or none, and no token but the one that was signed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.outside.upstream.signatures import is_genuine
from doorward.rules.authorization import find_words, read_token_answer
from doorward.rules.claims import Expected, add_profile, check_id_token, check_logout_token
from doorward.rules.discovery import read_metadata
from doorward.rules.jose import TokenKind, find_key, parse_key_set, parse_token
from doorward.rules.oidc import Authenticated, UpstreamError
from doorward.rules.provider import ALGORITHMS, Kind, Provider, ProviderId
from doorward.rules.strict_json import parse_json
from tests.fakes.keys import make_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example",
    "aud": "us",
    "sub": "alice",
    "iat": SECONDS,
    "exp": SECONDS + 300,
    "nonce": "n",
}
EXPECTED = Expected(issuer="https://idp.example", client_id="us", nonce="n")
PROVIDER = Provider(id=ProviderId("idp"), kind=Kind.OIDC, name="IdP", issuer="https://idp.example", client_id="us")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_one_value_or_refused(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except InputError:
        return
    assert parse_json(json.dumps(value).encode()) == value


@given(st.text('[]{}",:\\u0dD89aeE.-+1nulNa \n', max_size=300))
def test_any_text_of_the_letters_of_json_is_one_value_or_refused(text: str) -> None:
    try:
        value = parse_json(text.encode())
    except InputError:
        return
    assert json.loads(text) == value
    json.dumps(value, ensure_ascii=False).encode()


@given(values, st.booleans())
def test_every_value_is_read_as_it_was_written(value: Any, escaped: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.integers(0, 3000), st.sampled_from(["[", '{"a":', '[{"a":']), texts)
def test_depth_never_fails_in_another_way(depth: int, opening: str, inside: str) -> None:
    raw = (opening * depth + json.dumps(inside)).encode()
    try:
        parse_json(raw)
    except InputError:
        assert depth > 0
    else:
        assert depth == 0


@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.data())
def test_a_key_twice_is_refused_wherever_it_stands(object_: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(object_)))
    body = json.dumps(object_)[:-1] + f", {json.dumps(key)}: 1}}"
    for nested in (body, f"[{body}]", f'{{"\\u0000x": {body}}}'):
        with pytest.raises(InputError):
            parse_json(nested.encode())


# Tokens

KEY = make_key("ES256", "k")
OTHERS = [make_key("EdDSA", "e"), make_key("ES384", "p"), make_key("RS256", "r")]
KEYS = parse_key_set(json.dumps({"keys": [key.public_jwk() for key in (KEY, *OTHERS)]}).encode())
TOKEN = KEY.sign({"alg": "ES256", "kid": "k", "typ": "JWT"}, CLAIMS)


def believe(token: str) -> Authenticated | None:
    """All of what is done to a token before somebody is somebody."""
    try:
        signed = parse_token(token, TokenKind.ID, algorithms=ALGORITHMS)
        key = find_key(KEYS, signed)
        if key is None or not is_genuine(signed, key):
            return None
        return check_id_token(signed.unverified_claims, EXPECTED, algorithm=signed.algorithm, access_token="", now=NOW)
    except (InputError, UpstreamError):
        return None


def test_the_token_itself_is_believed() -> None:
    found = believe(TOKEN)
    assert found is not None
    assert found.subject == "alice"


@given(st.integers(0, len(TOKEN)), st.integers(0, 3), st.text(max_size=3))
def test_any_change_to_a_good_token_makes_it_none(at: int, cut: int, put: str) -> None:
    changed = TOKEN[:at] + put + TOKEN[at + cut :]
    assume(changed != TOKEN)
    assert believe(changed) is None


@given(st.text(max_size=100) | st.text(".eyJhbGci0-_=", max_size=200))
def test_any_text_is_no_token(text: str) -> None:
    assert believe(text) is None


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc", "p2c", "nonce"]),
    values | st.sampled_from(["none", "HS256", *ALGORITHMS, "k", "JWT", "at+jwt"]),
)


@given(HEADERS, st.sampled_from(OTHERS))
def test_no_header_makes_us_believe_a_signature_of_another_key(header: dict[str, Any], key: Any) -> None:
    """Signed by a key that is published, under the name or algorithm of any other."""
    token = key.sign(header, CLAIMS)
    found = believe(token)
    assert found is None or header["alg"] == key.algorithm


@given(HEADERS)
def test_no_header_makes_a_signature_needless(header: dict[str, Any]) -> None:
    for signature in ("", "AAAA", "A" * 86):
        assert believe(KEY.sign(header, CLAIMS).rpartition(".")[0] + "." + signature) is None


@given(st.sampled_from(sorted(CLAIMS)), values)
def test_no_other_value_of_a_claim_is_believed(name: str, value: Any) -> None:
    alike = value == CLAIMS[name] and type(value) is type(CLAIMS[name])
    in_time = name in {"iat", "exp"} and type(value) is int and abs(value - CLAIMS[name]) < 300
    subject = name == "sub" and isinstance(value, str)
    assume(not (alike or in_time or subject or (name == "aud" and value == ["us"])))
    if name in {"iat", "exp"} and type(value) is int:
        # Any past `iat` and any near `exp` will do.
        assume(not (0 <= value <= SECONDS + 366 * 86400))
    with pytest.raises(UpstreamError):
        check_id_token(CLAIMS | {name: value}, EXPECTED, algorithm="ES256", access_token="", now=NOW)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "azp", "nbf", "auth_time", "at_hash", "sid", "amr", "acr"]), values))
def test_any_claims_are_somebody_or_refused_in_one_way(claims: dict[str, Any]) -> None:
    try:
        found = check_id_token(CLAIMS | claims, EXPECTED, algorithm="EdDSA", access_token="a", now=NOW)
    except UpstreamError:
        return
    assert (found.issuer, found.subject) == ("https://idp.example", (CLAIMS | claims)["sub"])


@given(st.dictionaries(st.sampled_from(["iss", "aud", "sub", "sid", "iat", "exp", "jti", "events", "nonce"]), values))
def test_any_claims_of_a_notice_are_refused_in_one_way(claims: dict[str, Any]) -> None:
    """There is no event among them."""
    with pytest.raises(UpstreamError):
        check_logout_token(claims, issuer="https://idp.example", client_id="us", now=NOW)


PROFILE = st.dictionaries(
    st.sampled_from(["email", "email_verified", "name", "preferred_username", "groups"]),
    values | st.sampled_from(["a@x.org", "b@x.org", True]),
)


@given(PROFILE, PROFILE | st.none())
def test_an_address_counts_only_where_one_source_says_it_all_and_none_denies_it(
    own: dict[str, Any], more: dict[str, Any] | None
) -> None:
    somebody = Authenticated(issuer="https://idp.example", subject="alice", claims=own)
    found = add_profile(somebody, None if more is None else {**more, "sub": "alice"})
    sources = [source for source in (own, more) if source is not None]
    if found.email_verified:
        assert any(
            source.get("email_verified") is True and str(source.get("email")).lower().strip(" ") == found.email
            for source in sources
        )
        assert all(source.get("email_verified", True) is True for source in sources)
    assert found.subject == "alice"
    assert found.email in {"", "a@x.org", "b@x.org"} or "@" in found.email
    for name in set(own) - {"email", "email_verified"}:
        assert found.claims[name] == own[name]


# The rest of what a provider says


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "issuer",
                "authorization_endpoint",
                "token_endpoint",
                "jwks_uri",
                "userinfo_endpoint",
                "scopes_supported",
                "id_token_signing_alg_values_supported",
                "pushed_authorization_request_endpoint",
            ]
        ),
        values | st.sampled_from(["https://idp.example", "https://idp.example/x", "http://idp.example/x"]),
    )
)
def test_any_description_is_that_of_the_provider_or_refused_in_one_way(document: dict[str, Any]) -> None:
    try:
        found = read_metadata(document, PROVIDER, source="https://idp.example/d")
    except UpstreamError:
        return
    assert found.issuer == document["issuer"] == PROVIDER.issuer
    for address in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
        assert address.startswith("https://")


@given(values)
def test_any_set_of_keys_is_one_or_refused_in_one_way(keys: Any) -> None:
    jwks = [KEY.public_jwk() | (key if isinstance(key, dict) else {"x": key}) for key in [keys]]
    assert all(key.kind == "EC" for key in parse_key_set(json.dumps({"keys": [*jwks, keys]}).encode()))


@given(st.dictionaries(st.sampled_from(["id_token", "access_token", "refresh_token", "token_type", "error"]), values))
def test_any_answer_for_tokens_is_one_or_refused_in_one_way(answer: dict[str, Any]) -> None:
    words = find_words(json.dumps(answer).encode(), ["a-secret-of-ours"])
    assert words is None or (words.text.isprintable() and len(words.text) < 700)
    try:
        found = read_token_answer(answer)
    except UpstreamError:
        return
    assert found.id_token in {"", answer.get("id_token")}
