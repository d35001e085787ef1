"""The one place that reads the machine reads it truly."""

import os
from datetime import UTC, datetime, timedelta

from doorward.outside.system import SystemClock, SystemRandom, read_environment, restrict_files


def test_the_clock_is_aware_and_in_utc():
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_elapsed_time_never_runs_backwards():
    clock = SystemClock()
    readings = [clock.elapsed() for _ in range(100)]
    assert readings == sorted(readings)


def test_randomness_has_the_size_asked_for_and_never_repeats():
    drawn = [SystemRandom().token(32) for _ in range(1000)]
    assert {len(each) for each in drawn} == {32}
    assert len(set(drawn)) == 1000


def test_the_environment_is_a_copy(monkeypatch):
    monkeypatch.setenv("DOORWARD_TEST", "there")
    environment = read_environment()
    assert environment["DOORWARD_TEST"] == "there"
    monkeypatch.delenv("DOORWARD_TEST")
    assert environment["DOORWARD_TEST"] == "there"


def test_after_restricting_nobody_else_can_read_what_is_made(tmp_path):
    """A-45."""
    before = os.umask(0)
    try:
        restrict_files()
        (tmp_path / "file").touch(0o666)
        (tmp_path / "folder").mkdir(0o777)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
