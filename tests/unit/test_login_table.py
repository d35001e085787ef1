"""The table of sign-in steps: from every state a proof leads on, and everything ends in FINISHED."""

import pytest

from doorward.rules.login import TABLE, Demand, Failure, Step, draw, next_step
from doorward.rules.provider import Kind
from doorward.rules.session import Method
from tests.fakes.upstream import a_provider

FIRST = {Method.PASSWORD, Method.UPSTREAM}


@pytest.mark.parametrize("demand", Demand)
def test_nothing_proven_asks_who_it_is(demand):
    assert next_step(frozenset(), demand) is Step.FIRST_PROOF


@pytest.mark.parametrize("demand", Demand)
@pytest.mark.parametrize("proven", FIRST)
def test_a_password_or_a_providers_word_is_enough_for_now(demand, proven):
    assert next_step(frozenset({proven}), demand) is Step.FINISHED


@pytest.mark.parametrize("demand", Demand)
@pytest.mark.parametrize("proven", set(Method) - FIRST)
def test_no_other_proof_says_who_it_is(demand, proven):
    """E21."""
    assert next_step(frozenset({proven}), demand) is Step.FIRST_PROOF


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("demand", Demand)
def test_only_a_provider_that_can_be_made_to_ask_again_answers_a_step_up(demand, kind):
    provider = a_provider(kind=kind)
    assert demand.takes(provider) is (demand is not Demand.STEP_UP or kind is Kind.OIDC)


@pytest.mark.parametrize("row", TABLE)
def test_every_row_can_be_reached(row):
    assert next_step(row.proven, row.demand) is row.step


@pytest.mark.parametrize(("row", "method"), [(row, method) for row in TABLE for method in row.by])
def test_a_proof_never_leads_back_to_the_same_step(row, method):
    assert next_step(row.proven | {method}, row.demand) is not row.step


def test_the_diagram_names_every_step_of_every_demand():
    drawn = draw()
    assert drawn.startswith("stateDiagram-v2\n")
    for row in TABLE:
        assert f"{row.demand.value}_{row.step.value}" in drawn
    assert drawn == draw()


def test_the_diagram_says_everything_once():
    lines = [line for line in draw().splitlines() if "-->" in line]
    assert len(lines) == len(set(lines))


def test_every_failure_has_a_sentence():
    assert len({failure.sentence for failure in Failure}) == len(Failure)
