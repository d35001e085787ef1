"""Backups in a folder: their names, and which of them go."""

from datetime import UTC, datetime, timedelta

import pytest

from doorward.errors import InputError
from doorward.rules.backup import Keeping, Reason, check_name, choose_gone, name_backup, read_name

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def made(days, reason=Reason.SCHEDULED):
    at = NOW - timedelta(days=days)
    return read_name(name_backup(reason, at, entropy=days.to_bytes(4, "big"), encrypted=True))


def test_a_name_says_why_when_and_whether_encrypted():
    """B-36."""
    backup = made(3)
    assert (backup.reason, backup.encrypted) == (Reason.SCHEDULED, True)
    assert backup.made_at == NOW - timedelta(days=3)


@pytest.mark.parametrize(
    "name",
    ["", "x", "../x", "backup-20269999T000000Z-00000000.jsonl.gz", "backup-20260101T000000Z-00000000.jsonl.gz.partial"],
)
def test_other_names_are_none_of_ours(name):
    """D-39."""
    assert read_name(name) is None
    with pytest.raises(InputError):
        check_name(name)


def test_seven_days_four_weeks_and_twelve_months_stay():
    """B-36, E-49."""
    every_day = [made(days) for days in range(800)]
    gone = {backup.name for backup in choose_gone(every_day, Keeping(), NOW)}
    stays = [backup for backup in every_day if backup.name not in gone]
    assert [backup.name for backup in stays[:7]] == [backup.name for backup in every_day[:7]]
    assert len({backup.made_at.strftime("%Y%m") for backup in stays}) == 12
    assert 7 + 3 + 10 <= len(stays) <= 7 + 4 + 12


def test_the_newest_stays_however_old_it_is_and_zero_keeps_all():
    none = Keeping(1, 0, 0, 0)
    old = [made(100), made(200), made(90, Reason.RESTORE)]
    assert [backup.made_at for backup in choose_gone(old, none, NOW)] == [old[1].made_at, old[2].made_at]
    assert choose_gone(old, Keeping(0, 0, 0, 0), NOW) == []
