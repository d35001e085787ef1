"""What administrators do is counted, whichever page or command of the API they use (D-24, D-27)."""

from datetime import timedelta

import pytest

from doorward.flows.throttle import BUDGETS, Bucket
from doorward.rules.login import Failure
from doorward.web.route import Who
from tests.fakes.api import Program, open_api
from tests.fakes.door import Browser, Door
from tests.fakes.flows import Town, a_visitor

ACTS = sorted(path for path, route in Door().server.routes.items() if route.who is Who.ADMINISTRATOR and route.post)
ADMIN = BUDGETS[Bucket.ADMIN].address[0].limit
DESTRUCTIVE = BUDGETS[Bucket.DESTRUCTIVE].address[0].limit


async def an_administrator(door):
    await door.add_user("root", admin=True)
    browser = Browser(door)
    await browser.sign_in("root")
    return browser


@pytest.mark.parametrize("path", [*ACTS, "/sessions/end"])
async def test_each_act_of_an_administrator_has_an_end(path):
    """D-24: thirty in a quarter of an hour, all together; then 429 with a time and a countdown."""
    door = Door()
    root = await an_administrator(door)
    page = await root.get("/admin/users/new")
    for _ in range(ADMIN):
        await door.flows.turnstile.count_act(a_visitor("127.0.0.1"), now=door.clock.now())
    address = path.removesuffix("*") + ("idp" if path.endswith("*") else "")
    fields = {"from": "admin", "which": "x"}
    answer = await root.press(address, page, **fields)
    assert answer.status == 429
    assert 0 < int(answer.header("retry-after")) <= 900
    assert "data-countdown" in answer.text
    door.clock.advance(timedelta(minutes=15))
    assert (await root.press(address, page, **fields)).status != 429


async def test_looking_is_not_counted_and_what_is_ones_own_neither():
    door = Door()
    root = await an_administrator(door)
    for _ in range(ADMIN + 1):
        assert (await root.get("/admin/users")).status == 200
    page = await root.get("/sessions")
    for _ in range(ADMIN + 1):
        assert (await root.press("/sessions/end", page, which="x")).status == 303


async def test_what_cannot_be_undone_has_a_smaller_end():
    """D-27."""
    door = Door()
    root = await an_administrator(door)
    page = await root.get("/admin/users/new")
    answers = [await root.press("/admin/users/delete", page, user="nobody") for _ in range(DESTRUCTIVE + 1)]
    assert [answer.status == 429 for answer in answers] == [False] * DESTRUCTIVE + [True]
    assert (await root.press("/admin/mail/retry", page, letter="x")).status != 429


async def test_the_count_is_of_an_address_and_told_to_the_metrics():
    town = Town()
    for _ in range(ADMIN):
        assert await town.flows.turnstile.count_act(a_visitor(), now=town.now) is None
    refused = await town.flows.turnstile.count_act(a_visitor(), now=town.now)
    assert refused is not None
    assert refused.failure is Failure.THROTTLED
    assert town.tally.limited == {"admin": 1}
    assert await town.flows.turnstile.count_act(a_visitor("198.51.100.1"), now=town.now) is None


async def test_strangers_use_nobodys_budget_up():
    door = Door()
    stranger = Browser(door)
    page = await stranger.get("/login")
    for _ in range(ADMIN + 1):
        await stranger.press("/admin/mail/retry", page, letter="x")
    root = await an_administrator(door)
    page = await root.get("/admin/users/new")
    assert (await root.press("/admin/mail/retry", page, letter="x")).status != 429


@pytest.mark.parametrize(
    ("path", "fields", "bucket"),
    [
        ("/api/v1/backups", {}, Bucket.BACKUP),
        ("/api/v1/backups/drill", {}, Bucket.BACKUP),
        ("/api/v1/users/import/preview", {"content": "users: {}"}, Bucket.IMPORT),
    ],
)
async def test_backups_by_hand_and_imports_have_an_end_of_their_own(path, fields, bucket):
    """D-22, D-26: the console's forms have it too."""
    door = open_api(Door())
    await door.add_user("root", admin=True)
    program = await Program.enter(door, "root")
    room = BUDGETS[bucket].address[0].limit
    statuses = [(await program.call("POST", path, fields)).status for _ in range(room + 1)]
    assert [status == 429 for status in statuses] == [False] * room + [True]
    forms = {path for path, route in door.server.routes.items() if route.also_counts is Bucket.BACKUP}
    assert forms == {"/admin/backups/create", "/admin/backups/drill"}
