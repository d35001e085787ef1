"""While an incident is contained, a provider takes away and gives nothing (E-90)."""

import pytest

from doorward.flows.admin import CLI
from tests.fakes.granting import a_granting_town, member


@pytest.fixture
def town():
    return a_granting_town()


async def lock(town):
    await town.flows.lockdowns.begin(CLI, now=town.now)


async def test_no_group_and_no_administration_is_granted_until_it_is_lifted(town):
    """E-90."""
    await town.enter_upstream(member("staff"))
    await lock(town)
    held = (await town.enter_upstream(member("staff", "ops", "root"))).user
    assert (held.granted_groups, held.administers) == ({"idp:staff"}, False)
    assert town.acts().count("user.identity_grants") == 1
    await town.flows.lockdowns.lift(CLI, now=town.now)
    after = (await town.enter_upstream(member("staff", "ops", "root"))).user
    assert (after.granted_groups, after.administers) == ({"idp:staff", "idp:ops", "idp:root"}, True)


async def test_what_is_taken_away_stays_taken_away(town):
    """E-90, H21."""
    await town.enter_upstream(member("staff", "root"))
    await lock(town)
    less = (await town.enter_upstream(member("ops"))).user
    assert (less.granted_groups, less.administers) == (frozenset(), False)
    again = (await town.enter_upstream(member("staff", "root"))).user
    assert (again.granted_groups, again.administers) == (frozenset(), False)


async def test_who_was_granted_it_before_still_administers(town):
    """E-90."""
    await town.enter_upstream(member("root"))
    await lock(town)
    assert (await town.enter_upstream(member("root"))).user.administers


@pytest.mark.parametrize("word", ["boss@example.test", ""])
async def test_no_other_address_is_taken_from_a_provider(town, word):
    """E-90: rules speak of addresses."""
    await town.enter_upstream(member())
    await lock(town)
    assert (await town.enter_upstream(member())).user.email == "alice@example.test"
    assert (await town.enter_upstream(member(email=word))).user.email == ""
    assert (await town.enter_upstream(member())).user.email == ""
    await town.flows.lockdowns.lift(CLI, now=town.now)
    assert (await town.enter_upstream(member())).user.email == "alice@example.test"
