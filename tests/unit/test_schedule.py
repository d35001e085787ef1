"""When something is due, and when to try again."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from doorward.rules.chore import PATIENCE, Chore
from doorward.rules.schedule import Interval, Schedule

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)  # a Sunday
NIGHTLY = Schedule(Interval.DAILY)


@pytest.mark.parametrize(
    ("schedule", "turn"),
    [
        (Schedule(Interval.HOURLY), "2026-03-01T01:00"),
        (Schedule(Interval.DAILY, hour=1), "2026-03-01T01:00"),
        (Schedule(Interval.DAILY, hour=2), "2026-02-28T02:00"),
        (Schedule(Interval.WEEKLY, hour=1, weekday=6), "2026-03-01T01:00"),
        (Schedule(Interval.WEEKLY, hour=2, weekday=6), "2026-02-22T02:00"),
        (Schedule(Interval.WEEKLY, hour=23, weekday=0), "2026-02-23T23:00"),
        (Schedule(Interval.MONTHLY, hour=1, day=1), "2026-03-01T01:00"),
        (Schedule(Interval.MONTHLY, hour=2, day=1), "2026-02-01T02:00"),
        (Schedule(Interval.MONTHLY, hour=2, day=28), "2026-02-28T02:00"),
    ],
)
def test_the_turn_before_an_instant_is_the_newest_that_is_not_after_it(schedule, turn):
    """B-36."""
    assert schedule.turn_before(NOW) == datetime.fromisoformat(turn).replace(tzinfo=UTC)
    elsewhere = NOW.astimezone(timezone(timedelta(hours=13)))
    assert schedule.turn_before(elsewhere) == schedule.turn_before(NOW)


@pytest.mark.parametrize("wrong", [{"hour": 24}, {"weekday": 7}, {"day": 0}, {"day": 29}])
def test_a_turn_that_does_not_come_is_refused(wrong):
    with pytest.raises(ValueError, match="hours are"):
        Schedule(Interval.MONTHLY, **wrong)


def test_what_was_never_done_or_missed_its_turn_is_due_and_once_makes_up_for_all():
    assert NIGHTLY.is_due(None, NOW)
    assert NIGHTLY.is_due(NOW - timedelta(days=40), NOW)
    assert not NIGHTLY.is_due(NIGHTLY.turn_before(NOW), NOW)


def test_what_failed_or_was_cut_off_is_tried_again_after_a_while_and_not_before():
    begun = Chore("backup").begun(NOW)
    for chore in (begun, begun.failed("the disk is full")):
        assert not chore.is_due(NIGHTLY, NOW + PATIENCE / 2)
        assert chore.is_due(NIGHTLY, NOW + PATIENCE)
    assert not begun.done(NOW, {}).is_due(NIGHTLY, NOW + PATIENCE)
    assert begun.done(NOW, {}).is_due(NIGHTLY, NOW + timedelta(days=1))
    again = begun.done(NOW, {"rows": "7"}).begun(NOW + timedelta(days=1)).failed("no")
    assert not again.is_due(NIGHTLY, NOW + timedelta(days=1, minutes=1))
    assert again.facts == {"rows": "7"}
