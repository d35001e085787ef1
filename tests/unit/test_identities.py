"""Connecting an account here with accounts at providers, and letting go of one: asked for, confirmed, never by chance."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, NotFoundError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.outcome import Linked, SignedIn, UpstreamRefused
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure
from doorward.rules.session import RECENT, Subject
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor, fingerprint_of
from tests.fakes.upstream import ISSUER, a_provider, somebody

OTHER_ISSUER = "https://other.example.test"
MALLORY = somebody("sub-mallory", email="mallory@example.test", user_name="mallory")


@pytest.fixture
async def town():
    made = Town()
    made.providers["idp"] = a_provider(groups_claim="groups", admin_claim="groups", admin_value="root")
    made.providers["other"] = a_provider("other", issuer=OTHER_ISSUER)
    await made.add_user("bob")
    return made


def subject_of(signed_in):
    return Subject(signed_in.user, signed_in.session)


def identities(town):
    return [(each.issuer, each.subject) for each in town.store.state.identities.values()]


async def link(town, signed_in, answer=None, provider="idp", visitor=None):
    """Bob, signed in, connects an account at a provider. It takes a second, so that there is an oldest link."""
    town.clock.advance(timedelta(seconds=1))
    visitor = visitor or a_visitor()
    url = await town.leave_to_link(subject_of(signed_in), visitor, provider)
    return await town.come_back(visitor, url, answer, subject=subject_of(signed_in), previous=fingerprint_of(signed_in))


def failure_of(outcome):
    assert isinstance(outcome, UpstreamRefused), outcome
    return outcome.failure


# Connecting


async def test_linking_connects_and_signs_nobody_in(town):
    bob = await town.enter("bob")
    sessions = dict(town.store.state.sessions)
    outcome = await link(town, bob)
    assert isinstance(outcome, Linked)
    assert outcome.provider.id == "idp"
    assert identities(town) == [(ISSUER, "sub-alice")]
    assert town.store.state.sessions == sessions
    assert town.store.state.upstream_sessions == {}
    assert (outcome.identity.user_id, outcome.identity.owns_profile) == (bob.user.id, False)
    event = town.audit[-1]
    assert (event.act, event.actor, event.subject) == (Act.IDENTITY_LINKED, bob.user.id, bob.user.id)
    assert event.public["because"] == "asked"


async def test_in_a_lockdown_only_administrators_connect(town):
    await town.add_user("root", is_admin=True)
    await town.flows.lockdowns.begin(CLI, now=town.now)
    assert failure_of(await link(town, await town.enter("bob"))) is Failure.LOCKDOWN
    assert isinstance(await link(town, await town.enter("root"), visitor=a_visitor(browser="b2")), Linked)


async def test_what_a_linked_identity_grants_comes_with_the_first_sign_in_by_it(town):
    """A session never grows under its owner's feet: more rights are a new session."""
    bob = await town.enter("bob")
    answer = somebody(claims={"groups": ["staff", "root"]})
    await link(town, bob, answer)
    assert (await town.check(bob)).user == bob.user
    entered = await town.enter_upstream(answer, visitor=a_visitor(browser="b2"))
    assert entered.user.id == bob.user.id
    assert entered.user.every_group == {"staff", "root"}
    assert entered.user.administers
    assert entered.user.display_name == bob.user.display_name


async def test_linking_ones_own_again_changes_nothing(town):
    bob = await town.enter("bob")
    await link(town, bob)
    before = dict(town.store.state.identities)
    count = len(town.audit)
    again = await link(town, bob)
    assert isinstance(again, Linked)
    assert town.store.state.identities == before
    assert len(town.audit) == count


async def test_an_account_may_have_several(town):
    bob = await town.enter("bob")
    for provider, subject in (("idp", "sub-1"), ("idp", "sub-2"), ("other", "sub-1")):
        assert isinstance(await link(town, bob, somebody(subject), provider), Linked)
    own = await town.identities.list_own(subject_of(bob))
    assert [(each.issuer, each.subject) for each in own] == identities(town)
    assert len(own) == 3


async def test_what_is_somebody_elses_is_not_linked(town):
    alice = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    bob = await town.enter("bob")
    outcome = await link(town, bob)
    assert outcome == UpstreamRefused(Failure.OTHER_ACCOUNT, town.providers["idp"], linking=True)
    assert [each.user_id for each in town.store.state.identities.values()] == [alice.user.id]
    assert town.audit[-1].subject == bob.user.id


async def test_who_may_not_sign_in_with_it_cannot_link_it(town):
    town.providers["idp"] = replace(town.providers["idp"], allowed_domains=frozenset({"example.org"}))
    assert failure_of(await link(town, await town.enter("bob"))) is Failure.NOT_ALLOWED
    assert identities(town) == []


async def test_linking_needs_no_leave_to_make_accounts_and_no_free_address(town):
    town.providers["idp"] = a_provider(auto_provision=False)
    await town.add_user("alice")
    bob = await town.enter("bob")
    assert isinstance(await link(town, bob, somebody()), Linked)


# Never by chance


async def test_a_sign_in_links_nothing_to_whoever_is_signed_in(town):
    """The stranger's round trip, finished in the browser where Bob is signed in: a new session, and nothing of Bob's."""
    visitor = a_visitor()
    bob = await town.enter("bob", visitor=visitor)
    url = await town.leave(visitor)
    outcome = await town.come_back(visitor, url, MALLORY, subject=subject_of(bob), previous=fingerprint_of(bob))
    assert isinstance(outcome, SignedIn)
    assert outcome.user.id != bob.user.id
    assert [each.user_id for each in town.store.state.identities.values()] == [outcome.user.id]


async def test_a_link_that_was_begun_in_another_browser_is_not_finished_here(town):
    mallory = await town.enter_upstream(MALLORY, visitor=a_visitor(browser="b2"))
    url = await town.leave_to_link(subject_of(mallory), a_visitor(browser="b2"))
    bob = await town.enter("bob")
    outcome = await town.come_back(a_visitor(), url, somebody(), subject=subject_of(bob))
    assert outcome == UpstreamRefused(Failure.STATE)
    assert "sub-alice" not in {subject for _, subject in identities(town)}


@pytest.mark.parametrize("who", ["nobody", "somebody else", "signed out", "signed in anew", "long ago"])
async def test_a_link_is_for_the_account_that_asked_for_it_signed_in_here_and_now(town, who):
    visitor = a_visitor()
    await town.add_user("carol", password=OTHER)
    old = await town.enter("bob", visitor=a_visitor(browser="b2"))
    town.clock.advance(timedelta(minutes=20))
    bob = await town.enter("bob", visitor=visitor)
    url = await town.leave_to_link(subject_of(bob), visitor)
    subject = subject_of(bob)
    if who == "nobody":
        subject = None
    elif who == "somebody else":
        subject = subject_of(await town.enter("carol", OTHER, visitor=visitor))
    elif who == "signed in anew":
        # With less, perhaps, than setting out to connect had asked for.
        subject = subject_of(await town.enter("bob", visitor=visitor, previous=fingerprint_of(bob)))
    elif who == "signed out":
        await town.sign_out.sign_out(fingerprint_of(bob), visitor, now=town.now)
    else:
        town.clock.advance(timedelta(minutes=6))
        subject = subject_of(old)
    outcome = await town.come_back(visitor, url, somebody(), subject=subject)
    assert outcome == UpstreamRefused(Failure.STATE, town.providers["idp"], linking=True)
    assert identities(town) == []
    assert town.audit[-1].subject == bob.user.id


CHANGES = {
    "disabled": lambda town: town.administration.set_enabled(CLI, "bob", enabled=False, now=town.now),
    "deleted": lambda town: town.administration.delete_user(CLI, "bob", now=town.now),
    "ended": lambda town: town.administration.end_sessions_of(CLI, "bob", now=town.now),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("late", [False, True])
async def test_a_link_stops_with_the_session_it_is_for(town, change, late):
    """Also where it ends between the look at the session and the transaction."""
    bob = await town.enter("bob")
    if late:
        find = town.store.sessions.find

        async def find_then_lose(fingerprint):
            found = await find(fingerprint)
            await change(town)
            return found

        visitor = a_visitor()
        url = await town.leave_to_link(subject_of(bob), visitor)
        town.store.sessions.find = find_then_lose
        outcome = await town.come_back(visitor, url, subject=subject_of(bob))
    else:
        town.upstream.meanwhile.append(lambda: change(town))
        outcome = await link(town, bob)
    assert failure_of(outcome) is Failure.STATE
    assert identities(town) == []


# Letting go


async def test_letting_go_ends_the_sessions_made_with_it_and_no_others(town):
    bob = await town.enter("bob")
    await link(town, bob)
    await link(town, bob, provider="other")
    by_idp = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    by_other = await town.enter_upstream(provider="other", visitor=a_visitor(browser="b3"))
    (gone, _) = await town.identities.list_own(subject_of(bob))
    removed = await town.identities.unlink(subject_of(bob), gone.id, a_visitor(), now=town.now)
    assert removed.id == gone.id
    assert identities(town) == [(OTHER_ISSUER, "sub-alice")]
    assert await town.check(by_idp) is None
    assert await town.check(by_other) is not None
    assert await town.check(bob) is not None
    event = town.audit[-1]
    assert (event.act, event.actor, event.public["sessions"]) == (Act.IDENTITY_UNLINKED, bob.user.id, "1")
    assert event.private["upstream_subject"] == "sub-alice"


async def test_letting_go_leaves_the_session_it_is_asked_from(town):
    await link(town, await town.enter("bob"))
    entered = await town.enter_upstream()
    (identity,) = await town.identities.list_own(subject_of(entered))
    await town.identities.unlink(subject_of(entered), identity.id, a_visitor(), now=town.now)
    assert await town.check(entered) is not None
    assert town.store.state.upstream_sessions == {}


async def test_where_rights_go_with_it_every_session_ends(town):
    """docs/adr 0007: a loss of rights is one for every session."""
    bob = await town.enter("bob")
    await link(town, bob)
    entered = await town.enter_upstream(somebody(claims={"groups": ["staff"]}), visitor=a_visitor(browser="b2"))
    (identity,) = await town.identities.list_own(subject_of(entered))
    await town.identities.unlink(subject_of(entered), identity.id, a_visitor(), now=town.now)
    assert await town.check(entered) is None
    assert await town.check(bob) is None
    assert town.acts()[-2:] == ["user.identity_grants", "user.identity_unlink"]
    assert (await town.enter("bob")).user.every_group == frozenset()


async def test_the_account_can_be_linked_anew_after_that(town):
    bob = await town.enter("bob")
    linked = await link(town, bob)
    await town.identities.unlink(subject_of(bob), linked.identity.id, a_visitor(), now=town.now)
    assert isinstance(await link(town, bob), Linked)


@pytest.mark.parametrize(
    ("password", "passwords_open", "second", "second_open", "may"),
    [
        (True, True, False, False, True),
        (True, False, False, False, False),
        (False, True, False, False, False),
        (False, True, True, True, True),
        (False, True, True, False, False),
        (True, False, True, True, True),
        (True, False, True, False, False),
    ],
)
async def test_the_last_way_in_stays(town, password, passwords_open, second, second_open, may):
    """D-12."""
    bob = await town.enter("bob")
    linked = await link(town, bob)
    if second:
        await link(town, bob, provider="other")
    if not password:
        del town.store.state.passwords[bob.user.id]
    town.passwords_open = passwords_open
    town.providers["other"] = replace(town.providers["other"], enabled=second_open)
    before = dict(town.store.state.identities)
    for unlink in (
        lambda: town.identities.unlink(subject_of(bob), linked.identity.id, a_visitor(), now=town.now),
        lambda: town.identities.unlink_for(CLI, "bob", linked.identity.id, now=town.now),
    ):
        if may:
            await unlink()
            break
        with pytest.raises(ConflictError):
            await unlink()
    assert (town.store.state.identities == before) is not may


async def test_two_of_one_issuer_are_two_ways(town):
    bob = await town.enter("bob")
    await link(town, bob, somebody("sub-1"))
    second = await link(town, bob, somebody("sub-2"))
    del town.store.state.passwords[bob.user.id]
    await town.identities.unlink(subject_of(bob), second.identity.id, a_visitor(), now=town.now)
    assert identities(town) == [(ISSUER, "sub-1")]


async def test_the_last_administrator_stays_one(town):
    bob = await town.enter("bob")
    await link(town, bob)
    root = somebody(claims={"groups": ["root"]})
    entered = await town.enter_upstream(root, visitor=a_visitor(browser="b2"))
    (identity,) = await town.identities.list_own(subject_of(entered))
    with pytest.raises(ConflictError, match="last enabled administrator"):
        await town.identities.unlink(subject_of(entered), identity.id, a_visitor(), now=town.now)
    assert (await town.check(entered)).user.administers
    await town.add_user("carol", is_admin=True)
    await town.identities.unlink(subject_of(entered), identity.id, a_visitor(), now=town.now)
    assert not (await town.enter("bob")).user.administers


async def test_rights_that_two_identities_give_are_not_lost_with_one(town):
    bob = await town.enter("bob")
    root = {"claims": {"groups": ["root"]}}
    await link(town, bob, somebody("sub-1"))
    await link(town, bob, somebody("sub-2"))
    await town.enter_upstream(somebody("sub-1", **root), visitor=a_visitor(browser="b2"))
    entered = await town.enter_upstream(somebody("sub-2", **root), visitor=a_visitor(browser="b3"))
    first, _ = await town.identities.list_own(subject_of(bob))
    await town.identities.unlink(subject_of(bob), first.id, a_visitor(), now=town.now)
    assert (await town.check(entered)).user.administers


async def test_nobody_lets_go_of_what_is_not_theirs(town):
    alice = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    (identity,) = await town.identities.list_own(subject_of(alice))
    bob = await town.enter("bob")
    for identity_id in (identity.id, "nothing"):
        with pytest.raises(NotFoundError):
            await town.identities.unlink(subject_of(bob), identity_id, a_visitor(), now=town.now)
    with pytest.raises(NotFoundError):
        await town.identities.unlink_for(CLI, "bob", identity.id, now=town.now)
    assert identities(town) == [(ISSUER, "sub-alice")]


async def test_a_deleted_account_has_nothing_to_let_go_of(town):
    bob = await town.enter("bob")
    linked = await link(town, bob)
    await town.administration.delete_user(CLI, "bob", now=town.now)
    assert identities(town) == []
    with pytest.raises(NotFoundError):
        await town.identities.unlink(subject_of(bob), linked.identity.id, a_visitor(), now=town.now)


async def test_deleting_an_account_lets_its_identity_begin_anew(town):
    """E30: a new account, with a new id and nothing of the old one."""
    first = await town.enter_upstream(somebody(claims={"groups": ["staff"]}))
    await town.administration.delete_user(CLI, "alice", now=town.now)
    again = await town.enter_upstream()
    assert again.user.id != first.user.id
    assert again.user.every_group == frozenset()


# Administrators


async def test_administrators_see_everybodys_and_nobody_else_does(town):
    await town.add_user("root", is_admin=True)
    root = await town.enter("root", GOOD, visitor=a_visitor(browser="r"))
    alice = await town.enter_upstream()
    bob = await town.enter("bob", visitor=a_visitor(browser="b"))
    await link(town, bob, MALLORY, visitor=a_visitor(browser="b"))
    found = await town.identities.list_all(actor_of(subject_of(root), a_visitor()))
    assert {user: [each.subject for each in theirs] for user, theirs in found.items()} == {
        alice.user.id: ["sub-alice"],
        bob.user.id: ["sub-mallory"],
    }
    nobody = replace(actor_of(subject_of(root), a_visitor()), user_id=bob.user.id)
    with pytest.raises(ForbiddenError):
        await town.identities.list_all(nobody)
    with pytest.raises(ForbiddenError):
        await town.identities.unlink_for(nobody, "bob", found[bob.user.id][0].id, now=town.now)


async def test_administrators_let_go_for_others_and_every_session_made_with_it_ends(town):
    bob = await town.enter("bob")
    linked = await link(town, bob)
    by_idp = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    await town.identities.unlink_for(CLI, "BOB@example.test", linked.identity.id, now=town.now)
    assert await town.check(by_idp) is None
    assert await town.check(bob) is not None
    assert (town.audit[-1].actor, town.audit[-1].subject) == ("cli", bob.user.id)
    with pytest.raises(NotFoundError):
        await town.identities.unlink_for(CLI, "bob", linked.identity.id, now=town.now)


async def test_leaving_to_link_needs_a_sign_in_from_just_now(town):
    bob = await town.enter("bob")
    town.clock.advance(RECENT)
    with pytest.raises(ForbiddenError):
        await town.leave_to_link(subject_of(bob), a_visitor())
    assert town.upstream.departures == {}
