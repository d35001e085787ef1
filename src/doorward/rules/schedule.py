"""When something that is done at intervals is due: every hour, day, week or month, at an hour in UTC (B-36)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

_DAYS_OF_EVERY_MONTH: Final = 28


class Interval(Enum):
    """How often."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`hour` 0-23 (UTC) for all but hourly, `weekday` 0-6 (Monday is 0) for weekly, `day` 1-28 for monthly."""

    interval: Interval
    hour: int = 2
    weekday: int = 0
    day: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.hour < 24 and 0 <= self.weekday < 7 and 1 <= self.day <= _DAYS_OF_EVERY_MONTH):  # noqa: PLR2004 -- a day, a week
            raise ValueError("hours are 0-23, weekdays 0-6, days 1-28")

    def turn_before(self, now: datetime) -> datetime:
        """The newest turn that is not after `now`."""
        full = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self.interval is Interval.HOURLY:
            return full
        if self.interval is Interval.DAILY:
            turn = full.replace(hour=self.hour)
            return turn if turn <= now else turn - timedelta(days=1)
        if self.interval is Interval.WEEKLY:
            turn = full.replace(hour=self.hour) - timedelta(days=full.weekday() - self.weekday)
            return turn if turn <= now else turn - timedelta(days=7)
        turn = full.replace(day=self.day, hour=self.hour)
        return turn if turn <= now else _a_month_before(turn)

    def is_due(self, done_at: datetime | None, now: datetime) -> bool:
        """Whether the turn before `now` was missed. Many missed turns are made up for by one; never done is due."""
        return done_at is None or done_at < self.turn_before(now)


def _a_month_before(at: datetime) -> datetime:
    return (at.replace(day=1) - timedelta(days=1)).replace(day=at.day)
