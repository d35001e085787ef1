"""The master key is replaced (attacks M) while somebody attacks, is killed, or had a copy from before."""

import base64
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.errors import TamperError
from doorward.outside.keyring import FileKeyring, open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.envelope import Place, derive, key_id
from tests.attacks.stage import CONFIG, ROOT, add_person
from tests.integration.gateway import doorward
from tests.integration.processes import free_ports

RANDOM = SystemRandom()


class Household:
    """A data folder with one account, and commands run on it."""

    def __init__(self, folder: Path) -> None:
        port, metrics = free_ports(2)
        self.folder = folder
        self.config = folder / "doorward.yaml"
        self.config.write_text(CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), "utf-8")
        self.data = folder / "data"
        self.database = self.data / "doorward.db"

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            doorward(*arguments, "--config", str(self.config)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def query(self, statement: str, *parameters: object) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def rotate(self, code: int = 0) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.run("keys", "rotate", "master", "--settle", "0", "--json", code=code))
        return told

    def keyring(self) -> FileKeyring:
        keyring = open_keyring(self.data, random=RANDOM, create=False)
        keyring.join(self.query("SELECT value FROM settings WHERE name = 'installation'")[0][0])
        return keyring


@pytest.fixture
def household(tmp_path: Path) -> Household:
    made = Household(tmp_path)
    add_person(made.config, ROOT)
    return made


def test_everything_is_written_under_the_newest_key(household: Household) -> None:
    """M06: and the one before is not even held any more."""
    first = household.keyring().key_id
    old_key = (household.data / "encryption_key").read_text("ascii")
    told = household.rotate()
    assert told["old"] == [first]
    household.run("user", "edit", ROOT.name, "--email", "new@example.test")
    sealed = [
        row[0] for row in household.query("SELECT sealed FROM passwords UNION SELECT private FROM audit") if row[0]
    ]
    assert {value.split(":")[1] for value in sealed} == {told["key"]}
    assert household.keyring().key_ids == (told["key"],)
    (household.data / "encryption_key").write_text(old_key, "ascii")
    household.run("user", "list", code=70)


def test_a_value_from_before_the_rotation_cannot_be_brought_back(household: Household) -> None:
    """M01, M06: who kept a copy of a row puts it back; it is refused, and the account is not opened by it."""
    before = household.query("SELECT sealed FROM passwords")[0][0]
    household.rotate()
    household.query("UPDATE passwords SET sealed = ?", before)
    told = household.rotate(code=1)
    assert (told["failed"], told["proven"]) == (1, False)
    assert told["failed_columns"] == {"passwords.sealed": 1}


def test_a_value_of_another_installation_does_not_open(household: Household, tmp_path: Path) -> None:
    """M01: with the same master key and the same row, as after a copied data folder."""
    (other_folder := tmp_path / "other").mkdir()
    other = Household(other_folder)
    other.data.mkdir(0o700)
    key = other.data / "encryption_key"
    key.touch(0o600)
    key.write_text((household.data / "encryption_key").read_text("ascii"), "ascii")
    add_person(other.config, ROOT)
    place = Place("letters", "sealed", "x")
    assert household.keyring().key_id == other.keyring().key_id
    sealed = other.keyring().seal(place, b"theirs")
    keyring = household.keyring()
    with pytest.raises(TamperError, match="changed or moved"):
        keyring.unseal(place, sealed)


def test_what_was_sealed_by_an_older_version_opens_once_and_never_again(household: Household) -> None:
    """M04: the flag is written down, and its own record tells of it."""
    keyring = household.keyring()
    user, sealed = household.query("SELECT user_id, sealed FROM passwords")[0]
    plain = keyring.unseal(Place("passwords", "sealed", user), sealed)
    older = _seal_as_before(household, Place("passwords", "sealed", user), plain)
    household.query("UPDATE passwords SET sealed = ?", older)
    household.query("DELETE FROM settings WHERE name = 'sealing'")
    household.run("user", "list")
    renewed = household.query("SELECT sealed FROM passwords")[0][0]
    assert keyring.unseal(Place("passwords", "sealed", user), renewed) == plain
    acts = household.query("SELECT public FROM audit WHERE act = 'system.reseal'")
    assert [json.loads(row[0])["resealed"] for row in acts] == ["1"]
    household.query("UPDATE passwords SET sealed = ?", older)
    assert household.rotate(code=1)["failed"] == 1


def _seal_as_before(household: Household, place: Place, plain: bytes) -> str:
    """As the form was that did not name the installation."""
    master = bytes.fromhex((household.data / "encryption_key").read_text("ascii"))
    parts = (place.table, place.column, place.row, key_id(master))
    bound = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    nonce = RANDOM.token(12)
    box = AESGCM(derive(master, f"seal/{place.table}.{place.column}")).encrypt(nonce, plain, bound)
    return f"gcm1:{key_id(master)}:{base64.urlsafe_b64encode(nonce + box).rstrip(b'=').decode()}"


def test_two_rotations_at_once_are_one(household: Household) -> None:
    """M07: the second says so and changes nothing."""
    command = doorward("keys", "rotate", "master", "--settle", "2", "--json", "--config", str(household.config))
    first = subprocess.Popen(command, cwd=household.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with first:
        assert first.stderr is not None
        for line in first.stderr:
            if "Waiting" in line:
                break
        household.run("keys", "rotate", "master", "--settle", "0", code=65)
        assert first.wait(60) == 0
        first.stderr.read()
    assert len(household.keyring().key_ids) == 1
    assert len((household.data / "encryption_key.retired").read_text("ascii").split()) == 1


def test_killed_while_it_waits_it_goes_on(household: Household) -> None:
    """M07: both keys are in the file, everything opens, and the next run ends it."""
    command = doorward("keys", "rotate", "master", "--settle", "60", "--config", str(household.config))
    killed = subprocess.Popen(
        command, cwd=household.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with killed:
        assert killed.stderr is not None
        for line in killed.stderr:
            if "Waiting" in line:
                break
        killed.kill()
    assert len(household.keyring().key_ids) == 2
    household.run("user", "list")
    told = household.rotate()
    assert told["proven"]
    assert household.keyring().key_ids == (told["key"],)


def test_equal_secrets_look_different_everywhere(household: Household) -> None:
    """M12: nothing sealed is the same twice, so nobody finds out by comparing."""
    for name in ("one", "two"):
        household.run("user", "add", name, "--password-file", str(_password(household)))
    sealed = [row[0] for row in household.query("SELECT sealed FROM passwords")]
    boxes = [value.split(":")[2] for value in sealed]
    assert len({box[:16] for box in boxes}) == len(boxes) == 3


def _password(household: Household) -> Path:
    path = household.folder / "password"
    path.touch(0o600)
    path.write_text("Tr4vel-by-Night!\n", "utf-8")
    return path
