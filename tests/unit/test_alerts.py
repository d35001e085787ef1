"""Telling operators: with the act or not at all, once where it is alike, and not more than anybody can read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, NotFoundError, UnavailableError
from doorward.flows import alert_desk as desk
from doorward.flows.acting import CLI, Actor
from doorward.flows.alert_desk import BATCH, GIVE_UP_AFTER, UNDER_WAY, AlertDesk, Answer, Target
from doorward.flows.alerts import HELD, WINDOW, Alerts, open_alert
from doorward.outside.letters.renderer import LetterWriter
from doorward.rules.alert import AlertKind, AlertLimits, AlertState
from doorward.rules.audit import Act
from doorward.rules.identity import UserId
from tests.contract.samples import a_user, add
from tests.fakes.alarm import FakeMessenger
from tests.fakes.neighbours import FakeKeyring, FakeLog
from tests.fakes.outbox import FakeOutbox
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom

MINUTE = timedelta(minutes=1)
LIMITS = AlertLimits()
SEEN = {"who": "alice", "reason": "no space", "device": "Firefox \x1b[31m"}


class Office:
    def __init__(self, *targets, mail=True, kinds=frozenset(AlertKind), limits=LIMITS, mailed=frozenset(AlertKind)):
        self.store, self.keyring, self.log, self.outbox = (
            FakeStore(),
            FakeKeyring(),
            FakeLog(),
            FakeOutbox(is_open=mail),
        )
        self.messenger = FakeMessenger()
        self.alerts = Alerts(keyring=self.keyring, random=FakeRandom("alerts"), kinds=kinds, limits=limits)
        self.desk = AlertDesk(
            records=self.store.records,
            keyring=self.keyring,
            messenger=self.messenger,
            words=LetterWriter("https://auth.example.test"),
            outbox=self.outbox,
            log=self.log,
            targets=targets,
            mailed=mailed,
        )

    async def raised(self, kind=AlertKind.BACKUP_FAILED, about="", values=SEEN, now=START):
        async with self.store.records.transaction() as transaction:
            await self.alerts.raise_alert(transaction, kind, about, values, now)

    async def all(self):
        async with self.store.records.transaction() as transaction:
            return (await transaction.list_alerts())[::-1]

    async def only(self):
        (alert,) = await self.all()
        return alert

    async def held(self):
        """The newest that tells how many were held back."""
        return [each for each in await self.all() if each.about == HELD][-1]

    async def change(self, alert, **changes):
        async with self.store.records.transaction() as transaction:
            assert await transaction.advance_alert(alert, replace(alert, **changes))


async def test_an_alert_says_what_it_was_raised_with_sealed():
    office = Office()
    await office.raised(about="alice")
    alert = await office.only()
    said = open_alert(office.keyring, alert)
    assert said.values == {**SEEN, "device": "Firefox \ufffd[31m", "at": "2030-01-01 12:00 UTC"}
    assert (alert.kind, alert.about, alert.state) == (AlertKind.BACKUP_FAILED, "alice", AlertState.WAITING)
    assert "no space" not in alert.sealed


async def test_a_quiet_kind_is_kept_nowhere():
    office = Office(kinds=frozenset({AlertKind.LOCKDOWN}))
    await office.raised()
    assert await office.all() == []


@pytest.mark.parametrize("kind", AlertKind)
async def test_what_is_alike_is_told_once_in_a_while(kind):
    office = Office()
    for now in (START, START + kind.repeat_after - MINUTE, START + kind.repeat_after):
        await office.raised(kind, "alice", now=now)
    await office.raised(kind, "bob")
    assert len(await office.all()) == (3 if kind.repeat_after else 4)
    assert kind.meaning


async def test_a_clock_that_was_set_back_hides_nothing():
    office = Office()
    await office.raised(now=START)
    await office.raised(now=START - MINUTE)
    assert len(await office.all()) == 2


async def test_what_is_more_than_the_limit_is_told_as_a_number():
    """Whoever brings about alerts on purpose fills neither the table nor a mailbox."""
    office = Office(Target("phone"), limits=AlertLimits(per_kind=2, overall=9))
    for number in range(6):
        await office.raised(AlertKind.LOCKED_OUT, f"user {number}")
    held = await office.held()
    assert (len(await office.all()), held.about, held.next_try_at) == (3, HELD, START + WINDOW)
    assert open_alert(office.keyring, held).values["held"] == "4"
    await office.desk.deliver_due(START)
    await office.desk.deliver_due(START + WINDOW)
    titles = [title for _, title, _ in office.messenger.sent]
    assert titles == ["An account is locked"] * 2 + ["More alerts were held back"]
    assert "How many more: 4" in office.messenger.sent[-1][2]
    await office.raised(AlertKind.LOCKED_OUT, "user 9", now=START + WINDOW + MINUTE)
    assert len(await office.all()) == 4


async def test_held_ones_that_were_told_already_are_counted_anew():
    office = Office(limits=AlertLimits(per_kind=1, overall=9))
    for number in range(2):
        await office.raised(AlertKind.LOCKED_OUT, f"user {number}")
    held = await office.held()
    await office.change(held, state=AlertState.SENT)
    await office.raised(AlertKind.LOCKED_OUT, "user 7", now=START + MINUTE)
    anew = await office.held()
    assert open_alert(office.keyring, anew).values["held"] == "1"
    await office.change(anew, sealed=held.sealed)
    await office.raised(AlertKind.LOCKED_OUT, "user 8", now=START + 2 * MINUTE)
    assert open_alert(office.keyring, await office.held()).values["held"] == "1"


async def test_the_limit_of_all_kinds_holds_back_all_but_what_must_not_wait():
    office = Office(limits=AlertLimits(per_kind=9, overall=1))
    await office.raised(AlertKind.LOCKED_OUT, "alice")
    await office.raised(AlertKind.BACKUP_FAILED)
    await office.raised(AlertKind.BREAK_GLASS_USED, "alice")
    about = {each.kind: each.about for each in await office.all()}
    assert about == {
        AlertKind.LOCKED_OUT: "alice",
        AlertKind.BACKUP_FAILED: HELD,
        AlertKind.BREAK_GLASS_USED: "alice",
    }


async def test_administrators_are_mailed_and_targets_told():
    """E-73, E-78."""
    office = Office(Target("phone"), Target("room", frozenset({AlertKind.LOCKDOWN})))
    root, plain = a_user("root", is_admin=True, language="de"), a_user("plain")
    away = a_user("away", is_admin=True, enabled=False)
    mute = a_user("mute", is_admin=True, email="")
    await add(office.store.records, root, plain, away, mute)
    await office.raised()
    await office.desk.deliver_due(START)
    (letter,) = office.outbox.letters
    assert (letter.to, letter.language, letter.user_id) == (root.email, "de", root.id)
    assert (letter.values["alert"], letter.values["reason"]) == ("backup_failed", "no space")
    ((target, title, text),) = office.messenger.sent
    assert (target, title) == ("phone", "A backup failed")
    assert "What was wrong: no space" in text
    assert text.endswith("https://auth.example.test/admin/alerts")
    alert = await office.only()
    assert (alert.state, alert.done_at, alert.trouble) == (AlertState.SENT, START, "")


async def test_where_nobody_is_to_be_told_an_alert_is_only_listed():
    office = Office(Target("room", frozenset({AlertKind.LOCKDOWN})), mailed=frozenset())
    await office.raised()
    await office.desk.deliver_due(START)
    assert (await office.only()).state is AlertState.UNSENT
    assert not office.desk.mails
    assert not Office(mail=False).desk.mails
    assert Office().desk.mails


async def test_a_target_that_does_not_answer_is_tried_again_without_the_others():
    office = Office(Target("phone"), Target("room"))
    root = a_user("root", is_admin=True)
    await add(office.store.records, root)
    office.messenger.trouble = {"room": UnavailableError("it answered 502")}
    await office.raised()
    await office.desk.deliver_due(START)
    alert = await office.only()
    assert (alert.state, alert.tries, alert.trouble) == (AlertState.WAITING, 1, "room: it answered 502")
    assert alert.next_try_at == START + MINUTE
    assert [event for event, _ in office.log.events] == ["alert_not_sent"]
    await office.desk.deliver_due(START + MINUTE - timedelta(seconds=1))
    office.messenger.trouble = {}
    await office.desk.deliver_due(START + MINUTE)
    assert [target for target, *_ in office.messenger.sent] == ["phone", "room"]
    assert len(office.outbox.letters) == 1
    assert (await office.only()).state is AlertState.SENT


async def test_tries_are_further_and_further_apart_and_end():
    office = Office(Target("phone"), mail=False)
    office.messenger.trouble = {"phone": KeyError("token")}
    await office.raised()
    waits, now = [], START
    while (alert := await office.only()).state is AlertState.WAITING:
        waits.append(alert.next_try_at - now)
        now = alert.next_try_at
        await office.desk.deliver_due(now)
    assert waits[:4] == [timedelta(0), MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert max(waits) == desk.LONGEST_WAIT
    assert (alert.state, alert.done_at) == (AlertState.FAILED, now)
    assert now - START <= GIVE_UP_AFTER
    assert alert.trouble == "phone: it could not be sent (KeyError)"


async def test_two_processes_tell_an_alert_once():
    office = Office(Target("phone"), mail=False)
    await office.raised()

    async def another():
        office.messenger.meanwhile = None
        alert = await office.only()
        assert (alert.trouble, alert.tries) == (UNDER_WAY, 1)
        await office.desk._deliver(replace(alert, tries=0, trouble=""), START)

    office.messenger.meanwhile = another
    await office.desk.deliver_due(START)
    assert len(office.messenger.sent) == 1


async def test_what_is_not_what_we_wrote_is_told_nobody_and_written_down():
    office = Office(Target("phone"))
    await office.raised()
    await office.change(await office.only(), sealed="gcm1:nonsense")
    changed = await office.only()
    await office.desk.deliver_due(START)
    alert = await office.only()
    assert (alert.state, office.messenger.sent) == (AlertState.FAILED, [])
    await office.desk._deliver(changed, START)
    async with office.store.records.transaction() as transaction:
        (record,) = await transaction.list_audit()
    assert (record.event.act, record.event.public) == (Act.TAMPERED, {"where": "alerts.sealed"})
    ((shown),) = await office.desk.list_alerts(CLI)
    assert shown.written is None


async def test_one_round_tells_a_few():
    office = Office(Target("phone"), mail=False)
    for number in range(BATCH + 1):
        await office.raised(AlertKind.LOCKED_OUT, f"user {number}")
    await office.desk.deliver_due(START)
    assert len(office.messenger.sent) == BATCH
    await office.desk.deliver_due(START)
    assert len(office.messenger.sent) == BATCH + 1


async def test_administrators_see_alerts_in_their_language():
    office = Office()
    await office.raised()
    (shown,) = await office.desk.list_alerts(CLI, language="de", state=AlertState.WAITING)
    assert shown.written is not None
    assert shown.written.subject == "Eine Sicherung ist fehlgeschlagen"
    with pytest.raises(ForbiddenError):
        await office.desk.list_alerts(Actor("somebody", user_id=UserId("somebody")))


async def test_a_test_says_how_each_target_answered():
    office = Office(Target("phone"), Target("room"), Target("mute"))
    office.messenger.trouble = {"room": UnavailableError("it answered 403"), "mute": UnavailableError("")}
    assert await office.desk.test(CLI) == [
        Answer("phone", ""),
        Answer("room", "it answered 403"),
        Answer("mute", "it did not answer"),
    ]
    assert await office.desk.test(CLI, "phone") == [Answer("phone", "")]
    assert office.messenger.sent[0][1] == "Alerts work"
    assert [each.name for each in office.desk.targets] == ["phone", "room", "mute"]
    with pytest.raises(NotFoundError):
        await office.desk.test(CLI, "nobody")
    with pytest.raises(ForbiddenError):
        await office.desk.test(Actor("somebody", user_id=UserId("somebody")))
    assert await Office().desk.test(CLI) == []
    assert await office.all() == []
