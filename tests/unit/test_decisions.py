"""What the gate decided: noted without I/O, bounded, added up, and written by an errand."""

from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, NotFoundError, UnavailableError
from doorward.flows import decisions as flow
from doorward.flows.acting import CLI, Actor
from doorward.flows.decisions import Decisions, Gathering
from doorward.rules.decision import NOBODY, Decision, Wanted
from doorward.rules.identity import UserId
from doorward.rules.policy import Audience, Effect, HostPattern, Policy, Rule
from doorward.rules.reason import Reason
from doorward.web.gate.decisions import STEP, DecisionTally
from doorward.web.gate.endpoint import PATHS
from tests.fakes.gate import PROXY, STRANGER, FakeLog, World, ask, make_user
from tests.fakes.records import FakeStore
from tests.fakes.system import START

MINUTE = timedelta(minutes=1)
ALICE = make_user("alice", "staff")
APP = HostPattern("app.example.test")
TRAEFIK = next(iter(PATHS.values()))


@pytest.fixture
def world():
    return World(Policy([Rule("everyone here", Effect.ALLOW, (APP,), audience=Audience.ANY_USER)]))


def collect(tally):
    return [decision for some in tally.collect() for decision in some]


def check(gate, headers, peer=PROXY):
    return gate.answer(TRAEFIK, b"GET", b"", headers, peer)


def told(decisions):
    return {
        (each.user_id, each.host, each.method, each.shape, each.verdict, each.reason): each.count for each in decisions
    }


def test_a_gate_adds_up_what_it_decides(world):
    """E-71: allowed at first and from memory alike; ids and queries are not kept."""
    gate = world.make_gate()
    cookie = f"doorward={world.sign_in(ALICE)}"
    for number in range(3):
        check(gate, ask("app.example.test", f"/orders/{number}?token=secret", cookie=cookie))
    check(gate, ask("app.example.test", "/orders/7"))
    assert told(collect(gate.decisions)) == {
        (ALICE.id, "app.example.test", "GET", "/orders/{n}", "allow", "rule"): 3,
        (NOBODY, "app.example.test", "GET", "/orders/{n}", "challenge", "no_session"): 1,
    }
    assert collect(gate.decisions) == []


def test_the_same_address_again_moves_the_last_instant(world):
    gate = world.make_gate()
    cookie = f"doorward={world.sign_in(ALICE)}"
    for uri in ("/a?x=1", "/a?x=2", "/a"):
        check(gate, ask("app.example.test", uri, cookie=cookie))
        world.clock.advance(timedelta(seconds=1))
    (decision,) = collect(gate.decisions)
    assert (decision.count, decision.last_at - decision.first_at) == (3, timedelta(seconds=2))


def test_what_strangers_make_up_is_not_kept(world):
    """A host that is not ours, an unheard-of method, no request at all: none of them can fill anything."""
    gate = world.make_gate()
    check(gate, ask("made-up.example.test", "/secret/place"))
    check(gate, ask("app.example.test", "/x", method="MADEUP"))
    check(gate, ask("app.example.test", "no path"))
    check(gate, ask("app.example.test", "/x"), peer=STRANGER)
    assert told(collect(gate.decisions)) == {
        (NOBODY, "", "", "", "deny", "unknown_host"): 1,
        (NOBODY, "app.example.test", "other", "/x", "challenge", "no_session"): 1,
        (NOBODY, "", "", "", "error", "bad_request"): 1,
        (NOBODY, "", "", "", "deny", "proxy_untrusted"): 1,
    }


def test_the_first_and_last_instant_are_exact():
    tally = DecisionTally()
    for minutes in (1, 3, 2):
        tally.note_plain((ALICE.id, b"App.Example.test:443", b"GET", b"/a/%d" % minutes), START + minutes * MINUTE)
    tally.note(ALICE.id, "app.example.test", "GET", "/a/9", "allow", Reason.RULE, START)
    (decision,) = collect(tally)
    assert (decision.host, decision.shape, decision.count) == ("app.example.test", "/a/{n}", 4)
    assert (decision.first_at, decision.last_at) == (START, START + 3 * MINUTE)


def test_no_visitor_can_fill_the_memory():
    """Above the bound the path is given up, then everything but verdict and reason; nothing goes uncounted."""
    tally = DecisionTally(most=8)
    for number in range(40):
        word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:02}")
        tally.note_plain((ALICE.id, b"app.example.test", b"GET", f"/{word}".encode()), START)
        tally.note(UserId(word), "app.example.test", "GET", f"/{word}", "deny", Reason.NO_RULE, START)
    assert len(tally) <= 8 + 2 * 8 + 2
    found = told(collect(tally))
    assert sum(found.values()) == 80
    assert (NOBODY, "", "", "/*", "deny", "no_rule") in found
    assert len(found) <= 2 * 8 + 2


def test_above_the_bound_it_is_counted_who_was_where_and_then_only_that_somebody_was():
    tally = DecisionTally(most=3)
    for name in "abcdefgh":
        for word in ("x", "y"):
            tally.note_plain((UserId(name), b"app.example.test", b"GET", f"/{word}".encode()), START)
    assert len(tally) == 3 + 3 + 1
    found = told(collect(tally))
    assert {key for key in found if key[3] != "/*"} == {
        (UserId(name), "app.example.test", "GET", f"/{word}", "allow", "rule")
        for name, word in (("a", "x"), ("a", "y"), ("b", "x"))
    }
    assert sum(found.values()) == 16
    assert found[NOBODY, "", "", "/*", "allow", "rule"] >= 8
    assert len(tally) == 0


def test_collecting_goes_in_steps_and_ends_though_more_comes():
    tally = DecisionTally()
    for number in range(STEP + 1):
        tally.note_plain((ALICE.id, b"app.example.test", b"GET", b"/" + b"a" * (number % 20) + b"/%d" % number), START)
    steps = 0
    for _ in tally.collect():
        steps += 1
        tally.note_plain((ALICE.id, b"app.example.test", b"GET", b"/later/%d" % steps), START)
    assert steps == 3
    assert len(tally) > 0


def a_decision(**changes):
    values = {
        "user_id": ALICE.id,
        "host": "app.example.test",
        "method": "GET",
        "shape": "/a",
        "verdict": "allow",
        "reason": "rule",
        "count": 1,
        "first_at": START,
        "last_at": START,
    }
    return Decision(**{**values, **changes})


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def decisions(store):
    return Decisions(records=store.records, most=100)


@pytest.fixture
def log():
    return FakeLog()


class Source:
    """What the gate hands over."""

    def __init__(self, *some):
        self.noted = list(some)

    def __call__(self):
        noted, self.noted = self.noted, []
        yield noted


async def pause(_seconds):
    pass


async def test_the_errand_writes_every_quarter_of_a_minute(store, decisions, log):
    source = Source(a_decision())
    gathering = Gathering(collect=source, decisions=decisions, pause=pause, log=log)
    await gathering.run_due(START)
    source.noted = [a_decision(), a_decision(verdict="deny")]
    await gathering.run_due(START + timedelta(seconds=14))
    assert [each.count for each in store.state.decisions.values()] == [1]
    await gathering.run_due(START + timedelta(seconds=15))
    assert sorted(each.count for each in store.state.decisions.values()) == [1, 2]


async def test_nothing_is_written_where_nothing_was_decided(store, decisions, log):
    changes = store.state.changes
    await Gathering(collect=Source(), decisions=decisions, pause=pause, log=log).write()
    assert store.state.changes == changes


async def test_what_could_not_be_written_is_written_later_as_far_as_there_is_room(store, decisions, log, monkeypatch):
    monkeypatch.setattr(flow, "MOST_WAITING", 2)
    source = Source(a_decision())
    gathering = Gathering(collect=source, decisions=decisions, pause=pause, log=log)
    store.broken = True
    with pytest.raises(UnavailableError):
        await gathering.write()
    source.noted = [a_decision(), a_decision(shape="/b"), a_decision(shape="/c")]
    store.broken = False
    await gathering.write()
    assert sorted((each.shape, each.count) for each in store.state.decisions.values()) == [("/a", 2), ("/b", 1)]
    assert ("warning", "decisions_dropped", {"dropped": 1}) in log.lines


async def test_rows_stay_within_their_bound(store, log):
    some = [a_decision(shape=f"/{'a' * number}", last_at=START + number * MINUTE) for number in range(1, 5)]
    bounded = Decisions(records=store.records, most=2)
    await Gathering(collect=Source(*some), decisions=bounded, pause=pause, log=log).write()
    assert sorted(each.shape for each in store.state.decisions.values()) == ["/aaa", "/aaaa"]
    assert ("debug", "decisions_bounded", {"dropped": 2}) in log.lines


async def test_administrators_see_decisions_with_whom_they_are_about(store, decisions):
    async with store.records.transaction() as transaction:
        await transaction.add_user(ALICE)
    await decisions.write([a_decision(), a_decision(user_id=NOBODY), a_decision(user_id=UserId("gone"))])
    found = await decisions.find(CLI, Wanted())
    assert {each.decision.user_id: each.user for each in found} == {ALICE.id: ALICE, NOBODY: None, "gone": None}
    assert [each.user for each in await decisions.find(CLI, Wanted(), login="alice")] == [ALICE]
    with pytest.raises(NotFoundError):
        await decisions.find(CLI, Wanted(), login="bob")
    with pytest.raises(ForbiddenError):
        await decisions.find(Actor(ALICE.id, ALICE.id), Wanted())
