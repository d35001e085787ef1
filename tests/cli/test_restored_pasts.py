"""Backups whose present is another: of an older schema, or of nobody who could administer."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from doorward.errors import Clash, ConflictError

VECTORS = Path(__file__).parents[1] / "vectors"


def test_what_was_saved_before_an_upgrade_returns_with_its_factors_known_and_nothing_readable(place):
    """D-45, Q11: a schema that remembered no factors and sealed no record."""
    folder = place.folder / "data"
    folder.mkdir(mode=0o700)
    database = folder / "doorward.db"
    database.touch(mode=0o600)
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript((VECTORS / "storage" / "0003.sql").read_text("utf-8"))
        with_factors = set(connection.execute("SELECT user_id FROM totp UNION SELECT user_id FROM passkeys"))
    key = folder / "encryption_key"
    key.write_text(sha256(b"schema 0003").hexdigest() + "\n")
    key.chmod(0o600)
    (saved,) = place.answer("backup", "list")
    plan = place.answer("backup", "restore", saved["name"])
    place.answer("backup", "restore", saved["name"], "--apply", plan["token"])
    with closing(sqlite3.connect(database)) as connection:  # before any other start
        marked = set(connection.execute("SELECT id FROM users WHERE factors != ''"))
        readable = "SELECT private FROM audit WHERE private != '' AND private NOT LIKE 'gcm%'"
        assert connection.execute(readable).fetchall() == []
    assert with_factors
    assert marked >= with_factors


def test_a_backup_in_which_nobody_could_administer_is_not_restored(place):
    """D-39, N06: it says so, and makes no copy."""
    place.write("backup: {encryption: none}\n")
    place.add("bob")
    name = place.answer("backup", "create")["name"]
    place.add("alice", "--admin")
    plan = place.answer("backup", "restore", name)
    with pytest.raises(ConflictError, match="nobody could administer") as refused:
        place.run("backup", "restore", name, "--apply", plan["token"])
    assert refused.value.clash is Clash.LAST_ADMINISTRATOR
    assert [each["name"] for each in place.answer("backup", "list")] == [name]
    assert [user["name"] for user in place.answer("user", "list")] == ["alice", "bob"]
