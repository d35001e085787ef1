"""Everybody's accounts and sessions, for machines that administer."""

import json

import pytest

from tests.fakes.administering import Desk
from tests.fakes.door import Browser
from tests.fakes.flows import OTHER
from tests.fakes.second import change_user, find_user, give_totp


@pytest.fixture
async def desk():
    return await Desk.open()


# Accounts


async def test_accounts_are_listed_a_page_at_a_time_who_waits_first(desk):
    await change_user(desk.town, "bob", enabled=False, awaits_approval=True)
    await give_totp(desk.town, "alice")
    root = await desk.enter()
    status, told = await desk.look(root, "/api/v1/users")
    assert (status, told["total"]) == (200, 3)
    assert [each["name"] for each in told["users"]] == ["bob", "alice", "root"]
    assert [each["has_second_factor"] for each in told["users"]] == [False, True, False]
    assert [each["is_admin"] for each in told["users"]] == [False, False, True]
    _, told = await desk.look(root, "/api/v1/users?limit=1&offset=2")
    assert [each["name"] for each in told["users"]] == ["root"]
    for query in ("limit=0", "limit=501", "offset=-1", "limit=x", f"offset={'9' * 400}"):
        status, told = await desk.look(root, f"/api/v1/users?{query}")
        assert (status, told["code"]) == (400, "MALFORMED")


async def test_an_account_is_added_and_its_first_sign_in_asks_for_a_new_password(desk):
    """B-20, A-17."""
    root = await desk.enter()
    new = {"name": "Carol", "email": "carol@example.test", "password": OTHER, "groups": ["staff"], "is_admin": True}
    status, told = await desk.act(root, "POST", "/api/v1/users", new)
    assert status == 201
    assert (told["name"], told["groups"], told["is_admin"]) == ("carol", ["staff"], True)
    assert told["must_change_password"]
    status, told = await desk.act(root, "POST", "/api/v1/users", new)
    assert (status, told["code"]) == (409, "TAKEN")
    status, told = await desk.act(root, "POST", "/api/v1/users", {**new, "name": "a b", "password": "short"})
    assert (status, told["code"]) == (422, "UNACCEPTABLE")
    assert {each["field"] for each in told["problems"]} == {"name", "password"}


async def test_an_account_is_shown_with_what_it_is_connected_to_and_disconnected(desk):
    desk.door.add_provider()
    alice, root = await desk.enter("alice"), await desk.enter()
    await alice.connect("idp")
    status, told = await desk.look(root, "/api/v1/users/{alice}")
    assert (status, told["name"]) == (200, "alice")
    (connection,) = told["connections"]
    assert connection["provider"] == "idp"
    target = f"/api/v1/users/{{alice}}/connections/{connection['id']}"
    assert (await desk.act(root, "DELETE", target))[0] == 204
    assert (await desk.act(root, "DELETE", target))[0] == 404
    assert (await desk.look(root, "/api/v1/users/{alice}"))[1]["connections"] == []


@pytest.mark.parametrize("nobody", ["nobody", "alice", "%00", "x" * 3000, "%F0%9F%98%80", "%ff", "%ed%a0%80"])
async def test_what_names_no_account_is_404(desk, nobody):
    """J15, P14: accounts are named by id alone."""
    root = await desk.enter()
    for target in (f"/api/v1/users/{nobody}", f"/api/v1/users/{nobody}/sign-ins", f"/api/v1/users/{nobody}/sessions"):
        assert (await desk.look(root, target))[0] == 404
    assert (await desk.act(root, "DELETE", f"/api/v1/users/{nobody}"))[0] == 404
    assert (await desk.act(root, "PATCH", f"/api/v1/users/{nobody}", {"enabled": False}))[0] == 404


async def test_an_account_is_changed_as_a_whole(desk):
    """R08, J04."""
    root, alice = await desk.enter(), await desk.enter("alice")
    _, shown = await desk.look(root, "/api/v1/users/{alice}")
    change = {"name": "alicia", "groups": ["a", "b"], "is_admin": True, "version": shown["version"]}
    status, told = await desk.act(root, "PATCH", "/api/v1/users/{alice}", change)
    assert (status, told["name"], told["groups"], told["is_admin"]) == (200, "alicia", ["a", "b"], True)
    assert (await desk.look(alice, "/api/v1/account"))[0] == 401
    status, told = await desk.act(root, "PATCH", "/api/v1/users/{alice}", change)
    assert (status, told["code"]) == (409, "CONFLICT")
    status, told = await desk.act(root, "PATCH", "/api/v1/users/{alice}", {"name": "root", "enabled": False})
    assert (status, told["code"]) == (409, "TAKEN")
    status, told = await desk.act(root, "PATCH", "/api/v1/users/{alice}", {"groups": ["a,b"], "email": "x"})
    assert {each["field"] for each in told["problems"]} == {"groups", "email"}
    assert (await find_user(desk.town, "alicia")).enabled


@pytest.mark.parametrize("act", [("PATCH", {"is_admin": False}), ("PATCH", {"enabled": False}), ("DELETE", None)])
async def test_the_last_administrator_stays(desk, act):
    """R05."""
    method, body = act
    status, told = await desk.act(await desk.enter(), method, "/api/v1/users/{root}", body)
    assert (status, told["code"]) == (409, "LAST_ADMINISTRATOR")


async def test_a_deleted_account_is_gone(desk):
    root, alice = await desk.enter(), await desk.enter("alice")
    assert await desk.act(root, "DELETE", "/api/v1/users/{alice}") == (204, None)
    assert (await desk.look(alice, "/api/v1/account"))[0] == 401
    assert (await desk.look(root, "/api/v1/users/{alice}"))[0] == 404


async def test_a_new_password_is_forced_and_factors_are_reset(desk):
    """A-17."""
    root = await desk.enter()
    await give_totp(desk.town, "alice")
    assert (await desk.act(root, "POST", "/api/v1/users/{alice}/force-password-change"))[0] == 204
    assert (await desk.act(root, "POST", "/api/v1/users/{alice}/reset-factors"))[0] == 204
    _, told = await desk.look(root, "/api/v1/users/{alice}")
    assert (told["must_change_password"], told["has_second_factor"]) == (True, False)
    del desk.town.store.state.passwords[desk.ids["bob"]]
    status, told = await desk.act(root, "POST", "/api/v1/users/{bob}/force-password-change")
    assert (status, told["code"]) == (409, "NO_PASSWORD")


async def test_administrators_take_nothing_of_their_own_away_this_way(desk):
    """F13."""
    root = await desk.enter()
    status, told = await desk.act(root, "POST", "/api/v1/users/{root}/reset-factors")
    assert (status, told["code"]) == (409, "OWN_FACTORS")


async def test_who_waits_is_let_in_or_refused(desk):
    root = await desk.enter()
    for name in ("alice", "bob"):
        await change_user(desk.town, name, enabled=False, awaits_approval=True)
    assert (await desk.act(root, "POST", "/api/v1/users/{alice}/approve"))[0] == 204
    assert (await desk.act(root, "POST", "/api/v1/users/{bob}/refuse"))[0] == 204
    _, told = await desk.look(root, "/api/v1/users")
    assert [(each["name"], each["enabled"]) for each in told["users"]] == [("alice", True), ("root", True)]
    status, told = await desk.act(root, "POST", "/api/v1/users/{alice}/approve")
    assert (status, told["code"]) == (409, "NOT_WAITING")


async def test_a_link_to_set_a_password_is_handed_out(desk):
    root = await desk.enter()
    status, told = await desk.act(root, "POST", "/api/v1/users/{alice}/recovery-link")
    assert status == 201
    assert told["url"].startswith("https://auth.example.test/reset?token=")
    await change_user(desk.town, "alice", enabled=False)
    status, told = await desk.act(root, "POST", "/api/v1/users/{alice}/recovery-link")
    assert (status, told["code"]) == (409, "DISABLED")


async def test_an_accounts_sign_ins_and_sessions_are_shown_and_ended(desk):
    root, alice = await desk.enter(), await desk.enter("alice")
    desk.wait(seconds=1)
    assert (await Browser(desk.door).sign_in("alice", password=OTHER)).status == 403
    _, told = await desk.look(root, "/api/v1/users/{alice}/sign-ins")
    assert [each["failure"] for each in told["sign_ins"]] == ["wrong", None]
    _, told = await desk.look(root, "/api/v1/users/{alice}/sign-ins?limit=1")
    assert len(told["sign_ins"]) == 1
    _, told = await desk.look(root, "/api/v1/users/{alice}/sessions")
    assert [(each["user"]["name"], each["current"]) for each in told["sessions"]] == [("alice", False)]
    assert alice.jar["doorward"] not in json.dumps(told)
    assert await desk.act(root, "POST", "/api/v1/users/{alice}/end-sessions") == (200, {"ended": 1})
    assert (await desk.look(alice, "/api/v1/account"))[0] == 401


async def test_everybodys_sessions_are_shown_and_ended_by_handle(desk):
    """C-36, C-40."""
    root, alice = await desk.enter(), await desk.enter("alice")
    _, told = await desk.look(root, "/api/v1/sessions")
    handles = {each["user"]["name"]: each["handle"] for each in told["sessions"]}
    assert {each["user"]["name"]: each["current"] for each in told["sessions"]} == {"root": True, "alice": False}
    _, some = await desk.look(root, "/api/v1/sessions?limit=1&offset=1")
    assert len(some["sessions"]) == 1
    assert (await desk.act(root, "DELETE", f"/api/v1/sessions/{handles['alice']}"))[0] == 204
    assert (await desk.look(alice, "/api/v1/account"))[0] == 401
    assert (await desk.act(root, "DELETE", f"/api/v1/sessions/{handles['alice']}"))[0] == 404
    assert (await desk.act(root, "DELETE", f"/api/v1/sessions/{handles['root']}"))[0] == 204
    assert "doorward" not in root.jar


# What is sent


@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"[]", b"1", b"null", b"\xff", b'{"name": "a", "name": "b", "password": "x"}', b'{"name": NaN}',
        b'{"name": "\\ud800", "password": "x"}', b'{"name": 1, "password": "x"}', b"[" * 5000,
        b'{"name": "a", "password": "x", "more": 1}', b'{"name": "' + b"a" * 5000 + b'", "password": "x"}',
        b'{"name": "a", "password": "x", "is_admin": "yes"}', b'{"name": "a", "password": "x", "groups": "staff"}',
    ],
    ids=lambda raw: raw[:24].decode("latin-1"),
)  # fmt: skip
async def test_a_body_that_is_not_as_described_is_400(desk, raw):
    """P06, I10."""
    status, told = await desk.act(await desk.enter(), "POST", "/api/v1/users", raw=raw)
    assert (status, told["code"]) == (400, "MALFORMED")


async def test_a_body_of_another_kind_is_refused(desk):
    root = await desk.enter()
    raw = b"name=carol&password=x"
    status, _ = await desk.act(root, "POST", "/api/v1/users", raw=raw, content_type="application/x-www-form-urlencoded")
    assert status == 400
    status, told = await desk.act(root, "PUT", "/api/v1/users", {})
    assert (status, told["code"]) == (405, "METHOD_NOT_ALLOWED")
    status, told = await desk.act(root, "POST", "/api/v1/users", raw=b'{"name": "' + b"a" * 70_000 + b'"}')
    assert status == 413
