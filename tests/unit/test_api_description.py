"""What `/api/openapi.json` says, and that it is so."""

import pytest

from doorward.web.api.description import GUARDED, OPEN, UNSAFE
from doorward.web.api.scopes import scope_of
from tests.fakes.administering import JSON, Desk, read
from tests.fakes.door import Browser


@pytest.fixture
async def desk():
    return await Desk.open()


def operations(desk):
    for path, described in desk.api.openapi()["paths"].items():
        for method, operation in described.items():
            yield path, method, operation


def test_every_operation_says_who_may_and_what_may_come(desk):
    """Whatever is not for anybody asks for a session, and whatever changes something for the CSRF token."""
    names = [operation["operationId"] for _, _, operation in operations(desk)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(desk):
        name = operation["operationId"]
        security, *keys = operation["security"] or [{}]
        scope = scope_of(method.upper(), path)
        assert keys == ([] if scope is None else [{each: [scope.value]} for each in ("key", "bearer", "basic")]), path
        assert ("session" in security) == (name not in OPEN), path
        assert ("csrf" in security) == (method in UNSAFE or name in GUARDED), path
        assert operation["summary"]
        assert not operation["summary"].endswith(".")
        assert operation["tags"]
        assert {"400", "503"} <= operation["responses"].keys()
        assert name in OPEN or "401" in operation["responses"]
        assert "csrf" not in security or "403" in operation["responses"]


async def test_what_is_described_as_closed_is(desk):
    """L10: every operation, asked by nobody, and every unsafe one without a token."""
    root = await desk.enter()
    for path, method, operation in operations(desk):
        target = path.replace("{", "").replace("}", "")
        status, _ = read(await Browser(desk.door)._send(method.upper(), target, JSON))
        assert (status == 200) if operation["operationId"] in OPEN else (status == 401), path
        if "csrf" in (operation["security"] or [{}])[0]:
            status, told = read(await root._send(method.upper(), target, JSON))
            assert (status, told["code"]) == (403, "CSRF_FAILED"), path
