"""Signing in by the word of a proxy that has signed somebody in itself (docs/adr 0023).

It is one way of proving who one is, like a password, and takes no step away: second factors, approval, what an account
owes, the record and the limits are those of every sign-in. Nobody gets an account by it.
"""

from datetime import datetime
from typing import Final

from doorward.flows.finishing import Finishing
from doorward.flows.login import SignIn
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.throttle import Leg, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Records, Tally
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.login import Demand, Failure
from doorward.rules.session import NEVER, Fingerprint, Method
from doorward.rules.ways import ASSERTED_SETTING, name_witness

_PROVEN: Final = frozenset({Method.ASSERTED})


class AssertedSignIn:
    """`header` is the name of the header whose word counts, "" where none does."""

    def __init__(
        self,
        *,
        records: Records,
        throttle: Throttle,
        finishing: Finishing,
        sign_in: SignIn,
        tally: Tally,
        header: str,
    ) -> None:
        self._records = records
        self._throttle = throttle
        self._finishing = finishing
        self._sign_in = sign_in
        self._tally = tally
        self._header = header

    async def enter(
        self,
        login: str,
        visitor: Visitor,
        *,
        return_to: str | None,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Sign in whoever the proxy names, by canonical user name or e-mail address.

        Refused (NOBODY) for one without an account, or with one that is disabled: a proxy's word opens no account.
        """
        spent = await self._throttle.spend_oidc(Leg.ASSERTED, visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("asserted")
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        async with self._records.transaction() as transaction:
            user = await transaction.find_user_by_login(login)
            if user is None or not (user.enabled or user.awaits_approval):
                public = {"method": Method.ASSERTED.value, "failure": Failure.NOBODY.value}
                subject = user.id if user is not None else "unknown"
                event = AuditEvent(Act.LOGIN_FAILED, "anonymous", subject, now, public, visitor.private())
                await transaction.append_audit(event)
                if user is not None:
                    await self._finishing.note_failure(transaction, user, visitor, _PROVEN, Failure.NOBODY, now)
                return self._finishing.refuse(Failure.NOBODY)
        outcome = await self._sign_in.continue_as(
            user,
            visitor,
            proven=_PROVEN,
            demand=Demand.SIGN_IN,
            return_to=return_to,
            previous=previous,
            now=now,
            # Nobody says when they proved who they are: never just now.
            authenticated_at=NEVER,
        )
        if not isinstance(outcome, Refused) and user.administers:
            await self._witness(user)
        return outcome

    async def _witness(self, user: User) -> None:
        """Note that an administrator comes in this way, which is what lets passwords be closed (docs/adr 0022)."""
        witness = name_witness(self._header, user)
        async with self._records.transaction() as transaction:
            if await transaction.find_setting(ASSERTED_SETTING) != witness:
                await transaction.put_setting(ASSERTED_SETTING, witness)
