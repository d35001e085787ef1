"""One master key, found in one order, private from its first moment, and nothing weak in its place."""

import base64
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from doorward.errors import ConfigError, InputError, TamperError
from doorward.outside.key_files import replace_keys
from doorward.outside.keyring import FILE_NAME, open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules import envelope
from doorward.rules.envelope import Place
from tests.fakes.system import FakeRandom

PLACE = Place("passwords", "sealed", "alice")
FIRST, SECOND, THIRD = (hashlib.sha256(name).digest() for name in (b"first", b"second", b"third"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


def write(path, content, mode=0o600):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def opened(folder, **settings):
    return open_keyring(folder, random=FakeRandom(), **settings)


def test_the_environment_comes_before_its_file_and_that_before_the_data_folder(folder, tmp_path):
    """B-01."""
    write(folder / FILE_NAME, THIRD.hex())
    named = write(tmp_path / "named", SECOND.hex())
    assert opened(folder, key=FIRST.hex(), key_file=named).key_id == envelope.key_id(FIRST)
    assert opened(folder, key_file=named).key_id == envelope.key_id(SECOND)
    assert opened(folder).key_id == envelope.key_id(THIRD)


def test_a_first_start_makes_a_key_that_later_starts_find(tmp_path):
    """E-21."""
    folder = tmp_path / "deep" / "data"
    made = opened(folder)
    assert (folder / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir()] == [FILE_NAME]
    assert opened(folder).key_id == made.key_id
    assert made.derive_from_master("backup") == opened(folder).derive_from_master("backup")
    assert made.derive_from_master("backup") != made.derive_from_master("other")


def test_a_key_is_private_whatever_the_umask(folder):
    """T-13."""
    before = os.umask(0)
    try:
        opened(folder)
    finally:
        os.umask(before)
    assert (folder / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_of_many_first_starts_at_once_one_makes_the_key(folder):
    """Exclusive creation: nobody reads half a key, nobody overwrites one (A-07)."""
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: open_keyring(folder, random=SystemRandom()).key_id, range(64)))
    assert len(set(made)) == 1
    assert [each.name for each in folder.iterdir()] == [FILE_NAME]


def test_of_several_processes_starting_at_once_one_makes_the_key(folder):
    program = (
        "import sys; from pathlib import Path; from doorward.outside.keyring import open_keyring;"
        "from doorward.outside.system import SystemRandom; sys.stdin.read();"
        "print(open_keyring(Path(sys.argv[1]), random=SystemRandom()).key_id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:
        process.stdin.close()
    names = set()
    for process in started:
        with process:
            names.add(process.stdout.read())
    assert len(names) == 1
    assert len(names.pop().strip()) == 16


def test_a_lost_key_beside_data_is_not_replaced(folder):
    """Sealed data opens with no other key: making one would only hide the loss (B-02)."""
    with pytest.raises(ConfigError, match="restore the file"):
        opened(folder, create=False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        FIRST.hex(),
        FIRST.hex().upper(),
        base64.b64encode(FIRST).decode(),
        base64.urlsafe_b64encode(FIRST).decode(),
        base64.urlsafe_b64encode(FIRST).decode().rstrip("="),
    ],
)
def test_a_key_is_written_in_hex_or_base64(folder, text):
    assert opened(folder, key=text).key_id == envelope.key_id(FIRST)
    write(folder / FILE_NAME, text + "\n")
    assert opened(folder).key_id == envelope.key_id(FIRST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "changeme",
        "your-key-here",
        FIRST.hex()[:-2],
        FIRST.hex() + "00",
        base64.b64encode(FIRST[:31]).decode(),
        base64.b64encode(FIRST + b"x").decode(),
        "0" * 64,
        "deadbeef" * 8,
        "0123456789abcdef" * 4,
        bytes(range(32)).hex(),
        bytes(range(255, 223, -1)).hex(),
        base64.b64encode(b"change-this-key-before-you-start").decode(),
        "a" * 43 + "=",
        " " + FIRST.hex(),
        FIRST.hex() + "\r",
        "\ufeff" + FIRST.hex(),
    ],
)
def test_what_is_no_random_key_is_refused_with_the_command_that_makes_one(folder, text):
    """Placeholders, samples and short keys (Q05, Q08, B-01)."""
    with pytest.raises(ConfigError, match="doorward keys generate"):
        opened(folder, key=text)
    write(folder / FILE_NAME, text + "\n")
    with pytest.raises(ConfigError, match="doorward keys generate"):
        opened(folder)


def test_a_refusal_does_not_quote_the_key(folder):
    almost = FIRST.hex()[:-1]
    with pytest.raises(ConfigError) as refused:
        opened(folder, key=almost)
    assert almost not in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(folder, mode):
    """A-45."""
    path = write(folder / FILE_NAME, FIRST.hex(), mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        opened(folder)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        opened(folder, key_file=path)


def test_a_key_in_a_folder_that_others_can_write_is_refused(folder):
    write(folder / FILE_NAME, FIRST.hex())
    folder.chmod(0o770)
    with pytest.raises(ConfigError, match=f"chmod 700 {folder}"):
        opened(folder)


@pytest.mark.parametrize("what", ["missing", "folder", "fifo", "long"])
def test_a_key_file_that_is_none_is_refused(folder, what):
    path = folder / "key"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path, 0o600)
    elif what == "long":
        write(path, "#" * 10_000)
    with pytest.raises(ConfigError, match="key"):
        opened(folder, key_file=path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    blocked = write(tmp_path / "data", "a file, not a folder")
    with pytest.raises(ConfigError):
        opened(blocked / "below")


def test_of_several_keys_the_newest_seals_and_all_open(folder):
    """Rotation needs no change of format (B-04)."""
    path = write(folder / FILE_NAME, f"{SECOND.hex()}\n{FIRST.hex()}\n")
    old = opened(folder, key=FIRST.hex()).seal(PLACE, b"old")
    keyring = opened(folder, key_file=path)
    assert keyring.unseal(PLACE, old) == b"old"
    new = keyring.seal(PLACE, b"new")
    assert new.split(":")[1] == envelope.key_id(SECOND)
    assert keyring.unseal(PLACE, new) == b"new"
    with pytest.raises(TamperError):
        opened(folder, key=FIRST.hex()).unseal(PLACE, new)
    assert keyring.derive_from_master("backup") == envelope.derive(SECOND, "backup")


def test_keys_are_derived_from_the_stored_root_and_not_from_the_master_key(folder):
    """M09, A-16: a new master key changes none of them; those from before there was a root stay as they were."""
    derived = []
    for master in (FIRST, SECOND):
        keyring = opened(folder, key=master.hex())
        with pytest.raises(RuntimeError, match="before the stored keys"):
            keyring.derive("csrf")
        keyring.derive_from(THIRD, {"recovery-codes": FIRST})
        derived.append([keyring.derive(purpose) for purpose in ("csrf", "device", "recovery-codes")])
    assert derived[0] == derived[1] == [envelope.derive(THIRD, "csrf"), envelope.derive(THIRD, "device"), FIRST]


def test_equal_texts_are_sealed_differently(folder):
    keyring = opened(folder, key=FIRST.hex())
    assert keyring.seal(PLACE, b"same") != keyring.seal(PLACE, b"same")


def test_several_keys_of_the_environment_stand_with_commas_between(folder):
    """B-04: NEW,OLD."""
    keyring = opened(folder, key=f"{SECOND.hex()},{FIRST.hex()}")
    assert keyring.key_ids == (envelope.key_id(SECOND), envelope.key_id(FIRST))
    assert not keyring.is_ours
    for text in (f"{FIRST.hex()},", f"{FIRST.hex()}, {SECOND.hex()}", f"{FIRST.hex()}\n{SECOND.hex()}"):
        with pytest.raises(ConfigError, match="not a key"):
            opened(folder, key=text)
    with pytest.raises(ConfigError, match="the same key twice"):
        opened(folder, key=f"{FIRST.hex()},{FIRST.hex()}")


def test_a_changed_file_counts_at_the_next_sealing_and_for_an_unknown_key(folder):
    """A running server is never restarted for a rotation."""
    path = write(folder / FILE_NAME, f"{FIRST.hex()}\n")
    sealing, opening = opened(folder), opened(folder)
    replace_keys(path, [SECOND, FIRST], FakeRandom("draft"))
    assert opening.key_id == envelope.key_id(FIRST)
    sealed = sealing.seal(PLACE, b"text")
    assert sealed.split(":")[1] == envelope.key_id(SECOND)
    assert opening.unseal(PLACE, sealed) == b"text"
    with pytest.raises(TamperError):
        opening.unseal(Place("other", "sealed", "alice"), sealed)


@pytest.mark.parametrize("spoil", ["gone", "open", "garbage"])
def test_a_file_that_cannot_be_used_any_more_changes_nothing_that_runs(folder, spoil):
    """A start refuses it and says why; what runs goes on with the keys it holds."""
    path = write(folder / FILE_NAME, f"{FIRST.hex()}\n")
    keyring = opened(folder)
    if spoil == "gone":
        path.unlink()
    else:
        write(path, f"{SECOND.hex()}\n" if spoil == "open" else "changeme", mode=0o644 if spoil == "open" else 0o600)
    assert keyring.seal(PLACE, b"text").split(":")[1] == envelope.key_id(FIRST)


def test_a_key_of_another_name_derives_what_opens_an_old_backup(folder):
    keyring = opened(folder, key=f"{SECOND.hex()},{FIRST.hex()}")
    assert keyring.derive_from_master("backup", envelope.key_id(FIRST)) == envelope.derive(FIRST, "backup")
    with pytest.raises(TamperError, match="not held here"):
        keyring.derive_from_master("backup", envelope.key_id(THIRD))


def test_a_copy_of_the_keys_is_ours_alone_and_never_beside_the_data(folder, tmp_path):
    """B-02, T-13, T-18: exclusive, 0600 whatever the umask, and nothing is overwritten."""
    keyring = opened(folder, key=f"{SECOND.hex()},{FIRST.hex()}")
    copy = tmp_path / "copy"
    before = os.umask(0)
    try:
        keyring.export(copy, away_from=[folder])
    finally:
        os.umask(before)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert opened(folder, key_file=copy).key_ids == keyring.key_ids
    (tmp_path / "way").symlink_to(folder)
    (tmp_path / "link").symlink_to(folder / "inside")
    for path, says in (
        (copy, "there already"),
        (folder / "copy", "beside what the key opens"),
        (folder / "deeper" / "copy", "beside what the key opens"),
        (tmp_path / "way" / "copy", "beside what the key opens"),
        (tmp_path / "link", "beside what the key opens"),
        (tmp_path / "nowhere" / "copy", "cannot be written"),
    ):
        with pytest.raises(InputError, match=says):
            keyring.export(path, away_from=[folder])
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_replaced_is_told(folder):
    with pytest.raises(ConfigError, match="cannot be replaced"):
        replace_keys(folder / "nowhere" / FILE_NAME, [FIRST], FakeRandom())
