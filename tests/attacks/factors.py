"""People with second factors, and sign-ins that are half done."""

import base64
import json
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from doorward.rules.totp import PERIOD, make_code
from tests.attacks.stage import AUTH, Browser, Person, Stage, handed_out
from tests.attacks.wire import Answer
from tests.fakes.authenticator import Authenticator


@dataclass(frozen=True, slots=True)
class Guarded:
    """Somebody with an authenticator app, whose step `step` has been used, and with recovery codes."""

    person: Person
    secret: bytes
    step: int
    codes: tuple[str, ...]

    def code(self, after: int = 1) -> str:
        """The code so many steps after the one that was used. One step ahead is taken, as by a clock that is fast."""
        return make_code(self.secret, self.step + after)


def local(answer: Answer) -> str:
    """Where an answer leads, on our own host."""
    parts = urlsplit(answer.one("location").decode())
    assert (answer.status, parts.netloc) in {(303, ""), (303, AUTH.decode())}, answer
    return parts.path + (f"?{parts.query}" if parts.query else "")


def own_form(browser: Browser, target: str = "/logout") -> dict[str, str]:
    """The token of whoever is signed in there, as every form of theirs holds it."""
    return {"csrf_token": browser.open_form(target).fields["csrf_token"]}


def begin(browser: Browser, target: str, form: dict[str, str]) -> tuple[str, str]:
    """Have something offered: the page that shows it, and its token."""
    offered = local(browser.post(target, form))
    return browser.get(offered).body.decode(), offered.partition("?offer=")[2]


def guard(stage: Stage) -> Guarded:
    """Set up an authenticator app and recovery codes, through the pages."""
    person = stage.newcomer("users")
    browser = stage.signed_in(person)
    form = own_form(browser)
    page, form["offer"] = begin(browser, "/account/totp", form)
    shown = re.search(r'class="secret code" data-copy>([A-Z2-7 ]+)<', page)
    assert shown
    secret = base64.b32decode(shown[1].replace(" ", ""))
    step = int(time.time()) // PERIOD
    enabled = browser.post("/account/totp", {**form, "code": make_code(secret, step)})
    assert local(enabled) == "/account/security?done=totp-codes"
    del form["offer"]
    page, form["offer"] = begin(browser, "/account/codes", form)
    codes = re.findall(r'<li class="code">([0-9a-z-]{19})</li>', page)
    kept = browser.post("/account/codes/keep", {**form, "kept": "1"})
    assert (local(kept), len(codes)) == ("/account/security?done=codes", 10)
    return Guarded(person, secret, step, tuple(codes))


def half_way(stage: Stage, person: Person, *, known: bool = True) -> tuple[Browser, dict[str, str]]:
    """A browser that has shown the right password, and the fields of the form it stands at.

    `known`: the account has seen this device before, which is then not slowed down by what others try.
    """
    browser = stage.known(person) if known else stage.browser()
    answer = browser.sign_in(person)
    assert handed_out(answer) == []
    form = browser.open_form(local(answer))
    assert form.action in {"/login/factor", "/login/passkey"}
    return browser, form.fields


def enter(browser: Browser, person: Person, target: str, fields: dict[str, str]) -> int:
    """Show a proof; the status. Whoever gets in is noted."""
    answer = browser.post(target, fields)
    browser.stage.live |= dict.fromkeys(handed_out(answer), person)
    assert (answer.status == 303) == (handed_out(answer) != [])
    return answer.status


# Passkeys


def ask(browser: Browser, target: str, fields: dict[str, str]) -> tuple[str, str]:
    """What our script is given: the options for the browser, as JSON text, and the token that goes with them."""
    answer = browser.post(target, fields)
    assert answer.status == 200, answer
    told = json.loads(answer.body)
    return json.dumps(told["publicKey"]), told["token"]


def add_passkey(browser: Browser, authenticator: Authenticator, **changes: object) -> Answer:
    """Make a passkey and have it kept, as our script does."""
    form = own_form(browser)
    options, offer = ask(browser, "/account/passkeys/options", form)
    return browser.post(
        "/account/passkeys",
        {**form, "offer": offer, "answer": authenticator.create(options, **changes), "name": "mine"},
    )


def give_passkey(stage: Stage, person: Person, authenticator: Authenticator) -> None:
    """Give somebody a passkey."""
    assert local(add_passkey(stage.signed_in(person), authenticator)).startswith("/account/security?done=passkey")


def at_the_door(stage: Stage, *, address: str = "") -> tuple[Browser, dict[str, str], str]:
    """A browser that a passkey is asked for: its form, and the options."""
    browser = stage.browser(address)
    fields = browser.open_form().fields
    return browser, fields, ask(browser, "/login/passkey/options", fields)[0]


def make_key(browser: Browser, name: str) -> str:
    """Make a key for the first app there is, on the page; what is shown, once."""
    form = browser.open_form("/keys/new").fields
    page = browser.post("/keys/new", {**form, "name": name, "app-0": "App"})
    shown = re.search(rb'class="secret code" data-copy>(dw_[0-9A-Za-z_]+)<', page.body)
    assert shown, page
    return shown[1].decode()
