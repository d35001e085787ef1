"""One's own sessions: who am I, where am I signed in, end that."""

from datetime import datetime

from doorward.flows.visitor import Visitor
from doorward.interfaces import LiveView, Records, Sessions
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject, find_end


class Account:
    """What somebody signed in may see and do about their own account."""

    def __init__(self, *, records: Records, sessions: Sessions, live: LiveView) -> None:
        self._records = records
        self._sessions = sessions
        self._live = live

    async def find_subject(self, fingerprint: Fingerprint, *, now: datetime) -> Subject | None:
        """The live session and account behind a cookie; None when it does not count (any more)."""
        subject = self._live.find_subject(fingerprint)
        if subject is None or find_end(subject.session, subject.user, now) is not None:
            return None
        return subject

    async def list_sessions(self, subject: Subject, *, now: datetime) -> list[Session]:
        """One's own live sessions, last seen first."""
        sessions = await self._sessions.list_of(subject.user.id)
        return [session for session in sessions if find_end(session, subject.user, now) is None]

    async def end_session(self, subject: Subject, handle: SessionHandle, visitor: Visitor, *, now: datetime) -> bool:
        """End one of one's own sessions. False when there is none, or it is somebody else's: the two look alike."""
        session = await self._sessions.find_by_handle(handle)
        if session is None or session.user_id != subject.user.id:
            return False
        async with self._records.transaction() as transaction:
            ended = await transaction.end_session(handle)
            if ended:
                await transaction.append_audit(
                    AuditEvent(
                        Act.SESSION_ENDED,
                        subject.user.id,
                        subject.user.id,
                        now,
                        {"session": handle, "by": subject.session.handle},
                        visitor.private(),
                    )
                )
        return ended

    async def end_other_sessions(self, subject: Subject, visitor: Visitor, *, now: datetime) -> int:
        """End all of one's own sessions but this one (J03); how many there were."""
        keep = subject.session.handle
        others = [session for session in await self._sessions.list_of(subject.user.id) if session.handle != keep]
        async with self._records.transaction() as transaction:
            await transaction.end_sessions_of(subject.user.id, keep=keep)
            await transaction.append_audit(
                AuditEvent(
                    Act.SESSION_ENDED,
                    subject.user.id,
                    subject.user.id,
                    now,
                    {"session": "others", "kept": keep, "count": str(len(others))},
                    visitor.private(),
                )
            )
        return len(others)
