"""Signing out here signs out at the provider, too; and nothing there keeps anybody signed in here."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import PeerError, UnavailableError
from doorward.flows.logout import SignedOut, SignOut
from doorward.rules.oidc import Failure, UpstreamError
from tests.fakes.flows import Town, a_visitor, fingerprint_of
from tests.fakes.upstream import FakeUpstream, a_provider, somebody

THERE = "https://id.example.test/logout?client_id=doorward"


class Asked(FakeUpstream):
    """Keeps what it was asked for; `answer` may be an error, or an event that never comes."""

    def __init__(self, answer=THERE):
        super().__init__()
        self.answer = answer
        self.asked = []

    async def find_logout_url(self, provider, *, id_token, return_url):
        self.asked.append((provider.id, id_token, return_url))
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def town():
    made = Town()
    made.consult_ways()
    return made


def sign_out_of(town, upstream, **changes):
    return SignOut(
        records=town.store.records,
        sessions=town.store.sessions,
        keyring=town.keyring,
        upstream=upstream,
        find_provider=town.ways.find_provider,
        return_url=f"{town.public_url}/signed-out",
        log=town.log,
        **changes,
    )


async def leave(town, entered, upstream=None, **changes):
    upstream = Asked() if upstream is None else upstream
    return await sign_out_of(town, upstream, **changes).sign_out(fingerprint_of(entered), a_visitor(), now=town.now)


async def test_whoever_signs_out_is_led_on_to_the_provider(town):
    """C-41."""
    upstream = Asked()
    entered = await town.enter_upstream(somebody(id_token="their-id-token"))
    assert await leave(town, entered, upstream) == SignedOut(ended=True, onward=THERE)
    assert upstream.asked == [("idp", "their-id-token", "https://auth.example.test/signed-out")]
    assert await town.check(entered) is None
    assert town.store.state.upstream_sessions == {}


async def test_a_sign_in_with_a_password_leads_nowhere(town):
    await town.add_user("alice")
    entered = await town.enter()
    assert await leave(town, entered) == SignedOut(ended=True)
    assert await leave(town, entered) == SignedOut(ended=False)


@pytest.mark.parametrize(
    "present",
    [
        {},
        {"idp": a_provider(enabled=False)},
        {"idp": a_provider(logout=False)},
        {"idp": a_provider(issuer="https://other.example.test")},
    ],
)
async def test_only_the_provider_of_the_session_is_asked_and_only_if_it_should_be(town, present):
    entered = await town.enter_upstream()
    town.providers = present
    upstream = Asked()
    assert await leave(town, entered, upstream) == SignedOut(ended=True)
    assert upstream.asked == []


async def test_a_provider_without_a_place_to_sign_out_leads_nowhere(town):
    assert await leave(town, await town.enter_upstream(), Asked(None)) == SignedOut(ended=True)


@pytest.mark.parametrize("error", [UpstreamError(Failure.UNREACHABLE, "down"), PeerError("not allowed")])
async def test_a_provider_that_is_down_keeps_nobody_signed_in(town, error):
    entered = await town.enter_upstream()
    assert await leave(town, entered, Asked(error)) == SignedOut(ended=True)
    assert await town.check(entered) is None
    assert [name for name, _ in town.log.events] == ["provider_logout_failed"]


async def test_a_provider_that_does_not_answer_keeps_nobody_waiting(town):
    entered = await town.enter_upstream()
    out = await leave(town, entered, Asked(asyncio.Event()), patience=timedelta(0))
    assert out == SignedOut(ended=True)
    assert town.log.events == [("provider_logout_failed", {"provider": "idp", "error": "no answer in time"})]


@pytest.mark.parametrize("spoilt", ["gcm1:0123456789abcdef:AAAA", ""])
async def test_without_the_hint_the_provider_asks_for_itself(town, spoilt):
    entered = await town.enter_upstream()
    (handle,) = town.store.state.upstream_sessions
    noted = town.store.state.upstream_sessions[handle]
    town.store.state.upstream_sessions[handle] = replace(noted, id_token=spoilt)
    upstream = Asked()
    assert (await leave(town, entered, upstream)).onward == THERE
    assert [token for _, token, _ in upstream.asked] == [""]


async def test_what_was_not_done_is_not_claimed(town):
    """R12."""
    entered = await town.enter_upstream()
    town.store.broken = True
    with pytest.raises(UnavailableError):
        await leave(town, entered)
    town.store.broken = False
    assert await town.check(entered) is not None


async def test_a_session_that_ended_meanwhile_leaves_no_second_record(town):
    entered = await town.enter_upstream()
    find = town.store.sessions.find

    async def find_and_end(fingerprint):
        session = await find(fingerprint)
        await town.store.sessions.end(session.handle)
        return session

    town.store.sessions.find = find_and_end
    assert await leave(town, entered) == SignedOut(ended=False)
    assert "user.logout" not in town.acts()
