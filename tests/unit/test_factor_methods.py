"""Proving an authenticator app, a recovery code, a passkey: each use once, by its owner alone, and written down."""

import asyncio
from dataclasses import replace

import pytest

from doorward.errors import TamperError
from doorward.flows.letters import circumstances
from doorward.flows.methods.passkey import Copied, PasskeyMethod
from doorward.outside.passkeys import WebAuthn
from doorward.rules.factor import RECOVERY_CODES, FactorId
from doorward.rules.letter import LetterKind
from doorward.rules.session import Method
from tests.fakes.authenticator import BE, UP, UV, Authenticator
from tests.fakes.flows import Town, a_visitor
from tests.fakes.keys import encode
from tests.fakes.second import code_of, find_user, give_codes, give_passkey, give_totp

CHALLENGE = bytes(range(32))


@pytest.fixture
async def town():
    town = Town()
    await town.add_user("alice")
    await town.add_user("bob")
    return town


async def prove_totp(town, code, name="alice"):
    user = await find_user(town, name)
    async with town.store.records.transaction() as transaction:
        return await town.methods.totp.prove(transaction, user, code, now=town.now)


async def prove_recovery(town, code, name="alice"):
    user = await find_user(town, name)
    async with town.store.records.transaction() as transaction:
        return await town.methods.recovery_code.prove(transaction, user, a_visitor(), code, now=town.now)


async def factors_of(town, name="alice"):
    return await town.factors.list_of(await find_user(town, name))


async def test_a_code_of_the_app_is_right_once(town):
    """A-14, B-11."""
    await give_totp(town)
    assert await prove_totp(town, code_of(town))
    assert not await prove_totp(town, code_of(town))
    assert (await factors_of(town)).totp.last_used_at == town.now


async def test_the_code_before_the_one_that_was_used_is_used_up_with_it(town):
    await give_totp(town)
    assert await prove_totp(town, code_of(town))
    assert not await prove_totp(town, code_of(town, ahead=-1))
    assert await prove_totp(town, code_of(town, ahead=1))
    assert not await prove_totp(town, code_of(town))


async def test_of_many_who_come_with_one_code_one_is_right(town):
    await give_totp(town)
    code = code_of(town)
    assert sorted(await asyncio.gather(*(prove_totp(town, code) for _ in range(50)))) == [False] * 49 + [True]


async def test_a_code_is_used_up_only_if_nothing_changed_in_between(town):
    user = await give_totp(town)
    async with town.store.records.transaction() as transaction:

        class Changed:
            """The records, which somebody changes between the look and the act."""

            find_factors = transaction.find_factors

            async def advance_totp(self, old, new):
                return await transaction.advance_totp(replace(old, last_step=7), new)

        assert not await town.methods.totp.prove(Changed(), user, code_of(town), now=town.now)


async def test_a_code_is_no_proof_of_an_account_without_an_app_or_with_another(town):
    await give_totp(town, "bob", secret=b"b" * 20)
    assert not await prove_totp(town, code_of(town))
    await give_totp(town)
    assert not await prove_totp(town, code_of(town, secret=b"b" * 20))


async def test_a_secret_that_was_moved_to_another_account_is_not_read(town):
    alice, bob = await give_totp(town), await give_totp(town, "bob")
    async with town.store.records.transaction() as transaction:
        stolen = (await transaction.find_factors(alice.id)).totp
        await transaction.put_totp(replace(stolen, user_id=bob.id))
    with pytest.raises(TamperError):
        await prove_totp(town, code_of(town), "bob")


async def test_each_recovery_code_is_right_once_however_it_is_typed(town):
    codes = await give_codes(town)
    assert len(codes) == RECOVERY_CODES
    assert await prove_recovery(town, codes[3].upper().replace("-", " "))
    for spelling in (codes[3], codes[3].replace("-", ""), codes[3].upper(), f" {codes[3]} "):
        assert not await prove_recovery(town, spelling)
    assert (await factors_of(town)).unused_codes == RECOVERY_CODES - 1
    assert await prove_recovery(town, codes[0])


async def test_a_used_recovery_code_is_written_down_and_its_owner_told(town):
    codes = await give_codes(town)
    await prove_recovery(town, codes[9])
    event = town.audit[-1]
    assert (event.act.value, event.public, event.private) == (
        "user.recovery_code_use",
        {"left": "9"},
        a_visitor().private(),
    )
    said = {"left": "9", **circumstances(a_visitor(), town.now)}
    assert town.letters == [(LetterKind.RECOVERY_CODE_USED, "alice", said)]


async def test_of_many_who_come_with_one_recovery_code_one_is_right(town):
    code = (await give_codes(town))[0]
    assert sorted(await asyncio.gather(*(prove_recovery(town, code) for _ in range(50)))) == [False] * 49 + [True]
    assert town.acts().count("user.recovery_code_use") == len(town.letters) == 1


@pytest.mark.parametrize("typed", ["", "0", "abc", "zzzz-zzzz-zzzz-zzzz", "\u212a" * 16])
async def test_what_is_no_recovery_code_of_the_account_proves_nothing(town, typed):
    await give_codes(town)
    assert not await prove_recovery(town, typed)
    assert town.letters == []


async def test_the_recovery_code_of_somebody_else_proves_nothing_and_stays_good(town):
    await give_codes(town)
    code = (await give_codes(town, "bob"))[0]
    assert not await prove_recovery(town, code)
    assert await prove_recovery(town, code, "bob")


async def test_a_set_is_made_of_codes_only(town):
    with pytest.raises(ValueError, match="no recovery code"):
        town.methods.recovery_code.make((await find_user(town)).id, ["nothing"], [FactorId("0" * 32)], now=town.now)


async def ask(town, name="alice", *, verify=False):
    return town.methods.passkey.ask((await factors_of(town, name)).passkeys, CHALLENGE, verify=verify)


async def prove(town, answer, *, user="alice", verify=False, method=None, transaction=None):
    user = None if user is None else await find_user(town, user)
    method = method or town.methods.passkey
    async with town.store.records.transaction() as records:
        return await method.prove(
            transaction(records) if transaction else records,
            answer,
            CHALLENGE,
            user=user,
            verify=verify,
            now=town.now,
            visitor=a_visitor(),
        )


async def test_a_passkey_that_verified_its_user_says_who_it_is(town):
    phone = Authenticator(synced=True)
    passkey = await give_passkey(town, phone)
    alice = await find_user(town)
    answer = phone.get(town.methods.passkey.ask((), CHALLENGE, verify=True))
    assert await prove(town, answer, user=None, verify=True) == (alice.id, Method.PASSKEY)
    (used,) = (await factors_of(town)).passkeys
    assert used == replace(passkey, last_used_at=town.now)


async def test_a_touch_is_a_second_proof_and_never_the_whole(town):
    """A passkey that could verify its user and did not counts as touched."""
    phone = Authenticator()
    await give_passkey(town, phone)
    alice = await find_user(town)
    touched = phone.get(await ask(town), flags=UP)
    assert await prove(town, touched, verify=True) is None
    assert await prove(town, touched) == (alice.id, Method.SECURITY_KEY)
    assert await prove(town, phone.get(await ask(town), flags=UV)) is None


async def test_a_key_that_was_added_with_a_touch_never_signs_in_alone(town):
    key = Authenticator(verifies=False)
    await give_passkey(town, key)
    alice = await find_user(town)
    options = town.methods.passkey.ask((), CHALLENGE, verify=True)
    assert await prove(town, key.get(options, flags=UP | UV), user=None, verify=True) is None
    assert await prove(town, key.get(await ask(town), flags=UP | UV)) == (alice.id, Method.SECURITY_KEY)
    assert 'allowCredentials": []' in await ask(town, verify=True)


async def test_where_users_must_be_verified_a_touch_is_nothing(town):
    strict = PasskeyMethod(
        passkeys=WebAuthn(rp_id="auth.example.test", rp_name="Doorward", origins=[town.public_url]),
        keyring=town.keyring,
        notify=town.notify,
        must_verify=True,
    )
    phone = Authenticator()
    await give_passkey(town, phone)
    alice = await find_user(town)
    options = strict.ask((await factors_of(town)).passkeys, CHALLENGE, verify=False)
    assert '"userVerification": "required"' in options
    assert await prove(town, phone.get(options, flags=UP), method=strict) is None
    assert await prove(town, phone.get(options), method=strict) == (alice.id, Method.PASSKEY)
    made = strict.ask_new(alice, (), CHALLENGE)
    assert strict.read_new(Authenticator(verifies=False).create(made), CHALLENGE) is None
    assert strict.read_new(Authenticator().create(made), CHALLENGE) is not None


async def test_the_passkey_of_somebody_else_answers_for_nobody_but_its_owner(town):
    phone = Authenticator()
    await give_passkey(town, phone, "bob")
    bob = await find_user(town, "bob")
    answer = phone.get(await ask(town, "bob"))
    assert await prove(town, answer) is None
    assert await prove(town, answer, user="bob") == (bob.id, Method.PASSKEY)


@pytest.mark.parametrize("handle", [None, b"", b"nobody", b"x" * 64, b"x" * 65])
async def test_whoever_says_another_name_than_the_passkey_has_is_refused(town, handle):
    phone = Authenticator()
    await give_passkey(town, phone)
    sent = None if handle is None else encode(handle)
    options = town.methods.passkey.ask((), CHALLENGE, verify=True)
    assert await prove(town, phone.get(options, response={"userHandle": sent}), user=None, verify=True) is None


async def test_the_passkey_of_bob_with_the_handle_of_alice_is_neither(town):
    phone = Authenticator()
    await give_passkey(town, phone, "bob")
    handle = encode((await find_user(town)).id.encode())
    options = await ask(town, "bob")
    for user in (None, "alice", "bob"):
        assert await prove(town, phone.get(options, response={"userHandle": handle}), user=user, verify=True) is None


async def test_a_second_proof_needs_no_handle(town):
    """Keys that only know what they are asked about send none."""
    phone = Authenticator()
    await give_passkey(town, phone)
    assert await prove(town, phone.get(await ask(town), response={"userHandle": None})) is not None


async def test_a_passkey_that_nobody_registered_proves_nothing(town):
    phone = Authenticator()
    await give_passkey(town, phone)
    (credential,) = phone.credentials.values()
    answer = phone.get(await ask(town), replace(credential, id=b"other"))
    assert await prove(town, answer) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.test"},
        {"rp_id_hash": bytes(32)},
        {"type": "webauthn.create"},
        {"challenge": encode(bytes(32))},
        {"signature": b"\x30\x00"},
        {"flags": 0},
        {"answer": {"type": "password"}},
    ],
)
async def test_an_answer_that_does_not_hold_proves_nothing_and_leaves_no_trace(town, changes):
    phone = Authenticator(counts=1)
    await give_passkey(town, phone)
    before = (await factors_of(town)).passkeys, len(town.audit), len(town.letters)
    assert await prove(town, phone.get(await ask(town), **changes)) is None
    assert ((await factors_of(town)).passkeys, len(town.audit), len(town.letters)) == before


@pytest.mark.parametrize("sent", [0, 1, 6])
async def test_a_counter_that_does_not_grow_is_refused_and_written_down(town, sent):
    phone = Authenticator(counts=3)
    passkey = await give_passkey(town, phone)
    assert await prove(town, phone.get(await ask(town))) is not None
    assert await prove(town, phone.get(await ask(town), sign_count=sent)) == Copied(passkey.user_id)
    event = town.audit[-1]
    assert (event.act.value, event.subject) == ("user.passkey_refuse", passkey.user_id)
    assert (event.public, event.private) == ({"passkey": passkey.id, "flaw": "counter"}, a_visitor().private())
    told = {"factor": passkey.name, **circumstances(a_visitor(), town.now)}
    assert town.letters[-1] == (LetterKind.PASSKEY_REFUSED, "alice", told)
    assert (await factors_of(town)).passkeys[0].sign_count == 6


async def test_a_passkey_that_never_counts_goes_on_and_one_that_begins_to_count_must_go_on(town):
    phone = Authenticator()
    await give_passkey(town, phone)
    assert [await prove(town, phone.get(await ask(town))) is not None for _ in range(2)] == [True, True]
    assert await prove(town, phone.get(await ask(town), sign_count=7)) is not None
    assert await prove(town, phone.get(await ask(town), sign_count=0)) == Copied((await find_user(town)).id)


async def test_a_passkey_that_becomes_fit_for_backup_is_refused_and_written_down(town):
    phone = Authenticator()
    await give_passkey(town, phone)
    assert await prove(town, phone.get(await ask(town), flags=UP | UV | BE)) == Copied((await find_user(town)).id)
    assert town.audit[-1].public["flaw"] == "backup_eligible"


async def test_that_a_passkey_is_backed_up_now_is_remembered(town):
    phone = Authenticator(synced=True)
    await give_passkey(town, phone)
    assert await prove(town, phone.get(await ask(town), flags=UP | UV | BE)) is not None
    assert not (await factors_of(town)).passkeys[0].backed_up


async def test_of_many_who_come_with_one_answer_of_a_counting_passkey_one_is_right(town):
    phone = Authenticator(counts=1)
    await give_passkey(town, phone)
    answer = phone.get(await ask(town))
    proven = await asyncio.gather(*(prove(town, answer) for _ in range(50)))
    assert sum(isinstance(each, tuple) for each in proven) == 1


async def test_a_passkey_counts_only_if_nothing_changed_in_between(town):
    phone = Authenticator()
    await give_passkey(town, phone)

    class Changed:
        """The records, which somebody changes between the look and the act."""

        def __init__(self, transaction):
            self.find_passkey = transaction.find_passkey
            self.find_user = transaction.find_user

        async def advance_passkey(self, old, new):
            return False

    assert await prove(town, phone.get(await ask(town)), transaction=Changed) is None


async def test_a_sealed_credential_that_was_moved_is_not_read(town):
    phone, other = Authenticator(), Authenticator()
    first, second = await give_passkey(town, phone), await give_passkey(town, other, "bob", a_visitor("203.0.113.8"))
    options = await ask(town)
    async with town.store.records.transaction() as transaction:
        await transaction.advance_passkey(first, replace(first, sealed=second.sealed))
    with pytest.raises(TamperError):
        await prove(town, phone.get(options))
