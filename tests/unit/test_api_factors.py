"""One's own second factors by the API: what the pages do, with no less proof (2.11, B-11, B-12, D-08)."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.rules.factor import MAX_PASSKEYS, FactorId
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.totp import make_code, step_of
from tests.fakes.api import Program, code_told, open_api, told
from tests.fakes.authenticator import Authenticator
from tests.fakes.door import Door
from tests.fakes.second import code_of, find_user, give_codes, give_totp

FACTORS = "/api/v1/account/factors"


@pytest.fixture
async def door():
    made = open_api(Door())
    for name in ("root", "alice", "bob"):
        await made.add_user(name, admin=name == "root")
    return made


@pytest.fixture
async def alice(door):
    return await Program.enter(door, "alice")


async def set_up_totp(door, program, base=f"{FACTORS}/totp", confirm="confirm"):
    begun = told(await program.call("POST", base if confirm == "confirm" else f"{base}/setup"))
    secret = begun["secret"].replace(" ", "")
    assert secret in begun["uri"]
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    wrong = await program.call("POST", f"{base}/{confirm}", {"offer": begun["offer"], "code": "000000"})
    assert code_told(wrong, 403) == "WRONG_CODE"
    sent = {"offer": begun["offer"], "code": make_code(key, step_of(door.clock.now()))}
    assert told(await program.call("POST", f"{base}/{confirm}", sent)) == {"needs_codes": True}
    assert code_told(await program.call("POST", f"{base}/{confirm}", sent), 409) == "OFFER_GONE"
    return key


@pytest.mark.parametrize(
    ("base", "confirm", "remove"),
    [
        (f"{FACTORS}/totp", "confirm", "remove"),
        ("/api/auth/otp", "enable", "disable"),
        ("/api/auth/totp", "enable", "disable"),
    ],
)
async def test_an_authenticator_app_is_set_up_and_removed_with_proof_of_it(door, alice, base, confirm, remove):
    """B-11, D-08, F13."""
    key = await set_up_totp(door, alice, base, confirm)
    assert told(await alice.send("GET", "/api/auth/otp/status")) == {"enabled": True, "recovery_codes_left": 0}
    assert told(await alice.send("GET", FACTORS))["totp"]["created_at"]
    assert code_told(await alice.call("POST", f"{base}/{remove}", {"code": "000000"}), 403) == "WRONG_CODE"
    door.clock.advance(timedelta(minutes=2))
    code = make_code(key, step_of(door.clock.now()))
    assert (await alice.call("POST", f"{base}/{remove}", {"code": code})).status == 204
    assert code_told(await alice.call("POST", f"{base}/{remove}", {"code": code}), 404) == "NOT_FOUND"
    assert told(await alice.send("GET", FACTORS))["totp"] is None


async def test_an_offer_belongs_to_its_browser_and_its_account(door, alice):
    """K02, F12."""
    begun = told(await alice.call("POST", f"{FACTORS}/totp"))
    secret = begun["secret"].replace(" ", "")
    code = make_code(base64.b32decode(secret + "=" * (-len(secret) % 8)), step_of(door.clock.now()))
    for name in ("alice", "bob"):
        other = await Program.enter(door, name)
        sent = {"offer": begun["offer"], "code": code}
        assert code_told(await other.call("POST", f"{FACTORS}/totp/confirm", sent), 409) == "OFFER_GONE"


async def test_tries_at_a_code_are_counted(door, alice):
    """B-26, F04, A-31: the buckets of the pages."""
    await give_totp(door.town)
    for _ in range(6):
        answer = await alice.call("POST", f"{FACTORS}/totp/remove", {"code": "000000"})
    assert code_told(answer, 429) == "RATE_LIMITED"
    page = await alice.browser.get("/account/security")
    assert (await alice.browser.press("/account/totp/remove", page, code=code_of(door.town))).status == 429
    for _ in range(6):
        answer = await alice.call("POST", f"{FACTORS}/totp/confirm", {"offer": "x", "code": "000000"})
    assert code_told(answer, 429) == "RATE_LIMITED"
    assert answer.header("retry-after")


@pytest.mark.parametrize("path", [f"{FACTORS}/totp", f"{FACTORS}/passkeys/options", f"{FACTORS}/recovery-codes"])
async def test_beginnings_are_counted(door, alice, path):
    """R04."""
    token = await alice.token()
    for _ in range(120):
        answer = await alice.send("POST", path, x_csrf_token=token)
        if answer.status != 200:
            break
    assert code_told(answer, 429) == "RATE_LIMITED"


async def add_passkey(program, authenticator, name="Blue key", options=f"{FACTORS}/passkeys/options", keep=None):
    begun = told(await program.call("POST", options))
    made = json.loads(authenticator.create(json.dumps(begun["publicKey"])))
    body = {"offer": begun["offer"], "credential": made, "name": name}
    return told(await program.call("POST", keep or f"{FACTORS}/passkeys", body), 201)


@pytest.mark.parametrize("alias", [False, True])
async def test_a_passkey_is_added_renamed_and_removed(door, alice, alias):
    """D-08, B-12."""
    many = "/api/auth/webauthn/credentials" if alias else f"{FACTORS}/passkeys"
    names = ("/api/auth/webauthn/setup", "/api/auth/webauthn/enable")
    more = dict(zip(("options", "keep"), names, strict=True)) if alias else {}
    added = await add_passkey(alice, Authenticator(), **more)
    assert added["name"] == "Blue key"
    assert set(added) == {"id", "name", "created_at", "last_used_at", "synced", "signs_in_alone"}
    assert told(await alice.send("GET", many))["passkeys"] == [added]
    assert told(await alice.send("GET", "/api/auth/webauthn/status")) == {"enabled": True, "credentials": 1}
    path = f"{many}/{added['id']}"
    assert told(await alice.call("PATCH", path, {"name": "Red key"}))["name"] == "Red key"
    assert code_told(await alice.call("PATCH", path, {"name": "\u202e"}), 422) == "UNACCEPTABLE"
    assert (await alice.call("DELETE", path)).status == 204
    assert code_told(await alice.call("DELETE", path), 404) == "NOT_FOUND"


async def test_a_passkey_that_makes_no_sense_is_not_kept(door, alice):
    begun = told(await alice.call("POST", f"{FACTORS}/passkeys/options"))
    body = {"offer": begun["offer"], "credential": {"id": "x"}, "name": "\0"}
    assert code_told(await alice.call("POST", f"{FACTORS}/passkeys", body), 422) == "UNACCEPTABLE"
    body["name"] = ""
    assert code_told(await alice.call("POST", f"{FACTORS}/passkeys", body), 403) == "WRONG_PASSKEY"
    assert code_told(await alice.call("POST", f"{FACTORS}/passkeys", body), 409) == "OFFER_GONE"


async def test_no_more_passkeys_than_there_is_room_for(door, alice):
    """R04."""
    user = await find_user(door.town)
    await add_passkey(alice, Authenticator())
    (one,) = (await door.flows.factors.list_of(user)).passkeys
    async with door.store.records.transaction() as transaction:
        for at in range(MAX_PASSKEYS - 1):
            await transaction.add_passkey(replace(one, id=FactorId(f"{at:032x}"), digest=bytes([at]) * 32))
    assert code_told(await alice.call("POST", f"{FACTORS}/passkeys/options"), 409) == "TOO_MANY_PASSKEYS"


async def test_the_last_factor_stays_while_policy_asks_for_one(door, alice):
    """B-12."""
    added = await add_passkey(alice, Authenticator())
    door.town.mfa = MfaTerms(MfaRequired.ALL)
    assert code_told(await alice.call("DELETE", f"{FACTORS}/passkeys/{added['id']}"), 409) == "FACTOR_NEEDED"


async def test_recovery_codes_count_once_they_are_acknowledged(door, alice):
    """A-15, B-11."""
    await give_totp(door.town)
    old = await give_codes(door.town)
    begun = told(await alice.call("POST", f"{FACTORS}/recovery-codes"))
    assert len(begun["codes"]) == 10
    assert not set(begun["codes"]) & set(old)
    sent = {"offer": begun["offer"]}
    assert (await alice.call("POST", f"{FACTORS}/recovery-codes/acknowledge", sent)).status == 204
    assert code_told(await alice.call("POST", f"{FACTORS}/recovery-codes/acknowledge", sent), 409) == "OFFER_GONE"
    for code, status in ((old[0], 403), (begun["codes"][0], 204)):
        assert (await alice.call("POST", f"{FACTORS}/totp/remove", {"code": code})).status == status


async def test_a_browser_without_a_name_gets_one_with_the_offer(door, alice):
    """K02: what is offered is bound to it."""
    token = await alice.token()
    del alice.browser.jar[door.cookies.browser]
    begun = told(await alice.send("POST", f"{FACTORS}/recovery-codes", x_csrf_token=token))
    assert door.cookies.browser in alice.browser.jar
    await give_totp(door.town)
    answer = await alice.call("POST", f"{FACTORS}/recovery-codes/acknowledge", {"offer": begun["offer"]})
    assert answer.status == 204


async def test_somebody_elses_passkey_looks_like_none(door, alice):
    """G15."""
    bob = await Program.enter(door, "bob")
    passkey = (await add_passkey(bob, Authenticator()))["id"]
    for program in (alice, await Program.enter(door, "root")):
        for method, path, body in (
            ("PATCH", f"{FACTORS}/passkeys/{passkey}", {"name": "mine"}),
            ("DELETE", f"{FACTORS}/passkeys/{passkey}", None),
            ("POST", "/api/auth/webauthn/disable", {"passkey": passkey}),
        ):
            assert code_told(await program.call(method, path, body), 404) == "NOT_FOUND", path
    assert told(await bob.send("GET", f"{FACTORS}/passkeys"))["passkeys"][0]["id"] == passkey
    assert (await bob.call("POST", "/api/auth/webauthn/disable", {"passkey": passkey})).status == 204


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", f"{FACTORS}/totp", None),
        ("POST", f"{FACTORS}/totp/confirm", {"offer": "none", "code": "000000"}),
        ("POST", f"{FACTORS}/passkeys/options", None),
        ("POST", f"{FACTORS}/passkeys", {"offer": "none", "credential": {}}),
        ("DELETE", f"{FACTORS}/passkeys/none", None),
        ("POST", f"{FACTORS}/recovery-codes", None),
        ("POST", f"{FACTORS}/recovery-codes/acknowledge", {"offer": "none"}),
        ("POST", "/api/v1/account/email", {"email": "new@example.test"}),
        ("DELETE", "/api/v1/account", {"confirm": "alice"}),
        ("POST", "/api/auth/totp/setup", None),
        ("POST", "/api/auth/webauthn/disable", {"passkey": "none"}),
    ],
)
async def test_whoever_has_a_factor_shows_it_before_there_is_another(door, method, path, sent):
    """B-12: by no address is the password alone enough to put another factor in the place of the one."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    alice = await Program.enter(door, "alice")
    answer = await alice.call(method, path, sent)
    assert code_told(answer, 403) == "PROOF_TOO_OLD"
    assert json.loads(answer.body)["login"] == "/login?need=two_factor&rd=%2Faccount%2Fsecurity"
