"""What comes after a sign-in: renewals, notices of sign-outs, and signing out at the provider."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.interfaces import Renewed
from doorward.rules.oidc import Failure, LogoutToken, UpstreamError
from doorward.rules.provider import Provider
from tests.contract.parley import Parley, parley, query_of
from tests.fakes.lies import GONE, ID_TOKEN_LIES
from tests.fakes.loopback import Answer
from tests.fakes.provider import CLIENT_ID

# Renewals


def tied(meeting: Parley, **changes: Any) -> Provider:
    return meeting.provider.settings(scopes=("openid", "email", "profile", "offline_access"), **changes)


async def renew(meeting: Parley, refresh_token: str, *, subject: str = "alice-1", **changes: Any) -> Renewed:
    settings = tied(meeting, **changes)
    return await meeting.client.renew(settings, refresh_token, subject=subject, now=meeting.clock.now())


async def test_a_refresh_token_is_replaced_at_each_use_and_tells_who_it_is_by_now() -> None:
    async with parley() as meeting:
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        for name in ("Alice", "Alicia", "Alex"):
            meeting.provider.users["alice"]["name"] = name
            meeting.clock.advance(timedelta(hours=1))
            renewed = await renew(meeting, token)
            assert renewed.authenticated is not None
            assert (renewed.authenticated.subject, renewed.authenticated.name) == ("alice-1", name)
            assert renewed.refresh_token not in {"", token}
            token = renewed.refresh_token


async def test_a_refresh_token_that_was_used_or_withdrawn_is_refused() -> None:
    async with parley() as meeting:
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        await renew(meeting, token)
        with pytest.raises(UpstreamError, match="invalid_grant") as caught:
            await renew(meeting, token)
        assert caught.value.failure is Failure.CODE_REFUSED
        assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(503, b'{"error": "temporarily_unavailable"}'), Failure.UNREACHABLE),
        (Answer(400, b'{"error": "temporarily_unavailable"}'), Failure.PROVIDER_ERROR),
        (Answer(403, b"<html>blocked</html>"), Failure.PROVIDER_ERROR),
        (Answer(401, b'{"error": "invalid_client"}'), Failure.CLIENT_REFUSED),
        (Answer(400, b'{"error": "invalid_grant"}'), Failure.CODE_REFUSED),
    ],
)
async def test_only_a_refused_token_is_told_as_one(answer: Answer, failure: Failure) -> None:
    """Everything else is trouble that may pass, and ends nobody's session."""
    async with parley() as meeting:
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        meeting.provider.answers["/token"] = answer
        with pytest.raises(UpstreamError) as caught:
            await renew(meeting, token)
        assert caught.value.failure is failure


async def test_a_renewal_about_somebody_else_is_refused() -> None:
    async with parley() as meeting:
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        with pytest.raises(UpstreamError, match="somebody else"):
            await renew(meeting, token, subject="bob-2")


@pytest.mark.parametrize("name", ["an iss cut short", "another aud", "an exp that is past", "alg 'none'", "no iat"])
async def test_a_renewal_is_verified_like_a_sign_in(name: str) -> None:
    async with parley() as meeting:
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        meeting.provider.lie(ID_TOKEN_LIES[name])
        with pytest.raises(UpstreamError) as caught:
            await renew(meeting, token)
        assert caught.value.failure is Failure.TOKEN


async def test_a_renewal_asks_userinfo_for_what_the_id_token_does_not_say() -> None:
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        settings = tied(meeting, groups_claim="groups")
        token = (await meeting.sign_in(settings)).refresh_token
        meeting.provider.userinfo = {"groups": ["new"]}
        renewed = await renew(meeting, token, groups_claim="groups")
        assert renewed.authenticated is not None
        assert renewed.authenticated.claims["groups"] == ["new"]


@pytest.mark.parametrize(("again", "kept"), [("same", ""), ("other", "other"), (None, "")])
async def test_a_provider_need_not_say_who_it_is_nor_give_another_token(again: str | None, kept: str) -> None:
    async with parley() as meeting:
        said = "null" if again is None else f'"{again}"'
        body = f'{{"access_token": "a", "token_type": "bearer", "refresh_token": {said}}}'
        meeting.provider.answers["/token"] = Answer(body=body.encode())
        assert await renew(meeting, "same") == Renewed(refresh_token=kept, authenticated=None)


@pytest.mark.parametrize("path", ["/userinfo", "/jwks"])
@pytest.mark.parametrize("status", [500, 503, 404])
async def test_a_token_that_was_used_is_not_lost_with_what_comes_after_it(path: str, status: int) -> None:
    """The old one is worth nothing any more; without the new one an outage would end the session."""
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        token = (await meeting.sign_in(tied(meeting))).refresh_token
        meeting.clock.advance(timedelta(days=2))
        meeting.provider.answers[path] = Answer(status, b"no")
        renewed = await renew(meeting, token)
        assert renewed.authenticated is None
        assert renewed.refresh_token not in {"", token}
        del meeting.provider.answers[path]
        meeting.clock.advance(timedelta(days=2))
        assert (await renew(meeting, renewed.refresh_token)).authenticated is not None


# Notices of sign-outs


@pytest.mark.parametrize(
    ("changes", "subject", "sid"),
    [({}, "alice-1", "sid-alice"), ({"sid": None}, "alice-1", ""), ({"sub": None}, "", "sid-alice")],
)
async def test_a_genuine_notice_tells_who_or_which_session_ended(
    changes: dict[str, None], subject: str, sid: str
) -> None:
    async with parley("ES256") as meeting:
        token = meeting.provider.make_logout_token(**changes, jti="once", aud=[CLIENT_ID])
        found = await meeting.client.read_logout_token(meeting.provider.settings(), token, now=meeting.clock.now())
        assert found == LogoutToken(
            issuer=meeting.provider.url,
            subject=subject,
            sid=sid,
            jti="once",
            issued_at=meeting.clock.now(),
            expires_at=meeting.clock.now() + timedelta(seconds=120),
        )


@pytest.mark.parametrize("kind", ["JWT", "jwt", "logout+jwt", "application/logout+jwt", GONE])
async def test_a_notice_may_call_its_type_by_any_of_its_names(kind: object) -> None:
    async with parley() as meeting:

        def rename(draft: Any) -> str:
            draft.header.pop("typ")
            if kind is not GONE:
                draft.header["typ"] = kind
            return str(draft.sign())

        meeting.provider.lie(rename)
        token = meeting.provider.make_logout_token()
        found = await meeting.client.read_logout_token(meeting.provider.settings(), token, now=meeting.clock.now())
        assert found.subject == "alice-1"


async def test_a_notice_of_one_provider_is_none_of_another() -> None:
    async with parley("ES256") as one, parley("ES256") as other:
        token = one.provider.make_logout_token(iss=other.provider.url)
        with pytest.raises(UpstreamError):
            await other.client.read_logout_token(other.provider.settings(), token, now=other.clock.now())


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "{}", "x" * 100_000, "." * 100_000])
async def test_what_is_no_token_is_no_notice(token: str) -> None:
    async with parley() as meeting:
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.read_logout_token(meeting.provider.settings(), token, now=meeting.clock.now())
        assert caught.value.failure is Failure.TOKEN
        assert meeting.provider.asked("/jwks") == []


# Signing out there


async def test_signing_out_there_names_the_session_and_leads_back() -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings()
        id_token = (await meeting.sign_in()).id_token
        back = "https://auth.example.com/logout?done=1&x=%2F"
        url = await meeting.client.find_logout_url(settings, id_token=id_token, return_url=back)
        assert url is not None
        assert url.startswith(f"{meeting.provider.url}/end?")
        assert query_of(url) == {
            "id_token_hint": id_token,
            "client_id": CLIENT_ID,
            "post_logout_redirect_uri": back,
        }


async def test_an_address_that_has_a_query_keeps_it_and_a_long_token_is_left_out() -> None:
    async with parley() as meeting:
        meeting.provider.metadata["end_session_endpoint"] = f"{meeting.provider.url}/end?tenant=a%26b"
        settings = meeting.provider.settings()
        url = await meeting.client.find_logout_url(settings, id_token="x" * 4097, return_url="https://a.example/")
        assert url is not None
        assert query_of(url) == {
            "tenant": "a&b",
            "client_id": CLIENT_ID,
            "post_logout_redirect_uri": "https://a.example/",
        }


async def test_there_is_no_signing_out_there_where_it_is_not_offered_or_not_wanted() -> None:
    async with parley() as meeting:
        settings = replace(meeting.provider.settings(), logout=False)
        assert await meeting.client.find_logout_url(settings, id_token="", return_url="") is None
        assert meeting.provider.requests == []
        del meeting.provider.metadata["end_session_endpoint"]
        settings = meeting.provider.settings()
        assert await meeting.client.find_logout_url(settings, id_token="", return_url="") is None


@pytest.mark.parametrize("address", ["javascript:alert(1)", "//evil.example", "https://a@evil.example/", 1])
async def test_an_address_to_sign_out_at_that_is_none_is_not_gone_to(address: object) -> None:
    async with parley() as meeting:
        meeting.provider.metadata["end_session_endpoint"] = address
        settings = meeting.provider.settings()
        assert await meeting.client.find_logout_url(settings, id_token="", return_url="") is None
