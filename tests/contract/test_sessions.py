"""Sessions: what has ended never comes back, and what ended counts as ended at the very next check."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.interfaces import StoredPassword, Use
from doorward.rules.session import Fingerprint, Method, SessionHandle, Subject
from tests.contract.samples import a_session, a_user, add
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
MANY = 24
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
async def _accounts(store):
    await add(store.records, ALICE, BOB)


def touch(store, session, seen_at, user_agent="new", address="192.0.2.1"):
    return store.sessions.touch(session.fingerprint, seen_at=seen_at, user_agent=user_agent, address=address)


async def test_a_session_is_found_as_it_was_put(store):
    plain = a_session(ALICE)
    remembered = a_session(
        BOB, idle_timeout=None, remembered=True, methods=frozenset({Method.PASSKEY}), parent=plain.handle, generation=3
    )
    for session in (plain, remembered):
        await store.sessions.put(session)
        assert await store.sessions.find(session.fingerprint) == session
        assert await store.sessions.find_by_handle(session.handle) == session
    assert store.live_view.find_subject(plain.fingerprint) == Subject(ALICE, plain)
    assert store.live_view.find_subject(remembered.fingerprint) == Subject(BOB, remembered)


async def test_an_unknown_session_is_none(store):
    nothing = Fingerprint(b"\xff" * 32)
    assert await store.sessions.find(nothing) is None
    assert await store.sessions.find_by_handle(SessionHandle("%")) is None
    assert store.live_view.find_subject(nothing) is None
    assert not await store.sessions.end(SessionHandle("_"))
    assert not await touch(store, a_session(ALICE), START)


async def test_a_fingerprint_or_handle_is_stored_once(store):
    session = a_session(ALICE)
    await store.sessions.put(session)
    for double in (
        replace(session, handle=SessionHandle("x" * 22)),
        replace(session, fingerprint=Fingerprint(b"x" * 32)),
    ):
        with pytest.raises(ConflictError):
            await store.sessions.put(double)
    assert await store.sessions.count() == 1
    assert await store.sessions.find(session.fingerprint) == session


async def test_a_session_of_nobody_is_refused(store):
    """A sign-in that loses the race against the removal of its account leaves no session (E30)."""
    with pytest.raises(ConflictError):
        await store.sessions.put(a_session(a_user("carol")))
    assert await store.sessions.count() == 0


async def test_a_touch_moves_last_seen_forwards_only(store):
    session = a_session(ALICE)
    await store.sessions.put(session)
    assert await touch(store, session, START + 2 * MINUTE)
    later = replace(session, last_seen_at=START + 2 * MINUTE, user_agent="new", address="192.0.2.1")
    assert await store.sessions.find(session.fingerprint) == later
    assert await touch(store, session, START + MINUTE, user_agent="older")
    assert await store.sessions.find(session.fingerprint) == later
    assert store.live_view.find_subject(session.fingerprint) == Subject(ALICE, later)


async def test_a_touch_puts_idleness_off_but_not_the_end_of_life(store):
    """Idle limit and lifetime are two limits (A-09, C-30)."""
    session = a_session(ALICE, idle_timeout=10 * MINUTE, expires_at=START + 25 * MINUTE)
    endless = a_session(ALICE, idle_timeout=None, expires_at=START + 25 * MINUTE)
    for each in (session, endless):
        await store.sessions.put(each)
        assert await touch(store, each, START + 9 * MINUTE)
    assert await store.sessions.purge(START + 18 * MINUTE) == 0
    for each in (session, endless):
        assert await touch(store, each, START + 18 * MINUTE)
    assert await store.sessions.purge(START + 25 * MINUTE - timedelta(microseconds=1)) == 0
    assert await store.sessions.purge(START + 25 * MINUTE) == 2
    assert await store.sessions.count() == 0


async def test_a_touch_never_brings_back_what_has_ended(store):
    """Ended by somebody, by idleness, by lifetime: an update only ever finds what lives (J16, J13)."""
    ended, idle, over = (
        a_session(ALICE),
        a_session(ALICE, idle_timeout=MINUTE),
        a_session(ALICE, idle_timeout=None, expires_at=START + MINUTE),
    )
    for session in (ended, idle, over):
        await store.sessions.put(session)
    assert await store.sessions.end(ended.handle)
    for session in (ended, idle, over):
        assert not await touch(store, session, START + MINUTE)
    assert await store.sessions.find(ended.fingerprint) is None
    assert await store.sessions.find(idle.fingerprint) == idle
    assert await store.sessions.purge(START + MINUTE) == 2


async def test_touches_racing_an_end_lose(store):
    """100 checks in parallel with a sign-out (J16)."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    touches = [touch(store, session, START + timedelta(seconds=number)) for number in range(MANY)]
    await asyncio.gather(*touches[: MANY // 2], store.sessions.end(session.handle), *touches[MANY // 2 :])
    assert await store.sessions.find(session.fingerprint) is None
    assert store.live_view.find_subject(session.fingerprint) is None
    assert await store.sessions.count() == 0


async def test_a_session_ends_once(store):
    """Whoever ends it hears so, the others that there was none (A-13)."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    results = await asyncio.gather(*(store.sessions.end(session.handle) for _ in range(MANY)))
    assert sorted(results) == [False] * (MANY - 1) + [True]
    assert await store.sessions.find(session.fingerprint) is None
    assert await store.sessions.find_by_handle(session.handle) is None
    assert store.live_view.find_subject(session.fingerprint) is None


async def test_ending_all_sessions_spares_other_accounts_and_the_one_to_keep(store):
    """Sign out everywhere (J03)."""
    mine = [a_session(ALICE) for _ in range(5)]
    other = a_session(BOB)
    for session in (*mine, other):
        await store.sessions.put(session)
    assert await store.sessions.end_all_of(ALICE.id, keep=mine[2].handle) == 4
    assert await store.sessions.list_of(ALICE.id) == [mine[2]]
    assert await store.sessions.end_all_of(ALICE.id) == 1
    assert await store.sessions.end_all_of(ALICE.id) == 0
    assert await store.sessions.list_all() == [other]
    assert await store.sessions.count() == 1
    # One may come after all have ended.
    again = a_session(ALICE)
    await store.sessions.put(again)
    assert await store.sessions.find(again.fingerprint) == again


async def test_sessions_end_with_the_transaction_of_the_act(store):
    """Whoever committed it, this process or another: at the next check they are gone (J04)."""
    for records in (store.records, store.elsewhere):
        kept, ended, other = a_session(ALICE), a_session(ALICE), a_session(BOB)
        for session in (kept, ended, other):
            await store.sessions.put(session)
        stamp, revision = store.live_view.stamp(), store.live_view.revision()
        async with records.transaction() as transaction:
            await transaction.end_sessions_of(ALICE.id, keep=kept.handle)
        assert store.live_view.stamp() != stamp
        assert store.live_view.find_subject(ended.fingerprint) is None
        assert store.live_view.revision() > revision
        assert store.live_view.find_subject(kept.fingerprint) == Subject(ALICE, kept)
        assert await store.sessions.list_of(ALICE.id) == [kept]
        async with records.transaction() as transaction:
            await transaction.end_session(other.handle)
            await transaction.end_sessions_of(ALICE.id)
        assert await store.sessions.find(other.fingerprint) is None
        assert await store.sessions.find_by_handle(kept.handle) is None
        assert await store.sessions.count() == 0
        assert not await touch(store, kept, START + MINUTE)


async def test_a_transaction_ends_a_session_once(store):
    session = a_session(ALICE)
    await store.sessions.put(session)

    async def end():
        async with store.records.transaction() as transaction:
            return await transaction.end_session(session.handle)

    results = await asyncio.gather(*(end() for _ in range(MANY)))
    assert sorted(results) == [False] * (MANY - 1) + [True]
    assert store.live_view.find_subject(session.fingerprint) is None


async def test_a_session_put_after_an_end_of_all_lives(store):
    """An end speaks of what was there, not of later sign-ins; purging forgets that it ever was."""
    async with store.elsewhere.transaction() as transaction:
        await transaction.end_sessions_of(ALICE.id)
    session = a_session(ALICE)
    await store.sessions.put(session)
    assert await store.sessions.purge(START) == 0
    async with store.elsewhere.transaction() as transaction:
        await transaction.end_sessions_of(BOB.id)
    assert await store.sessions.purge(START) == 0
    assert store.live_view.find_subject(session.fingerprint) == Subject(ALICE, session)


async def test_lists_are_in_the_order_last_seen_and_come_in_pages(store):
    sessions = [a_session(ALICE if number % 2 else BOB, last_seen_at=START + number * MINUTE) for number in range(6)]
    for session in sessions:
        await store.sessions.put(session)
    newest_first = sessions[::-1]
    assert await store.sessions.list_all() == newest_first
    assert await store.sessions.list_all(limit=2, offset=1) == newest_first[1:3]
    assert await store.sessions.list_all(limit=2, offset=6) == []
    assert await store.sessions.list_of(ALICE.id) == [each for each in newest_first if each.user_id == ALICE.id]
    assert await store.sessions.list_of(a_user("carol").id) == []
    assert await touch(store, sessions[0], START + 7 * MINUTE)
    assert [each.handle for each in await store.sessions.list_all(limit=1)] == [sessions[0].handle]


async def test_the_count_is_right_after_everything_that_changes_it(store):
    assert await store.sessions.count() == 0
    sessions = [a_session(ALICE, expires_at=START + (number + 1) * MINUTE) for number in range(8)]
    await asyncio.gather(*(store.sessions.put(session) for session in sessions))
    assert await store.sessions.count() == 8
    await asyncio.gather(*(store.sessions.end(sessions[0].handle) for _ in range(3)))
    assert await store.sessions.count() == 7
    assert await store.sessions.purge(START + 3 * MINUTE) == 2
    assert await store.sessions.count() == 5
    await store.sessions.end_all_of(ALICE.id, keep=sessions[7].handle)
    assert await store.sessions.count() == 1
    async with store.records.transaction() as transaction:
        await transaction.remove_user(ALICE.id)
    assert await store.sessions.count() == 0


async def test_the_live_view_sees_accounts_as_they_are_now(store):
    """Disabled, demoted, renamed: read fresh, through any connection (J04, E25)."""
    session = a_session(ALICE)
    await store.sessions.put(session)
    changed = replace(ALICE, enabled=False, groups=frozenset(), display_name="Other", generation=4, is_admin=True)
    for records, old, new in ((store.elsewhere, ALICE, changed), (store.records, changed, ALICE)):
        stamp, revision = store.live_view.stamp(), store.live_view.revision()
        async with records.transaction() as transaction:
            await transaction.advance_user(old, new)
        assert store.live_view.stamp() != stamp
        assert store.live_view.revision() > revision
        assert store.live_view.find_subject(session.fingerprint) == Subject(new, session)
        assert store.live_view.find_user_by_name("alice") == new


async def test_the_live_view_finds_accounts_that_come_and_go(store):
    """An account in place of a sign-in is there from the commit that makes it to the one that takes it (D-11)."""
    carol, stamps = a_user("carol"), [store.live_view.stamp()]
    assert store.live_view.find_user_by_name("carol") is None
    async with store.elsewhere.transaction() as transaction:
        await transaction.add_user(carol)
    stamps.append(store.live_view.stamp())
    assert store.live_view.find_user_by_name("carol") == carol
    async with store.records.transaction() as transaction:
        await transaction.remove_user(carol.id)
    stamps.append(store.live_view.stamp())
    assert store.live_view.find_user_by_name("carol") is None
    assert len(set(stamps)) == len(stamps)


async def test_the_stamp_changes_with_everything_and_the_revision_with_losses_only(store):
    """What the gate remembers is asked for again after a loss, and only then."""
    view, session, second = store.live_view, a_session(ALICE), a_session(ALICE)
    seen = {view.stamp()}
    revision = view.revision()

    def changed():
        known = view.stamp() in seen
        seen.add(view.stamp())
        return not known

    await store.sessions.put(session)
    assert changed()
    await store.sessions.put(second)
    assert changed()
    assert await touch(store, session, START + MINUTE)
    assert changed()
    await add(store.elsewhere, a_user("carol"))
    assert changed()
    assert view.revision() == revision
    assert view.stamp() == view.stamp()

    assert await store.sessions.end(session.handle)
    assert changed()
    assert view.revision() > revision
    revision = view.revision()
    assert not await store.sessions.end(session.handle)
    assert view.revision() == revision

    async with store.elsewhere.transaction() as transaction:
        await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
    assert changed()
    assert view.revision() > revision
    revision = view.revision()
    assert await store.sessions.end_all_of(ALICE.id) == 1
    assert changed()
    assert view.revision() > revision
    revision = view.revision()
    async with store.elsewhere.transaction() as transaction:
        await transaction.remove_user(BOB.id)
    assert changed()
    assert view.revision() > revision


async def test_what_was_purged_is_remembered_nowhere(store):
    """Nobody can end what is not stored, so a gate that knows of it must ask again (J03, J13)."""
    await store.sessions.put(a_session(ALICE, idle_timeout=MINUTE))
    revision = store.live_view.revision()
    assert await store.sessions.purge(START) == 0
    assert store.live_view.revision() == revision
    assert await store.sessions.purge(START + MINUTE) == 1
    assert store.live_view.revision() > revision


async def test_many_uses_at_once_are_as_many_single_ones(store):
    """J16: forwards only, and nothing ended comes back."""
    used, early, ended, unlimited = (
        a_session(ALICE),
        a_session(ALICE),
        a_session(BOB),
        a_session(BOB, idle_timeout=None, remembered=True),
    )
    for session in (used, early, ended, unlimited):
        await store.sessions.put(session)
    assert await touch(store, early, START + 2 * MINUTE, "newer")
    await store.sessions.end(ended.handle)
    seen_at = START + MINUTE
    await store.sessions.touch_all(
        [Use(session.fingerprint, seen_at, "many", "192.0.2.9") for session in (used, early, ended, unlimited)]
    )
    for session in (used, unlimited):
        assert await store.sessions.find(session.fingerprint) == replace(
            session, last_seen_at=seen_at, user_agent="many", address="192.0.2.9"
        )
    assert (await store.sessions.find(early.fingerprint)).user_agent == "newer"
    assert await store.sessions.find(ended.fingerprint) is None
    await store.sessions.touch_all([])
