"""Coming back from a provider: what is refused, in which order, and what of it can be looked up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import UnavailableError
from doorward.flows.outcome import SignedIn, UpstreamRefused
from doorward.flows.throttle import LoginLimits
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.session import Subject
from doorward.rules.throttle import Window
from tests.fakes.flows import Town, a_visitor
from tests.fakes.upstream import ISSUER, a_provider, failure_of, somebody, state_of


@pytest.fixture
def town():
    return Town()


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
    assert failure_of(await town.come_back(other, url, code=code, subject=subject)) is Failure.STATE
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
    assert failure_of(again) is Failure.CODE_REFUSED


async def test_a_code_of_another_round_trip_is_refused(town):
    """Injected by whoever has one: verifier and nonce follow from the state."""
    _, code = town.upstream.grant(await town.leave(a_visitor(browser="attacker")), somebody("sub-mallory"))
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert failure_of(await town.come_back(visitor, url, code=code)) is Failure.CODE_REFUSED
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
    assert failure_of(await town.come_back(visitor, url, path=path)) is Failure.STATE
    assert town.upstream.arrivals == []
    assert failure_of(await town.come_back(visitor, url)) is Failure.STATE


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
    assert failure_of(await town.come_back(visitor, url)) is Failure.PROVIDER_GONE
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
    assert failure_of(await town.come_back(visitor, url, code="")) is Failure.PROVIDER_ERROR


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
    assert failure_of(outcome) is Failure.NOT_ALLOWED
    assert town.store.state.users == {}
    (record,) = town.audit
    assert record.private["upstream_email"] == "alice@example.test"
    assert "alice" not in str(record.public)


async def test_callbacks_are_counted_before_anything_is_looked_up():
    town = Town(limits=LoginLimits(oidc=(Window(2, timedelta(minutes=1)),)))
    visitor = a_visitor()
    url = await town.leave(visitor)
    for _ in range(2):
        assert failure_of(await town.come_back(visitor, url, state="x")) is Failure.STATE
    outcome = await town.come_back(visitor, url)
    assert outcome == UpstreamRefused(Failure.THROTTLED, retry_after=timedelta(minutes=1))
    assert town.upstream.arrivals == []
    town.clock.advance(timedelta(minutes=1))
    assert isinstance(await town.come_back(visitor, url), SignedIn)


async def test_the_limits_leave_room_for_a_clumsy_evening(town):
    """Nine round trips in a minute, each counted once on each leg."""
    for _ in range(9):
        await town.enter_upstream()


# Things that break


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
