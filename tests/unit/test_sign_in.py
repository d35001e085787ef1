"""Signing in: counted before it is tried, refused alike, finished once, and always with a new session."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import InputError, TamperError, UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.login import MIN_FAILURE_TIME
from doorward.flows.opening import SessionTerms
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.throttle import LoginLimits
from doorward.interfaces import StoredPassword
from doorward.rules.audit import Act
from doorward.rules.login import Failure, Step
from doorward.rules.session import Method, Subject
from doorward.rules.throttle import Window
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor, fingerprint_of

WRONG = "Wr0ng-Every-Time!"
FREE = LoginLimits(login=(Window(1000, timedelta(minutes=1)),), account=(Window(1000, timedelta(minutes=1)),))
"""Limits that leave only the lock in the way."""


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


@pytest.fixture
async def free_town():
    made = Town(limits=FREE)
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
    assert started.step is Step.PASSWORD
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


# Counting


async def test_an_address_has_five_tries_a_minute_and_ten_a_quarter(town):
    """A-04, A-30: right or wrong, counted before the work."""
    visitor = a_visitor()
    for _ in range(5):
        await town.enter(visitor=visitor)
    refused = await town.try_login("alice", GOOD, visitor)
    assert refused == Refused(Failure.THROTTLED, timedelta(minutes=1))
    town.clock.advance(timedelta(minutes=1))
    for _ in range(5):
        await town.enter(visitor=visitor)
    town.clock.advance(timedelta(minutes=1))
    work = town.hasher.work
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.THROTTLED
    assert town.hasher.work == work
    assert town.tally.limited["login"] == 2
    town.clock.advance(timedelta(minutes=15))
    await town.enter(visitor=visitor)


async def test_an_ipv6_network_is_one_address(town):
    """E09: a /64 is one visitor, however many addresses it has."""
    failures = [
        (await town.try_login("nobody", WRONG, a_visitor(f"2001:db8:1:2::{number:x}"))).failure for number in range(6)
    ]
    assert failures[5] is Failure.THROTTLED
    assert (await town.try_login("nobody", WRONG, a_visitor("2001:db8:1:3::1"))).failure is Failure.WRONG


async def test_three_failures_lock_the_account_for_this_address(free_town):
    """A-05."""
    town, visitor = free_town, a_visitor()
    for _ in range(3):
        assert (await town.try_login("alice", WRONG, visitor)).failure is Failure.WRONG
    assert town.audit[-1].act is Act.LOGIN_LOCKED
    assert town.audit[-1].public == {"seconds": "30"}
    work = town.hasher.work
    locked = await town.try_login("alice", GOOD, visitor)
    assert locked.failure is Failure.LOCKED
    assert timedelta(0) < locked.retry_after <= timedelta(seconds=30)
    assert town.hasher.work == work
    assert town.tally.limited["login_failures"] == 1
    await town.enter(visitor=a_visitor("198.51.100.9"))
    town.clock.advance(timedelta(seconds=30))
    await town.enter(visitor=visitor)


async def test_the_lock_doubles_up_to_a_quarter_of_an_hour(free_town):
    """A-05."""
    town, visitor = free_town, a_visitor()
    waits = []
    for _ in range(9):
        assert (await town.try_login("alice", WRONG, visitor)).failure is Failure.WRONG
        locked = await town.try_login("alice", WRONG, visitor)
        if locked.failure is Failure.LOCKED:
            waits.append(round(locked.retry_after.total_seconds() + MIN_FAILURE_TIME.total_seconds()))
            town.clock.advance(locked.retry_after)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_an_account_that_does_not_exist_is_locked_just_the_same(free_town):
    """E03: lock, words and time tell nobody whether the account exists."""
    town = free_town
    histories = []
    for login in ("alice", "nobody", "not a name!"):
        visitor = a_visitor(f"203.0.113.{len(histories) + 20}")
        histories.append([await town.try_login(login, WRONG, visitor) for _ in range(7)])
    assert histories[0] == histories[1] == histories[2]
    assert Failure.LOCKED in {refused.failure for refused in histories[0]}


SPELLINGS = ["alice", "Alice", "ALICE ", " aLiCe", "alice@example.test", "ALICE@EXAMPLE.TEST", "alice@Example.test "]
NOBODYS = [
    "\uff41lice",
    "alice\u200b",
    "alice%00",
    "al\u0131ce",
    "\u00e1lice",
    "alice\u202e",
    "alice@@example.test",
    "x" * 900,
]


async def test_all_spellings_of_one_account_count_against_it(free_town):
    """E04: three tries in total, not three for each spelling."""
    town, visitor = free_town, a_visitor()
    failures = [(await town.try_login(spelling, WRONG, visitor)).failure for spelling in SPELLINGS]
    assert failures == [Failure.WRONG] * 3 + [Failure.LOCKED] * 4


async def test_spellings_that_are_nobodys_share_one_counter(free_town):
    """E04, E07: they guess nothing, and fill no memory."""
    town, visitor = free_town, a_visitor()
    failures = [(await town.try_login(spelling, GOOD, visitor)).failure for spelling in NOBODYS]
    assert failures == [Failure.WRONG] * 3 + [Failure.LOCKED] * 5
    assert sum(key.startswith("login_failures:") for key in town.store.state.counters) == 1


async def test_tries_at_the_same_instant_cannot_outrun_the_lock(free_town):
    """Invariant 8: of fifty parallel guesses from one place, three are tried."""
    town, visitor = free_town, a_visitor()
    tokens = [(await town.begin(visitor)).token for _ in range(50)]
    outcomes = await asyncio.gather(*(town.submit(token, "alice", WRONG, visitor) for token in tokens))
    counted = Counter(outcome.failure for outcome in outcomes)
    assert counted == {Failure.WRONG: 3, Failure.LOCKED: 47}


async def test_a_flood_of_made_up_names_locks_nobody_out(town):
    """E07: bounded memory, and a valid sign-in from elsewhere works."""
    attacker = a_visitor("198.51.100.66")
    for number in range(5000):
        started = town.sign_in.begin(attacker, return_to=None, now=town.now)
        begun = await started
        token = getattr(begun, "token", "")
        await town.submit(token, f"user{number}", WRONG, attacker)
    assert len(town.store.state.counters) < 50
    assert sum(map(len, town.store.state.counters.values())) < 200
    await town.enter(visitor=a_visitor("203.0.113.7"))


async def test_a_success_on_an_own_account_clears_no_other_counter(free_town):
    """E10: four wrong for alice, one right for bob, does not begin anew."""
    town, visitor = free_town, a_visitor()
    await town.add_user("bob")
    for _ in range(2):
        await town.try_login("alice", WRONG, visitor)
    await town.enter("bob", visitor=visitor)
    await town.try_login("alice", WRONG, visitor)
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.LOCKED


async def test_a_success_forgets_the_typing_errors_before_it(free_town):
    town, visitor = free_town, a_visitor()
    for _ in range(3):
        await town.try_login("alice", WRONG, visitor)
        await town.try_login("alice", WRONG, visitor)
        await town.enter(visitor=visitor)


async def test_a_success_does_not_give_the_address_its_tries_back(town):
    """E10."""
    visitor = a_visitor()
    for _ in range(4):
        await town.try_login("nobody", WRONG, visitor)
    await town.enter(visitor=visitor)
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.THROTTLED


async def test_strangers_everywhere_slow_an_account_down_and_never_lock_it(town):
    """2.6: the account-wide part only slows."""
    for number in range(10):
        assert (await town.try_login("alice", WRONG, a_visitor(f"198.51.100.{number}"))).failure is Failure.WRONG
    began = town.clock.elapsed()
    await town.enter(visitor=a_visitor("203.0.113.7"))
    assert town.clock.elapsed() - began == pytest.approx(3)
    assert town.tally.limited["login_account"] == 1


async def test_unknown_accounts_are_slowed_alike(town):
    """E03."""
    for login in ("alice", "nobody"):
        for number in range(11):
            await town.try_login(login, WRONG, a_visitor(f"198.51.100.{number}"))
            town.clock.advance(timedelta(seconds=13))
    assert town.tally.limited["login_account"] == 2


async def test_a_device_that_signed_in_before_is_neither_slowed_nor_locked_by_strangers(free_town):
    """2.6: a lock is no tool for locking others out, not even for a neighbour behind the same address."""
    town = Town()
    await town.add_user("alice")
    device = (await town.enter(visitor=a_visitor("203.0.113.7"))).device
    town.clock.advance(timedelta(minutes=2))
    for number in range(12):
        await town.try_login("alice", WRONG, a_visitor(f"198.51.100.{number}"))
    for _ in range(3):
        await town.try_login("alice", WRONG, a_visitor("203.0.113.7", browser="neighbour"))
    began = town.clock.elapsed()
    await town.enter(visitor=a_visitor("203.0.113.7", device=device))
    assert town.clock.elapsed() == began


async def test_a_known_device_that_guesses_is_locked_too(free_town):
    """A-05: the marker opens nothing."""
    town = free_town
    visitor = a_visitor(device=(await town.enter()).device)
    failures = [(await town.try_login("alice", WRONG, visitor)).failure for _ in range(4)]
    assert failures == [Failure.WRONG] * 3 + [Failure.LOCKED]
    assert town.audit[-2].public["known_device"] == "yes"


async def test_the_marker_of_another_account_is_of_no_use(free_town):
    """2.6."""
    town = free_town
    await town.add_user("bob")
    visitor = a_visitor(device=(await town.enter("bob")).device)
    for _ in range(3):
        await town.try_login("alice", WRONG, a_visitor())
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.LOCKED


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
    """R12, decision 14: whichever write fails, there is no session nobody recorded."""
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
    assert failures == [Failure.WRONG] * 3 + [Failure.LOCKED, Failure.THROTTLED]


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
