"""Signing in: counted before it is tried, refused alike, finished once, and always with a new session."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import InputError, TamperError, UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.opening import SessionTerms
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.interfaces import StoredPassword
from doorward.rules.audit import Act
from doorward.rules.login import Failure, Step
from doorward.rules.session import Method, Subject
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor, fingerprint_of

WRONG = "Wr0ng-Every-Time!"


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


# A sign-in that goes well


async def test_the_right_password_opens_a_session(town):
    entered = await town.enter("alice", GOOD)
    assert entered.user.name == "alice"
    assert entered.session.methods == {Method.PASSWORD}
    assert entered.return_url == ""
    assert (await town.check(entered)).user.name == "alice"
    assert town.tally.logins == Counter(success=1)


async def test_no_handle_can_pass_for_an_option_of_a_command(town):
    """A handle of base64url may begin with a dash; `doorward session end HANDLE` must take any."""
    handle = (await town.enter("alice", GOOD)).session.handle
    assert len(handle) == 32
    assert set(handle) <= set("0123456789abcdef")


async def test_the_email_address_is_as_good_as_the_name(town):
    assert (await town.enter("ALICE@example.test")).user.name == "alice"


async def test_the_session_lasts_as_the_terms_say(town):
    """A-08, C-30."""
    session = (await town.enter()).session
    assert session.expires_at == town.now + timedelta(hours=24)
    assert session.idle_timeout == timedelta(minutes=120)
    assert not session.remembered


async def test_a_remembered_session_lasts_longer_and_may_rest(town):
    """A-09."""
    session = (await town.enter(remember=True)).session
    assert session.expires_at == town.now + timedelta(days=7)
    assert session.idle_timeout is None
    assert session.remembered


async def test_nobody_is_remembered_where_that_is_off():
    town = Town(terms=SessionTerms(remember_lifetime=None))
    await town.add_user("alice")
    session = (await town.enter(remember=True)).session
    assert not session.remembered
    assert session.expires_at == town.now + timedelta(hours=24)


async def test_a_sign_in_is_audited_with_what_it_made(town):
    visitor = a_visitor(user_agent="Evil\n\x1b[31mAgent" + "x" * 1000)
    entered = await town.enter(visitor=visitor)
    event = town.audit[-1]
    assert (event.act, event.actor, event.subject) == (Act.LOGIN, entered.user.id, entered.user.id)
    assert event.public["session"] == entered.session.handle
    assert event.public["methods"] == "pwd"
    assert event.private["address"] == "203.0.113.7"
    assert "\n" not in event.private["user_agent"]
    assert len(event.private["user_agent"]) == 256
    assert entered.cookie not in str(event)


async def test_the_way_back_is_kept_and_vetted_again_at_use(town):
    """D15: a host that left the policy meanwhile is not returned to."""
    visitor = a_visitor()
    url = "https://app.example.test/x?a=%2Fb&c=d"
    first = await town.enter(visitor=visitor, return_to=url)
    assert first.return_url == url
    started = await town.begin(visitor, url)
    town.hosts.clear()
    outcome = await town.submit(started.token, "alice", GOOD, visitor)
    assert isinstance(outcome, SignedIn)
    assert outcome.return_url == ""


async def test_a_refused_way_back_still_signs_in_and_is_audited(town):
    """D18."""
    visitor = a_visitor()
    started = await town.begin(visitor, "//evil.test")
    assert started.return_refused
    assert started.return_url == ""
    assert (await town.sign_in.find(started.token, visitor, now=town.now)).return_refused
    outcome = await town.submit(started.token, "alice", GOOD, visitor)
    assert isinstance(outcome, SignedIn)
    assert outcome.return_url == ""
    assert town.audit[-1].public["return_refused"] == "yes"


async def test_a_page_can_show_the_step_again(town):
    visitor = a_visitor()
    started = await town.begin(visitor, "/sessions")
    assert started.step is Step.FIRST_PROOF
    assert await town.sign_in.find(started.token, visitor, now=town.now) == started


# Sessions before and after


async def test_the_session_the_browser_had_dies_with_the_new_one(town):
    """J01: a new id at every sign-in, and the old one is dead."""
    old = await town.enter()
    new = await town.enter(previous=fingerprint_of(old))
    assert new.session.fingerprint != old.session.fingerprint
    assert new.session.handle != old.session.handle
    assert await town.check(old) is None
    assert await town.check(new) is not None
    assert town.audit[-1].public["replaced"] == old.session.handle


async def test_an_unknown_session_of_the_browser_is_never_adopted(town):
    """J01: an id the attacker chose is not used."""
    planted = (await town.enter()).session
    other = replace(planted, fingerprint=b"\x07" * 32)
    entered = await town.enter(previous=other.fingerprint)
    assert entered.session.fingerprint != other.fingerprint
    assert "replaced" not in town.audit[-1].public


async def test_each_sign_in_has_a_cookie_of_its_own(town):
    """J01."""
    assert len({(await town.enter()).cookie for _ in range(4)}) == 4


# Tickets


async def test_a_ticket_is_used_once(town):
    """E21: sent again, the same form does nothing."""
    visitor = a_visitor()
    started = await town.begin(visitor)
    assert isinstance(await town.submit(started.token, "alice", GOOD, visitor), SignedIn)
    again = await town.submit(started.token, "alice", GOOD, visitor)
    assert again == Refused(Failure.TICKET_GONE)
    assert len(town.store.state.sessions) == 1


async def test_of_two_right_answers_at_once_one_gets_in(town):
    """Invariant 7: one-time things are used at most once, even from two places at the same instant."""
    one, two = a_visitor("203.0.113.7"), a_visitor("198.51.100.9")
    started = await town.begin(one)
    outcomes = await asyncio.gather(*(town.submit(started.token, "alice", GOOD, visitor) for visitor in (one, two)))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refused", "SignedIn"]
    assert len(town.store.state.sessions) == 1


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\ud800", "../../x"])
async def test_a_made_up_ticket_is_gone(town, token):
    """E21."""
    assert await town.submit(token, "alice", GOOD, a_visitor()) == Refused(Failure.TICKET_GONE)
    assert await town.sign_in.find(token, a_visitor(), now=town.now) is None
    assert town.hasher.work == 1  # adding alice


@pytest.mark.parametrize("browser", ["browser-2", ""])
async def test_a_ticket_is_bound_to_the_browser_that_began(town, browser):
    """K02: an attacker's ticket in a victim's browser signs nobody in."""
    started = await town.begin(a_visitor(browser="browser-1"))
    assert await town.submit(started.token, "alice", GOOD, a_visitor(browser=browser)) == Refused(Failure.TICKET_GONE)


async def test_a_ticket_without_a_browser_is_nobodys(town):
    """K02: no pre-session cookie, no sign-in."""
    started = await town.begin(a_visitor(browser=""))
    assert await town.submit(started.token, "alice", GOOD, a_visitor(browser="")) == Refused(Failure.TICKET_GONE)


async def test_a_ticket_expires(town):
    started = await town.begin(a_visitor())
    town.clock.advance(timedelta(minutes=10))
    assert await town.submit(started.token, "alice", GOOD, a_visitor()) == Refused(Failure.TICKET_GONE)


async def test_a_setup_ticket_signs_nobody_in():
    """T-05: a ticket of one purpose is unknown to every other."""
    town = Town()
    await town.add_user("alice")
    token = await town.setup.issue(now=town.now)
    assert await town.submit(token, "alice", GOOD, a_visitor()) == Refused(Failure.TICKET_GONE)


async def test_one_address_cannot_fill_the_store_with_tickets(town):
    """Opening the page is counted, too."""
    for _ in range(120):
        await town.begin(a_visitor())
    refused = await town.sign_in.begin(a_visitor(), return_to=None, now=town.now)
    assert refused == Refused(Failure.THROTTLED, timedelta(minutes=1))
    assert len(town.store.state.tickets) == 120
    assert town.tally.limited["begin"] == 1
    await town.begin(a_visitor("198.51.100.9"))


# Refusals


NAMES = {
    "unknown": "nobody",
    "known": "alice",
    "disabled": "dora",
    "without a password": "olga",
    "broken hash": "bert",
    "not a name": "\uff41lice",
}


@pytest.mark.parametrize("login", NAMES.values(), ids=NAMES.keys())
async def test_every_refused_account_costs_the_same_work_and_time(town, login):
    """E01: one hash and the same least time, whoever it is."""
    await town.add_user("dora")
    await town.administration.set_enabled(CLI, "dora", enabled=False, now=town.now)
    await town.add_user("olga")
    olga = (await town.administration.list_users(CLI))[-1]
    del town.store.state.passwords[olga.id]
    await _store_hash(town, await town.add_user("bert"), "!")
    town.hasher.work, began = 0, town.clock.elapsed()
    assert await town.try_login(login, WRONG, a_visitor()) == Refused(Failure.WRONG)
    assert town.hasher.work == 1
    assert town.clock.elapsed() - began == pytest.approx(MIN_FAILURE_TIME.total_seconds())


async def test_a_slow_refusal_is_not_made_slower(town):
    """E01: the least time is a floor, not a fine."""
    town.hasher.gate.clear()
    town.hasher.reached.clear()
    visitor = a_visitor()
    started = await town.begin(visitor)
    trying = asyncio.create_task(town.submit(started.token, "alice", WRONG, visitor))
    await town.hasher.reached.wait()
    town.clock.advance(timedelta(seconds=2))
    town.hasher.gate.set()
    assert await trying == Refused(Failure.WRONG)
    assert town.pause.waits == []


@pytest.mark.parametrize("stored", ["", "!", "*", "v1", "v9:" + GOOD])
@pytest.mark.parametrize("password", ["", "!", "*", GOOD])
async def test_an_unusable_hash_matches_nothing(town, stored, password):
    """E22: not the empty password, and not the hash itself."""
    user = (await town.administration.list_users(CLI))[0]
    await _store_hash(town, user, stored)
    assert await town.try_login("alice", password, a_visitor()) == Refused(Failure.WRONG)


@pytest.mark.parametrize("password", [GOOD, WRONG])
async def test_a_disabled_account_is_refused_with_the_same_words(town, password):
    """E25."""
    await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    assert await town.try_login("alice", password, a_visitor()) == Refused(Failure.WRONG)


async def test_a_deleted_account_is_refused(town):
    """E25, E30."""
    await town.administration.delete_user(CLI, "alice", now=town.now)
    assert await town.try_login("alice", GOOD, a_visitor()) == Refused(Failure.WRONG)


async def test_a_failure_is_audited_without_what_was_typed(town):
    """E01, L: nobody's password, typed into the wrong field, ends up in the evidence."""
    await town.try_login("My-S3cret-Password!", WRONG, a_visitor())
    event = town.audit[-1]
    assert (event.act, event.actor, event.subject) == (Act.LOGIN_FAILED, "anonymous", "unknown")
    assert "S3cret" not in str(town.store.state)
    assert WRONG not in str(town.store.state)


@pytest.mark.parametrize(
    ("login", "password"),
    [("x" * 1025, GOOD), ("alice", "x" * 1025), ("alice", "a\u0300" * 500_000), ("alice", "\ud800")],
)
async def test_a_field_too_long_to_be_meant_costs_nothing(town, login, password):
    """E13, E17, P14: refused before the hash, the counters and the look-up."""
    town.hasher.work = 0
    before = town.store.state.changes
    visitor = a_visitor()
    with pytest.raises(InputError):
        await town.submit("token", login, password, visitor)
    assert town.hasher.work == 0
    assert town.store.state.changes == before


async def test_a_password_is_not_cut_at_a_nul(town):
    """E12."""
    with pytest.raises(InputError):
        await town.try_login("alice", GOOD + "\0x", a_visitor())


# Things that break, and things that happen meanwhile


async def test_a_store_that_cannot_write_lets_nobody_in(town):
    """R12: what cannot be counted is refused."""
    visitor = a_visitor()
    started = await town.begin(visitor)
    town.store.broken = True
    with pytest.raises(UnavailableError):
        await town.submit(started.token, "alice", GOOD, visitor)
    town.store.broken = False
    assert town.store.state.sessions == {}


@pytest.mark.parametrize("broken_after", range(1, 12))
async def test_a_store_that_breaks_on_the_way_leaves_no_session_without_evidence(broken_after):
    """R12, docs/adr 0014: whichever write fails, there is no session nobody recorded."""
    town = Town()
    await town.add_user("alice")
    visitor = a_visitor()
    started = await town.begin(visitor)
    left = broken_after

    def check():
        nonlocal left
        left -= 1
        if left < 0:
            raise UnavailableError("full")

    town.store.check = check
    with pytest.raises(UnavailableError):
        await town.submit(started.token, "alice", GOOD, visitor)
    sessions = town.store.state.sessions.values()
    assert {session.handle for session in sessions} <= {
        event.public["session"] for event in town.audit if event.act is Act.LOGIN
    }
    assert not sessions


async def test_too_many_waiting_hashes_are_an_honest_refusal(town):
    """P12."""
    town.hasher.full = True
    with pytest.raises(UnavailableError):
        await town.try_login("alice", GOOD, a_visitor())


async def test_a_hash_that_was_moved_or_changed_is_refused_and_audited(town):
    """M01: read as damaged, never as "no password"."""
    bob = await town.add_user("bob")
    alice = (await town.administration.list_users(CLI))[0]
    town.store.state.passwords[alice.id] = town.store.state.passwords[bob.id]
    with pytest.raises(TamperError):
        await town.try_login("alice", GOOD, a_visitor())
    assert town.audit[-1].act is Act.TAMPERED
    assert town.audit[-1].subject == alice.id
    assert town.tally.logins["tampered"] == 1
    assert town.store.state.sessions == {}


MEANWHILE = {
    "disabled": lambda town: town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now),
    "deleted": lambda town: town.administration.delete_user(CLI, "alice", now=town.now),
    "out of a group": lambda town: town.administration.set_groups(CLI, "alice", [], now=town.now),
    "all sessions ended": lambda town: town.administration.end_sessions_of(CLI, "alice", now=town.now),
}


@pytest.mark.parametrize("change", MEANWHILE.values(), ids=MEANWHILE.keys())
async def test_rights_lost_during_the_slow_hash_stop_the_sign_in(change):
    """E24, E25, J04: the generation is the one the sign-in began with, or there is no session."""
    town = Town()
    await town.add_user("alice", groups=["staff"])
    visitor = a_visitor()
    started = await town.begin(visitor)
    town.hasher.gate.clear()
    town.hasher.reached.clear()
    trying = asyncio.create_task(town.submit(started.token, "alice", GOOD, visitor))
    await town.hasher.reached.wait()
    await change(town)
    town.hasher.gate.set()
    assert await trying == Refused(Failure.WRONG)
    assert town.store.state.sessions == {}
    assert town.audit[-1].act is Act.LOGIN_FAILED


async def test_rights_lost_after_the_evidence_leave_a_dead_session(town):
    """J04: whatever is stored late belongs to an older generation, and counts for nothing."""
    put = town.store.sessions.put

    async def put_late(session):
        await town.administration.end_sessions_of(CLI, "alice", now=town.now)
        await put(session)

    town.store.sessions.put = put_late
    assert await town.check(await town.enter()) is None


async def test_an_old_hash_is_renewed_at_the_next_sign_in(town):
    """Decision 8."""
    alice = (await town.administration.list_users(CLI))[0]
    before = town.store.state.passwords[alice.id]
    town.hasher.version = "v2"
    await town.enter()
    after = town.store.state.passwords[alice.id]
    assert after.sealed != before.sealed
    assert after.changed_at == before.changed_at
    work = town.hasher.work
    await town.enter()
    assert town.hasher.work == work + 1


async def test_renewing_a_hash_never_undoes_a_new_password(town):
    """E24: whoever wins, the stored hash belongs to the new password."""
    alice = (await town.administration.list_users(CLI))[0]
    town.hasher.version = "v2"
    proof = await town.password.prove(alice, GOOD)
    await town.administration.set_password(CLI, "alice", OTHER, now=town.now)
    async with town.store.records.transaction() as transaction:
        await proof.upgrade(transaction)
    assert not (await town.password.prove(alice, GOOD)).right
    assert (await town.password.prove(alice, OTHER)).right


# Step-up


async def test_a_step_up_proves_the_same_account_again_and_gets_a_new_session(town):
    """E28, J01: fresh proof, new id, the old one dead; the choice to be remembered is kept."""
    visitor = a_visitor()
    old = await town.enter(visitor=visitor, remember=True)
    town.clock.advance(timedelta(hours=1))
    started = await town.begin(visitor, "/sessions", subject=Subject(old.user, old.session))
    assert started.account == old.user
    assert (await town.sign_in.find(started.token, visitor, now=town.now)).account == old.user
    new = await town.submit(started.token, "", GOOD, visitor, previous=fingerprint_of(old))
    assert isinstance(new, SignedIn)
    assert new.session.authenticated_at == town.now
    assert new.session.remembered
    assert await town.check(old) is None
    assert town.audit[-1].act is Act.REAUTHENTICATED


async def test_a_step_up_takes_no_other_account(town):
    """E28: another account's right password does not do, whatever the form says."""
    await town.add_user("bob", password=OTHER)
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    started = await town.begin(visitor, subject=Subject(old.user, old.session))
    refused = await town.submit(started.token, "bob", OTHER, visitor, remember=True)
    assert refused == Refused(Failure.WRONG)
    assert town.audit[-1].subject == old.user.id


async def test_a_step_up_is_counted_like_a_sign_in(town):
    """E06: the side door has the same limits."""
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    failures = []
    for _ in range(5):
        started = await town.begin(visitor, subject=Subject(old.user, old.session))
        failures.append((await town.submit(started.token, "", WRONG, visitor)).failure)
    assert failures == [Failure.WRONG] * 2 + [Failure.LOCKED] * 2 + [Failure.THROTTLED]


async def test_a_step_up_of_a_deleted_account_leads_nowhere(town):
    """E25."""
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    started = await town.begin(visitor, subject=Subject(old.user, old.session))
    await town.administration.delete_user(CLI, "alice", now=town.now)
    assert await town.sign_in.find(started.token, visitor, now=town.now) is None
    assert await town.submit(started.token, "alice", GOOD, visitor) == Refused(Failure.WRONG)


async def _store_hash(town, user, hashed):
    sealed = town.keyring.seal(_place(user), hashed.encode())
    town.store.state.passwords[user.id] = StoredPassword(sealed, town.now)


def _place(user):
    from doorward.flows.methods.password import place_of

    return place_of(user.id)
