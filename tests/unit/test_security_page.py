"""Second factors, recovery codes and the last sign-ins, through the pages of one's own account."""

import base64
import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest

from doorward.rules.factor import Factors
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.totp import make_code, step_of
from doorward.web.pages.drawing import qr_drawing
from doorward.web.pages.score import Score, rate
from tests.fakes.authenticator import Authenticator
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.second import code_of, find_user, give_codes, give_totp

SECURITY = "/account/security"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    return door


@pytest.fixture
async def alice(door: Door) -> Browser:
    browser = Browser(door)
    await browser.sign_in("alice")
    return browser


def local(answer: Answer) -> str:
    parts = urlsplit(answer.location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def secret_of(page: Answer) -> bytes:
    found = re.search(r'class="secret code" data-copy>([^<]+)<', page.text)
    assert found
    text = found[1].replace(" ", "")
    return base64.b32decode(text + "=" * (-len(text) % 8))


async def turn_on(door: Door, browser: Browser) -> bytes:
    begun = await browser.press("/account/totp", await browser.get(SECURITY))
    page = await browser.get(local(begun))
    secret = secret_of(page)
    code = make_code(secret, step_of(door.clock.now()))
    answer = await browser.press("/account/totp", page, offer=page.hidden("offer"), code=code)
    assert local(answer) == f"{SECURITY}?done=totp-codes"
    return secret


async def test_the_page_says_how_well_the_account_is_protected(alice: Browser) -> None:
    page = await alice.get(SECURITY)
    assert "Only one lock protects your account" in page.text
    assert "Recent sign-ins" in page.text
    assert "this browser" in page.text


async def test_an_authenticator_app_is_set_up_with_a_code_it_shows(door: Door, alice: Browser) -> None:
    """A-13: a picture, the secret as text, and a code before it counts."""
    begun = await alice.press("/account/totp", await alice.get(SECURITY))
    page = await alice.get(local(begun))
    assert "<svg" in page.text
    assert secret_of(await alice.get(local(begun))) == secret_of(page)
    wrong = await alice.press("/account/totp", page, offer=page.hidden("offer"), code="000000")
    assert (wrong.status, "That code is not right" in wrong.text) == (403, True)
    code = make_code(secret_of(page), step_of(door.clock.now()))
    answer = await alice.press("/account/totp", page, offer=page.hidden("offer"), code=code)
    assert local(answer) == f"{SECURITY}?done=totp-codes"
    assert "Make recovery codes now" in (await alice.get(local(answer))).text
    again = await alice.press("/account/totp", page, offer=page.hidden("offer"), code=code)
    assert local(again) == f"{SECURITY}?done=gone"
    assert local(await alice.get("/account/totp?offer=none")) == f"{SECURITY}?done=gone"


async def test_it_is_asked_for_at_the_next_sign_in(door: Door) -> None:
    """A-14: the second factor comes after the password, and opens the door."""
    await give_totp(door.town)
    browser = Browser(door)
    answer = await browser.sign_in("alice")
    assert urlsplit(answer.location).path == "/login/factor"
    page = await browser.get(local(answer))
    assert 'inputmode="numeric"' in page.text
    wrong = await browser.press("/login/factor", page, ticket=page.hidden("ticket"), code="000000")
    assert (wrong.status, 'role="alert"' in wrong.text) == (403, True)
    assert "/login" in (await browser.get(SECURITY)).location
    right = await browser.press("/login/factor", page, ticket=page.hidden("ticket"), code=code_of(door.town))
    assert (right.status, right.location) == (303, "https://auth.example.test/")


async def test_a_recovery_code_stands_in_once(door: Door) -> None:
    """A-15: a code of the ten, and each once."""
    await give_totp(door.town)
    codes = await give_codes(door.town)
    for expected in (303, 403):
        browser = Browser(door)
        page = await browser.get(local(await browser.sign_in("alice")))
        answer = await browser.press(
            "/login/recovery-code", page, ticket=page.hidden("ticket"), recovery_code=codes[0].lower()
        )
        assert answer.status == expected
    assert "<details open>" in answer.text


async def test_it_is_turned_off_with_proof_alone(door: Door, alice: Browser) -> None:
    secret = await turn_on(door, alice)
    page = await alice.get(SECURITY)
    wrong = await alice.press("/account/totp/remove", page, code="000000")
    assert (wrong.status, "<details open>" in wrong.text) == (403, True)
    door.clock.advance(timedelta(minutes=2))
    code = make_code(secret, step_of(door.clock.now()))
    assert local(await alice.press("/account/totp/remove", page, code=code)) == f"{SECURITY}?done=totp-off"
    assert local(await alice.press("/account/totp/remove", page, code=code)) == f"{SECURITY}?done=gone"


async def test_recovery_codes_count_once_they_are_put_away(door: Door, alice: Browser) -> None:
    """A-16: ten, shown until acknowledged, and the old ones hold until then."""
    await turn_on(door, alice)
    begun = await alice.press("/account/codes", await alice.get(SECURITY))
    page = await alice.get(local(begun))
    codes = re.findall(r'<li class="code">([^<]+)</li>', page.text)
    assert len(codes) == 10
    assert "0 of" not in (await alice.get(SECURITY)).text
    unkept = await alice.press("/account/codes/keep", page, offer=page.hidden("offer"))
    assert (unkept.status, codes[0] in unkept.text) == (400, True)
    kept = await alice.press("/account/codes/keep", page, offer=page.hidden("offer"), kept="1")
    assert local(kept) == f"{SECURITY}?done=codes"
    assert "10 of 10 left" in (await alice.get(SECURITY)).text
    for fields in ({"kept": "1"}, {}):
        gone = await alice.press("/account/codes/keep", page, offer=page.hidden("offer"), **fields)
        assert local(gone) == f"{SECURITY}?done=gone"
    assert local(await alice.get("/account/codes?offer=none")) == f"{SECURITY}?done=gone"


async def test_changes_ask_for_a_recent_proof(door: Door, alice: Browser) -> None:
    """B-16: a stolen session cannot change what protects the account."""
    page = await alice.get(SECURITY)
    door.clock.advance(timedelta(minutes=20))
    later = await alice.get(SECURITY)
    assert "confirm that it is you" in later.text
    assert 'action="/account/totp"' not in later.text
    paths = (
        "totp",
        "totp/remove",
        "passkeys",
        "passkeys/options",
        "passkeys/rename",
        "passkeys/remove",
        "codes",
        "codes/keep",
    )
    for path in paths:
        assert "/login?confirm=1" in (await alice.press(f"/account/{path}", page)).location


async def test_a_secret_that_waits_is_not_shown_when_the_proof_is_old(door: Door, alice: Browser) -> None:
    """B-16: whoever finds the browser open later sets up no app of theirs."""
    page = await alice.get(SECURITY)
    door.clock.advance(timedelta(minutes=10))
    offer = local(await alice.press("/account/totp", page))
    assert "offer=" in offer
    assert (await alice.get(offer)).status == 200
    door.clock.advance(timedelta(minutes=10))
    assert local(await alice.get(offer)) == f"{SECURITY}?done=gone"


async def test_not_me_stands_beside_each_session_but_this(door: Door, alice: Browser) -> None:
    """B-18; and whoever has no password is told where else to look."""
    other = Browser(door, agent="curl/8")
    await other.sign_in("alice")
    page = await alice.get("/sessions")
    (handle,) = re.findall(r'name="which" value="([0-9a-f]{32})">Not me', page.text)
    user = next(each for each in door.town.store.state.users.values() if each.name == "alice")
    del door.town.store.state.passwords[user.id]
    answer = await alice.press("/account/sign-ins/disown", page, which=handle)
    assert "Look at your account at the provider" in answer.text
    assert "/login" in (await other.get(SECURITY)).location


async def test_a_sign_in_that_was_somebody_elses_ends_everything(door: Door, alice: Browser) -> None:
    """B-18: one button, without a proof first."""
    other = Browser(door, agent="curl/8")
    await other.sign_in("alice")
    door.clock.advance(timedelta(minutes=20))
    page = await alice.get(SECURITY)
    handle = unescape(re.search(r'name="which" value="([0-9a-f]{32})"', page.text)[1])  # type: ignore[index]
    assert local(await alice.press("/account/sign-ins/disown", page, which="0" * 32)) == f"{SECURITY}?done=gone"
    answer = await alice.press("/account/sign-ins/disown", page, which=handle)
    assert (answer.status, "You are signed out everywhere" in answer.text) == (200, True)
    for browser in (alice, other):
        assert "/login" in (await browser.get(SECURITY)).location
    assert urlsplit((await Browser(door).sign_in("alice")).location).path == "/login/new-password"


async def test_a_passkey_is_added_used_renamed_and_removed(door: Door, alice: Browser) -> None:
    """A-29, A-30: made on the page, and then a whole sign-in by itself."""
    authenticator = Authenticator()
    page = await alice.get(SECURITY)
    told = await alice.press("/account/passkeys/options", page)
    assert told.status == 200
    offer = json.loads(told.text)
    answer = authenticator.create(json.dumps(offer["publicKey"]))
    added = await alice.press("/account/passkeys", page, offer=offer["token"], answer=answer, name="Blue key")
    assert local(added) == f"{SECURITY}?done=passkey"
    shown = await alice.get(SECURITY)
    assert "Blue key" in shown.text
    passkey = re.search(r'name="passkey" value="([0-9a-f]{32})"', shown.text)[1]  # type: ignore[index]
    guest = Browser(door)
    login = await guest.get("/login")
    told = await guest.press("/login/passkey/options", login, ticket=login.hidden("ticket"))
    signed = authenticator.get(json.dumps(json.loads(told.text)["publicKey"]))
    entered = await guest.press("/login/passkey", login, ticket=login.hidden("ticket"), answer=signed)
    assert (entered.status, entered.location) == (303, "https://auth.example.test/")
    bad = await alice.press("/account/passkeys/rename", shown, passkey=passkey, name="")
    assert (bad.status, "That name cannot be used" in bad.text) == (400, True)
    renamed = await alice.press("/account/passkeys/rename", shown, passkey=passkey, name="Red key")
    assert local(renamed) == f"{SECURITY}?done=renamed"
    assert "Red key" in (await alice.get(SECURITY)).text
    for done in ("removed", "gone"):
        assert local(await alice.press("/account/passkeys/remove", shown, passkey=passkey)) == f"{SECURITY}?done={done}"
    gone = await alice.press("/account/passkeys/rename", shown, passkey=passkey, name="Red key")
    assert local(gone) == f"{SECURITY}?done=gone"
    refused = await alice.press("/account/passkeys", shown, offer="none", answer="{}", name="x")
    assert refused.status == 409


def test_only_plain_drawings_go_into_a_page() -> None:
    """K11: what goes in unescaped was drawn by us."""
    assert qr_drawing("<svg/></svg>") == "<svg/></svg>"
    for text in ("<p>", "<svg><script></svg>", '<svg style="x"></svg>', "<svg>"):
        with pytest.raises(ValueError, match="plain"):
            qr_drawing(text)


async def test_the_score_says_what_is_missing(door: Door) -> None:
    poor = rate(Factors(), has_email=False)
    assert (poor.level, len(poor.advice)) == ("poor", 2)
    user = await give_totp(door.town)
    fair = rate(await door.flows.factors.list_of(user), has_email=True)
    assert (fair.level, len(fair.advice)) == ("fair", 1)
    await give_codes(door.town)
    assert rate(await door.flows.factors.list_of(user), has_email=True) == Score(
        "good", "Your account is well protected, and you can get back in", ()
    )


ACTS = {
    "totp": {},
    "passkeys/options": {},
    "passkeys": {"offer": "none", "answer": "{}"},
    "passkeys/remove": {"passkey": "none"},
    "codes": {},
    "codes/keep": {"offer": "none", "kept": "on"},
}


@pytest.mark.parametrize("act", ACTS)
async def test_whoever_has_a_factor_shows_it_before_there_is_another(door: Door, act: str) -> None:
    """B-12: where nobody is asked when signing in, the password alone puts no other factor in the place of the one."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    browser = Browser(door)
    await browser.sign_in("alice")
    factors = await door.town.factors.list_of(await find_user(door.town))
    answer = await browser.press(f"/account/{act}", await browser.get(SECURITY), **ACTS[act])
    assert local(answer) == "/login?need=two_factor&rd=https%3A%2F%2Fauth.example.test%2Faccount%2Fsecurity"
    assert await door.town.factors.list_of(await find_user(door.town)) == factors
    page = await browser.get(local(await browser.get(local(answer))))
    shown = await browser.press("/login/factor", page, ticket=page.hidden("ticket"), code=code_of(door.town))
    assert local(shown) == SECURITY
    answer = await browser.press(f"/account/{act}", await browser.get(SECURITY), **ACTS[act])
    assert "need=two_factor" not in (answer.location or "")


@pytest.mark.parametrize(
    ("page", "act", "fields"),
    [
        # A provider may connect by the address, and its word may count as a second factor.
        ("profile", "/account/email/ask", {"email": "new@example.test"}),
        ("profile", "/account/delete", {"confirm": "alice"}),
        ("", "/account/unlink", {"identity": "none"}),
    ],
)
async def test_whoever_has_a_factor_shows_it_before_they_move_leave_or_disconnect(
    door: Door, page: str, act: str, fields: dict[str, str]
) -> None:
    """B-12."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    browser = Browser(door)
    await browser.sign_in("alice")
    path = f"/account/{page}".rstrip("/")
    answer = await browser.press(act, await browser.get(path), **fields)
    assert local(answer) == f"/login?need=two_factor&rd=https%3A%2F%2Fauth.example.test{path.replace('/', '%2F')}"
