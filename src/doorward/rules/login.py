"""The one table of sign-in steps, and the words for a sign-in that is refused.

The table says what must be proven next, given what is proven already. Methods never name one another; adding one is
adding a row. `docs/security-flow.md` carries the diagram drawn from this table by `draw`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from doorward.rules.session import Method


class Step(Enum):
    """What the sign-in page asks for next."""

    PASSWORD = "password"  # noqa: S105 -- a step's name
    FINISHED = "finished"


class Demand(Enum):
    """What the sign-in is for, and so how much it has to prove."""

    SIGN_IN = "sign_in"
    STEP_UP = "step_up"


@dataclass(frozen=True, slots=True)
class Row:
    """Where `demand` is asked and at least `proven` is proven, `step` comes next. The first row that fits is taken.

    `by` is the method that a proof at this step adds, None where nothing is left to prove.
    """

    demand: Demand
    proven: frozenset[Method]
    step: Step
    by: Method | None


# Most proven first: the first row whose proofs are all there decides.
TABLE: Final = (
    Row(Demand.SIGN_IN, frozenset({Method.PASSWORD}), Step.FINISHED, None),
    Row(Demand.SIGN_IN, frozenset(), Step.PASSWORD, Method.PASSWORD),
    Row(Demand.STEP_UP, frozenset({Method.PASSWORD}), Step.FINISHED, None),
    Row(Demand.STEP_UP, frozenset(), Step.PASSWORD, Method.PASSWORD),
)


def next_step(proven: frozenset[Method], demand: Demand) -> Step:
    """Say what must be proven next (docs/security-flow.md)."""
    return next(row.step for row in TABLE if row.demand is demand and row.proven <= proven)


class Failure(Enum):
    """Why a sign-in did not go on. The value is the word in metrics and audit; `sentence` is for the visitor."""

    WRONG = "wrong"
    LOCKED = "locked"
    THROTTLED = "throttled"
    TICKET_GONE = "ticket_gone"

    @property
    def sentence(self) -> str:
        """One sentence for the visitor, the same whether or not the account exists (E03)."""
        return _SENTENCES[self]


_SENTENCES = {
    Failure.WRONG: "That user name or password is not right.",
    Failure.LOCKED: "There were too many failed attempts. Please wait before you try again.",
    Failure.THROTTLED: "There were too many attempts from your network. Please wait before you try again.",
    Failure.TICKET_GONE: "This page was open for too long or was already used. Please try again.",
}


def draw() -> str:
    """Draw the table as a mermaid state diagram; the same table always gives the same text."""
    lines = ["stateDiagram-v2"]
    for demand in Demand:
        name = demand.value
        lines += [f"    state {name} {{", f"        [*] --> {name}_{next_step(frozenset(), demand).value}"]
        for row in (row for row in TABLE if row.demand is demand):
            here = f"{name}_{row.step.value}"
            if row.by is None:
                lines.append(f"        {here} --> [*]: ticket taken once, account looked at again, session made")
            else:
                after = next_step(row.proven | {row.by}, demand)
                lines.append(f"        {here} --> {name}_{after.value}: {row.by.value} proven")
                lines.append(f"        {here} --> {here}: refused, counted, evened out")
        lines.append("    }")
    return "\n".join(lines)
