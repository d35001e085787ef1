"""The chain looked after: checkpoints made when due and sent, records copied, the chain walked, and breaks told."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from doorward.errors import PeerError, UnavailableError
from doorward.flows.acting import CLI
from doorward.flows.audit_watch import AGAIN, COPYING, EVERY, ROUND, AuditWatch
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.audit_lines import read_line
from doorward.rules.checkpoint import Checkpoint
from tests.fakes.alarm import FakeAlarm
from tests.fakes.neighbours import FakeLog
from tests.fakes.system import START
from tests.unit.test_audit_trail import Place

NOW = START + timedelta(hours=1)


class Watched(Place):
    """A trail that is looked after; `sent` by place, `trouble` of places."""

    def __init__(self, places=("file", "mail"), *, copies=False):
        super().__init__(is_sent=bool(places))
        self.sent, self.trouble, self.copied = [], {}, []
        self.alarm, self.log = FakeAlarm(), FakeLog()
        self.watch = AuditWatch(
            records=self.store.records,
            trail=self.trail,
            places={name: self._sender(name) for name in places},
            copy_out=self._copy if copies else None,
            alarm=self.alarm,
            log=self.log,
        )

    def _sender(self, name):
        async def send(line):
            if name in self.trouble:
                raise self.trouble[name]
            self.sent.append((name, read_line(line.encode())[0].sequence))

        return send

    async def _copy(self, lines):
        if "copy" in self.trouble:
            raise self.trouble["copy"]
        self.copied += [json.loads(line)["sequence"] for line in lines]

    async def fill(self, count):
        for _ in range(count):
            await self.act()

    async def state(self):
        return await self.trail.find_state(CLI)

    def edit(self, number):
        record = self.store.state.audit[number - 1]
        self.store.state.audit[number - 1] = replace(record, event=replace(record.event, actor="mallory"))


async def test_what_is_due_is_done_now_and_then():
    place = Watched()
    await place.fill(2)
    await place.watch.run_due(NOW)
    assert place.sent == [("file", 2), ("mail", 2)]
    await place.fill(5)
    await place.watch.run_due(NOW + EVERY / 2)
    assert len(place.sent) == 2
    await place.watch.run_due(NOW + EVERY)
    assert place.sent[2:] == [("file", 7), ("mail", 7)]
    state = await place.state()
    assert (state.unsent, state.verifying.done_at, state.verifying.trouble) == (0, NOW + EVERY, "")


async def test_a_place_that_does_not_take_a_checkpoint_is_tried_again_and_told_of():
    place = Watched()
    await place.fill(1)
    place.trouble["mail"] = UnavailableError("no answer")
    await place.watch.run_due(NOW)
    assert place.sent == [("file", 1)]
    state = await place.state()
    assert state.checkpoint.trouble == "mail: no answer"
    assert place.alarm.rung() == [(AlertKind.CHECKPOINT_NOT_SENT.value, "audit")]
    del place.trouble["mail"]
    assert await place.watch.send_waiting(NOW + AGAIN / 2) == 0
    assert await place.watch.send_waiting(NOW + AGAIN) == 1
    # What the file had, it does not get again.
    assert place.sent == [("file", 1), ("mail", 1)]
    assert (await place.state()).checkpoint.trouble == ""


async def test_a_checkpoint_that_goes_out_is_one_that_verifies():
    place = Watched(places=("file",))
    lines = []

    async def keep(line):
        lines.append(line)

    place.watch._places = {"file": keep}
    await place.fill(3)
    await place.watch.stop(NOW)
    point, _ = read_line(lines[0].encode())
    assert isinstance(point, Checkpoint)
    del place.store.state.audit[1:]
    place.store.state.checkpoints.clear()
    verdict = await place.trail.verify(CLI, known=[point], now=NOW)
    assert [flaw.text for flaw in verdict.flaws] == ["records 2 to 3 were cut off the end"]


async def test_records_are_copied_once_each_and_after_a_failure_all_the_same():
    """2.15."""
    place = Watched(places=(), copies=True)
    await place.fill(3)
    await place.watch.run_due(NOW)
    assert place.copied == [1, 2, 3]
    place.trouble["copy"] = PeerError("full")
    await place.fill(2)
    assert await place.watch.copy_new(NOW) == 0
    async with place.store.records.transaction() as transaction:
        assert (await transaction.find_chore(COPYING)).trouble == "full"
    place.trouble.clear()
    assert await place.watch.copy_new(NOW) == 2
    assert place.copied == [1, 2, 3, 4, 5]


async def test_a_broken_chain_is_told_of_where_it_broke():
    """E-73."""
    place = Watched(places=())
    await place.fill(4)
    place.edit(3)
    await place.watch.run_due(NOW)
    assert place.alarm.rung() == [(AlertKind.CHAIN_BROKEN.value, "audit")]
    assert place.alarm.raised[0].values == {"reason": "record 3 was changed"}
    last = place.store.state.audit[-1].event
    assert (last.act, last.public["position"]) == (Act.AUDIT_BROKEN, "3")
    assert (await place.state()).verifying.trouble == "record 3 was changed"
    # It is told once a round, and stands there until a round finds nothing.
    await place.watch.run_due(NOW + EVERY)
    await place.watch.run_due(NOW + 2 * EVERY)
    assert len(place.alarm.raised) == 1
    assert (await place.state()).verifying.trouble


async def test_older_records_are_walked_again_in_the_next_round():
    place = Watched(places=())
    await place.fill(4)
    await place.watch.run_due(NOW)
    place.edit(2)
    await place.watch.run_due(NOW + EVERY)
    assert not place.alarm.raised
    await place.watch.run_due(NOW + ROUND)
    assert place.alarm.raised[0].values == {"reason": "record 2 was changed"}


async def test_a_tail_cut_off_while_we_run_shows_without_any_checkpoint():
    place = Watched(places=())
    await place.fill(4)
    await place.watch.verify_on(NOW)
    del place.store.state.audit[2:]
    await place.watch.verify_on(NOW + EVERY)
    assert place.alarm.raised[0].values == {"reason": "records 3 to 4 were cut off the end"}


async def test_a_long_chain_is_walked_a_piece_at_a_time(monkeypatch):
    monkeypatch.setattr("doorward.flows.audit_trail.PAGE", 3)
    place = Watched(places=())
    await place.fill(20)
    await place.watch.verify_on(NOW)
    assert (await place.state()).verifying.done_at is None
    await place.watch.verify_on(NOW + EVERY)
    assert (await place.state()).verifying.done_at == NOW + EVERY


async def test_an_empty_chain_is_nothing_to_look_after():
    place = Watched()
    await place.watch.run_due(NOW)
    assert place.sent == []


async def test_the_end_is_not_held_up_by_a_store_that_does_not_answer():
    place = Watched()
    place.store.broken = True
    await place.watch.stop(NOW)
    assert place.log.events[-1][0] == "audit_not_finished"


async def test_the_end_is_not_held_up_by_a_place_that_does_not_answer():
    place = Watched(places=("file",))

    async def hang(_line):
        await asyncio.Event().wait()

    place.watch._places = {"file": hang}
    place.watch._finish_within = timedelta(milliseconds=20)
    await place.fill(3)
    await place.watch.stop(NOW)
    assert place.log.events[-1] == ("audit_not_finished", {"error": "it took too long"})
    # It is signed all the same, and sent after the next start.
    async with place.store.records.transaction() as transaction:
        assert len(await transaction.list_unsent_checkpoints(limit=9)) == 1


async def test_what_is_appended_is_found_by_both_walks():
    place = Watched(places=())
    async with place.store.records.transaction() as transaction:
        await transaction.append_audit(AuditEvent(Act.STARTED, "system", "system", START))
    await place.watch.verify_on(NOW)
    assert (await place.trail.verify(CLI, now=NOW)).holds


async def test_a_chain_that_was_rewritten_is_told_of_once_and_not_signed():
    place = Watched()
    await place.fill(2)
    await place.watch.run_due(NOW)
    place.store.state.audit[1] = replace(place.store.state.audit[1], hash=bytes(32))
    await place.fill(5)
    await place.watch.run_due(NOW + EVERY)
    told = [each.values["reason"] for each in place.alarm.raised if each.kind is AlertKind.CHAIN_BROKEN]
    assert "record 2 is not the one that the last checkpoint was made of" in told
    await place.fill(5)
    await place.watch.run_due(NOW + 2 * EVERY)
    await place.watch.stop(NOW + 2 * EVERY)
    assert place.sent == [("file", 2), ("mail", 2)]
