"""Races about second factors, on every store and through two connections to it: what is good once is used once."""

import asyncio
import base64
from itertools import cycle

import pytest

from doorward.flows.factors import Enrolled
from doorward.flows.methods.passkey import Copied
from doorward.flows.outcome import Refused
from doorward.rules.factor import MAX_PASSKEYS, RECOVERY_CODES
from doorward.rules.login import Failure
from doorward.rules.session import Method
from doorward.rules.totp import make_code, step_of
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import Town, a_visitor
from tests.fakes.second import SECRET, code_of, find_user, give_codes, give_passkey, give_totp

AT_ONCE = 50
CHALLENGE = bytes(range(32))


@pytest.fixture
async def town(store):
    town = Town(store=store)
    await town.add_user("alice")
    return town


def a_stranger(at):
    """The same browser at an address of its own, so that no limit stands between it and the race."""
    return a_visitor(f"198.51.100.{at + 1}")


async def at_once(store, prove):
    """What `prove` gives to 50 at once, every other through the connection of another process."""
    doors = cycle((store.records, store.elsewhere))

    async def try_once(records):
        async with records.transaction() as transaction:
            return await prove(transaction)

    return await asyncio.gather(*(try_once(next(doors)) for _ in range(AT_ONCE)))


async def factors_of(town):
    return await town.factors.list_of(await find_user(town))


async def test_of_50_who_come_with_one_code_of_an_app_one_is_right(town, store):
    user, code = await give_totp(town), code_of(town)
    proven = await at_once(store, lambda records: town.methods.totp.prove(records, user, code, now=town.now))
    assert sorted(proven) == [False] * (AT_ONCE - 1) + [True]


async def test_of_50_who_come_with_codes_of_three_steps_each_step_is_used_once_at_most(town, store):
    user = await give_totp(town)
    codes = cycle(make_code(SECRET, step_of(town.now) + ahead) for ahead in (1, 0, -1))
    proven = await at_once(store, lambda records: town.methods.totp.prove(records, user, next(codes), now=town.now))
    assert 1 <= sum(proven) <= 3
    assert (await factors_of(town)).totp.last_step == step_of(town.now) + 1


async def test_of_50_who_come_with_one_recovery_code_one_is_right(town, store):
    user, code = await find_user(town), (await give_codes(town))[7]
    spelt = cycle((code, code.upper(), code.replace("-", ""), f" {code} "))
    proven = await at_once(
        store, lambda records: town.methods.recovery_code.prove(records, user, a_visitor(), next(spelt), now=town.now)
    )
    assert sorted(proven) == [False] * (AT_ONCE - 1) + [True]
    assert (await factors_of(town)).unused_codes == RECOVERY_CODES - 1
    async with store.records.transaction() as transaction:
        acts = [record.event.act.value for record in await transaction.list_audit()]
    assert acts.count("user.recovery_code_use") == 1


async def test_of_50_who_come_with_one_answer_of_a_counting_passkey_one_is_right(town, store):
    phone = Authenticator(counts=1)
    await give_passkey(town, phone)
    user = await find_user(town)
    answer = phone.get(town.methods.passkey.ask((await factors_of(town)).passkeys, CHALLENGE, verify=True))
    proven = await at_once(
        store,
        lambda records: town.methods.passkey.prove(
            records, answer, CHALLENGE, user=None, visitor=a_visitor(), verify=True, now=town.now
        ),
    )
    assert proven.count((user.id, Method.PASSKEY)) == 1
    assert proven.count(Copied(user.id)) == AT_ONCE - 1
    async with store.records.transaction() as transaction:
        acts = [record.event.act.value for record in await transaction.list_audit()]
    assert acts.count("user.passkey_refuse") == AT_ONCE - 1


async def test_of_50_who_confirm_one_app_one_sets_it_up(town):
    user = await find_user(town)
    offer = await town.factors.begin_totp(user, a_visitor(), now=town.now)
    code = make_code(base64.b32decode(offer.secret.replace(" ", "")), step_of(town.now))
    outcomes = await asyncio.gather(
        *(
            town.factors.confirm_totp(user, a_stranger(at), token=offer.token, code=code, now=town.now)
            for at in range(AT_ONCE)
        )
    )
    assert outcomes.count(Enrolled(needs_codes=True)) == 1
    assert outcomes.count(Refused(Failure.TICKET_GONE)) == AT_ONCE - 1


async def test_50_passkeys_at_once_do_not_exceed_what_an_account_has_room_for(town):
    """R04."""
    await give_passkey(town, Authenticator())  # an offer from before there was a factor is gone once there is one
    user, phone = await find_user(town), Authenticator()
    offers = [await town.factors.begin_passkey(user, a_visitor(), now=town.now) for _ in range(AT_ONCE)]
    answers = [phone.create(offer.options) for offer in offers]
    outcomes = await asyncio.gather(
        *(
            town.factors.confirm_passkey(user, a_stranger(at), token=offer.token, answer=answer, name="", now=town.now)
            for at, (offer, answer) in enumerate(zip(offers, answers, strict=True))
        )
    )
    assert outcomes.count(Refused(Failure.TOO_MANY_PASSKEYS)) == AT_ONCE - MAX_PASSKEYS + 1
    assert len((await factors_of(town)).passkeys) == MAX_PASSKEYS


async def test_one_credential_that_50_register_at_once_is_registered_once(town):
    """R04."""
    await give_passkey(town, Authenticator())  # an offer from before there was a factor is gone once there is one
    user, phone = await find_user(town), Authenticator()
    offers = [await town.factors.begin_passkey(user, a_visitor(), now=town.now) for _ in range(AT_ONCE)]
    answers = [phone.create(offer.options, credential_id=b"the same") for offer in offers]
    outcomes = await asyncio.gather(
        *(
            town.factors.confirm_passkey(user, a_stranger(at), token=offer.token, answer=answer, name="", now=town.now)
            for at, (offer, answer) in enumerate(zip(offers, answers, strict=True))
        )
    )
    assert outcomes.count(Refused(Failure.PASSKEY_KNOWN)) == AT_ONCE - 1
    assert len((await factors_of(town)).passkeys) == 2


async def test_of_50_who_acknowledge_one_set_of_codes_one_does(town):
    await give_totp(town)
    user = await find_user(town)
    offer = await town.factors.begin_codes(user, a_visitor(), now=town.now)
    kept = await asyncio.gather(
        *(
            town.factors.acknowledge_codes(user, a_stranger(at), token=offer.token, now=town.now)
            for at in range(AT_ONCE)
        )
    )
    assert kept.count(Refused(Failure.TICKET_GONE)) == AT_ONCE - 1
    assert (await factors_of(town)).unused_codes == RECOVERY_CODES
