"""Decisions and what is kept, at the doors: the page, the API, and an account's copy and end."""

import json
import re

import pytest

from doorward.rules.decision import NOBODY
from doorward.rules.reason import Reason
from doorward.rules.retention import Kept
from doorward.web.pages.decisions import _KEPT
from tests.contract.test_decisions import a_decision
from tests.fakes.api import Program, open_api, told
from tests.fakes.door import Browser, Door

PAGE = "/admin/decisions"
PERSON = "/admin/users/person?login=alice"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    alice = await door.add_user("alice")
    async with door.store.records.transaction() as transaction:
        await transaction.add_decisions(
            [
                a_decision(user_id=alice.id, count=7),
                a_decision(user_id=NOBODY, host="", shape="", method="", verdict="deny", reason="unknown_host"),
            ]
        )
    return door


@pytest.fixture
async def root(door):
    browser = Browser(door)
    await browser.sign_in("root")
    return browser


async def test_the_page_shows_what_was_decided_about_whom(root):
    """E-71, E-74: and how long what is kept."""
    page = await root.get(PAGE)
    assert page.status == 200
    assert "app.example.test GET /a/{n}" in page.text
    assert "a host that is not ours" in page.text
    assert "Personal data in the audit trail" in page.text
    assert set(_KEPT) == set(Kept)
    assert "30 days" in page.text
    german = await root.get(PAGE, accept_language="de")
    assert "30 Tage" in german.text


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("user=alice", "/a/{n}", "a host that is not ours"),
        ("user=-", "a host that is not ours", "/a/{n}"),
        ("verdict=deny", "a host that is not ours", "/a/{n}"),
        ("verdict=nonsense&host=app.example.test", "/a/{n}", "a host that is not ours"),
        ("reason=no_rule", "There are no such decisions.", "/a/{n}"),
    ],
)
async def test_the_page_can_be_narrowed_down(root, query, shown, hidden):
    text = (await root.get(f"{PAGE}?{query}")).text
    assert shown in text
    assert hidden not in text


@pytest.mark.parametrize("name", ["bob", "no name"])
async def test_nobody_of_that_name_is_said(root, name):
    page = await root.get(f"{PAGE}?user={name.replace(' ', '+')}")
    assert (page.status, "There is no such account." in page.text) == (400, True)


async def test_what_was_decided_about_somebody_is_not_told_as_if_to_them(root):
    """E-71: the page that refuses says "you"; here that would be whoever administers."""
    page = await root.get(PAGE)
    assert "A rule allowed it." in page.text
    assert "Eine Regel hat es erlaubt." in (await root.get(PAGE, accept_language="de")).text
    assert not [reason for reason in Reason if re.search(r"\byour?\b", reason.told, re.IGNORECASE)]


async def test_it_is_for_administrators(door):
    browser = Browser(door)
    assert (await browser.get(PAGE)).status == 303
    await browser.sign_in("alice")
    assert (await browser.get(PAGE)).status == 403


async def test_an_administrator_downloads_a_copy_of_an_account(root):
    """E-56, E-58."""
    copy = await root.press("/admin/users/export", await root.get(PERSON), login="alice")
    assert copy.status == 200
    assert json.loads(copy.text)["account"]["name"] == "alice"


async def test_an_account_is_deleted_with_what_is_kept_of_it(root, door):
    """E-56."""
    page = await root.get(PERSON)
    gone = await root.press("/admin/users/delete", page, login="alice", confirm="alice", erase="on")
    assert gone.location.endswith("?done=deleted")
    assert [each.user_id for each in door.store.state.decisions.values()] == [NOBODY]


async def test_the_api_tells_the_same(door):
    alice = next(user for user in door.store.state.users.values() if user.name == "alice")
    program = await Program.enter(open_api(door), "root")
    listed = told(await program.call("GET", "/api/v1/decisions"))["decisions"]
    assert {each["user"]: each["count"] for each in listed} == {alice.id: 7, None: 1}
    assert len(told(await program.call("GET", f"/api/v1/decisions?user={alice.id}"))["decisions"]) == 1
    assert told(await program.call("GET", "/api/v1/decisions?user=-"))["decisions"][0]["reason"] == "unknown_host"
    kinds = told(await program.call("GET", "/api/v1/retention"))["kinds"]
    assert [each["kind"] for each in kinds] == [kept.value for kept in Kept]
    copy = told(await program.call("POST", f"/api/v1/users/{alice.id}/export"))
    assert copy["account"]["name"] == "alice"
    assert told(await program.call("POST", f"/api/v1/users/{alice.id}/erase"))["decisions"] == 1
    assert alice.id not in door.store.state.users
