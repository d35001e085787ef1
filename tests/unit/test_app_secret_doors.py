"""Secrets for apps at the doors: the page of administrators and the API, neither of which ever tells one."""

from datetime import timedelta

import pytest

from doorward.rules.app_header import parse_basic
from doorward.rules.policy import App, HostPattern
from tests.fakes.api import Program, code_told, open_api, told
from tests.fakes.door import Browser, Door

PAGE = "/admin/app-secrets"
API = "/api/v1/app-secrets"
NAS = App("NAS & more", (HostPattern("nas.example.com"),), headers=(parse_basic("admin", "nas"),))
HIDDEN = "open sesame %41"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    door.town.apps = (NAS,)
    return door


async def enter(door, name="root"):
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


async def post(browser, fields, path=PAGE):
    token = (await browser.get(PAGE)).hidden("csrf_token")
    return await browser.post(path, {"csrf_token": token, **fields})


async def test_the_page_says_what_is_missing_and_takes_it(door):
    root = await enter(door)
    page = (await root.get(PAGE)).text
    assert "missing" in page
    assert "NAS &amp; more" in page
    answer = await post(root, {"name": " nas ", "secret": HIDDEN})
    assert answer.location.endswith("?done=set")
    page = (await root.get(f"{PAGE}?done=set")).text
    assert "The secret is set." in page
    assert "missing" not in page
    assert HIDDEN not in page
    assert 'value="nas"' in (await root.get(f"{PAGE}?name=nas")).text


async def test_what_cannot_be_kept_is_refused_and_not_shown_again(door):
    root = await enter(door)
    for fields in (
        {"name": "NAS!", "secret": HIDDEN},
        {"name": "nas", "secret": ""},
        {"name": "nas", "secret": "a\nb"},
    ):
        answer = await post(root, fields)
        assert answer.status == 400
        assert "Nothing was changed." in answer.text
        assert HIDDEN not in answer.text
    assert door.store.state.app_secrets == {}


async def test_only_what_no_app_is_shown_can_be_removed(door):
    root = await enter(door)
    for name in ("nas", "old"):
        await post(root, {"name": name, "secret": HIDDEN})
    page = (await root.get(PAGE)).text
    assert page.count(f'action="{PAGE}/remove"') == 1
    answer = await post(root, {"name": "nas"}, f"{PAGE}/remove")
    assert answer.status == 400
    assert "would let nobody in" in answer.text
    assert (await post(root, {"name": "old"}, f"{PAGE}/remove")).location.endswith("?done=removed")
    assert (await post(root, {"name": "old"}, f"{PAGE}/remove")).location.endswith("?done=gone")
    assert set(door.store.state.app_secrets) == {"nas"}


async def test_only_administrators_who_showed_who_they_are(door):
    """L10."""
    alice, root = await enter(door, "alice"), await enter(door)
    assert (await alice.get(PAGE)).status == 403
    token = (await root.get(PAGE)).hidden("csrf_token")
    door.clock.advance(timedelta(minutes=16))
    for path in (PAGE, f"{PAGE}/remove"):
        fields = {"csrf_token": token, "name": "nas", "secret": HIDDEN}
        answer = await root.post(path, fields)
        assert answer.status == 303
        assert "done=" not in answer.location
    assert door.store.state.app_secrets == {}


async def test_programs_set_list_and_remove(door):
    open_api(door)
    root, alice = await Program.enter(door, "root"), await Program.enter(door, "alice")
    missing = {"name": "nas", "changed_at": None, "apps": ["NAS & more"]}
    assert told(await root.send("GET", API)) == {"secrets": [missing]}
    assert (await root.call("PUT", f"{API}/nas", {"secret": HIDDEN})).status == 204
    assert (await root.call("PUT", f"{API}/old", {"secret": HIDDEN})).status == 204
    listed = await root.send("GET", API)
    assert [each["name"] for each in told(listed)["secrets"]] == ["nas", "old"]
    assert HIDDEN not in listed.text
    assert code_told(await root.call("DELETE", f"{API}/nas"), 409) == "NEEDED"
    assert (await root.call("DELETE", f"{API}/old")).status == 204
    assert code_told(await root.call("DELETE", f"{API}/old"), 404) == "NOT_FOUND"
    assert (await root.call("PUT", f"{API}/NAS", {"secret": HIDDEN})).status == 400
    for program in (alice,):
        assert (await program.send("GET", API)).status == 403
        assert (await program.call("PUT", f"{API}/x", {"secret": HIDDEN})).status == 403
        assert (await program.call("DELETE", f"{API}/nas")).status == 403
    door.clock.advance(timedelta(minutes=16))
    assert code_told(await root.call("DELETE", f"{API}/nas"), 403) == "PROOF_TOO_OLD"
