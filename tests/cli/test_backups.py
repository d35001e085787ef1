"""Backups from the command line."""

import os
import re
import stat

import pyrage
import pytest


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
