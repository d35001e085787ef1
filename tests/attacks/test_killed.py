"""`kill -9` at random moments (attacks R): what was acknowledged is there, and nothing is half done.

The moments follow from a number that is printed: `DOORWARD_SEED` repeats a run as far as the machine does the same
again. `DOORWARD_KILLS` says how often something is killed in all; `make kill` makes it a thousand times.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import cast

import pytest
from aiosmtpd.controller import Controller

from doorward.app import house
from doorward.rules.audit import Act
from tests.attacks.cut_off import WORKS, Folder, Work, lived_in
from tests.attacks.everyday import (
    Comer,
    Guesser,
    Keyholder,
    Newcomers,
    Owner,
    Ruler,
    Spender,
    Worker,
    work_until_killed,
)
from tests.attacks.hasty import hash_hastily
from tests.attacks.household import MORE, LetterBox
from tests.attacks.invariants import check_audit
from tests.attacks.nursery import Child, Nursery
from tests.attacks.stage import ALICE, BOB, CONFIG, ROOT, Stage, add_person
from tests.integration.gateway import Gateway
from tests.integration.processes import Process, free_ports

KILLS = int(os.environ.get("DOORWARD_KILLS", "100"))
IN_USE = 40
"""Of a hundred, how many are for a gateway in use. The others have theirs in `WORKS`."""
LONGEST = 0.6
"""Seconds that a gateway in use lives at most."""
GENESIS = bytes(32)


def times(share: int) -> int:
    """How often something with this share is killed."""
    return max(KILLS * share // 100, 2)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Where every process of this file comes from."""
    with Nursery() as made:
        yield made


@pytest.fixture
def random() -> Random:
    """The moments. What is printed is shown when the test fails."""
    seed = int(os.environ.get("DOORWARD_SEED") or SystemRandom().randrange(10**9))
    print(f"DOORWARD_SEED={seed}")
    return Random(seed)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that are run in this process hash as hastily as those that are not."""
    monkeypatch.setattr(house, "PooledHasher", hash_hastily)


@contextmanager
def gateway_in(folder: Path) -> Iterator[tuple[Stage, list[str]]]:
    """A configuration with everything open, people, and how it is served."""
    port, metrics, post = free_ports(3)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics) + MORE.format(port=post)
    config = folder / "doorward.yaml"
    config.write_text(text, "utf-8")
    controller = Controller(LetterBox(), hostname="127.0.0.1", port=post)
    controller.start()
    stage = Stage(Gateway(cast(Process, None), folder, config, port), port)
    try:
        for person in (ROOT, ALICE, BOB):
            add_person(config, person)
            stage.people[person.name] = person
        yield stage, ["serve", "--config", str(config)]
    finally:
        stage.close()
        controller.stop()


def start(nursery: Nursery, stage: Stage, command: list[str]) -> Child:
    """Serve, until it answers."""
    child = nursery.start(stage.gateway.folder, *command)
    child.answers_at(stage.gateway.port)
    stage.gateway.process = cast(Process, child)
    return child


def check_whole(stage: Stage) -> None:
    """The file is sound, the chain verifies, and of everything that is written together all is there."""
    with closing(sqlite3.connect(stage.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    check_links(stage)
    users = {row[0] for row in stage.query("SELECT id FROM users")}
    assert {row[0] for row in stage.query("SELECT user_id FROM passwords")} == users
    made = {each["subject"] for act in (Act.USER_CREATED, Act.REGISTERED) for each in stage.audit(act.value)}
    gone = {each["subject"] for each in stage.audit(Act.USER_DELETED.value)}
    assert users == made - gone
    sessions = {row[0] for row in stage.query("SELECT handle FROM sessions")}
    begun = " ".join(each["public"] for each in stage.audit())
    assert all(handle in begun for handle in sessions)
    for table, total in stage.query("SELECT name, value FROM totals"):
        assert stage.query(f"SELECT count(*) FROM {table}") == [(total,)]
    changed = len(stage.audit(Act.PASSWORD_CHANGED.value))
    assert stage.query("SELECT count(*) FROM letters WHERE kind = 'password_changed'") == [(changed,)]


def check_links(stage: Stage) -> None:
    """Every record follows on the one before it."""
    last, previous = 0, GENESIS
    for sequence, before, own in stage.query("SELECT sequence, previous, hash FROM audit ORDER BY sequence"):
        assert (sequence, before) == (last + 1, previous)
        last, previous = sequence, own


def test_a_gateway_in_use_loses_nothing_that_it_acknowledged(tmp_path: Path, nursery: Nursery, random: Random) -> None:
    """R12, B-38: sign-ins, sign-outs, changes, registrations, spent codes, keys made and revoked; then the next start."""
    with gateway_in(tmp_path) as (stage, command):
        gateway = start(nursery, stage, command)
        owner = stage.newcomer("users")
        workers: list[Worker] = [
            Comer(stage, ALICE, random),
            Comer(stage, BOB, random),
            Owner(stage, owner, random),
            Ruler(stage, random),
            Newcomers(stage, random),
            Keyholder(stage, random, stage.newcomer("users")),
            Spender.begin(stage, random),
            Guesser(stage, stage.newcomer("users")),
        ]
        done = set[str]()
        for _ in range(times(IN_USE)):
            done |= work_until_killed(stage, workers, gateway, random.uniform(0.02, LONGEST))
            stage.hang_up()
            gateway = start(nursery, stage, command)
            check_whole(stage)
            for worker in workers:
                worker.check()
        gateway.stop()
        check_whole(stage)
        check_audit(stage, 0, GENESIS)
        if KILLS >= 100:
            assert done == {type(worker).__name__ for worker in workers}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Folder:
    """A house that people have lived in for a while."""
    folder = Folder(tmp_path_factory.mktemp("lived"))
    with pytest.MonkeyPatch.context() as patch, gateway_in(folder.path) as (stage, command):
        patch.setattr(house, "PooledHasher", hash_hastily)
        gateway = start(nursery, stage, command)
        random = Random(1)
        workers = [
            Comer(stage, ALICE, random),
            Comer(stage, BOB, random),
            Ruler(stage, random),
            Newcomers(stage, random),
        ]
        Spender.begin(stage, random)
        for _ in range(12):
            for worker in workers:
                worker.act()
        gateway.stop()
    folder.configure()
    (folder.path / "doorward.log").unlink()
    return folder


@pytest.mark.parametrize("work", WORKS, ids=[work.name for work in WORKS])
def test_a_command_that_was_cut_off_is_given_again(
    work: Work, tmp_path: Path, nursery: Nursery, random: Random, lived: Folder
) -> None:
    """M07, N08, Q11: nothing is half done, nothing is lost, and the second time it comes to its end."""

    def fresh(name: str) -> Folder:
        folder = Folder(tmp_path / name)
        folder.path.mkdir()
        return folder

    def run(folder: Folder) -> Child:
        return nursery.start(folder.path, *work.arguments(folder), "--config", str(folder.config))

    pattern = fresh("pattern")
    work.prepare(pattern, lived)
    before = pattern.read()
    undisturbed = fresh("undisturbed")
    lived_in(undisturbed, pattern)
    child = run(undisturbed)
    longest = child.measure()
    after = undisturbed.read()
    work.judge(undisturbed, before, after)
    killed = number = 0
    while killed < times(work.share):
        folder = fresh(str(number := number + 1))
        lived_in(folder, pattern)
        for _ in range(random.choice([1, 1, 2, 3])):
            child = run(folder)
            child.lives_for(random.uniform(0, longest))
            killed += child.kill()
            folder.check()
            work.look(folder, before, after)
        assert run(folder).finish() == 0
        folder.check()
        work.judge(folder, before, after)
        assert number <= 20 * times(work.share), "it ends before it can be killed"
    folder.run("audit", "verify")
