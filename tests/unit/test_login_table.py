"""The table of sign-in steps: from every state a proof leads on, and everything ends in FINISHED."""

import pytest

from doorward.rules.login import TABLE, Demand, Failure, Step, draw, next_step
from doorward.rules.session import Method


@pytest.mark.parametrize("demand", Demand)
def test_nothing_proven_asks_for_the_password(demand):
    assert next_step(frozenset(), demand) is Step.PASSWORD


@pytest.mark.parametrize("demand", Demand)
def test_a_password_is_enough_for_now(demand):
    assert next_step(frozenset({Method.PASSWORD}), demand) is Step.FINISHED


@pytest.mark.parametrize("demand", Demand)
@pytest.mark.parametrize("proven", [method for method in Method if method is not Method.PASSWORD])
def test_another_proof_does_not_stand_in_for_the_password(demand, proven):
    """E21."""
    assert next_step(frozenset({proven}), demand) is Step.PASSWORD


@pytest.mark.parametrize("row", TABLE)
def test_every_row_can_be_reached(row):
    assert next_step(row.proven, row.demand) is row.step


@pytest.mark.parametrize("row", [row for row in TABLE if row.by is not None])
def test_a_proof_never_leads_back_to_the_same_step(row):
    assert next_step(row.proven | {row.by}, row.demand) is not row.step


def test_the_diagram_names_every_step_of_every_demand():
    drawn = draw()
    assert drawn.startswith("stateDiagram-v2\n")
    for row in TABLE:
        assert f"{row.demand.value}_{row.step.value}" in drawn
    assert drawn == draw()


def test_every_failure_has_a_sentence():
    assert len({failure.sentence for failure in Failure}) == len(Failure)
