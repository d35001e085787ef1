"""When somebody has shown recently enough who they are, for what concerns accounts and the ways to sign in."""

from datetime import datetime, timedelta
from typing import Final

from doorward.rules.session import RECENT, Session, is_recent

JUST_NOW: Final = timedelta(minutes=5)
"""How old it may be where a form is opened: what is left of `RECENT` is for filling it in."""


def is_proven(session: Session, now: datetime) -> bool:
    """Whether an act may be done."""
    return is_recent(session, now, RECENT)


def is_just_proven(session: Session, now: datetime) -> bool:
    """Whether a form may be opened; and whether asking to confirm would only ask again."""
    return is_recent(session, now, JUST_NOW)
