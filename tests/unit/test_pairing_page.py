"""`/device`: a code is typed, whoever asks is seen, and the answer is a form of this page and nothing else."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from ipaddress import ip_address
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from doorward.flows.app_keys import AppKeys
from doorward.flows.pairing import Begun, Paired
from doorward.rules.key_wish import KeyTerms
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.login import Failure
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.pairing import Answer
from doorward.rules.travel import Place
from tests.fakes.devices import PHONE
from tests.fakes.door import Answer as Page
from tests.fakes.door import Browser, Door
from tests.fakes.second import give_totp

DEVICE, ANSWER = "/device", "/device/answer"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice", display_name="Alice Liddell")
    return door


@pytest.fixture
async def alice(door: Door) -> Browser:
    return await enter(door, "alice")


async def enter(door: Door, name: str) -> Browser:
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


async def begin(door: Door, client: str = "Wiki Reader", scope: str = "", visitor=PHONE) -> Begun:
    begun = await door.flows.pairing.begin(client, scope, visitor, now=door.clock.now())
    assert isinstance(begun, Begun)
    return begun


async def fetch(door: Door, begun: Begun, client: str = "Wiki Reader") -> Paired | Answer:
    return await door.flows.pairing.fetch(begun.device_code, client, PHONE, now=door.clock.now())


async def look(browser: Browser, code: str) -> Page:
    return await browser.press(DEVICE, await browser.get(DEVICE), code=code)


async def answer(browser: Browser, page: Page, code: str, act: str = "approve", **fields: str) -> Page:
    return await browser.press(ANSWER, page, **{"code": code, "act": act, "name": "Phone", **fields})


def text_of(page: Page) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text)))


async def test_a_device_is_let_in(door: Door, alice: Browser) -> None:
    begun = await begin(door, scope="app:wiki")
    page = await look(alice, begun.user_code.lower().replace("-", " "))
    assert page.status == 200
    said = text_of(page)
    assert "A device asks to be let in" in said
    assert "Wiki Reader not checked" in said
    assert "198.51.100.9" in said
    assert begun.user_code in said
    done = await answer(alice, page, begun.user_code, **{"app-0": "Wiki", "read_only": "on", "expires": "30"})
    assert urlsplit(done.location).query == "done=approved"
    paired = await fetch(door, begun)
    assert isinstance(paired, Paired)
    assert (paired.key.apps, paired.key.read_only, paired.key.name) == (("Wiki",), True, "Phone")
    assert paired.key.expires_at == door.clock.now() + timedelta(days=30)
    page = await alice.get("/device?done=approved")
    assert "You can go back to your device" in page.text
    assert 'href="/keys"' in page.text


async def test_a_device_is_refused(door: Door, alice: Browser) -> None:
    begun = await begin(door)
    done = await answer(alice, await look(alice, begun.user_code), begun.user_code, "refuse")
    assert urlsplit(done.location).query == "done=refused"
    assert "worth nothing any more" in (await alice.get("/device?done=refused")).text
    assert await fetch(door, begun) is Answer.DENIED


async def test_whoever_is_not_signed_in_comes_back_with_the_code(door: Door) -> None:
    begun = await begin(door)
    answer = await Browser(door).get(f"/device?code={begun.user_code}")
    (back,) = parse_qs(urlsplit(answer.location).query)["rd"]
    assert back == f"https://auth.example.test/device?code={begun.user_code}"
    answer = await Browser(door).get("/device?code=" + quote('"><script>&rd=//evil.test'))
    (back,) = parse_qs(urlsplit(answer.location).query)["rd"]
    assert urlsplit(back).netloc == "auth.example.test"


async def test_a_code_in_the_address_is_only_filled_in(door: Door, alice: Browser) -> None:
    """RFC 8628, 5.4: nothing happens by following a link, not even a look."""
    begun = await begin(door)
    page = await alice.get(f"/device?code={begun.user_code.replace('-', '').lower()}")
    assert page.hidden("code") == begun.user_code
    assert "came with the address you followed" in page.text
    assert "Wiki Reader" not in page.text
    odd = await alice.get("/device?code=%3Cscript%3E")
    assert "script&gt;" not in odd.text
    assert odd.hidden("code") == ""
    assert await fetch(door, begun) is Answer.PENDING


@pytest.mark.parametrize("path", [DEVICE, ANSWER])
async def test_a_form_of_another_site_or_session_does_nothing(door: Door, alice: Browser, path: str) -> None:
    """K02: and neither does another's session with this one's form."""
    begun = await begin(door)
    fields = {"code": begun.user_code, "act": "approve", "name": "Phone", "app-0": "Wiki"}
    assert (await alice.post(path, fields)).status == 403
    page = await look(alice, begun.user_code)
    token = page.hidden("csrf_token")
    elsewhere = await alice.post(path, {**fields, "csrf_token": token}, origin="https://evil.test")
    assert elsewhere.status == 403
    await door.add_user("bob")
    bob = await enter(door, "bob")
    assert (await bob.post(path, {**fields, "csrf_token": token})).status == 403
    assert await fetch(door, begun) is Answer.PENDING


async def test_recent_proof_is_asked_for_with_the_code_in_hand(door: Door, alice: Browser) -> None:
    begun = await begin(door)
    page = await look(alice, begun.user_code)
    door.clock.advance(timedelta(minutes=6))
    asked = await alice.get(f"/device?code={begun.user_code}")
    query = parse_qs(urlsplit(asked.location).query)
    assert (query["confirm"], query["rd"]) == (["1"], [f"https://auth.example.test/device?code={begun.user_code}"])
    door.clock.advance(timedelta(minutes=10))
    again = await begin(door)
    for path in (DEVICE, ANSWER):
        stale = await alice.press(path, page, code=again.user_code, act="approve", name="Phone", **{"app-0": "Wiki"})
        assert parse_qs(urlsplit(stale.location).query)["confirm"] == ["1"]
    assert parse_qs(urlsplit((await alice.get(DEVICE)).location).query)["rd"] == ["https://auth.example.test/device"]
    assert await fetch(door, again) is Answer.PENDING


async def test_whoever_has_a_second_factor_shows_it_first(door: Door) -> None:
    """B-12: a key passes by every other proof."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    browser = await enter(door, "alice")
    begun, page = await begin(door), await browser.get(DEVICE)
    for path in (DEVICE, ANSWER):
        asked = await browser.press(path, page, code=begun.user_code, act="approve")
        query = parse_qs(urlsplit(asked.location).query)
        assert (query["need"], query["rd"]) == (
            ["two_factor"],
            [f"https://auth.example.test/device?code={begun.user_code}"],
        )


async def test_what_a_device_says_of_itself_is_shown_as_that(door: Door, alice: Browser) -> None:
    """A name can be anything: it is cleaned, escaped, and marked as unchecked."""
    begun = await begin(door, "<img src=x onerror=alert(1)>\u202eDoorward")
    page = await look(alice, begun.user_code)
    assert "<img src=x" not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;\ufffdDoorward" in page.text
    assert "not checked" in page.text


async def test_a_device_from_elsewhere_is_warned_of(door: Door, alice: Browser) -> None:
    """RFC 8628, 5.4."""
    door.town.places["198.51.100.9"] = Place("Oslo", "", "Norway")
    page = await look(alice, (await begin(door)).user_code)
    said = text_of(page)
    assert "This device is in another network than you." in said
    assert "198.51.100.9 · Oslo, Norway another network" in said
    assert "You are at 127.0.0.1" in said
    home = replace(PHONE, address=ip_address("127.0.0.1"))
    said = text_of(await look(alice, (await begin(door, visitor=home)).user_code))
    assert "127.0.0.1 your network" in said
    assert "another network" not in said
    nowhere = replace(PHONE, address=None, user_agent="")
    said = text_of(await look(alice, (await begin(door, visitor=nowhere)).user_code))
    assert "We cannot tell which network this device is in." in said
    assert "It looks like" not in said


async def test_what_was_asked_for_by_name_is_ticked_and_nothing_else(door: Door, alice: Browser) -> None:
    named = await look(alice, (await begin(door, scope="app:wiki app:vault host:wiki.example.test read")).user_code)
    assert re.findall(r'name="([a-z]+-\w+)" value="([^"]*)" checked', named.text) == [
        ("app-0", "Wiki"),
        ("host-0", "wiki.example.test"),
        ("scope-read", "on"),
    ]
    assert "does not get it: vault" in text_of(named)
    assert 'name="scope-write"' not in named.text
    unnamed = await look(alice, (await begin(door)).user_code)
    assert re.findall(r'name="(app-\d)" value="[^"]*"( checked)?', unnamed.text)
    assert " checked>" not in unnamed.text
    assert "It did not say which." in unnamed.text


async def test_a_device_that_asks_for_nothing_one_has_can_only_be_refused(door: Door, alice: Browser) -> None:
    page = await look(alice, (await begin(door, scope="app:vault")).user_code)
    assert "There is nothing in it that this account could give. It asks for: vault" in text_of(page)
    assert 'value="approve"' not in page.text
    assert 'value="refuse"' in page.text


async def test_a_host_and_our_own_api_can_be_all_that_is_given(door: Door, alice: Browser) -> None:
    begun = await begin(door, scope="host:wiki.example.test write")
    page = await look(alice, begun.user_code)
    done = await answer(alice, page, begun.user_code, **{"host-0": "wiki.example.test", "scope-write": "on"})
    assert done.status == 303
    paired = await fetch(door, begun)
    assert isinstance(paired, Paired)
    assert paired.reach.text == "host:wiki.example.test write"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose at least one app"),
        ({"app-0": "Wiki", "name": ""}, "Please look at what is marked below"),
        ({"app-0": "Wiki", "expires": "nonsense"}, ""),
        ({"app-0": "Vault"}, "The device did not ask for this."),
        ({"scope-admin": "on", "app-0": "Wiki"}, "The device did not ask for this."),
        ({"in_url": "on", "here": "on", "paths": "/x", "app-0": "Vault"}, "The device did not ask for this."),
    ],
)
async def test_what_cannot_be_given_is_said_and_the_code_is_good_still(
    door: Door, alice: Browser, fields, said
) -> None:
    begun = await begin(door)
    page = await answer(alice, await look(alice, begun.user_code), begun.user_code, **fields)
    assert page.status == 400
    assert said in text_of(page)
    if said:
        assert await fetch(door, begun) is Answer.PENDING
        assert (await answer(alice, page, begun.user_code, **{"app-0": "Wiki"})).status == 303


async def test_too_many_keys_are_said_when_a_device_is_approved(door: Door, alice: Browser) -> None:
    """A-19."""
    door.flows.app_keys.terms = KeyTerms(max_keys=1)
    first, second = await begin(door), await begin(door)
    assert (await answer(alice, await look(alice, first.user_code), first.user_code, **{"app-0": "Wiki"})).status == 303
    await fetch(door, first)
    page = await answer(alice, await look(alice, second.user_code), second.user_code, **{"app-0": "Wiki"})
    assert page.status == 400
    assert "This account has 1 keys already: revoke one first." in text_of(page)
    assert isinstance(door.flows.app_keys, AppKeys)


async def test_a_code_that_leads_nowhere_is_said_to(door: Door, alice: Browser) -> None:
    for typed in ("BCDF-GHJK", "nonsense", ""):
        page = await look(alice, typed)
        assert page.status == 400
        assert "No device waits under this code." in page.text
        assert page.hidden("code") == typed
    begun = await begin(door)
    page = await look(alice, begun.user_code)
    await answer(alice, page, begun.user_code, **{"app-0": "Wiki"})
    for act in ("approve", "refuse"):
        again = await answer(alice, page, begun.user_code, act, **{"app-0": "Wiki"})
        assert "No device waits under this code." in again.text
    assert "No device waits under this code." in (await answer(alice, page, begun.user_code)).text


async def test_guesses_come_to_an_end(door: Door, alice: Browser) -> None:
    """RFC 8628, 5.1."""
    begun = await begin(door)
    for _ in range(10):
        page = await look(alice, "BCDF-GHJK")
    for limited in (
        await look(alice, begun.user_code),
        await answer(alice, page, begun.user_code, **{"app-0": "Wiki"}),
        await answer(alice, page, begun.user_code),
        await answer(alice, page, begun.user_code, "refuse"),
    ):
        assert limited.status == 429
        assert limited.header("retry-after") == "60"
    assert await fetch(door, begun) is Answer.PENDING


async def test_nothing_is_let_in_during_a_lockdown(door: Door, alice: Browser) -> None:
    """E-90."""
    begun = await begin(door)
    page = await look(alice, begun.user_code)
    async with door.store.records.transaction() as transaction:
        await transaction.put_setting(LOCKDOWN_SETTING, "{}")
    page = await answer(alice, page, begun.user_code, **{"app-0": "Wiki"})
    assert page.status == 409
    assert Failure.LOCKDOWN.sentence in unescape(page.text)
    assert await fetch(door, begun) is Answer.PENDING


async def test_the_pages_speak_german(door: Door, alice: Browser) -> None:
    begun = await begin(door)
    page = await alice.get(f"/device?code={begun.user_code}", accept_language="de")
    assert "Ein Gerät einlassen" in page.text
    page = await alice.press(DEVICE, page, code=begun.user_code)
    assert "A device asks" in page.text
    page = await alice.post(
        DEVICE, {"csrf_token": page.hidden("csrf_token"), "code": begun.user_code}, accept_language="de"
    )
    assert "Dieses Gerät ist in einem anderen Netz als Sie." in page.text
