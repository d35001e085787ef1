"""Section N of docs/attacks.md: backups that were tampered with, that are bombs, that would take back what is past."""

import gzip
import json
import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from doorward.errors import ConflictError, DoorwardError, InputError, NotFoundError
from doorward.rules import archive
from doorward.rules.archive import Encoder, Listed, Manifest
from tests.attacks.vault import Vault, make_vault
from tests.fakes.system import START


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    """A gateway with two accounts and a backup, to be copied."""
    return make_vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture
def vault(pattern, tmp_path, monkeypatch):
    folder = tmp_path / "vault"
    shutil.copytree(pattern, folder)
    monkeypatch.chdir(folder)
    return Vault(folder)


@pytest.fixture
def name(vault):
    return vault.run("backup", "list")[0]["name"]


def refuses(vault, name, *, match="."):
    """It is refused at every door, and nothing is changed."""
    before = vault.state()
    for command in (
        ("backup", "verify", name),
        ("backup", "restore", name),
        ("backup", "restore", name, "--apply", "0"),
    ):
        with pytest.raises((InputError, NotFoundError), match=match):
            vault.run(*command)
    assert vault.state() == before
    assert [path.name for path in vault.backups.iterdir() if "scratch" in path.name or "partial" in path.name] == []


def test_no_byte_of_an_encrypted_backup_can_be_changed(vault, name):
    """N05."""
    whole = (vault.backups / name).read_bytes()
    before = vault.state()
    for place in [*range(0, 250, 7), *range(250, len(whole), max(1, len(whole) // 40))]:
        (vault.backups / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError):
            vault.run("backup", "verify", name)
    for cut in (0, 1, 100, 200, len(whole) - 1):
        (vault.backups / name).write_bytes(whole[:cut])
        with pytest.raises(InputError):
            vault.run("backup", "restore", name)
    assert vault.state() == before


@pytest.mark.parametrize("encrypted", [True, False])
def test_who_can_encrypt_for_the_reader_still_cannot_make_a_backup(vault, name, encrypted):
    """N05: public keys are public; what proves a backup is a key of ours."""
    lines = vault.open(name)
    row = next(place for place, line in enumerate(lines) if b'"bob"' in line)
    promoted = [*lines]
    promoted[row] = lines[row].replace(b"false", b"true", 1)
    assert promoted != lines
    swapped = [*lines]
    swapped[row], swapped[row - 1] = lines[row - 1], lines[row]
    manifest = json.loads(lines[0])
    for changed in (
        promoted,
        swapped,
        lines[:row] + lines[row + 1 :],
        lines[:-1],
        [*lines, lines[-1]],
        [json.dumps({**manifest, "schema": "0003"}).encode() + b"\n", *lines[1:]],
        [json.dumps({**manifest, "installation": "0" * 32}).encode() + b"\n", *lines[1:]],
    ):
        refuses(vault, vault.put(gzip.compress(b"".join(changed)), encrypted=encrypted))


def test_parts_of_two_backups_make_no_third(vault, name):
    """N05."""
    vault.run("user", "disable", "bob")
    older, newer = vault.open(name), vault.open(vault.create())
    refuses(vault, vault.put(gzip.compress(b"".join([*newer[:2], *older[2:]]))))
    refuses(vault, vault.put(gzip.compress(b"".join([*older[:2], *newer[2:]]))))


def test_a_backup_is_not_taken_for_another_installations(vault, name):
    """N05, B-02: it says which key is missing before anything of it is read."""
    (vault.folder / "data" / "encryption_key").write_text("c0ffee" + os.urandom(29).hex() + "\n")
    with pytest.raises(DoorwardError):
        vault.run("backup", "verify", name)


def test_links_and_what_is_no_file_are_not_read(vault, name):
    """N02, D-39."""
    inside = vault.put(b"")
    path = vault.backups / inside
    path.unlink()
    for target in (vault.backups / name, vault.folder / "data" / "encryption_key", Path("/etc/passwd")):
        path.symlink_to(target)
        refuses(vault, inside)
        assert inside not in [each["name"] for each in vault.run("backup", "list")]
        path.unlink()
    os.mkfifo(path)
    refuses(vault, inside)
    path.unlink()
    path.mkdir()
    refuses(vault, inside)


@pytest.mark.parametrize(
    "spelling", ["../doorward.db", "backup-20260101T000000Z-00000000.jsonl.gz/..", ".lock", "x\0y"]
)
def test_no_name_leads_out_of_the_folder(vault, spelling):
    """N02."""
    with pytest.raises(InputError):
        vault.run("backup", "verify", spelling)


@pytest.mark.parametrize("first", [b"", b'{"doorward_backup":1', b"\x1f\x8b" * 10])
def test_a_bomb_is_let_go_of_early(vault, first):
    """N03: an archive that is not ours is read to its second line at most."""
    bomb = gzip.compress(first + bytes(200 * 1024 * 1024), compresslevel=9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refuses(vault, vault.put(bomb))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_claim_of_very_many_rows_costs_nothing(vault, name):
    """N03."""
    manifest = json.loads(vault.open(name)[0])
    for rows in (10**9, 10**30, -1, True, "5"):
        manifest["tables"][0]["rows"] = rows
        refuses(vault, vault.put(gzip.compress(json.dumps(manifest).encode() + b"\n{}\n")))
    manifest["tables"] *= 50
    refuses(vault, vault.put(gzip.compress(json.dumps(manifest).encode() + b"\n{}\n")))


def forged(vault, name, change):
    """A backup made with our own key: what a mistake of ours, or somebody with the key, could make."""
    lines = vault.open(name)
    found = json.loads(lines[0])
    change(found)
    _, key = vault.key()

    class Written(Encoder):
        def begin(self):
            plain = archive._encode_manifest
            archive._encode_manifest = lambda _manifest: found
            try:
                return super().begin()
            finally:
                archive._encode_manifest = plain

    encoder = Written(Manifest("1", "0004", START, "", "0" * 16, (Listed("users", (), 0),)), key)
    body = encoder.begin() + encoder._take(b"".join(lines[2:-1])) + encoder.end()
    return vault.put(gzip.compress(body))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(schema="9999"),
        lambda found: found.update(schema="0001"),
        lambda found: found.update(doorward_backup=2),
        lambda found: found["tables"][0].update(name="sqlite_master"),
        lambda found: found["tables"][0].update(name="sessions"),
        lambda found: found["tables"].pop(),
        lambda found: next(each for each in found["tables"] if each["name"] == "users")["columns"].reverse(),
        lambda found: found["tables"][0]["columns"][0].__setitem__(0, "id); DROP TABLE users; --"),
    ],
)
def test_only_the_tables_of_a_known_schema_are_taken(vault, name, change):
    """N09: rows in tables of ours; no trigger, view or page of a file comes along."""
    refuses(vault, forged(vault, name, change))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95.cposix\nsystem\n",
        b"!!python/object/apply:os.system ['true']\n",
        b'["users",' + b"[" * 100_000,
        b"NaN\n",
    ],
)
def test_what_is_not_json_of_this_shape_is_refused(vault, content):
    """N12."""
    refuses(vault, vault.put(gzip.compress(content + b"\n" + content + b"\n")))


def test_nothing_here_reads_pickles_or_yaml_objects():
    """N12: a look at the sources."""
    for path in Path("src/doorward").rglob("*.py"):
        assert not re.search(r"\bpickle\b|\bmarshal\b|yaml\.(unsafe_)?load\(|\bshelve\b", path.read_text("utf-8")), path


@pytest.mark.parametrize("work", [19, 25, 30, 63, 64, 99])
def test_the_work_a_header_claims_is_bounded(vault, work):
    """N14: refused before any of it is done."""
    stanza = b"-> scrypt " + b"A" * 22 + b" %d\n" % work + b"A" * 43 + b"\n"
    header = b"age-encryption.org/v1\n" + stanza + b"--- " + b"A" * 43 + b"\n" + bytes(64)
    name = vault.put(b"")
    (vault.backups / name).write_bytes(header)
    with pytest.raises(InputError, match="more memory than backups may"):
        vault.run("backup", "verify", name, "--passphrase-stdin", typed="a passphrase of some length\n")


@pytest.mark.parametrize("work", [b"0", b"01", b"-1", b"1e1", b"", b"9" * 500])
def test_a_claim_of_work_that_is_no_number_is_refused(vault, work):
    """N14."""
    name = vault.put(b"")
    stanza = b"-> scrypt " + b"A" * 22 + b" " + work + b"\n" + b"A" * 43 + b"\n"
    (vault.backups / name).write_bytes(b"age-encryption.org/v1\n" + stanza + b"--- " + b"A" * 43 + b"\n" + bytes(64))
    with pytest.raises(InputError):
        vault.run("backup", "verify", name, "--passphrase-stdin", typed="a passphrase of some length\n")


def test_every_file_is_private_from_its_first_moment(vault):
    """N11: looked at while it is written."""
    seen = []

    def look(event, arguments):
        if event == "os.rename" and "backups" in str(arguments[0]):
            seen.append(stat.S_IMODE(Path(arguments[0]).stat().st_mode))

    sys.addaudithook(look)
    before = os.umask(0)
    try:
        vault.create()
        vault.run("backup", "drill")
    finally:
        os.umask(before)
    assert seen == [0o600]
    assert {stat.S_IMODE(path.stat().st_mode) for path in vault.backups.iterdir()} == {0o600}
    assert stat.S_IMODE(vault.backups.stat().st_mode) == 0o700


def test_a_folder_that_others_may_read_is_not_used(vault):
    """N11, D-34."""
    vault.backups.chmod(0o755)
    with pytest.raises(DoorwardError, match="chmod"):
        vault.create()


def test_only_one_at_a_time(vault, name):
    """N08: whoever comes second is told so."""
    import fcntl

    with (vault.backups / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            ("create",),
            ("verify", name),
            ("drill",),
            ("restore", name),
            ("restore", name, "--apply", "0"),
        ):
            with pytest.raises(ConflictError, match="under way"):
                vault.run("backup", *command)


def test_a_full_disk_leaves_all_as_it_was(vault, name):
    """N08."""
    before = vault.state()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])));"
        "sys.argv = ['doorward', *sys.argv[2:]]; from doorward.cli import main; main()"
    )
    for room in (100, 4096):
        done = subprocess.run(
            [sys.executable, "-c", code, str(room), "backup", "create"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 69, done.stderr
    assert vault.state() == before
    assert [each["name"] for each in vault.run("backup", "list")] == [name]
    vault.create()
    assert not list(vault.backups.glob("*.partial"))


def test_a_restore_of_the_past_keeps_what_was_taken_away(vault, name):
    """N06: disabled accounts, ended sessions, the key of cookies, and the record itself."""
    vault.run("user", "disable", "bob")
    with closing(sqlite3.connect(vault.folder / "data" / "doorward.db")) as connection:
        last = connection.execute("SELECT max(sequence) FROM audit").fetchone()[0]
        keys = connection.execute("SELECT max(id) FROM signing_keys WHERE purpose = 'session'").fetchone()[0]
        generation = connection.execute("SELECT max(generation) FROM users").fetchone()[0]
    plan = vault.run("backup", "restore", name)
    with pytest.raises(ConflictError, match="not what the preview showed"):
        vault.run("backup", "restore", name, "--apply", "0" * 16)
    vault.run("backup", "restore", name, "--apply", plan["token"])
    with closing(sqlite3.connect(vault.folder / "data" / "doorward.db")) as connection:
        assert connection.execute("SELECT enabled FROM users WHERE name = 'bob'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert connection.execute("SELECT max(sequence) FROM audit").fetchone()[0] > last
        assert connection.execute("SELECT max(id) FROM signing_keys WHERE purpose = 'session'").fetchone()[0] > keys
        assert connection.execute("SELECT min(generation) FROM users").fetchone()[0] > generation
    with pytest.raises(ConflictError, match="not what the preview showed"):
        vault.run("backup", "restore", name, "--apply", plan["token"])
