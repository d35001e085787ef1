"""A gateway with accounts and a backup, and its backups from within."""

import gzip
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pyrage
from typer.testing import CliRunner

from doorward.cli import build
from doorward.outside.keyring import FileKeyring
from tests.fakes.system import FakeRandom

READER = pyrage.x25519.Identity.generate()
CONFIG = f"""
server: {{addr: "127.0.0.1:0", public_url: "http://auth.door.localhost"}}
proxy: {{trusted: ["127.0.0.1/32"]}}
backup: {{recipients: [{READER.to_public()}], identity_file: reader.txt}}
"""


class Vault:
    """A folder with a gateway, and its backups from within."""

    def __init__(self, folder):
        self.folder = folder
        self.backups = folder / "data" / "backups"

    def run(self, *arguments, typed=None):
        result = CliRunner().invoke(build(arguments[0]), [*arguments, "--json"], input=typed, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if result.stdout.strip() else None

    def create(self):
        return self.run("backup", "create")["name"]

    def open(self, name):
        """The lines within a backup."""
        packed = pyrage.decrypt((self.backups / name).read_bytes(), [READER])
        return gzip.decompress(packed).splitlines(keepends=True)

    def put(self, packed, *, encrypted=True):
        """Put a file beside the others, as somebody who knows the reader's public key could."""
        name = f"backup-20260101T000000Z-00000000.jsonl.gz{'.age' if encrypted else ''}"
        path = self.backups / name
        path.unlink(missing_ok=True)
        path.write_bytes(pyrage.encrypt(packed, [READER.to_public()]) if encrypted else packed)
        path.chmod(0o600)
        return name

    def state(self):
        """All rows there are, but for the record of what was done."""
        with closing(sqlite3.connect(self.folder / "data" / "doorward.db")) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                for table in tables
                if table not in {"audit", "chores"} and not table.startswith("sqlite_")
            }

    def key(self):
        """The key of its backups."""
        text = (self.folder / "data" / "encryption_key").read_text().split()[0]
        keyring = FileKeyring([bytes.fromhex(text)], FakeRandom())
        return keyring.key_id, keyring.derive_from_master("backup")


def make_vault(folder):
    """One with two accounts and a backup, in this folder."""
    (folder / "doorward.yaml").write_text(CONFIG, "utf-8")
    (folder / "reader.txt").write_text(f"{READER}\n")
    (folder / "reader.txt").chmod(0o600)
    before = Path.cwd()
    os.chdir(folder)
    try:
        vault = Vault(folder)
        for name, more in (("alice", ["--admin"]), ("bob", [])):
            vault.run("user", "add", name, "--password-stdin", *more, typed="Tr4vel-by-Night!\n")
        vault.create()
    finally:
        os.chdir(before)
    return folder
