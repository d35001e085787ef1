"""Signing in with a provider: what goes out, what may come back, and what is refused on the way."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, UnavailableError
from doorward.flows.opening import SessionTerms
from doorward.flows.outcome import Departed, SignedIn, UpstreamRefused
from doorward.flows.throttle import LoginLimits
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import Kind
from doorward.rules.session import NEVER, RECENT, Method, Subject
from doorward.rules.throttle import Window
from tests.fakes.flows import PUBLIC_URL, Town, a_visitor, fingerprint_of
from tests.fakes.upstream import ISSUER, FakeUpstream, a_provider, somebody, state_of


@pytest.fixture
def town():
    return Town()


def departure_of(town, url):
    return town.upstream.departures[state_of(url)]


def refused(outcome):
    assert isinstance(outcome, UpstreamRefused), outcome
    return outcome.failure


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


# Coming back


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "\ud800", "a" * 100_000])
async def test_a_made_up_state_is_counted_and_leaves_nothing(town, state):
    visitor = a_visitor()
    await town.leave(visitor)
    url = await town.leave(visitor)
    assert await town.come_back(visitor, url, state=state) == UpstreamRefused(Failure.STATE)
    assert town.acts() == []
    assert town.upstream.arrivals == []
    assert town.tally.logins == {"state": 1}


@pytest.mark.parametrize("browser", ["browser-2", ""])
async def test_a_state_in_another_browser_is_refused_and_not_spoilt(town, browser):
    """Neither a fresh browser nor one in which somebody is signed in; and whose it is still comes in."""
    visitor, other = a_visitor(), a_visitor(browser=browser)
    url = await town.leave(visitor)
    state, code = town.upstream.grant(url, somebody())
    bob = await town.enter_upstream(
        somebody("sub-bob", email="bob@example.test", user_name="bob"), visitor=a_visitor(browser="b3")
    )
    count = len(town.upstream.arrivals)
    subject = Subject(bob.user, bob.session)
    assert refused(await town.come_back(other, url, code=code, subject=subject)) is Failure.STATE
    assert len(town.upstream.arrivals) == count
    assert isinstance(await town.come_back(visitor, url, code=code), SignedIn)
    assert state == state_of(url)


async def test_a_state_is_good_once(town):
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert isinstance(await town.come_back(visitor, url), SignedIn)
    assert await town.come_back(visitor, url) == UpstreamRefused(Failure.STATE)
    assert len(town.store.state.sessions) == 1


async def test_a_code_is_good_once(town):
    """Even in a round trip of its own."""
    visitor = a_visitor()
    url = await town.leave(visitor)
    _, code = town.upstream.grant(url, somebody())
    assert isinstance(await town.come_back(visitor, url, code=code), SignedIn)
    again = await town.come_back(visitor, await town.leave(visitor), code=code)
    assert refused(again) is Failure.CODE_REFUSED


async def test_a_code_of_another_round_trip_is_refused(town):
    """Injected by whoever has one: verifier and nonce follow from the state."""
    _, code = town.upstream.grant(await town.leave(a_visitor(browser="attacker")), somebody("sub-mallory"))
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert refused(await town.come_back(visitor, url, code=code)) is Failure.CODE_REFUSED
    assert town.store.state.users == {}


async def test_a_state_expires(town):
    """C-20."""
    visitor = a_visitor()
    url = await town.leave(visitor)
    town.clock.advance(timedelta(minutes=10))
    assert await town.come_back(visitor, url) == UpstreamRefused(Failure.STATE)


@pytest.mark.parametrize("purpose", ["login", "setup"])
async def test_another_ticket_is_no_state(town, purpose):
    """T-05."""
    visitor = a_visitor()
    url = await town.leave(visitor)
    token = (await town.begin(visitor)).token if purpose == "login" else await town.setup.issue(now=town.now)
    assert await town.come_back(visitor, url, state=token) == UpstreamRefused(Failure.STATE)


async def test_a_state_is_no_sign_in_ticket(town):
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert await town.sign_in.find(state_of(url), visitor, now=town.now) is None


@pytest.mark.parametrize("path", ["/login/callback/other", "/api/auth/login", "", "/login/callback/idp/"])
async def test_the_way_back_is_exactly_the_one_that_was_given(town, path):
    """A state of one provider at the callback of another: it is spent, and nothing is asked of anybody."""
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert refused(await town.come_back(visitor, url, path=path)) is Failure.STATE
    assert town.upstream.arrivals == []
    assert refused(await town.come_back(visitor, url)) is Failure.STATE


CHANGES = {
    "disabled": {"enabled": False},
    "other issuer": {"issuer": "https://other.example.test"},
    "other client": {"client_id": "somebody-else"},
    "other way back": {"redirect_path": "/api/auth/login"},
}


@pytest.mark.parametrize("change", [*CHANGES, "removed"])
async def test_a_provider_that_is_not_the_same_any_more_is_not_asked(town, change):
    visitor = a_visitor()
    url = await town.leave(visitor)
    if change == "removed":
        del town.providers["idp"]
    else:
        town.providers["idp"] = replace(town.providers["idp"], **CHANGES[change])
    assert refused(await town.come_back(visitor, url)) is Failure.PROVIDER_GONE
    assert town.upstream.arrivals == []
    assert town.store.state.users == {}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("access_denied", Failure.CANCELLED),
        ("login_required", Failure.PROVIDER_ERROR),
        ("<script>alert(1)</script>", Failure.PROVIDER_ERROR),
    ],
)
async def test_an_error_ends_it_even_beside_a_good_code(town, error, failure):
    visitor = a_visitor()
    url = await town.leave(visitor, return_to="https://app.example.test/")
    outcome = await town.come_back(visitor, url, error=error, error_description="a\r\nb" + "x" * 10_000)
    assert outcome == UpstreamRefused(failure, town.providers["idp"], "https://app.example.test/")
    assert town.upstream.arrivals == []
    ((event, fields),) = town.log.events
    assert event == "upstream_failed"
    assert len(fields["said"]) == 200
    assert "\r" not in fields["said"]
    (record,) = town.audit
    assert (record.act, record.subject, record.public["failure"]) == (Act.LOGIN_FAILED, "unknown", failure.value)
    assert error not in str(record) or error == "access_denied"


async def test_coming_back_with_nothing_is_an_error(town):
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert refused(await town.come_back(visitor, url, code="")) is Failure.PROVIDER_ERROR


@pytest.mark.parametrize("failure", [Failure.TOKEN, Failure.CODE_REFUSED, Failure.CLIENT_REFUSED, Failure.UNREACHABLE])
async def test_an_answer_that_proves_nothing_signs_nobody_in(town, failure):
    visitor = a_visitor()
    url = await town.leave(visitor)
    outcome = await town.come_back(visitor, url, UpstreamError(failure, "the nonce is another"))
    assert outcome == UpstreamRefused(failure, town.providers["idp"])
    assert town.store.state.sessions == {}
    assert town.store.state.users == {}
    (record,) = town.audit
    assert record.public == {
        "method": "fed",
        "provider": "idp",
        "issuer": ISSUER,
        "intent": "sign_in",
        "failure": failure.value,
    }
    assert town.log.events == [
        ("upstream_failed", {"provider": "idp", "failure": failure.value, "said": "the nonce is another"})
    ]


async def test_who_is_not_on_the_list_stays_out_and_can_be_looked_up(town):
    town.providers["idp"] = a_provider(allowed_domains=frozenset({"example.org"}))
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor), somebody())
    assert refused(outcome) is Failure.NOT_ALLOWED
    assert town.store.state.users == {}
    (record,) = town.audit
    assert record.private["upstream_email"] == "alice@example.test"
    assert "alice" not in str(record.public)


async def test_callbacks_are_counted_before_anything_is_looked_up():
    town = Town(limits=LoginLimits(oidc=(Window(2, timedelta(minutes=1)),)))
    visitor = a_visitor()
    url = await town.leave(visitor)
    for _ in range(2):
        assert refused(await town.come_back(visitor, url, state="x")) is Failure.STATE
    outcome = await town.come_back(visitor, url)
    assert outcome == UpstreamRefused(Failure.THROTTLED, retry_after=timedelta(minutes=1))
    assert town.upstream.arrivals == []
    town.clock.advance(timedelta(minutes=1))
    assert isinstance(await town.come_back(visitor, url), SignedIn)


async def test_the_limits_leave_room_for_a_clumsy_evening(town):
    """Nine round trips in a minute, each counted once on each leg."""
    for _ in range(9):
        await town.enter_upstream()


# Confirming


async def test_a_step_up_makes_the_provider_ask_again(town):
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor, remember=True)
    subject = Subject(old.user, old.session)
    town.clock.advance(timedelta(hours=1))
    url = await town.leave(visitor, subject=subject)
    departure = departure_of(town, url)
    assert (departure.prompt, departure.max_age) == ("login", timedelta(0))
    assert departure.login_hint == "alice@example.test"
    new = await town.come_back(visitor, url, somebody(auth_time=town.now), previous=fingerprint_of(old))
    assert new.session.authenticated_at == town.now
    assert new.session.remembered
    assert await town.check(old) is None
    assert town.audit[-1].act is Act.REAUTHENTICATED


@pytest.mark.parametrize("asked", [None, timedelta(seconds=-61)])
async def test_a_step_up_is_not_taken_from_a_provider_that_did_not_ask(town, asked):
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor)
    url = await town.leave(visitor, subject=Subject(old.user, old.session))
    answer = somebody(auth_time=None if asked is None else town.now + asked)
    outcome = await town.come_back(visitor, url, answer, previous=fingerprint_of(old))
    assert outcome == UpstreamRefused(Failure.NOT_FRESH, town.providers["idp"], confirming=True)
    assert await town.check(old) is not None


@pytest.mark.parametrize("kind", [Kind.GOOGLE, Kind.GITHUB])
async def test_a_step_up_does_not_even_leave_for_a_provider_that_cannot_be_made_to_ask(town, kind):
    town.providers["idp"] = a_provider(kind=kind)
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor)
    outcome = await town.depart(visitor, subject=Subject(old.user, old.session))
    assert outcome == UpstreamRefused(Failure.NOT_FRESH, town.providers["idp"], confirming=True)


@pytest.mark.parametrize(("kind", "prompt"), [(Kind.OIDC, "login"), (Kind.GOOGLE, "select_account")])
async def test_confirming_takes_any_provider_and_asks_as_well_as_it_can(town, kind, prompt):
    town.providers["idp"] = a_provider(kind=kind, prompt="select_account")
    visitor = a_visitor()
    old = await town.enter_upstream(somebody(email="alice@gmail.com"), visitor=visitor)
    town.clock.advance(timedelta(hours=1))
    url = await town.leave(visitor, subject=Subject(old.user, old.session), confirm=True)
    departure = departure_of(town, url)
    assert (departure.prompt, departure.max_age) == (prompt, None)
    new = await town.come_back(visitor, url, somebody(email="alice@gmail.com"), previous=fingerprint_of(old))
    assert new.session.created_at == town.now
    assert new.session.authenticated_at == NEVER
    assert town.audit[-1].act is Act.REAUTHENTICATED


@pytest.mark.parametrize("known", [True, False])
async def test_nobody_else_can_confirm(town, known):
    visitor = a_visitor()
    bob = somebody("sub-bob", email="bob@example.test", user_name="bob")
    if known:
        await town.enter_upstream(bob, visitor=a_visitor(browser="b2"))
    old = await town.enter_upstream(visitor=visitor)
    users = dict(town.store.state.users)
    url = await town.leave(visitor, subject=Subject(old.user, old.session))
    answer = replace(bob, auth_time=town.now)
    outcome = await town.come_back(visitor, url, answer, previous=fingerprint_of(old))
    assert outcome == UpstreamRefused(Failure.OTHER_ACCOUNT, town.providers["idp"], confirming=True)
    assert await town.check(old) is not None
    assert town.store.state.users == users
    assert town.audit[-1].subject == old.user.id


async def test_confirming_with_a_provider_the_account_does_not_have_gives_no_hint(town):
    await town.add_user("bob")
    visitor = a_visitor()
    bob = await town.enter("bob", visitor=visitor)
    url = await town.leave(visitor, subject=Subject(bob.user, bob.session))
    assert departure_of(town, url).login_hint == ""


# Things that break


async def test_a_recent_sign_in_is_needed_to_leave_for_linking(town):
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor)
    town.clock.advance(RECENT)
    with pytest.raises(ForbiddenError):
        await town.leave_to_link(Subject(old.user, old.session), visitor)


async def test_a_store_that_breaks_on_the_way_leaves_no_session_without_evidence():
    """R12, docs/adr 0014: whichever read or write fails, there is no session nobody recorded."""
    broken = 0
    while await _come_back_to_a_store_that_breaks_after(broken):
        broken += 1
    assert broken > 20


async def _come_back_to_a_store_that_breaks_after(steps):
    town = Town()
    visitor = a_visitor()
    url = await town.leave(visitor)
    left = steps

    def check():
        nonlocal left
        left -= 1
        if left < 0:
            raise UnavailableError("full")

    town.store.check = check
    try:
        await town.come_back(visitor, url)
    except UnavailableError:
        recorded = {event.public["session"] for event in town.audit if event.act is Act.LOGIN}
        assert {session.handle for session in town.store.state.sessions.values()} <= recorded
        return True
    return False


def test_the_fake_forgets_no_promise():
    """It answers everything that is asked of the real one."""
    from doorward.interfaces import Upstream

    asked = {name for name in vars(Upstream) if not name.startswith("_")}
    assert asked <= set(vars(FakeUpstream))
