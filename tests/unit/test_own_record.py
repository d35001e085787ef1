"""What is stored of somebody, shown to them; and sign-ins that were not theirs."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from doorward.errors import ForbiddenError, NotFoundError, TamperError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.outcome import Refused
from doorward.rules.app_key import ApiScope
from doorward.rules.audit import Act
from doorward.rules.envelope import Place
from doorward.rules.factor import FactorId, Passkey, RecoveryCode, Totp
from doorward.rules.history import KEPT, SHOWN, SignInNote
from doorward.rules.key_use import KeyPlace
from doorward.rules.login import Failure
from doorward.rules.session import Method, SessionHandle, Subject
from tests.contract.samples import an_app_key, give_keys
from tests.fakes.accounts import Offices
from tests.fakes.flows import a_visitor
from tests.fakes.system import START
from tests.fakes.upstream import a_provider, somebody


@pytest.fixture
async def offices():
    made = Offices()
    await made.town.add_user("root", is_admin=True)
    await made.town.add_user("alice", groups=["staff"])
    return made


async def open_session(offices, login="alice"):
    user = await offices.user_of(login)
    methods = frozenset({Method.PASSWORD})
    opened = offices.opening.prepare(user, a_visitor(), methods=methods, remember=False, now=offices.now)
    await offices.opening.store(opened)
    return Subject(user, opened.session)


async def note(offices, subject, session=None, failure="", agent="Firefox"):
    """A sign-in in the account's history."""
    offices.town.clock.advance(timedelta(seconds=1))
    note_id = offices.town.random.token(16).hex()
    plain = json.dumps({"address": "198.51.100.7", "agent": agent}).encode()
    sealed = offices.town.keyring.seal(Place("sign_ins", "sealed", note_id), plain)
    noted = SignInNote(
        note_id, subject.user.id, offices.now, failure, frozenset({Method.PASSWORD}), session, False, sealed
    )
    async with offices.town.store.records.transaction() as transaction:
        await transaction.note_sign_in(noted)
    return noted


async def test_ones_last_ten_sign_ins_are_shown_with_this_one_marked(offices):
    alice = await open_session(offices)
    for at in range(10):
        await note(offices, alice, failure="wrong", agent=f"Browser {at}")
    await note(offices, alice, SessionHandle("0" * 32))
    this = await note(offices, alice, alice.session.handle)
    shown = await offices.own_record.list_sign_ins(alice)
    assert len(shown) == 10
    assert shown[0].note == this
    assert [each.is_this for each in shown] == [True] + [False] * 9
    assert (shown[0].address, shown[0].agent, shown[2].agent) == ("198.51.100.7", "Firefox", "Browser 9")
    assert shown[2].note.failure == "wrong"
    assert await offices.own_record.list_sign_ins(await open_session(offices, "root")) == []


async def test_no_number_of_failures_pushes_the_last_sign_ins_out_of_sight(offices):
    """Whoever came in, and then keeps failing in somebody's name, stays to be seen."""
    alice = await open_session(offices)
    good = [(await note(offices, alice, SessionHandle("0" * 32))).id for _ in range(7)]
    for _ in range(KEPT + 1):
        await note(offices, alice, failure="wrong")
    own = await offices.own_record.list_sign_ins(alice)
    assert [each.note.failure for each in own] == ["wrong"] * 5 + [""] * 5
    assert [each.note.id for each in own[5:]] == good[:1:-1]
    assert [each.note.id for each in await offices.own_record.list_history(CLI, "alice", limit=SHOWN)] == [
        each.note.id for each in own
    ]
    assert [each.note.failure for each in await offices.own_record.list_history(CLI, "alice", limit=2)] == ["wrong", ""]


async def test_administrators_see_the_history_of_anybody_and_nobody_else_does(offices):
    """L08, L10."""
    alice = await open_session(offices)
    await note(offices, alice)
    assert len(await offices.own_record.list_history(CLI, "ALICE")) == 1
    assert not (await offices.own_record.list_history(CLI, "alice", limit=10**9))[0].is_this
    root = await open_session(offices, "root")
    actor = actor_of(root, a_visitor())
    await offices.town.add_user("boss", is_admin=True)
    await offices.town.administration.set_admin(CLI, "root", is_admin=False, now=offices.now)
    with pytest.raises(ForbiddenError):
        await offices.own_record.list_history(actor, "alice")


async def test_a_note_that_was_changed_is_not_shown(offices):
    alice = await open_session(offices)
    noted = await note(offices, alice)
    history = offices.town.store.state
    key = next(name for name, value in vars(history).items() if noted.id in str(value) and name != "audit")
    forged = SignInNote(noted.id, noted.user_id, noted.at, "", noted.methods, None, False, noted.sealed[:-2] + "AA")
    stored = getattr(history, key)
    if isinstance(stored, dict):
        for place, value in stored.items():
            stored[place] = [forged] if isinstance(value, list) else forged
    else:
        stored[:] = [forged]
    with pytest.raises(TamperError):
        await offices.own_record.list_sign_ins(alice)


async def test_a_copy_holds_everything_and_nothing_that_opens_anything(offices):
    """L11."""
    alice = await open_session(offices)
    user = alice.user
    await note(offices, alice, alice.session.handle)
    await note(offices, alice, failure="locked")
    now = offices.now
    async with offices.town.store.records.transaction() as transaction:
        await transaction.put_totp(Totp(user.id, "sealed-secret", 7, now))
        for at, used in ((1, None), (2, now)):
            passkey = Passkey(
                FactorId(str(at) * 32),
                user.id,
                bytes([at]) * 32,
                "sealed-key",
                f"Key {at}",
                0,
                True,
                False,
                False,
                now,
                used,
            )
            await transaction.add_passkey(passkey)
        await transaction.put_recovery_codes(
            user.id, [RecoveryCode(FactorId("3" * 32), user.id, 0, "sealed-code", now)]
        )
    exported = await offices.own_record.export(alice, a_visitor(), now=now)
    text = json.dumps(exported)
    assert "sealed" not in text
    assert exported["account"]["groups"] == ["staff"]
    factors = exported["second_factors"]
    assert factors["authenticator_app"] == now.isoformat()
    assert factors["recovery_codes_left"] == 1
    assert {(key["name"], key["last_used_at"]) for key in factors["passkeys"]} == {
        ("Key 1", None),
        ("Key 2", now.isoformat()),
    }
    assert [each["handle"] for each in exported["sessions"]] == [alice.session.handle]
    assert [each["outcome"] for each in exported["sign_ins"]] == ["locked", "success"]
    assert exported["password_changed_at"]
    assert offices.town.audit[-1].act.value == "user.export"


async def test_a_copy_for_who_came_with_a_provider_says_so(offices):
    offices.town.providers["idp"] = a_provider(auto_provision=True)
    entered = await offices.town.enter_upstream(somebody(email="carol@example.test", user_name="carol"))
    subject = Subject(entered.user, entered.session)
    exported = await offices.own_record.export(subject, a_visitor(), now=offices.now)
    assert exported["password_changed_at"] is None
    assert exported["second_factors"]["authenticator_app"] is None
    assert exported["providers"][0]["email"] == "carol@example.test"
    assert "token" not in json.dumps(exported)


async def test_copies_are_counted(offices):
    alice = await open_session(offices)
    outcomes = [await offices.own_record.export(alice, a_visitor(), now=offices.now) for _ in range(31)]
    assert isinstance(outcomes[30], Refused)
    assert outcomes[30].failure is Failure.THROTTLED


async def test_a_sign_in_that_was_not_ones_own_ends_everything(offices):
    alice, other = await open_session(offices), await open_session(offices)
    changed = await offices.own_record.disown(alice, other.session.handle, a_visitor(), now=offices.now)
    assert changed.must_change_password
    assert changed.generation == alice.user.generation + 1
    assert offices.town.store.state.sessions == {}
    event = offices.town.audit[-1]
    assert (event.act.value, event.public["session"]) == ("user.session_disown", other.session.handle)


async def test_keys_for_apps_that_were_made_since_go_with_it_and_older_ones_stay(offices):
    """J04: whoever it was may have made one, to stay."""
    alice, root = await open_session(offices), await open_session(offices, "root")
    offices.town.clock.advance(timedelta(minutes=1))
    other = await open_session(offices)
    began = offices.now
    offices.town.clock.advance(timedelta(minutes=1))
    older = an_app_key(alice.user, made_at=began - timedelta(seconds=1))
    newer = an_app_key(alice.user, made_at=began, name="to stay")
    roots = an_app_key(root.user, made_at=offices.now)
    await give_keys(offices.town.store.records, older, newer, roots)
    await offices.own_record.disown(alice, other.session.handle, a_visitor(), now=offices.now)
    async with offices.town.store.records.transaction() as transaction:
        assert {key.id for key in await transaction.list_app_keys()} == {older.id, roots.id}
    event = offices.town.audit[-1]
    assert (event.act, event.subject, event.public["key"]) == (Act.APP_KEY_REVOKED, alice.user.id, newer.id)
    # One that is over, too: its sign-in is on record.
    again, over = await open_session(offices), SessionHandle("0" * 32)
    await note(offices, again, over)
    await give_keys(offices.town.store.records, an_app_key(again.user, made_at=offices.now))
    await offices.own_record.disown(again, over, a_visitor(), now=offices.now)
    async with offices.town.store.records.transaction() as transaction:
        assert [key.id for key in await transaction.list_app_keys(alice.user.id)] == [older.id]


async def test_one_that_is_over_can_be_disowned_too(offices):
    alice = await open_session(offices)
    over = SessionHandle("0" * 32)
    await note(offices, alice, over)
    offices.town.store.state.passwords.clear()
    changed = await offices.own_record.disown(alice, over, a_visitor(), now=offices.now)
    # Without a password there is none to change.
    assert not changed.must_change_password


async def test_other_peoples_sessions_look_like_none(offices):
    """L08."""
    alice, root = await open_session(offices), await open_session(offices, "root")
    for handle in (root.session.handle, SessionHandle("nothing")):
        with pytest.raises(NotFoundError):
            await offices.own_record.disown(alice, handle, a_visitor(), now=offices.now)
    assert len(offices.town.store.state.sessions) == 2


async def test_a_copy_tells_of_keys_for_apps_and_from_where_they_were_used(offices):
    """2.9, L11: and nothing that opens anything; whoever else made one stays unnamed."""
    alice = await open_session(offices)
    place = KeyPlace("198.51.100.7", "Radio/2", ("198.51.100.0/24",))
    full = an_app_key(
        alice.user,
        apps=("radio",),
        networks=(ip_network("10.0.0.0/8"),),
        scopes=frozenset({ApiScope.READ}),
        expires_at=START,
        disabled_at=START,
        last_used_at=START,
    )
    sealed = offices.town.keyring.seal(Place("app_keys", "sealed", full.id), place.write())
    await give_keys(offices.town.store.records, replace(full, sealed=sealed), an_app_key(alice.user, made_by="root-id"))
    exported = await offices.own_record.export(alice, a_visitor(), now=offices.now)
    newest, oldest = exported["app_keys"]
    assert (newest["made_by"], newest["address"], newest["last_used_at"]) == ("somebody else", "", None)
    assert (oldest["made_by"], oldest["address"], oldest["user_agent"]) == ("you", "198.51.100.7", "Radio/2")
    assert oldest["earlier_networks"] == ["198.51.100.0/24"]
    assert (oldest["networks"], oldest["scopes"]) == (["10.0.0.0/8"], ["read"])
    assert oldest["asleep_since"] == oldest["expires_at"] == START.isoformat()
    text = json.dumps(exported)
    assert "sha256:" not in text
    assert "root-id" not in text
