"""Signing in with a provider: what goes out, and what a sign-in that goes well leaves."""

import hashlib
from datetime import timedelta

import pytest

from doorward.flows.opening import SessionTerms
from doorward.flows.outcome import Departed, SignedIn, UpstreamRefused
from doorward.flows.throttle import LoginLimits
from doorward.interfaces import Upstream
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.session import NEVER, Method, Subject
from doorward.rules.throttle import Window
from tests.fakes.flows import PUBLIC_URL, Town, a_visitor, fingerprint_of
from tests.fakes.upstream import ISSUER, FakeUpstream, a_provider, somebody, state_of


@pytest.fixture
def town():
    return Town()


def departure_of(town, url):
    return town.upstream.departures[state_of(url)]


# Going there and back


async def test_a_round_trip_opens_a_session(town):
    """C-05, C-07."""
    visitor = a_visitor()
    url = await town.leave(visitor, return_to="https://app.example.test/x?y=1&z=%20")
    entered = await town.come_back(visitor, url, somebody())
    assert isinstance(entered, SignedIn)
    assert entered.return_url == "https://app.example.test/x?y=1&z=%20"
    assert entered.session.methods == {Method.UPSTREAM}
    assert not entered.session.remembered
    assert (await town.check(entered)).user.name == "alice"
    assert town.tally.logins == {"success": 1}


async def test_a_departure_says_what_it_must(town):
    """D-07: state, nonce and verifier are long, different, and new each time; the address back is our own."""
    visitor = a_visitor()
    seen = set()
    for _ in range(3):
        departure = departure_of(town, await town.leave(visitor))
        assert departure.redirect_uri == f"{PUBLIC_URL}/login/callback/idp"
        values = (departure.state, departure.nonce, departure.verifier)
        assert all(len(value) == 43 for value in values)
        seen.update(values)
    assert len(seen) == 9


async def test_what_is_stored_of_a_departure_opens_nothing(town):
    """Neither state, verifier nor nonce stands in the store, and none follows from what does."""
    departure = departure_of(town, await town.leave(a_visitor()))
    stored = str(town.store.state)
    for secret in (departure.state, departure.nonce, departure.verifier):
        assert secret not in stored
    assert hashlib.sha256(departure.state.encode()).digest() in town.store.state.tickets


async def test_the_own_redirect_path_of_a_provider_is_kept(town):
    town.providers["idp"] = a_provider(redirect_path="/api/auth/login")
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert departure_of(town, url).redirect_uri == f"{PUBLIC_URL}/api/auth/login"
    assert isinstance(await town.come_back(visitor, url), SignedIn)


async def test_the_settings_of_a_provider_go_with_the_browser(town):
    town.providers["idp"] = a_provider(prompt="select_account", max_age=timedelta(hours=1), acr_values=("gold",))
    departure = departure_of(town, await town.leave(a_visitor()))
    assert (departure.prompt, departure.max_age, departure.acr_values) == (
        "select_account",
        timedelta(hours=1),
        ("gold",),
    )
    assert departure.login_hint == ""


async def test_the_answer_is_asked_for_with_what_went_out(town):
    town.providers["idp"] = a_provider(max_age=timedelta(hours=1))
    visitor = a_visitor()
    began = town.now
    url = await town.leave(visitor)
    town.clock.advance(timedelta(minutes=2))
    await town.come_back(visitor, url, somebody(auth_time=town.now), issuer=ISSUER)
    (arrival,) = town.upstream.arrivals
    departure = departure_of(town, url)
    assert (arrival.nonce, arrival.verifier) == (departure.nonce, departure.verifier)
    assert (arrival.issuer, arrival.began_at, arrival.max_age) == (ISSUER, began, timedelta(hours=1))


async def test_remember_me_is_the_same_as_for_a_password(town):
    remembered = await town.enter_upstream(remember=True)
    assert remembered.session.remembered
    assert remembered.session.idle_timeout is None
    terms = Town(terms=SessionTerms(remember_lifetime=None))
    assert not (await terms.enter_upstream(remember=True)).session.remembered


async def test_a_session_is_as_old_as_the_sign_in_at_the_provider(town):
    """What `require: fresh` counts is when the provider asked; where it does not say, too long ago for any."""
    asked = town.now - timedelta(hours=3)
    assert (await town.enter_upstream(somebody(auth_time=asked))).session.authenticated_at == asked
    assert (await town.enter_upstream(somebody())).session.authenticated_at == NEVER
    ahead = town.now + timedelta(seconds=50)
    assert (await town.enter_upstream(somebody(auth_time=ahead))).session.authenticated_at == town.now


async def test_a_providers_second_factor_counts_where_it_is_trusted(town):
    town.providers["idp"] = a_provider(trust_mfa=True)
    entered = await town.enter_upstream(somebody(amr=frozenset({"otp"})))
    assert entered.session.methods == {Method.UPSTREAM, Method.UPSTREAM_MFA}


async def test_the_session_this_browser_had_ends(town):
    """J01."""
    visitor = a_visitor()
    first = await town.enter_upstream(visitor=visitor)
    second = await town.enter_upstream(visitor=visitor, previous=fingerprint_of(first))
    assert await town.check(first) is None
    assert await town.check(second) is not None
    assert town.audit[-1].public["replaced"] == first.session.handle


async def test_going_straight_needs_no_page(town):
    visitor = a_visitor()
    departed = await town.upstream_sign_in.depart_straight(
        visitor, provider=town.providers["idp"], return_to="https://wiki.example.test/", now=town.now
    )
    assert isinstance(departed, Departed)
    entered = await town.come_back(visitor, departed.url)
    assert entered.return_url == "https://wiki.example.test/"
    assert not entered.session.remembered


@pytest.mark.parametrize("straight", [True, False])
async def test_an_address_to_return_to_that_is_not_ours_is_dropped_and_written_down(town, straight):
    visitor, evil = a_visitor(), "https://evil.test/"
    if straight:
        provider = town.providers["idp"]
        url = (
            await town.upstream_sign_in.depart_straight(visitor, provider=provider, return_to=evil, now=town.now)
        ).url
    else:
        url = await town.leave(visitor, return_to=evil)
    assert (await town.come_back(visitor, url)).return_url == ""
    assert town.audit[-1].public["return_refused"] == "yes"


async def test_an_address_to_return_to_is_asked_again_on_the_way_back(town):
    """D15."""
    visitor = a_visitor()
    url = await town.leave(visitor, return_to="https://wiki.example.test/")
    town.hosts.discard("wiki.example.test")
    assert (await town.come_back(visitor, url)).return_url == ""


async def test_a_sign_in_leaves_evidence(town):
    entered = await town.enter_upstream()
    event = town.audit[-1]
    assert (event.act, event.actor, event.subject) == (Act.LOGIN, entered.user.id, entered.user.id)
    assert event.public == {
        "session": entered.session.handle,
        "methods": "fed",
        "remembered": "no",
        "provider": "idp",
        "issuer": ISSUER,
    }
    assert event.private["upstream_subject"] == "sub-alice"
    assert event.private["upstream_email"] == "alice@example.test"


# The provider's side of a session


@pytest.mark.parametrize(("logout", "every"), [(True, None), (False, timedelta(minutes=5)), (False, None)])
async def test_tokens_are_kept_only_for_what_they_are_needed_for_and_sealed(town, logout, every):
    town.providers["idp"] = a_provider(logout=logout, check_every=every)
    entered = await town.enter_upstream(somebody(sid="sid-1"))
    handle = entered.session.handle
    (noted,) = town.store.state.upstream_sessions.values()
    assert (noted.handle, noted.sid, noted.subject, noted.issuer) == (handle, "sid-1", "sub-alice", ISSUER)
    assert noted.expires_at == entered.session.expires_at
    assert noted.check_at == (None if every is None else town.now + every)
    assert town.unseal_upstream(noted, "id_token") == ("id-token-of-sub-alice" if logout else "")
    assert town.unseal_upstream(noted, "refresh_token") == ("refresh-token-of-sub-alice" if every else "")
    assert "token-of-sub-alice" not in str(town.store.state)


async def test_a_session_is_not_tied_where_the_provider_gives_nothing_to_tie_it_with(town):
    town.providers["idp"] = a_provider(check_every=timedelta(minutes=5))
    await town.enter_upstream(somebody(refresh_token=""))
    (noted,) = town.store.state.upstream_sessions.values()
    assert (noted.refresh_token, noted.check_at) == ("", None)


# Leaving


async def test_nobody_leaves_without_a_ticket_of_this_browser(town):
    started = await town.begin(a_visitor())
    for token, visitor in ((started.token, a_visitor(browser="browser-2")), ("x" * 43, a_visitor()), ("", a_visitor())):
        outcome = await town.upstream_sign_in.depart(token, visitor, provider="idp", remember=False, now=town.now)
        assert outcome == UpstreamRefused(Failure.STATE)
    assert town.upstream.departures == {}


@pytest.mark.parametrize("provider", ["", "nobody", "../idp", "off"])
async def test_nobody_leaves_for_a_provider_that_is_not_there(town, provider):
    town.providers["off"] = a_provider("off", enabled=False)
    outcome = await town.depart(a_visitor(), provider, return_to="https://app.example.test/")
    assert outcome == UpstreamRefused(Failure.PROVIDER_GONE, return_url="https://app.example.test/")


async def test_a_provider_that_cannot_be_used_is_told_apart_and_its_words_go_to_the_log(town):
    town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "connection refused\r\nby \x1b[31m10.0.0.1")
    provider = town.providers["idp"]
    assert await town.depart(a_visitor()) == UpstreamRefused(Failure.UNREACHABLE, provider)
    assert town.upstream_sign_in.find_trouble(provider) is not None
    ((event, fields),) = town.log.events
    assert event == "upstream_failed"
    assert fields == {
        "provider": "idp",
        "failure": "unreachable",
        "said": "connection refused\ufffd\ufffdby \ufffd[31m10.0.0.1",
    }
    assert town.tally.logins == {"unreachable": 1}
    assert town.acts() == []
    assert len(town.store.state.tickets) == 1  # the page's


async def test_the_page_stays_good_after_leaving_from_it(town):
    """Who comes back by the browser's button may choose another way."""
    visitor = a_visitor()
    await town.add_user("bob")
    started = await town.begin(visitor)
    for _ in range(2):
        departed = await town.upstream_sign_in.depart(
            started.token, visitor, provider="idp", remember=False, now=town.now
        )
        assert isinstance(departed, Departed)
    assert isinstance(await town.submit(started.token, "bob", "Tr4vel-by-Night!", visitor), SignedIn)


@pytest.mark.parametrize("leg", ["page", "straight", "link"])
async def test_departures_are_counted(leg):
    town = Town(limits=LoginLimits(oidc=(Window(2, timedelta(minutes=1)),)))
    visitor = a_visitor()
    inside = await town.enter_upstream(visitor=a_visitor("198.51.100.9"))

    async def go(who):
        if leg == "page":
            return await town.depart(who)
        if leg == "straight":
            provider = town.providers["idp"]
            return await town.upstream_sign_in.depart_straight(who, provider=provider, return_to=None, now=town.now)
        subject = Subject(inside.user, inside.session)
        return await town.upstream_sign_in.depart_to_link(subject, who, provider="idp", now=town.now)

    for _ in range(2):
        assert isinstance(await go(visitor), Departed)
    assert await go(visitor) == UpstreamRefused(Failure.THROTTLED, retry_after=timedelta(minutes=1))
    assert town.tally.limited == {"oidc": 1}
    assert town.tally.logins["throttled"] == 1
    assert isinstance(await go(a_visitor("198.51.100.10")), Departed)


def test_the_fake_forgets_no_promise():
    """It answers everything that is asked of the real one."""
    asked = {name for name in vars(Upstream) if not name.startswith("_")}
    assert asked <= set(vars(FakeUpstream))
