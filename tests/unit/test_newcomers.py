"""Accounts that providers make: the mode of registration, invitations and approval govern them as they do others."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from doorward.flows.admin import CLI
from doorward.flows.outcome import Departed, SignedIn, UpstreamRefused
from doorward.rules.audit import Act
from doorward.rules.letter import LetterKind
from doorward.rules.oidc import Failure
from doorward.rules.registration import MODE_SETTING, Entry, Mode, decide_entry
from tests.fakes.configured import OIDC, notices_of
from tests.fakes.flows import Town, a_visitor
from tests.fakes.granting import a_granting_town, identities, member
from tests.fakes.upstream import a_provider, failure_of, somebody

TABLE = {
    # mode: (without auto_provision, with it, with an invitation)
    Mode.FIRST_USER_THEN_LOCKED: (False, True, True),
    Mode.OIDC_AUTO: (False, True, True),
    Mode.OPEN: (False, True, True),
    Mode.INVITE: (False, False, True),
    Mode.CLOSED: (False, False, False),
}


@pytest.fixture
def town():
    return a_granting_town()


async def invite(town, **changes):
    values = {"max_uses": 1, "lifetime": timedelta(days=7), **changes}
    made = await town.flows.invites.make(CLI, now=town.now, **values)
    return made.url.rpartition("=")[2]


async def leave_invited(town, token, visitor):
    departed = await town.upstream_sign_in.depart_invited(
        visitor, provider="idp", invite=token, return_to="https://app.example.test/x", now=town.now
    )
    assert isinstance(departed, Departed), departed
    return departed.url


async def come_invited(town, token, answer=None):
    visitor = a_visitor()
    return await town.come_back(visitor, await leave_invited(town, token, visitor), answer or somebody())


async def come(town, answer=None, browser="browser-1"):
    visitor = a_visitor(browser=browser)
    return await town.come_back(visitor, await town.leave(visitor, "idp"), answer or somebody())


# The table


@pytest.mark.parametrize("way", ["file", "console"])
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("case", ["off", "on", "invited off", "invited on"])
async def test_each_mode_lets_providers_make_the_accounts_that_the_table_says(town, mode, case, way):
    """B-13."""
    column = 2 if case.startswith("invited") else ["off", "on"].index(case)
    town.providers["idp"] = a_provider(auto_provision=case.endswith("on"))
    token = await invite(town)
    if way == "file":
        town.mode = mode
    else:
        town.mode = Mode.OPEN if mode is Mode.CLOSED else Mode.CLOSED
        async with town.store.records.transaction() as transaction:
            await transaction.put_setting(MODE_SETTING, mode.value)
    outcome = await (come_invited(town, token) if column == 2 else come(town))
    if TABLE[mode][column]:
        assert isinstance(outcome, SignedIn)
        assert [user.name for user in town.store.state.users.values()] == ["alice"]
    else:
        assert failure_of(outcome) is (Failure.INVITE_GONE if column == 2 else Failure.UNKNOWN)
        assert town.store.state.users == {}
        assert identities(town) == []


def test_the_guide_has_the_same_table():
    lines = Path("docs/guides/providers/README.md").read_text(encoding="utf-8").splitlines()
    for mode, row in TABLE.items():
        words = ["yes" if each else "no" for each in row]
        assert f"| `{mode.value}` | {' | '.join(words)} |" in lines


@pytest.mark.parametrize("mode", Mode)
async def test_whoever_has_an_account_comes_in_whatever_the_mode_is(town, mode):
    assert isinstance(await come(town), SignedIn)
    town.mode = mode
    assert isinstance(await come(town), SignedIn)


async def test_the_mode_is_that_of_the_moment_of_coming_back(town):
    visitor = a_visitor()
    url = await town.leave(visitor, "idp")
    town.mode = Mode.CLOSED
    assert failure_of(await town.come_back(visitor, url, somebody())) is Failure.UNKNOWN


# Approval


@pytest.mark.parametrize("approval", [False, True])
@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize("invited", [False, True])
def test_only_whom_nobody_vouched_for_waits(approval, vouched, invited):
    entry = decide_entry(Mode.OPEN, provisions=True, invited=invited, vouched=vouched, approval=approval)
    assert entry is (Entry.WAITING if approval and not vouched and not invited else Entry.OPEN)


async def test_an_account_from_a_provider_waits_for_an_administrator_where_that_is_asked():
    town = Town(mailer=object())
    await town.add_user("root", is_admin=True)
    town.approval = True
    outcome = await come(town)
    assert isinstance(outcome, UpstreamRefused)
    assert outcome.failure is Failure.AWAITS_APPROVAL
    (user,) = [user for user in town.store.state.users.values() if user.name == "alice"]
    assert (user.enabled, user.awaits_approval) == (False, True)
    assert town.store.state.sessions == {}
    (created,) = [event for event in town.audit if event.act is Act.USER_CREATED and event.subject == user.id]
    assert created.public["waits"] == "yes"
    assert [letter.kind for letter in town.store.state.letters.values()] == [LetterKind.REGISTRATION_WAITS]
    # Again, and again: the same account, and no second letter.
    assert failure_of(await come(town)) is Failure.AWAITS_APPROVAL
    assert len(town.store.state.letters) == 1
    await town.administration.approve(CLI, "alice", now=town.now)
    assert isinstance(await come(town), SignedIn)


async def test_an_account_that_waits_is_linked_to_nobody_by_its_address(town):
    town.approval = True
    await come(town)
    town.providers["other"] = a_provider("other", issuer="https://other.example.test", link_by_email=True)
    visitor = a_visitor(browser="browser-2")
    outcome = await town.come_back(visitor, await town.leave(visitor, "other"), somebody("sub-2"))
    assert failure_of(outcome) is Failure.AWAITS_APPROVAL
    assert len(identities(town)) == 1


async def test_who_administers_by_the_providers_word_waits_for_nobody(town):
    town.approval = True
    entered = await come(town, member("root"))
    assert isinstance(entered, SignedIn)
    assert entered.user.administers


# Invitations


async def test_the_invitation_says_groups_and_address_and_the_provider_the_rest(town):
    town.approval = True
    token = await invite(town, groups=["guests"], email="Guest@Example.test")
    entered = await come_invited(town, token)
    assert isinstance(entered, SignedIn)
    user = entered.user
    assert (user.name, user.display_name, user.email) == ("alice", "Alice Liddell", "guest@example.test")
    assert (user.groups, user.awaits_approval) == ({"guests"}, False)
    assert entered.return_url == "https://app.example.test/x"
    (used,) = [event for event in town.audit if event.act is Act.INVITE_USED]
    assert (used.actor, used.public["uses"]) == (user.id, "1")
    # The provider does not change the address back.
    again = await come(town)
    assert isinstance(again, SignedIn)
    assert again.user.email == "guest@example.test"


async def test_without_an_address_of_its_own_the_invitation_leaves_the_providers(town):
    entered = await come_invited(town, await invite(town))
    assert isinstance(entered, SignedIn)
    assert entered.user.email == "alice@example.test"
    assert identities(town)[0].owns_profile


@pytest.mark.parametrize("what", ["no such", "used", "late", "taken back", "address taken"])
async def test_an_invitation_that_does_not_count_makes_no_account(town, what):
    """E27."""
    town.providers["idp"] = a_provider(auto_provision=False)
    token = await invite(town, email="guest@example.test")
    if what == "address taken":
        await town.add_user("guest")
    before = set(town.store.state.users)
    visitor = a_visitor()
    url = await leave_invited(town, "another" if what == "no such" else token, visitor)
    (stored,) = town.store.state.invites.values()
    match what:
        case "used":
            assert isinstance(await come_invited(town, token, somebody("sub-2", user_name="bob")), SignedIn)
            before = set(town.store.state.users)
        case "late":
            town.store.state.invites[stored.id] = replace(stored, expires_at=town.now)
        case "taken back":
            await town.flows.invites.revoke(CLI, stored.id, now=town.now)
        case _:
            pass
    answer = somebody(email="other@example.test")
    assert failure_of(await town.come_back(visitor, url, answer)) is Failure.INVITE_GONE
    assert set(town.store.state.users) == before


async def test_an_invitation_that_does_not_count_keeps_out_nobody_who_needs_none(town):
    entered = await come_invited(town, "no-such-invitation")
    assert isinstance(entered, SignedIn)
    assert not [event for event in town.audit if event.act is Act.INVITE_USED]


async def test_who_has_an_account_already_uses_no_invitation_up(town):
    assert isinstance(await come(town), SignedIn)
    token = await invite(town)
    assert isinstance(await come_invited(town, token), SignedIn)
    assert [each.uses for each in town.store.state.invites.values()] == [0]


async def test_an_invitation_admits_nobody_whom_the_provider_must_not(town):
    town.providers["idp"] = a_provider(allowed_domains=frozenset({"work.example"}))
    assert failure_of(await come_invited(town, await invite(town))) is Failure.NOT_ALLOWED
    assert [each.uses for each in town.store.state.invites.values()] == [0]


async def test_of_many_guests_with_one_invitation_as_many_come_in_as_it_says(town):
    """R02, B-13: what an invitation is good for is taken in the transaction that makes the account."""
    town.mode = Mode.INVITE
    token = await invite(town, max_uses=2)
    visitors = [a_visitor(address=f"203.0.113.{number}", browser=f"browser-{number}") for number in range(10)]
    urls = [await leave_invited(town, token, visitor) for visitor in visitors]
    outcomes = await asyncio.gather(
        *(
            town.come_back(visitor, url, somebody(f"sub-{number}", user_name=f"g{number}", email=""))
            for number, (visitor, url) in enumerate(zip(visitors, urls, strict=True))
        )
    )
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 2
    assert len(town.store.state.users) == 2
    assert [each.uses for each in town.store.state.invites.values()] == [2]


async def test_the_ticket_of_a_round_trip_holds_nothing_that_opens_an_account(town):
    token = await invite(town)
    await leave_invited(town, token, a_visitor())
    assert token not in str([ticket.state for ticket in town.store.state.tickets.values()])


async def test_setting_out_with_an_invitation_is_counted_like_any_other(town):
    visitor = a_visitor()
    limit = min(window.limit for window in town.limits.oidc)
    for _ in range(limit):
        await leave_invited(town, "x", visitor)
    refused = await town.upstream_sign_in.depart_invited(
        visitor, provider="idp", invite="x", return_to=None, now=town.now
    )
    assert failure_of(refused) is Failure.THROTTLED


# What is told


@pytest.mark.parametrize(
    ("mode", "keys", "told"),
    [
        ("closed", "auto_provision: true", True),
        ("invite", "auto_provision: true", True),
        ("invite", "allowed_domains: [a.b]", True),
        ("closed", "auto_provision: false", False),
        ("closed", "logout: true", False),
        ("oidc_auto", "auto_provision: true", False),
        ("first_user_then_locked", "auto_provision: true", False),
    ],
)
def test_where_a_providers_word_has_no_effect_it_is_told_at_the_start(mode, keys, told):
    notices = notices_of(f"registration: {{mode: {mode}}}\nauthn: {{providers: [{{id: a, {OIDC}, {keys}}}]}}")
    found = [notice for notice in notices if "registration.mode is" in notice]
    assert bool(found) is told
    assert all(notice.startswith("authn.providers[0].auto_provision") for notice in found)


async def test_the_test_of_a_provider_says_that_it_makes_no_accounts():
    town = Town()
    town.mode = Mode.INVITE
    findings = await town.console.test(CLI, town.providers["idp"].id, now=town.now)
    assert any("Nobody new gets an account" in finding.text for finding in findings)
