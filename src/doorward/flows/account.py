"""One's own sessions: who am I, where am I signed in, end that."""

from datetime import datetime

from doorward.flows.visitor import Visitor
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject


class Account:
    """What somebody signed in may see and do about their own account."""

    async def find_subject(self, fingerprint: Fingerprint, *, now: datetime) -> Subject | None:
        """The live session and account behind a cookie; None when it does not count (any more)."""
        ...

    async def list_sessions(self, subject: Subject, *, now: datetime) -> list[Session]:
        """One's own live sessions, last seen first."""
        ...

    async def end_session(
        self, subject: Subject, handle: SessionHandle, visitor: Visitor, *, now: datetime
    ) -> bool:
        """End one of one's own sessions. False when there is none, or it is somebody else's: the two look alike."""
        ...

    async def end_other_sessions(self, subject: Subject, visitor: Visitor, *, now: datetime) -> int:
        """End all of one's own sessions but this one; how many there were."""
        ...
