"""Who needs a second factor, and who may register, as administrators decide it."""

from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, InputError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.policies import Policies
from doorward.rules.factor import Totp
from doorward.rules.mfa import MFA_IN_FORCE, MfaRequired, MfaTerms
from doorward.rules.registration import Mode
from doorward.rules.session import Method, Subject
from tests.fakes.accounts import Offices
from tests.fakes.flows import a_visitor

WITH_TOTP = frozenset({Method.PASSWORD, Method.TOTP})


@pytest.fixture
async def offices():
    made = Offices(mode=Mode.INVITE)
    for name in ("root", "boss"):
        await made.town.add_user(name, is_admin=True)
    await made.town.add_user("alice")
    await protect(made, "root")
    return made


async def protect(offices, login):
    user = await offices.user_of(login)
    async with offices.town.store.records.transaction() as transaction:
        await transaction.put_totp(Totp(user.id, "sealed", 0, offices.now))


async def open_session(offices, login, methods=frozenset({Method.PASSWORD})):
    """A session that proved so much."""
    user = await offices.user_of(login)
    opened = offices.opening.prepare(user, a_visitor(), methods=methods, remember=False, now=offices.now)
    await offices.opening.store(opened)
    return Subject(user, opened.session)


async def living(offices):
    """Whose sessions still count."""
    state = offices.town.store.state
    return sorted(state.users[session.user_id].name for session in state.sessions.values())


async def set_mfa(offices, word, actor=CLI, **more):
    return await offices.policies.set_mfa(actor, word, now=offices.now, **more)


async def test_how_it_stands_and_who_is_unprotected(offices):
    """B-12."""
    await offices.town.add_user("gone", is_admin=True)
    await offices.town.administration.set_enabled(CLI, "gone", enabled=False, now=offices.now)
    view = await offices.policies.find(CLI)
    assert (view.mfa, view.mfa_set_by) == (MfaRequired.NONE, "file")
    assert (view.registration, view.registration_set_by) == (Mode.INVITE, "file")
    assert [user.name for user in view.unprotected] == ["boss"]
    await set_mfa(offices, "admins")
    await offices.policies.set_registration(CLI, "open", now=offices.now)
    view = await offices.policies.find(CLI)
    assert (view.mfa, view.mfa_set_by) == (MfaRequired.ADMINS, "setting")
    assert (view.registration, view.registration_set_by) == (Mode.OPEN, "setting")


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("none", "admins", ["alice"]),
        ("none", "all", []),
        ("admins", "all", ["boss", "root"]),
        ("all", "none", ["alice", "boss", "root"]),
        ("per_rule", "none", ["alice", "boss"]),
        ("none", "per_rule", ["alice", "boss", "root"]),
        ("all", "all", ["alice", "boss", "root"]),
    ],
)
async def test_those_of_whom_more_is_asked_than_before_sign_in_again(offices, before, after, left):
    """B-12. `root` has a factor, so `none` asks for it, too; `per_rule` does not."""
    offices.terms = MfaTerms(MfaRequired(before))
    for login in ("root", "boss", "alice"):
        await open_session(offices, login)
    assert await set_mfa(offices, after) is MfaRequired(after)
    # With `none`, root is asked already.
    expected = sorted({*left, "root"}) if (before, after) in {("none", "admins"), ("none", "all")} else left
    assert await living(offices) == expected
    event = offices.town.audit[-1]
    assert event.act.value == "admin.policy_change"
    assert event.public == {"mfa": after, "before": before, "after": after, "signed_out": str(3 - len(expected))}


async def test_the_word_of_the_console_is_taken_back(offices):
    offices.terms = MfaTerms(MfaRequired.ALL)
    await set_mfa(offices, "none")
    assert await set_mfa(offices, None) is MfaRequired.ALL
    assert offices.town.audit[-1].public["mfa"] == "file"
    assert (await offices.policies.find(CLI)).mfa_set_by == "file"
    assert await offices.policies.set_registration(CLI, None, now=offices.now) is Mode.INVITE


async def test_in_the_console_only_who_has_a_factor_and_showed_it_sets_the_policy(offices):
    """B-12: nobody locks everybody out untried, and a stolen password relaxes nothing."""
    root, boss = await open_session(offices, "root", WITH_TOTP), await open_session(offices, "boss")
    as_root, as_boss = (actor_of(subject, a_visitor()) for subject in (root, boss))
    for actor, proven in (
        (as_boss, boss.session.methods),
        (as_boss, WITH_TOTP),
        (as_root, frozenset({Method.PASSWORD})),
        (as_root, frozenset({Method.PASSWORD, Method.RECOVERY_CODE})),
    ):
        with pytest.raises(ForbiddenError):
            await set_mfa(offices, "all", actor, proven=proven)
    assert (await offices.policies.find(as_root)).mfa is MfaRequired.NONE
    assert await set_mfa(offices, "all", as_root, proven=root.session.methods) is MfaRequired.ALL
    assert await living(offices) == ["root"]


async def test_ones_own_sessions_without_the_factor_end_and_this_one_stays(offices):
    offices.terms = MfaTerms(MfaRequired.PER_RULE)
    root = await open_session(offices, "root", WITH_TOTP)
    await open_session(offices, "root")
    await set_mfa(offices, "admins", actor_of(root, a_visitor()), proven=root.session.methods)
    assert list(offices.town.store.state.sessions.values()) == [root.session]
    assert (await offices.user_of("root")).generation == root.user.generation


def say_in_file(offices, word):
    offices.terms = MfaTerms(MfaRequired(word))


async def settle(offices):
    return await offices.policies.settle_mfa(now=offices.now)


async def test_a_stricter_file_ends_the_sessions_that_prove_too_little(offices):
    """B-12: at the next start, as the console would at once; who proved enough stays."""
    assert await settle(offices) == 0
    events = len(offices.town.audit)
    say_in_file(offices, "admins")
    await open_session(offices, "root", WITH_TOTP)
    for login in ("root", "boss", "alice"):
        await open_session(offices, login)
    assert await settle(offices) == 1
    assert await living(offices) == ["alice", "root", "root"]
    event = offices.town.audit[-1]
    assert (event.act.value, event.actor) == ("admin.policy_change", "system")
    assert event.public == {"mfa": "file", "before": "none", "after": "admins", "ended": "1"}
    assert len(offices.town.audit) == events + 1
    assert await settle(offices) == 0
    assert len(offices.town.audit) == events + 1


@pytest.mark.parametrize("word", ["nonsense", "per_rule", None])
async def test_what_was_in_force_and_cannot_be_read_was_the_mildest(offices, word):
    async with offices.town.store.records.transaction() as transaction:
        await transaction.put_setting(MFA_IN_FORCE, word)
    await open_session(offices, "root", WITH_TOTP)
    await open_session(offices, "root")
    assert await settle(offices) == 1
    assert [session.methods for session in offices.town.store.state.sessions.values()] == [WITH_TOTP]


async def test_the_consoles_word_is_in_force_already_at_the_next_start(offices):
    await settle(offices)
    await set_mfa(offices, "all")
    say_in_file(offices, "admins")
    await open_session(offices, "alice")
    assert await settle(offices) == 0
    assert await living(offices) == ["alice"]


@pytest.mark.parametrize("word", ["", "None", "everybody", "per rule"])
async def test_a_word_that_means_nothing_changes_nothing(offices, word):
    with pytest.raises(InputError):
        await set_mfa(offices, word)
    with pytest.raises(InputError):
        await offices.policies.set_registration(CLI, word, now=offices.now)
    assert offices.town.store.state.settings == {}


ACTS = {
    "find": lambda flow, actor, now: flow.find(actor),
    "set_mfa": lambda flow, actor, now: flow.set_mfa(actor, "none", proven=WITH_TOTP, now=now),
    "set_registration": lambda flow, actor, now: flow.set_registration(actor, "open", now=now),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_who_administers_no_more_decides_nothing(offices, act):
    """L10."""
    actor = actor_of(await open_session(offices, "root", WITH_TOTP), a_visitor())
    await offices.town.administration.set_admin(CLI, "root", is_admin=False, now=offices.now)
    offices.town.clock.advance(timedelta(seconds=1))
    with pytest.raises(ForbiddenError):
        await act(offices.policies, actor, offices.now)


def test_every_act_is_tried_by_a_stranger():
    assert {name for name in vars(Policies) if not name.startswith("_")} == {*ACTS, "settle_mfa"}
