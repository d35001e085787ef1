"""Coming back from a provider: what a browser is told, and what nobody is told."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest

from doorward.flows.outcome import UpstreamRefused
from doorward.rules.oidc import Failure, UpstreamError
from doorward.web.pages.round_trip import show_refused, status_of
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.upstream import somebody

GRAFANA = "https://grafana.example.test/d/house?from=now-6h"
CALLBACK = "/login/callback/idp"
MARKUP = "<script>alert(1)</script>"
HOME = "https://auth.example.test"


def at(url: str) -> str:
    return f"/login?choose=1&rd={quote(url, safe='')}"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.add_user("root", admin=True)
    door.add_provider("idp")
    return door


def check_quiet(answer: Answer) -> None:
    """The address is told to nobody, kept by nobody, and no form stands at it."""
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-store"
    assert "<form" not in answer.text


async def test_somebody_new_is_let_in_and_remembered_as_coming_that_way(door: Door) -> None:
    browser = Browser(door)
    answer = await browser.enter_with("idp", answer=somebody("new", email="new@example.test"))
    assert (answer.status, answer.location) == (303, f"{HOME}/")
    check_quiet(answer)
    assert browser.jar[door.cookies.way] == "idp"
    assert door.cookies.device in browser.jar
    assert "Good to see you, Alice Liddell" in (await browser.get("/")).text


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/oidc/callback"])
async def test_an_address_of_another_gateway_is_answered_for_the_provider_that_has_it(door: Door, path: str) -> None:
    """C-07, D-07."""
    door.add_provider("old", redirect_path=path)
    browser = Browser(door)
    departing = await browser.leave_with("old")
    answer = await browser.return_from(departing.onward, answer=somebody("new", email="new@example.test"))
    assert (answer.status, answer.location) == (303, f"{HOME}/")
    assert browser.jar[door.cookies.way] == "old"
    for method in ("POST", "DELETE"):
        refused = await browser._send(method, path, {"content-type": "application/x-www-form-urlencoded"})
        assert refused.status == 405
    nobody = await Browser(door).get(path)
    assert nobody.status == 400
    assert "<h1>That did not work out</h1>" in nobody.text
    check_quiet(nobody)


async def test_the_rest_of_the_api_stays_the_apis(door: Door) -> None:
    answer = await Browser(door).get("/api/auth/login/")
    assert answer.header("content-type") == "application/json"
    answer = await Browser(door).get("/api/auth/oidc")
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize(
    "query",
    ["", "?", "?state=", "?state=x", "?code=x", "?state=x&code=y", "?error=access_denied", "?state=x&error=y&code=z",
     f"?error={quote(MARKUP)}&error_description={quote(MARKUP)}", "?error=x&error_description=" + "y" * 10_000,
     "?state=x&iss=&session_state=a.b&foo=bar"],
)  # fmt: skip
async def test_nothing_that_was_not_begun_here_comes_to_anything(door: Door, query: str) -> None:
    answer = await Browser(door).get(CALLBACK + query)
    assert answer.status == 400
    assert "<h1>That did not work out</h1>" in answer.text
    assert "<script>alert" not in answer.text
    assert "yyyy" not in answer.text
    assert 'href="/login?choose=1"' in answer.text
    check_quiet(answer)


@pytest.mark.parametrize(
    "query",
    ["state=a&state=b", "code=a&code=b", "state=a&iss=x&iss=x", "error=a&%65rror=b", "state=" + "a" * 257,
     "state=a&code=" + "b" * 4097, "state=a&code=b&iss=" + "c" * 2049, "state=%00", "state=%ff", "state=a%0d%0ab", "state=%"],
)  # fmt: skip
async def test_a_query_that_no_provider_sends_is_malformed(door: Door, query: str) -> None:
    answer = await Browser(door).get(f"{CALLBACK}?{query}")
    assert answer.status == 400
    assert "could not read that request" in answer.text
    check_quiet(answer)


async def test_the_code_stands_in_no_page_and_no_log(door: Door) -> None:
    door.town.upstream.failing.clear()
    browser = Browser(door)
    departing = await browser.leave_with("idp")
    state, code = door.town.upstream.grant(departing.onward, UpstreamError(Failure.TOKEN, "no nonce"))
    asked = {"state": state, "code": code, "error_description": MARKUP, "session_state": "s3ss10n"}
    answers = [
        await browser.get(f"{CALLBACK}?{urlencode(asked)}"),
        await browser.get(f"{CALLBACK}?{urlencode(asked)}&code=x"),
    ]
    assert [answer.status for answer in answers] == [502, 400]
    for secret in (state, code, MARKUP, "s3ss10n", "no nonce"):
        for answer in answers:
            assert secret not in answer.text
    told = repr(door.log.events) + repr(door.town.log.events)
    for secret in (state, code, "s3ss10n"):
        assert secret not in told
    assert "no nonce" in told


@pytest.mark.parametrize(
    ("failure", "status", "again"),
    [
        (Failure.PROVIDER_ERROR, 502, True),
        (Failure.UNREACHABLE, 502, True),
        (Failure.DISCOVERY, 502, False),
        (Failure.CLIENT_REFUSED, 502, False),
        (Failure.CODE_REFUSED, 502, True),
        (Failure.TOKEN, 502, True),
        (Failure.NOT_FRESH, 403, True),
    ],
)
async def test_what_the_provider_did_wrong_is_said_with_the_next_step(
    door: Door, failure: Failure, status: int, again: bool
) -> None:
    browser = Browser(door)
    departing = await browser.leave_with("idp", at=at(GRAFANA))
    answer = await browser.return_from(departing.onward, answer=UpstreamError(failure, "as the provider says"))
    assert answer.status == status
    assert failure.sentence in answer.text
    assert "as the provider says" not in answer.text
    words = "Try again" if again else "Sign in another way"
    assert f'<a class="button" href="{at(GRAFANA).replace("&", "&amp;")}">{words}</a>' in answer.text
    assert "Reference" in answer.text
    check_quiet(answer)


async def test_who_said_no_is_not_scolded(door: Door) -> None:
    browser = Browser(door)
    departing = await browser.leave_with("idp", at=at(GRAFANA))
    state = departing.onward.partition("state=")[2]
    answer = await browser.get(f"{CALLBACK}?state={state}&error=access_denied&error_description={quote(MARKUP)}&code=x")
    assert (answer.status, "The sign-in was cancelled." in answer.text) == (400, True)
    assert "Error 400" not in answer.text, "nothing went wrong"
    assert at(GRAFANA).replace("&", "&amp;") in answer.text
    assert door.town.upstream.arrivals == []


async def test_an_address_that_is_taken_leads_to_where_one_connects(door: Door) -> None:
    answer = await Browser(door).enter_with("idp")
    assert answer.status == 403
    assert "connect Idp on the page Account" in answer.text
    assert f'href="/login?choose=1&amp;rd={quote(HOME + "/account", safe="")}"' in answer.text


async def test_a_stranger_is_told_so(door: Door) -> None:
    door.add_provider("idp", auto_provision=False)
    answer = await Browser(door).enter_with("idp", answer=somebody("new", email="new@example.test"))
    assert (answer.status, "We do not know you" in answer.text) == (403, True)
    door.add_provider("idp", allowed_domains=frozenset({"other.test"}))
    answer = await Browser(door).enter_with("idp", answer=somebody("new", email="new@example.test"))
    assert (answer.status, "You may not sign in here" in answer.text) == (403, True)


async def test_a_provider_that_was_switched_off_meanwhile_lets_nobody_in(door: Door) -> None:
    browser = Browser(door)
    departing = await browser.leave_with("idp")
    door.add_provider("idp", enabled=False)
    answer = await browser.return_from(departing.onward)
    assert (answer.status, "That way is closed" in answer.text) == (403, True)
    assert "doorward" not in browser.jar


async def test_too_many_arrivals_wait(door: Door) -> None:
    browser = Browser(door)
    for _ in range(10):
        await browser.get(CALLBACK)
    answer = await browser.get(CALLBACK)
    assert answer.status == 429
    assert int(answer.header("retry-after")) > 0
    assert "data-countdown" in answer.text
    check_quiet(answer)


@pytest.mark.parametrize("place", ["image", "iframe", "empty", "script", "embed"])
async def test_another_page_cannot_use_up_the_ways_back_of_a_network(door: Door, place: str) -> None:
    victim = Browser(door)
    departing = await victim.leave_with("idp")
    for number in range(30):
        answer = await Browser(door).get(f"{CALLBACK}?state={number}&code=x", sec_fetch_dest=place)
        assert answer.status == 400
    answer = await victim.return_from(departing.onward, answer=somebody("new", email="new@example.test"))
    assert (answer.status, answer.location) == (303, f"{HOME}/")


async def test_a_confirmation_that_failed_can_be_tried_again_or_left(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("root")
    await browser.connect("idp", "idp-root")
    for rd, again in (("/account", "confirm"), ("https://vault.example.test/", "fresh")):
        door.clock.advance(timedelta(minutes=20))
        asked = f"/login?confirm=1&rd={quote(rd, safe='')}" if again == "confirm" else f"/login?rd={quote(rd, safe='')}"
        departing = await browser.leave_with("idp", at=asked)
        other = somebody("somebody-else", auth_time=door.clock.now())
        answer = await browser.return_from(departing.onward, answer=other)
        assert (answer.status, "That was somebody else" in answer.text) == (403, True)
        assert f'href="/login?{again}=1&amp;rd=' in answer.text
        assert ">Leave it</a>" in answer.text
        assert browser.jar[door.cookies.session]


async def test_what_was_to_be_connected_leads_back_to_the_account(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    answer = await browser.connect("idp", answer=UpstreamError(Failure.CODE_REFUSED, "no"))
    assert answer.status == 502
    assert '<a class="button" href="/account">Back to your account</a>' in answer.text
    answer = await browser.connect("idp")
    assert (answer.status, answer.location) == (303, f"{HOME}/account?done=connected")
    assert "Connected. From now on" in (await browser.get("/account?done=connected")).text


async def test_somebody_signed_in_is_shown_the_way_home(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    answer = await browser.get(f"{CALLBACK}?state=old&code=old")
    assert answer.status == 400
    assert "You are signed in already" in answer.text
    assert '<a class="button" href="/">Your apps</a>' in answer.text


async def test_the_reference_on_the_page_stands_in_the_log_and_none_is_shown_that_does_not(door: Door) -> None:
    """H17: what happened is the operator's to read, and strangers cannot fill the log."""
    browser = Browser(door)
    departing = await browser.leave_with("idp")
    answer = await browser.return_from(departing.onward, answer=UpstreamError(Failure.TOKEN, "the nonce is another"))
    (fields,) = [fields for event, fields in door.log.events if event == "upstream_refused"]
    assert (fields["provider"], fields["failure"]) == ("idp", "token")
    assert f'Reference <span class="code">{fields["correlation_id"]}</span>' in answer.text
    answer = await browser.get(f"{CALLBACK}?state=old&code=old")
    assert "Reference" not in answer.text
    assert len([event for event, _ in door.log.events if event == "upstream_refused"]) == 1


async def test_a_sign_in_beside_another_one_changes_nothing_about_the_way(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("root")
    await browser.connect("idp", "idp-root")
    page = await browser.leave_with("idp", at="/login?fresh=1&rd=https%3A%2F%2Fvault.example.test%2F")
    fresh = somebody("idp-root", auth_time=door.clock.now())
    assert (await browser.return_from(page.onward, answer=fresh)).onward == "https://vault.example.test/"
    assert door.cookies.way not in browser.jar


async def test_the_provider_that_is_gone_meanwhile_is_not_remembered(door: Door) -> None:
    browser = Browser(door)
    departing = await browser.leave_with("idp")

    async def vanish():
        door.town.providers["idp"] = replace(door.town.providers["idp"], enabled=False)

    door.town.upstream.meanwhile.append(vanish)
    answer = await browser.return_from(departing.onward, answer=somebody("new", email="new@example.test"))
    assert answer.status in {303, 403}
    assert door.cookies.way not in browser.jar


@pytest.mark.parametrize("failure", Failure)
async def test_there_are_words_and_a_status_for_whatever_may_happen(door: Door, failure: Failure) -> None:
    refused = UpstreamRefused(failure)
    assert status_of(refused) in {400, 403, 409, 429, 502}
    browser = Browser(door)
    visit = await door.server.reader.read(
        {"type": "http", "method": "GET", "path": CALLBACK, "query_string": b"", "headers": [], "client": None},
        now=door.clock.now(),
        correlation_id="c0",
    )
    response = show_refused(door.desk, visit, refused)
    text = bytes(response.body).decode()
    assert failure.sentence in text
    assert "{name}" not in text
    assert response.status_code == status_of(refused)
    assert browser.jar == {}
