"""No act without its record: what cannot be recorded is undone."""

from datetime import timedelta

import pytest

from doorward.errors import UnavailableError
from doorward.flows.admin import CLI
from tests.fakes.flows import Town
from tests.fakes.recorded import check_unrecorded
from tests.fakes.records import FakeTransaction
from tests.fakes.second import find_user, give_codes, give_totp
from tests.fakes.state import State

ACTS = {
    "disable": lambda town: town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now),
    "delete": lambda town: town.administration.delete_user(CLI, "alice", now=town.now),
    "reset_factors": lambda town: town.administration.reset_factors(CLI, "alice", now=town.now),
    "force": lambda town: town.administration.force_password_change(CLI, "alice", now=town.now),
    "lockdown": lambda town: town.flows.lockdowns.begin(CLI, now=town.now),
    "sign_in": lambda town: town.enter("bob"),
    "invite": lambda town: town.flows.invites.make(CLI, max_uses=1, lifetime=timedelta(days=1), now=town.now),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_cannot_be_recorded_did_not_happen(act, monkeypatch):
    """R12, E-71, E-72. The fake of the records holds every other test to the same (tests/fakes/recorded.py)."""
    town = Town()
    await town.add_user("alice")
    await town.add_user("bob")
    await give_totp(town)
    await give_codes(town)
    before = town.store.state.copy()

    async def fail(_transaction, _event):
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(FakeTransaction, "append_audit", fail)
    with pytest.raises(UnavailableError):
        await ACTS[act](town)
    after = town.store.state
    for name in (
        "users",
        "passwords",
        "sessions",
        "totps",
        "recovery_codes",
        "invites",
        "settings",
        "letters",
        "audit",
    ):
        assert getattr(after, name) == getattr(before, name)


async def test_a_change_without_a_record_is_found():
    after = State()
    after.users[(await _somebody()).id] = await _somebody()
    with pytest.raises(AssertionError, match="recorded nothing"):
        check_unrecorded(State(), after, "grant")


async def _somebody():
    town = Town()
    await town.add_user("alice")
    return await find_user(town)
