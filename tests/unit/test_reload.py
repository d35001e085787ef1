"""Reading the policy again: all at once, in order, or not at all."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doorward.app import House, build_doors, open_house, reload_policy
from doorward.config.load import Loaded, load_config


def write(folder: Path, user: str) -> Loaded:
    file = folder / "doorward.yaml"
    file.write_text(
        "server: {public_url: 'http://auth.home.localhost'}\n"
        "cookie: {domain: home.localhost}\n"
        f"storage: {{path: {folder / 'data'}}}\n"
        f"authz: {{rules: [{{domain: app.home.localhost, users: [{user}]}}]}}\n"
    )
    return load_config(file, environ={})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await open_house(write(tmp_path, "mallory").config, environ={})
    yield house
    await house.close()


async def test_a_slow_reading_of_the_old_file_does_not_undo_a_newer_one(house: House, tmp_path: Path) -> None:
    """Who was taken out of the rules stays out, however quickly SIGHUP follows SIGHUP."""
    gate = build_doors(house).gate
    old, new = write(tmp_path, "mallory"), write(tmp_path, "alice")
    begun, edited = threading.Event(), threading.Event()

    def load_slowly() -> Loaded:
        begun.set()
        edited.wait(10)
        return old

    first = asyncio.create_task(reload_policy(house, gate, load_slowly))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(reload_policy(house, gate, lambda: new))
    while not second.done() and "waiters" not in repr(house.policy.turn):
        await asyncio.sleep(0)
    edited.set()
    await asyncio.gather(first, second)
    assert [rule.users for rule in gate.policy.rules] == [{"alice"}]
    assert house.policy.present is gate.policy
