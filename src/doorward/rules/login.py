"""The one table of sign-in steps, and the words for a sign-in that is refused.

The table says what must be proven next, given what is proven and what the account still owes. Methods never name one
another; adding one is adding it to a row. `docs/security-flow.md` carries the diagram drawn from this table by `draw`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from doorward.rules.provider import Provider
from doorward.rules.session import Method


class Step(Enum):
    """What the sign-in page asks for next."""

    FIRST_PROOF = "first_proof"
    """Who it is: by a password, by what a provider says, or by a passkey that verified its user."""
    SECOND_PROOF = "second_proof"
    """Something else that the same person has."""
    NEW_PASSWORD = "new_password"  # noqa: S105 -- a step's name
    ENROL = "enrol"
    """Setting up a second factor, because policy asks for one and there is none."""
    RECOVERY_CODES = "recovery_codes"
    """Noting down recovery codes, after a second factor was set up."""
    FINISHED = "finished"


class Demand(Enum):
    """What the sign-in is for, and so how much it has to prove."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    """That it is still the same person, in any way they have: before they change something about the account."""
    STEP_UP = "step_up"
    """The same, in a way that is certain to have asked just now: what `require: fresh` counts."""
    SECOND_FACTOR = "second_factor"
    """A second factor besides what the running session has proven: what `require: two_factor` asks for."""
    PASSKEY = "passkey"
    """A passkey that verifies its user, and nothing else: what `require: passkey` asks for."""
    RESET = "reset"
    """A new password, by a link that was handed out for that. Never asks for less than a sign-in."""

    def takes(self, provider: Provider) -> bool:
        """Whether what this provider says can answer the demand."""
        if self is Demand.STEP_UP:
            return provider.proves_freshness
        if self is Demand.SECOND_FACTOR:
            return provider.trust_mfa
        return self in {Demand.SIGN_IN, Demand.CONFIRM}

    @property
    def is_of_someone(self) -> bool:
        """Whether somebody signed in is asked again, so that only the same account may answer."""
        return self not in {Demand.SIGN_IN, Demand.RESET}


class Need(Enum):
    """What an account owes before a session is made; found anew from the records at every step."""

    SECOND_FACTOR = "second_factor"
    NEW_PASSWORD = "new_password"  # noqa: S105 -- a need's name
    ENROLMENT = "enrolment"
    CODES = "codes"


@dataclass(frozen=True, slots=True)
class Row:
    """Where `demand` is asked and the account owes `need` (None: always), `step` comes until one of `by` is proven.

    Without `by` it comes until the need is gone.
    """

    demand: Demand
    step: Step
    by: tuple[Method, ...] = ()
    need: Need | None = None

    def is_due(self, proven: frozenset[Method], needs: frozenset[Need]) -> bool:
        """Whether the step has to be taken now."""
        return (self.need is None or self.need in needs) and proven.isdisjoint(self.by)


_FIRST: Final = (Method.PASSWORD, Method.UPSTREAM, Method.PASSKEY, Method.ASSERTED)
"""Any of these says who it is. What a provider says of a second factor (`UPSTREAM_MFA`) comes with its word on that."""
_AGAIN: Final = tuple(method for method in _FIRST if method is not Method.ASSERTED)
"""Who is there now. A proxy's word is the same whoever sits there, and however long ago they proved who they are."""
_FRESH: Final = (Method.TOTP, Method.PASSKEY, Method.SECURITY_KEY, Method.UPSTREAM_MFA)
SECOND_METHODS: Final = (*_FRESH, Method.RECOVERY_CODE)
"""Any of these is a second proof beside a first one. A passkey that verified its user is both."""


def _rows(demand: Demand, first: tuple[Method, ...], second: tuple[Method, ...]) -> tuple[Row, ...]:
    owed = None if demand is Demand.SECOND_FACTOR else Need.SECOND_FACTOR
    return (
        Row(demand, Step.FIRST_PROOF, first),
        *((Row(demand, Step.SECOND_PROOF, second, owed),) if second else ()),
        Row(demand, Step.NEW_PASSWORD, need=Need.NEW_PASSWORD),
        Row(demand, Step.ENROL, need=Need.ENROLMENT),
        Row(demand, Step.RECOVERY_CODES, need=Need.CODES),
    )


# In the order in which steps are taken: the first row of the demand that is due decides.
TABLE: Final = (
    *_rows(Demand.SIGN_IN, _FIRST, SECOND_METHODS),
    *_rows(Demand.CONFIRM, _AGAIN, SECOND_METHODS),
    # A recovery code was written down once, and says nothing of who is there now (B-17).
    *_rows(Demand.STEP_UP, _AGAIN, _FRESH),
    *_rows(Demand.SECOND_FACTOR, _FIRST, SECOND_METHODS),
    *_rows(Demand.PASSKEY, (Method.PASSKEY,), ()),
    *_rows(Demand.RESET, (Method.LINK,), SECOND_METHODS),
)


def next_step(proven: frozenset[Method], demand: Demand, needs: frozenset[Need] = frozenset()) -> Step:
    """Say what must be done next (docs/security-flow.md)."""
    due = (row.step for row in TABLE if row.demand is demand and row.is_due(proven, needs))
    return next(due, Step.FINISHED)


def methods_for(demand: Demand, step: Step) -> frozenset[Method]:
    """What may be proven at a step."""
    return frozenset(method for row in TABLE if row.demand is demand and row.step is step for method in row.by)


class Failure(Enum):
    """Why a sign-in did not go on. The value is the word in metrics and audit; `sentence` is for the visitor."""

    WRONG = "wrong"
    WRONG_CODE = "wrong_code"
    WRONG_PASSKEY = "wrong_passkey"
    PASSKEY_COPIED = "passkey_copied"
    """Told only to whoever signed with the very key: it says nothing of the account (G08, G17)."""
    LOCKED = "locked"
    THROTTLED = "throttled"
    TICKET_GONE = "ticket_gone"
    PASSWORDS_CLOSED = "passwords_closed"
    """Local passwords are not taken at present (docs/adr 0022), whosever it is."""
    NOBODY = "nobody"
    """A proxy names somebody who has no account here, or one that is disabled."""
    AWAITS_APPROVAL = "awaits_approval"
    """Told only to whoever proved that the account is theirs."""
    FACTORS_LOST = "factors_lost"
    """Second factors that the account had are not there any more, and nobody took them away (M10)."""
    UPSTREAM_GONE = "upstream_gone"
    """What a provider said does not hold any more: it was closed, disconnected, or ended the sign-in meanwhile."""
    ENROLMENT_DUE = "enrolment_due"
    """Setting up a second factor cannot be put off any longer."""
    FACTOR_NEEDED = "factor_needed"
    """Policy demands a second factor, so the last one stays."""
    PASSKEY_KNOWN = "passkey_known"
    TOO_MANY_PASSKEYS = "too_many_passkeys"
    LOCKDOWN = "lockdown"
    """Nobody but administrators adds a way of signing in while an incident is being contained."""

    @property
    def sentence(self) -> str:
        """One sentence for the visitor, the same whether or not the account exists (E03)."""
        return _SENTENCES[self]


_SENTENCES = {
    Failure.WRONG: "That user name or password is not right.",
    Failure.WRONG_CODE: "That code is not right, or was used before.",
    Failure.WRONG_PASSKEY: "That passkey was not accepted.",
    Failure.PASSKEY_COPIED: "This passkey was refused because it looks like a copy. Please use another way.",
    Failure.LOCKED: "There were too many failed attempts. Please wait before you try again.",
    Failure.THROTTLED: "There were too many attempts from your network. Please wait before you try again.",
    Failure.TICKET_GONE: "This page was open for too long or was already used. Please try again.",
    Failure.PASSWORDS_CLOSED: "Passwords are not accepted here. Please sign in with one of the providers.",
    Failure.NOBODY: "You are signed in elsewhere, but with no account that counts here.",
    Failure.AWAITS_APPROVAL: "Your account waits for an administrator to let it in.",
    Failure.FACTORS_LOST: "This account cannot be used at present. Please ask an administrator.",
    Failure.UPSTREAM_GONE: "Your sign-in with the provider has ended. Please sign in again.",
    Failure.ENROLMENT_DUE: "A second factor is needed now. Please set one up.",
    Failure.FACTOR_NEEDED: "A second factor is needed here, so the last one cannot be removed.",
    Failure.PASSKEY_KNOWN: "This passkey is registered already.",
    Failure.TOO_MANY_PASSKEYS: "There is no room for another passkey. Please remove one first.",
    Failure.LOCKDOWN: "Nothing can be added at present. Please ask an administrator.",
}

_DONE: Final = {
    Step.NEW_PASSWORD: "set",
    Step.ENROL: "confirmed, or put off while that is allowed",
    Step.RECOVERY_CODES: "acknowledged",
}


def draw() -> str:
    """Draw the table as a mermaid state diagram; the same table always gives the same text."""
    lines = ["stateDiagram-v2"]
    for demand in Demand:
        name = demand.value
        lines += [f"    state {name} {{", f"        [*] --> {name}_{next_step(frozenset(), demand).value}"]
        rows = [row for row in TABLE if row.demand is demand]
        for row in rows:
            here = f"{name}_{row.step.value}"
            owed = " (if owed)" if row.need is not None else ""
            lines.append(f"        {here}: {row.step.value.replace('_', ' ')}{owed}")
            if row.by:
                lines.append(f"        {here} --> {here}: refused, counted")
            lines += [f"        {here} --> {name}_{after.value}: {what}" for after, what in _follow(row)]
        end = f"{name}_{Step.FINISHED.value}"
        lines.append(f"        {end} --> [*]: ticket taken once, account looked at again, session made")
        lines.append("    }")
    return "\n".join(lines)


def _follow(row: Row) -> Iterator[tuple[Step, str]]:
    """Where a row leads an account that owes everything, and by what."""
    later = frozenset(each.need for each in TABLE[TABLE.index(row) + 1 :] if each.demand is row.demand and each.need)
    if not row.by:
        yield next_step(frozenset(Method), row.demand, later), _DONE[row.step]
        return
    steps = [next_step(frozenset({*_before(row), method}), row.demand, later) for method in row.by]
    for step in dict.fromkeys(steps):
        methods = [method.name.lower() for method, after in zip(row.by, steps, strict=True) if after is step]
        yield step, f"{' or '.join(methods)} proven"


def _before(row: Row) -> Iterator[Method]:
    """One proof for every row before this one that this row's proofs do not settle."""
    for each in TABLE[: TABLE.index(row)]:
        if each.demand is row.demand and each.by:
            yield next(method for method in each.by if method not in row.by)
