"""The audit record at the doors: the page and the API."""

import json

import pytest

from doorward.flows.acting import CLI
from doorward.rules.audit import Act
from doorward.rules.audit_proof import verify_export
from tests.fakes.api import Program, open_api, told
from tests.fakes.door import Browser, Door
from tests.fakes.system import START

PAGE = "/admin/audit"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    return door


@pytest.fixture
async def root(door):
    browser = Browser(door)
    await browser.sign_in("root")
    return browser


async def test_the_page_shows_who_did_what_to_whom(root):
    """B-38, E-71."""
    page = await root.get(PAGE)
    assert page.status == 200
    assert "user.login" in page.text
    assert "Somebody signed in." in page.text
    assert "not yet" in page.text
    assert "There are no such records." in (await root.get(f"{PAGE}?actor=alice")).text


@pytest.mark.parametrize("query", ["act=user.dance", "since=yesterday", "before=x"])
async def test_what_nobody_can_ask_for_is_said(root, query):
    page = await root.get(f"{PAGE}?{query}")
    assert page.status == 400
    assert "That is no such act, or no day." in page.text


async def test_the_last_day_there_is_can_be_asked_for(root):
    page = await root.get(f"{PAGE}?until=9999-12-31")
    assert page.status == 200
    assert (await root.get(f"{PAGE}?until=9999-12-30")).status == 200


async def test_only_administrators_see_it(door):
    browser = Browser(door)
    assert (await browser.get(PAGE)).status == 303
    await browser.sign_in("alice")
    assert (await browser.get(PAGE)).status == 403


async def test_older_records_are_a_page_further(door, root):
    for _ in range(60):
        async with door.store.records.transaction() as transaction:
            await transaction.append_audit((await transaction.list_audit(limit=1))[0].event)
    page = await root.get(f"{PAGE}?act=user.login&since=2029-01-01&until=2031-01-01")
    assert "Older records" in page.text
    assert "before=" in page.text


async def test_an_export_from_the_page_verifies_elsewhere(door, root):
    """Field item 9."""
    keys = await door.flows.audit.find_public_keys(CLI, now=START)
    for fields in ({}, {"private": "yes"}, {"act": "user.login"}):
        answer = await root.press("/admin/audit/export", await root.get(PAGE), **fields)
        assert answer.status == 200
        lines = answer.text.encode().splitlines(keepends=True)
        assert verify_export(lines, keys).holds
        assert json.loads(lines[0])["private"] is bool(fields.get("private"))
    assert door.store.state.audit[-1].event.act is Act.AUDIT_EXPORTED


async def test_the_chain_is_verified_from_the_page(door, root):
    answer = await root.press("/admin/audit/verify", await root.get(PAGE))
    assert "done=whole" in answer.location
    assert "Every record is what was recorded." in (await root.get(f"{PAGE}?done=whole")).text
    del door.store.state.audit[0]
    answer = await root.press("/admin/audit/verify", await root.get(PAGE))
    assert "done=broken" in answer.location
    assert "not what was recorded" in (await root.get(f"{PAGE}?done=broken")).text


async def test_the_api_lists_and_verifies(door):
    program = await Program.enter(open_api(door), "root")
    listed = told(await program.call("GET", "/api/v1/audit?act=user.*&limit=1&since=2029-01-01T00:00:00Z"))
    assert listed["records"][0]["act"] == "user.login"
    assert (await program.call("GET", "/api/v1/audit?since=2029-01-01T00:00:00")).status == 400
    assert (await program.call("GET", f"/api/v1/audit?before={10**30}")).status == 400
    assert told(await program.call("POST", "/api/v1/audit/verify"))["holds"] is True
    del door.store.state.audit[0]
    flaws = told(await program.call("POST", "/api/v1/audit/verify"))["flaws"]
    assert flaws[0] == {"fault": "missing", "text": "record 1 is missing", "first": 1, "last": 1}
