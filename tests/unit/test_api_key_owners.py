"""Keys of somebody who owes a second factor, at our own API: refused like at the gate."""

from doorward.rules.app_key import ApiScope
from tests.fakes.api import Ring, code_told, give_key, open_api, told
from tests.fakes.door import Browser, Door

OWN = "/api/v1/account"


async def test_a_key_opens_nothing_while_its_owner_owes_a_second_factor() -> None:
    """A-18: nothing is counted as wrong, nothing is noted as used, and with the factor it opens again."""
    ring = Ring()
    door = open_api(Door(), ring)
    await door.add_user("alice")
    key = await give_key(door, "alice", ApiScope.READ)
    program = Browser(door, agent="curl/8")
    headers = {"accept": "application/json", "sec_fetch_mode": "", "x_api_key": key}
    ring.owes = True
    assert code_told(await program._send("GET", OWN, headers, b""), 403) == "KEY_REFUSED"
    assert (ring.wrong, ring.used) == ([], [])
    ring.owes = False
    assert told(await program._send("GET", OWN, headers, b""))["name"] == "alice"
