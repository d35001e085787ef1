"""Passkeys at the real sign-in (attacks G), with an authenticator that signs whatever it is told to."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.attacks.factors import add_passkey, ask, at_the_door, enter, give_passkey, half_way, local, own_form
from tests.attacks.household import CROWD, House
from tests.attacks.stage import ROOT, Browser, Person, Stage, handed_out
from tests.attacks.wire import Answer, write
from tests.fakes.authenticator import AT, BE, BS, UP, UV, Authenticator, cbor
from tests.fakes.keys import decode, encode

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
OTHER_ORIGINS = ["https://evil.test", "http://auth.example.test", "https://auth.example.test:8443", "https://auth.example.test/",
                 "https://auth.example.test.evil.test", "https://app.example.test", "https://example.test", "null", "",
                 "https://AUTH.example.test", "https://auth.example.test@evil.test", "android:apk-key-hash:x"]  # fmt: skip
HASHES = {
    name: hashlib.sha256(name.encode()).digest() for name in ("example.test", "evil.test", "AUTH.example.test", "")
}


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a passkey."""

    person: Person
    phone: Authenticator


def holder(stage: Stage, **how: Any) -> Holder:
    """Give somebody new a passkey."""
    made = Holder(stage.newcomer("users"), Authenticator(**how))
    give_passkey(stage, made.person, made.phone)
    return made


@pytest.fixture(scope="module")
def mine(street: House) -> Holder:
    """The one who is attacked."""
    return holder(street.stage, counts=1)


@pytest.fixture(scope="module")
def theirs(street: House) -> Holder:
    """The one who attacks."""
    return holder(street.stage, counts=1)


LIES: dict[str, dict[str, Any]] = {
    **{f"origin {origin}": {"origin": origin} for origin in OTHER_ORIGINS},
    **{f"relying party {name}": {"rp_id_hash": digest} for name, digest in HASHES.items()},
    "relying party of zeros": {"rp_id_hash": bytes(32)},
    "made, not used": {"type": "webauthn.create"},
    "paid with": {"type": "payment.get"},
    "no type": {"type": ""},
    "type in a list": {"type": ["webauthn.get"]},
    "nobody there": {"flags": UV},
    "nothing": {"flags": 0},
    "challenge of nobody": {"challenge": encode(bytes(32))},
    "challenge empty": {"challenge": ""},
    "challenge short": {"challenge": "AAAA"},
    "challenge a number": {"challenge": 1},
    "counter back": {"sign_count": 0},
    "synced all at once": {"flags": UP | UV | BE},
    "synced and backed up": {"flags": UP | UV | BE | BS},
    "backed up, not synced": {"flags": UP | UV | BS},
    "bytes after": {"extensions": b"\0"},
    "credential in an assertion": {"flags": UP | UV | AT},
    "no signature": {"signature": b""},
    "signature of zeros": {"signature": bytes(70)},
    "signature r=s=0": {"signature": bytes.fromhex("3006020100020100")},
    "other bytes than signed": {"client_data_afterwards": b'{"type":"webauthn.get"}'},
    "handle of zeros": {"response": {"userHandle": encode(bytes(22))}},
    "handle without end": {"response": {"userHandle": encode(b"A" * 5000)}},
    "handle not text": {"response": {"userHandle": 7}},
    "handle in another spelling": {"response": {"userHandle": "!!!!"}},
    "id padded": {"answer": {"id": "AA==", "rawId": "AA=="}},
    "two ids": {"answer": {"rawId": encode(bytes(32))}},
    "id unknown": {"answer": {"id": encode(bytes(32)), "rawId": encode(bytes(32))}},
    "id empty": {"answer": {"id": "", "rawId": ""}},
    "type of another": {"answer": {"type": "password"}},
    "no response": {"answer": {"response": None}},
    "client data in another coding": {"client_data": b'\xff\xfe{"type"'},
    "client data after a mark": {"client_data": b'\xef\xbb\xbf{"type":"webauthn.get"}'},
    "client data deep": {"client_data": b"[" * 4000},
    "client data twice": {"client_data": b'{"type":"webauthn.get","type":"webauthn.get"}'},
    "data cut": {"authenticator_data": bytes(36)},
    "data without end": {"authenticator_data": bytes(30_000)},
}  # fmt: skip


WORTHLESS = ["", "{}", "[]", "null", "x", '"x"', "[" * 8000, '{"id":' * 2000, '{"id":"\\ud800"}', '{"id":"AA","id":"AA"}',
             '{"id":NaN}', "1" * 5000, "A" * 60_000, "\0"]  # fmt: skip


def test_a_lie_opens_nothing(house: House, mine: Holder) -> None:
    """G02, G03, G05, G06, G08, G12, G14, G17, G18: by a passkey alone; no session, and no trace of use."""

    def lie(name: str) -> int:
        browser, fields, options = at_the_door(house.stage)
        return show(browser, mine, fields, mine.phone.get(options, **LIES[name]))

    used = house.stage.query("SELECT * FROM passkeys")
    assert at_once(house.stage, lie, LIES) == dict.fromkeys(LIES, 403)
    assert house.stage.query("SELECT * FROM passkeys") == used


def test_a_lie_is_no_second_proof(house: House, mine: Holder) -> None:
    """G02, G03, G05, G08, G12, G14, G17, G18: after the password, neither."""

    def lie(name: str) -> int:
        browser, fields = half_way(house.stage, mine.person)
        options, _ = ask(browser, "/login/passkey/options", fields)
        return show(browser, mine, fields, mine.phone.get(options, **LIES[name]))

    lies = list(LIES)[:: len(LIES) // 12]
    used = house.stage.query("SELECT * FROM passkeys")
    assert at_once(house.stage, lie, lies) == dict.fromkeys(lies, 403)
    assert house.stage.query("SELECT * FROM passkeys") == used
    forgive(house.stage)


def test_what_no_authenticator_says_is_a_wrong_answer(house: House, mine: Holder) -> None:
    """G12: at the door, and at the second proof."""

    def alone(answer: str) -> int:
        browser, fields, _ = at_the_door(house.stage)
        return show(browser, mine, fields, answer)

    def second(answer: str) -> int:
        browser, fields = half_way(house.stage, mine.person)
        ask(browser, "/login/passkey/options", fields)
        return show(browser, mine, fields, answer)

    for way in (alone, second):
        assert set(at_once(house.stage, way, WORTHLESS).values()) <= {400, 403}
    forgive(house.stage)


def test_a_touch_is_one_proof(house: House, mine: Holder) -> None:
    """G06: alone it is none; beside a password it is the second."""
    alone, fields, options = at_the_door(house.stage)
    assert enter(alone, mine.person, "/login/passkey", {**fields, "answer": mine.phone.get(options, flags=UP)}) == 403
    second, fields = half_way(house.stage, mine.person)
    options, _ = ask(second, "/login/passkey/options", fields)
    assert enter(second, mine.person, "/login/passkey", {**fields, "answer": mine.phone.get(options, flags=UP)}) == 303


def test_a_passkey_is_its_owners(house: House, mine: Holder, theirs: Holder) -> None:
    """G07: the account is the credential's, not the form's, the handle's or the password's."""
    stage = house.stage
    (credential,) = theirs.phone.credentials.values()
    (other,) = mine.phone.credentials.values()
    # Signing in alone, with the name of another typed and their handle sent.
    for more in ({}, {"response": {"userHandle": encode(other.user_handle)}}):
        browser, fields, options = at_the_door(stage)
        answer = theirs.phone.get(options, credential, **more)
        status = enter(
            browser, theirs.person, "/login/passkey", {**fields, "login": mine.person.name, "answer": answer}
        )
        assert status == (403 if more else 303)
        if not more:
            asked = stage.ask("traefik", cookie=browser.cookie())
            assert asked.one("x-forwarded-user-email") == theirs.person.email.encode()
    # As the second proof of somebody else, whose credentials the options name.
    for more in (
        {},
        {"response": {"userHandle": encode(other.user_handle)}},
        {"answer": {"id": encode(other.id), "rawId": encode(other.id)}},
    ):
        browser, fields = half_way(stage, mine.person)
        options, _ = ask(browser, "/login/passkey/options", fields)
        assert [decode(each["id"]) for each in json.loads(options)["allowCredentials"]] == [other.id]
        answer = theirs.phone.get(options, credential, **more)
        assert enter(browser, mine.person, "/login/passkey", {**fields, "answer": answer}) == 403


def test_a_challenge_is_for_one_sign_in_and_one_try(house: House, mine: Holder) -> None:
    """G02: not another ticket's, not another browser's, not one before it, not a second time, not without asking."""
    stage = house.stage
    first, one, options = at_the_door(stage)
    second, two, other = at_the_door(stage)
    answer = mine.phone.get(options)
    assert enter(second, mine.person, "/login/passkey", {**two, "answer": answer}) == 403
    # Somebody else's form in this browser.
    assert enter(second, mine.person, "/login/passkey", {**two, "ticket": one["ticket"], "answer": answer}) in {
        403,
        409,
    }
    later, _ = ask(first, "/login/passkey/options", one)
    assert later != options
    assert enter(first, mine.person, "/login/passkey", {**one, "answer": answer}) == 403
    assert enter(first, mine.person, "/login/passkey", {**one, "answer": mine.phone.get(later)}) == 409
    assert enter(second, mine.person, "/login/passkey", {**two, "answer": mine.phone.get(other)}) == 409
    third, fields, options = at_the_door(stage)
    answer = mine.phone.get(options)
    assert enter(third, mine.person, "/login/passkey", {**fields, "answer": answer}) == 303
    again = third.post("/login/passkey", {**fields, "answer": answer})
    assert (again.status in {303, 403, 409}, handed_out(again)) == (True, [])
    fourth = stage.browser()
    never = fourth.open_form().fields
    assert enter(fourth, mine.person, "/login/passkey", {**never, "answer": answer}) in {403, 409}


def test_of_fifty_with_one_answer_one_is_let_in(house: House, mine: Holder) -> None:
    """G08, R04: the ticket is taken once."""
    browser, fields, options = at_the_door(house.stage)
    body = urlencode({**fields, "answer": mine.phone.get(options)}).encode()
    assert (
        crowd(house.stage, mine.person, [write(b"POST", b"/login/passkey", browser.headers(FORM), body)] * CROWD) == 1
    )


def test_of_fifty_with_the_same_count_one_is_let_in(house: House, mine: Holder) -> None:
    """G08, R04: sign-ins of their own each; a copied key shows, however close to one another the two are."""
    (credential,) = mine.phone.credentials.values()
    count = credential.sign_count + CROWD
    sent = []
    for _ in range(CROWD):
        browser, fields, options = at_the_door(house.stage)
        answer = mine.phone.get(options, sign_count=count)
        body = urlencode({**fields, "answer": answer}).encode()
        sent.append(write(b"POST", b"/login/passkey", browser.headers(FORM), body))
    credential.sign_count = count
    assert crowd(house.stage, mine.person, sent) == 1
    assert len(house.stage.audit("user.passkey_refuse")) >= CROWD - 1


def test_bytes_are_judged_as_they_were_signed(house: House, mine: Holder) -> None:
    """G18: odd spaces, escapes and members are the browser's affair; what is signed is what was sent."""
    browser, fields, options = at_the_door(house.stage)
    asked = json.loads(options)["challenge"]
    odd = ' {\n"\\u0074ype" : "webauthn.get","challenge":"' + asked
    odd += '" ,\t"other":[1,{}],"origin":"https:\\/\\/auth.example.test" } '
    answer = mine.phone.get(options, client_data=odd.encode())
    assert enter(browser, mine.person, "/login/passkey", {**fields, "answer": answer}) == 303


MADE_WRONG: dict[str, dict[str, Any]] = {
    **{f"origin {origin}": {"origin": origin} for origin in OTHER_ORIGINS},
    **{f"relying party {name}": {"rp_id_hash": digest} for name, digest in HASHES.items()},
    "used, not made": {"type": "webauthn.get"},
    "nobody there": {"flags": UV | AT},
    "challenge of nobody": {"challenge": encode(bytes(32))},
    "no credential": {"flags": UP | UV},
    "key of no kind": {"cose": cbor({1: 9, 3: -999})},
    "key of nothing": {"cose": cbor({})},
    "key off the curve": {"cose": cbor({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)})},
    "key of five hundred bits": {"cose": cbor({1: 3, 3: -257, -1: b"\xc1" * 64, -2: b"\x01\0\x01"})},
    "bytes after": {"extensions": b"\0\0"},
    "id without end": {"credential_id": b"A" * 2000},
    "no id": {"credential_id": b""},
    "attested by strangers": {"fmt": "packed", "statement": {"alg": -7, "sig": bytes(70)}},
    "attested in no form": {"fmt": "\0"},
    "attestation deep": {"attestation": b"\x81" * 5000},
    "attestation endless": {"attestation": b"\x9f" + b"\0" * 50},
    "attestation huge": {"attestation": b"\x5b" + b"\x7f" + b"\xff" * 7},
    "attestation twice": {"attestation": cbor({"fmt": "none", "attStmt": {}}) + b"\0"},
    "ids that differ": {"answer": {"rawId": encode(bytes(32))}},
}  # fmt: skip


@pytest.fixture(scope="module")
def maker(street: House) -> Browser:
    """Somebody who is signed in, and tries to add what cannot be."""
    return street.stage.signed_in(street.stage.newcomer("users"))


def test_a_lie_is_not_kept(house: House, maker: Browser) -> None:
    """G02, G03, G05, G12, G14: where passkeys are made."""
    before = house.stage.query("SELECT * FROM passkeys")
    made = {name: add_passkey(maker, Authenticator(), **lie).status for name, lie in MADE_WRONG.items()}
    form = own_form(maker)
    for answer in WORTHLESS:
        _, offer = ask(maker, "/account/passkeys/options", form)
        kept = maker.post("/account/passkeys", {**form, "offer": offer, "answer": answer, "name": "mine"})
        made[answer[:20]] = kept.status
    assert {name: status for name, status in made.items() if status not in {400, 403}} == {}
    assert house.stage.query("SELECT * FROM passkeys") == before


def test_a_passkey_is_added_by_its_owner_and_nobody_else(house: House, maker: Browser, mine: Holder) -> None:
    """G09, G11, F07: not without a session, half-way, by a form from elsewhere, with another's offer, or twice."""
    stage, phone = house.stage, Authenticator()
    form = own_form(maker)
    options, offer = ask(maker, "/account/passkeys/options", form)
    answer = phone.create(options)
    before = stage.query("SELECT * FROM passkeys")
    sent = {**form, "offer": offer, "answer": answer, "name": "x", "user": "root", "user_id": "root"}
    half, fields = half_way(stage, mine.person)
    for browser, own in ((stage.browser(), form), (half, {**fields, **form}), (half, {**form, **fields})):
        for target in ("/account/passkeys/options", "/account/passkeys", "/account/totp", "/account/codes"):
            assert browser.post(target, {**sent, **own}).status in {303, 401, 403}
        for target in ("/login/enrol/passkey/options", "/login/enrol/passkey", "/login/enrol/totp"):
            assert browser.post(target, {**sent, **own}).status in {303, 403, 409}
    assert maker.post("/account/passkeys", sent, origin=b"https://evil.test").status == 403
    assert maker.post("/account/passkeys", {**sent, "csrf_token": fields["csrf_token"]}).status == 403
    other = stage.visitor(ROOT)
    assert other.post("/account/passkeys", {**sent, **own_form(other)}).status == 409
    assert stage.query("SELECT * FROM passkeys") == before
    # The very credential of somebody else, by whoever has it now.
    (taken,) = mine.phone.credentials
    assert add_passkey(maker, Authenticator(), credential_id=taken).status in {400, 403, 409}
    assert stage.query("SELECT * FROM passkeys") == before
    kept = maker.post("/account/passkeys", {**sent, "answer": phone.create(options)})
    assert local(kept) == "/account/security?done=passkey"
    again = maker.post("/account/passkeys", {**sent, "answer": Authenticator().create(options)})
    assert again.status in {303, 403, 409}
    assert len(stage.query("SELECT * FROM passkeys")) == len(before) + 1


def test_anothers_passkey_is_none(house: House, maker: Browser, mine: Holder) -> None:
    """G15, L08: neither renamed nor removed, and told like one that never was."""
    (name,) = house.stage.query(
        "SELECT id FROM passkeys p WHERE user_id = (SELECT id FROM users WHERE name = ?)", mine.person.name
    )
    before = house.stage.query("SELECT * FROM passkeys")
    form = own_form(maker)
    for word in ("rename", "remove"):
        answers = [
            maker.post(f"/account/passkeys/{word}", {**form, "passkey": each, "name": "mine"})
            for each in (name[0], "nothing", "")
        ]
        assert {local(answer) for answer in answers} == {"/account/security?done=gone"}
    assert house.stage.query("SELECT * FROM passkeys") == before


def test_a_disabled_accounts_passkey_opens_nothing(house: House) -> None:
    """E25: nor after it is enabled again, what was begun before."""
    stage = house.stage
    gone = holder(stage)
    browser, fields, options = at_the_door(stage)
    half, due = half_way(stage, gone.person)
    asked, _ = ask(half, "/login/passkey/options", due)
    stage.command("user", "disable", gone.person.name)
    stage.bury(gone.person)
    assert enter(browser, gone.person, "/login/passkey", {**fields, "answer": gone.phone.get(options)}) == 403
    stage.command("user", "enable", gone.person.name)
    assert enter(half, gone.person, "/login/passkey", {**due, "answer": gone.phone.get(asked)}) == 409


def show(browser: Browser, mine: Holder, fields: dict[str, str], answer: str) -> int:
    """Answer, and hang up: what runs beside others keeps no connection."""
    status = enter(browser, mine.person, "/login/passkey", {**fields, "answer": answer})
    browser.stage.hang_up()
    return status


def at_once(stage: Stage, way: Callable[[str], int], names: Iterable[str]) -> dict[str, int]:
    """Try all of these, eight at a time; the status of each. What an account may have of tries is given back first."""

    def attempt(name: str) -> tuple[str, int]:
        return name, way(name)

    found: dict[str, int] = {}
    every = list(names)
    with ThreadPoolExecutor(8) as pool:
        for start in range(0, len(every), 8):
            forgive(stage)
            found |= dict(pool.map(attempt, every[start : start + 8]))
    return found


def forgive(stage: Stage) -> None:
    """Forget how often second proofs were tried."""
    stage.change("DELETE FROM counters WHERE key LIKE 'otp%'")


def crowd(stage: Stage, person: Person, sent: list[bytes]) -> int:
    """Send all of these at once; how many were let in."""

    def send(raw: bytes) -> Answer:
        return stage.send(raw)

    with ThreadPoolExecutor(len(sent)) as pool:
        answers = list(pool.map(send, sent))
    for answer in answers:
        stage.live |= dict.fromkeys(handed_out(answer), person)
    assert Counter(answer.status for answer in answers).keys() <= {303, 403, 409, 429}
    return sum(len(handed_out(answer)) for answer in answers)
