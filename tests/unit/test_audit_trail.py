"""The audit record, looked at: listed, taken out, verified, erased, and signed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, InputError, TamperError
from doorward.flows.acting import CLI, Actor
from doorward.flows.audit_trail import ERASED_AT_ONCE, AuditTrail, Wish
from doorward.flows.stored_keys import load_key
from doorward.rules.audit import Act, AuditEvent, AuditQuery
from doorward.rules.audit_proof import Fault, verify_export
from doorward.rules.checkpoint import Pace, SigningKey, StoredCheckpoint
from doorward.rules.identity import UserId
from doorward.rules.stored_key import AUDIT, INSTALLATION
from tests.contract.samples import a_user
from tests.fakes.exported import OTHER_KEY, a_checkpoint
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom

HOUR = timedelta(hours=1)


class Place:
    """A store with a trail of a few acts of two people."""

    def __init__(self, *, is_sent=False):
        self.store = FakeStore()
        self.trail = AuditTrail(
            records=self.store.records,
            keyring=FakeKeyring(),
            random=FakeRandom("trail"),
            pace=Pace(5, HOUR),
            is_sent=is_sent,
        )

    async def act(self, act=Act.LOGIN, actor="alice-id", subject="alice-id", at=START, **private):
        async with self.store.records.transaction() as transaction:
            event = AuditEvent(act, actor, subject, at, {"method": "password"}, private or {"address": "192.0.2.1"})
            return await transaction.append_audit(event)

    async def export(self, wish=None, *, private=True):
        wish = wish or Wish()
        lines = [line async for line in self.trail.export(CLI, wish, private=private, now=START)]
        return [line.encode() for line in lines]

    async def keys(self):
        return await self.trail.find_public_keys(CLI, now=START)

    async def records(self):
        async with self.store.records.transaction() as transaction:
            return await transaction.walk_audit(AuditQuery(), after=0, limit=10_000)


@pytest.fixture
async def place():
    made = Place()
    async with made.store.records.transaction() as transaction:
        await transaction.put_setting(INSTALLATION, "installation")
        await transaction.add_user(a_user("alice", id="alice-id"))
        await transaction.add_user(a_user("root", id="root-id", is_admin=True))
    for number in range(6):
        await made.act(at=START + number * HOUR)
    await made.act(Act.USER_DISABLED, "root-id", "alice-id", START + 6 * HOUR)
    await made.act(Act.LOGIN_FAILED, "anonymous", "unknown", START + 7 * HOUR)
    return made


async def numbers(place, **wish):
    listed = await place.trail.find(CLI, Wish(**wish), limit=100)
    return [entry.sequence for entry in listed.entries]


async def test_records_are_found_by_who_what_whom_and_when(place):
    """B-38, D-41, E-71."""
    assert await numbers(place, actor="root") == [7]
    assert await numbers(place, actor="root-id") == [7]
    assert await numbers(place, actor="anonymous") == [8]
    assert await numbers(place, about="alice", act="admin.user_disable") == [7]
    assert await numbers(place, act="user.*") == [8, 6, 5, 4, 3, 2, 1]
    assert await numbers(place, since=START + 5 * HOUR, until=START + 7 * HOUR) == [7, 6]
    assert await numbers(place, actor="nobody at all") == []
    with pytest.raises(InputError):
        await numbers(place, act="user.dance")


async def test_records_come_in_pages_with_the_names_of_accounts(place):
    first = await place.trail.find(CLI, Wish(), limit=3)
    assert [entry.sequence for entry in first.entries] == [8, 7, 6]
    assert first.names == {"alice-id": "alice", "root-id": "root"}
    last = await place.trail.find(CLI, Wish(), limit=6, before=first.older)
    assert [entry.sequence for entry in last.entries] == [5, 4, 3, 2, 1]
    assert last.older is None


async def test_an_account_that_is_called_like_nobody_passes_for_nobody(place):
    """Whoever registers as "system" or "cli" is shown, and found, by the id alone."""
    async with place.store.records.transaction() as transaction:
        await transaction.add_user(a_user("cli", id="mallory-id"))
    await place.act(Act.LOGIN, "mallory-id", "mallory-id", START + 8 * HOUR)
    listed = await place.trail.find(CLI, Wish(actor="mallory-id"), limit=9)
    assert [entry.sequence for entry in listed.entries] == [9]
    assert listed.names == {}
    assert await numbers(place, actor="cli") == []


async def test_only_administrators_look(place):
    alice = Actor("alice-id", UserId("alice-id"))
    for asked in (
        place.trail.find(alice, Wish(), limit=1),
        place.trail.find_state(alice),
        place.trail.find_public_keys(alice, now=START),
        place.trail.verify(alice, now=START),
        place.trail.erase_of(alice, "alice", now=START),
        place.trail.erase_before(alice, START, now=START),
    ):
        with pytest.raises(ForbiddenError):
            await asked
    with pytest.raises(ForbiddenError):
        async for _ in place.trail.export(alice, Wish(), private=True, now=START):
            pass


async def test_an_export_verifies_elsewhere_and_is_recorded(place):
    """E-72: with the public key alone."""
    lines = await place.export()
    verdict = verify_export(lines, await place.keys())
    assert verdict.holds
    assert verdict.records == verdict.signed_upto == 9
    assert (await place.records())[-1].act == "admin.audit_export"
    assert b"192.0.2.1" in b"".join(lines)


async def test_whom_an_export_was_about_can_be_forgotten(place):
    """A name or an address, as somebody typed it, is no public part of a record (B-38)."""
    await place.export(Wish(about="alice@example.test", actor="alice", act="user.*"))
    record = (await place.records())[-1]
    assert record.public == {"act": "user.*", "private": "yes"}
    assert record.private == {"about": "alice@example.test", "actor": "alice"}


async def test_an_export_without_personal_data_has_none_and_verifies(place):
    lines = await place.export(private=False)
    assert b"192.0.2.1" not in b"".join(lines)
    assert verify_export(lines, await place.keys()).holds


async def test_a_part_is_exported_and_verifies_as_far_as_it_goes(place):
    lines = await place.export(Wish(actor="root"))
    verdict = verify_export(lines, await place.keys())
    assert verdict.holds
    assert verdict.records == 1
    assert not verify_export([lines[0], lines[-1]], await place.keys()).holds


async def test_the_live_chain_verifies_and_names_what_does_not(place):
    await place.trail.make_checkpoint(now=START)
    assert (await place.trail.verify(CLI, now=START)).holds
    record = place.store.state.audit[3]
    place.store.state.audit[3] = replace(record, event=replace(record.event, actor="mallory"))
    verdict = await place.trail.verify(CLI, now=START)
    assert [(flaw.fault, flaw.first) for flaw in verdict.flaws] == [(Fault.EDITED, 4)]


async def test_a_tail_cut_off_the_live_chain_shows_by_its_checkpoints(place):
    point = await place.trail.make_checkpoint(now=START)
    del place.store.state.audit[5:]
    for known in ((), (point,)):
        verdict = await place.trail.verify(CLI, known=known, now=START)
        assert (Fault.CUT, 6, 8) in [(flaw.fault, flaw.first, flaw.last) for flaw in verdict.flaws]
    # Nothing is signed over the gap.
    assert await place.trail.make_checkpoint(now=START) is None


async def test_a_checkpoint_of_somebody_else_is_refused(place):
    await place.keys()
    with pytest.raises(InputError):
        await place.trail.verify(CLI, known=[a_checkpoint((await place.records())[0], OTHER_KEY)], now=START)


async def test_another_public_key_put_into_the_database_is_not_trusted(place):
    """Field item 9: a swapped key."""
    await place.keys()
    async with place.store.records.transaction() as transaction:
        await load_key(transaction, FakeKeyring(), FakeRandom(), AUDIT, now=START)
    place.store.state.keys[:] = [replace(key, public=OTHER_KEY.public) for key in place.store.state.keys]
    assert OTHER_KEY.public not in await place.keys()
    place.store.state.keys[:] = [
        *place.store.state.keys,
        replace(place.store.state.keys[0], number=99, sealed="", retired_at=START),
    ]
    assert OTHER_KEY.public not in await place.keys()


async def test_checkpoints_are_made_when_due_and_once(place):
    first = await place.trail.make_checkpoint(now=START, due=True)
    assert first.sequence == 8
    assert await place.trail.make_checkpoint(now=START, due=True) == first
    await place.act()
    assert await place.trail.make_checkpoint(now=START, due=True) is None
    assert (await place.trail.make_checkpoint(now=START)).sequence == 9
    state = await place.trail.find_state(CLI)
    assert (state.head, state.checkpoint.checkpoint.sequence, state.unsent) == (9, 9, 0)


@pytest.mark.parametrize("more", [0, 3])
async def test_nothing_is_signed_over_another_history_and_it_can_be_taken_out_all_the_same(place, more):
    """Whoever rewrites the chain, hashes and all, gets no checkpoint over it."""
    first = await place.trail.make_checkpoint(now=START)
    place.store.state.audit[7] = replace(place.store.state.audit[7], hash=bytes(32))
    for _ in range(more):
        await place.act()
    with pytest.raises(TamperError, match="record 8 is not the one"):
        await place.trail.make_checkpoint(now=START)
    assert (await place.trail.find_state(CLI)).checkpoint.checkpoint == first
    assert not verify_export(await place.export(), await place.keys()).holds


async def test_an_empty_chain_has_no_checkpoint():
    assert await Place().trail.make_checkpoint(now=START) is None


async def test_where_checkpoints_go_somewhere_they_wait_to_be_sent():
    place = Place(is_sent=True)
    await place.act()
    await place.trail.make_checkpoint(now=START)
    assert (await place.trail.find_state(CLI)).unsent == 1


async def test_the_personal_data_of_somebody_is_erased_and_the_chain_holds(place):
    """B-38, E-74: what was erased, and that it was, is part of the chain."""
    root = Actor("root-id", UserId("root-id"), {"address": "192.0.2.9"})
    assert await place.trail.erase_of(root, "alice", now=START) == 7
    records = await place.records()
    assert [record.sequence for record in records if record.private is None] == [1, 2, 3, 4, 5, 6, 7]
    erasures = [record for record in records if record.act == "admin.audit_erase"]
    assert [each.public["records"] for each in erasures] == ["1-6", "7"]
    assert all(not record.salt for record in records if record.private is None)
    assert (await place.trail.verify(CLI, now=START)).holds
    assert verify_export(await place.export(), await place.keys()).holds


async def test_personal_data_is_erased_by_age(place):
    assert await place.trail.erase_before(CLI, START + 2 * HOUR, now=START + 3 * HOUR) == 2
    assert (await place.trail.verify(CLI, now=START)).holds
    with pytest.raises(InputError):
        await place.trail.erase_before(CLI, START + HOUR, now=START)


async def test_very_much_is_erased_in_several_steps_each_recorded(place):
    for _ in range(ERASED_AT_ONCE):
        await place.act()
    assert await place.trail.erase_before(CLI, START + 9 * HOUR, now=START + 9 * HOUR) == ERASED_AT_ONCE + 8
    assert sum(record.act == "admin.audit_erase" for record in await place.records()) == 2


@pytest.mark.parametrize("word", ["cli", "system", "anonymous", "unknown"])
async def test_only_accounts_are_erased(place, word):
    with pytest.raises(InputError):
        await place.trail.erase_of(CLI, word, now=START)


async def test_somebody_who_is_gone_is_erased_by_id(place):
    await place.act(actor="gone-id", subject="gone-id")
    assert await place.trail.erase_of(CLI, "gone-id", now=START) == 1


async def test_data_that_disappeared_without_a_record_is_named(place):
    async with place.store.records.transaction() as transaction:
        await transaction.erase_private([3])
    verdict = await place.trail.verify(CLI, now=START)
    assert [(flaw.fault, flaw.first) for flaw in verdict.flaws] == [(Fault.ERASED, 3)]


async def test_an_empty_chain_is_whole():
    assert (await Place().trail.verify(CLI, now=START)).holds


async def test_a_stored_checkpoint_that_was_forged_is_named(place):
    await place.trail.make_checkpoint(now=START)
    forged = replace(a_checkpoint((await place.records())[4], SigningKey(bytes(32))), signature=bytes(64))
    async with place.store.records.transaction() as transaction:
        await transaction.put_checkpoint(StoredCheckpoint(checkpoint=forged))
    verdict = await place.trail.verify(CLI, now=START)
    assert [(flaw.fault, flaw.first) for flaw in verdict.flaws] == [(Fault.UNKNOWN_KEY, 5)]
