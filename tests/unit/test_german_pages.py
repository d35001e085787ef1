"""The pages at the door in the visitor's own language, and back in English for everybody else."""

import re

from doorward.rules.reason import Reason
from doorward.web.pages.denial import DenialPage
from tests.fakes.door import Browser, Door
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


def test_a_closed_door_says_why_in_german() -> None:
    door = Door()
    page = DenialPage(door.site, door.templates, door.assets, door.headers, door.clock)
    text = page(refusal(language="de"))[0].decode()
    assert "Accounting" in text
    assert "Keine Regel lässt Ihr Konto dies öffnen." in text
    assert "%(" not in text
    assert Reason.NO_RULE.sentence not in text
    assert "Accounting stays shut" in page(refusal(language="fr"))[0].decode()
