"""Reading the policy again: all at once, in order, or not at all."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doorward.app.doors import build_doors
from doorward.app.house import House, open_house
from doorward.app.reload import reload_policy
from doorward.config.load import Loaded, load_config
from doorward.rules.provider import ProviderId
from doorward.rules.upstream import Identity, IdentityId
from tests.fakes.gate import make_user
from tests.fakes.system import START

PROVIDER = (
    "authn: {providers: [{id: kc, issuer_url: 'https://id.example.com', client_id: us, client_secret: long enough}]}"
)


def write(folder: Path, user: str, more: str = "") -> Loaded:
    file = folder / "doorward.yaml"
    file.write_text(
        "server: {public_url: 'http://auth.home.localhost'}\n"
        "cookie: {domain: home.localhost}\n"
        f"storage: {{path: {folder / 'data'}}}\n"
        f"authz: {{rules: [{{domain: app.home.localhost, users: [{user}]}}]}}\n{more}"
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


async def test_what_a_provider_granted_goes_with_it(house: House, tmp_path: Path) -> None:
    """A provider that the file has lost grants nothing from the reload on; one that it gained is there at once."""
    gate = build_doors(house).gate
    await reload_policy(house, gate, lambda: write(tmp_path, "alice", PROVIDER))
    assert (await house.flows.ways.find_provider("kc")) is not None
    user = make_user("alice")
    identity = Identity(
        id=IdentityId("one"),
        user_id=user.id,
        issuer="https://id.example.com",
        subject="1",
        provider=ProviderId("kc"),
        groups=frozenset({"staff"}),
        linked_at=START,
        used_at=START,
    )
    async with house.storage.records.transaction() as transaction:
        await transaction.add_user(user)
        await transaction.add_identity(identity)
    await reload_policy(house, gate, lambda: write(tmp_path, "alice"))
    assert (await house.flows.ways.find_provider("kc")) is None
    async with house.storage.records.transaction() as transaction:
        present = await transaction.find_user(user.id)
    assert present is not None
    assert present.every_group == user.groups
    assert present.generation == user.generation + 1
