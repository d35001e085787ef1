"""Signing out: the session ends at once, everywhere."""

from datetime import datetime

from doorward.flows.visitor import Visitor
from doorward.interfaces import Records, Sessions
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.session import Fingerprint


class SignOut:
    """The end of one's own session."""

    def __init__(self, *, records: Records, sessions: Sessions) -> None:
        self._records = records
        self._sessions = sessions

    async def sign_out(self, fingerprint: Fingerprint, visitor: Visitor, *, now: datetime) -> bool:
        """End the session; whether there was one. Raises UnavailableError rather than claim what was not done (R12)."""
        session = await self._sessions.find(fingerprint)
        if session is None:
            return False
        async with self._records.transaction() as transaction:
            ended = await transaction.end_session(session.handle)
            if ended:
                await transaction.append_audit(
                    AuditEvent(
                        Act.LOGOUT,
                        session.user_id,
                        session.user_id,
                        now,
                        {"session": session.handle},
                        visitor.private(),
                    )
                )
        return ended
