"""One's own sessions: seen by handle, ended at once, and nobody else's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import UnavailableError
from doorward.rules.audit import Act
from doorward.rules.session import SessionHandle, Subject
from tests.fakes.flows import Town, a_visitor, fingerprint_of


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    await made.add_user("bob")
    return made


def subject_of(signed_in):
    return Subject(signed_in.user, signed_in.session)


async def test_a_cookie_stands_for_its_account_while_the_session_lives(town):
    """A-08, C-30."""
    entered = await town.enter()
    assert await town.check(entered) == subject_of(entered)
    town.clock.advance(timedelta(minutes=120))
    assert await town.check(entered) is None


async def test_an_unknown_fingerprint_is_nobody(town):
    """J15."""
    assert await town.account.find_subject(b"\0" * 32, now=town.now) is None


async def test_the_list_holds_ones_own_live_sessions_last_seen_first(town):
    """C-36."""
    await town.enter("bob")
    stale = await town.enter()
    town.clock.advance(timedelta(minutes=119))
    first = await town.enter(visitor=a_visitor("198.51.100.9"))
    town.clock.advance(timedelta(minutes=2))
    second = await town.enter()
    handles = [session.handle for session in await town.account.list_sessions(subject_of(second), now=town.now)]
    assert handles == [second.session.handle, first.session.handle]
    assert stale.session.handle not in handles


async def test_a_session_of_ones_own_is_ended_at_once(town):
    """C-40, C-41."""
    here, there = await town.enter(), await town.enter()
    ended = await town.account.end_session(subject_of(here), there.session.handle, a_visitor(), now=town.now)
    assert ended
    assert await town.check(there) is None
    assert await town.check(here) is not None
    event = town.audit[-1]
    assert (event.act, event.actor) == (Act.SESSION_ENDED, here.user.id)
    assert event.public == {"session": there.session.handle, "by": here.session.handle}


async def test_somebody_elses_session_looks_like_none(town):
    """C-40: no way to find out which handles exist."""
    here, theirs = await town.enter(), await town.enter("bob")
    before = len(town.audit)
    for handle in (theirs.session.handle, SessionHandle("nothing")):
        assert not await town.account.end_session(subject_of(here), handle, a_visitor(), now=town.now)
    assert await town.check(theirs) is not None
    assert len(town.audit) == before


async def test_a_session_that_ends_meanwhile_is_not_audited_twice(town):
    here, there = await town.enter(), await town.enter()
    find = town.store.sessions.find_by_handle

    async def find_and_lose(handle):
        found = await find(handle)
        await town.store.sessions.end(handle)
        return found

    town.store.sessions.find_by_handle = find_and_lose
    before = len(town.audit)
    assert not await town.account.end_session(subject_of(here), there.session.handle, a_visitor(), now=town.now)
    assert len(town.audit) == before


async def test_all_other_sessions_end_and_this_one_lives_on(town):
    """J03."""
    others = [await town.enter() for _ in range(3)]
    here, bobs = (
        await town.enter(visitor=a_visitor("198.51.100.9")),
        await town.enter("bob", visitor=a_visitor("10.1.1.1")),
    )
    assert await town.account.end_other_sessions(subject_of(here), a_visitor(), now=town.now) == 3
    assert [await town.check(each) for each in others] == [None] * 3
    assert await town.check(here) is not None
    assert await town.check(bobs) is not None
    assert town.audit[-1].public == {"session": "others", "kept": here.session.handle, "count": "3"}


async def test_signing_out_ends_the_session_everywhere(town):
    """T-01: the old cookie, replayed, is nobody's."""
    entered = await town.enter()
    assert (await town.sign_out.sign_out(fingerprint_of(entered), a_visitor(), now=town.now)).ended
    assert await town.check(entered) is None
    event = town.audit[-1]
    assert (event.act, event.actor, event.public) == (
        Act.LOGOUT,
        entered.user.id,
        {"session": entered.session.handle},
    )


async def test_signing_out_twice_is_signing_out_once(town):
    entered = await town.enter()
    assert (await town.sign_out.sign_out(fingerprint_of(entered), a_visitor(), now=town.now)).ended
    assert not (await town.sign_out.sign_out(fingerprint_of(entered), a_visitor(), now=town.now)).ended
    assert town.acts().count("user.logout") == 1


async def test_a_session_that_ends_elsewhere_at_the_same_time_is_not_audited_as_sign_out(town):
    entered = await town.enter()
    find = town.store.sessions.find

    async def find_and_lose(fingerprint):
        found = await find(fingerprint)
        await town.store.sessions.end(found.handle)
        return found

    town.store.sessions.find = find_and_lose
    assert not (await town.sign_out.sign_out(fingerprint_of(entered), a_visitor(), now=town.now)).ended
    assert "user.logout" not in town.acts()


async def test_a_sign_out_that_cannot_be_written_is_not_claimed(town):
    """R12."""
    entered = await town.enter()
    town.store.broken = True
    with pytest.raises(UnavailableError):
        await town.sign_out.sign_out(fingerprint_of(entered), a_visitor(), now=town.now)
    town.store.broken = False
    assert await town.check(entered) is not None


async def test_a_visitor_without_an_address_is_recorded_as_such(town):
    entered = await town.enter(visitor=replace(a_visitor(), address=None))
    assert entered.session.address == ""
    assert town.audit[-1].private["address"] == ""
