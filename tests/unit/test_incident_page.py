"""The lockdown at the doors: the page, the API, and what it means for the rest of the console."""

import json
import re
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from tests.fakes.api import Program, open_api
from tests.fakes.door import Browser, Door

PAGE = "/admin/incident"
LOCK = f"{PAGE}/lockdown"
API = "/api/v1/incident"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    return door


async def enter(door, name="root"):
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


async def send(browser, path, **fields):
    page = await browser.get(PAGE)
    return await browser.post(path, {"csrf_token": page.hidden("csrf_token"), **fields})


async def test_the_page_shows_first_who_could_sign_in_again(door):
    """E-90."""
    page = (await (await enter(door)).get(PAGE)).text
    assert "Who can sign in again" in page
    assert "no second factor" in page
    assert "There is a lockdown" not in page


async def test_who_locks_down_goes_on_and_every_page_of_the_console_says_so(door):
    """E-90."""
    root, alice = await enter(door), await enter(door, "alice")
    answer = await send(root, LOCK, sure="on", keep="on", reason="stolen laptop", networks="")
    assert (answer.status, answer.location) == (303, f"https://auth.example.test{PAGE}?done=locked")
    page = (await root.get(f"{PAGE}?done=locked")).text
    assert "stolen laptop" in page
    assert "Everybody else is signed out" in page
    assert "There is a lockdown" in (await root.get("/admin/users")).text
    assert "There is a lockdown" not in (await root.get("/account")).text
    assert (await alice.get("/account")).status == 303
    assert (await send(root, f"{PAGE}/lift")).location.endswith("?done=lifted")
    assert "There is a lockdown" not in (await root.get("/admin/users")).text


async def test_what_a_lockdown_says_goes_on_when_it_is_made_again_with_nothing_typed_anew(door):
    """E-90: nobody opens the console to everywhere by leaving a field empty that was filled."""
    root = await enter(door)
    await send(root, LOCK, sure="on", keep="on", reason="stolen laptop", networks="127.0.0.0/8")
    page = (await root.get(PAGE)).text
    assert re.search(r'<textarea id="networks"[^>]*>\s*127\.0\.0\.0/8</textarea>', page)
    assert re.search(r'<input id="reason"[^>]*value="stolen laptop"', page)
    assert "doorward incident evidence" in page


async def test_the_page_that_refuses_leads_to_none_that_is_shut(door):
    await door.flows.lockdowns.begin(CLI, networks=["192.0.2.0/24"], now=door.clock.now())
    answer = await (await enter(door)).get("/admin/users")
    assert answer.status == 403
    assert "The console is shut here" in answer.text
    assert 'href="/admin' not in answer.text


async def test_who_does_not_stay_signs_in_again(door):
    root = await enter(door)
    answer = await send(root, LOCK, sure="on", networks="")
    assert answer.status == 303
    assert "/login" in answer.location
    assert (await root.get(PAGE)).status == 303


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Tick the box"),
        ({"sure": "on", "networks": "home"}, "is no network"),
        ({"sure": "on", "networks": "10.0.0.0/8 192.168.0.0/16"}, "which is in none of these networks"),
    ],
)
async def test_what_cannot_be_meant_locks_nobody_out(door, fields, said):
    """E-90."""
    root = await enter(door)
    answer = await send(root, LOCK, keep="on", **fields)
    assert answer.status == 400
    assert said in answer.text
    assert await door.flows.lockdowns.find() is None


async def test_nobody_is_locked_out_for_good_from_the_console(door):
    root = await enter(door)
    door.store.state.passwords.clear()
    answer = await send(root, LOCK, sure="on")
    assert answer.status == 400
    assert "No administrator could sign in again" in answer.text


async def test_what_clashes_otherwise_is_told_as_ever(door):
    root = await enter(door)

    async def begin(*_args, **_more):
        raise ConflictError("changed meanwhile")

    door.flows.lockdowns.begin = begin
    assert (await send(root, LOCK, sure="on")).status == 409


async def test_the_console_is_open_from_named_networks_only(door):
    """E-90: also for what was signed in by then, and for forms that were open."""
    root = await enter(door)
    page = await root.get(PAGE)
    token = page.hidden("csrf_token")
    await door.flows.lockdowns.begin(CLI, networks=["10.0.0.0/8"], now=door.clock.now())
    root = await enter(door)
    token = (await root.get("/account/profile")).hidden("csrf_token")
    answer = await root.get("/admin/users")
    assert answer.status == 403
    assert "The console is shut here" in answer.text
    answer = await root.post(f"{PAGE}/lift", {"csrf_token": token})
    assert answer.status == 403
    assert await door.flows.lockdowns.find() is not None
    assert (await root.get("/account")).status == 200


async def test_an_old_proof_is_asked_for_anew(door):
    root = await enter(door)
    door.clock.advance(timedelta(minutes=16))
    for path in (LOCK, f"{PAGE}/lift"):
        answer = await send(root, path, sure="on")
        assert (answer.status, "confirm=1" in answer.location) == (303, True)


async def test_programs_lock_down_and_lift(door):
    """E-90."""
    open_api(door)
    root = await Program.enter(door, "root")
    told = json.loads((await root.call("GET", API)).body)
    assert told["lockdown"] is None
    assert told["administrators"][0] | {"sub": ""} == {
        "sub": "",
        "name": "root",
        "password": True,
        "passkey": False,
        "providers": [],
        "second_factor": False,
    }
    answer = await root.call("POST", f"{API}/lockdown", {"networks": ["home"]})
    assert answer.status == 400
    assert (await root.call("POST", f"{API}/lockdown", {"reason": "why"})).status == 204
    assert (await root.send("GET", API)).status == 401
    root = await Program.enter(door, "root")
    told = json.loads((await root.call("GET", API)).body)["lockdown"]
    assert (told["reason"], told["networks"], told["readable"]) == ("why", [], True)
    assert (await root.call("POST", f"{API}/lift")).status == 204
    assert await door.flows.lockdowns.find() is None


async def test_programs_too_are_kept_to_the_named_networks(door):
    """E-90: the one door is no way around the other."""
    open_api(door)
    await door.flows.lockdowns.begin(CLI, networks=["10.0.0.0/8"], now=door.clock.now())
    root = await Program.enter(door, "root")
    for method, path in (("GET", API), ("GET", "/api/v1/users"), ("POST", f"{API}/lift")):
        assert (await root.call(method, path)).status == 403
    assert await door.flows.lockdowns.find() is not None


async def make_kit(door, root):
    page = await root.get(PAGE)
    user = re.search(r'name="user" value="([^"]+)"', page.text)[1]
    answer = await root.post(f"{PAGE}/kit", {"csrf_token": page.hidden("csrf_token"), "user": user})
    return answer, user


async def test_a_kit_is_shown_once_to_be_printed(door):
    """E-90."""
    root = await enter(door)
    assert "Nobody has a kit." in (await root.get(PAGE)).text
    answer, user = await make_kit(door, root)
    assert answer.status == 200
    assert "print.css" in answer.text
    assert "https://auth.example.test/break-glass" in answer.text
    code = re.search(r"<code>([A-Z2-7-]{64})</code>", answer.text)[1]
    page = await root.get(PAGE)
    assert code not in page.text
    assert "unused" in page.text
    assert (await send(root, f"{PAGE}/kit/revoke", user=user)).location.endswith("?done=revoked")
    assert (await Browser(door).get("/break-glass")).status == 404


@pytest.mark.parametrize("login", ["alice", "nobody"])
async def test_nobody_but_an_administrator_gets_a_kit(door, login):
    root = await enter(door)
    ids = {user.name: user.id for user in door.store.state.users.values()}
    answer = await send(root, f"{PAGE}/kit", user=ids.get(login, "nobody"))
    assert answer.status == 400
    assert "No kit was made" in answer.text


async def test_the_code_lets_in_once(door):
    """E-90."""
    answer, _ = await make_kit(door, await enter(door))
    code = re.search(r"<code>([A-Z2-7-]{64})</code>", answer.text)[1]
    stranger = Browser(door)
    page = await stranger.get("/break-glass")
    assert page.status == 200
    wrong = await stranger.post("/break-glass", {"csrf_token": page.hidden("csrf_token"), "code": "wrong"})
    assert (wrong.status, "opens nothing" in wrong.text) == (403, True)
    answer = await stranger.post("/break-glass", {"csrf_token": page.hidden("csrf_token"), "code": code})
    assert (answer.status, answer.location) == (303, "https://auth.example.test/")
    assert (await stranger.get(PAGE)).status == 200


async def test_tries_at_the_code_are_counted(door):
    await make_kit(door, await enter(door))
    stranger = Browser(door)
    page = await stranger.get("/break-glass")
    fields = {"csrf_token": page.hidden("csrf_token"), "code": "wrong"}
    answers = [await stranger.post("/break-glass", fields) for _ in range(6)]
    assert answers[-1].status == 429
    assert int(answers[-1].header("retry-after")) > 0


async def test_an_old_proof_is_asked_for_anew_before_a_kit_is_made(door):
    root = await enter(door)
    door.clock.advance(timedelta(minutes=16))
    for path in (f"{PAGE}/kit", f"{PAGE}/kit/revoke"):
        answer = await send(root, path, user="x")
        assert (answer.status, "confirm=1" in answer.location) == (303, True)
