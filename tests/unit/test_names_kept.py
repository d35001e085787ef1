"""Addresses that programs and proxies know from elsewhere answer at the door, to strangers and to people."""

import pytest

from tests.fakes.api import Program, open_api
from tests.fakes.door import Answer, Browser, Door

KEPT = {
    ("GET", "/api/auth/login"): (400, 400),
    ("GET", "/api/auth/csrf-token"): (200, 200),
    ("GET", "/api/auth/mode"): (200, 200),
    ("GET", "/api/auth/registration-available"): (200, 200),
    ("GET", "/api/sessions/list"): (401, 200),
    ("DELETE", "/api/sessions/session/no-such"): (401, 404),
    ("GET", "/healthz"): (200, 200),
    ("GET", "/api/auth/otp/status"): (401, 200),
    ("POST", "/api/auth/otp/setup"): (401, 200),
    ("POST", "/api/auth/otp/enable"): (401, 400),
    ("POST", "/api/auth/otp/disable"): (401, 400),
    ("GET", "/api/auth/totp/status"): (401, 200),
    ("POST", "/api/auth/totp/setup"): (401, 200),
    ("GET", "/api/auth/webauthn/status"): (401, 200),
    ("GET", "/api/auth/webauthn/credentials"): (401, 200),
    ("POST", "/api/auth/webauthn/setup"): (401, 200),
}
"""What a stranger gets, and what somebody who is signed in gets. 400: there, and it lacks what belongs to it."""


@pytest.fixture
async def door() -> Door:
    door = open_api(Door())
    await door.add_user("alice")
    return door


async def ask(program: Program, method: str, path: str) -> Answer:
    if method == "GET":
        return await program.send(method, path)
    return await program.call(method, path, {} if method == "POST" else None)


@pytest.mark.parametrize(("method", "path"), KEPT)
async def test_an_address_that_was_kept_answers(door: Door, method: str, path: str) -> None:
    stranger = await ask(Program(Browser(door)), method, path)
    alice = await ask(await Program.enter(door, "alice"), method, path)
    assert (stranger.status, alice.status) == KEPT[method, path]
    assert all(answer.location == "" for answer in (stranger, alice))


async def test_the_check_that_proxies_are_configured_with_is_the_gates(door: Door) -> None:
    """C-06."""
    await Browser(door).get("/api/auth/forwardauth")
    assert door.gate_calls == ["/api/auth/forwardauth"]
