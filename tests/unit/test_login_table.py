"""The table of sign-in steps: from every state a proof leads on, and everything ends in FINISHED."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from doorward.rules.login import SECOND_METHODS, TABLE, Demand, Failure, Need, Step, draw, methods_for, next_step
from doorward.rules.provider import Kind
from doorward.rules.session import Method
from tests.fakes.upstream import a_provider

AGAIN = (Method.PASSWORD, Method.UPSTREAM, Method.PASSKEY)
FIRST = (*AGAIN, Method.ASSERTED)
USUAL = [Demand.SIGN_IN, Demand.CONFIRM, Demand.STEP_UP]
SECOND = frozenset({Need.SECOND_FACTOR})
NEEDS = [frozenset(some) for size in range(len(Need) + 1) for some in combinations(Need, size)]


@pytest.mark.parametrize("demand", Demand)
@pytest.mark.parametrize("needs", NEEDS)
def test_nothing_proven_asks_who_it_is(demand, needs):
    assert next_step(frozenset(), demand, needs) is Step.FIRST_PROOF


@pytest.mark.parametrize(
    ("demand", "proven"),
    [*((demand, proven) for demand in USUAL for proven in AGAIN), (Demand.SIGN_IN, Method.ASSERTED)],
)
def test_a_first_proof_is_enough_where_nothing_is_owed(demand, proven):
    assert next_step(frozenset({proven}), demand) is Step.FINISHED


@pytest.mark.parametrize("demand", [*USUAL, Demand.SECOND_FACTOR])
@pytest.mark.parametrize("proven", [method for method in Method if method not in FIRST])
def test_no_other_proof_says_who_it_is(demand, proven):
    """E21."""
    assert next_step(frozenset({proven}), demand) is Step.FIRST_PROOF


@pytest.mark.parametrize("demand", [*USUAL, Demand.SECOND_FACTOR])
@pytest.mark.parametrize("proven", [Method.PASSWORD, Method.UPSTREAM])
def test_a_second_factor_that_is_owed_is_asked_for(demand, proven):
    assert next_step(frozenset({proven}), demand, SECOND) is Step.SECOND_PROOF
    for second in methods_for(demand, Step.SECOND_PROOF):
        assert next_step(frozenset({proven, second}), demand, SECOND) is Step.FINISHED


@pytest.mark.parametrize("demand", [Demand.CONFIRM, Demand.STEP_UP, Demand.PASSKEY])
def test_a_proxys_word_is_no_proof_of_who_is_there_now(demand):
    """A-28: it is the same whoever sits there, so it begins a sign-in and confirms none."""
    assert next_step(frozenset({Method.ASSERTED}), demand) is Step.FIRST_PROOF
    assert next_step(frozenset({Method.ASSERTED}), Demand.SIGN_IN, SECOND) is Step.SECOND_PROOF
    assert next_step(frozenset({Method.ASSERTED}), Demand.SECOND_FACTOR) is Step.SECOND_PROOF


@pytest.mark.parametrize("demand", [demand for demand in Demand if demand is not Demand.RESET])
def test_a_passkey_that_verified_its_user_is_both_proofs(demand):
    assert next_step(frozenset({Method.PASSKEY}), demand, SECOND) is Step.FINISHED


@pytest.mark.parametrize("demand", Demand)
def test_a_touch_alone_is_no_first_proof(demand):
    """G06."""
    assert next_step(frozenset({Method.SECURITY_KEY}), demand, SECOND) is Step.FIRST_PROOF


def test_a_recovery_code_says_nothing_of_now():
    proven = frozenset({Method.PASSWORD, Method.RECOVERY_CODE})
    assert next_step(proven, Demand.STEP_UP, SECOND) is Step.SECOND_PROOF
    assert next_step(proven, Demand.SIGN_IN, SECOND) is Step.FINISHED


def test_a_rule_that_asks_for_a_second_factor_asks_also_where_policy_does_not():
    assert next_step(frozenset({Method.PASSWORD}), Demand.SECOND_FACTOR) is Step.SECOND_PROOF
    assert next_step(frozenset({Method.PASSWORD, Method.TOTP}), Demand.SECOND_FACTOR) is Step.FINISHED


@pytest.mark.parametrize("proven", [method for method in Method if method is not Method.PASSKEY])
def test_nothing_but_a_passkey_answers_for_a_passkey(proven):
    everything_else = frozenset(Method) - {Method.PASSKEY}
    assert next_step(frozenset({proven}), Demand.PASSKEY) is Step.FIRST_PROOF
    assert next_step(everything_else, Demand.PASSKEY) is Step.FIRST_PROOF


def test_a_reset_never_asks_for_less_than_a_sign_in():
    proven = frozenset({Method.LINK})
    owed = SECOND | {Need.NEW_PASSWORD}
    assert next_step(proven, Demand.RESET, owed) is Step.SECOND_PROOF
    assert next_step(proven | {Method.TOTP}, Demand.RESET, owed) is Step.NEW_PASSWORD
    assert methods_for(Demand.RESET, Step.SECOND_PROOF) == set(SECOND_METHODS)


@pytest.mark.parametrize("demand", [demand for demand in Demand if demand is not Demand.RESET])
def test_a_link_is_good_for_a_new_password_alone(demand):
    assert next_step(frozenset({Method.LINK}), demand) is Step.FIRST_PROOF


@pytest.mark.parametrize("demand", Demand)
@pytest.mark.parametrize("needs", NEEDS)
def test_what_is_owed_is_asked_for_in_order_after_the_proofs(demand, needs):
    proven = frozenset(Method)
    order = [
        (Need.NEW_PASSWORD, Step.NEW_PASSWORD),
        (Need.ENROLMENT, Step.ENROL),
        (Need.CODES, Step.RECOVERY_CODES),
    ]
    expected = next((step for need, step in order if need in needs), Step.FINISHED)
    assert next_step(proven, demand, needs) is expected


TAKES = {
    Demand.SIGN_IN: (True, True),
    Demand.CONFIRM: (True, True),
    Demand.STEP_UP: (True, False),
    Demand.SECOND_FACTOR: (False, False),
    Demand.PASSKEY: (False, False),
    Demand.RESET: (False, False),
}


@pytest.mark.parametrize("demand", Demand)
def test_only_a_provider_that_can_answer_is_asked(demand):
    asks_again, does_not = TAKES[demand]
    assert demand.takes(a_provider(kind=Kind.OIDC)) is asks_again
    assert demand.takes(a_provider(kind=Kind.GITHUB)) is does_not


def test_a_provider_whose_word_on_it_counts_answers_for_a_second_factor():
    assert Demand.SECOND_FACTOR.takes(a_provider(trust_mfa=True))


@pytest.mark.parametrize("row", TABLE)
def test_every_row_can_be_reached(row):
    before = [each for each in TABLE[: TABLE.index(row)] if each.demand is row.demand]
    needs = frozenset({row.need} if row.need else ())
    proven = frozenset(next(m for m in each.by if m not in row.by) for each in before if each.by)
    assert next_step(proven, row.demand, needs) is row.step


@pytest.mark.parametrize(("row", "method"), [(row, method) for row in TABLE for method in row.by])
def test_a_proof_never_leads_back_to_the_same_step(row, method):
    needs = frozenset(Need)
    assert not row.is_due(frozenset({method}), needs)


def test_the_diagram_names_every_step_of_every_demand():
    drawn = draw()
    assert drawn.startswith("stateDiagram-v2\n")
    for row in TABLE:
        assert f"{row.demand.value}_{row.step.value}" in drawn
    assert drawn == draw()


def test_the_diagram_says_everything_once():
    lines = [line for line in draw().splitlines() if "-->" in line]
    assert len(lines) == len(set(lines))


def test_the_page_carries_the_diagram_of_this_table():
    page = (Path(__file__).parents[2] / "docs" / "security-flow.md").read_text("utf-8")
    part = re.search(r"<!-- generated:login-table -->\n```mermaid\n(.*?)\n```\n", page, re.DOTALL)
    assert part is not None
    assert part[1] == draw()


def test_every_failure_has_a_sentence():
    assert len({failure.sentence for failure in Failure}) == len(Failure)
