"""Profile, recovery, registration and the console's pages on accounts: each form does what it says."""

import json
import re
from html import unescape
from urllib.parse import urlsplit

import pytest

from doorward.rules.registration import Mode
from tests.fakes.api import give_key
from tests.fakes.door import PASSWORD, Answer, Browser, Door
from tests.fakes.second import code_of, give_totp
from tests.fakes.upstream import somebody

OTHER = "Another-horse-42!"
PROFILE = "/account/profile"


class Mailer:
    """`interfaces.Mailer` that keeps what it was given; `trouble` is raised."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.trouble: Exception | None = None

    async def send(self, **mail: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(mail)


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    return door


@pytest.fixture
async def alice(door: Door) -> Browser:
    browser = Browser(door)
    await browser.sign_in("alice")
    return browser


@pytest.fixture
async def root(door: Door) -> Browser:
    browser = Browser(door)
    await browser.sign_in("root")
    return browser


def open_mail(door: Door) -> Mailer:
    mailer = Mailer()
    door.town.post._mailer = mailer
    return mailer


async def mailed(door: Door, mailer: Mailer) -> str:
    """The path of the link in the last mail."""
    await door.town.post.deliver_due(door.clock.now())
    found = re.search(r"https://auth\.example\.test(/\S*\?\S+)", mailer.sent[-1]["text"])
    assert found, mailer.sent[-1]
    return found[1]


def local(answer: Answer) -> str:
    parts = urlsplit(answer.location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def test_name_and_language_are_changed(alice: Browser) -> None:
    """B-14: one's own name, and the language of the pages."""
    page = await alice.get(PROFILE)
    answer = await alice.press(PROFILE, page, display_name="Alice L.", language="de")
    assert local(answer) == f"{PROFILE}?done=saved"
    assert 'lang="de"' in (await alice.get(PROFILE)).text
    bad = await alice.press(PROFILE, page, display_name="x" * 300, language="")
    assert (bad.status, 'id="display_name-wrong"' in bad.text) == (400, True)


async def test_a_new_password_asks_for_the_present_one_and_ends_the_others(door: Door, alice: Browser) -> None:
    other = Browser(door)
    await other.sign_in("alice")
    page = await alice.get(PROFILE)
    wrong = await alice.press("/account/password", page, current="no", password=OTHER, password_again=OTHER)
    assert (wrong.status, 'id="current-wrong"' in wrong.text) == (403, True)
    unlike = await alice.press("/account/password", page, current=PASSWORD, password=OTHER, password_again="x")
    assert (unlike.status, 'id="password_again-wrong"' in unlike.text) == (400, True)
    changed = await alice.press("/account/password", page, current=PASSWORD, password=OTHER, password_again=OTHER)
    assert local(changed) == f"{PROFILE}?done=password"
    assert (await alice.get(PROFILE)).status == 200
    assert "/login" in (await other.get(PROFILE)).location


async def test_whoever_has_keys_is_told_that_they_go_on(door: Door, alice: Browser) -> None:
    """A-17: a new password takes none of them away, and says so only where there are any that work."""
    words, changed = "Your keys for apps go on as they are", f"{PROFILE}?done=password"
    assert words not in (await alice.get(changed)).text
    await give_key(door, "alice", expires_at=door.clock.now())
    assert words not in (await alice.get(changed)).text
    await give_key(door, "alice", number=2)
    page = await alice.get(changed)
    assert f'{words}: see whether you know them all. <a href="/keys">Your keys</a>' in page.text
    assert "Ihre Schlüssel für Apps gelten weiter" in (await alice.get(changed, accept_language="de")).text
    assert words not in (await alice.get(PROFILE)).text


async def test_an_address_counts_once_its_link_was_used(door: Door, alice: Browser) -> None:
    """B-15: looking at the link changes nothing, pressing the button does."""
    assert "No mail can be sent from here" in (await alice.get(PROFILE)).text
    mailer = open_mail(door)
    page = await alice.get(PROFILE)
    bad = await alice.press("/account/email/ask", page, email="nothing")
    assert (bad.status, 'id="email-wrong"' in bad.text) == (400, True)
    assert local(await alice.press("/account/email/ask", page, email="new@example.test")) == f"{PROFILE}?done=mailed"
    path = await mailed(door, mailer)
    reader = Browser(door)
    for _ in range(2):
        shown = await reader.get(path)
        assert "new@example.test" in shown.text
    assert shown.header("referrer-policy") == "strict-origin"
    used = await reader.press("/account/email", shown, token=shown.hidden("token"))
    assert (used.status, "Your address is changed" in used.text) == (200, True)
    assert (await reader.press("/account/email", shown, token=shown.hidden("token"))).status == 404
    assert (await reader.get(path)).status == 404


async def test_a_copy_of_everything_is_handed_out(alice: Browser) -> None:
    answer = await alice.press("/account/export", await alice.get(PROFILE))
    assert json.loads(answer.text)["account"]["name"] == "alice"
    assert answer.header("content-disposition") == 'attachment; filename="my-account.json"'


async def test_deleting_oneself_asks_for_the_name(alice: Browser, root: Browser) -> None:
    page = await alice.get(PROFILE)
    assert 'id="confirm-wrong"' in (await alice.press("/account/delete", page, confirm="bob")).text
    gone = await alice.press("/account/delete", page, confirm="alice")
    assert (gone.status, "Your account is deleted" in gone.text) == (200, True)
    assert "/login" in (await alice.get(PROFILE)).location
    last = await root.press("/account/delete", await root.get(PROFILE), confirm="root")
    assert local(last) == f"{PROFILE}?done=last"


async def test_a_forgotten_password_is_set_anew_with_the_second_factor(door: Door) -> None:
    """B-27: a reset is never weaker than a sign-in, and its answer tells nothing about accounts."""
    closed = (await Browser(door).get("/recover")).text
    assert "Ask your administrator" in closed
    # What it names is what prints a link; alone, that command sets a temporary password.
    assert "doorward reset-password NAME --link" in closed
    mailer = open_mail(door)
    await give_totp(door.town)
    browser = Browser(door)
    page = await browser.get("/recover")
    answers = [await browser.press("/recover", page, login=name) for name in ("alice", "nobody")]
    assert {local(answer) for answer in answers} == {"/recover?sent=1"}
    assert "on its way" in (await browser.get("/recover?sent=1")).text
    path = await mailed(door, mailer)
    for _ in range(2):
        shown = await browser.get(path)
        assert shown.status == 200
    step = await browser.press("/reset", shown, token=shown.hidden("token"))
    assert urlsplit(step.location).path == "/login/factor"
    factor = await browser.get(local(step))
    code = code_of(door.town)
    step = await browser.press("/login/factor", factor, ticket=factor.hidden("ticket"), code=code)
    form = await browser.get(local(step))
    assert "Everywhere else you are signed out" in form.text
    fields = {"ticket": form.hidden("ticket"), "password": OTHER, "password_again": OTHER}
    assert (await browser.press("/login/new-password", form, **fields)).status == 303
    assert (await browser.get("/account")).status == 200
    assert (await browser.get(path)).status == 404


async def test_nobody_registers_where_it_is_closed(door: Door) -> None:
    """B-13: closed is closed, and the sign-in page does not offer it."""
    answer = await Browser(door).get("/register")
    assert (answer.status, "Nobody can register here" in answer.text) == (403, True)
    assert "/register" not in (await Browser(door).get("/login")).text


async def test_anyone_registers_where_it_is_open(door: Door) -> None:
    door.town.mode = Mode.OPEN
    browser = Browser(door)
    assert 'href="/register"' in (await browser.get("/login")).text
    page = await browser.get("/register")
    assert 'name="email"' not in page.text
    fields = {"display_name": "Bob", "name": "bob", "password": PASSWORD, "password_again": PASSWORD}
    wrong = await browser.press("/register", page, **{**fields, "name": "a b"})
    assert (wrong.status, 'id="name-wrong"' in wrong.text, 'value="Bob"' in wrong.text) == (400, True, True)
    made = await browser.press("/register", page, **fields)
    assert (made.status, local(made)) == (303, "/")
    assert local(await browser.get("/register")) == "/"


@pytest.mark.parametrize("path", ["/register", "/recover"])
@pytest.mark.parametrize("has_mail", [True, False])
async def test_while_passwords_are_closed_no_page_asks_for_one(
    door: Door, root: Browser, path: str, has_mail: bool
) -> None:
    door.town.mode = Mode.OPEN
    if has_mail:
        open_mail(door)
    door.add_provider("idp")
    await door.close_passwords()
    page = await Browser(door).get(path)
    assert "Passwords are not accepted here." in page.text
    assert "<input" not in page.text.partition("<main")[2].partition("</main>")[0]


async def test_while_passwords_are_closed_an_invitation_offers_the_providers(door: Door, root: Browser) -> None:
    door.add_provider("idp")
    page = await root.get("/admin/invites")
    made = await root.press("/admin/invites", page, days="7", uses="1", groups="staff", email="", note="")
    invite = unescape(re.search(r"https://auth\.example\.test(/register\?[^<]+)<", made.text)[1])  # type: ignore[index]
    assert 'name="password"' in (await Browser(door).get(invite)).text
    await door.close_passwords()
    page = await Browser(door).get(invite)
    assert "Continue with Idp" in page.text
    assert 'name="password"' not in page.text


async def test_with_mail_the_address_is_confirmed_first(door: Door) -> None:
    door.town.mode, door.town.approval = Mode.OPEN, True
    mailer = open_mail(door)
    browser = Browser(door)
    page = await browser.get("/register")
    assert 'id="email-wrong"' in (await browser.press("/register/mail", page, email="")).text
    assert local(await browser.press("/register/mail", page, email="bob@example.test")) == "/register?sent=1"
    assert "Look at your mail" in (await browser.get("/register?sent=1")).text
    form = await browser.get(await mailed(door, mailer))
    assert "bob@example.test" in form.text
    fields = {"link": form.hidden("link"), "display_name": "Bob", "name": "bob"}
    waits = await browser.press("/register", form, **fields, password=PASSWORD, password_again=PASSWORD)
    assert "An administrator has to let you in first" in waits.text
    assert (await browser.get("/register?link=none")).status == 404


async def test_an_invitation_is_taken_along_to_a_provider_and_back(door: Door, root: Browser) -> None:
    """B-13, 2.12: it counts where nobody comes uninvited, once."""
    door.town.mode = Mode.INVITE
    door.add_provider("idp", auto_provision=False)
    page = await root.get("/admin/invites")
    made = await root.press("/admin/invites", page, days="7", uses="1", groups="staff", email="", note="")
    path = unescape(re.search(r"https://auth\.example\.test(/register\?invite=[^<]+)<", made.text)[1])  # type: ignore[index]
    guest, late = Browser(door), Browser(door)
    seen = {browser: await browser.get(path) for browser in (guest, late)}
    fields = {"invite": seen[guest].hidden("invite"), "provider": "idp", "rd": "https://wiki.example.test/x"}
    ways = {browser: await browser.press("/register/with", seen[browser], **fields) for browser in (guest, late)}
    assert "Signing in with Idp" in ways[guest].text
    answer = somebody("sub-guest", email="guest@example.test", user_name="eve")
    back = await guest.return_from(ways[guest].onward, answer=answer)
    assert back.onward == "https://wiki.example.test/x"
    answer = somebody("sub-late", email="late@example.test")
    assert "This invitation does not open anything" in (await late.return_from(ways[late].onward, answer=answer)).text
    assert (await late.press("/register/with", seen[late], **fields)).status == 404
    assert [user.name for user in door.town.store.state.users.values() if "staff" in user.groups] == ["eve"]


async def test_a_provider_that_is_gone_leads_an_invited_guest_nowhere(door: Door, root: Browser) -> None:
    page = await root.get("/admin/invites")
    made = await root.press("/admin/invites", page, days="7", uses="1", groups="", email="", note="")
    path = unescape(re.search(r"https://auth\.example\.test(/register\?invite=[^<]+)<", made.text)[1])  # type: ignore[index]
    guest = Browser(door)
    form = await guest.get(path)
    answer = await guest.press("/register/with", form, invite=form.hidden("invite"), provider="none")
    assert (answer.status, "That way is closed" in answer.text) == (403, True)


async def test_an_invitation_opened_while_signed_in_says_what_it_is_for(door: Door, root: Browser) -> None:
    """B-13, K05: it makes a new account; signing out, by a form of ours alone, leads back to it."""
    page = await root.get("/admin/invites")
    made = await root.press("/admin/invites", page, days="7", uses="1", groups="", email="", note="")
    path = unescape(re.search(r"https://auth\.example\.test(/register\?invite=[^<]+)<", made.text)[1])  # type: ignore[index]
    shown = await root.get(path)
    assert shown.status == 200
    assert "This invitation makes a new account, and you have one: you are signed in as Root." in shown.text
    assert 'href="/"' in shown.text
    assert shown.header("referrer-policy") == "strict-origin"
    invite = shown.hidden("invite")
    foreign = await root.post("/logout", {"csrf_token": "x", "invite": invite})
    assert (foreign.status, path.partition("?")[2] in unescape(foreign.text)) == (403, True)
    assert (await root.get("/account")).status == 200
    left = await root.press("/logout", shown, invite=invite)
    assert local(left) == path
    assert "Make my account" in (await root.get(path)).text
    # Pressed once more, in another tab: there is nothing left to end.
    assert local(await root.press("/logout", shown, invite=invite)) == path


async def test_an_invitation_that_is_gone_opens_nothing_for_who_is_signed_in_either(alice: Browser) -> None:
    gone = await alice.get("/register?invite=none")
    assert (gone.status, "does not open anything" in gone.text, "Your apps" in gone.text) == (404, True, True)
    assert local(await alice.get("/register")) == "/"


async def test_what_follows_signing_out_is_never_elsewhere(door: Door, alice: Browser) -> None:
    """D16: whatever calls itself an invitation stays part of our own address."""
    left = await alice.press("/logout", await alice.get("/logout"), invite="//evil.test/?x=1&rd=https://evil.test")
    assert left.location.startswith(f"{door.public_url}/register?invite=%2F%2Fevil.test")
    assert "&" not in left.location


async def test_an_invitation_is_made_used_and_taken_back(door: Door, root: Browser) -> None:
    """B-13: the link is shown once, lets in whom it was made for, and can be taken back."""
    page = await root.get("/admin/invites")
    made = await root.press("/admin/invites", page, days="7", uses="1", groups="staff", email="", note="For Bob")
    path = unescape(re.search(r"https://auth\.example\.test(/register\?invite=[^<]+)<", made.text)[1])  # type: ignore[index]
    guest = Browser(door)
    form = await guest.get(path)
    assert "You are invited" in form.text
    fields = {"invite": form.hidden("invite"), "display_name": "Bob", "name": "bob"}
    entered = await guest.press("/register", form, **fields, password=PASSWORD, password_again=PASSWORD)
    assert entered.status == 303
    assert (await Browser(door).get(path)).status == 404
    assert "staff" in (await root.get("/admin/users/person?login=bob")).text
    bad = await root.press("/admin/invites", page, days="", uses="", groups="a b!", email="nothing", note="")
    assert (bad.status, 'id="groups-wrong"' in bad.text, 'id="email-wrong"' in bad.text) == (400, True, True)
    for days in ("x", "0", "99999"):
        assert (await root.press("/admin/invites", page, days=days, uses="")).status == 400
    await root.press("/admin/invites", page, days="", uses="", groups="", email="", note="Any")
    row = await root.get("/admin/invites")
    invite = re.search(r'name="invite" value="([0-9a-f]{32})"', row.text)[1]  # type: ignore[index]
    assert local(await root.press("/admin/invites/revoke", row, invite=invite)) == "/admin/invites?done=revoked"
    assert local(await root.press("/admin/invites/revoke", row, invite="none")) == "/admin/invites?done=gone"


async def test_who_needs_a_second_factor_is_said_by_who_has_one(door: Door, root: Browser) -> None:
    """B-12: otherwise the page says why not, and the act is refused all the same."""
    page = await root.get("/admin/policy")
    assert "Only an administrator who has a second factor" in page.text
    assert "One administrator has no second factor" in page.text
    answer = await root.press("/admin/policy/mfa", page, word="all")
    assert local(answer) == "/admin/policy?done=proof"
    await give_totp(door.town, "root")
    assert "sign in with your second factor" in (await root.get("/admin/policy")).text
    strong = Browser(door)
    step = await strong.get(local(await strong.sign_in("root")))
    await strong.press("/login/factor", step, ticket=step.hidden("ticket"), code=code_of(door.town))
    page = await strong.get("/admin/policy")
    assert "The console itself asks administrators for none." in page.text
    assert local(await strong.press("/admin/policy/mfa", page, word="admins")) == "/admin/policy?done=mfa"
    assert (await strong.press("/admin/policy/mfa", page, word="some")).status == 400
    answer = await strong.press("/admin/policy/registration", page, word="open")
    assert local(answer) == "/admin/policy?done=registration"
    assert (await Browser(door).get("/register")).status == 200
    await strong.press("/admin/policy/registration", page, word="open", back="1")
    assert (await Browser(door).get("/register")).status == 403


async def test_sent_mail_shows_what_became_of_it(door: Door, root: Browser) -> None:
    page = await root.get("/admin/mail")
    assert "No mail server is set up" in page.text
    assert "Mail is not set up" in (await root.press("/admin/mail/test", page, to="a@example.test")).text
    mailer = open_mail(door)
    assert local(await root.press("/admin/mail/test", page, to="a@example.test")) == "/admin/mail?done=sent"
    assert "That is no e-mail address" in (await root.press("/admin/mail/test", page, to="nothing")).text
    shown = await root.get("/admin/mail?done=sent")
    assert "Test mail" in shown.text
    assert len(mailer.sent) == 1
    assert local(await root.press("/admin/mail/retry", page, letter="none")) == "/admin/mail?done=done"


async def test_an_administrator_hands_out_a_link(door: Door, root: Browser) -> None:
    """B-27: without mail, the way back in is a link that somebody hands over."""
    page = await root.get("/admin/users/person?login=alice")
    assert "Recent sign-ins" in page.text
    answer = await root.press("/admin/users/link", page, login="alice")
    path = unescape(re.search(r"https://auth\.example\.test(/reset\?[^<]+)<", answer.text)[1])  # type: ignore[index]
    assert (await Browser(door).get(path)).status == 200
    await root.press("/admin/users/act", page, login="alice", act="disable")
    assert local(await root.press("/admin/users/link", page, login="alice")).endswith("done=conflict")


async def test_no_link_is_handed_out_that_would_open_nothing(door: Door, root: Browser) -> None:
    door.add_provider("idp")
    await door.close_passwords()
    page = await root.get("/admin/users/person?login=alice")
    answer = await root.press("/admin/users/link", page, login="alice")
    assert "such a link would open nothing" in (await root.get(local(answer))).text
