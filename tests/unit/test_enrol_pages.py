"""Setting up a second factor inside a sign-in, where policy asks for one."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.totp import make_code, step_of
from tests.fakes.authenticator import Authenticator
from tests.fakes.door import Answer, Browser, Door
from tests.unit.test_security_page import local, secret_of


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    door.town.mfa = MfaTerms(MfaRequired.ALL, timedelta(days=7))
    return door


async def enrol_page(browser: Browser) -> Answer:
    answer = await browser.sign_in("alice")
    assert urlsplit(answer.location).path == "/login/enrol"
    return await browser.get(local(answer))


async def test_it_may_wait_within_the_grace(door: Door) -> None:
    """B-12: enrolment is offered at the next sign-in, and may be put off for a while."""
    browser = Browser(door)
    page = await enrol_page(browser)
    assert "You can do this later" in page.text
    answer = await browser.press("/login/enrol/later", page, ticket=page.hidden("ticket"))
    assert (answer.status, answer.location) == (303, "https://auth.example.test/")


async def test_without_grace_it_may_not(door: Door) -> None:
    door.town.mfa = replace(door.town.mfa, grace=None)
    browser = Browser(door)
    page = await enrol_page(browser)
    assert "/login/enrol/later" not in page.text
    answer = await browser.press("/login/enrol/later", page, ticket=page.hidden("ticket"))
    assert (answer.status, "A second factor is needed now" in answer.text) == (409, True)


async def test_an_app_and_its_recovery_codes_come_before_the_door_opens(door: Door) -> None:
    browser = Browser(door)
    page = await enrol_page(browser)
    ticket = page.hidden("ticket")
    shown = await browser.press("/login/enrol/totp", page, ticket=ticket)
    offer = shown.hidden("offer")
    wrong = await browser.press("/login/enrol/totp", shown, ticket=ticket, offer=offer, code="000000")
    assert (wrong.status, secret_of(wrong) == secret_of(shown)) == (403, True)
    code = make_code(secret_of(shown), step_of(door.clock.now()))
    answer = await browser.press("/login/enrol/totp", shown, ticket=ticket, offer=offer, code=code)
    assert urlsplit(answer.location).path == "/login/codes"
    assert "/login" in (await browser.get("/account")).location
    codes = await browser.get(local(answer))
    assert len(re.findall(r'<li class="code">', codes.text)) == 10
    fields = {"ticket": codes.hidden("ticket"), "offer": codes.hidden("offer")}
    unkept = await browser.press("/login/codes", codes, **fields)
    assert (unkept.status, codes.hidden("offer") == unkept.hidden("offer")) == (400, True)
    kept = await browser.press("/login/codes", codes, **fields, kept="1")
    assert (kept.status, kept.location) == (303, "https://auth.example.test/")
    assert (await browser.press("/login/codes", codes, **fields, kept="1")).status in {403, 409}


async def test_a_passkey_is_made_on_the_way_in(door: Door) -> None:
    browser = Browser(door)
    page = await enrol_page(browser)
    ticket = page.hidden("ticket")
    told = json.loads((await browser.press("/login/enrol/passkey/options", page, ticket=ticket)).text)
    bad = await browser.press("/login/enrol/passkey", page, ticket=ticket, offer=told["token"], answer="{}", name="")
    assert (bad.status, "That passkey was not accepted" in bad.text) == (403, True)
    told = json.loads((await browser.press("/login/enrol/passkey/options", page, ticket=ticket)).text)
    answer = Authenticator().create(json.dumps(told["publicKey"]))
    made = await browser.press("/login/enrol/passkey", page, ticket=ticket, offer=told["token"], answer=answer, name="")
    assert urlsplit(made.location).path == "/login/codes"


async def test_what_is_gone_leads_back_to_the_beginning(door: Door) -> None:
    browser = Browser(door)
    page = await enrol_page(browser)
    ticket = page.hidden("ticket")
    for path in ("enrol/later", "enrol/totp", "enrol/passkey", "codes"):
        assert (await browser.press(f"/login/{path}", page, ticket="none")).status == 409
    assert (await browser.press("/login/enrol/passkey/options", page, ticket="none")).status == 409
    for path in ("enrol", "codes"):
        assert (await browser.get(f"/login/{path}?ticket=none")).status == 409
    # An offer that is gone: the choice is shown again.
    answer = await browser.press("/login/enrol/totp", page, ticket=ticket, offer="none", code="123456")
    assert answer.status == 409
