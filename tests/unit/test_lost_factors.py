"""Second factors that are gone though nobody took them away: nobody gets in without them."""

import pytest

from doorward.flows.outcome import Refused, SignedIn
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.login import Failure
from tests.fakes.flows import GOOD, Town, a_visitor
from tests.fakes.second import code_of, give_totp, submit_code


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    await give_totp(made)
    return made


def lose(town):
    town.store.state.totps.clear()


async def test_the_password_alone_does_not_let_in_where_a_factor_is_missed(town):
    """M10."""
    lose(town)
    assert await town.try_login("alice", GOOD, a_visitor()) == Refused(Failure.FACTORS_LOST)
    event = town.store.state.audit[-1].event
    assert event.act is Act.TAMPERED
    assert dict(event.public) == {"where": "users.factors", "lost": "totp"}


async def test_a_factor_missed_at_the_second_step_ends_the_sign_in(town):
    """M10."""
    visitor = a_visitor()
    started = await town.try_login("alice", GOOD, visitor)
    town.store.state.factor_marks = dict.fromkeys(town.store.state.factor_marks, frozenset({"totp", "codes:10"}))
    assert await submit_code(town, started.started, code_of(town), visitor) == Refused(Failure.FACTORS_LOST)
    assert not isinstance(started, SignedIn)
    assert AlertKind.FACTORS_LOST.is_urgent
