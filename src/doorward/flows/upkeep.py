"""Housekeeping: forgetting what has expired, and writing down when sessions were last used."""

from datetime import datetime

from doorward.rules.session import Session


class Touches:
    """Uses of sessions, collected without I/O and written in batches, at most once a minute for each session."""

    def note(self, session: Session, *, now: datetime, user_agent: str, address: str) -> None:
        """Remember a use. Costs a dictionary look-up; never waits, never fails."""
        ...

    async def flush(self) -> int:
        """Write what was noted, each conditionally; how many were written. A failure is logged and tried again later."""
        ...
