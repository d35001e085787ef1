"""What may become a password (attacks E, P): one verdict, at every door where one is chosen."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.attacks.factors import local, own_form
from tests.attacks.hasty import HASTY
from tests.attacks.household import House
from tests.attacks.stage import CONFIG, ROOT, Browser, Person, Stage, handed_out, serving
from tests.attacks.wire import Answer
from tests.integration.processes import free_ports

SENTENCES = {
    "short": "It needs at least 8 characters.",
    "upper": "It needs an upper-case letter.",
    "lower": "It needs a lower-case letter.",
    "digit": "It needs a digit.",
    "special": "It needs a special character.",
    "repeats": "It repeats itself.",
    "common": "It is, or is built on, one of the most common passwords.",
    "name": "It may not contain your user name or e-mail address.",
    "long": "The password is too long.",
}
BAD = {
    "": {"short", "upper", "lower", "digit", "special"},
    "Ab1!xyz": {"short"},
    "quite lower case 1!": {"upper"},
    "QUITE UPPER CASE 1!": {"lower"},
    "No digit in sight!": {"digit"},
    "NothingSpecial4here": {"special"},
    "Aa1!Aa1!Aa1!": {"repeats"},
    "P@ssw0rd2024!": {"common"},
    "Zq7! {name} #z": {"name"},
    "Zq7! {upper} #z": {"name"},
    "Aa1! " + "x" * 1020: {"long"},
    "Aa1! " + "\u20ac" * 340: {"long"},
}
"""Passwords, and what is wrong with each: nothing more and nothing less is said."""
ODD = {
    "NUL": b"Aa1! quite long\x00x",
    "half a character": b"Aa1! quite long \xed\xa0\x80",
    "no text": b"Aa1! quite long \xff\xfe",
    "a megabyte": b"Aa1! " + b"x" * 1_000_000,
    "marks": b"Aa1! a" + "\u0301\u0327".encode() * 30_000,
}
"""What is refused as no password at all, before anything is counted or hashed."""

Try = Callable[[bytes], tuple[int, str]]
"""Choose this password; the status, and what was said. 0: the command line, which only refuses."""


def send_form(browser: Browser, target: str, fields: dict[str, str], names: tuple[str, ...]) -> Try:
    """A form of ours with the password in these fields."""
    rest = {name: value for name, value in fields.items() if name not in names}

    def attempt(password: bytes) -> tuple[int, str]:
        body = urlencode(rest | dict.fromkeys(names, "@")).encode()
        answer = browser.post(target, body.replace(b"=%40", b"=" + urlencode({"": password})[1:].encode()))
        return tell(answer)

    return attempt


def send_json(browser: Browser, target: str, fields: dict[str, object]) -> Try:
    """A call of the API."""
    key = (b"X-CSRF-Token", own_form(browser)["csrf_token"].encode())

    def attempt(password: bytes) -> tuple[int, str]:
        # As an escape where JSON has one; what is no text stays the bytes that it is.
        text = json.dumps(password.decode("utf-8", "surrogatepass")) if password[-1:] != b"\xfe" else "@"
        body = json.dumps({**fields, "password": "@"}).encode().replace(b'"@"', text.encode())
        body = body.replace(b"@", b'"' + password + b'"') if text == "@" else body
        return tell(browser.call("POST", target, (b"Content-Type", b"application/json"), key, body=body))

    return attempt


def run(stage: Stage, file: Path, *arguments: str) -> Try:
    """A command."""

    def attempt(password: bytes) -> tuple[int, str]:
        file.write_bytes(password)
        file.chmod(0o600)
        with pytest.raises(Exception, match=r".") as error:
            stage.command(*arguments, "--password-file", str(file))
        return 0, str(error.value)

    return attempt


def tell(answer: Answer) -> tuple[int, str]:
    """Status and text; nobody came in."""
    assert handed_out(answer) == []
    return answer.status, answer.body.decode()


BOTH = ("password", "password_again")


def open_doors(house: House, file: Path) -> dict[str, tuple[str, Try]]:
    """Every door at the house, with the name of the account that it is about."""
    stage = house.stage
    guest, forced, linked = (stage.newcomer() for _ in range(3))
    own, root = stage.signed_in(guest), stage.visitor(ROOT)
    stranger, name = stage.browser(), house.fresh()
    registering = {**stranger.open_form(house.invite()).fields, "name": name}
    assert house.act(forced.name, "force_password") == "force_password"
    owing, following = stage.browser(), stage.browser()
    owed = owing.open_form(local(owing.sign_in(forced)))
    page = following.open_form(house.hand_out(linked.name))
    reset = following.open_form(local(following.post(page.action, page.fields)))
    changing = {**own_form(own), "current": guest.password}
    adding = {**own_form(root), "name": name, "display_name": "", "email": "", "groups": ""}
    calling: dict[str, object] = {"current": guest.password}
    return {
        "invitation": (name, send_form(stranger, "/register", registering, BOTH)),
        "own page": (guest.name, send_form(own, "/account/password", changing, BOTH)),
        "forced": (forced.name, send_form(owing, owed.action, owed.fields, BOTH)),
        "link": (linked.name, send_form(following, reset.action, reset.fields, BOTH)),
        "console": (name, send_form(root, "/admin/users/new", adding, ("password",))),
        "API": (guest.name, send_json(own, "/api/v1/account/password", calling)),
        "API of administrators": (name, send_json(root, "/api/v1/users", {"name": name})),
        "command": (name, run(stage, file, "user", "add", name)),
        "command again": (guest.name, run(stage, file, "user", "set-password", guest.name)),
    }


def judge(stage: Stage, doors: dict[str, tuple[str, Try]]) -> None:
    """Try everything at each of them."""
    before = [stage.query(f"SELECT * FROM {table}") for table in ("users", "passwords")]
    for door, (name, attempt) in doors.items():
        for shape, expected in BAD.items():
            password = shape.format(name=name, upper=name.upper())
            status, text = attempt(password.encode())
            assert status in {0, 400, 422}, f"{door}: {shape[:20]}"
            said = {word for word, sentence in SENTENCES.items() if sentence.lower() in text.lower()}
            if status or shape:
                assert said == expected, f"{door}: {shape[:20]}"
        for what, raw in ODD.items():
            assert attempt(raw)[0] in {0, 400, 413, 422}, f"{door}: {what}"
    assert [stage.query(f"SELECT * FROM {table}") for table in ("users", "passwords")] == before


def test_a_password_is_judged_alike_at_every_door(house: House, tmp_path: Path) -> None:
    """E12, E13, E17, P14; E-17, E-19: too short, too long, too plain, too common, one's own name, and what is no text."""
    judge(house.stage, open_doors(house, tmp_path / "password"))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[tuple[Stage, str]]:
    """A house without anybody, and its link to set it up."""
    port, metrics = free_ports(2)
    with serving(tmp_path, CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics), port, program=HASTY) as stage:
        stage.gateway.process.wait_until(lambda: "/setup?token=" in stage.log)
        yield stage, "/setup?token=" + stage.log.split("/setup?token=")[1].split()[0]


def test_the_first_password_is_judged_like_every_other(empty: tuple[Stage, str]) -> None:
    """E12, E13, E17, P14: at setup; and the link is good for a better one."""
    stage, link = empty
    browser = stage.browser()
    fields = {**browser.open_form(link).fields, "name": "founder"}
    judge(stage, {"setup": ("founder", send_form(browser, "/setup", fields, BOTH))})
    fields |= dict.fromkeys(BOTH, "A better 1, at last!")
    assert browser.post("/setup", fields).status == 303


def test_every_byte_of_a_long_password_counts(house: House) -> None:
    """E12: where others read 72 bytes, or up to a NUL; the longest there is works, too."""
    stage, guest = house.stage, house.stage.newcomer()
    browser, password = stage.signed_in(guest), "Aa1! " + "x" * 1018 + "y"
    form = {**own_form(browser), "current": guest.password} | dict.fromkeys(BOTH, password)
    answer = browser.post("/account/password", form)
    assert answer.status == 303
    changed = Person(guest.name, guest.email, password)
    stage.people[guest.name] = changed
    stage.live |= dict.fromkeys(handed_out(answer), changed)
    for wrong in (password[:72], password[:-1], password[:-1] + "z", password[:255], password[:256], guest.password):
        assert stage.browser().try_password(guest.name, wrong).status == 403
    assert stage.browser().try_password(guest.name, password + "x").status in {400, 403}
    assert stage.browser().sign_in(changed).status == 303
