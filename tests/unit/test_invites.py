"""Invitations: made, mailed, taken back, and worth no more than the inviter said."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, NotFoundError
from doorward.flows import invites as module
from doorward.flows.admin import CLI, actor_of
from doorward.flows.outcome import Unacceptable
from doorward.rules.invite import Invite, InviteId, InviteState
from doorward.rules.session import Subject
from tests.fakes.accounts import Offices
from tests.fakes.flows import a_visitor


@pytest.fixture
def offices():
    return Offices()


async def make(offices, actor=CLI, **changes):
    values = {"max_uses": 1, "lifetime": timedelta(days=7), **changes}
    return await offices.invites.make(actor, now=offices.now, **values)


async def an_administrator(offices):
    await offices.town.add_user("root", is_admin=True)
    await offices.town.add_user("other", is_admin=True)
    entered = await offices.town.enter("root")
    return actor_of(Subject(entered.user, entered.session), a_visitor())


async def listed(offices):
    return [invite for invite, _ in await offices.invites.list_states(CLI, now=offices.now)]


async def find(offices, made):
    return await offices.registration.find_invite(made.url.rpartition("=")[2], now=offices.now)


async def test_an_invitation_is_a_link_and_only_its_hash_is_kept(offices):
    """B-13."""
    made = await make(offices, groups=["staff"], note="for\x07 Carol")
    assert made.url.startswith("https://auth.example.test/register?invite=")
    assert await find(offices, made) == made.invite
    assert made.url.rpartition("=")[2] not in str(offices.town.store.state)
    assert (made.invite.groups, made.invite.note, made.mailed) == ({"staff"}, "for\ufffd Carol", False)
    assert await listed(offices) == [made.invite]
    event = offices.town.audit[-1]
    assert (event.act.value, event.actor) == ("admin.invite_create", "cli")
    assert event.public == {"invite": made.invite.id, "uses": "1", "groups": "staff", "mailed": "no"}


async def test_it_is_mailed_to_the_address_it_is_for(offices):
    made = await make(offices, email="CAROL@Example.test", max_uses=None, lifetime=None, language="de")
    assert made.mailed
    letter = offices.outbox.letters[0]
    assert (letter.kind.value, letter.to, letter.language) == ("invite", "carol@example.test", "de")
    assert letter.values["url"] == made.url
    assert made.invite.expires_at is None
    assert "carol" not in str(offices.town.audit[-1].public)


async def test_without_mail_the_link_is_handed_over(offices):
    offices.outbox.is_open = False
    assert not (await make(offices, email="carol@example.test")).mailed


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("groups", {"groups": ["a,b"]}),
        ("email", {"email": "a@b@c"}),
        ("max_uses", {"max_uses": 0}),
        ("max_uses", {"max_uses": 10_001}),
        ("lifetime", {"lifetime": timedelta(0)}),
        ("lifetime", {"lifetime": timedelta(days=366)}),
    ],
)
async def test_what_cannot_be_used_is_said_by_field(offices, field, change):
    outcome = await make(offices, **change)
    assert isinstance(outcome, Unacceptable)
    assert [name for name, _ in outcome.problems] == [field]
    assert await listed(offices) == []


async def test_it_expires_to_the_second(offices):
    """E27."""
    made = await make(offices, lifetime=timedelta(hours=1))
    offices.town.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert isinstance(await find(offices, made), Invite)
    offices.town.clock.advance(timedelta(microseconds=1))
    assert await find(offices, made) is InviteState.EXPIRED


async def test_what_was_taken_back_counts_no_more(offices):
    made = await make(offices)
    first = await offices.invites.revoke(CLI, made.invite.id, now=offices.now)
    audited = len(offices.town.audit)
    assert await find(offices, made) is InviteState.REVOKED
    assert await offices.invites.revoke(CLI, made.invite.id, now=offices.now) == first
    assert len(offices.town.audit) == audited


async def test_what_is_removed_is_gone(offices):
    made = await make(offices)
    await offices.invites.remove(CLI, made.invite.id, now=offices.now)
    assert await find(offices, made) is None
    assert await listed(offices) == []
    for act in (offices.invites.remove, offices.invites.revoke):
        with pytest.raises(NotFoundError):
            await act(CLI, InviteId("0" * 32), now=offices.now)


async def test_it_is_worth_nothing_once_its_maker_administers_no_more(offices):
    actor = await an_administrator(offices)
    made = await make(offices, actor)
    assert made.invite.made_by == actor.user_id
    assert isinstance(await find(offices, made), Invite)
    root = await offices.user_of("root")
    await offices.change(root, replace(root, is_admin=False))
    assert await find(offices, made) is InviteState.REVOKED
    root = await offices.user_of("root")
    await offices.change(root, replace(root, is_admin=True, enabled=False))
    assert await find(offices, made) is InviteState.REVOKED
    async with offices.town.store.records.transaction() as transaction:
        await transaction.remove_user(root.id)
    assert await find(offices, made) is InviteState.REVOKED


async def test_the_list_says_what_each_is_worth_now(offices):
    made = await make(offices)
    actor = await an_administrator(offices)
    by_root = await offices.invites.make(actor, max_uses=1, lifetime=None, now=offices.now)
    states = {each.id: state for each, state in await offices.invites.list_states(CLI, now=offices.now)}
    assert states == {made.invite.id: InviteState.ACTIVE, by_root.invite.id: InviteState.ACTIVE}
    await offices.change(await offices.user_of("root"), replace(await offices.user_of("root"), is_admin=False))
    states = {each.id: state for each, state in await offices.invites.list_states(CLI, now=offices.now)}
    assert states == {made.invite.id: InviteState.ACTIVE, by_root.invite.id: InviteState.REVOKED}


async def test_there_is_an_end_to_invitations(offices, monkeypatch):
    """R04."""
    monkeypatch.setattr(module, "MAX_INVITES", 2)
    await make(offices)
    await make(offices)
    with pytest.raises(ConflictError):
        await make(offices)


async def test_what_opens_nothing_any_more_makes_room_for_another(offices, monkeypatch):
    """R04: taking one back is enough, and the eldest of those goes first."""
    monkeypatch.setattr(module, "MAX_INVITES", 3)
    made = []
    for _ in range(3):
        made.append((await make(offices)).invite.id)
        offices.town.clock.advance(timedelta(minutes=1))
    for taken_back in made[:2]:
        await offices.invites.revoke(CLI, taken_back, now=offices.now)
    another = (await make(offices)).invite.id
    left = {each.id for each, _ in await offices.invites.list_states(CLI, now=offices.now)}
    assert left == {made[1], made[2], another}


ACTS = {
    "list_states": lambda flow, actor, now: flow.list_states(actor, now=now),
    "make": lambda flow, actor, now: flow.make(actor, max_uses=1, lifetime=None, now=now),
    "revoke": lambda flow, actor, now: flow.revoke(actor, InviteId("0" * 32), now=now),
    "remove": lambda flow, actor, now: flow.remove(actor, InviteId("0" * 32), now=now),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_who_administers_no_more_invites_nobody(offices, act):
    """L10."""
    actor = await an_administrator(offices)
    root = await offices.user_of("root")
    await offices.change(root, replace(root, is_admin=False))
    with pytest.raises(ForbiddenError):
        await act(offices.invites, actor, offices.now)


def test_every_act_is_tried_by_a_stranger():
    assert {name for name in vars(module.Invites) if not name.startswith("_")} == set(ACTS)
