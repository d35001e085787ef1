"""People with second factors, and what they do at a sign-in."""

from dataclasses import replace

from doorward.flows.outcome import Continued
from doorward.rules.factor import FactorId
from doorward.rules.recovery_code import ENTROPY, make_codes
from doorward.rules.session import Subject
from doorward.rules.totp import make_code, step_of
from tests.fakes.flows import GOOD, a_visitor

SECRET = b"k" * 20


async def find_user(town, name="alice"):
    async with town.store.records.transaction() as transaction:
        return await transaction.find_user_by_login(name)


async def change_user(town, name="alice", **changes):
    async with town.store.records.transaction() as transaction:
        user = await transaction.find_user_by_login(name)
        await transaction.advance_user(user, replace(user, **changes))
    return await find_user(town, name)


async def give_totp(town, name="alice", secret=SECRET):
    user = await find_user(town, name)
    async with town.store.records.transaction() as transaction:
        await transaction.put_totp(town.methods.totp.make(user.id, secret, step=0, now=town.now))
    return user


async def give_codes(town, name="alice"):
    user = await find_user(town, name)
    codes = make_codes(town.random.token(ENTROPY))
    ids = [FactorId(town.random.token(16).hex()) for _ in codes]
    async with town.store.records.transaction() as transaction:
        made = town.methods.recovery_code.make(user.id, codes, ids, now=town.now)
        await transaction.put_recovery_codes(user.id, made)
    return codes


def code_of(town, secret=SECRET, ahead=0):
    return make_code(secret, step_of(town.now) + ahead)


async def come_to_second(town, visitor=None, login="alice", **more):
    """Prove the password; the sign-in at its second proof."""
    outcome = await town.try_login(login, GOOD, visitor or a_visitor(), **more)
    assert isinstance(outcome, Continued), outcome
    return outcome.started


async def submit_code(town, started, code, visitor=None, previous=None):
    visitor = visitor or a_visitor()
    return await town.sign_in.submit_code(started.token, visitor, code=code, previous=previous, now=town.now)


async def enter_with_code(town, visitor=None, **more):
    started = await come_to_second(town, visitor, **more)
    return await submit_code(town, started, code_of(town), visitor)


def subject_of(signed_in):
    return Subject(signed_in.user, signed_in.session)


async def give_passkey(town, authenticator, name="alice", visitor=None):
    user, visitor = await find_user(town, name), visitor or a_visitor()
    offer = await town.factors.begin_passkey(user, visitor, now=town.now)
    answer = authenticator.create(offer.options)
    return await town.factors.confirm_passkey(user, visitor, token=offer.token, answer=answer, name="", now=town.now)


async def use_passkey(town, started, authenticator, visitor=None, *, previous=None, remember=False, **changes):
    visitor = visitor or a_visitor()
    options = await town.sign_in.ask_passkey(started.token, visitor, now=town.now)
    assert isinstance(options, str), options
    answer = authenticator.get(options, **changes)
    return await town.sign_in.submit_passkey(
        started.token, visitor, answer=answer, remember=remember, previous=previous, now=town.now
    )
