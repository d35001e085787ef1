"""A new master key, while others write, whoever is killed wherever (B-04; attacks M06, M07)."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from doorward.errors import ConfigError, InputError, TamperError
from doorward.flows import resealing
from doorward.flows.resealing import reseal
from doorward.flows.rotation import Rotation, renew_form
from doorward.flows.stored_keys import open_keys, reads_older_form
from doorward.outside.key_files import RETIRED_NAME, only_rotation
from doorward.outside.keyring import FILE_NAME, open_keyring, read_retired
from doorward.outside.system import SystemRandom
from doorward.rules.audit import Act
from doorward.rules.envelope import Place, beginning, key_id
from doorward.storage import sqlite as sqlite_module
from doorward.storage.sql.sealed import SEALED
from doorward.storage.sqlite import open_sqlite
from tests.contract.sealed_rows import fill, read
from tests.fakes.alarm import FakeAlarm
from tests.fakes.neighbours import FakePause
from tests.fakes.system import START, FakeClock

RANDOM = SystemRandom()
NONE = timedelta(0)


class KilledError(Exception):
    """Stands for `kill -9` after a step."""


class Site:
    """A data folder with something sealed in every place."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = FakeClock()
        self.path = folder / sqlite_module.FILE_NAME
        self.told = {}
        self.steps = []
        self.alarm = FakeAlarm()

    async def open(self, *, key=None):
        """As a process that starts opens it."""
        self.keyring = open_keyring(self.folder, random=RANDOM, key=key)
        self.storage = open_sqlite(self.folder, random=RANDOM, keyring=self.keyring)
        await open_keys(self.storage.records, self.keyring, RANDOM, now=START)
        return self.storage

    async def rotate(self, *, tell=None, settle=NONE):
        def note(progress):
            self.steps.append(progress.step)
            if tell is not None:
                tell(progress)

        rotation = Rotation(
            records=self.storage.records,
            sealed=self.storage.sealed,
            keyring=self.keyring,
            clock=self.clock,
            pause=FakePause(self.clock),
            alarm=self.alarm,
        )
        return await rotation.rotate("cli", settle=settle, tell=note)

    def assert_all_open(self, keyring):
        values = read(self.path)
        for place, plain in self.told.items():
            assert keyring.unseal(place, values[place]) == plain

    def change(self, statement, *parameters):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, parameters)

    def acts(self):
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT act, public FROM audit WHERE act LIKE '%.%' ORDER BY sequence").fetchall()
        return [(Act(act), json.loads(public)) for act, public in rows]


@pytest.fixture
async def site(folder):
    made = Site(folder)
    await made.open()
    made.told = fill(made.path, made.keyring.seal)
    # The rows stand for no act: the chain begins after them.
    yield made
    await made.storage.close()


async def test_everything_is_sealed_anew_and_the_old_key_retired(site):
    """B-04, M06: all of it, under the newest key, and nothing under the old one."""
    old = site.keyring.key_id
    rotated = await site.rotate()
    new = rotated.key_id
    assert rotated.is_whole
    assert rotated.retired
    assert rotated.old == (old,)
    assert new != old
    assert rotated.outcome.resealed == len(site.told) + 2
    assert site.keyring.key_ids == (new,)
    assert all(value.startswith(beginning(new)) for value in read(site.path).values())
    assert {f"{place.table}.{place.column}" for place in read(site.path)} == set(SEALED)
    site.assert_all_open(site.keyring)
    site.assert_all_open(open_joined(site))
    assert [key_id(key) for key in read_retired(site.folder)] == [old]
    assert {path.stat().st_mode & 0o777 for path in site.folder.glob(f"{FILE_NAME}*")} == {0o600}
    assert site.steps[0] == "began"
    assert site.steps[-4:] == ["proven", "recorded", "noted", "retired"]
    with closing(sqlite3.connect(site.path)) as connection:
        content = "\n".join(connection.iterdump())
    assert f":{old}:" not in content


def open_joined(site):
    """Another process's keyring, as it reads the file now."""
    keyring = open_keyring(site.folder, random=RANDOM, create=False)
    keyring.join(site.keyring._installation)
    return keyring


async def test_a_second_rotation_finds_nothing_left_of_the_first(site):
    """M06: however often."""
    names = [site.keyring.key_id]
    for _ in range(2):
        names.insert(0, (await site.rotate()).key_id)
    assert len(set(names)) == 3
    assert [key_id(key) for key in read_retired(site.folder)] == names[1:]
    site.assert_all_open(site.keyring)


async def test_killed_after_any_step_it_goes_on_and_nothing_is_lost(site):
    """M07: at each stop everything opens with the keys that are in the file, and the next run ends it."""
    await site.rotate()
    every = len(site.steps)
    for stop in range(1, every + 1):
        left = [stop]

        def kill(_progress, left=left):
            left[0] -= 1
            if not left[0]:
                raise KilledError

        with pytest.raises(KilledError):
            await site.rotate(tell=kill)
        await site.storage.close()
        await site.open()
        site.assert_all_open(site.keyring)
        ended = await site.rotate()
        assert ended.is_whole
        assert site.keyring.key_ids == (ended.key_id,)
        site.assert_all_open(site.keyring)
    assert "resumed" in site.steps
    assert {public["failed"] for act, public in site.acts() if act is Act.MASTER_KEY_ROTATED} == {"0"}


async def test_what_a_killed_process_left_of_a_key_file_is_removed(site):
    """A-07, T-13: no copy of a key lies about."""
    for name in (f"{FILE_NAME}.0123456789abcdef", f"{RETIRED_NAME}.0123456789abcdef"):
        (site.folder / name).write_text("half a key")
    await site.rotate()
    names = {path.name for path in site.folder.iterdir() if path.name.startswith(FILE_NAME)}
    assert names == {FILE_NAME, RETIRED_NAME}


async def test_a_running_server_takes_part_without_a_restart(site):
    """It seals under the new key as soon as there is one, and opens what was sealed anew."""
    server = open_joined(site)
    place = Place("letters", "sealed", "new")
    old, sealed_in_time = server.key_id, []

    def write(progress):
        if progress.step == "settling":
            sealed_in_time.append(server.seal(place, b"new"))

    await site.rotate(tell=write)
    assert sealed_in_time[0].startswith(beginning(site.keyring.key_id))
    assert server.key_id == site.keyring.key_id != old
    reader = open_joined(site)
    await site.rotate()
    site.assert_all_open(reader)


async def test_what_was_sealed_before_the_switch_and_stored_after_it_is_found(site):
    """M07: the settle time and the scan after it are for this."""
    late = site.keyring.seal(Place("passwords", "sealed", "user_id 1000"), b"late")

    def write(progress):
        if progress.step == "settling":
            site.change("UPDATE passwords SET sealed = ? WHERE user_id = 'user_id 1000'", late)

    before = site.clock.now()
    rotated = await site.rotate(tell=write, settle=timedelta(seconds=15))
    assert site.clock.now() - before >= timedelta(seconds=15)
    assert rotated.is_whole
    site.told[Place("passwords", "sealed", "user_id 1000")] = b"late"
    site.assert_all_open(site.keyring)


async def test_whoever_writes_meanwhile_is_not_overwritten(site):
    """M07: compare and set, for each row."""
    place = Place("passwords", "sealed", "user_id 1001")
    value = (await site.storage.sealed.list_others("passwords.sealed", beginning="x", after=None, limit=9))[1]
    newer = site.keyring.seal(place, b"newer")
    site.change("UPDATE passwords SET sealed = ? WHERE user_id = 'user_id 1001'", newer)
    assert await site.storage.sealed.replace([(value, site.keyring.seal(place, b"older"))]) == 0
    assert read(site.path)[place] == newer


async def test_a_value_that_does_not_open_keeps_the_old_key(site):
    """B-04: counted, named, and never dropped; the next run ends it once the value is gone."""
    old = site.keyring.key_id
    site.change("UPDATE totp SET sealed = 'plain' WHERE user_id = 'user_id 1000'")
    ticket = (
        "UPDATE tickets SET state = replace(state, '\"sealed\":\"gcm2:', '\"sealed\":\"gcm1:') WHERE purpose LIKE '%1'"
    )
    site.change(ticket)
    rotated = await site.rotate()
    assert not rotated.is_whole
    assert rotated.outcome.failed == {"totp.sealed": 1, "tickets.sealed": 1}
    assert site.keyring.key_ids == (rotated.key_id, old)
    assert read_retired(site.folder) == []
    assert site.acts()[-1][0] is Act.MASTER_KEY_KEPT
    assert site.alarm.rung() == [("rotation_failed", "master")]
    site.change("DELETE FROM totp WHERE user_id = 'user_id 1000'")
    site.change("DELETE FROM tickets")
    again = await site.rotate()
    assert again.is_whole
    assert (again.key_id, site.keyring.key_ids) == (rotated.key_id, (rotated.key_id,))
    assert len(site.alarm.raised) == 1


async def test_whatever_still_names_the_old_key_keeps_it(site):
    """The proof looks everywhere, not only where we know of something sealed."""
    site.change("INSERT INTO settings VALUES ('unknown', ?)", site.keyring.seal(Place("settings", "value", "x"), b"x"))
    rotated = await site.rotate()
    assert rotated.outcome.is_whole
    assert rotated.mentions == ("settings.value",)
    assert not rotated.is_whole
    assert len(site.keyring.key_ids) == 2


async def test_somebody_who_goes_on_sealing_under_the_old_key_is_named(site, monkeypatch):
    """A server that was not restarted with keys from the environment."""
    monkeypatch.setattr(resealing, "_MOST_PASSES", 3)
    stubborn = site.keyring.seal(Place("passwords", "sealed", "user_id 1000"), b"again")

    def write(progress):
        if progress.step in {"pass", "settling"}:
            site.change("UPDATE passwords SET sealed = ? WHERE user_id = 'user_id 1000'", stubborn)

    rotated = await site.rotate(tell=write)
    assert rotated.outcome.left == ("passwords.sealed",)
    assert not rotated.is_whole
    assert len(site.keyring.key_ids) == 2


async def test_there_is_one_rotation_at_a_time(site):
    """M07."""
    with only_rotation(site.folder), pytest.raises(InputError, match="already"), only_rotation(site.folder):
        raise AssertionError
    with only_rotation(site.folder):
        pass
    (site.folder / "keys.lock").unlink()
    (site.folder / "keys.lock").mkdir()
    with pytest.raises(ConfigError, match="cannot be made"), only_rotation(site.folder):
        raise AssertionError


async def test_keys_of_the_environment_are_changed_by_the_operator_alone(site):
    """B-04: NEW,OLD; then everything is sealed anew and the old one may go."""
    old = (site.folder / FILE_NAME).read_text().strip()
    new = RANDOM.token(32).hex()
    await site.storage.close()
    await site.open(key=old)
    with pytest.raises(InputError, match="put a new key before the present one"):
        await site.rotate()
    await site.storage.close()
    await site.open(key=f"{new},{old}")
    rotated = await site.rotate()
    assert rotated.is_whole
    assert not rotated.retired
    assert not (site.folder / RETIRED_NAME).exists()
    await site.storage.close()
    await site.open(key=new)
    site.assert_all_open(site.keyring)
    assert site.steps[-1] == "done"


async def test_what_an_older_version_sealed_is_sealed_anew_once(site):
    """M04: the older form opens until then, and never again; what did not open stays and is counted."""
    site.keyring.join(site.keyring._installation, reads_older=True)
    site.change("UPDATE totp SET sealed = 'gcm1:spoiled' WHERE user_id = 'user_id 1000'")
    async with site.storage.records.transaction() as transaction:
        await transaction.put_setting("sealing", None)
    assert await reads_older_form(site.storage.records)
    outcome = await renew_form(
        site.storage.records, site.storage.sealed, site.keyring, clock=site.clock, tell=lambda _progress: None
    )
    assert outcome.failed == {"totp.sealed": 1}
    assert not await reads_older_form(site.storage.records)
    assert site.acts()[-1][1] == {"form": "gcm2", "resealed": "0", "failed": "1"}
    site.keyring.forget_older()
    with pytest.raises(TamperError):
        site.keyring.unseal(Place("totp", "sealed", "user_id 1000"), "gcm1:spoiled")


async def test_many_rows_go_in_batches(folder, monkeypatch):
    monkeypatch.setattr(resealing, "BATCH", 2)
    site = Site(folder)
    await site.open()
    site.told = fill(site.path, site.keyring.seal, rows=5)
    steps = []
    outcome = await reseal(site.storage.sealed, _Renamed(site.keyring), steps.append)
    assert outcome.resealed == len(site.told) + 2
    assert sum(step.step == "batch" and step.column == "letters.sealed" for step in steps) == 3
    await asyncio.gather(site.storage.close())


async def test_what_somebody_else_changed_meanwhile_is_not_counted_and_not_forgotten(folder):
    """B-07."""
    site = Site(folder)
    await site.open()
    site.told = fill(site.path, site.keyring.seal, rows=2)
    keyring = _Renamed(site.keyring)

    class Hasty:
        """A store in which all were changed just before the first are replaced."""

        def __init__(self, store):
            self.columns, self.list_others, self.count = store.columns, store.list_others, store.count
            self._store, self._missed = store, 0

        async def replace(self, values):
            if not self._missed:
                self._missed = len(values)
                return 0
            return await self._store.replace(values)

    outcome = await reseal(Hasty(site.storage.sealed), keyring, lambda _: None)
    assert outcome.resealed == len(site.told) + 2
    assert outcome.is_whole
    await asyncio.gather(site.storage.close())


class _Renamed:
    """A keyring that seals under another key than it opens."""

    def __init__(self, keyring):
        self._old = keyring
        self._new = type(keyring)([bytes(range(90, 122))], RANDOM)
        self.key_id = self._new.key_id

    def seal(self, place, plaintext):
        return self._new.seal(place, plaintext)

    def unseal(self, place, sealed):
        return self._old.unseal(place, sealed)
