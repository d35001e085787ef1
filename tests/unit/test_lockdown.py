"""A lockdown: everything ends at once, nothing new begins, and who locks down does not lock everybody out."""

import base64
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.lockdown import is_shut_to
from doorward.flows.outcome import Refused
from doorward.flows.registration import Openness
from doorward.rules import totp
from doorward.rules.alert import AlertKind
from doorward.rules.factor import RECOVERY_CODES
from doorward.rules.lockdown import LOCKDOWN_SETTING, Lockdown, parse_networks, read_lockdown
from doorward.rules.login import Failure
from doorward.rules.registration import Mode
from doorward.rules.session import Subject
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import Town, a_visitor
from tests.fakes.second import find_user, give_totp

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("root", is_admin=True)
    await made.add_user("alice")
    return made


async def lock(town, actor=CLI, **more):
    return await town.flows.lockdowns.begin(actor, now=town.now, **more)


async def chief(town):
    """Root, signed in, as subject and actor."""
    signed_in = await town.enter("root")
    subject = Subject(signed_in.user, signed_in.session)
    return signed_in, subject, actor_of(subject, a_visitor())


async def test_all_sessions_end_with_one_record_and_another_key(town):
    """E-90."""
    before = [await town.enter("root"), await town.enter("alice")]
    contained = await lock(town, reason="stolen\nlaptop")
    assert contained.accounts == 2
    assert [await town.check(each) for each in before] == [None, None]
    assert town.rotated == 1
    assert town.alarms == [(AlertKind.LOCKDOWN, "", {"by": "", "reason": contained.lockdown.reason})]
    event = town.audit[-1]
    assert (event.act.value, event.actor) == ("incident.lockdown", "cli")
    assert event.private == {"networks": "", "reason": contained.lockdown.reason}
    assert set(event.public) == {"accounts", "kept"}
    assert "\n" not in contained.lockdown.reason
    assert await town.flows.lockdowns.find() == contained.lockdown


async def test_links_that_were_handed_out_are_dead(town):
    """E-90."""
    link = await town.flows.recovery.hand_out(CLI, "alice", now=town.now)
    token = link.url.partition("token=")[2]
    assert await town.flows.recovery.is_good(token, now=town.now)
    await lock(town)
    assert not await town.flows.recovery.is_good(token, now=town.now)


async def test_nobody_registers_or_is_invited_until_it_is_lifted(town):
    """E-90, B-13."""
    town.mode = Mode.OPEN
    await lock(town)
    found = await town.flows.registration.describe()
    assert isinstance(found, Openness)
    assert (found.mode, found.open) == (Mode.CLOSED, False)
    with pytest.raises(ConflictError) as refused:
        await town.flows.invites.make(CLI, max_uses=1, lifetime=None, now=town.now)
    assert refused.value.clash is Clash.LOCKDOWN
    assert await town.flows.lockdowns.lift(CLI, now=town.now) is not None
    assert await town.flows.lockdowns.lift(CLI, now=town.now) is None
    assert town.acts().count("incident.lift") == 1
    assert (await town.flows.registration.describe()).open
    await town.flows.invites.make(CLI, max_uses=1, lifetime=None, now=town.now)


@pytest.mark.parametrize(("name", "shut"), [("alice", True), ("root", False)])
async def test_only_administrators_add_a_second_factor_meanwhile(town, name, shut):
    """E-90: a stolen password is not made into a way in that lasts."""
    await lock(town)
    visitor = a_visitor()
    user = (await town.enter(name)).user
    offer = await town.factors.begin_totp(user, visitor, now=town.now)
    code = totp.make_code(base64.b32decode(offer.secret.replace(" ", "")), totp.step_of(town.now))
    outcome = await town.factors.confirm_totp(user, visitor, token=offer.token, code=code, now=town.now)
    assert (outcome == Refused(Failure.LOCKDOWN)) is shut


@pytest.mark.parametrize(("name", "kept"), [("alice", 0), ("root", 1)])
async def test_only_administrators_add_a_passkey_meanwhile(town, name, kept):
    """E-90: it signs in as well as a password does."""
    await lock(town)
    user, visitor = await find_user(town, name), a_visitor()
    offer = await town.factors.begin_passkey(user, visitor, now=town.now)
    answer = Authenticator().create(offer.options)
    given = {"token": offer.token, "answer": answer, "name": "Phone", "now": town.now}
    outcome = await town.factors.confirm_passkey(user, visitor, **given)
    assert (outcome == Refused(Failure.LOCKDOWN)) is (kept == 0)
    assert len((await town.factors.list_of(user)).passkeys) == kept


@pytest.mark.parametrize(("name", "shut"), [("alice", True), ("root", False)])
async def test_only_administrators_get_new_recovery_codes_meanwhile(town, name, shut):
    """E-90: whoever took over a session prints themselves nothing."""
    await give_totp(town, name)
    await lock(town)
    visitor = a_visitor()
    user = await find_user(town, name)
    offer = await town.factors.begin_codes(user, visitor, now=town.now)
    outcome = await town.factors.acknowledge_codes(user, visitor, token=offer.token, now=town.now)
    assert outcome == (Refused(Failure.LOCKDOWN) if shut else RECOVERY_CODES)


async def test_who_locks_down_may_go_on_in_this_browser_alone(town):
    """E-90: and with a new session, for the key of the old one is no more."""
    other = await town.enter("root")
    signed_in, subject, actor = await chief(town)
    contained = await lock(town, actor, subject=subject, visitor=a_visitor())
    assert contained.signed_in is not None
    assert await town.check(contained.signed_in) is not None
    assert await town.check(signed_in) is None
    assert await town.check(other) is None
    new = contained.signed_in.session
    assert (new.created_at, new.methods) == (signed_in.session.created_at, signed_in.session.methods)
    assert new.expires_at < signed_in.session.expires_at


async def test_a_session_goes_on_for_nobody_who_lost_a_right_meanwhile(town):
    _, subject, actor = await chief(town)
    flow, once = town.flows.lockdowns, []
    transaction = town.store.records.transaction

    @asynccontextmanager
    async def meanwhile():
        # The first one after the lockdown itself is that which makes the new session.
        if town.rotated and not once:
            once.append(True)
            await town.administration.end_sessions_of(CLI, "root", now=town.now)
        async with transaction() as opened:
            yield opened

    town.store.records.transaction = meanwhile
    assert (await flow.begin(actor, subject=subject, visitor=a_visitor(), now=town.now)).signed_in is None


async def test_nobody_locks_down_from_outside_the_networks_they_name(town):
    """E-90: who locks down must not lock themselves out."""
    _, subject, actor = await chief(town)
    outside = ("10.0.0.0/8",)
    with pytest.raises(InputError, match=r"you come from 203\.0\.113\.7"):
        await lock(town, actor, subject=subject, visitor=a_visitor(), networks=outside)
    with pytest.raises(InputError, match="an unknown address"):
        await lock(town, actor, visitor=replace(a_visitor(), address=None), networks=outside)
    assert await town.flows.lockdowns.find() is None
    await lock(town, actor, subject=subject, visitor=a_visitor(), networks=("203.0.113.0/24",))
    assert await town.flows.lockdowns.find() is not None


async def test_the_console_locks_nobody_out_for_good(town):
    """E-90: with no way in for any administrator only the machine itself may lock down."""
    _, _, actor = await chief(town)
    town.store.state.passwords.clear()
    with pytest.raises(ConflictError) as refused:
        await lock(town, actor)
    assert refused.value.clash is Clash.LAST_WAY
    await lock(town)
    view = await town.flows.lockdowns.look(CLI, now=town.now)
    assert [(each.user.name, each.may_come) for each in view.prospects] == [("root", False)]
    assert view.address == ""


async def test_it_is_for_administrators(town):
    signed_in = await town.enter("alice")
    with pytest.raises(ForbiddenError):
        actor_of(Subject(signed_in.user, signed_in.session), a_visitor())
    _, subject, actor = await chief(town)
    view = await town.flows.lockdowns.look(actor, a_visitor(), now=town.now)
    assert (view.lockdown, view.address) == (None, "203.0.113.7")
    await town.administration.end_sessions_of(CLI, "root", now=town.now)
    with pytest.raises(ForbiddenError):
        await lock(town, actor, subject=subject, visitor=a_visitor())
    assert await town.flows.lockdowns.find() is None


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"since": "yesterday"}', "not json", '{"networks": 3}'])
async def test_a_row_that_cannot_be_read_is_a_lockdown(town, damaged):
    async with town.store.records.transaction() as transaction:
        await transaction.put_setting(LOCKDOWN_SETTING, damaged)
        alice = await transaction.find_user_by_login("alice")
        assert await is_shut_to(transaction, alice)
    found = await town.flows.lockdowns.find()
    assert found is not None
    assert not found.readable
    assert not found.admits(ip_address("127.0.0.1"))


def test_what_is_written_is_read():
    lockdown = Lockdown(NOON, "cli", "why", parse_networks(["10.0.0.0/8", "2001:db8::/32", " 10.0.0.0/8 "]))
    assert read_lockdown(lockdown.write()) == lockdown
    assert read_lockdown(None) is None


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("11.1.2.3", False),
        ("2001:db9::7", False),
        (None, False),
    ],
)
def test_the_console_is_open_from_the_networks_that_are_named(address, admitted):
    lockdown = Lockdown(NOON, "cli", "", parse_networks(["10.0.0.0/8", "2001:db8::/32"]))
    found = None if address is None else ip_address(address)
    assert lockdown.admits(found) is admitted
    assert Lockdown(NOON, "cli").admits(found)


@pytest.mark.parametrize("texts", [["10.0.0.1/8"], ["home"], ["10.0.0.0/33"], [f"10.{n}.0.0/16" for n in range(65)]])
def test_what_is_no_network_is_refused(texts):
    with pytest.raises(InputError):
        parse_networks(texts)
