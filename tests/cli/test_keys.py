"""`doorward keys`, beside a running server and without one."""

import errno
import os
import shlex
import sqlite3
import sys
from contextlib import closing

import pytest

from doorward.errors import ConfigError, InputError
from doorward.outside.key_files import only_rotation
from doorward.outside.keyring import FileKeyring
from tests.cli.conftest import Place
from tests.fakes.system import FakeRandom

ALLOWED = 200


def keys_of(place):
    """The names of the keys, by kind and state."""
    return [(row["key"], row["state"], row["name"]) for row in place.answer("keys", "list")]


def acts_of(place):
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as connection:
        return [row[0] for row in connection.execute("SELECT act FROM audit ORDER BY sequence")]


def test_a_key_that_is_generated_is_one(place):
    """E-02: and nothing is made or changed."""
    first, second = (place.run("keys", "generate").stdout.strip() for _ in range(2))
    assert len({first, second}) == 2
    assert len(bytes.fromhex(first)) == 32
    assert not (place.folder / "data").exists()


def test_keys_are_listed_by_name_and_age_and_never_shown(place):
    """E-06, B-01."""
    place.add("root", "--admin")
    key = (place.folder / "data" / "encryption_key").read_text().strip()
    result = place.run("keys", "list")
    assert key not in result.output
    assert "encryption_key" in result.output
    assert [(kind, state) for kind, state, _ in keys_of(place)] == [
        ("master", "seals"),
        ("derive", "in use"),
        ("session", "in use"),
    ]
    assert {row["days"] for row in place.answer("keys", "list")} == {0}


def test_the_master_key_is_rotated_with_progress_counts_and_a_proof(place):
    """B-04."""
    place.add("root", "--admin")
    old = keys_of(place)[0][2]
    result = place.run("keys", "rotate", "master", "--settle", "0")
    assert result.exit_code == 0
    assert "passwords.sealed" in result.stderr
    assert "Proven" in result.stderr
    assert "Failed: 0" in result.stdout
    assert f"Retired, for old backups only: {old}" in result.stdout
    assert keys_of(place)[1][1:] == ("retired", old)
    told = place.answer("keys", "rotate", "master", "--settle", "0")
    assert (told["failed"], told["proven"], told["retired"]) == (0, True, True)
    assert [name for kind, state, name in keys_of(place) if state == "retired"] == [told["old"][0], old]
    assert acts_of(place).count("admin.master_key_rotate") == 2


def test_what_cannot_be_sealed_anew_is_said_and_ends_with_one(place):
    """B-04: the old key stays, and the next run goes on."""
    place.add("root", "--admin")
    path = place.folder / "data" / "doorward.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        (value,) = connection.execute("SELECT sealed FROM passwords").fetchone()
        connection.execute("UPDATE passwords SET sealed = 'plain'")
    result = place.run("keys", "rotate", "master", "--settle", "0")
    assert result.exit_code == 1
    assert "Failed: 1" in result.stdout
    assert "passwords.sealed: 1 do not open" in result.stdout
    assert "The old key was kept" in result.stdout
    assert [state for kind, state, _ in keys_of(place) if kind == "master"] == ["seals", "opens"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE passwords SET sealed = ?", (value,))
    again = place.run("keys", "rotate", "master", "--settle", "0")
    assert again.exit_code == 0
    assert "a rotation goes on" in again.stderr


def test_there_is_one_rotation_at_a_time(place):
    """M07."""
    place.add("root", "--admin")
    with only_rotation(place.folder / "data"), pytest.raises(InputError, match="already"):
        place.run("keys", "rotate", "master", "--settle", "0")


def test_keys_of_the_environment_are_rotated_as_new_and_old(place, monkeypatch):
    """B-04, E-67: the operator alone changes them."""
    old, new = (place.run("keys", "generate").stdout.strip() for _ in range(2))
    monkeypatch.setenv("ENCRYPTION_KEY", old)
    place.add("root", "--admin")
    with pytest.raises(InputError, match="put a new key before"):
        place.run("keys", "rotate", "master", "--settle", "0")
    monkeypatch.setenv("ENCRYPTION_KEY", f"{new},{old}")
    result = place.run("keys", "rotate", "master", "--settle", "0")
    assert result.exit_code == 0
    assert "You may take the old one out of ENCRYPTION_KEY now" in result.stdout
    monkeypatch.setenv("ENCRYPTION_KEY", new)
    assert keys_of(place)[0][1] == "seals"
    assert place.answer("user", "list")[0]["name"] == "root"
    assert not list((place.folder / "data").glob("encryption_key*"))


def test_a_command_may_tell_the_key(place, monkeypatch):
    """E-70: and one that fails stops everything."""
    key = place.run("keys", "generate").stdout.strip()
    monkeypatch.setenv("ENCRYPTION_KEY_COMMAND", shlex.join([sys.executable, "-c", f"print({key!r})"]))
    place.add("root", "--admin")
    assert place.answer("keys", "list")[0]["source"] == "ENCRYPTION_KEY_COMMAND"
    monkeypatch.setenv("ENCRYPTION_KEY_COMMAND", shlex.join([sys.executable, "-c", "raise SystemExit(1)"]))
    with pytest.raises(ConfigError, match="ended with 1"):
        place.run("keys", "list")


def test_a_copy_of_the_keys_goes_elsewhere_or_nowhere(place):
    """B-02, T-13, T-18."""
    place.write("backup: {folder: safe}\n")
    (place.folder / "safe").mkdir(mode=0o700)
    place.add("root", "--admin")
    for where in ("data/copy", "safe/copy"):
        with pytest.raises(InputError, match="beside what the key opens"):
            place.run("keys", "export", where)
    told = place.answer("keys", "export", "copy")
    copy = place.folder / "copy"
    assert copy.read_text() == (place.folder / "data" / "encryption_key").read_text()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert told["keys"] == [keys_of(place)[0][2]]
    assert acts_of(place)[-1] == "admin.keys_export"
    assert place.answer("audit", "list")[0]["actor"] == "cli"
    with pytest.raises(InputError, match="there already"):
        place.run("keys", "export", "copy")


def test_a_copy_that_could_not_be_written_whole_is_not_there(place, monkeypatch):
    """B-02: half a copy is none, and looks like one."""

    def fail(_descriptor):
        raise OSError(errno.ENOSPC, "no space left")

    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    keys = FileKeyring([bytes(32)], FakeRandom("copy"))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="no space"):
        keys.export(elsewhere / "copy", away_from=[])
    assert not list(elsewhere.iterdir())


def test_a_new_signing_key_is_asked_for_in_earnest(place):
    place.add("root", "--admin")
    with pytest.raises(InputError, match="say --yes"):
        place.run("keys", "rotate", "signing")
    assert place.answer("keys", "rotate", "signing", "--yes") == {"accounts": 1, "keys": 0}
    assert "Keys for apps that were revoked: 0." in place.run("keys", "rotate", "signing", "--yes", "--app-keys").stdout


@pytest.mark.parametrize("storage", ["sqlite", "local"])
def test_a_running_server_takes_part_in_both_rotations(tmp_path, monkeypatch, storage):
    """B-04, B-05, M07: nothing is restarted; a new signing key signs everybody out at the very next check."""
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, storage=storage)
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        assert server.check(cookie) == ALLOWED
        assert place.answer("keys", "rotate", "master", "--settle", "0")["proven"]
        assert server.check(cookie) == ALLOWED
        assert server.check(server.sign_in("alice")) == ALLOWED
        names = keys_of(place)
        assert place.answer("keys", "rotate", "signing", "--yes") == {"accounts": 1, "keys": 0}
        assert server.check(cookie) != ALLOWED
        assert server.check(server.sign_in("alice")) == ALLOWED
        assert keys_of(place)[0] == names[0]
        place.add("bob")
        assert server.check(server.sign_in("bob")) == ALLOWED
