"""The provider's side of sessions: there while the session may be, gone with what ends it, advanced by one at a time."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.provider import ProviderId
from doorward.rules.session import SessionHandle
from doorward.rules.upstream import IdentityId
from tests.contract.samples import a_session, a_user, add, an_identity, an_upstream_session, link
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
HERS, HIS = an_identity(ALICE), an_identity(BOB)
MANY = 24
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


@pytest.fixture(autouse=True)
async def _identities(store):
    await add(store.records, ALICE, BOB)
    await link(store.records, HERS, HIS)


async def note(store, *sessions):
    async with store.records.transaction() as transaction:
        for session in sessions:
            await transaction.put_upstream_session(session)


async def sign_in(store, identity, user, **changes):
    """A session of ours with its provider's side."""
    session = a_session(user, **changes)
    upstream = an_upstream_session(identity, handle=session.handle, expires_at=session.expires_at)
    await note(store, upstream)
    await store.sessions.put(session)
    return session, upstream


async def find(store, session):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.find_upstream_session(session.handle)


async def find_all(store, **wanted):
    async with store.records.transaction() as transaction:
        return await transaction.list_upstream_sessions(**wanted)


async def find_due(store, now, limit=100):
    async with store.records.transaction() as transaction:
        return await transaction.list_due_upstream_sessions(now, limit=limit)


async def test_a_providers_side_is_found_as_it_was_noted(store):
    full = an_upstream_session(HERS, sid="S/1 ü", id_token="gcm1:" + "x" * 5000)
    plain = an_upstream_session(HERS, sid="", id_token="", refresh_token="", check_at=None)
    await note(store, full, plain)
    assert await find(store, full) == full
    assert await find(store, plain) == plain
    assert await find(store, a_session(ALICE)) is None


async def test_a_session_has_one_provider_and_an_identity_that_is_linked(store):
    known = an_upstream_session(HERS)
    await note(store, known)
    for refused in (
        an_upstream_session(HIS, handle=known.handle),
        an_upstream_session(an_identity(ALICE)),
    ):
        with pytest.raises(ConflictError):
            await note(store, refused)
    assert await find_all(store) == [known]


async def test_those_are_listed_that_fit_everything_that_is_asked_for(store):
    """What a provider says about one of its sessions, or about one of its people, ends those and no others."""
    second = an_identity(ALICE, provider=ProviderId("other"))
    await link(store.records, second)
    rows = [
        an_upstream_session(HERS, sid="one"),
        an_upstream_session(HERS, sid="two"),
        an_upstream_session(HIS, sid="one"),
        an_upstream_session(second, sid="one", subject=HERS.subject),
        an_upstream_session(second, sid="One "),
    ]
    await note(store, *rows)
    main, other = HERS.provider, second.provider
    assert await find_all(store) == rows
    assert await find_all(store, provider=main) == rows[:3]
    assert await find_all(store, provider=main, sid="one") == [rows[0], rows[2]]
    assert await find_all(store, provider=main, sid="one", subject=HERS.subject) == [rows[0]]
    assert await find_all(store, provider=other, sid="one", subject=HIS.subject) == []
    assert await find_all(store, provider=other, subject=HERS.subject) == [rows[3]]
    assert await find_all(store, identity=HERS.id) == rows[:2]
    assert await find_all(store, sid="one") == [rows[0], rows[2], rows[3]]
    assert await find_all(store, sid="ONE") == []
    assert await find_all(store, sid="one ") == []
    assert await find_all(store, sid="") == []
    assert await find_all(store, subject=HIS.subject) == [rows[2]]
    assert await find_all(store, provider=ProviderId("main_")) == []


async def test_ties_are_due_at_their_instant_the_most_overdue_first_and_never_after_the_end(store):
    def tied(minutes, **changes):
        return an_upstream_session(HERS, check_at=START + minutes * MINUTE, **changes)

    late, early, tomorrow = tied(3), tied(1), tied(60)
    untied = an_upstream_session(HERS, check_at=None)
    over = tied(0, expires_at=START + 3 * MINUTE)
    await note(store, late, early, tomorrow, untied, over)
    assert await find_due(store, START + MINUTE - MICROSECOND) == [over]
    assert await find_due(store, START + MINUTE) == [over, early]
    assert await find_due(store, START + 3 * MINUTE - MICROSECOND) == [over, early]
    assert await find_due(store, START + 3 * MINUTE) == [early, late]
    assert await find_due(store, START + 3 * MINUTE, limit=1) == [early]
    assert await find_due(store, START + 60 * MINUTE) == [early, late, tomorrow]


async def test_ties_due_at_one_instant_come_in_a_fixed_order(store):
    rows = [an_upstream_session(HERS, check_at=START) for _ in range(5)]
    await note(store, *rows[::-1])
    assert await find_due(store, START) == rows
    assert await find_due(store, START, limit=2) == rows[:2]


async def test_a_tie_advances_only_from_the_state_that_was_seen(store):
    """A rotated refresh token is never overwritten by the one that it replaced."""
    first = an_upstream_session(HERS)
    await note(store, first)
    seen = [first]
    for change in (
        {"refresh_token": "gcm1:second", "check_at": START + 10 * MINUTE},
        {"check_at": START + 10 * MINUTE + MICROSECOND},
        {"id_token": "gcm1:other"},
        {"sid": "new"},
        {"expires_at": START + 9 * MINUTE},
        {"check_at": None, "refresh_token": ""},
    ):
        changed = replace(seen[-1], **change)
        async with store.elsewhere.transaction() as transaction:
            assert await transaction.advance_upstream_session(seen[-1], changed)
        seen.append(changed)
        assert await find(store, first) == changed
    async with store.records.transaction() as transaction:
        for stale in seen[:-1]:
            assert not await transaction.advance_upstream_session(stale, replace(stale, refresh_token="gcm1:undone"))
    assert await find(store, first) == seen[-1]


async def test_a_tie_of_a_session_that_ended_meanwhile_does_not_come_back(store):
    """An update only, never an insert (J16)."""
    session, upstream = await sign_in(store, HERS, ALICE)
    async with store.records.transaction() as transaction:
        await transaction.end_session(session.handle)
    async with store.records.transaction() as transaction:
        assert not await transaction.advance_upstream_session(upstream, replace(upstream, refresh_token="gcm1:new"))
    assert await find(store, session) is None


async def test_a_tie_keeps_its_session_and_an_identity_that_is_linked(store):
    known = an_upstream_session(HERS)
    await note(store, known)
    with pytest.raises(ValueError, match="never changes"):
        async with store.records.transaction() as transaction:
            await transaction.advance_upstream_session(known, replace(known, handle=SessionHandle("x" * 32)))
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.advance_upstream_session(known, replace(known, identity=IdentityId("x" * 22)))
    assert await find(store, known) == known


async def test_of_many_renewals_of_one_tie_one_is_kept(store):
    known = an_upstream_session(HERS)
    await note(store, known)

    async def renew(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            return await transaction.advance_upstream_session(known, replace(known, refresh_token=f"gcm1:{number}"))

    results = await asyncio.gather(*(renew(number) for number in range(MANY)))
    assert sorted(results) == [False] * (MANY - 1) + [True]
    assert (await find(store, known)).refresh_token == f"gcm1:{results.index(True)}"


async def test_ending_a_session_drops_its_providers_side_and_no_other(store):
    """In one transaction, whoever commits it."""
    for records in (store.records, store.elsewhere):
        ended, upstream = await sign_in(store, HERS, ALICE)
        other, kept = await sign_in(store, HERS, ALICE)
        assert await find(store, ended) == upstream
        async with records.transaction() as transaction:
            assert await transaction.end_session(ended.handle)
            assert await transaction.find_upstream_session(ended.handle) is None
            assert not await transaction.end_session(ended.handle)
        assert await find(store, ended) is None
        assert await find(store, other) == kept
        assert await store.sessions.find(other.fingerprint) == other


async def test_ending_an_accounts_sessions_drops_their_providers_side_except_of_the_one_it_keeps(store):
    for records in (store.records, store.elsewhere):
        kept, its = await sign_in(store, HERS, ALICE)
        ended, _ = await sign_in(store, HERS, ALICE)
        other, others = await sign_in(store, HIS, BOB)
        async with records.transaction() as transaction:
            await transaction.end_sessions_of(ALICE.id, keep=kept.handle)
        assert await find(store, ended) is None
        assert await find(store, kept) == its
        assert await find(store, other) == others
        async with records.transaction() as transaction:
            await transaction.end_sessions_of(ALICE.id)
        assert await find(store, kept) is None
        assert await find(store, other) == others


async def test_an_end_that_comes_before_the_session_is_stored_shows_in_its_providers_side(store):
    """Signed out while the sign-in was under way: whoever looks again sees it, and does not open the session."""
    by_handle, by_account, by_unlinking, by_removal = (
        an_upstream_session(HERS),
        an_upstream_session(HERS),
        an_upstream_session(HERS),
        an_upstream_session(HIS),
    )
    await note(store, by_handle, by_account, by_unlinking, by_removal)
    kept = (await sign_in(store, HERS, ALICE))[0]
    async with store.elsewhere.transaction() as transaction:
        await transaction.end_session(by_handle.handle)
    assert await find(store, by_handle) is None
    async with store.elsewhere.transaction() as transaction:
        await transaction.end_sessions_of(ALICE.id, keep=by_unlinking.handle)
    assert await find(store, by_account) is None
    assert await find(store, kept) is None
    assert await find(store, by_unlinking) == by_unlinking
    async with store.elsewhere.transaction() as transaction:
        await transaction.remove_identity(HERS.id)
    assert await find(store, by_unlinking) is None
    assert await find(store, by_removal) == by_removal
    async with store.elsewhere.transaction() as transaction:
        await transaction.remove_user(BOB.id)
    assert await find(store, by_removal) is None


async def test_an_end_that_is_undone_leaves_the_providers_side(store):
    session, upstream = await sign_in(store, HERS, ALICE)

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.end_session(session.handle)
            await transaction.end_sessions_of(ALICE.id)
            await transaction.remove_identity(HERS.id)
            await transaction.put_upstream_session(an_upstream_session(HIS))
            raise Undone

    with pytest.raises(Undone):
        await act()
    assert await find_all(store) == [upstream]
    assert await store.sessions.find(session.fingerprint) == session


async def test_the_providers_side_is_no_change_that_a_gate_remembers(store):
    upstream = an_upstream_session(HERS)
    revision = store.live_view.revision()
    await note(store, upstream)
    async with store.records.transaction() as transaction:
        assert await transaction.advance_upstream_session(upstream, replace(upstream, check_at=None))
        assert await transaction.purge_upstream(upstream.expires_at) == 1
    assert store.live_view.revision() == revision


async def test_what_is_over_is_purged_with_its_session(store):
    session, _ = await sign_in(store, HERS, ALICE, expires_at=START + MINUTE)
    living, its = await sign_in(store, HERS, ALICE, expires_at=START + 2 * MINUTE)
    leftover = an_upstream_session(HERS, expires_at=START + MINUTE)
    await note(store, leftover)
    async with store.records.transaction() as transaction:
        assert await transaction.purge_upstream(START + MINUTE - MICROSECOND) == 0
    assert await store.sessions.purge(START + MINUTE) == 1
    async with store.records.transaction() as transaction:
        assert await transaction.purge_upstream(START + MINUTE) > 0
        assert await transaction.purge_upstream(START + MINUTE) == 0
    assert await find(store, session) is None
    assert await find(store, leftover) is None
    assert await find_all(store) == [its]
    assert await store.sessions.list_all() == [living]
