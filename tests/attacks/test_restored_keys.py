"""Section N of docs/attacks.md: a restore must not be how a key that was revoked opens doors again."""

import sqlite3
from contextlib import closing

import pytest

from tests.attacks.vault import Vault, make_vault


@pytest.fixture
def vault(tmp_path, monkeypatch):
    monkeypatch.chdir(make_vault(tmp_path))
    return Vault(tmp_path)


def add_key(vault, number, reach="{}", disabled_at=None):
    with closing(sqlite3.connect(vault.folder / "data" / "doorward.db")) as connection, connection:
        connection.execute(
            "INSERT INTO app_keys (id, user_id, name, kind, digest, preview, made_at, made_by, reach, disabled_at, uses,"
            " sealed) SELECT ?, id, ?, 'key', ?, '', 1, '', ?, ?, 0, '' FROM users WHERE name = 'alice'",
            (number, f"name {number}", f"sha256:{number}", reach, disabled_at),
        )


def keys_of(vault):
    with closing(sqlite3.connect(vault.folder / "data" / "doorward.db")) as connection:
        return {row[0]: row[1:] for row in connection.execute("SELECT id, digest, disabled_at FROM app_keys")}


def test_a_restore_brings_no_revoked_key_back_and_keeps_none_that_was_slipped_in(vault):
    """N06: whether it was revoked, put to sleep, made anew under the same name, or made since."""
    for number in ("kept", "revoked", "asleep", "anew"):
        add_key(vault, number)
    name = vault.create()
    with closing(sqlite3.connect(vault.folder / "data" / "doorward.db")) as connection, connection:
        connection.execute("DELETE FROM app_keys WHERE id = 'revoked'")
        connection.execute("UPDATE app_keys SET disabled_at = 5 WHERE id = 'asleep'")
        connection.execute("UPDATE app_keys SET digest = 'sha256:other' WHERE id = 'anew'")
    add_key(vault, "since")
    plan = vault.run("backup", "restore", name)
    said = {each["effect"]: each["names"] for each in plan["effects"]}
    assert said["keys_stay_revoked"] == ["name anew (alice)", "name revoked (alice)"]
    assert said["keys_stay_narrow"] == ["name asleep (alice)"]
    assert said["keys_go"] == ["name since (alice)"]
    vault.run("backup", "restore", name, "--apply", plan["token"])
    assert keys_of(vault) == {"kept": ("sha256:kept", None), "asleep": ("sha256:asleep", 5)}


def test_a_new_installation_is_told_that_keys_return(vault):
    """N06: nobody can know there what was revoked."""
    add_key(vault, "kept")
    name = vault.create()
    (vault.folder / "data" / "doorward.db").rename(vault.folder / "gone.db")
    for beside in ("-wal", "-shm"):
        (vault.folder / "data" / f"doorward.db{beside}").unlink(missing_ok=True)
    plan = vault.run("backup", "restore", name)
    assert "keys_return" in [each["effect"] for each in plan["effects"]]
    vault.run("backup", "restore", name, "--apply", plan["token"])
    assert keys_of(vault) == {"kept": ("sha256:kept", None)}
