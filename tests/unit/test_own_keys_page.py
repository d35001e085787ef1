"""One's own keys, through the pages: made, shown once, seen, renamed, woken, revoked."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from doorward.flows.acting import CLI
from doorward.flows.key_uses import use_place
from doorward.rules.app_key import ApiScope, KeyUse, parse_key
from doorward.rules.key_use import KeyPlace
from doorward.rules.key_wish import KeyTerms
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.policy import Policy
from doorward.web.pages.key_form import network_of
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.second import code_of, find_user, give_totp

KEYS, NEW = "/keys", "/keys/new"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice", display_name="Alice Liddell")
    await door.add_user("root", admin=True)
    return door


@pytest.fixture
async def alice(door: Door) -> Browser:
    return await enter(door, "alice")


async def enter(door: Door, name: str) -> Browser:
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


def local(answer: Answer) -> str:
    parts = urlsplit(answer.location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def text_of(page: Answer) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text)))


def key_of(page: Answer) -> str:
    found = re.search(r'class="secret code" data-copy>([^<]+)<', page.text)
    assert found, page.text
    return found[1]


async def ask(browser: Browser, **fields: str) -> Answer:
    """Fill the form in and send it."""
    return await browser.press(NEW, await browser.get(NEW), **{"name": "Phone", "app-0": "Grafana", **fields})


async def keys_of(door: Door, name: str = "alice"):
    user = await find_user(door.town, name)
    async with door.store.records.transaction() as transaction:
        return await transaction.list_app_keys(user.id)


async def test_whoever_has_none_is_told_what_keys_are_for(alice: Browser) -> None:
    page = await alice.get(KEYS)
    assert "You have no keys" in page.text
    assert "A key lets one device or program in" in page.text
    assert 'href="/keys/new"' in page.text
    for other in ("/account", "/account/security", "/account/profile", "/sessions"):
        assert 'href="/keys"' in (await alice.get(other)).text


async def test_a_key_is_shown_once_with_lines_that_are_ready(door: Door, alice: Browser) -> None:
    """A-20: shown once, as text, picture and ready lines, and never kept by the browser."""
    page = await ask(alice)
    assert (page.status, page.header("cache-control")) == (200, "no-store")
    key = key_of(page)
    parsed = parse_key(key)
    assert parsed is not None
    (made,) = await keys_of(door)
    assert (made.id, made.name, made.apps) == (parsed[0], "Phone", ("Grafana",))
    for line in (
        f"curl -H 'X-Api-Key: {key}' https://grafana.example.test/",
        f"curl -H 'Authorization: Bearer {key}' https://grafana.example.test/",
        f"curl -u alice:{key} https://grafana.example.test/",
        "git clone https://alice@grafana.example.test/OWNER/REPOSITORY.git",
        f'X-Api-Key: "{key}"',
    ):
        assert line in unescape(page.text)
    assert "<svg" in page.text
    assert key not in (await alice.get(KEYS)).text
    assert made.preview in (await alice.get(KEYS)).text
    assert all(key not in repr(each) for each in (*door.log.events, *door.town.audit))


async def test_sending_the_form_again_says_that_it_was_shown_once(door: Door, alice: Browser) -> None:
    """A reload of the page with the key, or the way back to it, makes no second one and counts for no limit."""
    form = await alice.get(NEW)
    fields = {"name": "Phone", "app-0": "Grafana"}
    key = key_of(await alice.press(NEW, form, **fields))
    for _ in range(9):
        again = await alice.press(NEW, form, **fields)
        assert again.status == 400
        assert "it was shown once" in again.text
        assert key not in again.text
    assert len(await keys_of(door)) == 1


async def test_every_choice_is_kept_with_the_key_and_said_in_words(door: Door, alice: Browser) -> None:
    page = await ask(
        alice,
        paths="/api/dashboards\r\n/feeds/",
        methods="get head",
        networks="192.0.2.0/24, 2001:db8::/32",
        expires="30",
        read_only="on",
        **{"scope-read": "on", "app-1": "Wiki", "app-0": "Grafana"},
    )
    assert page.status == 200, text_of(page)
    (key,) = await keys_of(door)
    assert key.apps == ("Grafana", "Wiki")
    assert key.paths == ("/api/dashboards", "/feeds")
    assert key.methods == {"GET", "HEAD"}
    assert [str(network) for network in key.networks] == ["192.0.2.0/24", "2001:db8::/32"]
    assert key.expires_at is not None
    assert key.expires_at - key.made_at == timedelta(days=30)
    assert (key.read_only, key.in_url, key.scopes) == (True, False, {ApiScope.READ})
    assert "https://auth.example.test/api/v1/account" in page.text
    shown = text_of(await alice.get(KEYS))
    for words in (
        "Opens Grafana, Wiki",
        "Only below /api/dashboards /feeds",
        "Only reading",
        "Only with GET HEAD",
        "Only from 192.0.2.0/24 2001:db8::/32",
        "With Doorward itself reads what is its owner's",
        "Last used never",
    ):
        assert words in shown


async def test_it_may_be_bound_to_the_network_one_is_in(door: Door, alice: Browser) -> None:
    page = await alice.get(NEW)
    assert "Only from the network I am in now (127.0.0.1)" in page.text
    assert (await ask(alice, here="on")).status == 200
    (key,) = await keys_of(door)
    assert [str(network) for network in key.networks] == ["127.0.0.1/32"]


def test_a_network_at_home_is_the_address_or_what_a_home_gets() -> None:
    assert network_of(ip_address("203.0.113.7")) == "203.0.113.7"
    assert network_of(ip_address("::ffff:203.0.113.7")) == "203.0.113.7"
    assert network_of(ip_address("2001:db8:1:2:3::4")) == "2001:db8:1:2::/64"


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"name": "  "}, "name", "Give the key a name"),
        ({"app-0": ""}, "apps", "Choose at least one app"),
        ({"paths": "feeds"}, "paths", "with a slash first"),
        ({"paths": "/a\r\n/b/../c"}, "paths", "with a slash first"),
        ({"methods": "GET,POST"}, "methods", "with spaces between them"),
        ({"networks": "192.0.2.7/24"}, "networks", "zeros behind the mask"),
    ],
)
async def test_what_cannot_be_had_is_marked_and_everything_else_stays_filled_in(
    door: Door, alice: Browser, fields: dict[str, str], field: str, sentence: str
) -> None:
    kept = {"name": "Kitchen", "app-1": "Wiki", "expires": "90", "read_only": "on", "scope-write": "on"}
    sent = {**kept, **fields}
    if field == "apps":
        sent = {name: value for name, value in sent.items() if not name.startswith(("app-", "scope-"))}
    page = await alice.press(NEW, await alice.get(NEW), **sent)
    assert page.status == 400
    assert sentence in page.text
    assert f'id="{field}-wrong"' in page.text
    assert '<option value="90" selected' in page.text
    assert re.search(r'id="read_only"[^>]* checked', page.text)
    if field != "apps":
        assert re.search(r'value="Wiki" checked', page.text)
        assert re.search(r'id="scope-write"[^>]* checked', page.text)
    assert await keys_of(door) == []


async def test_what_only_the_rules_know_is_said_as_they_say_it(door: Door, alice: Browser) -> None:
    """A key for an app its owner cannot open, and one that administers, are not to be had."""
    for fields in ({"app-0": "Vault"}, {"scope-admin": "on"}):
        page = await ask(alice, **fields)
        assert (page.status, "The key was not made." in page.text) == (400, True)
    assert await keys_of(door) == []
    assert "Vault" not in (await alice.get(NEW)).text
    assert 'name="scope-admin"' not in (await alice.get(NEW)).text
    assert 'name="scope-admin"' in (await (await enter(door, "root")).get(NEW)).text


@pytest.mark.parametrize("fields", [{"expires": "3"}, {"scope-everything": "on"}])
async def test_what_the_page_does_not_offer_is_refused(alice: Browser, fields: dict[str, str]) -> None:
    assert (await ask(alice, **fields)).status == 400


async def test_policy_binds_how_long_it_lasts_and_the_page_says_so(door: Door, alice: Browser) -> None:
    door.flows.app_keys.terms = KeyTerms(max_lifetime=timedelta(days=60), default_lifetime=timedelta(days=14))
    page = await alice.get(NEW)
    assert "Here no key lasts longer than 60 days." in page.text
    assert "as usual here: 14 days" in page.text
    assert '<option value="90"' not in page.text
    assert "forever" not in page.text
    for expires in ("90", "forever"):
        answer = await ask(alice, expires=expires)
        assert (answer.status, "may not last so long" in answer.text) == (400, True)
    assert (await ask(alice)).status == 200
    (key,) = await keys_of(door)
    assert key.expires_at == key.made_at + timedelta(days=14)


async def test_without_policy_it_may_have_no_end(door: Door, alice: Browser) -> None:
    door.flows.app_keys.terms = KeyTerms(default_lifetime=timedelta(days=365))
    assert 'value="forever"' in (await alice.get(NEW)).text
    assert (await ask(alice, expires="forever")).status == 200
    (key,) = await keys_of(door)
    assert key.expires_at is None


async def test_a_key_stands_in_an_address_only_where_the_app_allows_it(door: Door, alice: Browser) -> None:
    """A key in an address is opt-in twice: by the app, and by who makes it."""
    assert 'name="in_url"' not in (await alice.get(NEW)).text
    apps = [replace(app, url_keys=True) if app.name == "Wiki" else app for app in door.policy.apps]
    door.policy = Policy(door.policy.rules, apps=apps)
    assert "can only be given an address, at Wiki." in text_of(await alice.get(NEW))
    page = await ask(alice, in_url="on", **{"app-0": "Wiki"})
    assert f"https://wiki.example.test/?dw_key={key_of(page)}" in page.text
    some = await ask(alice, name="Some", in_url="on", **{"app-1": "Wiki"})
    assert (some.status, "take no key in an address" in some.text) == (400, True)
    both = await ask(alice, name="Both", in_url="on", **{"app-0": "Wiki", "scope-read": "on"})
    assert (both.status, "cannot be for Doorward itself" in both.text) == (400, True)


async def test_an_app_that_takes_no_keys_is_not_offered(door: Door, alice: Browser) -> None:
    apps = [replace(app, keys=app.name != "Wiki") for app in door.policy.apps]
    door.policy = Policy(door.policy.rules, apps=apps)
    page = await alice.get(NEW)
    assert 'value="Wiki"' not in page.text
    assert 'value="Grafana" checked' in page.text


async def test_an_app_is_chosen_where_the_address_names_it_or_there_is_no_other(door: Door, alice: Browser) -> None:
    assert 'value="Wiki" checked' in (await alice.get(f"{NEW}?app=Wiki")).text
    assert "checked" not in (await alice.get(NEW)).text
    door.policy = Policy(door.policy.rules, apps=door.policy.apps[2:3])
    assert 'value="Wiki" checked' in (await alice.get(NEW)).text
    door.policy = Policy([])
    assert "There is no app that this account may open with a key." in (await alice.get(NEW)).text


async def test_one_is_revoked_and_the_others_are_as_they_were(door: Door, alice: Browser) -> None:
    """A-21."""
    await ask(alice)
    await ask(alice, name="Script")
    page = await alice.get(KEYS)
    phone = next(key for key in await keys_of(door) if key.name == "Phone")
    assert local(await alice.press("/keys/revoke", page, key=phone.id)) == f"{KEYS}?done=revoked"
    assert [key.name for key in await keys_of(door)] == ["Script"]
    assert "your other keys are as they were" in (await alice.get(f"{KEYS}?done=revoked")).text
    assert local(await alice.press("/keys/revoke", page, key=phone.id)) == f"{KEYS}?done=gone"


async def test_somebody_elses_key_looks_like_none(door: Door, alice: Browser) -> None:
    """G15: by its id nobody but its owner touches a key."""
    await ask(alice)
    (key,) = await keys_of(door)
    root = await enter(door, "root")
    page = await root.get(NEW)
    for act, fields in (("revoke", {}), ("rename", {"name": "Mine"}), ("wake", {})):
        assert local(await root.press(f"/keys/{act}", page, key=key.id, **fields)) == f"{KEYS}?done=gone"
    assert await keys_of(door) == [key]


async def test_it_is_renamed(door: Door, alice: Browser) -> None:
    await ask(alice)
    await ask(alice, name="Script")
    page = await alice.get(KEYS)
    phone = next(key for key in await keys_of(door) if key.name == "Phone")
    assert local(await alice.press("/keys/rename", page, key=phone.id, name="Tablet")) == f"{KEYS}?done=renamed"
    for name, sentence in (("Script", "has this name already"), (" ", "That name cannot be used")):
        answer = await alice.press("/keys/rename", page, key=phone.id, name=name)
        assert (answer.status, sentence in answer.text) == (400, True)
    assert {key.name for key in await keys_of(door)} == {"Tablet", "Script"}


async def test_its_uses_are_seen_and_one_that_sleeps_is_woken(door: Door, alice: Browser) -> None:
    await ask(alice)
    (key,) = await keys_of(door)
    sealed = door.town.keyring.seal(use_place(key.id), KeyPlace("198.51.100.9", "curl").write())
    async with door.store.records.transaction() as transaction:
        await transaction.note_key_uses([KeyUse(key.id, door.clock.now(), sealed)])
        (used,) = await transaction.list_app_keys()
        assert await transaction.advance_app_key(used, replace(used, disabled_at=door.clock.now()))
    page = await alice.get(KEYS)
    for words in ("From 198.51.100.9", "Used 1 time", "asleep", "put to sleep"):
        assert words in text_of(page)
    assert local(await alice.press("/keys/wake", page, key=key.id)) == f"{KEYS}?done=woken"
    assert local(await alice.press("/keys/wake", page, key=key.id)) == f"{KEYS}?done=gone"
    async with door.store.records.transaction() as transaction:
        await transaction.note_key_uses([KeyUse(key.id, door.clock.now(), "tampered")])
    assert "From unknown" in text_of(await alice.get(KEYS))


async def test_an_expired_key_is_marked(door: Door, alice: Browser) -> None:
    await ask(alice, expires="7")
    door.clock.advance(timedelta(days=8))
    assert "expired" in text_of(await (await enter(door, "alice")).get(KEYS))


async def test_making_and_waking_ask_for_a_recent_proof_and_revoking_does_not(door: Door, alice: Browser) -> None:
    """B-16: a stolen session makes no key that outlives it; what was lost is revoked without delay."""
    await ask(alice)
    page = await alice.get(KEYS)
    (key,) = await keys_of(door)
    door.clock.advance(timedelta(minutes=20))
    confirm = (await alice.get(f"{NEW}?app=Wiki")).location
    assert "/login?confirm=1" in confirm
    assert "keys%2Fnew%3Fapp%3DWiki" in confirm
    for path in ("new", "wake"):
        assert "/login?confirm=1" in (await alice.press(f"/keys/{path}", page, key=key.id)).location
    assert local(await alice.press("/keys/rename", page, key=key.id, name="Tablet")) == f"{KEYS}?done=renamed"
    assert local(await alice.press("/keys/revoke", page, key=key.id)) == f"{KEYS}?done=revoked"


async def test_whoever_has_a_factor_shows_it_before_there_is_a_key(door: Door) -> None:
    """B-12: the password alone makes nothing that passes by the second factor."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    browser = await enter(door, "alice")
    answer = await ask(browser)
    assert "need=two_factor" in answer.location
    assert await keys_of(door) == []
    page = await browser.get(local(await browser.get(local(answer))))
    await browser.press("/login/factor", page, ticket=page.hidden("ticket"), code=code_of(door.town))
    assert (await ask(browser)).status == 200


async def test_in_a_lockdown_nobody_makes_or_wakes_one_and_the_page_says_why(door: Door, alice: Browser) -> None:
    await ask(alice)
    (key,) = await keys_of(door)
    await door.flows.lockdowns.begin(CLI, now=door.clock.now())
    again = await enter(door, "alice")
    page = await again.get(KEYS)
    assert "no key opens anything" in page.text
    assert 'href="/keys/new"' not in page.text
    answer = await ask(again, name="Other")
    assert (answer.status, "Nothing can be added at present" in answer.text) == (409, True)
    assert local(await again.press("/keys/wake", page, key=key.id)) == f"{KEYS}?done=held"


async def test_too_many_in_an_hour_are_refused_with_how_long_to_wait(door: Door, alice: Browser) -> None:
    """A-23: five an hour, and what was filled in stays."""
    for number in range(5):
        assert (await ask(alice, name=f"Phone {number}")).status == 200
    page = await ask(alice, name="One more")
    assert (page.status, 'value="One more"' in page.text) == (429, True)
    assert int(page.header("retry-after")) > 0


async def test_a_name_that_was_taken_meanwhile_is_told(
    door: Door, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> list[object]:
        return []

    await ask(alice)
    monkeypatch.setattr(door.flows.app_keys, "list_of", nothing)
    page = await ask(alice)
    assert (page.status, "it was shown once" in page.text) == (400, True)


@pytest.mark.parametrize("path", ["new", "revoke", "rename", "wake"])
async def test_whoever_is_not_signed_in_goes_there_first(door: Door, path: str) -> None:
    guest = Browser(door)
    page = await guest.get("/login")
    assert "/login?rd=" in (await guest.press(f"/keys/{path}", page)).location
    assert "/login?rd=" in (await guest.get(KEYS)).location
    assert "/login?rd=" in (await guest.get(NEW)).location
