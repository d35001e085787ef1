"""The first administrator: exactly one, however many race, and never a second one (R01)."""

import asyncio
from datetime import timedelta

import pytest

from doorward.flows.admin import CLI
from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.rules.audit import Act
from doorward.rules.login import Failure
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.token import read_cookie
from tests.fakes.door import Browser, Door
from tests.fakes.flows import GOOD, SIGNING_KEY, Town, a_visitor, fingerprint_of

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
def town():
    return Town()


async def create(town, token, *, name="root", password=GOOD, previous=None, **more):
    values = {"display_name": "The Root", "email": f"{name}@example.test", "password_again": password, **more}
    return await town.setup.create_admin(
        token, a_visitor(), name=name, password=password, previous=previous, now=town.now, **values
    )


async def test_the_first_administrator_is_made_and_signed_in(town):
    token = await town.setup.issue(now=town.now)
    made = await create(town, token)
    assert isinstance(made, SignedIn)
    assert made.user.is_admin
    assert made.user.enabled
    assert (await town.check(made)).user == made.user
    assert town.acts() == ["admin.setup", "user.login"]
    assert (await town.enter("root", GOOD)).user == made.user


async def send_form(browser, door):
    page = await browser.get(f"/setup?token={await door.setup_token()}")
    fields = {"name": "root", "display_name": "", "email": "", "password": GOOD, "password_again": GOOD}
    return await browser.press("/setup", page, token=page.hidden("token"), **fields)


@pytest.mark.parametrize("console_only", [False, True])
async def test_making_the_first_account_is_its_first_sign_in(console_only):
    """What its owner reads of sign-ins begins here, and the browser gets what it gets anywhere."""
    door = Door()
    door.flows.setup.console_only = console_only
    browser, other = Browser(door), Browser(door)
    assert (await send_form(browser, door)).status == 303
    await other.sign_in("root")
    assert browser.jar.keys() == other.jar.keys()
    assert browser.strict == other.strict
    subject = await door.find_subject(
        read_cookie(browser.jar[door.cookies.session].encode(), SIGNING_KEY), door.clock.now()
    )
    latest, first = await door.flows.own_record.list_sign_ins(subject)
    assert (first.note.failure, first.is_this, first.note.methods) == ("", True, latest.note.methods)
    assert door.town.tally.logins == {"success": 2}


async def test_who_makes_the_first_account_owes_what_policy_asks_of_administrators():
    """The setup link leads past no second factor."""
    door = Door()
    door.town.mfa = MfaTerms(MfaRequired.ADMINS, None)
    browser = Browser(door)
    sent = await send_form(browser, door)
    assert (sent.status, sent.location.partition("?")[0]) == (303, f"{door.public_url}/login/enrol")
    assert door.cookies.session not in browser.jar
    assert (await browser.get(sent.location.removeprefix(door.public_url))).status == 200
    assert door.town.store.state.sessions == {}


async def test_the_first_account_may_be_one_for_the_console_only(town):
    """D-06: it administers, and opens no app."""
    town.setup.console_only = True
    made = await create(town, await town.setup.issue(now=town.now))
    assert isinstance(made, SignedIn)
    assert made.user.console_only
    assert made.user.administers
    door = Door()
    door.flows.setup.console_only = True
    page = await Browser(door).get(f"/setup?token={await door.setup_token()}")
    assert "it opens no app" in page.text
    door.flows.setup.console_only = False
    page = await Browser(door).get(f"/setup?token={await door.setup_token()}")
    assert "it opens no app" not in page.text


async def test_strangers_who_ask_whether_it_is_set_up_keep_nobody_waiting(town):
    """P12: the store is asked until the answer can change no more."""
    assert not await town.setup.is_set_up()
    assert isinstance(await create(town, await town.setup.issue(now=town.now)), SignedIn)
    assert await town.setup.is_set_up()
    town.store.broken = True
    assert await town.setup.is_set_up()


async def test_a_token_is_stored_as_its_hash_only(town):
    token = await town.setup.issue(now=town.now)
    assert token not in str(town.store.state)
    assert len(token) == 43


async def test_of_fifty_who_race_with_one_token_one_is_made(town):
    """R01."""
    token = await town.setup.issue(now=town.now)
    outcomes = await asyncio.gather(*(create(town, token, name=f"root{number}") for number in range(50)))
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert outcomes.count(GONE) == 49
    assert len(town.store.state.users) == 1
    assert town.acts().count("admin.setup") == 1


async def test_of_fifty_who_race_with_fifty_tokens_one_is_made(town):
    """R01: the second lock, when the first one holds nobody back."""
    tokens = [await town.setup.issue(now=town.now) for _ in range(50)]
    outcomes = await asyncio.gather(*(create(town, token, name=f"root{number}") for number, token in enumerate(tokens)))
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert len(town.store.state.users) == 1
    assert len(town.store.state.sessions) == 1


async def test_a_token_works_once(town):
    """R01."""
    token = await town.setup.issue(now=town.now)
    await create(town, token)
    assert not await town.setup.is_open(token, now=town.now)
    assert await create(town, token, name="second") == GONE


async def test_a_token_expires_after_a_quarter_of_an_hour(town):
    token = await town.setup.issue(now=town.now)
    town.clock.advance(timedelta(minutes=15) - timedelta(seconds=1))
    assert await town.setup.is_open(token, now=town.now)
    town.clock.advance(timedelta(seconds=1))
    assert not await town.setup.is_open(token, now=town.now)
    assert await create(town, token) == GONE


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\ud800"])
async def test_a_made_up_token_opens_nothing(town, token):
    """R01."""
    assert not await town.setup.is_open(token, now=town.now)
    assert await create(town, token) == GONE
    assert town.hasher.work == 0


async def test_looking_consumes_nothing(town):
    """K15: link scanners may open the link."""
    token = await town.setup.issue(now=town.now)
    for _ in range(5):
        assert await town.setup.is_open(token, now=town.now)
    assert isinstance(await create(town, token), SignedIn)


async def test_a_login_ticket_opens_no_setup(town):
    """T-05."""
    started = await town.begin(a_visitor())
    assert not await town.setup.is_open(started.token, now=town.now)


async def test_it_stays_shut_for_ever_even_when_all_accounts_are_gone(town):
    """R01."""
    token = await town.setup.issue(now=town.now)
    left_over = await town.setup.issue(now=town.now)
    made = await create(town, token)
    town.store.state.users.pop(made.user.id)
    assert await town.setup.is_set_up()
    assert await town.setup.issue(now=town.now) is None
    assert not await town.setup.is_open(left_over, now=town.now)
    assert await create(town, left_over, name="second") == GONE


async def test_an_administrator_made_by_the_operator_shuts_it_too(town):
    """R01: a link that still lies in a terminal makes no second administrator."""
    token = await town.setup.issue(now=town.now)
    await town.add_user("root", is_admin=True)
    assert await create(town, token, name="second") == GONE


async def test_what_cannot_be_used_is_said_and_the_token_stays_good(town):
    """B-20 to B-24: the same policy as everywhere."""
    token = await town.setup.issue(now=town.now)
    outcome = await create(town, token, name="-bad-", email="nobody", password="short", display_name="\u202ex")
    assert isinstance(outcome, Unacceptable)
    fields = {field for field, _ in outcome.problems}
    assert fields == {"name", "email", "password", "display_name"}
    assert all(problem[0].isupper() and problem.endswith(".") for _, problem in outcome.problems)
    mistyped = await create(town, token, password_again=GOOD + "x")
    assert isinstance(mistyped, Unacceptable)
    assert [field for field, _ in mistyped.problems] == ["password_again"]
    assert isinstance(await create(town, token), SignedIn)


async def test_a_name_that_is_taken_is_refused_without_half_an_account(town):
    await town.add_user("root")
    token = await town.setup.issue(now=town.now)
    assert await create(town, token) == GONE
    assert not (await town.administration.list_users(CLI))[0].is_admin
    assert town.store.state.first_admin is None
    assert town.store.state.sessions == {}


async def test_a_token_lost_during_the_slow_hash_is_gone(town):
    """R01: taken at most once, after the work and before the deed."""
    token = await town.setup.issue(now=town.now)
    town.hasher.gate.clear()
    first, second = (asyncio.create_task(create(town, token, name=name)) for name in ("one", "two"))
    await town.hasher.reached.wait()
    town.hasher.gate.set()
    assert sorted(map(type, await asyncio.gather(first, second)), key=str) == [Refused, SignedIn]


async def test_the_session_the_browser_had_dies(town):
    """J01."""
    await town.add_user("alice")
    old = await town.enter("alice")
    made = await create(town, await town.setup.issue(now=town.now), previous=fingerprint_of(old))
    assert isinstance(made, SignedIn)
    assert await town.check(old) is None
    assert [event.act for event in town.audit[-2:]] == [Act.SETUP, Act.LOGIN]
    assert town.audit[-1].public["replaced"] == old.session.handle
