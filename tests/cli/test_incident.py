"""`doorward incident`, on a running server."""

import io
import json
import re
import shutil
import sqlite3
import zipfile
from contextlib import closing

import pytest

from doorward import __version__
from doorward.app import emergency
from doorward.app.emergency_record import read_record
from doorward.cli.configured import load
from doorward.errors import InputError
from doorward.outside.age import read_age
from doorward.rules.backup import Openers
from tests.cli.conftest import Server, session_cookie
from tests.integration.gateway import doorward
from tests.integration.processes import Process, accepts

REACH = json.dumps(
    {"apps": ["radio"], "hosts": [], "paths": [], "methods": [], "networks": [], "scopes": []}
    | {"read_only": True, "in_url": False}
)


def keys_of(place):
    """The keys of session cookies, sealed, and when each was retired."""
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as database:
        return database.execute("SELECT sealed, retired_at FROM signing_keys WHERE purpose = 'session'").fetchall()


def test_a_lockdown_counts_at_the_very_next_request(place):
    """E-90."""
    place.add("root", "--admin")
    place.add("alice")
    with place.serving() as server:
        boss, guest = server.sign_in("root"), server.sign_in("alice")
        assert (server.check(boss), server.check(guest)) == (200, 200)
        told = place.answer("incident", "lockdown", "--reason", "stolen laptop")
        assert (told["accounts"], told["administrators"]) == (2, ["root"])
        assert (server.check(boss), server.check(guest)) == (401, 401)
        assert len([key for key in keys_of(place) if key[1] is None]) == 1
        assert [bool(sealed) for sealed, retired_at in keys_of(place) if retired_at is not None] == [False]
        assert server.check(server.sign_in("alice")) == 200
        assert place.answer("incident", "status")["lockdown"]["reason"] == "stolen laptop"
        assert place.answer("incident", "lift") == {"lifted": True}
        assert place.answer("incident", "lift") == {"lifted": False}


def test_it_says_how_it_stands_and_who_can_sign_in(place):
    """E-90: look before you lock."""
    assert "No administrator can sign in at present." in place.run("incident", "status").stdout
    place.add("root", "--admin")
    said = place.run("incident", "status").stdout
    assert "There is no lockdown." in said
    assert "root: password; without a second factor" in said
    assert "Keys for apps that would open nothing in a lockdown: 0." in said
    revoked = place.run("incident", "lockdown", "--app-keys").stdout
    assert "Keys for apps that were revoked: 0." in revoked
    locked = place.run("incident", "lockdown", "--console-from", "10.0.0.0/8", "--reason", "because").stdout
    assert "Keys for apps that open nothing until it is lifted: 0." in locked
    assert "Administrators who can sign in: root." in locked
    said = place.run("incident", "status").stdout
    assert "The console is open from 10.0.0.0/8 only. because" in said
    assert "The lockdown is lifted." in place.run("incident", "lift").stdout
    assert "There was no lockdown." in place.run("incident", "lift").stdout


def test_what_is_no_network_is_refused(place):
    with pytest.raises(InputError, match="is no network"):
        place.run("incident", "lockdown", "--console-from", "10.0.0.1/8")


def test_a_kit_lets_its_administrator_in_where_nothing_else_does(place):
    """E-90: passwords closed by then, a second factor asked for, and no provider."""
    place.add("root", "--admin")
    with place.serving() as server:
        assert server.get("/break-glass").status_code == 404
        printed = place.run("incident", "kit", "root").stdout
        code = re.search(r"^ {4}(\S{64})$", printed, re.MULTILINE)[1]
        assert f"http://auth.door.localhost:{place.ports[0]}/break-glass" in printed
        place.run("policy", "mfa", "all")
        answer = server.fill("/break-glass", code=code)
        assert answer.status_code == 303
        assert server.check(session_cookie(answer)) == 200
        assert server.get("/break-glass").status_code == 404
    (listed,) = place.answer("incident", "break-glass", "list")
    assert (listed["user"], bool(listed["used"])) == ("root", True)
    assert not (place.folder / "data" / "break-glass.json").exists()


def test_codes_are_taken_back(place):
    place.add("root", "--admin")
    place.answer("incident", "kit", "root", "--codes", "3")
    beside = place.folder / "data" / "break-glass.json"
    assert beside.stat().st_mode & 0o777 == 0o600
    assert place.answer("incident", "break-glass", "revoke") == {"revoked": 3}
    assert not beside.exists()
    assert "Nobody has a kit." in place.run("incident", "break-glass", "list").stdout
    assert "taken back: 0" in place.run("incident", "break-glass", "revoke", "root").stdout


def test_what_is_known_is_copied_into_one_encrypted_file(place):
    """E-90."""
    place.add("root", "--admin")
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as connection, connection:
        for number, sealed in ((2, ""), (1, "gcm2:damaged")):
            connection.execute(
                "INSERT INTO app_keys (id, user_id, name, kind, digest, preview, made_at, made_by, reach, uses, sealed)"
                " SELECT ?, id, ?, 'key', 'sha256:secret', 'dw_', ?, id, ?, 0, ? FROM users",
                (f"{number}", f"name {number}", number, REACH, sealed),
            )
    file = place.folder / "evidence.age"
    told = place.answer("incident", "evidence", str(file), "--passphrase-stdin", typed="a long passphrase\n")
    assert file.stat().st_mode & 0o777 == 0o600
    content = b"".join(read_age(io.BytesIO(file.read_bytes()), Openers("a long passphrase")))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == told["contents"]
        assert "incident.evidence" in archive.read("audit.jsonl").decode()
        assert json.loads(archive.read("versions.json"))["doorward"] == __version__
        assert json.loads(archive.read("sessions.json")) == []
        listed = json.loads(archive.read("app-keys.json"))
        assert [(key["user"], key["address"]) for key in listed] == [("root", ""), ("root", "damaged")]
        assert "sha256:" not in str(listed)
    assert b"root" not in file.read_bytes()
    with pytest.raises(InputError, match="overwrites nothing"):
        place.run("incident", "evidence", str(file), "--passphrase-stdin", typed="another\n")
    with pytest.raises(InputError, match="who may read it"):
        place.run("incident", "evidence", str(file) + "2", "--passphrase-stdin", typed="\n")


def test_the_gate_runs_without_its_data_for_who_has_a_code(place):
    """E-90: the database is broken; afterwards it is noted in the real record."""
    place.add("root", "--admin")
    (code,) = place.answer("incident", "kit", "root")["codes"]
    database = place.folder / "data" / "doorward.db"
    whole = database.read_bytes()
    database.write_bytes(b"broken")
    (place.folder / "code").write_text(code + "\n", "utf-8")
    command = ["sh", "-c", 'exec "$@" < code', "sh", *doorward("incident", "break-glass", "serve", "--code-stdin")]
    process = Process("emergency", [*command, "--allow-insecure-http"], place.folder)
    server = Server(process, *place.ports)
    try:
        process.wait_until(lambda: accepts(place.ports[0]) and server.get("/readyz").status_code == 200)
        link = re.search(r"(/reset\?token=\S+)", process.log)[1]
        assert server.get(link).status_code == 200
        assert server.get(link.replace("token=", "token=x")).status_code == 404
    finally:
        process.stop()
    (kept,) = (place.folder / "data").glob("emergency-*.jsonl")
    assert kept.stat().st_mode & 0o777 == 0o600
    database.write_bytes(whole)
    with place.serving() as server:
        assert server.get("/break-glass").status_code == 404
    assert [path.name for path in (place.folder / "data").glob("*emergency-*")] == [f"noted-{kept.name}"]
    (noted,) = [each for each in place.answer("audit", "list") if each["act"] == "break_glass.emergency"]
    assert noted["public"]["verified"] == "yes"


def test_an_emergency_that_was_killed_has_used_up_its_code_and_touched_nothing_of_the_data(place):
    """E-90: what serves never comes to its end, and the data is as it was."""
    place.write("backup: {schedule: hourly, encryption: none}\naudit: {copy_to: copy, checkpoint: {file: points}}\n")
    place.add("root", "--admin")
    (code,) = place.answer("incident", "kit", "root")["codes"]
    begun = emergency.begin(load(place.config, allow_insecure_http=True), {}, code)
    shutil.rmtree(begun.folder)
    changed = begun.loaded.config
    assert (changed.backup.schedule, changed.audit.copy_to, changed.audit.checkpoint.file) == ("off", "", "")
    assert begun.record.stat().st_mode & 0o777 == 0o600
    with place.serving() as server:
        assert server.get("/break-glass").status_code == 404
    (kit,) = place.answer("incident", "break-glass", "list")
    assert kit["used"]
    (noted,) = [each for each in place.answer("audit", "list") if each["act"] == "break_glass.emergency"]
    assert (noted["about"], noted["public"]["verified"]) == ("root", "no")
    assert [each["kind"] for each in place.answer("alert", "list")] == ["break_glass_used"]


def test_an_edited_record_of_an_emergency_is_told_as_one():
    assert read_record(b"") == (b"", 0, False)
    assert read_record(b'{"code": "00"}\n') == (b"\x00", 0, False)
    assert read_record(b'{"code": "00"}\n{"sequence": 1}\n') == (b"\x00", 0, False)


def test_what_is_no_code_starts_nothing(place):
    place.add("root", "--admin")
    with pytest.raises(InputError, match="opens nothing"):
        place.run("incident", "break-glass", "serve", "--code-stdin", "--allow-insecure-http", typed="AAAA\n")
