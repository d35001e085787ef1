"""The queue of mail: nothing is lost, nothing is sent twice knowingly, nothing is kept that opens something."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError, NotFoundError, PeerError, UnavailableError
from doorward.flows import post as house
from doorward.flows.acting import CLI, Actor
from doorward.flows.post import BATCH, GIVE_UP_AFTER, KEEP_FOR, LONGEST_WAIT, MOST_TROUBLE, UNDER_WAY, Post
from doorward.rules.audit import Act
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterId, LetterKind, LetterState, Written
from tests.fakes.flows import FakeKeyring, FakeLog
from tests.fakes.records import FakeStore
from tests.fakes.system import START, FakeRandom

LINK = "https://auth.example.test/reset?token=open-sesame"


class FakeMailer:
    """`interfaces.Mailer`; `trouble` is raised, `meanwhile` runs while a mail is being handed over."""

    def __init__(self):
        self.sent, self.trouble, self.meanwhile = [], None, None

    async def send(self, **mail):
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(mail)


class FakeLetters:
    def render(self, kind, language, values):
        if values.get("broken"):
            raise KeyError("broken")
        return Written(f"{kind.value} {language}", str(sorted(values.items())), "<p>")


class Office:
    def __init__(self, *, mailer=True):
        self.store, self.keyring, self.log, self.mailer = FakeStore(), FakeKeyring(), FakeLog(), FakeMailer()
        self.random = FakeRandom("post")
        self.post = self.another(mailer=mailer)

    def another(self, *, mailer=True):
        """The same queue, as another process has it."""
        return Post(
            records=self.store.records,
            mailer=self.mailer if mailer else None,
            letters=FakeLetters(),
            keyring=self.keyring,
            random=self.random,
            host="auth.example.test",
            log=self.log,
        )

    async def queue(self, *, now=START, to="Alice@Example.test", kind=LetterKind.RESET, user_id="", **values):
        async with self.store.records.transaction() as transaction:
            await self.post.queue(
                transaction, kind, to=to, language="de", values={"url": LINK, **values}, user_id=user_id, now=now
            )

    async def letters(self):
        async with self.store.records.transaction() as transaction:
            return await transaction.list_letters()

    async def letter(self):
        (letter,) = await self.letters()
        return letter

    async def add_user(self, name, *, admin=False):
        user = User(UserId(name), name, name.title(), "", frozenset(), admin, True, 0, START)
        async with self.store.records.transaction() as transaction:
            await transaction.add_user(user)
        return user


async def test_a_letter_is_sent_once_and_forgotten():
    """B-40: what opens something is not kept, and nobody can read it in the records before that either."""
    office = Office()
    await office.queue(name="Alice")
    waiting = await office.letter()
    assert "open-sesame" not in waiting.sealed
    assert (waiting.state, waiting.tries, waiting.next_try_at) == (LetterState.WAITING, 0, START)
    for _ in range(3):
        await office.post.deliver_due(START)
    (mail,) = office.mailer.sent
    assert mail["to"] == "alice@example.test"
    assert mail["subject"] == "reset de"
    assert LINK in mail["text"]
    assert mail["message_id"] == f"<{waiting.id}@auth.example.test>"
    sent = await office.letter()
    assert (sent.state, sent.sealed, sent.trouble, sent.done_at) == (LetterState.SENT, "", "", START)


async def test_without_mail_nothing_is_queued():
    office = Office(mailer=False)
    assert not office.post.is_open
    assert Office().post.is_open
    await office.queue()
    await office.post.deliver_due(START)
    assert await office.letters() == []
    with pytest.raises(ConflictError, match="mail is not set up"):
        await office.post.send_test(CLI, to="a@example.test", now=START)


async def test_a_letter_goes_with_the_act_or_not_at_all():
    office = Office()

    async def fail():
        async with office.store.records.transaction() as transaction:
            await office.post.queue(
                transaction, LetterKind.TEST, to="a@example.test", language="", values={}, user_id="", now=START
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await office.letters() == []


@pytest.mark.parametrize("to", ["", "alice", "a@example.test\r\nBcc: b@example.test", "a@b@c", "ä@example.test"])
async def test_what_is_no_address_is_not_queued(to):
    with pytest.raises(InputError):
        await Office().queue(to=to)


async def test_a_server_that_is_down_gets_the_letter_later():
    office = Office()
    office.mailer.trouble = UnavailableError("nobody there")
    await office.queue()
    now, waits = START, []
    while (letter := await office.letter()).state is LetterState.WAITING:
        waits.append(letter.next_try_at - now)
        now = letter.next_try_at
        await office.post.deliver_due(now)
    assert waits[:5] == [timedelta(minutes=minutes) for minutes in (0, 1, 2, 4, 8)]
    assert max(waits) == LONGEST_WAIT
    assert START + GIVE_UP_AFTER - LONGEST_WAIT < now <= START + GIVE_UP_AFTER
    assert (letter.state, letter.sealed, letter.done_at) == (LetterState.FAILED, "", now)
    assert letter.trouble == "nobody there"
    assert {event for event, _ in office.log.events} == {"mail_not_sent"}


async def test_a_letter_that_waited_is_sent_when_the_server_is_back():
    office = Office()
    office.mailer.trouble = UnavailableError("nobody there")
    await office.queue()
    await office.post.deliver_due(START)
    office.mailer.trouble = None
    await office.post.deliver_due(START)
    assert office.mailer.sent == []
    await office.post.deliver_due(START + timedelta(minutes=1))
    assert (await office.letter()).state is LetterState.SENT
    assert (await office.letter()).tries == 2


async def test_a_letter_that_is_refused_for_good_is_given_up_and_forgotten():
    office = Office()
    office.mailer.trouble = PeerError("550 no such\r\nbox " + "x" * 1000)
    await office.queue()
    await office.post.deliver_due(START)
    letter = await office.letter()
    assert (letter.state, letter.sealed) == (LetterState.FAILED, "")
    assert letter.trouble.startswith("550 no such\ufffd\ufffdbox")
    assert len(letter.trouble) == MOST_TROUBLE


async def test_one_that_is_refused_does_not_hold_up_the_others_and_a_server_that_is_down_does():
    office = Office()
    await office.queue(broken="yes")
    await office.queue(now=START + timedelta(seconds=1))
    await office.queue(now=START + timedelta(seconds=2))
    office.mailer.trouble = PeerError("550")
    await office.post.deliver_due(START + timedelta(minutes=1))
    states = [(letter.state, letter.tries) for letter in reversed(await office.letters())]
    # The first could not even be written; that may be mended, as may a server that does not answer.
    assert states == [(LetterState.WAITING, 1), (LetterState.WAITING, 0), (LetterState.WAITING, 0)]
    assert "It could not be sent: KeyError('broken')" in [letter.trouble for letter in await office.letters()]
    await office.post.deliver_due(START + timedelta(minutes=1))
    states = [(letter.state, letter.tries) for letter in reversed(await office.letters())]
    assert states == [(LetterState.WAITING, 1), (LetterState.FAILED, 1), (LetterState.FAILED, 1)]


async def test_all_that_wait_are_tried_again_at_once_but_what_is_being_sent():
    office = Office()
    office.mailer.trouble = UnavailableError("down")
    for _ in range(3):
        await office.queue()
    await office.post.deliver_due(START)
    first, second, _ = await office.letters()
    async with office.store.records.transaction() as transaction:
        later = START + timedelta(hours=1)
        await transaction.advance_letter(first, replace(first, trouble=UNDER_WAY, next_try_at=later))
        await transaction.advance_letter(second, replace(second, trouble=UNDER_WAY, next_try_at=START))
    assert await office.post.retry_all(CLI, now=START) == 2
    assert sorted(letter.next_try_at for letter in await office.letters()) == [START, START, later]


async def test_a_round_is_bounded():
    office = Office()
    for _ in range(BATCH + 3):
        await office.queue()
    await office.post.deliver_due(START)
    assert len(office.mailer.sent) == BATCH
    await office.post.deliver_due(START)
    assert len(office.mailer.sent) == BATCH + 3


async def test_two_processes_do_not_send_one_letter():
    office = Office()
    for _ in range(5):
        await office.queue()
    await asyncio.gather(*(office.another().deliver_due(START) for _ in range(8)))
    assert len(office.mailer.sent) == len({mail["message_id"] for mail in office.mailer.sent}) == 5


async def test_a_letter_that_is_being_sent_is_left_alone_by_everybody():
    office = Office()
    await office.queue()
    found = []

    async def meanwhile():
        office.mailer.meanwhile = None
        letter = await office.letter()
        found.append(letter.trouble)
        await office.another().deliver_due(START + timedelta(minutes=19))
        with pytest.raises(ConflictError, match="being sent"):
            await office.post.retry(CLI, letter.id, now=START)

    office.mailer.meanwhile = meanwhile
    await office.post.deliver_due(START)
    assert found == [UNDER_WAY]
    assert len(office.mailer.sent) == 1


async def test_a_letter_of_a_process_that_died_is_tried_again():
    office = Office()
    await office.queue()

    async def die():
        raise asyncio.CancelledError

    office.mailer.meanwhile = die
    with pytest.raises(asyncio.CancelledError):
        await office.post.deliver_due(START)
    office.mailer.meanwhile = None
    letter = await office.letter()
    assert (letter.state, letter.trouble) == (LetterState.WAITING, UNDER_WAY)
    # The claim is over: an administrator may hurry it, and the errand takes it by itself.
    await office.post.retry(CLI, letter.id, now=letter.next_try_at)
    await office.another().deliver_due(letter.next_try_at)
    assert [mail["message_id"] for mail in office.mailer.sent] == [f"<{letter.id}@auth.example.test>"]


async def test_a_server_that_holds_the_line_for_ever_is_left(monkeypatch):
    monkeypatch.setattr(house, "TRY_WITHIN", timedelta(0))
    office = Office()

    async def hang():
        await asyncio.Event().wait()

    office.mailer.meanwhile = hang
    await office.queue()
    await office.post.deliver_due(START)
    assert (await office.letter()).trouble == "the mail server took too long"


async def test_a_letter_that_was_tampered_with_is_refused_and_told():
    """T-16."""
    office = Office()
    await office.add_user("alice")
    await office.queue(user_id="alice")
    await office.queue(now=START + timedelta(seconds=1))
    first, second = await office.letters()
    async with office.store.records.transaction() as transaction:
        for letter, other in ((first, second), (second, first)):
            moved = type(letter)(
                letter.id, letter.kind, letter.user_id, other.sealed, letter.state, letter.queued_at, START
            )
            assert await transaction.advance_letter(letter, moved)
    assert [listed.to for listed in await office.post.list_letters(CLI)] == ["", ""]
    await office.post.deliver_due(START + timedelta(seconds=1))
    assert office.mailer.sent == []
    assert {(letter.state, letter.sealed) for letter in await office.letters()} == {(LetterState.FAILED, "")}
    async with office.store.records.transaction() as transaction:
        events = [record.event for record in await transaction.list_audit()]
    assert {(event.act, event.subject) for event in events} == {(Act.TAMPERED, "alice"), (Act.TAMPERED, "system")}


async def test_administrators_see_what_became_of_letters_and_not_what_they_say():
    office = Office()
    alice, root = await office.add_user("alice"), await office.add_user("root", admin=True)
    await office.queue(user_id=alice.id)
    actor = Actor(root.id, root.id)
    (listed,) = await office.post.list_letters(actor)
    assert (listed.to, listed.user) == ("alice@example.test", alice)
    assert "open-sesame" not in repr(listed)
    await office.post.deliver_due(START)
    (listed,) = await office.post.list_letters(actor, state=LetterState.SENT)
    assert (listed.to, listed.user) == ("", alice)
    assert await office.post.list_letters(actor, state=LetterState.WAITING) == []


async def test_the_mail_is_for_administrators_alone():
    office = Office()
    alice = await office.add_user("alice")
    actor = Actor(alice.id, alice.id)
    await office.queue()
    with pytest.raises(ForbiddenError):
        await office.post.list_letters(actor)
    with pytest.raises(ForbiddenError):
        await office.post.retry(actor, (await office.letter()).id, now=START)
    with pytest.raises(ForbiddenError):
        await office.post.send_test(actor, to="a@example.test", now=START)
    assert office.mailer.sent == []


async def test_an_administrator_may_have_a_letter_tried_at_once():
    office = Office()
    office.mailer.trouble = UnavailableError("nobody there")
    await office.queue()
    await office.post.deliver_due(START)
    office.mailer.trouble = None
    letter = await office.letter()
    await office.post.retry(CLI, letter.id, now=START)
    await office.post.deliver_due(START)
    assert (await office.letter()).state is LetterState.SENT
    with pytest.raises(ConflictError, match="done with"):
        await office.post.retry(CLI, letter.id, now=START)
    with pytest.raises(NotFoundError):
        await office.post.retry(CLI, LetterId("0" * 32), now=START)


async def test_a_test_mail_tells_at_once_whether_mail_works():
    office = Office()
    root = await office.add_user("root", admin=True)
    actor = Actor(root.id, root.id)
    sent = await office.post.send_test(actor, to="root@example.test", language="de", now=START)
    assert (sent.state, sent.user_id, office.mailer.sent[0]["subject"]) == (LetterState.SENT, root.id, "test de")
    office.mailer.trouble = PeerError("535 no")
    failed = await office.post.send_test(CLI, to="root@example.test", now=START)
    assert (failed.state, failed.trouble, failed.user_id) == (LetterState.FAILED, "535 no", "")
    with pytest.raises(InputError):
        await office.post.send_test(CLI, to="root", now=START)


async def test_a_test_mail_that_somebody_else_took_is_theirs(monkeypatch):
    office = Office()
    taken = office.post._deliver

    async def slow(letter, now):
        await office.another().deliver_due(now)
        return await taken(letter, now)

    monkeypatch.setattr(office.post, "_deliver", slow)
    assert (await office.post.send_test(CLI, to="a@example.test", now=START)).state is LetterState.WAITING
    assert len(office.mailer.sent) == 1


async def test_letters_are_forgotten_after_a_while():
    office = Office()
    await office.queue()
    await office.post.deliver_due(START)
    await office.post.deliver_due(START)
    await office.post.deliver_due(START + timedelta(minutes=59))
    assert len(await office.letters()) == 1
    await office.post.deliver_due(START + KEEP_FOR + timedelta(hours=1))
    assert await office.letters() == []


async def test_letters_are_forgotten_also_where_mail_was_switched_off_since():
    """What waits is given up with its link, rather than kept for ever, or sent when mail is there again some day."""
    office = Office()
    await office.queue()
    await office.post.deliver_due(START)
    await office.queue(now=START + timedelta(days=1))
    later = office.another(mailer=False)
    await later.deliver_due(START + timedelta(days=2))
    assert {letter.state for letter in await office.letters()} == {LetterState.SENT, LetterState.WAITING}
    now = START + timedelta(days=1) + GIVE_UP_AFTER + timedelta(hours=1)
    await later.deliver_due(now)
    assert {letter.state for letter in await office.letters()} == {LetterState.SENT, LetterState.FAILED}
    assert [letter.sealed for letter in await office.letters()] == ["", ""]
    await later.deliver_due(now + KEEP_FOR + timedelta(hours=1))
    assert await office.letters() == []


async def test_a_mail_that_loses_its_server_between_two_starts_waits():
    office = Office()
    await office.queue()
    letter = await office.letter()
    after = await office.another(mailer=False)._deliver(letter, START)
    assert (after.state, after.trouble) == (LetterState.WAITING, "mail is not set up")
