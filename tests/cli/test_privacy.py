"""`doorward privacy`: what is kept, how long, and the end of it."""

import sqlite3
from contextlib import closing

from doorward.storage.sql.tables import to_micros
from tests.fakes.system import START


def test_a_report_says_how_old_the_oldest_is_and_what_is_left_over(place):
    """E-74, E-58: with the exit code for a monitor."""
    place.write("retention: {audit_private: off, letters: 7d}\n")
    place.add("alice")
    rows = {row["kind"]: row for row in place.answer("privacy", "report")}
    assert rows["letters"]["kept_for"] == "7d"
    assert rows["audit_private"]["kept_for"] == "for ever"
    assert rows["tickets"]["kept_for"] == "its own end"
    assert all(row["holds"] for row in rows.values())
    assert "never yet" in place.run("privacy", "report").stdout
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as database:
        database.execute(
            "INSERT INTO invites VALUES ('i', x'00', '', 0, ?, NULL, 0, '[]', '', '', NULL)",
            (to_micros(START) - 30 * 365 * 86400 * 1_000_000,),
        )
        database.commit()
    result = place.run("privacy", "report")
    assert result.exit_code == 1
