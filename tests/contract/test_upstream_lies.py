"""Tokens that a provider, or somebody in its place, may send; none of them is ever believed."""

import json

import pytest

from doorward.rules.oidc import Failure, UpstreamError
from tests.contract.parley import Parley, parley
from tests.fakes.keys import SigningKey, make_key, rsa_key
from tests.fakes.lies import ID_TOKEN_LIES, LOGOUT_TOKEN_LIES
from tests.fakes.loopback import Answer
from tests.fakes.provider import Draft, Lie


@pytest.mark.parametrize("lie", ID_TOKEN_LIES.values(), ids=ID_TOKEN_LIES)
async def test_a_lie_is_not_believed_and_nothing_else_is_asked(lie: Lie) -> None:
    """Above all, not the userinfo endpoint: there is no second way to be somebody."""
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        assert (await meeting.sign_in()).subject == "alice-1"
        meeting.provider.requests.clear()
        meeting.provider.lie(lie)
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.TOKEN
        assert meeting.provider.asked("/userinfo") == []
        assert "eyJ" not in str(caught.value)


@pytest.mark.parametrize("key", ["RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
async def test_no_lie_is_believed_whatever_it_is_signed_with(key: str) -> None:
    async with parley(key) as meeting:
        assert (await meeting.sign_in()).subject == "alice-1"
        believed = []
        for name, lie in ID_TOKEN_LIES.items():
            if name == "alg of another family" and key == "PS256":
                continue  # that is the truth here
            meeting.provider.lie(lie)
            try:
                await meeting.sign_in()
                believed.append((name, None))
            except UpstreamError as error:
                believed.append((name, error.failure))
        assert [name for name, failure in believed if failure is not Failure.TOKEN] == []


@pytest.mark.parametrize("lie", LOGOUT_TOKEN_LIES.values(), ids=LOGOUT_TOKEN_LIES)
async def test_a_lie_signs_nobody_out(lie: Lie) -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings()
        genuine = meeting.provider.make_logout_token()
        assert (await meeting.client.read_logout_token(settings, genuine, now=meeting.clock.now())).sid == "sid-alice"
        meeting.provider.lie(lie)
        token = meeting.provider.make_logout_token()
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.read_logout_token(settings, token, now=meeting.clock.now())
        assert caught.value.failure is Failure.TOKEN


async def test_an_id_token_signs_nobody_out_and_a_logout_token_nobody_in() -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings()
        who = await meeting.sign_in()
        with pytest.raises(UpstreamError, match=r"nonce|events"):
            await meeting.client.read_logout_token(settings, who.id_token, now=meeting.clock.now())
        meeting.provider.lie(
            lambda draft: draft.provider.make_logout_token() if "nonce" in draft.claims else draft.sign()
        )
        with pytest.raises(UpstreamError, match="another type"):
            await meeting.sign_in()


async def test_an_older_token_cannot_be_sent_again() -> None:
    async with parley() as meeting:
        old = (await meeting.sign_in()).id_token
        meeting.provider.lie(lambda _draft: old)
        with pytest.raises(UpstreamError, match=r"nonce|at_hash"):
            await meeting.sign_in()


async def test_an_audience_of_several_is_ours_if_the_token_was_made_for_us() -> None:
    """Zitadel names the project and its other applications too."""
    async with parley() as meeting:
        ours = meeting.provider.settings().client_id
        meeting.provider.claims = {"aud": [ours, "the-project"], "azp": ours}
        assert (await meeting.sign_in()).subject == "alice-1"
        meeting.provider.claims = {"aud": [ours]}
        assert (await meeting.sign_in()).subject == "alice-1"


# Which key it was


def _publish(meeting: Parley, *jwks: object) -> None:
    """Sign as before, publish what is given."""
    meeting.provider.answers["/jwks"] = Answer(body=json.dumps({"keys": list(jwks)}).encode())


@pytest.mark.parametrize("kid", ["key-1", None])
async def test_a_key_that_could_be_two_is_none(kid: str | None) -> None:
    async with parley() as meeting:
        key, other = meeting.provider.keys[0], make_key("RS256", "key-2")
        _publish(meeting, key.public_jwk(kid=kid), other.public_jwk(kid=kid))
        if kid is None:
            meeting.provider.lie(_nameless)
        with pytest.raises(UpstreamError, match="several keys"):
            await meeting.sign_in()


def _nameless(draft: Draft) -> str:
    del draft.header["kid"]
    return draft.sign()


async def test_a_name_that_two_kinds_of_key_share_is_none() -> None:
    async with parley() as meeting:
        _publish(meeting, meeting.provider.keys[0].public_jwk(), make_key("ES256", "key-1").public_jwk())
        with pytest.raises(UpstreamError, match="several keys"):
            await meeting.sign_in()


async def test_a_token_without_a_name_is_of_the_one_key_that_fits() -> None:
    async with parley() as meeting:
        meeting.provider.lie(_nameless)
        _publish(meeting, meeting.provider.keys[0].public_jwk(kid=None), make_key("ES256", "other").public_jwk())
        assert (await meeting.sign_in()).subject == "alice-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"alg": "PS256"},
        {"alg": 1},
        {"kty": "oct"},
        {"kty": "EC"},
        {"d": "AQAB"},
        {"e": "AQ"},
        {"e": "Ag"},
        {"n": "AQAB"},
        {"n": None},
        {"n": 5},
        {"n": "+/+/"},
        {"kid": 1},
    ],
    ids=str,
)
async def test_a_key_that_is_not_for_this_verifies_nothing(changes: dict[str, object]) -> None:
    async with parley() as meeting:
        _publish(
            meeting, meeting.provider.keys[0].public_jwk(**changes), make_key("ES256", "other").public_jwk(), "no key"
        )
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.TOKEN


@pytest.mark.parametrize(
    "changes", [{"x": "AQAB"}, {"crv": "P-384"}, {"crv": "secp256k1"}, {"crv": 1}, {"y": None}], ids=str
)
async def test_a_point_that_is_none_verifies_nothing(changes: dict[str, object]) -> None:
    async with parley("ES256") as meeting:
        _publish(meeting, meeting.provider.keys[0].public_jwk(**changes), make_key("ES384", "other").public_jwk())
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.TOKEN


async def test_a_point_beside_the_curve_verifies_nothing() -> None:
    async with parley("ES256") as meeting:
        jwk = meeting.provider.keys[0].public_jwk()
        _publish(meeting, jwk | {"x": jwk["y"], "y": jwk["x"]})
        with pytest.raises(UpstreamError, match="not usable"):
            await meeting.sign_in()


async def test_a_short_rsa_key_verifies_nothing() -> None:
    async with parley() as meeting:
        meeting.provider.keys = [SigningKey("RS256", "key-1", rsa_key(9, 1024))]
        with pytest.raises(UpstreamError, match="no key") as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.DISCOVERY


async def test_the_settings_can_narrow_the_signatures_and_the_provider_cannot_widen_them() -> None:
    async with parley("RS256") as meeting:
        with pytest.raises(UpstreamError, match="algorithm"):
            await meeting.sign_in(meeting.provider.settings(algorithms=("ES256",)))
    async with parley("RS256") as meeting:
        meeting.provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "HS256", "none"]
        with pytest.raises(UpstreamError, match="algorithm"):
            await meeting.sign_in(meeting.provider.settings())
        meeting.provider.lie(ID_TOKEN_LIES["alg 'none'"])
        with pytest.raises(UpstreamError, match=r"algorithm|three parts"):
            await meeting.sign_in(meeting.provider.settings())
