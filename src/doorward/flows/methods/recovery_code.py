"""Proving a recovery code: each once, and its owner is told."""

import hmac
from collections.abc import Sequence
from datetime import datetime

from doorward.flows.letters import circumstances
from doorward.flows.notify import Notify
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.factor import FactorId, RecoveryCode
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterKind
from doorward.rules.recovery_code import hash_code, parse_code


class RecoveryCodeMethod:
    """A recovery code in place of a second factor."""

    def __init__(self, *, keyring: Keyring, notify: Notify) -> None:
        self._keyring = keyring
        self._notify = notify

    async def prove(
        self,
        transaction: Transaction,
        user: User,
        visitor: Visitor,
        code: str,
        *,
        now: datetime,
    ) -> bool:
        """Check a code and use it up; of many who come with one code, one is right (F09).

        TamperError when a stored code is not what we wrote.
        """
        canonical = parse_code(code)
        if canonical is None:
            return False
        factors = await transaction.find_factors(user.id)
        hashed = self._hash(canonical, user.id)
        # All of the account's own are compared (F08), used or not, so that time tells nothing of where it stands.
        right = [each for each in factors.recovery_codes if hmac.compare_digest(self._open(each), hashed)]
        if not right or not await transaction.spend_recovery_code(right[0].id, now):
            return False
        left = str(factors.unused_codes - 1)
        event = AuditEvent(Act.RECOVERY_CODE_USED, user.id, user.id, now, {"left": left}, visitor.private())
        await transaction.append_audit(event)
        said = {"left": left, **circumstances(visitor, now)}
        await self._notify(transaction, LetterKind.RECOVERY_CODE_USED, user, said, now)
        return True

    def make(
        self, user_id: UserId, codes: Sequence[str], ids: Sequence[FactorId], *, now: datetime
    ) -> tuple[RecoveryCode, ...]:
        """A set of codes as the records hold it, of codes as they are shown. ValueError where one is none."""
        return tuple(
            self._make(user_id, position, code, code_id, now)
            for position, (code, code_id) in enumerate(zip(codes, ids, strict=True), start=1)
        )

    def _make(self, user_id: UserId, position: int, code: str, code_id: FactorId, now: datetime) -> RecoveryCode:
        canonical = parse_code(code)
        if canonical is None:
            raise ValueError("that is no recovery code")
        sealed = self._keyring.seal(_place_of(code_id), self._hash(canonical, user_id))
        return RecoveryCode(code_id, user_id, position, sealed, now)

    def _hash(self, canonical: str, user_id: UserId) -> bytes:
        return hash_code(canonical, user_id, self._keyring.derive("recovery-codes"))

    def _open(self, code: RecoveryCode) -> bytes:
        return self._keyring.unseal(_place_of(code.id), code.sealed)


def _place_of(code_id: FactorId) -> Place:
    return Place("recovery_codes", "sealed", code_id)
