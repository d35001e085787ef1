"""Keys with slow hashes at our own API: what they cost, and that nobody is kept waiting by others."""

from datetime import timedelta

import pytest

from doorward.rules.app_key import ApiScope, hash_secret, parse_key, write_key, write_key_id
from tests.fakes.api import Ring, code_told, give_key, open_api, told
from tests.fakes.door import Answer, Browser, Door

OWN = "/api/v1/account"
UNKNOWN = write_key(write_key_id(b"nobody's at all "), b"x" * 32)


@pytest.fixture
def ring() -> Ring:
    """What becomes of keys."""
    return Ring()


@pytest.fixture
async def door(ring: Ring) -> Door:
    """With alice."""
    made = open_api(Door(), ring)
    await made.add_user("alice")
    return made


async def ask(door: Door, method: str, target: str, **headers: str) -> Answer:
    """A program without cookies."""
    sent = {"accept": "application/json", "sec_fetch_mode": "", **headers}
    return await Browser(door, agent="curl/8")._send(method, target, sent, b"")


async def test_an_unknown_key_costs_no_hash_and_a_known_one_its_own(door: Door, ring: Ring) -> None:
    """T-12, A-20: one row, one comparison; a slow one once, and never above its limit."""
    for number in range(1, 6):
        await give_key(door, "alice", ApiScope.READ, number=number, digest=f"slow:{number}")
    assert code_told(await ask(door, "GET", OWN, x_api_key=UNKNOWN), 401) == "WRONG_KEY"
    assert ring.compared == []
    slow = hash_secret((7).to_bytes(32)).replace("sha256:", "slow:")
    key = await give_key(door, "alice", ApiScope.READ, number=7, digest=slow)
    for _ in range(3):
        assert told(await ask(door, "GET", OWN, x_api_key=key))["name"] == "alice"
    assert ring.compared == [slow]
    read = parse_key(key)
    assert read is not None
    forged = write_key(read[0], b"y" * 32)
    for status in (401, 401, 429, 429):
        code_told(await ask(door, "GET", OWN, x_api_key=forged), status)
    assert ring.compared == [slow] * 3
    assert told(await ask(door, "GET", OWN, x_api_key=key))["name"] == "alice"


async def test_strangers_beside_an_owner_keep_no_slow_key_waiting(door: Door, ring: Ring) -> None:
    """E-15: what is nobody's key is never compared slowly, so it counts for nothing where that is rationed."""
    slow = hash_secret((7).to_bytes(32)).replace("sha256:", "slow:")
    key = await give_key(door, "alice", ApiScope.READ, number=7, digest=slow)
    for _ in range(3):
        assert code_told(await ask(door, "GET", OWN, x_api_key=UNKNOWN), 401) == "WRONG_KEY"
    ring.wait = timedelta(seconds=30)
    assert code_told(await ask(door, "GET", OWN, x_api_key=UNKNOWN), 429) == "RATE_LIMITED"
    assert ring.compared == []
    assert told(await ask(door, "GET", OWN, x_api_key=key))["name"] == "alice"


async def test_what_is_remembered_of_slow_keys_has_an_end(
    door: Door, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many keys there are."""
    monkeypatch.setattr(ring.proven, "_most", 1)
    keys = [
        await give_key(
            door, "alice", ApiScope.READ, number=n, digest=hash_secret(n.to_bytes(32)).replace("sha256:", "slow:")
        )
        for n in (1, 2)
    ]
    for key in (*keys, *keys):
        assert told(await ask(door, "GET", OWN, x_api_key=key))["name"] == "alice"
    assert len(ring.compared) == 4
