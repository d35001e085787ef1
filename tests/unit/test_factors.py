"""Setting second factors up and taking them away."""

import asyncio
import base64
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from doorward.flows.factors import Enrolled, take_all
from doorward.flows.outcome import Refused
from doorward.flows.rights import take_rights
from doorward.flows.throttle import Bucket, Budget, LoginLimits
from doorward.rules.factor import MAX_PASSKEYS, RECOVERY_CODES, Factors
from doorward.rules.letter import LetterKind
from doorward.rules.login import Failure
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.session import Method
from doorward.rules.throttle import Window
from doorward.rules.totp import make_code, step_of
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import Town, a_visitor
from tests.fakes.second import change_user, code_of, find_user, give_codes, give_passkey, give_totp

GONE = Refused(Failure.TICKET_GONE)
WIDE = (Window(1000, timedelta(minutes=1)),)
HERE = {"device": "Mozilla/5.0 (X11; Linux)", "address": "203.0.113.7", "at": "2030-01-01 12:00 UTC"}


@pytest.fixture
async def town():
    town = Town()
    await town.add_user("alice")
    await town.add_user("bob")
    return town


@pytest.fixture
def demanding(town):
    """Policy demands a second factor of everybody."""
    town.mfa = MfaTerms(required=MfaRequired.ALL)
    return town


async def factors_of(town, name="alice"):
    return await town.factors.list_of(await find_user(town, name))


def a_neighbour(number):
    """The same browser at another address, which has a budget of its own."""
    return a_visitor(f"203.0.113.{number}")


async def offer_totp(town, name="alice", visitor=None):
    return await town.factors.begin_totp(await find_user(town, name), visitor or a_visitor(), now=town.now)


def secret_of(offer):
    return base64.b32decode(offer.secret.replace(" ", ""))


async def confirm_totp(town, offer, *, name="alice", visitor=None, code=None):
    code = code or make_code(secret_of(offer), step_of(town.now))
    user = await find_user(town, name)
    return await town.factors.confirm_totp(user, visitor or a_visitor(), token=offer.token, code=code, now=town.now)


async def remove_totp(town, code, visitor=None, user=None):
    user = user or await find_user(town)
    return await town.factors.remove_totp(user, visitor or a_visitor(), code=code, now=town.now)


async def offer_passkey(town, name="alice", visitor=None):
    return await town.factors.begin_passkey(await find_user(town, name), visitor or a_visitor(), now=town.now)


async def confirm_passkey(town, offer, answer, *, called="Phone", name="alice", visitor=None):
    user = await find_user(town, name)
    return await town.factors.confirm_passkey(
        user, visitor or a_visitor(), token=offer.token, answer=answer, name=called, now=town.now
    )


async def offer_codes(town, name="alice", visitor=None):
    return await town.factors.begin_codes(await find_user(town, name), visitor or a_visitor(), now=town.now)


async def keep_codes(town, offer, *, name="alice", visitor=None):
    user = await find_user(town, name)
    kept = await town.factors.acknowledge_codes(user, visitor or a_visitor(), token=offer.token, now=town.now)
    return kept == RECOVERY_CODES


async def take_rights_of(town, name="alice"):
    async with town.store.records.transaction() as transaction:
        user = await transaction.find_user_by_login(name)
        await take_rights(transaction, user, user)


async def test_an_app_counts_once_it_has_shown_a_code(town):
    """A-14, B-11."""
    offer = await offer_totp(town)
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", offer.secret)
    assert f"secret={offer.secret.replace(' ', '')}" in offer.uri
    assert offer.uri.startswith("otpauth://totp/Doorward:alice?")
    assert offer.qr.startswith("<svg")
    assert (await factors_of(town)).totp is None
    assert await confirm_totp(town, offer) == Enrolled(needs_codes=True)
    assert (await factors_of(town)).totp.user_id == (await find_user(town)).id
    assert (town.acts()[-1], town.audit[-1].public) == ("user.mfa_enable", {"replaced": "no"})
    assert town.letters == [(LetterKind.FACTOR_ADDED, "alice", {"factor": "Authenticator app", **HERE})]


async def test_the_code_that_confirmed_an_app_does_not_sign_in(town):
    offer = await offer_totp(town)
    code = make_code(secret_of(offer), step_of(town.now))
    await confirm_totp(town, offer, code=code)
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        assert not await town.methods.totp.prove(transaction, user, code, now=town.now)


async def test_nothing_of_an_offer_stands_where_it_can_be_read(town):
    offer = await offer_totp(town)
    raw = secret_of(offer)
    kept = repr(town.store.state.tickets)
    assert offer.secret not in repr(offer)
    assert not any(text in kept for text in (offer.token, raw.hex(), offer.secret.replace(" ", ""), repr(raw)[2:-1]))


async def test_who_reloads_the_page_sees_the_same_secret(town):
    offer = await offer_totp(town)
    alice, bob = await find_user(town), await find_user(town, "bob")
    assert await town.factors.find_totp(alice, a_visitor(), offer.token, now=town.now) == offer
    for user, visitor, token in (
        (bob, a_visitor(), offer.token),
        (alice, a_visitor(browser="browser-2"), offer.token),
        (alice, a_visitor(), "x" * 43),
    ):
        assert await town.factors.find_totp(user, visitor, token, now=town.now) is None


async def test_a_wrong_code_can_be_mended_while_the_offer_holds(town):
    offer = await offer_totp(town)
    assert await confirm_totp(town, offer, code="000000") == Refused(Failure.WRONG_CODE)
    assert isinstance(await confirm_totp(town, offer), Enrolled)


async def test_an_offer_is_good_for_its_account_its_browser_and_a_quarter_of_an_hour(town):
    offer = await offer_totp(town)
    assert await confirm_totp(town, offer, name="bob") == GONE
    assert await confirm_totp(town, offer, visitor=a_visitor(browser="browser-2")) == GONE
    town.clock.advance(timedelta(minutes=15))
    assert await confirm_totp(town, offer) == GONE


async def test_the_old_app_counts_until_the_new_one_is_confirmed_and_then_no_more(town):
    """F12: a second enrolment changes nothing until it is confirmed."""
    await give_totp(town)
    before = (await factors_of(town)).totp
    offer = await offer_totp(town)
    assert (await factors_of(town)).totp == before
    await give_codes(town)
    assert await confirm_totp(town, offer) == Enrolled(needs_codes=False)
    assert town.audit[-1].public == {"replaced": "yes"}
    assert await remove_totp(town, code_of(town)) == Refused(Failure.WRONG_CODE)


async def test_of_two_offers_the_one_that_is_confirmed_first_ends_the_other(town):
    older, newer = await offer_totp(town), await offer_totp(town)
    assert isinstance(await confirm_totp(town, newer), Enrolled)
    assert await confirm_totp(town, older) == GONE


async def test_an_offer_confirms_once_however_many_send_its_code(town):
    offer = await offer_totp(town)
    outcomes = await asyncio.gather(*(confirm_totp(town, offer, visitor=a_neighbour(each)) for each in range(50)))
    assert outcomes.count(GONE) == 49
    assert town.acts().count("user.mfa_enable") == len(town.letters) == 1


@pytest.mark.parametrize("change", [{"enabled": False}, {"generation": 9}])
async def test_an_offer_dies_with_the_rights_of_its_account(town, change):
    totp, passkey, codes = await offer_totp(town), await offer_passkey(town), await offer_codes(town)
    phone = Authenticator()
    await give_totp(town, "alice")
    await change_user(town, **change)
    assert await confirm_totp(town, totp) == GONE
    assert await confirm_passkey(town, passkey, phone.create(passkey.options)) == GONE
    assert not await keep_codes(town, codes)
    assert await factors_of(town) == Factors(totp=(await factors_of(town)).totp)


async def test_an_offer_dies_with_its_account(town):
    offer, alice = await offer_totp(town), await find_user(town)
    async with town.store.records.transaction() as transaction:
        await transaction.remove_user(alice.id)
    code = make_code(secret_of(offer), step_of(town.now))
    confirmed = await town.factors.confirm_totp(alice, a_visitor(), token=offer.token, code=code, now=town.now)
    assert confirmed == GONE


async def test_an_app_is_taken_away_with_a_code_of_it(town):
    """B-11."""
    await give_totp(town)
    await give_codes(town)
    assert await remove_totp(town, "000000") == Refused(Failure.WRONG_CODE)
    assert (await factors_of(town)).totp is not None
    assert await remove_totp(town, code_of(town)) is None
    assert await factors_of(town) == Factors()
    assert town.acts()[-1] == "user.mfa_disable"
    assert town.letters == [(LetterKind.FACTOR_REMOVED, "alice", {"factor": "Authenticator app", **HERE})]


async def test_an_app_is_taken_away_with_a_recovery_code_and_the_others_stay_while_there_is_a_passkey(town):
    await give_totp(town)
    await give_passkey(town, Authenticator())
    codes = await give_codes(town)
    assert await remove_totp(town, codes[4]) is None
    factors = await factors_of(town)
    assert (factors.totp, factors.unused_codes) == (None, RECOVERY_CODES - 1)
    assert town.acts()[-2:] == ["user.recovery_code_use", "user.mfa_disable"]


async def test_a_refused_removal_uses_nothing_up(demanding):
    """F13."""
    await give_totp(demanding)
    codes = await give_codes(demanding)
    for code in (code_of(demanding), codes[0]):
        assert await remove_totp(demanding, code) == Refused(Failure.FACTOR_NEEDED)
    factors = await factors_of(demanding)
    assert (factors.totp.last_step, factors.unused_codes) == (0, RECOVERY_CODES)


async def test_an_app_goes_where_a_passkey_still_satisfies_policy(demanding):
    await give_totp(demanding)
    await give_passkey(demanding, Authenticator())
    assert await remove_totp(demanding, code_of(demanding)) is None


async def test_where_there_is_no_app_there_is_none_to_take_away(town):
    with pytest.raises(NotFoundError):
        await remove_totp(town, "000000")


async def test_codes_for_taking_an_app_away_are_counted_like_those_for_signing_in(town):
    await give_totp(town)
    failures = [(await remove_totp(town, "000000")).failure for _ in range(5)]
    assert failures == [Failure.WRONG_CODE] * 2 + [Failure.LOCKED] * 3
    refused = await remove_totp(town, code_of(town))
    assert refused.failure is Failure.THROTTLED
    assert refused.retry_after > timedelta(0)


async def test_guesses_at_the_code_lock_the_account_like_those_of_a_sign_in():
    """F04, F13: from however many addresses; a right one forgets the wrong ones."""
    town = Town(limits=LoginLimits(login=WIDE, budgets={Bucket.OTP_VERIFY: Budget(WIDE)}))
    await town.add_user("alice")
    user = await give_totp(town)
    target = town.throttle.aim_second(user, a_visitor(), now=town.now)
    outcomes = [await remove_totp(town, "000000", a_neighbour(each)) for each in range(1, 31)]
    assert outcomes[0] == Refused(Failure.WRONG_CODE)
    assert outcomes[-1].failure is Failure.LOCKED
    assert (await remove_totp(town, code_of(town))).failure is Failure.LOCKED
    assert (await factors_of(town)).totp is not None
    assert {"user.login_failed", "user.login_locked"} <= set(town.acts())
    failed = next(event for event in town.audit if event.act.value == "user.login_failed")
    assert (failed.actor, failed.subject) == (user.id, user.id)
    assert failed.public == {"method": "otp", "known_device": "no", "at": "mfa_manage"}
    async with town.store.records.transaction() as transaction:
        noted = await transaction.list_sign_ins(user.id, limit=100)
    # As many as were looked at, and none for those that a lock turned away.
    assert len(noted) == town.acts().count("user.login_failed")
    assert {(each.failure, each.session, each.methods) for each in noted} == {
        ("wrong_code", None, frozenset({Method.TOTP}))
    }
    town.clock.advance(await town.throttle.find_lock(target, now=town.now))
    assert await remove_totp(town, code_of(town)) is None
    assert await town.throttle.record_failure(target, now=town.now) == timedelta(0)


async def test_confirming_is_counted_before_it_is_looked_at(town):
    """B-26: five in a quarter of an hour."""
    totp, passkey = await offer_totp(town), await offer_passkey(town)
    answer = Authenticator().create(passkey.options)
    for _ in range(5):
        await confirm_totp(town, totp, code="000000")
    assert (await confirm_totp(town, totp)).failure is Failure.THROTTLED
    assert (await confirm_passkey(town, passkey, answer)).failure is Failure.THROTTLED
    assert isinstance(await confirm_totp(town, totp, visitor=a_neighbour(9)), Enrolled)


async def test_offers_are_counted_so_that_nobody_fills_the_store_with_them(town):
    for _ in range(40):
        for begin in (offer_totp, offer_passkey, offer_codes):
            assert not isinstance(await begin(town), Refused)
    for begin in (offer_totp, offer_passkey, offer_codes):
        assert (await begin(town)).failure is Failure.THROTTLED


async def test_a_passkey_is_kept_under_its_name(town):
    """D-08."""
    phone = Authenticator(synced=True, counts=2)
    offer = await offer_passkey(town)
    passkey = await confirm_passkey(town, offer, phone.create(offer.options), called=" Alice's phone ")
    assert (await factors_of(town)).passkeys == (passkey,)
    assert (passkey.name, passkey.verifies, passkey.backed_up, passkey.sign_count) == ("Alice's phone", True, True, 2)
    assert (town.acts()[-1], town.audit[-1].public) == ("user.passkey_add", {"passkey": passkey.id})
    assert town.letters == [(LetterKind.FACTOR_ADDED, "alice", {"factor": "Alice's phone", **HERE})]
    (credential,) = phone.credentials.values()
    assert credential.user_handle == passkey.user_id.encode()


async def test_a_passkey_without_a_name_is_called_what_it_is(town):
    assert (await give_passkey(town, Authenticator())).name == "Passkey"
    assert (await give_passkey(town, Authenticator(verifies=False))).name == "Security key"


async def test_a_name_that_cannot_be_shown_is_refused_before_the_challenge_is_used_up(town):
    offer = await offer_passkey(town)
    answer = Authenticator().create(offer.options)
    with pytest.raises(InputError):
        await confirm_passkey(town, offer, answer, called="a\u202eb")
    assert not isinstance(await confirm_passkey(town, offer, answer), Refused)


@pytest.mark.parametrize("first", [give_totp, lambda town: give_passkey(town, Authenticator())], ids=["app", "passkey"])
async def test_what_was_offered_before_there_was_a_factor_sets_up_no_other_beside_it(town, first):
    """F12, B-12: who has only the password begins, the owner is through first."""
    offer, app = await offer_passkey(town), await offer_totp(town)
    answer = Authenticator().create(offer.options)
    await first(town)
    before = await factors_of(town)
    assert await confirm_passkey(town, offer, answer) == GONE
    assert await confirm_totp(town, app) == GONE
    assert await factors_of(town) == before


async def test_a_challenge_is_good_once_for_its_account_and_browser_whatever_came_of_it(town):
    offer = await offer_passkey(town)
    answer = Authenticator().create(offer.options)
    assert await confirm_passkey(town, offer, answer, name="bob") == GONE
    assert await confirm_passkey(town, offer, answer, visitor=a_visitor(browser="browser-2")) == GONE
    wrong = Authenticator().create(offer.options, origin="https://evil.test")
    assert await confirm_passkey(town, offer, wrong) == Refused(Failure.WRONG_PASSKEY)
    assert await confirm_passkey(town, offer, answer) == GONE
    assert (await factors_of(town)).passkeys == ()


async def test_a_challenge_ends_after_five_minutes(town):
    offer = await offer_passkey(town)
    town.clock.advance(timedelta(minutes=5))
    assert await confirm_passkey(town, offer, Authenticator().create(offer.options)) == GONE


async def test_a_credential_that_is_registered_is_not_registered_again_by_anybody(town):
    """G11."""
    phone = Authenticator()
    passkey = await give_passkey(town, phone)
    (credential_id,) = phone.credentials
    for name in ("alice", "bob"):
        offer = await offer_passkey(town, name)
        answer = Authenticator().create(offer.options, credential_id=credential_id)
        assert await confirm_passkey(town, offer, answer, name=name) == Refused(Failure.PASSKEY_KNOWN)
    assert (await factors_of(town)).passkeys == (passkey,)
    assert (await factors_of(town, "bob")).passkeys == ()
    assert town.acts().count("user.passkey_add") == 1


async def test_the_browser_is_told_what_the_account_has_already(town):
    phone = Authenticator()
    await give_passkey(town, phone)
    offer = await offer_passkey(town)
    assert '"excludeCredentials": [{"id": ' in offer.options
    assert '"excludeCredentials": []' in (await offer_passkey(town, "bob")).options


async def test_an_account_has_room_for_so_many_passkeys_and_no_race_makes_more(town):
    phone = Authenticator()
    for each in range(MAX_PASSKEYS - 1):
        await give_passkey(town, phone, visitor=a_neighbour(each))
    offers = [await offer_passkey(town) for _ in range(20)]
    answers = [phone.create(offer.options) for offer in offers]
    outcomes = await asyncio.gather(
        *(
            confirm_passkey(town, offer, answer, visitor=a_neighbour(100 + each))
            for each, (offer, answer) in enumerate(zip(offers, answers, strict=True))
        )
    )
    assert outcomes.count(Refused(Failure.TOO_MANY_PASSKEYS)) == 19
    assert len((await factors_of(town)).passkeys) == MAX_PASSKEYS
    assert await offer_passkey(town) == Refused(Failure.TOO_MANY_PASSKEYS)


async def test_a_passkey_gets_another_name(town):
    passkey = await give_passkey(town, Authenticator())
    user = await find_user(town)
    renamed = await town.factors.rename_passkey(user, a_visitor(), passkey_id=passkey.id, name="Desk", now=town.now)
    assert (await factors_of(town)).passkeys == (renamed,) == (replace(passkey, name="Desk"),)
    assert (town.acts()[-1], town.audit[-1].private["old_name"]) == ("user.passkey_rename", "Passkey")
    count = len(town.audit)
    await town.factors.rename_passkey(user, a_visitor(), passkey_id=passkey.id, name="Desk", now=town.now)
    assert len(town.audit) == count


async def test_a_passkey_that_changes_at_the_same_moment_is_not_renamed(town):
    passkey = await give_passkey(town, Authenticator())
    user, real = await find_user(town), town.store.records.transaction

    @asynccontextmanager
    async def transaction():
        async with real() as records:

            async def advance_passkey(old, new):
                return False

            records.advance_passkey = advance_passkey
            yield records

    town.store.records.transaction = transaction
    with pytest.raises(ConflictError):
        await town.factors.rename_passkey(user, a_visitor(), passkey_id=passkey.id, name="Desk", now=town.now)


async def test_a_removed_passkey_is_gone_and_recovery_codes_go_with_the_last_factor(town):
    phone = Authenticator()
    first, second = await give_passkey(town, phone), await give_passkey(town, phone)
    await give_codes(town)
    user = await find_user(town)
    assert await town.factors.remove_passkey(user, a_visitor(), passkey_id=first.id, now=town.now) == first
    factors = await factors_of(town)
    assert (factors.passkeys, factors.unused_codes) == ((second,), RECOVERY_CODES)
    await town.factors.remove_passkey(user, a_visitor(), passkey_id=second.id, now=town.now)
    assert await factors_of(town) == Factors()
    assert town.acts()[-2:] == ["user.passkey_remove", "user.passkey_remove"]
    assert town.letters[-1] == (LetterKind.FACTOR_REMOVED, "alice", {"factor": "Passkey", **HERE})


async def test_the_last_factor_stays_while_policy_demands_one(demanding):
    """G15."""
    phone = Authenticator()
    first, second = await give_passkey(demanding, phone), await give_passkey(demanding, phone)
    user = await find_user(demanding)
    remove = demanding.factors.remove_passkey
    assert await remove(user, a_visitor(), passkey_id=first.id, now=demanding.now) == first
    refused = await remove(user, a_visitor(), passkey_id=second.id, now=demanding.now)
    assert refused == Refused(Failure.FACTOR_NEEDED)
    await give_totp(demanding)
    assert await remove(user, a_visitor(), passkey_id=second.id, now=demanding.now) == second


async def test_the_passkeys_of_others_look_like_none(town):
    """G15: by their id, too."""
    theirs = await give_passkey(town, Authenticator(), "bob")
    alice = await find_user(town)
    with pytest.raises(NotFoundError):
        await town.factors.rename_passkey(alice, a_visitor(), passkey_id=theirs.id, name="Mine", now=town.now)
    with pytest.raises(NotFoundError):
        await town.factors.remove_passkey(alice, a_visitor(), passkey_id=theirs.id, now=town.now)
    assert (await factors_of(town, "bob")).passkeys == (theirs,)


async def test_who_lost_a_right_changes_nothing_any_more(town):
    await give_totp(town)
    passkey = await give_passkey(town, Authenticator())
    stale = await find_user(town)
    await take_rights_of(town)
    before = await factors_of(town)
    for act in (
        remove_totp(town, code_of(town), user=stale),
        town.factors.rename_passkey(stale, a_visitor(), passkey_id=passkey.id, name="Mine", now=town.now),
        town.factors.remove_passkey(stale, a_visitor(), passkey_id=passkey.id, now=town.now),
    ):
        with pytest.raises(ForbiddenError):
            await act
    assert await factors_of(town) == before


async def test_recovery_codes_count_once_they_are_acknowledged(town):
    """B-11."""
    await give_totp(town)
    old = await give_codes(town)
    offer = await offer_codes(town)
    assert len(offer.codes) == RECOVERY_CODES
    assert offer.codes[0] not in repr(offer)
    assert offer.codes[0] not in repr(town.store.state.tickets)
    user = await find_user(town)
    assert await town.factors.find_codes(user, a_visitor(), offer.token, now=town.now) == offer
    async with town.store.records.transaction() as transaction:
        prove = town.methods.recovery_code.prove
        assert not await prove(transaction, user, a_visitor(), offer.codes[0], now=town.now)
        assert await prove(transaction, user, a_visitor(), old[0], now=town.now)
    assert await keep_codes(town, offer)
    async with town.store.records.transaction() as transaction:
        assert await prove(transaction, user, a_visitor(), offer.codes[0], now=town.now)
        assert not await prove(transaction, user, a_visitor(), old[1], now=town.now)
    assert "user.recovery_codes_make" in town.acts()
    assert (LetterKind.FACTOR_ADDED, "alice", {"factor": "Recovery codes", **HERE}) in town.letters


async def test_codes_are_acknowledged_once_by_their_owner_in_their_browser(town):
    await give_totp(town)
    offer = await offer_codes(town)
    assert not await keep_codes(town, offer, name="bob")
    assert not await keep_codes(town, offer, visitor=a_visitor(browser="browser-2"))
    assert await town.factors.find_codes(await find_user(town, "bob"), a_visitor(), offer.token, now=town.now) is None
    assert sorted(await asyncio.gather(*(keep_codes(town, offer) for _ in range(50)))) == [False] * 49 + [True]


async def test_of_two_sets_the_one_that_is_acknowledged_first_ends_the_other(town):
    await give_totp(town)
    older, newer = await offer_codes(town), await offer_codes(town)
    assert await keep_codes(town, newer)
    assert not await keep_codes(town, older)


async def test_recovery_codes_stand_in_for_something_or_there_are_none(town):
    offer = await offer_codes(town)
    assert not await keep_codes(town, offer)
    assert await factors_of(town) == Factors()


async def test_taking_all_leaves_nothing_and_says_what_there_was(town):
    """A-17."""
    await give_totp(town)
    await give_passkey(town, Authenticator())
    await give_codes(town)
    before, user = await factors_of(town), await find_user(town)
    async with town.store.records.transaction() as transaction:
        assert await take_all(transaction, user) == before
    assert await factors_of(town) == Factors()


async def test_tickets_of_one_purpose_are_unknown_to_the_others(town):
    await give_totp(town)
    totp, codes = await offer_totp(town), await offer_codes(town)
    user = await find_user(town)
    assert await town.factors.find_totp(user, a_visitor(), codes.token, now=town.now) is None
    assert await town.factors.find_codes(user, a_visitor(), totp.token, now=town.now) is None
    assert not await keep_codes(town, totp)
