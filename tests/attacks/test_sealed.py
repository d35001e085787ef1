"""What is sealed (attacks M), by somebody who can write into the database: nothing opens in another place."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from doorward.outside.keyring import open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.stored_key import place_of
from tests.attacks.invariants import attacked
from tests.attacks.stage import CONFIG, KEPT, ROOT, Person, Stage, add_person, handed_out, serving
from tests.integration.gateway import doorward
from tests.integration.processes import free_ports

_ROW = "WHERE user_id = (SELECT id FROM users WHERE name = ?)"
TAMPERED_START = 70


@pytest.fixture
def changed(theatre: Stage) -> Iterator[Stage]:
    """The stage, for somebody who changes its data: answers may be 5xx, everything else holds."""
    with attacked(theatre, faults=True):
        yield theatre


def sealed_of(stage: Stage, person: Person) -> str:
    """What stands in this person's row."""
    return str(stage.query(f"SELECT sealed FROM passwords {_ROW}", person.name)[0][0])


def assert_locked_out(stage: Stage, person: Person, *passwords: str) -> None:
    """Whatever is tried, nobody gets in as this person; it is noted as damage and not as a wrong password."""
    before = len(stage.audit("system.tamper"))
    for password in passwords:
        answer = stage.browser().try_password(person.name, password)
        assert answer.status == 500
        assert handed_out(answer) == []
        assert b"gcm" not in answer.body
    assert len(stage.audit("system.tamper")) == before + len(passwords)


def test_a_password_moved_to_another_row_does_not_open(changed: Stage) -> None:
    """M01: copied, and swapped; neither password opens either account."""
    one, other = changed.newcomer("users"), changed.newcomer("users")
    first, second = sealed_of(changed, one), sealed_of(changed, other)
    changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", first, other.name)
    assert_locked_out(changed, other, one.password, other.password)
    changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", second, one.name)
    assert_locked_out(changed, one, one.password, other.password)
    changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", first, one.name)
    answer = changed.browser().sign_in(one)
    assert answer.status == 303


def test_a_key_moved_among_the_passwords_does_not_open(changed: Stage) -> None:
    """M01: another table and column."""
    guest = changed.newcomer("users")
    key = changed.query("SELECT sealed FROM signing_keys WHERE purpose = 'session'")[0][0]
    changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", key, guest.name)
    assert_locked_out(changed, guest, guest.password, "")


def test_a_sealed_value_with_a_changed_or_missing_end_does_not_open(changed: Stage) -> None:
    """M03, M13: cut to every length of a tag, flipped at the nonce, the middle and the tag; one and the same answer."""
    guest = changed.newcomer("users")
    sealed = sealed_of(changed, guest)
    head, _, box = sealed.rpartition(":")
    flipped = [box[:place] + ("A" if box[place] != "A" else "B") + box[place + 1 :] for place in (0, 20, 60, 90)]
    spoiled = [*(f"{head}:{text}" for text in (*flipped, box[:-6], box[:-11], box[:-22], box[:16], "", box + "A")), box]
    pages = set()
    for value in spoiled:
        changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", value, guest.name)
        answer = changed.browser().try_password(guest.name, guest.password)
        assert handed_out(answer) == []
        pages.add(answer.status)
    assert pages == {500}


PLAIN = [
    "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZqnS5ePFG6cZ2Z1PZ1k1rA2mXlQk0m",
    "v0:x",
    "v1:x",
    "plain",
    "e30=",
    '{"hash": "x"}',
    "gcm1:0:x",
    "gcm2:0:x",
    "Long enough, is 1t?",
]


@pytest.mark.parametrize("plain", PLAIN)
def test_what_is_not_sealed_is_not_read(changed: Stage, plain: str) -> None:
    """M04: no older, newer or missing form is taken for the sealed one."""
    guest = changed.newcomer("users")
    changed.change(f"UPDATE passwords SET sealed = ? {_ROW}", plain, guest.name)
    assert_locked_out(changed, guest, "Long enough, is 1t?")


def test_an_account_without_a_password_is_nobodys(changed: Stage) -> None:
    """M04, E22: a deleted row is not "no password needed"."""
    guest = changed.newcomer("users")
    changed.change(f"DELETE FROM passwords {_ROW}", guest.name)
    for password in ("", guest.password):
        assert changed.browser().try_password(guest.name, password).status == 403


@pytest.mark.parametrize("spoil", ["flip", "password", "plain", "empty"])
def test_a_signing_key_that_was_changed_stops_the_start(tmp_path: Path, spoil: str) -> None:
    """M01, M03, M04: no session is ever signed under a key somebody put there."""
    port, metrics = free_ports(2)
    config = tmp_path / "doorward.yaml"
    config.write_text(CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), "utf-8")
    add_person(config, ROOT)
    with closing(sqlite3.connect(tmp_path / "data" / "doorward.db")) as connection, connection:
        (key,), (password,) = connection.execute(
            "SELECT sealed FROM signing_keys WHERE purpose = 'session' UNION ALL SELECT sealed FROM passwords"
        ).fetchall()
        value = {
            "flip": key[:-2] + ("AA" if key[-2:] != "AA" else "BB"),
            "password": password,
            "plain": "A" * 43,
            "empty": "",
        }[spoil]
        connection.execute("UPDATE signing_keys SET sealed = ? WHERE purpose = 'session'", (value,))
    done = subprocess.run(
        doorward("serve", "--config", str(config)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == TAMPERED_START
    assert "Traceback" not in done.stderr


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    """M03: neither a new one beside old data, nor somebody else's."""
    port, metrics = free_ports(2)
    config = tmp_path / "doorward.yaml"
    config.write_text(CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), "utf-8")
    add_person(config, ROOT)
    key = tmp_path / "data" / "encryption_key"
    for content in (SystemRandom().token(32).hex() + "\n", None):
        key.unlink()
        if content is not None:
            key.touch(0o600)
            key.write_text(content, "ascii")
        done = subprocess.run(
            doorward("serve", "--config", str(config)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {70, 78}
        assert "Traceback" not in done.stderr


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    """M09: none is another's, the master key's, or the one that signs cookies."""
    with serving(
        tmp_path, CONFIG.format(addr=f"127.0.0.1:{(ports := free_ports(2))[0]}", metrics=ports[1]), ports[0], first=ROOT
    ) as stage:
        keyring = open_keyring(stage.database.parent, random=SystemRandom(), create=False)
        master = bytes.fromhex((stage.database.parent / "encryption_key").read_text("ascii"))
        keyring.join(str(stage.query("SELECT value FROM settings WHERE name = 'installation'")[0][0]))
        keys = stage.query("SELECT id, sealed FROM signing_keys WHERE purpose IN ('session', 'derive')")
        stored = [keyring.unseal(place_of(number), sealed) for number, sealed in keys]
        keyring.derive_from(stored[1], {})
        derived = [keyring.derive(purpose) for purpose in ("csrf", "login-names", "device-marker")]
        sealing = [keyring.derive_from_master(f"seal/{table}.sealed") for table in ("passwords", "signing_keys")]
    assert len({master, *stored, *derived, *sealing}) == 8
    assert all(len(key) == 32 for key in (*stored, *derived, *sealing))


def test_a_stolen_database_holds_nothing_that_opens(theatre: Stage) -> None:
    """M01, D-36: neither the file nor its log has a session, a password, a token or a key in clear."""
    theatre.signed_in(ROOT)
    folder = theatre.database.parent
    content = b"".join(path.read_bytes() for path in folder.glob("doorward.db*"))
    assert theatre.find_secrets(content) <= set(KEPT)
    sealed = theatre.query(
        "SELECT sealed FROM passwords JOIN users ON id = user_id WHERE name IN ('alice', 'bob', 'root', 'dora')"
    )
    assert [row[0][:5] for row in sealed] == ["gcm2:"] * 4
    assert bytes.fromhex((folder / "encryption_key").read_text("ascii")) not in content
    assert {path.stat().st_mode & 0o77 for path in folder.iterdir()} == {0}
