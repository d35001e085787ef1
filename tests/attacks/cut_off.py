"""Commands that may be cut off at any moment, each with what must be true afterwards: the table is `WORKS`.

Of each there is a pattern, made once, and what a run that nobody disturbed made of it. A copy of the pattern is worked
on, and killed; then it is looked at, and the same command is given again, as the manual says.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyrage

from doorward.errors import TamperError
from doorward.outside.keyring import open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.audit import GENESIS, Act
from doorward.rules.envelope import Place
from doorward.storage.sql.schema import HEAD
from doorward.storage.sql.sealed import SEALED
from tests.attacks.stage import CONFIG, run_command
from tests.integration.processes import free_ports

OLDER = sorted((Path(__file__).parents[1] / "vectors/storage").glob("*.sql"))
BACKUPS = "backup: {{recipients: [{public}], identity_file: reader.txt}}\n"
PASSING = frozenset({"audit", "checkpoints", "chores", "counters", "tickets", "settings", "alembic_version"})
"""What every command may add to, or that passes by itself."""
KEYS = frozenset({"signing_keys", "sessions", "upstream_sessions", "totals", "revision", "pending_ends"})
"""What a restore replaces on purpose."""

Rows = dict[str, list[dict[str, Any]]]


class Folder:
    """A data folder and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.config = folder / "doorward.yaml"
        self.database = folder / "data" / "doorward.db"

    def configure(self) -> None:
        """Write the configuration: everything that the commands need, and nobody who listens."""
        reader = pyrage.x25519.Identity.generate()
        (self.path / "reader.txt").touch(0o600)
        (self.path / "reader.txt").write_text(f"{reader}\n", "ascii")
        port, metrics = free_ports(2)
        text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
        self.config.write_text(text + BACKUPS.format(public=reader.to_public()), "utf-8")

    def run(self, *arguments: str) -> Any:
        """Run a command to its end; what it answers."""
        said = run_command(self.config, *arguments, "--json")
        return json.loads(said) if said.strip() else None

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(statement).fetchall()

    def read(self) -> Rows:
        """All rows, with what is sealed opened where it opens."""
        keyring = open_keyring(self.database.parent, random=SystemRandom(), create=False)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}
        installation = [row["value"] for row in tables.get("settings", []) if row["name"] == "installation"]
        keyring.join(installation[0] if installation else "", reads_older=True)
        for sealed in SEALED.values():
            table, column, row_name = sealed.column.table.name, sealed.column.name, sealed.row.name
            for row in [each for each in tables.get(table, []) if not sealed.member and column in each]:
                try:
                    row[column] = keyring.unseal(Place(table, column, str(row[row_name])), row[column])
                except TamperError:
                    continue
        return {name: sorted(rows, key=repr) for name, rows in tables.items()}

    def check(self) -> None:
        """The file is sound, and every record follows on the one before it."""
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        assert self.query("PRAGMA foreign_key_check") == []
        last, previous = 0, GENESIS
        for sequence, before, own in self.query("SELECT sequence, previous, hash FROM audit ORDER BY sequence"):
            assert (sequence, before) == (last + 1, previous)
            last, previous = sequence, own
        loose = [path for path in (self.path / "data").rglob("*") if path.stat().st_mode & 0o77]
        assert loose == []


@dataclass(frozen=True, slots=True)
class Work:
    """One command. `share` is how many of a hundred kills are for it."""

    name: str
    share: int
    prepare: Callable[[Folder, Folder], None]
    """Make the pattern in the first of a house that was lived in, the second."""
    arguments: Callable[[Folder], list[str]]
    look: Callable[[Folder, Rows, Rows], None]
    """Judge a copy that was cut off, by the rows of the pattern and of the undisturbed run."""
    judge: Callable[[Folder, Rows, Rows], None]
    """Judge it once the command was given again."""


def same(one: Rows, other: Rows, *, but: frozenset[str] = PASSING) -> None:
    """Every table holds the same."""
    assert one.keys() - but == other.keys() - but
    for table in one.keys() - but:
        assert one[table] == other[table], table


def begins_with(rows: Rows, before: Rows) -> None:
    """Nothing of the record is gone or another."""
    hashes = {row["sequence"]: row["hash"] for row in rows["audit"]}
    assert all(hashes[row["sequence"]] == row["hash"] for row in before["audit"])


# Migration


def older(dump: Path) -> Callable[[Folder, Folder], None]:
    """A database as an older version left it."""

    def prepare(folder: Folder, _lived: Folder) -> None:
        folder.configure()
        folder.database.parent.mkdir(0o700)
        for name in ("doorward.db", "encryption_key"):
            (folder.database.parent / name).touch(0o600)
        key = sha256(f"schema {dump.stem}".encode()).hexdigest()
        (folder.database.parent / "encryption_key").write_text(key + "\n", "ascii")
        with closing(sqlite3.connect(folder.database)) as connection:
            connection.executescript(dump.read_text("utf-8"))
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchone():
                # That one was signed by nobody, which is told whoever verifies the record.
                connection.execute("DELETE FROM checkpoints WHERE signed_by = 'aaaaaaaaaaaaaaaa'")
                connection.commit()

    return prepare


def look_at_migration(folder: Folder, before: Rows, _after: Rows) -> None:
    """It is of the one version or of the other."""
    rows = folder.read()
    ((version,),) = ([each["version_num"]] for each in rows["alembic_version"])
    old = before["alembic_version"][0]["version_num"]
    assert version in {old, HEAD}
    if version == old:
        assert {name: rows[name] for name in rows} == before
    keeps_all(rows, before)


def judge_migration(folder: Folder, before: Rows, after: Rows) -> None:
    """Everything is there, sealed anew, and the record says so once."""
    rows = folder.read()
    assert rows["alembic_version"] == [{"version_num": HEAD}]
    keeps_all(rows, before)
    same(rows, after, but=PASSING | {"signing_keys"})
    said = [row for row in rows["audit"] if row["act"] == Act.RESEALED.value]
    assert len(said) == len([row for row in after["audit"] if row["act"] == Act.RESEALED.value])
    assert not [value for value in folder.query("SELECT sealed FROM signing_keys") if value[0].startswith("gcm1")]


def keeps_all(rows: Rows, before: Rows) -> None:
    """Every row there was, in every column that it had; the personal data of records is sealed now."""
    for table, old in before.items():
        if table in {"alembic_version", "audit", "settings", "counters", "revision"}:
            continue
        columns = old[0].keys() if old else ()
        kept = [{name: row[name] for name in columns} for row in rows[table]]
        assert all(row in kept for row in old), table
    begins_with(rows, before)


# Rotation


def lived_in(folder: Folder, lived: Folder) -> None:
    """As it was left by those who lived there."""
    for path in sorted(lived.path.rglob("*")):
        target = folder.path / path.relative_to(lived.path)
        if path.is_dir():
            target.mkdir(0o700)
        else:
            target.touch(0o600)
            target.write_bytes(path.read_bytes())


def look_at_rotation(folder: Folder, before: Rows, _after: Rows) -> None:
    """Whatever is sealed under whichever key: it opens."""
    rows = folder.read()
    same(rows, before, but=PASSING)
    begins_with(rows, before)


def judge_rotation(folder: Folder, before: Rows, _after: Rows) -> None:
    """One key is left, everything is under it, and it is another one than before."""
    look_at_rotation(folder, before, before)
    key = (folder.database.parent / "encryption_key").read_text("ascii").split()
    assert len(key) == 1
    keyring = open_keyring(folder.database.parent, random=SystemRandom(), create=False)
    for sealed in SEALED.values():
        if not sealed.member:
            found = folder.query(f"SELECT {sealed.column.name} FROM {sealed.column.table.name}")
            assert {value.split(":")[1] for (value,) in found if value} <= {keyring.key_id}, sealed.name
    drafts = [path.name for path in folder.database.parent.iterdir() if path.name.startswith("encryption_key.")]
    assert set(drafts) <= {"encryption_key.retired"}


# Backup


def look_at_backup(folder: Folder, before: Rows, _after: Rows) -> None:
    """What is listed is whole; nothing else was touched."""
    same(folder.read(), before)
    for backup in folder.run("backup", "list"):
        folder.run("backup", "verify", backup["name"])


def judge_backup(folder: Folder, before: Rows, after: Rows) -> None:
    """There is one at least, it restores, and no half of one is left beside it."""
    assert folder.run("backup", "list")
    look_at_backup(folder, before, after)
    names = {path.name for path in (folder.database.parent / "backups").iterdir() if path.is_file()}
    listed = {backup["name"] for backup in folder.run("backup", "list")}
    assert not [name for name in names - listed if "jsonl" in name]


# Restore


def with_backup(folder: Folder, lived: Folder) -> None:
    """A backup, and a day on which much changed after it."""
    lived_in(folder, lived)
    folder.run("backup", "create")
    run_command(folder.config, "user", "edit", "alice", "--email", "moved@example.test")
    run_command(folder.config, "user", "delete", "bob", "--yes")


def restoring(folder: Folder) -> list[str]:
    """The restore of the first backup, with the token of its preview."""
    oldest = folder.run("backup", "list")[-1]["name"]
    told = folder.run("backup", "restore", oldest)
    return ["backup", "restore", oldest, "--apply", told["token"]]


def look_at_restore(folder: Folder, before: Rows, after: Rows) -> None:
    """It is as it was before, or as the backup has it; and then nobody is signed in."""
    rows = folder.read()
    restored = [row for row in rows["audit"] if row["act"] == Act.RESTORED.value]
    if restored:
        same(rows, after, but=PASSING | KEYS | {"letters", "alerts", "users", "checkpoints"})
        assert names_of(rows) == names_of(after)
        assert rows["sessions"] == []
        old = {row["id"] for row in before["signing_keys"] if row["purpose"] == "session" and not row["retired_at"]}
        now = {row["id"] for row in rows["signing_keys"] if row["purpose"] == "session" and not row["retired_at"]}
        assert not old & now
    else:
        same(rows, before)
    begins_with(rows, before)


def names_of(rows: Rows) -> Mapping[str, tuple[str, str, bool]]:
    """Who is there. How often they were signed out everywhere depends on how often it was tried."""
    return {row["id"]: (row["name"], row["email"], row["enabled"]) for row in rows["users"]}


def judge_restore(folder: Folder, before: Rows, after: Rows) -> None:
    """It is as the backup has it, by a restore that is in the record."""
    assert [row for row in folder.read()["audit"] if row["act"] == Act.RESTORED.value]
    look_at_restore(folder, before, after)


WORKS = [
    *(
        Work(f"migration-{dump.stem}", 8, older(dump), lambda _: ["user", "list"], look_at_migration, judge_migration)
        for dump in OLDER
    ),
    Work(
        "rotation",
        14,
        lived_in,
        lambda _: ["keys", "rotate", "master", "--settle", "0"],
        look_at_rotation,
        judge_rotation,
    ),
    Work("backup", 10, lived_in, lambda _: ["backup", "create"], look_at_backup, judge_backup),
    Work("restore", 12, with_backup, restoring, look_at_restore, judge_restore),
]
