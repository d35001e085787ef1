"""WebAuthn with a software authenticator that really signs."""

import hashlib
import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from doorward.errors import InputError
from doorward.interfaces import Assertion
from doorward.outside.passkeys import WebAuthn
from doorward.outside.qr import draw_qr
from doorward.rules.identity import User, UserId
from tests.fakes.authenticator import AT, BE, BS, ED, UP, UV, Authenticator, cbor
from tests.fakes.keys import decode, encode, rsa_key
from tests.fakes.system import START

CHALLENGE = bytes(range(32))
ORIGIN = "https://auth.example.test"
USER = User(UserId("A" * 22), "alice", "Alice", "", frozenset(), False, True, 1, START)


@pytest.fixture
def site():
    return WebAuthn(rp_id="auth.example.test", rp_name="Doorward", origins=[ORIGIN, "https://login.example.test"])


class Phone:
    """An authenticator with one registered passkey, and the site it is registered at."""

    def __init__(self, site, **traits):
        self.site = site
        self.authenticator = Authenticator(**traits)
        options = site.ask_registration(USER, CHALLENGE, exclude=[], verify=False)
        self.passkey = site.read_registration(self.authenticator.create(options), CHALLENGE)

    def answer(self, *, verify=False, **changes):
        allow = [(self.passkey.credential_id, self.passkey.transports)]
        return self.authenticator.get(self.site.ask_assertion(CHALLENGE, allow=allow, verify=verify), **changes)

    def read(self, answer, *, verify=False, challenge=CHALLENGE):
        return self.site.read_assertion(answer, challenge, public_key=self.passkey.public_key, verify=verify)


def register(site, *, challenge=CHALLENGE, authenticator=None, **changes):
    options = site.ask_registration(USER, CHALLENGE, exclude=[], verify=False)
    return site.read_registration((authenticator or Authenticator()).create(options, **changes), challenge)


def test_the_library_is_not_loaded_before_it_is_needed():
    """The memory of an idle process is counted."""
    code = "import sys, doorward.outside.passkeys, doorward.outside.qr; print({'webauthn', 'segno', 'cbor2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_registration_options_come_from_the_configuration(site):
    options = json.loads(
        site.ask_registration(USER, CHALLENGE, exclude=[(b"known", ("usb", "unheard-of"))], verify=False)
    )
    assert options["rp"] == {"id": "auth.example.test", "name": "Doorward"}
    assert options["user"] == {"id": encode(USER.id.encode()), "name": "alice", "displayName": "Alice"}
    assert decode(options["challenge"]) == CHALLENGE
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["excludeCredentials"] == [{"id": encode(b"known"), "type": "public-key", "transports": ["usb"]}]


def test_where_a_touch_is_not_enough_a_key_that_only_knows_touches_is_not_made(site):
    options = json.loads(site.ask_registration(USER, CHALLENGE, exclude=[], verify=True))
    assert options["authenticatorSelection"]["userVerification"] == "required"


def test_assertion_options_ask_for_verification_where_it_is_needed(site):
    alone = json.loads(site.ask_assertion(CHALLENGE, allow=[], verify=True))
    assert (alone["userVerification"], alone["allowCredentials"], alone["rpId"]) == (
        "required",
        [],
        "auth.example.test",
    )
    second = json.loads(site.ask_assertion(CHALLENGE, allow=[(b"one", ())], verify=False))
    assert (second["userVerification"], second["allowCredentials"]) == (
        "preferred",
        [{"id": encode(b"one"), "type": "public-key"}],
    )


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
@pytest.mark.parametrize("synced", [True, False])
@pytest.mark.parametrize("verifies", [True, False])
def test_what_an_authenticator_says_of_itself_is_kept(site, algorithm, synced, verifies):
    phone = Phone(site, algorithm=algorithm, synced=synced, verifies=verifies, counts=3)
    passkey = phone.passkey
    assert (passkey.sign_count, passkey.verified, passkey.transports) == (3, verifies, ("internal", "hybrid"))
    assert (passkey.backup_eligible, passkey.backed_up) == (synced, synced)
    assert phone.read(phone.answer()) == Assertion(6, verifies, synced, synced)
    assert phone.site.read_handle(phone.answer()) == (passkey.credential_id, USER.id.encode())


def test_a_key_that_vouches_for_itself_is_taken(site):
    assert register(site, self_attested=True).verified


def test_every_configured_origin_is_good(site):
    assert register(site, origin="https://login.example.test")


def test_a_handle_may_be_missing(site):
    phone = Phone(site)
    answer = phone.answer(response={"userHandle": None})
    assert site.read_handle(answer) == (phone.passkey.credential_id, None)
    assert phone.read(answer)


ORIGINS = [
    "https://evil.test",
    "http://auth.example.test",
    "https://auth.example.test:8443",
    "https://auth.example.test.evil.test",
    "https://app.example.test",
    "https://auth.example.test/",
    "null",
    "",
    "HTTPS://AUTH.EXAMPLE.TEST",
]
COMMON = [
    *({"origin": origin} for origin in ORIGINS),
    {"rp_id_hash": bytes(32)},
    {"rp_id_hash": hashlib.sha256(b"example.test").digest()},
    {"type": "payment.get"},
    {"type": ["webauthn.get"]},
    {"challenge": encode(bytes(32))},
    {"challenge": encode(CHALLENGE) + "="},
    {"challenge": "!" + encode(CHALLENGE)},
    {"challenge": ""},
    {"challenge": 7},
    {"client": {"crossOrigin": True}},
    {"client": {"crossOrigin": "no"}},
    {"client": {"topOrigin": "https://evil.test"}},
    {"client_data": b""},
    {"client_data": b"[]"},
    {"client_data": b"\xff\xfe"},
    {"client_data": b"[" * 1000},
    {"client_data": b"x" * 9000},
    {"answer": {"type": "public-key "}},
    {"answer": {"type": None}},
    {"answer": {"id": "AAAA"}},
    {"answer": {"id": None, "rawId": None}},
    {"answer": {"id": "", "rawId": ""}},
    {"answer": {"id": 7, "rawId": 7}},
    {"answer": {"id": "AA==", "rawId": "AA=="}},
    {"answer": {"id": "A" * 2000, "rawId": "A" * 2000}},
    {"answer": {"rawId": None}},
    {"answer": {"response": []}},
    {"answer": {"response": None}},
    {"answer": {"more": "x" * 70000}},
    {"response": {"clientDataJSON": None}},
    {"response": {"clientDataJSON": 1}},
    {"response": {"clientDataJSON": "e30="}},
]


@pytest.mark.parametrize(
    "changes",
    [
        *COMMON,
        {"type": "webauthn.get"},
        {"flags": AT | UV},
        {"flags": UP | UV},
        {"flags": UP | AT | BS},
        {"flags": UP | AT | ED},
        {"extensions": b"\x00"},
        {"flags": UP | AT | ED, "extensions": cbor({}) + b"\x00"},
        {"fmt": "tpm"},
        {"fmt": "android-safetynet", "statement": {"ver": "1", "response": b"."}},
        {"fmt": ["none"]},
        {"fmt": "packed", "statement": {"alg": -7, "sig": b"x", "x5c": [b"x"]}},
        {"fmt": "packed", "statement": {"alg": -7, "sig": b"x"}},
        {"fmt": "packed", "statement": {}},
        {"statement": {"alg": -7}},
        {"statement": {"unheard": "of"}},
        {"statement": []},
        {"statement": 5},
        {"attestation": cbor({"fmt": "none", "attStmt": {}})},
        {"attestation": b""},
        {"attestation": cbor([])},
        {"attestation": cbor({"fmt": "none", "attStmt": {}, "authData": "text"})},
        {"attestation": b"\x81" * 1000 + b"\x00"},
        {"attestation": b"\x9b\x7f" + b"\xff" * 7},
        {"attestation": cbor({"fmt": "none", "attStmt": {}, "authData": bytes(36)})},
        {"attestation": b"\xa2\x61a\x00\x61a\x00"},
        {"attestation": b"\xa1\x61\xff\x00"},
        {"attestation": cbor(7) + b"\x00"},
        {"response": {"attestationObject": None}},
        {"response": {"attestationObject": "e30="}},
        {"credential_id": b""},
        {"credential_id": b"x" * 1024},
        {"answer": {"id": "AAAA", "rawId": "AAAA"}},
        {"cose": cbor({})},
        {"cose": cbor(4)},
        {"cose": cbor([])},
        {"cose": cbor({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)})},
        {"cose": cbor({1: 2, 3: -7, -1: 1, -2: b"", -3: b""})},
        {"cose": cbor({1: 2, 3: -8, -1: 1, -2: bytes(32), -3: bytes(32)})},
        {"cose": cbor({1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\x01\x00\x01"})},
        {"cose": cbor({1: 3, 3: -257, -1: b"\xff" * 8000, -2: b"\x01\x00\x01"})},
        {"cose": cbor({1: 3, 3: -65535, -1: b"\xff" * 256, -2: b"\x01\x00\x01"})},
        {"cose": cbor({1: 1, 3: -8, -1: 6, -2: b"short"})},
        {"cose": cbor({1: "OKP", 3: -8, -1: "Ed25519"})},
        {"cose": b"\xa1\x01\xc0\x61a"},
        {"cose": b"\x81" * 400 + b"\x00"},
    ],
)
def test_a_registration_that_is_not_all_well_is_refused_and_nothing_else_happens(site, changes):
    """G02, G03, G12: whatever is wrong with it, an error of the input."""
    with pytest.raises(InputError):
        register(site, **changes)


def test_a_key_does_not_fit_an_algorithm_of_another_kind(site):
    numbers = rsa_key(0).public_key().public_numbers()
    with pytest.raises(InputError):
        register(site, cose=cbor({1: 3, 3: -7, -1: numbers.n.to_bytes(256), -2: b"\x01\x00\x01"}))


def test_a_challenge_is_good_for_itself_alone(site):
    with pytest.raises(InputError):
        register(site, challenge=bytes(32))
    phone = Phone(site)
    with pytest.raises(InputError):
        phone.read(phone.answer(), challenge=bytes(32))


def test_what_a_browser_leaves_out_or_says_twice_of_transports_is_no_fault(site):
    assert register(site, response={"transports": None}).transports == ()
    assert register(site, response={"transports": "usb"}).transports == ()
    assert register(site, response={"transports": ["nfc", "nfc", 7, ["usb"], "usb"]}).transports == ("usb", "nfc")


@pytest.mark.parametrize(
    "changes",
    [
        *COMMON,
        {"type": "webauthn.create"},
        {"flags": UV},
        {"flags": 0},
        {"flags": UP | BS},
        {"flags": UP | ED},
        {"flags": UP | AT},
        {"extensions": b"\x00"},
        {"flags": UP | ED, "extensions": b"\x81" * 1000},
        {"authenticator_data": b""},
        {"authenticator_data": bytes(36)},
        {"signature": b""},
        {"signature": b"\x00" * 64},
        {"response": {"signature": None}},
        {"response": {"signature": "!!"}},
        {"response": {"authenticatorData": None}},
        {"response": {"authenticatorData": ["AA"]}},
    ],
)
def test_an_assertion_that_is_not_all_well_is_refused_and_nothing_else_happens(site, changes):
    """G02, G03, G12: whatever is wrong with it, an error of the input."""
    phone = Phone(site)
    with pytest.raises(InputError):
        phone.read(phone.answer(**changes))


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", "7", '{"a":1,"a":2}', "[" * 100000, "\ud800", "\ufeff{}", "{"]
)
def test_an_answer_that_is_none_is_refused(site, text):
    phone = Phone(site)
    for read in (phone.read, site.read_handle, lambda answer: site.read_registration(answer, CHALLENGE)):
        with pytest.raises(InputError):
            read(text)


@pytest.mark.parametrize("handle", ["", 7, "AA=="])
def test_a_handle_is_read_as_strictly_as_everything_else(site, handle):
    answer = Phone(site).answer(response={"userHandle": handle})
    if handle == "":
        assert site.read_handle(answer)[1] == b""
    else:
        with pytest.raises(InputError):
            site.read_handle(answer)
    with pytest.raises(InputError):
        site.read_handle(Phone(site).answer(response={"userHandle": encode(bytes(65))}))


@pytest.mark.parametrize("flags", [UP, UV, 0])
def test_who_signs_in_alone_must_be_verified_and_present(site, flags):
    """G06."""
    phone = Phone(site)
    with pytest.raises(InputError):
        phone.read(phone.answer(verify=True, flags=flags), verify=True)


def test_a_touch_is_enough_for_a_second_proof_and_says_so(site):
    phone = Phone(site)
    assert phone.read(phone.answer(flags=UP)) == Assertion(0, False, False, False)


def test_a_counter_and_a_backup_mark_are_told_and_not_judged(site):
    phone = Phone(site, counts=5)
    assert phone.read(phone.answer(sign_count=1)).sign_count == 1
    assert phone.read(phone.answer(flags=UP | UV | BE)) == Assertion(15, True, True, False)


def test_the_bytes_that_were_signed_are_those_that_are_verified(site):
    phone = Phone(site)
    odd = json.dumps(
        {"type": "webauthn.get", "challenge": encode(CHALLENGE), "origin": ORIGIN, "new": {"member": ["\u00e9"]}},
        indent=3,
    ).replace("webauthn", "web\\u0061uthn")
    assert phone.read(phone.answer(client_data=odd.encode()))
    tidy = json.dumps(json.loads(odd)).encode()
    with pytest.raises(InputError):
        phone.read(phone.answer(client_data=odd.encode(), client_data_afterwards=tidy))


def test_another_passkey_does_not_answer_for_this_one(site):
    phone, other = Phone(site), Phone(site)
    with pytest.raises(InputError):
        phone.read(other.answer())


def test_the_qr_picture_is_inline_named_and_fetches_nothing():
    picture = draw_qr("otpauth://totp/Doorward:alice?secret=GEZDGNBVGY3TQOJQ", 'Q <"&')
    root = ET.fromstring(picture)  # noqa: S314 -- our own
    assert (root.attrib["role"], root.attrib["aria-label"], root[0].text) == ("img", 'Q <"&', 'Q <"&')
    assert {each.tag for each in root.iter()} == {"svg", "title", "path"}
    assert not any(name in picture for name in ("href", "url(", "http", "style", "script", "GEZD"))
    assert draw_qr("a", "b") != draw_qr("c", "b")
