"""The guides on backups, keys, the record and alerts: every command is run as it stands there, in their order."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

import pyrage
import pytest

from doorward.errors import InputError
from tests.cli.conftest import Place

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"\b(BACKUP|TOKEN)\b")
HERE = {"umask", "mkdir", "install"}


def read_blocks(guide, language, heading="", until=""):
    """The blocks of a part of a guide, from one heading to another."""
    text = (GUIDES / guide).read_text("utf-8")
    start = text.index(heading)
    end = text.index(until, start) if until else len(text)
    return [dedent(block) for _, kind, block in BLOCK.findall(text[start:end]) if kind == language]


def lines_of(guide, *part):
    return [line for block in read_blocks(guide, "sh", *part) for line in block.splitlines()]


class Reader:
    """Somebody who types what a guide says, in the folder that stands for the whole machine."""

    def __init__(self, place: Place):
        self.place = place
        self.names = {}
        for folder in ("etc", "stick", "backups"):
            (place.folder / folder).mkdir(exist_ok=True)

    def settle(self, text):
        root = self.place.folder
        for there, here in (
            ("/etc/doorward", root / "etc"),
            ("/mnt/stick", root / "stick"),
            ("/mnt/backups", root / "backups"),
        ):
            text = text.replace(there, str(here))
        return PLACEHOLDER.sub(lambda found: self.names[found[1]], text)

    def configure(self, block):
        self.place.write(self.settle(block))

    def type(self, line, *, code=0):
        words, _, target = self.settle(line).partition(" > ")
        program, *arguments = shlex.split(words)
        if program != "doorward":
            assert program in HERE
            subprocess.run(["bash", "-c", words], cwd=self.place.folder, check=True)
            return ""
        result = self.place.run(*arguments)
        assert result.exit_code == code, (line, result.output)
        if target:
            path = self.place.folder / target
            path.touch(mode=0o600)
            path.write_text(result.stdout, "utf-8")
        found = re.search(r"doorward backup restore (\S+) --apply ([0-9a-f]+)", result.stdout)
        if found:
            self.names |= {"BACKUP": found[1], "TOKEN": found[2]}
        return result.stdout


@pytest.fixture
def reader(place):
    return Reader(place)


def test_a_reader_of_the_guide_on_backups_has_one_and_restores_it_on_a_new_machine(
    reader, tmp_path_factory, monkeypatch
):
    """B-36, B-37, E-49, E-51, E-52, E-54: with the three things that the guide says to keep, and nothing else."""
    place = reader.place
    place.add("alice", "--admin")
    setting, *_ = read_blocks("backups.md", "yaml")
    make, copy, first = read_blocks("backups.md", "sh", until="## Take them")
    for line in make.splitlines():
        reader.type(line)
    reader.configure(setting)
    told = [reader.type(line) for line in (*copy.splitlines(), *first.splitlines())]
    assert "restores" in told[-1]
    (archive,) = (place.folder / "data" / "backups").glob("backup-*")
    reader.names["BACKUP"] = archive.name
    place.add("bob")
    look, apply = lines_of("backups.md", "## Restore\n", "## Restore on a new")
    preview = reader.type(look)
    (shown,) = read_blocks("backups.md", "text")
    assert clean(preview) == clean(shown)
    assert "is restored" in reader.type(apply)
    assert [user["name"] for user in place.answer("user", "list")] == ["alice"]

    new = Reader(Place(tmp_path_factory.mktemp("new")))
    monkeypatch.chdir(new.place.folder)
    shutil.copytree(place.folder / "stick", new.place.folder / "stick", dirs_exist_ok=True)
    shutil.copy2(place.folder / "etc" / "backup.secret", new.place.folder / "etc" / "backup.secret")
    shutil.copy2(archive, new.place.folder / "backups" / archive.name)
    new.configure(setting)
    new.names["BACKUP"] = archive.name
    for line in lines_of("backups.md", "## Restore on a new", "## What is not"):
        new.type(line)
    with new.place.serving() as server:
        assert server.check(server.sign_in("alice")) == 200


def clean(preview):
    """Without what differs from day to day."""
    return [
        re.sub(r"\S*backup-\S+\.age|BACKUP", "it", re.sub(r"20\d\d-\S+Z|TOKEN|(?<=--apply )\w+", "…", line)).rstrip()
        for line in preview.strip().splitlines()
        if not line.startswith("  ") or line.strip() == "bob"
    ]


@pytest.mark.parametrize("kept", ["data/encryption_key.retired", "a line more"])
def test_where_a_key_was_made_too_early_the_old_one_is_brought_beside_it(reader, tmp_path_factory, monkeypatch, kept):
    """B-36: what the message of the guide's table says to do."""
    place = reader.place
    place.add("alice", "--admin")
    (place.folder / "etc" / "backup.secret").write_text("a passphrase that is long enough\n")
    (place.folder / "etc" / "backup.secret").chmod(0o600)
    setting, *_ = read_blocks("backups.md", "yaml")
    reader.configure(setting)
    name = place.answer("backup", "create")["name"]
    new = Reader(Place(tmp_path_factory.mktemp("new")))
    monkeypatch.chdir(new.place.folder)
    shutil.copy2(place.folder / "etc" / "backup.secret", new.place.folder / "etc" / "backup.secret")
    new.configure(setting)
    new.place.add("early", "--admin")
    archive = place.folder / "data" / "backups" / name
    with pytest.raises(InputError, match=r"a line of its own in `encryption_key\.retired`"):
        new.place.run("backup", "restore", str(archive))
    key = (place.folder / "data" / "encryption_key").read_text()
    path = new.place.folder / ("data/encryption_key" if kept == "a line more" else kept)
    path.touch(mode=0o600)
    path.write_text(path.read_text() + key)
    plan = new.place.answer("backup", "restore", str(archive))
    new.place.answer("backup", "restore", plan["backup"], "--apply", plan["token"])
    assert [user["name"] for user in new.place.answer("user", "list")] == ["alice"]


def test_a_reader_of_the_guide_on_keys_replaces_them_all(reader):
    """B-03, B-04, E-67, E-68: a copy, and both rotations, twice."""
    place = reader.place
    place.add("alice", "--admin")
    for line in lines_of("keys.md", "# Keys", "## When it is gone"):
        reader.type(line.replace("rotate master", "rotate master --settle 0"))
    keys = [line.split() for line in place.run("keys", "list").stdout.splitlines()]
    assert [(key[0], key[2]) for key in keys].count(("master", "retired")) == 2
    # A line of 64 characters, as the guide says to print.
    assert len((place.folder / "stick" / "doorward.key").read_text().strip()) == 64


def test_the_copy_of_the_master_key_opens_the_gateway_again(reader):
    """B-02: when it is gone."""
    place = reader.place
    place.add("alice", "--admin")
    reader.type("doorward keys export /mnt/stick/doorward-2.key")
    (place.folder / "data" / "encryption_key").unlink()
    for line in lines_of("keys.md", "## When it is gone"):
        reader.type(line)
    with place.serving() as server:
        assert server.check(server.sign_in("alice")) == 200


def test_a_reader_of_the_guide_on_the_record_verifies_it_elsewhere(reader, tmp_path_factory, monkeypatch):
    """B-38: and a copy that ends earlier does not pass beside a checkpoint."""
    place = reader.place
    place.add("alice", "--admin")
    for line in lines_of("audit.md"):
        if line.startswith("doorward audit verify --file"):
            elsewhere = tmp_path_factory.mktemp("elsewhere")
            for name in ("export.jsonl", "doorward.pub", "checkpoints"):
                if (place.folder / name).exists():
                    shutil.copy2(place.folder / name, elsewhere / name)
            with monkeypatch.context() as moved:
                moved.chdir(elsewhere)
                assert "are what was recorded" in place.run(*shlex.split(line)[1:]).stdout
                assert not (elsewhere / "data").exists()
        else:
            reader.type(line)


def test_a_reader_of_the_guide_on_alerts_finds_its_commands(reader):
    """E-78: without targets, the first line says that there are none."""
    reader.place.add("alice", "--admin")
    assert "No targets are set up" in reader.type(lines_of("alerts.md")[0])


def test_the_recipient_of_the_guide_could_be_anybodys():
    """B-36: a public key of age, read by another implementation."""
    (recipient,) = re.findall(r"age1[0-9a-z]{58}", (GUIDES / "backups.md").read_text("utf-8"))
    assert str(pyrage.x25519.Recipient.from_str(recipient)) == recipient
