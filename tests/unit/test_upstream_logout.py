"""What a provider ends there ends here, and what strangers say ends nothing."""

from datetime import timedelta

import pytest

from doorward.errors import InputError, UnavailableError
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.throttle import LoginLimits
from doorward.flows.upstream_logout import MAX_NAME, MAX_TOKEN
from doorward.rules.login import Failure
from doorward.rules.oidc import Failure as Trouble
from doorward.rules.oidc import LogoutToken, UpstreamError
from doorward.rules.throttle import Window
from tests.fakes.flows import Town, a_visitor
from tests.fakes.meanwhile import come_back_and_just_before_the_session, come_back_while
from tests.fakes.upstream import ISSUER, a_provider, failure_of, somebody

THEM = a_visitor("198.51.100.1", browser="")
"""The provider's server."""


@pytest.fixture
def town():
    return Town(limits=LoginLimits(oidc=(Window(3, timedelta(minutes=1)),)))


def announce(town, token="token", **changes):  # noqa: S107 -- a name for it
    """The provider has signed this notice."""
    values = {
        "issuer": ISSUER,
        "subject": "sub-alice",
        "sid": "",
        "jti": f"jti-{token}",
        "issued_at": town.now,
        "expires_at": town.now + timedelta(minutes=2),
        **changes,
    }
    town.upstream.logout_tokens[token] = LogoutToken(**values)
    return token


async def send(town, token, provider="idp", visitor=THEM):
    return await town.upstream_logout.accept_token(provider, token, visitor, now=town.now)


async def frame(town, sid="sid-1", issuer=ISSUER, provider="idp", visitor=THEM):
    return await town.upstream_logout.accept_front(provider, issuer, sid, visitor, now=town.now)


async def enter(town, subject="sub-alice", sid="sid-1", provider="idp", browser="browser-1"):
    answer = somebody(subject, sid=sid, email=f"{subject}@{provider}.test", user_name=subject)
    # From wherever they like, so that nobody's sign-ins fill the limits that are tried here.
    visitor = a_visitor(f"203.0.113.{len(town.store.state.audit) + 1}", browser=browser)
    return await town.enter_upstream(answer, provider, visitor)


async def alive(town, *entered):
    return [await town.check(each) is not None for each in entered]


# Back channel


async def test_a_notice_about_somebody_ends_whatever_they_signed_in_there(town):
    phone, desk, bob = await enter(town), await enter(town, sid="sid-2"), await enter(town, "sub-bob", "sid-3")
    assert await send(town, announce(town)) == 2
    assert await alive(town, phone, desk, bob) == [False, False, True]


async def test_a_notice_about_a_session_ends_that_one(town):
    phone, desk = await enter(town), await enter(town, sid="sid-2")
    assert await send(town, announce(town, subject="", sid="sid-2")) == 1
    assert await alive(town, phone, desk) == [True, False]


async def test_a_notice_about_both_must_fit_both(town):
    phone, bob = await enter(town), await enter(town, "sub-bob", "sid-2")
    assert await send(town, announce(town, sid="sid-2")) == 0
    assert await alive(town, phone, bob) == [True, True]
    assert await send(town, announce(town, "more", sid="sid-1")) == 1
    assert await alive(town, phone, bob) == [False, True]


async def test_a_notice_about_a_session_whose_name_we_were_not_told_ends_those_without_one(town):
    """Some providers name the session only when it ends. What else somebody has there by name goes on."""
    unnamed, named, bob = await enter(town, sid=""), await enter(town), await enter(town, "sub-bob", "")
    assert await send(town, announce(town, sid="sid-2")) == 1
    assert await alive(town, unnamed, named, bob) == [False, True, True]
    assert await send(town, announce(town, "by-name-alone", subject="", sid="sid-2")) == 0


@pytest.mark.parametrize(("sid", "failure"), [("", Trouble.SIGNED_OUT), ("sid-2", Trouble.SIGNED_OUT), ("sid-1", None)])
async def test_a_sign_in_under_way_whose_name_we_are_not_told_ends_with_such_a_notice(town, sid, failure):
    outcome = await come_back_while(town, lambda: send(town, announce(town, sid="sid-2")), somebody(sid=sid))
    assert (failure_of(outcome) if failure else isinstance(outcome, SignedIn)) == (failure or True)


async def test_a_notice_ends_nothing_at_another_provider(town):
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    here, there = await enter(town), await enter(town, provider="other")
    assert await send(town, announce(town, sid="sid-1")) == 1
    assert await alive(town, here, there) == [False, True]


async def test_a_password_session_is_no_business_of_the_provider(town):
    await town.add_user("alice")
    by_password = await town.enter()
    await send(town, announce(town))
    assert await alive(town, by_password) == [True]


async def test_what_was_ended_is_recorded_with_whose_it_was(town):
    entered = await enter(town)
    await send(town, announce(town))
    (event,) = [event for event in town.audit if event.act.value == "user.logout_upstream"]
    assert (event.actor, event.subject) == ("system", entered.user.id)
    assert dict(event.public) == {
        "session": entered.session.handle,
        "provider": "idp",
        "issuer": ISSUER,
        "because": "back_channel",
    }
    assert event.private["address"] == "198.51.100.1"


async def test_a_notice_counts_once(town):
    """H24: a copy of it, sent later, does not end what began since."""
    token = announce(town)
    await enter(town)
    assert await send(town, token) == 1
    town.clock.advance(timedelta(seconds=90))
    again = await enter(town)
    with pytest.raises(InputError, match="used already"):
        await send(town, token)
    assert await alive(town, again) == [True]
    # The provider may send it twice, if it did not hear us: that is no failure of its address.
    assert await send(town, announce(town, "other")) == 1


async def test_a_notice_is_remembered_for_as_long_as_it_could_come_again(town):
    token = announce(town, expires_at=town.now + timedelta(hours=1))
    await send(town, token)
    town.clock.advance(timedelta(hours=1, seconds=59))
    async with town.store.records.transaction() as transaction:
        await transaction.purge_upstream(town.now)
    with pytest.raises(InputError):
        await send(town, token)


async def test_marks_go_by_themselves(town):
    await send(town, announce(town))
    await send(town, announce(town, "sid", sid="sid-1"))
    town.clock.advance(timedelta(hours=1))
    async with town.store.records.transaction() as transaction:
        await transaction.purge_upstream(town.now)
    assert town.store.state.marks == {}


@pytest.mark.parametrize("notice", [{}, {"subject": "", "sid": "sid-1"}, {"sid": "sid-1"}])
@pytest.mark.parametrize("moment", [come_back_while, come_back_and_just_before_the_session])
async def test_a_sign_in_that_is_under_way_ends_with_it(town, moment, notice):
    """Whenever the notice comes, the outcome is that of one order: nobody is signed in who was signed out there."""
    announce(town, **notice)
    outcome = await moment(town, lambda: send(town, "token"), somebody(sid="sid-1"))
    assert failure_of(outcome) is Trouble.SIGNED_OUT
    assert town.store.state.sessions == {}


async def test_a_sign_in_that_begins_after_the_notice_is_another_one(town):
    await send(town, announce(town))
    town.clock.advance(timedelta(seconds=1))
    assert await alive(town, await enter(town)) == [True]


@pytest.mark.parametrize(
    ("token", "provider"),
    [("forged", "idp"), ("", "idp"), ("x" * (MAX_TOKEN + 1), "idp"), ("token", "nobody"), ("token", "off")],
)
async def test_a_notice_that_is_not_genuine_ends_nothing(town, token, provider):
    """H24."""
    town.providers["off"] = a_provider("off", enabled=False)
    entered = await enter(town)
    announce(town)
    announce(town, "x" * (MAX_TOKEN + 1))
    with pytest.raises(InputError):
        await send(town, token, provider)
    assert await alive(town, entered) == [True]
    assert town.store.state.marks == {}


async def test_a_provider_that_does_not_answer_may_send_it_again(town):
    entered = await enter(town)
    token = announce(town)
    town.upstream.failing["idp"] = UpstreamError(Trouble.UNREACHABLE, "no keys")
    with pytest.raises(UnavailableError):
        await send(town, token)
    assert [name for name, _ in town.log.events] == ["logout_token_refused"]
    town.upstream.failing.clear()
    assert await send(town, token) == 1
    assert await alive(town, entered) == [False]


async def test_strangers_cannot_go_on_for_ever(town):
    """What they cost is bounded by address, and what is genuine is never counted."""
    stranger = a_visitor("203.0.113.200")
    for number in range(5):
        assert await send(town, announce(town, f"good-{number}"), visitor=stranger) == 0
    town.upstream.failing["idp"] = UpstreamError(Trouble.UNREACHABLE, "down")
    with pytest.raises(UnavailableError):
        await send(town, "forged", visitor=stranger)
    town.upstream.failing.clear()
    for token in ("forged", "x" * (MAX_TOKEN + 1)):
        with pytest.raises(InputError):
            await send(town, token, visitor=stranger)
    refused = await send(town, announce(town, "late"), visitor=stranger)
    assert refused == Refused(Failure.THROTTLED, timedelta(minutes=1))
    assert town.tally.limited == {"oidc": 1}
    assert await send(town, announce(town, "from-there")) == 0
    town.clock.advance(timedelta(minutes=1))
    assert await send(town, announce(town, "later"), visitor=stranger) == 0


async def test_strangers_spend_nothing_of_what_visitors_have(town):
    stranger = a_visitor("203.0.113.200")
    for _ in range(3):
        with pytest.raises(InputError):
            await send(town, "forged", visitor=stranger)
        assert await frame(town, "guess", visitor=stranger) == 0
    assert isinstance(await send(town, "forged", visitor=stranger), Refused)
    assert isinstance(await frame(town, visitor=stranger), Refused)
    await town.enter_upstream(visitor=stranger)


# Front channel


async def test_a_frame_ends_the_session_it_names(town):
    phone, desk = await enter(town), await enter(town, sid="sid-2")
    assert await frame(town, "sid-2") == 1
    assert await alive(town, phone, desk) == [True, False]
    (event,) = [event for event in town.audit if event.act.value == "user.logout_upstream"]
    assert (event.subject, event.public["because"]) == (desk.user.id, "front_channel")


@pytest.mark.parametrize(
    "said",
    [
        {"sid": ""},
        {"issuer": ""},
        {"issuer": ISSUER + "/"},
        {"issuer": ISSUER.upper()},
        {"provider": "other"},
        {"provider": "nobody"},
        {"sid": "s" * (MAX_NAME + 1)},
        {"sid": "sid-1\n"},
    ],
)
async def test_a_frame_that_names_another_provider_or_no_session_ends_nothing(town, said):
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    entered = await enter(town)
    with pytest.raises(InputError):
        await frame(town, **said)
    assert await alive(town, entered) == [True]
    assert town.store.state.marks == {}


async def test_a_frame_that_names_no_provider_is_of_the_one_whose_address_it_came_to(town):
    town.providers["other"] = a_provider("other", issuer="https://other.example.test")
    phone, elsewhere = await enter(town), await enter(town, provider="other")
    assert await frame(town, issuer=None) == 1
    assert await alive(town, phone, elsewhere) == [False, True]
    with pytest.raises(InputError):
        await frame(town, issuer=None, provider="nobody")
    outcome = await come_back_while(town, lambda: frame(town, "sid-2", issuer=None), somebody(sid="sid-2"))
    assert failure_of(outcome) is Trouble.SIGNED_OUT


async def test_a_frame_ends_no_session_without_a_name_there(town):
    entered = await enter(town, sid="")
    assert await frame(town, "sid-1") == 0
    assert await alive(town, entered) == [True]


async def test_a_frame_ends_nothing_that_came_another_way(town):
    """The same provider under another name of ours, or another issuer at which a session has the same name."""
    town.providers["again"] = a_provider("again")
    entered = await enter(town, provider="again")
    assert await frame(town) == 0
    moved = await enter(town, "sub-bob", "sid-2")
    town.providers["idp"] = a_provider(issuer="https://moved.example.test")
    assert await frame(town, "sid-2", "https://moved.example.test") == 0
    assert await alive(town, entered, moved) == [True, True]


@pytest.mark.parametrize("moment", [come_back_while, come_back_and_just_before_the_session])
async def test_a_frame_ends_a_sign_in_that_is_under_way(town, moment):
    outcome = await moment(town, lambda: frame(town), somebody(sid="sid-1"))
    assert failure_of(outcome) is Trouble.SIGNED_OUT


async def test_guessing_names_is_counted_and_knowing_one_is_not(town):
    entered = [await enter(town, sid=f"sid-{number}") for number in range(4)]
    for number in range(4):
        assert await frame(town, f"sid-{number}") == 1
    assert await alive(town, *entered) == [False] * 4
    for number in range(2):
        assert await frame(town, f"guess-{number}") == 0
    with pytest.raises(InputError):
        await frame(town, "")
    assert await frame(town, "sid-1") == Refused(Failure.THROTTLED, timedelta(minutes=1))
    assert town.tally.limited == {"oidc": 1}
