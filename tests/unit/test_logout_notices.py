"""Signing out at the provider, and being signed out by it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.rules.oidc import Failure, LogoutToken, UpstreamError
from tests.fakes.door import Answer, Browser, Door, call_app
from tests.fakes.upstream import somebody

HOME = "https://auth.example.test"
BACK, FRONT = "/logout/backchannel/idp", "/logout/frontchannel/idp"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    door.add_provider("idp", issuer="https://id.test:8443/realms/home")
    return door


async def enter(door: Door, *, sid: str = "sid-1") -> Browser:
    browser = Browser(door)
    answer = await browser.enter_with("idp", answer=somebody("new", email="new@example.test", sid=sid))
    assert answer.status == 303
    return browser


def issue(door: Door, name: str, *, sid: str = "sid-1", subject: str = "") -> None:
    """Have the provider make a logout token, which `name` stands for."""
    now = door.clock.now()
    issuer = door.town.providers["idp"].issuer
    door.town.upstream.logout_tokens[name] = LogoutToken(
        issuer=issuer, subject=subject, sid=sid, jti=name, issued_at=now, expires_at=now + timedelta(minutes=2)
    )


async def send(door: Door, token: str, path: str = BACK) -> Answer:
    """As the provider's server would: no cookie, no origin, nothing of a browser."""
    body = f"logout_token={token}".encode()
    headers = [(b"host", b"auth.example.test"), (b"content-type", b"application/x-www-form-urlencoded")]
    return await call_app(door.server, "POST", path, headers, body)


async def test_a_logout_token_ends_what_it_names(door: Door) -> None:
    gone, stays = await enter(door), await enter(door, sid="sid-2")
    issue(door, "one")
    answer = await send(door, "one")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.header("cache-control") == "no-store"
    assert answer.all("set-cookie") == []
    assert "/login" in (await gone.get("/account")).location
    assert (await stays.get("/account")).status == 200


async def test_a_token_that_is_not_genuine_ends_nothing_and_says_no_more(door: Door) -> None:
    browser = await enter(door)
    issue(door, "one", sid="another")
    assert (await send(door, "one")).status == 200
    for token, path in (("forged", BACK), ("", BACK), ("one", BACK), ("one", "/logout/backchannel/nobody")):
        answer = await send(door, token, path)
        assert answer.status == 400
        assert answer.header("content-type") == "application/json"
        assert json.loads(answer.body) == {
            "error": "invalid_request",
            "error_description": "the logout token is not accepted",
        }
        assert answer.header("cache-control") == "no-store"
    assert (await browser.get("/account")).status == 200
    assert [event for event, _ in door.log.events].count("logout_token_refused") == 4
    assert "forged" not in repr(door.log.events)


async def test_a_flood_of_forged_tokens_is_turned_away(door: Door) -> None:
    answers = [await send(door, f"forged-{number}") for number in range(12)]
    assert {answer.status for answer in answers} == {400, 429}
    assert int(answers[-1].header("retry-after")) > 0


async def test_a_provider_that_cannot_be_asked_is_told_to_come_again(door: Door) -> None:
    door.town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "down")
    answer = await send(door, "one")
    assert answer.status == 503
    assert answer.header("retry-after")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([(b"content-type", b"application/json")], b"{}", 415),
        ([(b"content-type", b"application/x-www-form-urlencoded")], b"logout_token=a&logout_token=b", 400),
        ([], b"", 415),
    ],
)
async def test_what_is_no_notice_is_refused(door: Door, headers: list, body: bytes, status: int) -> None:
    answer = await call_app(door.server, "POST", BACK, [(b"host", b"auth.example.test"), *headers], body)
    assert answer.status == status
    assert (await call_app(door.server, "GET", BACK, [(b"host", b"auth.example.test")])).status == 405


async def test_the_providers_page_may_frame_the_notice_and_nobody_elses_may(door: Door) -> None:
    browser = await enter(door)
    issuer = door.town.providers["idp"].issuer
    answer = await Browser(door).get(f"{FRONT}?iss={issuer}&sid=sid-1", sec_fetch_dest="iframe")
    assert answer.status == 200
    assert answer.all("x-frame-options") == []
    assert "frame-ancestors https://id.test:8443;" in answer.header("content-security-policy")
    assert "form-action 'self'" in answer.header("content-security-policy")
    assert answer.all("set-cookie") == []
    assert answer.header("cache-control") == "no-store"
    assert "/login" in (await browser.get("/account")).location
    # Every other page stays unframed, also where this very provider is gone to.
    for path in ("/login", "/signed-out", "/login/callback/idp", BACK):
        other = await browser.get(path)
        assert other.header("x-frame-options") == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in other.header("content-security-policy")


async def test_a_notice_without_an_issuer_ends_the_session_of_the_provider_it_came_to(door: Door) -> None:
    browser = await enter(door)
    answer = await Browser(door).get(f"{FRONT}?sid=sid-1", sec_fetch_dest="iframe")
    assert answer.status == 200
    assert "/login" in (await browser.get("/account")).location


@pytest.mark.parametrize(
    "query",
    ["", "?iss=&sid=", "?iss=&sid=sid-1", "?iss=ISSUER", "?iss=ISSUER/&sid=sid-1", "?iss=https://evil.test&sid=sid-1"],
)
async def test_a_notice_that_names_no_session_or_another_provider_ends_nothing(door: Door, query: str) -> None:
    browser = await enter(door)
    issuer = door.town.providers["idp"].issuer
    answer = await Browser(door).get(FRONT + query.replace("ISSUER", issuer))
    assert answer.status == 400
    assert answer.header("x-frame-options") == "SAMEORIGIN"
    assert (await browser.get("/account")).status == 200
    assert (await Browser(door).get(f"/logout/frontchannel/nobody?iss={issuer}&sid=sid-1")).status == 400


async def test_too_many_guesses_are_turned_away(door: Door) -> None:
    issuer = door.town.providers["idp"].issuer
    answers = [await Browser(door).get(f"{FRONT}?iss={issuer}&sid=guess-{number}") for number in range(12)]
    assert {answer.status for answer in answers} == {200, 429}
    assert int(answers[-1].header("retry-after")) > 0


async def test_a_provider_that_was_switched_off_meanwhile_frames_nothing(door: Door) -> None:
    issuer = door.town.providers["idp"].issuer
    find, calls = door.flows.ways.find_provider, []

    async def find_once(provider_id: str):
        calls.append(provider_id)
        found = await find(provider_id)
        door.town.providers["idp"] = replace(door.town.providers["idp"], enabled=False)
        return found

    object.__setattr__(door.flows.ways, "find_provider", find_once)
    answer = await Browser(door).get(f"{FRONT}?iss={issuer}&sid=sid-1")
    assert (answer.status, len(calls)) == (200, 2)
    assert answer.header("x-frame-options") == "SAMEORIGIN"


# Signing out here


async def test_signing_out_leads_on_to_the_provider_and_back(door: Door) -> None:
    door.town.upstream.logout_urls["idp"] = "https://id.test:8443/end?id_token_hint=x&post_logout_redirect_uri=y"
    browser = await enter(door)
    page = await browser.get("/logout?rd=https%3A%2F%2Fwiki.example.test%2F")
    answer = await browser.press("/logout", page, rd=page.hidden("rd"))
    assert (answer.status, answer.all("location")) == (200, [])
    assert answer.onward == "https://id.test:8443/end?id_token_hint=x&post_logout_redirect_uri=y"
    assert "You are signed out here" in answer.text
    assert "Going on to id.test" in answer.text
    assert answer.header("referrer-policy") == "no-referrer"
    assert "doorward" not in browser.jar
    assert browser.jar[door.cookies.way] == "-idp"
    back = await browser.get("/signed-out?state=whatever")
    assert (back.status, "You are signed out" in back.text) == (200, True)
    assert 'http-equiv="refresh"' not in back.text


async def test_where_the_provider_offers_no_end_it_ends_here(door: Door) -> None:
    browser = await enter(door)
    answer = await browser.press("/logout", await browser.get("/logout"))
    assert answer.location == f"{HOME}/signed-out"
