"""`doorward audit`: the record looked at, taken out, verified here and elsewhere, and erased."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from doorward.errors import InputError
from doorward.outside.system import SystemRandom
from doorward.storage.sqlite import FILE_NAME

ROOT = Path(__file__).parents[2]


@pytest.fixture
def used(place):
    """A place where something was done."""
    place.add("root", "--admin")
    place.add("alice")
    place.run("user", "disable", "alice")
    return place


def tamper(place, statement, *values):
    with closing(sqlite3.connect(place.folder / "data" / FILE_NAME)) as connection, connection:
        connection.execute(statement, values)


def verify_elsewhere(folder, *arguments):
    """In another process, in an empty folder, with no configuration and no environment of ours."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "doorward", "audit", "verify", *map(str, arguments)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_records_are_listed_by_who_what_and_whom(used):
    """B-38, D-41."""
    listed = used.answer("audit", "list")
    assert [each["act"] for each in listed] == ["admin.user_disable", "admin.user_create", "admin.user_create"]
    assert used.answer("audit", "list", "--about", "alice", "--act", "admin.user_disable")[0]["about"] == "alice"
    assert len(used.answer("audit", "list", "--actor", "cli", "--limit", "2", "--before", "3")) == 2
    assert used.answer("audit", "list", "--since", "1h")
    assert used.answer("audit", "list", "--until", "2001-01-01T12:00") == []
    assert "admin.user_create" in used.run("audit", "list").stdout
    with pytest.raises(InputError):
        used.run("audit", "list", "--since", "yesterday")


def test_an_export_is_verified_elsewhere_with_the_public_key_alone(used, tmp_path):
    """E-72, field item 9."""
    export, elsewhere = tmp_path / "export.jsonl", tmp_path / "elsewhere"
    key = used.run("audit", "public-key").stdout.strip()
    used.run("audit", "export", "--output", str(export))
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    done = verify_elsewhere(elsewhere, "--file", export, "--public-key", key)
    assert done.returncode == 0, done.stderr
    assert "4 records are what was recorded; signed up to record 4." in done.stdout
    assert list(elsewhere.iterdir()) == []
    lines = export.read_text().splitlines(keepends=True)
    edited = tmp_path / "edited.jsonl"
    edited.write_text("".join([*lines[:2], lines[2].replace("admin.user_create", "admin.user_delete"), *lines[3:]]))
    done = verify_elsewhere(elsewhere, "--file", edited, "--public-key", key, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["flaws"][0] == {
        "fault": "edited",
        "text": "record 2 was changed",
        "first": 2,
        "last": 2,
        "line": 3,
    }
    with pytest.raises(InputError):
        used.run("audit", "export", "--output", str(export))
    with pytest.raises(InputError, match="public key"):
        used.run("audit", "verify", "--file", str(export))
    with pytest.raises(InputError):
        used.run("audit", "verify", "--public-key", key)
    with pytest.raises(InputError):
        used.run("audit", "verify", "--file", str(tmp_path / "none"), "--public-key", key)


def test_an_export_goes_to_standard_output_without_personal_data(used):
    result = used.run("audit", "export", "--without-private", "--act", "admin.*")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert all(line["private"] is None for line in lines if line["kind"] == "record")
    assert lines[0]["whole"] is False


def test_the_database_is_verified_and_every_change_is_named(used, tmp_path):
    """B-38."""
    said = used.run("audit", "verify").stdout
    assert said == "3 records are what was recorded; nothing of it is signed yet.\n"
    point = tmp_path / "checkpoints"
    point.write_text(used.run("audit", "checkpoint").stdout)
    assert "signed up to record 3" in used.run("audit", "verify", "--checkpoint", str(point)).stdout
    tamper(used, "UPDATE audit SET subject = 'mallory' WHERE sequence = 2")
    told = used.run("audit", "verify")
    assert told.exit_code == 1
    assert told.stdout == "This is not what was recorded:\n  record 2 was changed\n"
    tamper(used, "DELETE FROM audit WHERE sequence >= 2")
    tamper(used, "DELETE FROM checkpoints")
    # Nothing in the database tells of it any more; what was kept elsewhere does.
    assert used.run("audit", "verify").exit_code == 0
    told = used.run("audit", "verify", "--checkpoint", str(point))
    assert told.exit_code == 1
    assert "records 2 to 3 were cut off the end" in told.stdout
    wrong = tmp_path / "wrong"
    wrong.write_text(used.run("audit", "export").stdout.splitlines()[0] + "\n")
    with pytest.raises(InputError, match="no checkpoint"):
        used.run("audit", "verify", "--checkpoint", str(wrong))


def test_personal_data_moved_to_another_record_is_named(used):
    """It opens in its own place alone."""
    tamper(used, "UPDATE audit SET private = (SELECT private FROM audit WHERE sequence = 1) WHERE sequence = 2")
    assert "record 2 was changed" in used.run("audit", "verify").stdout


def test_a_stolen_database_tells_nobody_what_is_private(used):
    data = b"".join(path.read_bytes() for path in (used.folder / "data").glob("doorward.db*"))
    assert used.answer("audit", "list", "--about", "alice")[-1]["private"] == {"name": "alice"}
    with closing(sqlite3.connect(used.folder / "data" / FILE_NAME)) as connection:
        rows = connection.execute("SELECT private, salt FROM audit").fetchall()
    assert data
    assert all(private.startswith("gcm") and salt == b"" for private, salt in rows)


def test_personal_data_is_erased_and_the_chain_verifies(used):
    """E-74."""
    assert used.answer("audit", "erase", "--user", "alice", "--yes") == {"erased": 2}
    listed = used.answer("audit", "list", "--about", "alice", "--act", "admin.user_create")
    assert listed[0]["private"] is None
    assert used.run("audit", "verify").exit_code == 0
    assert used.answer("audit", "erase", "--before", "2001-01-01", "--yes") == {"erased": 0}
    assert used.run("audit", "erase", "--user", "alice", typed="n\n").exit_code == 1
    with pytest.raises(InputError):
        used.run("audit", "erase", "--yes")
    # A record is what it is about, whoever is gone.
    assert used.answer("audit", "erase", "--user", "nobody", "--yes") == {"erased": 0}


def test_erasing_behind_our_back_is_named(used):
    tamper(used, "UPDATE audit SET private = '' WHERE sequence = 1")
    assert "the personal data of record 1 is gone" in used.run("audit", "verify").stdout


def test_what_an_older_version_left_readable_is_sealed_at_the_first_start(used):
    """Also what was written before."""
    from doorward.rules.audit import GENESIS, Act, AuditEvent, chain
    from tests.fakes.system import START

    private = {"address": "192.0.2.77"}
    random = SystemRandom()
    record = chain(
        AuditEvent(Act.LOGIN, "a", "a", START, {}, private), sequence=1, previous=GENESIS, entropy=random.token(16)
    )
    tamper(used, "DELETE FROM audit")
    tamper(used, "DELETE FROM settings WHERE name = 'audit.sealed'")
    tamper(
        used,
        "INSERT INTO audit VALUES (1, 'user.login', 'a', 'a', ?, '{}', ?, ?, ?, ?, ?)",
        int(START.timestamp()) * 1_000_000,
        json.dumps(private, separators=(",", ":")),
        record.salt,
        record.private_digest,
        record.previous,
        record.hash,
    )
    listed = used.answer("audit", "list")
    assert [each["act"] for each in listed] == ["system.audit_seal", "user.login"]
    assert listed[1]["private"] == private
    with closing(sqlite3.connect(used.folder / "data" / FILE_NAME)) as connection:
        rows = connection.execute("SELECT private, salt FROM audit").fetchall()
    assert all(sealed.startswith("gcm") and salt == b"" for sealed, salt in rows)
    assert used.run("audit", "verify").exit_code == 0


def test_keys_are_read_from_files_too(used, tmp_path):
    export, key = tmp_path / "export.jsonl", tmp_path / "key"
    key.write_text(used.run("audit", "public-key").stdout)
    used.run("audit", "export", "--output", str(export))
    assert used.run("audit", "verify", "--file", str(export), "--public-key", str(key)).exit_code == 0
    with pytest.raises(InputError):
        used.run("audit", "verify", "--file", str(export), "--public-key", "none")
