"""Coming in with a code on paper: once, for a short time, and everybody hears of it."""

from datetime import timedelta

import pytest

from doorward.errors import Clash, ConflictError, InputError, UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.break_glass import SESSION_LIFETIME, Made
from doorward.flows.outcome import Refused, SignedIn
from doorward.outside.kit_file import KitFile
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.break_glass import hash_code, parse_code, write_code
from doorward.rules.login import Failure
from doorward.rules.session import Method
from tests.fakes.flows import Town, a_visitor


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("root", is_admin=True, groups=("staff",))
    await made.add_user("alice")
    return made


async def make(town, login="root", **more) -> Made:
    return await town.flows.break_glass.make(CLI, login, now=town.now, **more)


async def use(town, code, visitor=None, previous=None):
    return await town.flows.break_glass.use(code, visitor or a_visitor(), previous=previous, now=town.now)


async def test_a_code_opens_a_short_session_with_everything_else_shut(town):
    """E-90: no provider, no password and no second factor is asked for."""
    kit = await make(town)
    town.store.state.passwords.clear()
    town.providers.clear()
    outcome = await use(town, kit.codes[0])
    assert isinstance(outcome, SignedIn)
    assert outcome.user.name == "root"
    assert outcome.session.methods == {Method.BREAK_GLASS}
    assert outcome.session.expires_at == town.now + SESSION_LIFETIME
    assert await town.check(outcome) is not None
    town.clock.advance(SESSION_LIFETIME)
    assert await town.check(outcome) is None


async def test_an_emergency_is_told_of_where_it_begins(town):
    """E-90: a gate without its data tells the services it knows."""
    root = await town.add_user("chief", is_admin=True)
    town.store.state.users.clear()
    town.store.state.first_admin = None
    town.alarms.clear()
    await town.flows.break_glass.open_emergency(root, b"d" * 32, now=town.now)
    assert town.store.state.users == {root.id: root}
    assert town.audit[-1].act is Act.KIT_USED
    assert town.alarms == [(AlertKind.BREAK_GLASS_USED, root.id, {"who": "chief"})]


async def test_a_code_that_began_an_emergency_opens_nothing_before_that_is_noted(town):
    """E-90: it is good once, here or there."""
    kit = await make(town, count=2)
    town.kit_note.spent.add(parse_code(kit.codes[0]))
    assert isinstance(await use(town, kit.codes[0]), Refused)
    await town.flows.break_glass.reconcile()
    assert [entry.digest for entry in town.kit_note.entries] == [parse_code(kit.codes[1])]
    assert isinstance(await use(town, kit.codes[1]), SignedIn)


def test_the_records_of_emergencies_beside_the_data_say_which_codes_are_spent(tmp_path):
    """E-90."""
    note = KitFile(tmp_path)
    assert note.find_spent() == frozenset()
    (tmp_path / "emergency-1.jsonl").write_text('{"code": "0aff"}\n{"more": 1}\n')
    (tmp_path / "emergency-2.jsonl").write_text("damaged")
    (tmp_path / "noted-emergency-3.jsonl").write_text('{"code": "01"}\n')
    assert note.find_spent() == {b"\x0a\xff"}
    (tmp_path / "emergency-4.jsonl").mkdir()
    with pytest.raises(UnavailableError):
        note.find_spent()


async def test_an_emergency_is_noted_its_code_spent_and_everybody_hears_of_it(town):
    """E-90."""
    kit = await make(town)
    digest = parse_code(kit.codes[0])
    for who in ("root", ""):
        town.alarms.clear()
        await town.flows.break_glass.note_emergency(digest, {"file": "x"}, now=town.now)
        assert (town.audit[-1].act, town.audit[-1].public) == (Act.EMERGENCY_NOTED, {"file": "x"})
        ((kind, _, values),) = town.alarms
        assert (kind, values) == (AlertKind.BREAK_GLASS_USED, {"who": who})
    await town.flows.break_glass.note_emergency(b"", {"file": "x"}, now=town.now)
    assert town.audit[-1].subject == "system"
    assert isinstance(await use(town, kit.codes[0]), Refused)


async def test_each_use_is_recorded_and_every_administrator_hears_of_it(town):
    """E-90."""
    kit = await make(town, count=2)
    await use(town, kit.codes[0])
    event = town.audit[-1]
    assert (event.act.value, event.actor, event.public["left"]) == ("break_glass.use", kit.user.id, "1")
    (kind, about, values) = town.alarms[-1]
    assert (kind, about, values["who"]) == (AlertKind.BREAK_GLASS_USED, kit.user.id, "root")
    assert "203.0.113.7" in values["address"]
    assert len(town.store.state.sign_ins) == 1


async def test_a_code_works_once(town):
    kit = await make(town)
    first = await use(town, kit.codes[0])
    assert isinstance(first, SignedIn)
    assert await use(town, kit.codes[0]) == Refused(Failure.WRONG)
    assert town.acts().count("user.login_failed") == 1


async def test_the_session_this_browser_had_ends(town):
    """J01."""
    kit = await make(town)
    before = await town.enter("alice")
    await use(town, kit.codes[0], previous=before.session.fingerprint)
    assert await town.check(before) is None


@pytest.mark.parametrize("typed", ["", "x" * 201, "AAAA-BBBB", "?" * 52, "A" * 52])
async def test_what_is_no_code_opens_nothing(town, typed):
    await make(town)
    assert await use(town, typed) == Refused(Failure.WRONG)


async def test_tries_are_counted(town):
    kit = await make(town)
    for _ in range(5):
        await use(town, "nothing")
    outcome = await use(town, kit.codes[0])
    assert isinstance(outcome, Refused)
    assert outcome.failure is Failure.THROTTLED
    assert outcome.retry_after > timedelta(0)


async def test_a_code_is_for_an_enabled_administrator_alone(town):
    for login, clash in (("alice", Clash.NEEDED), ("gone", Clash.DISABLED)):
        if login == "gone":
            await town.add_user("gone", is_admin=True)
            await town.administration.set_enabled(CLI, "gone", enabled=False, now=town.now)
        with pytest.raises(ConflictError) as refused:
            await make(town, login)
        assert refused.value.clash is clash
    for count in (0, 6):
        with pytest.raises(InputError):
            await make(town, count=count)


async def test_who_lost_the_right_comes_in_no_more_and_the_code_is_not_used_up(town):
    """E-90."""
    await town.add_user("boss", is_admin=True)
    kit = await make(town)
    await town.administration.set_enabled(CLI, "root", enabled=False, now=town.now)
    assert await use(town, kit.codes[0]) == Refused(Failure.WRONG)
    assert not await town.flows.break_glass.is_open(a_visitor(), now=town.now)
    await town.administration.set_enabled(CLI, "root", enabled=True, now=town.now)
    assert isinstance(await use(town, kit.codes[0]), SignedIn)


async def test_a_new_kit_takes_the_place_of_the_old_one(town):
    old, new = await make(town), await make(town)
    assert (old.replaced, new.replaced) == (0, 1)
    assert await use(town, old.codes[0]) == Refused(Failure.WRONG)
    assert isinstance(await use(town, new.codes[0]), SignedIn)


async def test_there_is_a_way_only_while_somebody_has_a_kit(town):
    flow = town.flows.break_glass
    assert not await flow.is_open(a_visitor(), now=town.now)
    await make(town)
    assert await flow.is_open(a_visitor(), now=town.now)
    assert await flow.revoke(CLI, now=town.now) == 1
    assert await flow.revoke(CLI, "root", now=town.now) == 0
    assert not await flow.is_open(a_visitor(), now=town.now)
    assert town.acts().count("break_glass.revoke") == 1
    await make(town)
    assert await flow.revoke(CLI, "root", now=town.now) == 1


async def test_who_only_asks_is_counted_too(town):
    await make(town)
    asked = [await town.flows.break_glass.is_open(a_visitor(), now=town.now) for _ in range(121)]
    assert asked == [True] * 120 + [False]


async def test_what_stands_beside_the_data_says_what_the_data_says(town):
    """E-90: for the day when the data cannot be read."""
    kit = await make(town, count=2)
    note = town.kit_note
    digests = {parse_code(code) for code in kit.codes}
    assert {entry.digest for entry in note.entries} == digests
    assert {(entry.name, entry.groups) for entry in note.entries} == {("root", ("staff",))}
    await use(town, kit.codes[0])
    assert [entry.digest for entry in note.entries] == [parse_code(kit.codes[1])]
    note.entries = []
    await town.flows.break_glass.reconcile()
    assert len(note.entries) == 1


async def test_what_cannot_be_noted_is_not_made(town):
    town.kit_note.broken = True
    with pytest.raises(UnavailableError):
        await make(town)
    assert await town.flows.break_glass.list_kits(CLI) == []


async def test_kits_are_listed_without_what_opens(town):
    kit = await make(town)
    ((listed, user),) = await town.flows.break_glass.list_kits(CLI)
    assert (user.name, listed.used_at, listed.made_by) == ("root", None, "cli")
    assert kit.codes[0] not in repr(listed)
    assert "<svg>" in town.flows.break_glass.draw(kit.codes[0])


def test_a_code_is_read_however_it_is_typed():
    entropy = bytes(range(32))
    code = write_code(entropy)
    assert parse_code(code) == hash_code(entropy)
    assert parse_code(code.lower().replace("-", " ")) == hash_code(entropy)
    assert parse_code(code.replace("O", "0").replace("I", "1").replace("B", "8")) == hash_code(entropy)
