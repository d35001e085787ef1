"""Wrong keys, counted by network and within bounds; and keys whose hashes are slow."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest

from doorward.errors import UnavailableError
from doorward.rules.app_key import KeyId, parse_key, write_key
from doorward.rules.policy import App, Audience, Effect, HostPattern, Policy, Rule
from doorward.rules.throttle import Window
from doorward.web.gate import key_reader
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.key_failures import KeyFailures
from doorward.web.gate.key_reader import KeyReader
from doorward.web.gate.proven_keys import ProvenKeys
from doorward.web.gate.shown import NOTHING
from doorward.web.gate.table import SessionTable
from tests.fakes.gate import PROXY, STRANGER, World, make_user
from tests.fakes.line import exchange
from tests.fakes.system import START

HERE, NEAR, THERE = (ip_address(text) for text in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1"))
HOST = HostPattern("app.example.test")
POLICY = Policy([Rule("open", Effect.ALLOW, (HOST,), audience=Audience.ANY_USER)], apps=[App("App", (HOST,))])


def test_wrong_keys_count_against_the_network_they_come_from() -> None:
    """An IPv6 address counts as its /64."""
    failures = KeyFailures((Window(2, timedelta(minutes=1)), Window(3, timedelta(minutes=5))))
    assert failures.find_wait(HERE, START) is None
    failures.note(HERE, START)
    failures.note(NEAR, START + timedelta(seconds=10))
    assert failures.find_wait(HERE, START + timedelta(seconds=10)) == timedelta(seconds=50)
    assert failures.find_wait(THERE, START) is None
    assert failures.find_wait(HERE, START + timedelta(seconds=60)) is None
    failures.note(None, START)
    assert len(failures) == 2


def test_what_is_counted_stays_within_bounds() -> None:
    failures = KeyFailures((Window(1, timedelta(minutes=1)),), most=4)
    for number in range(1, 6):
        failures.note(ip_address(number), START)
        failures.note(ip_address(number), START)
    assert len(failures) == 3
    assert failures.find_wait(ip_address(1), START) is None
    assert failures.find_wait(ip_address(5), START) == timedelta(minutes=1)
    unlimited = KeyFailures()
    unlimited.note(HERE, START)
    assert unlimited.find_wait(HERE, START) is None


class Hasher:
    """Compares slowly: with a hash that only it knows."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False

    @staticmethod
    def hash(secret: bytes) -> str:
        return "$2b$12$" + hashlib.sha256(secret).hexdigest()

    async def verify(self, secret: bytes, digest: str) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise UnavailableError("the pool is full")
        return self.hash(secret) == digest


def make_world(hasher: Hasher) -> tuple[World, str]:
    def make_reader(table: SessionTable) -> KeyReader:
        failures = KeyFailures((Window(2, timedelta(minutes=15)),))
        return KeyReader(table, failures=failures, verify=hasher.verify, read_token=read_token)

    def read_token(text: str, _: datetime) -> tuple[KeyId, bytes] | None:
        return parse_key(text.removeprefix("eyJ"))

    world = World(POLICY, make_reader=make_reader)
    key = world.make_key(make_user("alice"))
    parsed = parse_key(key)
    assert parsed is not None
    world.change_key(key, digest=hasher.hash(parsed[1]))
    return world, key


def is_token(text: str) -> bool:
    return text.startswith("eyJ")


def request(shown: str, header: str = "X-Api-Key", host: str = "app.example.test") -> bytes:
    lines = [
        "GET /api/auth/forwardauth HTTP/1.1", "Host: doorward:8080", f"{header}: {shown}", "X-Forwarded-For: 203.0.113.7",
        f"X-Forwarded-Host: {host}", "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Uri: /",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def ask(gate: Gate, data: bytes, *, fast: bool = True, peer: str = PROXY) -> bytes:
    return (await exchange(gate, [data], fast=fast, peer=peer))[0].split(b" ", 2)[1]


@pytest.mark.parametrize("fast", [True, False])
async def test_a_slow_hash_is_compared_once_and_not_on_the_loop(fast: bool) -> None:
    """A-20: remembered with what is stored, so that a key that changes is compared again."""
    hasher = Hasher()
    world, key = make_world(hasher)
    gate = world.make_gate()
    for _ in range(3):
        assert await ask(gate, request(key), fast=fast) == b"200"
    assert hasher.asked == 1
    world.end_sessions("nobody")
    assert await ask(gate, request(key), fast=fast) == b"200"
    assert hasher.asked == 1
    wrong = world.make_key(make_user("bob"))
    world.change_key(wrong, digest=hasher.hash(b"another"))
    assert await ask(gate, request(wrong), fast=fast) == b"401"
    assert await ask(gate, request(wrong), fast=fast) == b"401"
    assert hasher.asked == 3
    # No more of that from there; but what was right before is right now.
    assert await ask(gate, request(wrong), fast=fast) == b"429"
    assert hasher.asked == 3
    assert await ask(gate, request(key), fast=fast) == b"200"


@pytest.mark.parametrize("fast", [True, False])
async def test_strangers_beside_an_owner_keep_no_slow_key_waiting(fast: bool) -> None:
    """E-15: what is nobody's key is never compared slowly, so it counts for nothing where that is rationed."""
    hasher = Hasher()
    world, key = make_world(hasher)
    gate = world.make_gate()
    for status in (b"401", b"401", b"429", b"429"):
        assert await ask(gate, request(write_key(KeyId("nobodysnever"), b"x" * 32)), fast=fast) == status
    assert hasher.asked == 0
    assert await ask(gate, request(key), fast=fast) == b"200"


@pytest.mark.parametrize("fast", [True, False])
async def test_a_row_that_cannot_be_read_is_a_refusal_in_both_lanes(
    fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_key_owner(_: KeyId) -> None:
        raise ValueError("no reach")

    world, key = make_world(Hasher())
    monkeypatch.setattr(world.view, "find_key_owner", find_key_owner)
    assert await ask(world.make_gate(), request(key), fast=fast) == b"503"


@pytest.mark.parametrize("fast", [True, False])
async def test_whoever_cannot_be_asked_lets_nobody_in(fast: bool) -> None:
    hasher = Hasher()
    world, key = make_world(hasher)
    gate = world.make_gate()
    hasher.broken = True
    assert await ask(gate, request(key), fast=fast) == b"503"
    hasher.broken = False
    assert await ask(gate, request(key), fast=fast) == b"200"


async def test_nothing_is_compared_for_who_may_not_ask_and_for_what_is_no_question() -> None:
    hasher = Hasher()
    world, key = make_world(hasher)
    gate = world.make_gate()
    assert await ask(gate, request(key), peer=STRANGER) == b"403"
    assert await ask(gate, request(key).replace(b"X-Forwarded-Uri", b"X-Other")) == b"400"
    assert await ask(gate, request("dw_x")) == b"401"
    assert await ask(gate, request("theirs")) == b"401"
    world.view.broken = True
    world.view.commits += 1
    assert await ask(gate, request(key)) == b"503"
    assert hasher.asked == 0


async def test_an_access_token_is_compared_like_a_key_and_what_is_remembered_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_reader, "is_token", is_token)
    hasher = Hasher()
    world, key = make_world(hasher)
    other = world.make_key(make_user("bob"))
    parsed = parse_key(other)
    assert parsed is not None
    world.change_key(other, digest=hasher.hash(parsed[1]))
    gate = world.make_gate()
    gate.keys.proven = ProvenKeys(most=1)
    for shown in (key, other, key):
        world.end_sessions("nobody")
        assert await ask(gate, request(f"Bearer eyJ{shown}", "Authorization")) == b"200"
    assert hasher.asked == 3
    assert await ask(gate, request("Bearer eyJx", "Authorization")) == b"401"


def test_nothing_shown_is_no_key() -> None:
    world = World(POLICY)
    with pytest.raises(ValueError, match="nothing was shown"):
        world.make_gate().keys.find(NOTHING, None, START)
