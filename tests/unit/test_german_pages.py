"""The pages at the door in the visitor's own language, and back in English for everybody else."""

import re

from doorward.rules.key_wish import KeyTerms
from doorward.rules.reason import Reason
from doorward.web.pages.denial import DenialPage
from tests.fakes.door import PASSWORD, Browser, Door
from tests.unit.test_denial_page import refusal

GERMAN = {"accept_language": "de-AT,de;q=0.9,en;q=0.5"}


async def test_a_browser_that_asks_for_german_gets_the_sign_in_page_in_german() -> None:
    door = Door()
    await door.add_user("root", admin=True)
    answer = await Browser(door).get("/login", **GERMAN)
    assert '<html lang="de">' in answer.text
    assert "<h1>Anmelden</h1>" in answer.text
    assert "Angemeldet bleiben, 7 Tage lang" in answer.text
    assert not re.search(r">[^<]*\b(Sign|Password|Guarded|Skip)\b", answer.text)
    assert '<html lang="en">' in (await Browser(door).get("/login", accept_language="fr")).text


async def test_what_went_wrong_is_said_in_german_too() -> None:
    door = Door()
    await door.add_user("root", admin=True)
    browser = Browser(door)
    form = await browser.get("/login", **GERMAN)
    fields = {name: form.hidden(name) for name in ("csrf_token", "ticket")} | {"login": "root", "password": "wrong"}
    answer = await browser.post("/login", fields, **GERMAN)
    assert "Benutzername oder Passwort stimmt nicht." in answer.text
    missing = await browser.get("/nowhere", accept="text/html", **GERMAN)
    assert "Hier ist nichts" in missing.text
    assert '<html lang="de">' in missing.text


async def test_what_is_wrong_with_the_first_password_is_said_in_german() -> None:
    door = Door()
    browser = Browser(door)
    setup = await browser.get(f"/setup?token={await door.setup_token()}", **GERMAN)
    assert "Mindestens 8 Zeichen, mit Groß- und Kleinbuchstaben" in setup.text
    fields = {name: setup.hidden(name) for name in ("csrf_token", "token")} | {"name": "root", "password": "x"}
    answer = await browser.post("/setup", fields, **GERMAN)
    assert "Es braucht mindestens 8 Zeichen. Es braucht einen Großbuchstaben." in answer.text


async def test_everything_that_is_wrong_with_a_new_password_is_said_in_german() -> None:
    door = Door()
    await door.add_user("root", admin=True)
    browser = Browser(door)
    await browser.sign_in("root")
    profile = await browser.get("/account/profile", **GERMAN)
    assert "Jetziges Passwort" in profile.text
    fields = {"csrf_token": profile.hidden("csrf_token"), "current": PASSWORD, "password": "x", "password_again": "y"}
    answer = await browser.post("/account/password", fields, **GERMAN)
    assert "Es braucht mindestens 8 Zeichen. Es braucht einen Großbuchstaben." in answer.text
    assert "Die beiden Passwörter sind nicht gleich." in answer.text


async def test_times_and_devices_are_written_as_in_german() -> None:
    door = Door()
    await door.add_user("root", admin=True)
    browser = Browser(door, agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    await browser.sign_in("root")
    answer = await browser.get("/sessions", **GERMAN)
    assert "Firefox unter Linux" in answer.text
    assert re.search(r'<time datetime="[0-9T:-]+Z">[0-9]{2}\.[0-9]{2}\.[0-9]{4} [0-9:]{5} UTC</time>', answer.text)


def test_a_closed_door_says_why_in_german() -> None:
    door = Door()
    page = DenialPage(door.site, door.templates, door.assets, door.headers, door.clock)
    text = page(refusal(language="de"))[0].decode()
    assert "Accounting" in text
    assert "Keine Regel lässt Ihr Konto dies öffnen." in text
    assert "%(" not in text
    assert Reason.NO_RULE.sentence not in text
    assert "Accounting stays shut" in page(refusal(language="fr"))[0].decode()


async def test_a_key_is_made_in_german() -> None:
    door = Door()
    await door.add_user("root", admin=True)
    browser = Browser(door)
    await browser.sign_in("root")
    assert "Sie haben keine Schlüssel" in (await browser.get("/keys", **GERMAN)).text
    form = await browser.get("/keys/new", **GERMAN)
    assert "Welche Apps öffnet er?" in form.text
    fields = {"csrf_token": form.hidden("csrf_token"), "name": ""}
    answer = await browser.post("/keys/new", fields, **GERMAN)
    assert "Wählen Sie wenigstens eine App" in answer.text
    made = await browser.post("/keys/new", {**fields, "name": "Telefon", "app-0": "Wiki"}, **GERMAN)
    assert "Kopieren Sie ihn jetzt" in made.text
    for path in ("/keys", "/keys/new", "/admin/app-keys", "/admin/app-keys/revoke-many", "/admin/services"):
        shown = (await browser.get(path, **GERMAN)).text
        assert not re.search(r">[^<]*\b(Make|Opens|Revoke|keys|Only|Services|asleep|never)\b", shown)


async def test_what_only_the_rules_of_keys_know_is_said_in_german() -> None:
    """A-19."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    door.flows.app_keys.terms = KeyTerms(max_keys=0)
    page = await browser.get("/keys/new", **GERMAN)
    fields = {"csrf_token": page.hidden("csrf_token"), "name": "Phone", "app-0": "Wiki"}
    told = await browser.post("/keys/new", fields, **GERMAN)
    assert told.status == 400
    assert "Dieses Konto hat schon so viele Schlüssel, wie es haben darf (0)" in told.text
