"""Invitations, the history of sign-ins, and what else an account says of itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from doorward.rules.history import KEPT, KEPT_OF_EACH
from doorward.rules.invite import InviteId, InviteState
from doorward.rules.letter import LetterKind, LetterState
from doorward.rules.session import Method, Subject
from tests.contract.samples import a_letter, a_session, a_sign_in, a_user, add, an_invite, queue
from tests.fakes.flows import Town, a_visitor
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
MANY = 50
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
FULL = {
    "must_change_password": True,
    "awaits_approval": True,
    "console_only": True,
    "language": "de",
    "enrol_by": START + timedelta(days=7, microseconds=1),
}


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


@pytest.fixture(autouse=True)
async def _accounts(store):
    await add(store.records, ALICE, BOB)


async def test_what_an_account_says_of_itself_is_the_same_wherever_it_is_read(store):
    """Each word by itself, so that none is taken for another."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    seen = ALICE
    for name, value in FULL.items():
        changed = replace(ALICE, **{name: value})
        revision = store.live_view.revision()
        async with store.records.transaction() as transaction:
            await transaction.advance_user(seen, changed)
        async with store.elsewhere.transaction() as transaction:
            assert await transaction.find_user(ALICE.id) == changed
            assert await transaction.find_user_by_login("alice") == changed
            assert await transaction.list_users() == [changed, BOB]
        assert store.live_view.find_subject(session.fingerprint) == Subject(changed, session)
        assert store.live_view.revision() > revision
        with pytest.raises(ConflictError):
            async with store.records.transaction() as transaction:
                await transaction.advance_user(seen, replace(seen, generation=9))
        seen = changed


async def test_an_account_is_added_with_all_it_says_of_itself(store):
    carol = a_user("carol", **FULL)
    await add(store.records, carol)
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_user(carol.id) == carol


# Invitations


async def find_invite(store, invite):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.find_invite(invite.digest)


async def invite_all(store, *invites):
    async with store.records.transaction() as transaction:
        for invite in invites:
            await transaction.add_invite(invite)


async def test_invitations_are_found_by_their_token_and_listed_newest_first(store):
    bare = an_invite(expires_at=None, max_uses=None, groups=frozenset(), email="", note="", made_at=START)
    full = an_invite(made_by=ALICE.id, uses=3, max_uses=2**40, revoked_at=START + MINUTE, made_at=START + MINUTE)
    await invite_all(store, full, bare)
    for invite in (bare, full):
        assert await find_invite(store, invite) == invite
    async with store.records.transaction() as transaction:
        assert await transaction.list_invites() == [full, bare]
        assert await transaction.find_invite(b"") is None
        assert not await transaction.remove_invite(InviteId("f" * 32))
        assert await transaction.remove_invite(full.id)
        assert not await transaction.remove_invite(full.id)
        assert await transaction.list_invites() == [bare]
        assert not await transaction.advance_invite(full, replace(full, uses=4))


async def test_no_two_invitations_share_a_token_or_an_id(store):
    known = an_invite()
    await invite_all(store, known)
    for again in (an_invite(digest=known.digest), an_invite(id=known.id)):
        with pytest.raises(ConflictError):
            await invite_all(store, again)
    async with store.records.transaction() as transaction:
        assert await transaction.list_invites() == [known]


async def test_of_many_who_use_one_invitation_from_one_state_one_succeeds(store):
    known = an_invite(max_uses=None)
    await invite_all(store, known)

    async def use(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            return await transaction.advance_invite(known, replace(known, uses=1))

    assert sorted(await asyncio.gather(*map(use, range(MANY)))) == [False] * (MANY - 1) + [True]
    assert (await find_invite(store, known)).uses == 1


async def test_an_invitation_lets_in_as_many_as_it_says_and_no_more(store):
    """However many come at once; whoever is refused leaves no account behind."""
    known = an_invite(max_uses=3)
    await invite_all(store, known)

    async def register(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            await transaction.add_user(a_user(f"guest{number}"))
            invite = await transaction.find_invite(known.digest)
            if invite.state(START) is not InviteState.ACTIVE:
                raise Undone
            assert await transaction.advance_invite(invite, replace(invite, uses=invite.uses + 1))

    results = await asyncio.gather(*map(register, range(MANY)), return_exceptions=True)
    assert results.count(None) == 3
    assert sum(isinstance(result, Undone) for result in results) == MANY - 3
    assert (await find_invite(store, known)).state(START) is InviteState.USED_UP
    async with store.records.transaction() as transaction:
        assert len(await transaction.list_users()) == 2 + 3


@pytest.mark.parametrize(
    "change",
    [
        {"made_by": ALICE.id},
        {"made_at": START - MINUTE},
        {"expires_at": None},
        {"max_uses": None},
        {"uses": 1},
        {"groups": frozenset({"staff"})},
        {"email": ""},
        {"note": ""},
        {"revoked_at": START},
    ],
)
async def test_an_invitation_changes_only_from_exactly_the_state_that_was_seen(store, change):
    """Revoking and using do not undo each other."""
    stored, other = an_invite(), an_invite()
    await invite_all(store, stored, other)
    async with store.records.transaction() as transaction:
        assert not await transaction.advance_invite(replace(stored, **change), replace(stored, uses=9))
        for kept in ({"id": other.id}, {"digest": b"x" * 32}):
            with pytest.raises(ValueError, match="never change"):
                await transaction.advance_invite(stored, replace(stored, **kept))
        assert await transaction.advance_invite(stored, replace(stored, **change))
        assert not await transaction.advance_invite(stored, stored)
    assert await find_invite(store, stored) == replace(stored, **change)
    assert await find_invite(store, other) == other


async def test_an_invitation_outlives_the_account_that_made_it(store):
    """What becomes of it is for the administrators who are there to decide."""
    known = an_invite(made_by=ALICE.id)
    await invite_all(store, known)
    async with store.records.transaction() as transaction:
        await transaction.remove_user(ALICE.id)
    assert await find_invite(store, known) == known


# Sign-ins


async def note(store, *notes):
    async with store.records.transaction() as transaction:
        for each in notes:
            await transaction.note_sign_in(each)


async def list_sign_ins(store, user, limit=KEPT):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.list_sign_ins(user.id, limit=limit)


async def test_sign_ins_are_listed_newest_first_and_everyone_sees_their_own(store):
    good = a_sign_in(ALICE, at=START, methods=frozenset(Method))
    bad = a_sign_in(
        ALICE,
        at=START + MICROSECOND,
        failure="wrong_credentials",
        methods=frozenset(),
        session=None,
        new_device=True,
    )
    late, other = a_sign_in(ALICE, at=START + MINUTE), a_sign_in(BOB)
    await note(store, late, good, bad, other)
    assert await list_sign_ins(store, ALICE) == [late, bad, good]
    assert await list_sign_ins(store, ALICE, limit=2) == [late, bad]
    assert await list_sign_ins(store, BOB) == [other]
    assert await list_sign_ins(store, a_user("nobody")) == []


async def test_only_the_last_sign_ins_are_kept_of_each_account(store):
    """A flood of wrong tries costs its account its older wrong ones, nobody else anything, and no more room than this."""
    other = a_sign_in(BOB, at=START)
    # Two by two at one instant, so that the bound falls between what only the id tells apart.
    kept = KEPT_OF_EACH
    notes = [a_sign_in(ALICE, at=START + MINUTE * ((number + 1) // 2)) for number in range(kept + 7)]
    await note(store, other, *notes[:kept])
    assert await list_sign_ins(store, ALICE, limit=1000) == notes[:kept][::-1]
    await note(store, *notes[kept:])
    assert await list_sign_ins(store, ALICE, limit=1000) == notes[: -kept - 1 : -1]
    # A clock that was set back: what is older than all that is kept is not kept.
    await note(store, a_sign_in(ALICE, at=START - MINUTE))
    assert await list_sign_ins(store, ALICE, limit=1000) == notes[: -kept - 1 : -1]
    # Failures drop failures only.
    failed = [a_sign_in(ALICE, at=START + MINUTE * (100 + each), failure="wrong") for each in range(kept + 3)]
    await note(store, *failed)
    assert await list_sign_ins(store, ALICE) == failed[: -kept - 1 : -1] + notes[: -kept - 1 : -1]
    assert await list_sign_ins(store, BOB) == [other]


async def test_many_sign_ins_at_once_are_all_noted(store):
    notes = [a_sign_in(ALICE) for _ in range(MANY)]

    async def sign_in(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            await transaction.note_sign_in(notes[number])

    await asyncio.gather(*map(sign_in, range(MANY)))
    assert await list_sign_ins(store, ALICE) == notes[::-1]


async def test_a_sign_in_is_noted_once_and_of_somebody_who_is_there(store):
    known = a_sign_in(ALICE)
    await note(store, known)
    for wrong in (known, a_sign_in(a_user("ghost"))):
        with pytest.raises(ConflictError):
            await note(store, wrong)
    assert await list_sign_ins(store, ALICE) == [known]


# All of it


async def test_a_removed_account_takes_its_history_and_its_mail_along(store):
    """A letter on its way may hold a link that opens something."""
    mine, others, nobodys = a_letter(user_id=ALICE.id), a_letter(user_id=BOB.id), a_letter()
    kept = a_sign_in(BOB)
    await queue(store.records, mine, others, nobodys)
    await note(store, a_sign_in(ALICE), kept)
    async with store.records.transaction() as transaction:
        assert await transaction.remove_user(ALICE.id)
        assert await transaction.find_letter(mine.id) is None
        assert await transaction.list_letters() == [nobodys, others]
        await transaction.add_user(ALICE)
    assert await list_sign_ins(store, ALICE) == []
    assert await list_sign_ins(store, BOB) == [kept]


async def test_the_letter_that_an_account_is_gone_stays_when_the_others_go(store):
    town = Town(store=store, mailer=object())
    await town.add_user("carol")
    entered = await town.enter("carol")
    subject, profile = Subject(entered.user, entered.session), town.flows.profile
    assert await profile.ask_email(subject, a_visitor(), email="new@example.test", now=town.now) is None
    assert await profile.delete(subject, a_visitor(), now=town.now) is None
    (listed,) = await town.post.list_letters(CLI)
    assert (listed.letter.kind, listed.letter.state) == (LetterKind.ACCOUNT_DELETED, LetterState.WAITING)
    assert (listed.to, listed.user) == ("carol@example.test", None)


async def test_invitations_sign_ins_and_mail_empty_no_gates_memory(store):
    revision = store.live_view.revision()
    invite, letter = an_invite(), a_letter()
    await invite_all(store, invite)
    await queue(store.records, letter)
    await note(store, a_sign_in(ALICE))
    async with store.records.transaction() as transaction:
        await transaction.advance_invite(invite, replace(invite, uses=1))
        await transaction.remove_invite(invite.id)
        await transaction.advance_letter(letter, replace(letter, done_at=START, state=LetterState.SENT))
        await transaction.purge_letters(START + MINUTE)
    assert store.live_view.revision() == revision
