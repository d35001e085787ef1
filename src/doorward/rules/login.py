"""The one table of sign-in steps, and the words for a sign-in that is refused.

The table says what must be proven next, given what is proven already. Methods never name one another; adding one is
adding a row. `docs/security-flow.md` carries the diagram drawn from this table by `draw`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from doorward.rules.provider import Provider
from doorward.rules.session import Method


class Step(Enum):
    """What the sign-in page asks for next."""

    FIRST_PROOF = "first_proof"
    """Who it is: by a password, or by what a provider says."""
    FINISHED = "finished"


class Demand(Enum):
    """What the sign-in is for, and so how much it has to prove."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    """That it is still the same person, in any way they have: before they change something about the account."""
    STEP_UP = "step_up"
    """The same, in a way that is certain to have asked just now: what `require: fresh` counts."""

    def takes(self, provider: Provider) -> bool:
        """Whether what this provider says can answer the demand."""
        return self is not Demand.STEP_UP or provider.proves_freshness


@dataclass(frozen=True, slots=True)
class Row:
    """Where `demand` is asked and at least `proven` is proven, `step` comes next. The first row that fits is taken.

    `by` are the methods of which a proof at this step adds one; none where nothing is left to prove.
    """

    demand: Demand
    proven: frozenset[Method]
    step: Step
    by: tuple[Method, ...] = ()


_FIRST: Final = (Method.PASSWORD, Method.UPSTREAM)
"""Any of these says who it is. What a provider says of a second factor (`UPSTREAM_MFA`) comes with its word on that."""

# Most proven first: the first row whose proofs are all there decides.
TABLE: Final = (
    Row(Demand.SIGN_IN, frozenset({Method.PASSWORD}), Step.FINISHED),
    Row(Demand.SIGN_IN, frozenset({Method.UPSTREAM}), Step.FINISHED),
    Row(Demand.SIGN_IN, frozenset(), Step.FIRST_PROOF, _FIRST),
    Row(Demand.CONFIRM, frozenset({Method.PASSWORD}), Step.FINISHED),
    Row(Demand.CONFIRM, frozenset({Method.UPSTREAM}), Step.FINISHED),
    Row(Demand.CONFIRM, frozenset(), Step.FIRST_PROOF, _FIRST),
    Row(Demand.STEP_UP, frozenset({Method.PASSWORD}), Step.FINISHED),
    Row(Demand.STEP_UP, frozenset({Method.UPSTREAM}), Step.FINISHED),
    Row(Demand.STEP_UP, frozenset(), Step.FIRST_PROOF, _FIRST),
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
    PASSWORDS_CLOSED = "passwords_closed"
    """Local passwords are not taken at present (docs/adr 0022), whosever it is."""

    @property
    def sentence(self) -> str:
        """One sentence for the visitor, the same whether or not the account exists (E03)."""
        return _SENTENCES[self]


_SENTENCES = {
    Failure.WRONG: "That user name or password is not right.",
    Failure.LOCKED: "There were too many failed attempts. Please wait before you try again.",
    Failure.THROTTLED: "There were too many attempts from your network. Please wait before you try again.",
    Failure.TICKET_GONE: "This page was open for too long or was already used. Please try again.",
    Failure.PASSWORDS_CLOSED: "Passwords are not accepted here. Please sign in with one of the providers.",
}


def draw() -> str:
    """Draw the table as a mermaid state diagram; the same table always gives the same text."""
    lines = ["stateDiagram-v2"]
    for demand in Demand:
        name = demand.value
        lines += [f"    state {name} {{", f"        [*] --> {name}_{next_step(frozenset(), demand).value}"]
        for row in (row for row in TABLE if row.demand is demand):
            here = f"{name}_{row.step.value}"
            for method in row.by:
                after = next_step(row.proven | {method}, demand)
                lines.append(f"        {here} --> {name}_{after.value}: {method.name.lower()} proven")
            if row.by:
                lines.append(f"        {here} --> {here}: refused, counted")
        end = f"{name}_{Step.FINISHED.value}"
        lines.append(f"        {end} --> [*]: ticket taken once, account looked at again, session made")
        lines.append("    }")
    return "\n".join(lines)
