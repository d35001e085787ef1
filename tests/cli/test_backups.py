"""Backups from the command line."""

import asyncio
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pyrage
import pytest

from doorward.cli.house import in_house
from doorward.errors import ConflictError, InputError, TamperError, UnavailableError
from doorward.flows.acting import CLI
from doorward.flows.backups import Backups
from doorward.flows.stored_keys import find_key
from doorward.rules.archive import Encoder
from doorward.rules.stored_key import SESSION

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture
def identity():
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def house(place, identity):
    """A gateway with accounts, and backups for one reader who is on this machine."""
    (place.folder / "reader.txt").write_text(f"# made\n{identity}\n")
    (place.folder / "reader.txt").chmod(0o600)
    place.write(f"backup: {{recipients: [{identity.to_public()}], identity_file: {place.folder}/reader.txt}}\n")
    place.add("alice", "--admin")
    place.add("bob")
    return place


def backups_of(place):
    return place.folder / "data" / "backups"


def test_a_backup_is_made_listed_verified_and_proven(house):
    """B-36, E-49, E-51, E-54."""
    made = house.answer("backup", "create")
    assert re.fullmatch(r"backup-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}\.jsonl\.gz\.age", made["name"])
    assert [each["name"] for each in house.answer("backup", "list")] == [made["name"]]
    proof = house.answer("backup", "verify", made["name"])
    assert proof["tables"]["users"] == 2
    assert proof["rows"] == sum(proof["tables"].values())
    assert proof["sealed_values_opened"] >= 2
    assert house.answer("backup", "drill")["name"] == made["name"]


def test_its_files_are_ours_alone_whatever_the_umask(house):
    """D-34, D-39, E-53."""
    before = os.umask(0)
    try:
        house.answer("backup", "create")
        house.answer("backup", "drill")
    finally:
        os.umask(before)
    folder = backups_of(house)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".lock"]


def test_a_backup_that_could_not_be_taken_elsewhere_says_so(house):
    """B-37: it is there all the same."""
    house.config.write_text(house.config.read_text().replace("backup: {", "backup: {command: [test, -d, '{path}'], "))
    said = house.run("backup", "create")
    assert said.exit_code == 1
    name, trouble = said.stdout.splitlines()
    assert trouble.startswith("It was not taken elsewhere: ")
    assert [each["name"] for each in house.answer("backup", "list")] == [name]
    house.config.write_text(house.config.read_text().replace("test, -d", "test, -f"))
    assert house.answer("backup", "create")["trouble"] == ""


def preview(place, name):
    return place.answer("backup", "restore", name)


def effects_of(plan):
    return {each["effect"]: each["names"] for each in plan["effects"]}


def test_what_was_taken_away_since_does_not_come_back(house):
    """N06, D-39, T-24: what a restore brings back, what not, and that it says so."""
    house.add("carol")
    house.add("dave", "--admin")
    name = house.answer("backup", "create")["name"]
    house.run("user", "disable", "bob")
    house.run("user", "delete", "carol", "--yes")
    house.add("erin")
    plan = preview(house, name)
    said = effects_of(plan)
    assert said["stays_disabled"] == ["bob"]
    assert said["returns_disabled"] == ["carol"]
    assert said["goes"] == ["erin"]
    assert "audit_stays" in said
    before = len(house.answer("user", "list"))
    done = house.answer("backup", "restore", name, "--apply", plan["token"])
    users = {user["name"]: user["enabled"] for user in house.answer("user", "list")}
    assert users == {"alice": True, "bob": False, "carol": False, "dave": True}
    assert before == 4
    assert done["before"].startswith("pre-restore-")
    undone = preview(house, done["before"])
    assert effects_of(undone)["goes"] == ["carol"]


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004"])
def test_an_upgrade_saves_what_was_there_before_and_that_restores(place, version):
    """D-45, Q11: also with nobody named who could read it, and to be restored by the newer version."""
    folder = place.folder / "data"
    folder.mkdir(mode=0o700)
    database = folder / "doorward.db"
    database.touch(mode=0o600)
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript((VECTORS / "storage" / f"{version}.sql").read_text("utf-8"))
        before = connection.execute("SELECT id, name FROM users ORDER BY id").fetchall()
    key = folder / "encryption_key"
    key.write_text(sha256(f"schema {version}".encode()).hexdigest() + "\n")
    key.chmod(0o600)
    (saved,) = place.answer("backup", "list")
    assert saved["reason"] == "pre-upgrade"
    plan = preview(place, saved["name"])
    assert plan["schema"] == version
    assert plan["tables"]["users"] == {"now": len(before), "then": len(before)}


def test_a_backup_moves_to_another_machine_with_its_master_key(house, tmp_path_factory, monkeypatch):
    """B-02, B-36: a new installation becomes the old one; the log and the accounts are those of the backup."""
    name = house.answer("backup", "create")["name"]
    other = type(house)(tmp_path_factory.mktemp("other"))
    shutil.copy(house.folder / "reader.txt", other.folder / "reader.txt")
    other.write("backup: {encryption: none, identity_file: reader.txt}\n")
    (other.folder / "data").mkdir(mode=0o700)
    shutil.copy2(house.folder / "data" / "encryption_key", other.folder / "data" / "encryption_key")
    monkeypatch.chdir(other.folder)
    plan = preview(other, str(backups_of(house) / name))
    assert plan["ours"] is False
    other.answer("backup", "restore", plan["backup"], "--apply", plan["token"])
    assert [user["name"] for user in other.answer("user", "list")] == ["alice", "bob"]
    assert other.answer("backup", "create")["encrypted"] is False
    assert other.answer("backup", "drill")["rows"] > 0


def test_a_backup_of_every_released_schema_restores(place):
    """B-36, Q11: archives that were made once and kept, on a machine that has only the master key and a reader's."""
    kept = VECTORS / "backups"
    for archive in sorted(kept.glob("*.age")):
        version = archive.name.partition(".")[0]
        for name, target in (("key", "data/encryption_key"), ("reader.txt", "reader.txt")):
            path = place.folder / target
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes((kept / f"{version}.{name}").read_bytes())
            path.chmod(0o600)
        place.write("backup: {encryption: none, identity_file: reader.txt}\n")
        plan = preview(place, str(archive))
        assert plan["schema"] == version
        place.answer("backup", "restore", plan["backup"], "--apply", plan["token"])
        with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as connection:  # before any other start
            found = connection.execute("SELECT private FROM audit WHERE private != '' AND private NOT LIKE 'gcm%'")
            assert found.fetchall() == []
        assert [user["name"] for user in place.answer("user", "list")] == ["alice", "bob"]
        assert place.answer("backup", "verify", plan["backup"])["sealed_values_opened"] >= 2


def test_what_does_not_open_keeps_nothing_else_from_being_restored(house):
    """B-36: damage is named and carried, of no use to anybody; only a drill fails on it, as it is the proof."""
    bob = "(SELECT id FROM users WHERE name = 'bob')"
    broken = "gcm2:0123456789abcdef:" + "A" * 60

    def change(statement):
        with closing(sqlite3.connect(house.folder / "data" / "doorward.db")) as connection:
            connection.execute(statement)
            connection.commit()

    change(f"UPDATE passwords SET sealed = '{broken}' WHERE user_id = {bob}")
    name = house.answer("backup", "create")["name"]
    with pytest.raises(TamperError, match="passwords: 1"):
        house.answer("backup", "drill")
    change(f"INSERT INTO sign_ins VALUES ({bob}, 1, 'x', '', '', NULL, 0, '{broken}')")
    plan = preview(house, name)
    said = effects_of(plan)
    assert (said["damaged_return"], said["damaged_go"]) == (["passwords: 1"], ["sign_ins: 1"])
    house.answer("backup", "restore", name, "--apply", plan["token"])
    with closing(sqlite3.connect(house.folder / "data" / "doorward.db")) as connection:
        assert connection.execute(f"SELECT sealed FROM passwords WHERE user_id = {bob}").fetchone() == (broken,)
        assert connection.execute("SELECT count(*) FROM sign_ins").fetchone() == (0,)


def test_who_has_an_older_password_again_must_change_it(house):
    """N06: the older one may have been changed because others knew it."""
    name = house.answer("backup", "create")["name"]
    database = house.folder / "data" / "doorward.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "UPDATE passwords SET changed_at = changed_at + 1 WHERE user_id = (SELECT id FROM users WHERE name = 'bob')"
        )
        connection.commit()
    plan = preview(house, name)
    assert effects_of(plan)["older_password"] == ["bob"]
    house.answer("backup", "restore", name, "--apply", plan["token"])
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT name, must_change_password FROM users ORDER BY name").fetchall()
    assert found == [("alice", 0), ("bob", 1)]


def test_a_name_that_reads_like_a_sealed_value_spoils_no_backup(house):
    """N08: whoever may choose a name must not decide whether anybody's backups restore."""
    with closing(sqlite3.connect(house.folder / "data" / "doorward.db")) as connection:
        connection.execute("UPDATE users SET display_name = 'gcm2:0123456789abcdef:x' WHERE name = 'bob'")
        connection.commit()
    name = house.answer("backup", "create")["name"]
    assert house.answer("backup", "drill")["name"] == name
    house.answer("backup", "restore", name, "--apply", preview(house, name)["token"])


def test_what_was_saved_for_nobody_in_particular_opens_after_a_rotation_and_beside_a_passphrase(place):
    """B-07, D-45: the way back from a restore stays open."""
    place.write("backup: {encryption: none}\n")
    place.add("alice", "--admin")
    name = place.answer("backup", "create")["name"]
    place.write()
    before = place.answer("backup", "restore", name, "--apply", preview(place, name)["token"])["before"]
    place.answer("keys", "rotate", "master", "--settle", "0")
    assert place.answer("backup", "verify", before)["rows"] > 0
    place.write("backup: {passphrase: a-long-phrase-of-many-words}\n")
    assert place.answer("backup", "verify", before)["rows"] > 0


def test_what_a_provider_granted_and_took_back_stays_taken_back(house):
    """N06: administration does not return, what else returns is named, and a consent that was withdrawn stays so."""
    database = house.folder / "data" / "doorward.db"
    bob = "(SELECT id FROM users WHERE name = 'bob')"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            f"""
            UPDATE users SET email = 'old@example.com' WHERE name = 'bob';
            INSERT INTO memberships VALUES ({bob}, 'staff');
            INSERT INTO preferences VALUES ({bob}, 'locations', 'on');
            INSERT INTO identities
                (id, user_id, issuer, subject, provider, email, name, owns_profile, is_admin, linked_at)
                VALUES ('one', {bob}, 'https://id.example.com', '1', 'id', '', '', 0, 1, 1),
                       ('two', {bob}, 'https://id.example.com', '2', 'id', '', '', 0, 1, 1);
            INSERT INTO identity_groups VALUES ('one', 'wheel');
            """
        )
    name = house.answer("backup", "create")["name"]
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            """
            UPDATE users SET email = 'new@example.com' WHERE name = 'bob';
            UPDATE identities SET is_admin = 0 WHERE id = 'one';
            DELETE FROM identities WHERE id = 'two';
            DELETE FROM memberships; DELETE FROM preferences; DELETE FROM identity_groups;
            """
        )
    plan = preview(house, name)
    said = effects_of(plan)
    for effect in ("stays_demoted", "older_address", "groups_return", "ways_return"):
        assert said[effect] == ["bob"]
    house.answer("backup", "restore", name, "--apply", plan["token"])
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT id, is_admin FROM identities ORDER BY id").fetchall() == [
            ("one", 0),
            ("two", 0),
        ]
        assert connection.execute("SELECT count(*) FROM preferences").fetchone() == (0,)


def test_a_machine_where_nothing_is_yet_does_at_once_what_the_preview_said(house, tmp_path_factory, monkeypatch):
    """B-36: with the backup put into its folder, and no record in its audit log."""
    name = house.answer("backup", "create")["name"]
    other = type(house)(tmp_path_factory.mktemp("other"))
    other.write(f"backup: {{encryption: none, identity_file: {house.folder}/reader.txt}}\n")
    backups_of(other).mkdir(mode=0o700, parents=True)
    (other.folder / "data").chmod(0o700)
    shutil.copy2(house.folder / "data" / "encryption_key", other.folder / "data" / "encryption_key")
    shutil.copy2(backups_of(house) / name, backups_of(other) / name)
    monkeypatch.chdir(other.folder)
    other.answer("backup", "restore", name, "--apply", preview(other, name)["token"])
    assert [user["name"] for user in other.answer("user", "list")] == ["alice", "bob"]


def test_a_log_that_lost_its_end_is_completed_by_the_backup_that_has_it(house):
    """N06: a database that was put back by copying its file."""
    data = house.folder / "data"
    shutil.copytree(data, house.folder / "older", ignore=shutil.ignore_patterns("backups"))
    house.add("carol")
    name = house.answer("backup", "create")["name"]
    for path in data.glob("doorward.db*"):
        path.unlink()
    for path in (house.folder / "older").glob("doorward.db*"):
        shutil.copy2(path, data / path.name)
    plan = preview(house, name)
    assert "audit_replaced" in effects_of(plan)
    house.answer("backup", "restore", name, "--apply", plan["token"])
    house.answer("audit", "verify")
    assert [each["names"] for each in preview(house, name)["effects"] if each["effect"] == "audit_stays"] == [[]]


def test_a_running_gateway_becomes_another_installation_as_a_whole_or_stays_what_it_was(
    house, tmp_path_factory, monkeypatch
):
    """B-05, N08: also where the keys of both happen to have the same number."""
    name = house.answer("backup", "create")["name"]
    other = type(house)(tmp_path_factory.mktemp("other"))
    other.write(f"backup: {{encryption: none, identity_file: {house.folder}/reader.txt}}\n")
    (other.folder / "data").mkdir(mode=0o700)
    shutil.copy2(house.folder / "data" / "encryption_key", other.folder / "data" / "encryption_key")
    monkeypatch.chdir(other.folder)
    other.add("root", "--admin")
    newest = max(int(key["name"]) for key in house.answer("keys", "list") if key["key"] != "master")
    name = preview(other, str(backups_of(house) / name))["backup"]

    async def refuse(*_):
        raise ConflictError("not now")

    async def act(gateway):
        restoring = gateway.flows.restoring
        while await number_of(gateway) <= newest:
            await gateway.flows.signing_keys.rotate(CLI, now=gateway.clock.now())
        before = gateway.signing_key()
        token = (await restoring.preview(CLI, name, now=gateway.clock.now())).token
        with monkeypatch.context() as patched:
            patched.setattr(restoring, "_alarm", refuse)
            with pytest.raises(ConflictError, match="not now"):
                await restoring.apply(CLI, name, token, now=gateway.clock.now())
        gateway.signing_key.forget()
        assert gateway.signing_key() == before
        number = await number_of(gateway)
        await restoring.apply(CLI, name, token, now=gateway.clock.now())
        assert await number_of(gateway) == number
        assert gateway.signing_key() != before

    async def number_of(gateway):
        async with gateway.storage.records.transaction() as transaction:
            return (await find_key(transaction, SESSION)).number

    in_house(None, act)


def test_the_assertions_of_another_installation_count_for_nothing_after_a_restore(house, tmp_path_factory, monkeypatch):
    """It may go on where the backup was made, and whoever has that key signs as it does."""
    kid = house.answer("keys", "rotate", "assertion")["kid"]
    name = house.answer("backup", "create")["name"]
    other = type(house)(tmp_path_factory.mktemp("other"))
    app = "apps: [{name: App, hosts: app.door.localhost, assertion: true}]\n"
    other.write(app + f"backup: {{encryption: none, identity_file: {house.folder}/reader.txt}}\n")
    (other.folder / "data").mkdir(mode=0o700)
    shutil.copy2(house.folder / "data" / "encryption_key", other.folder / "data" / "encryption_key")
    monkeypatch.chdir(other.folder)
    other.add("root", "--admin")
    here = other.answer("keys", "rotate", "assertion")["kid"]
    plan = preview(other, str(backups_of(house) / name))
    other.answer("backup", "restore", plan["backup"], "--apply", plan["token"])

    async def kids_of(gateway):
        return [key["kid"] for key in json.loads(gateway.flows.assertion_keys.publish(gateway.clock.now()))["keys"]]

    (published,) = in_house(None, kids_of)
    assert published not in {kid, here}
    states = [row["state"] for row in other.answer("keys", "list") if row["key"] == "assertion"]
    assert sorted(states) == ["in use", "retired"]


def test_a_refused_restore_leaves_no_copy_behind(house):
    """D-39, N06: the token is looked at before anything is made."""
    name = house.answer("backup", "create")["name"]
    before = house.answer("backup", "list")
    with pytest.raises(ConflictError, match="not what the preview showed"):
        house.run("backup", "restore", name, "--apply", "0" * 16)
    assert house.answer("backup", "list") == before


def test_what_changes_while_the_copy_is_made_stops_the_restore(house, monkeypatch):
    """D-39: the token is looked at again where the rows are replaced."""
    name = house.answer("backup", "create")["name"]

    async def act(gateway):
        restoring, now = gateway.flows.restoring, gateway.clock.now()
        token = (await restoring.preview(CLI, name, now=now)).token

        async def save_slowly(*_, **__):
            await gateway.flows.administration.set_enabled(CLI, "bob", False, now=now)

        monkeypatch.setattr(restoring._backups, "save_before", save_slowly)
        with pytest.raises(ConflictError, match="not what the preview showed"):
            await restoring.apply(CLI, name, token, now=now)

    in_house(None, act)
    assert {user["name"]: user["enabled"] for user in house.answer("user", "list")} == {"alice": True, "bob": False}


def test_a_running_gateway_serves_nothing_once_its_database_is_anothers(house, tmp_path_factory, monkeypatch):
    """B-05, N08: a restore by another process; what it would seal now would open nowhere."""
    name = house.answer("backup", "create")["name"]
    other = type(house)(tmp_path_factory.mktemp("other"))
    other.write(f"backup: {{encryption: none, identity_file: {house.folder}/reader.txt}}\n")
    (other.folder / "data").mkdir(mode=0o700)
    shutil.copy2(house.folder / "data" / "encryption_key", other.folder / "data" / "encryption_key")
    monkeypatch.chdir(other.folder)
    other.add("root", "--admin")
    plan = preview(other, str(backups_of(house) / name))
    command = [sys.executable, "-m", "doorward", "backup", "restore", plan["backup"], "--apply", plan["token"]]

    async def act(gateway):
        assert gateway.signing_key()
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        for _ in range(2):
            with pytest.raises(UnavailableError, match="restart"):
                gateway.signing_key()
            with pytest.raises(UnavailableError, match="restart"):
                async with gateway.storage.records.transaction():
                    pass

    in_house(None, act)
    assert [user["name"] for user in other.answer("user", "list")] == ["alice", "bob"]


def test_a_file_on_this_machine_may_be_of_any_size(house, tmp_path_factory, monkeypatch):
    """B-36: what is bounded is what is uploaded."""
    name = house.answer("backup", "create")["name"]
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copy2(backups_of(house) / name, elsewhere)
    monkeypatch.setitem(Backups.take_in.__kwdefaults__, "most", 10)
    assert house.answer("backup", "verify", str(elsewhere))["name"].startswith("brought-")
    assert preview(house, str(elsewhere))["ours"] is True

    async def upload(gateway):
        await gateway.flows.backups.take_in(CLI, [elsewhere.read_bytes()], now=gateway.clock.now())

    with pytest.raises(InputError, match="at most"):
        in_house(None, upload)


def test_checks_go_on_while_a_backup_is_made(house, monkeypatch):
    """B-36: spelling, authenticating and packing of the rows happens on threads."""
    where, spell = set(), Encoder.rows

    def note(encoder, rows):
        where.add(threading.current_thread() is threading.main_thread())
        return spell(encoder, rows)

    monkeypatch.setattr(Encoder, "rows", note)
    house.answer("backup", "create")
    assert where == {False}


def test_a_command_that_takes_too_long_ends_with_all_it_started(house, monkeypatch):
    """B-37."""
    ended, end = [], os.killpg

    def note(group, signal):
        ended.append(group)
        end(group, signal)

    monkeypatch.setattr(os, "killpg", note)
    command = "command: [sh, -c, 'sleep 600 & sleep 600', '{path}'], command_timeout: 1s"
    house.config.write_text(house.config.read_text().replace("backup: {", "backup: {" + command + ", "))
    said = house.run("backup", "create")
    assert "took longer" in said.stdout
    assert len(ended) == 1
