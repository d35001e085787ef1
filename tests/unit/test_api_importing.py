"""Accounts from elsewhere through the door for machines: shown first, then taken in."""

import pytest

from tests.fakes.administering import Desk

PREVIEW, APPLY = "/api/v1/users/import/preview", "/api/v1/users/import/apply"
HASH = "$2b$04$aII.dPu9tnn9tgD1Bn1FT.Mc.bWUy16EBQhTpQiqCuCo.E3jf.2TO"
FILE = f"users: {{ann: {{displayname: Ann, password: '{HASH}', groups: [staff]}}}}"


@pytest.fixture
async def desk():
    return await Desk.open()


async def post(desk, browser, path, **wish):
    return await desk.act(browser, "POST", path, wish)


async def test_a_preview_is_shown_and_its_token_applies_it(desk):
    """D-40."""
    root = await desk.enter()
    status, shown = await post(desk, root, PREVIEW, content=FILE, kind="authelia")
    assert status == 200
    assert (shown["kind"], shown["applied"], shown["problems"], shown["notices"]) == ("authelia", False, [], [])
    assert shown["accounts"] == [
        {
            "name": "ann",
            "path": "users.ann",
            "deed": "add",
            "reason": "",
            "differences": [
                {"what": "name to show", "before": "", "after": "Ann"},
                {"what": "groups", "before": "", "after": "staff"},
                {"what": "password", "before": "", "after": "as there (bcrypt)"},
            ],
        }
    ]
    assert HASH not in str(shown)
    status, applied = await post(desk, root, APPLY, content=FILE, kind="authelia", token=shown["token"])
    assert (status, applied["applied"]) == (200, True)
    assert desk.town.audit[-1].private["name"] == "ann"
    status, _ = await post(desk, root, APPLY, content=FILE, kind="authelia", token=shown["token"])
    assert status == 409


async def test_problems_are_told_with_their_places(desk):
    root = await desk.enter()
    status, shown = await post(desk, root, PREVIEW, content="password_hash: ''", name="boss", skip=["x"])
    assert (status, shown["token"], shown["accounts"]) == (200, "", [])
    assert [problem["path"] for problem in shown["problems"]] == ["manager.yml.password_hash"]
    status, _ = await post(desk, root, PREVIEW, content="what: is this")
    assert status == 400


async def test_an_administrator_does_not_overwrite_themselves(desk):
    root = await desk.enter()
    content = f"users: {{root: {{displayname: Other, password: '{HASH}'}}}}"
    _, shown = await post(desk, root, PREVIEW, content=content, overwrite=True)
    (account,) = shown["accounts"]
    assert (account["deed"], account["reason"]) == ("taken", "this is your own account")
    assert shown["token"] == ""
