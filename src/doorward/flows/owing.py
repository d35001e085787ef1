"""What an account owes before a session is made, found anew from the records at every step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import InputError
from doorward.flows.pending import Pending
from doorward.interfaces import LiveView, Transaction
from doorward.rules.factor import Factor, Factors
from doorward.rules.identity import User
from doorward.rules.login import Demand, Need, Step, methods_for, next_step
from doorward.rules.mfa import MFA_SETTING, MfaTerms, Standing
from doorward.rules.provider import Provider
from doorward.rules.session import Method
from doorward.rules.strict_json import parse_object

_LOOK_AGAIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """`enrol_by` is set where policy asks for a factor and there is none: until then a session may last without."""

    step: Step
    factors: Factors
    enrol_by: datetime | None = None
    may_postpone: bool = False

    def kinds(self, demand: Demand) -> frozenset[Factor]:
        """What may answer a second proof."""
        methods = methods_for(demand, Step.SECOND_PROOF)
        return frozenset(kind for kind in self.factors.kinds if kind.methods & methods)


class Owing:
    """Asks the records. `terms`: what the file says; a setting made in the console stands above it."""

    def __init__(self, *, terms: Callable[[], MfaTerms]) -> None:
        self._terms = terms

    async def demands(self, transaction: Transaction, user: User, /) -> bool:
        """Whether policy demands a second factor of this account."""
        return self._terms().decide(await transaction.find_setting(MFA_SETTING)).covers(user)

    async def find(self, transaction: Transaction, user: User, pending: Pending, now: datetime) -> Owed:
        """What comes next for this account, and what it owes."""
        terms = self._terms()
        required = terms.decide(await transaction.find_setting(MFA_SETTING))
        factors = await transaction.find_factors(user.id)
        needs: set[Need] = set()
        # SECURITY: a link that came by mail is no reason to ask for less, whatever policy says of signing in; and who
        # had two factors confirms with two. tests/unit/test_owed_steps.py follows one, test_added_proof.py confirms.
        asks = required.asks_at_sign_in or pending.had_second or pending.demand is Demand.RESET
        if factors.protects and asks:
            needs.add(Need.SECOND_FACTOR)
        if user.must_change_password or (pending.demand is Demand.RESET and Method.PASSWORD not in pending.proven):
            needs.add(Need.NEW_PASSWORD)
        if pending.enrolled and not factors.unused_codes:
            needs.add(Need.CODES)
        enrol_by, may_postpone = None, False
        if required.covers(user) and not factors.protects and Method.UPSTREAM_MFA not in pending.proven:
            enrol_by = terms.end_of_grace(user, now)
            may_postpone = now < enrol_by
            # Within the grace it is asked for once, when signing in, and not again whenever something is confirmed.
            if not may_postpone or not (pending.postponed or pending.demand.is_of_someone):
                needs.add(Need.ENROLMENT)
        return Owed(
            step=next_step(pending.proven, pending.demand, frozenset(needs)),
            factors=factors,
            enrol_by=enrol_by,
            may_postpone=may_postpone,
        )


class OwnerStandings:
    """Whether the owner of a key could sign in, as far as second factors go. Asked without awaiting anything.

    `providers`: those of the file. `trusts`: whether any provider's word on a second factor counts (`mfa.trust_idp`).
    """

    def __init__(
        self,
        *,
        live: LiveView,
        terms: Callable[[], MfaTerms],
        providers: Callable[[], Sequence[Provider]],
        trusts: bool,
    ) -> None:
        self._live = live
        self._terms = terms
        self._providers = providers
        self._trusts = trusts

    def judge(self, user: User, now: datetime) -> Standing:
        """How this account stands at `now`. Nobody signs in to a service account, so it owes nothing."""
        terms = self._terms()
        if user.is_service or not terms.decide(self._live.find_setting(MFA_SETTING)).covers(user):
            return Standing(owes=False)
        # What may change without a change of the account: its factors, and whose word is trusted.
        until = now + _LOOK_AGAIN
        proofs = self._live.find_second_proofs(user.id)
        if proofs.own or (self._trusts and any(self._trusts_one(*each) for each in proofs.providers)):
            return Standing(owes=False, until=until)
        end = terms.end_of_grace(user, now)
        return Standing(owes=now >= end, until=min(end, until))

    def _trusts_one(self, provider_id: str, settings: str | None) -> bool:
        in_file = next((each for each in self._providers() if each.id == provider_id), None)
        if in_file is not None:
            return in_file.enabled and in_file.trust_mfa
        return settings is not None and _says_trusted(settings)


def _says_trusted(settings: str) -> bool:
    try:
        return parse_object(settings.encode()).get("trust_mfa") is True
    except InputError:
        return False


async def note_grace(transaction: Transaction, user: User, owed: Owed) -> User:
    """Have the grace begin with the first time that somebody is asked; the account as it is then."""
    if owed.enrol_by is None or user.enrol_by is not None:
        return user
    asked = replace(user, enrol_by=owed.enrol_by)
    await transaction.advance_user(user, asked)
    return asked
