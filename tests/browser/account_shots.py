"""Pages about accounts, second factors, recovery and registration, with the people and letters they are about."""

import base64
from datetime import timedelta

from playwright.async_api import Page

from doorward.errors import UnavailableError
from doorward.flows.acting import CLI
from doorward.flows.alerts import Alerts
from doorward.flows.invites import Made
from doorward.flows.stored_keys import make_key, note_master
from doorward.outside.qr import draw_qr
from doorward.rules.alert import AlertKind
from doorward.rules.decision import NOBODY, Decision
from doorward.rules.letter import LetterKind
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.registration import Mode
from doorward.rules.stored_key import AUDIT, DERIVE, SESSION
from doorward.rules.totp import make_code, step_of
from tests.browser.shot import HOME, Shot, at
from tests.fakes.authenticator import Authenticator
from tests.fakes.door import PASSWORD, Door
from tests.fakes.second import find_user, give_codes, give_passkey, give_totp

SECURITY = f"{HOME}/account/security"
LONG = "A-name-as-long-as-a-key-may-have-that-nobody-would-give-to-any-k"
SUBMIT = "button.button-wide[type=submit]"


class _Mailer:
    """Mail is set up, and nobody sends any."""

    async def send(self, **_mail: str) -> None:
        raise AssertionError("nothing is sent here")


def open_mail(door: Door) -> None:
    """From now on mail is set up."""
    door.town.post._mailer = _Mailer()


async def _enter(door: Door, page: Page) -> None:
    """Prove the password; the page of the next step."""
    door.town.factors._draw_qr = draw_qr
    await page.goto(f"{HOME}/login")
    await page.fill("#login", "alice")
    await page.fill("#password", PASSWORD)
    await page.click(SUBMIT)
    await page.wait_for_url("**/login/*?ticket=*")


async def _keys(door: Door, page: Page) -> None:
    """Three keys, one of them old, and a rotation that is not finished."""
    door.flows.signing_keys.every = timedelta(days=90)
    door.town.keyring.source = "/var/lib/doorward/data/encryption_key"
    door.town.keyring.key_ids += ("90331139c3bf8b4c",)
    now = door.clock.now()
    async with door.store.records.transaction() as transaction:
        await note_master(transaction, door.town.keyring.key_ids[0], now - timedelta(days=400))
        for purpose, days in ((DERIVE, 400), (AUDIT, 1), (SESSION, 0)):
            at_then = now - timedelta(days=days)
            await make_key(transaction, door.town.keyring, bytes(32), purpose, now=at_then)
    await page.goto(f"{HOME}/admin/keys")


async def _open_all(page: Page) -> None:
    for summary in await page.query_selector_all("summary"):
        await summary.click()


async def _decisions(door: Door, page: Page) -> None:
    """What was decided about somebody, and about nobody at a host that is not ours."""
    alice = await find_user(door.town, "alice")
    assert alice is not None
    begun, now = door.clock.now() - timedelta(hours=3), door.clock.now()
    some = [
        Decision(alice.id, "app.example.test", "GET", "/orders/{n}", "allow", "rule", 12, begun, now),
        Decision(NOBODY, "", "", "", "deny", "unknown_host", 1, now, now),
    ]
    async with door.store.records.transaction() as transaction:
        await transaction.add_decisions(some)
    await page.goto(f"{HOME}/admin/decisions")


async def _factor(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await give_codes(door.town)
    await give_passkey(door.town, Authenticator())
    await _enter(door, page)


async def _factor_code(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await _enter(door, page)


async def _factor_wrong(door: Door, page: Page) -> None:
    await _factor(door, page)
    await page.fill("#code", "000000")
    await page.click("form[action='/login/factor'] button")
    await page.wait_for_selector("#problem")


async def _factor_recovering(door: Door, page: Page) -> None:
    await _factor(door, page)
    await page.click("summary")
    await page.fill("#recovery_code", "0000-0000-0000-0000")
    await page.click("form[action='/login/recovery-code'] button")
    await page.wait_for_selector("#problem")


async def _new_password(door: Door, page: Page) -> None:
    await door.flows.administration.force_password_change(CLI, "alice", now=door.clock.now())
    await _enter(door, page)


async def _new_password_wrong(door: Door, page: Page) -> None:
    await _new_password(door, page)
    await page.fill("#password", "short")
    await page.fill("#password_again", "other")
    await page.click(SUBMIT)
    await page.wait_for_selector("#password-wrong")


async def _enrol(door: Door, page: Page) -> None:
    door.town.mfa = MfaTerms(MfaRequired.ALL)
    await _enter(door, page)


async def _enrol_now(door: Door, page: Page) -> None:
    door.town.mfa = MfaTerms(MfaRequired.ALL, None)
    await _enter(door, page)


async def _enrol_totp(door: Door, page: Page) -> None:
    await _enrol(door, page)
    await page.click("form[action='/login/enrol/totp'] button")
    await page.wait_for_selector(".qr svg")
    await page.click("summary")


async def _enrol_codes(door: Door, page: Page) -> None:
    await _enrol_totp(door, page)
    secret = base64.b32decode((await page.inner_text(".secret span")).replace(" ", ""))
    await page.fill("#code", make_code(secret, step_of(door.clock.now())))
    await page.click(SUBMIT)
    await page.wait_for_selector(".codes")


async def _recover(door: Door, page: Page) -> None:
    open_mail(door)
    await page.goto(f"{HOME}/recover")


async def _reset(door: Door, page: Page) -> None:
    link = await door.flows.recovery.hand_out(CLI, "alice", now=door.clock.now())
    await page.goto(link.url)


async def _register(door: Door, page: Page) -> None:
    door.town.mode, door.town.approval = Mode.OPEN, True
    await page.goto(f"{HOME}/register")


async def _register_wrong(door: Door, page: Page) -> None:
    await _register(door, page)
    for field, value in (("display_name", "Ada"), ("name", "a b"), ("password", "short"), ("password_again", "shor")):
        await page.fill(f"#{field}", value)
    await page.click(SUBMIT)
    await page.wait_for_selector("#problem")


async def _register_mail(door: Door, page: Page) -> None:
    open_mail(door)
    door.town.mode = Mode.OPEN
    await page.goto(f"{HOME}/register")


async def _register_sent(door: Door, page: Page) -> None:
    open_mail(door)
    door.town.mode = Mode.OPEN
    await page.goto(f"{HOME}/register?sent=1")


async def _invited(door: Door, page: Page) -> None:
    door.town.mode = Mode.INVITE
    made = await _invite(door, email="guest@example.test", note="The summer house")
    await page.goto(made.url)


async def _invite(door: Door, *, email: str = "", note: str = "", uses: int | None = 1) -> Made:
    made = await door.flows.invites.make(
        CLI,
        max_uses=uses,
        lifetime=timedelta(days=7),
        groups=["guests", "garden"],
        email=email,
        note=note,
        now=door.clock.now(),
    )
    assert isinstance(made, Made), made
    return made


async def _security(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await give_codes(door.town)
    await give_passkey(door.town, Authenticator())
    await page.goto(SECURITY)
    await _open_all(page)


async def _security_long(door: Door, page: Page) -> None:
    await give_passkey(door.town, Authenticator())
    await page.goto(SECURITY)
    await page.click("summary")
    await page.fill("form[action='/account/passkeys/rename'] input[type=text]", LONG)
    await page.click("form[action='/account/passkeys/rename'] button")
    await page.wait_for_url("**?done=renamed")


async def _security_later(door: Door, page: Page) -> None:
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=30))
    await page.goto(SECURITY)


async def _totp(door: Door, page: Page) -> None:
    door.town.factors._draw_qr = draw_qr
    await page.goto(SECURITY)
    await page.click("form[action='/account/totp'] button")
    await page.wait_for_selector(".qr svg")
    await page.click("summary")


async def _totp_wrong(door: Door, page: Page) -> None:
    await _totp(door, page)
    await page.fill("#code", "000000")
    await page.click("form[action='/account/totp'] button[type=submit]")
    await page.wait_for_selector("#problem")


async def _codes(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await page.goto(SECURITY)
    await page.click("form[action='/account/codes'] button")
    await page.wait_for_selector(".codes")


async def _profile(door: Door, page: Page) -> None:
    open_mail(door)
    await page.goto(f"{HOME}/account/profile")
    await _open_all(page)


async def _profile_wrong(door: Door, page: Page) -> None:
    open_mail(door)
    await page.goto(f"{HOME}/account/profile")
    for field, value in (("current", PASSWORD), ("password", "short"), ("password_again", "other")):
        await page.fill(f"#{field}", value)
    await page.click("form[action='/account/password'] button[type=submit]")
    await page.wait_for_selector("#problem")


async def _person(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await give_passkey(door.town, Authenticator())
    await page.goto(f"{HOME}/admin/users/person?login=alice")
    await _open_all(page)


async def _invites(door: Door, page: Page) -> None:
    door.town.mode = Mode.INVITE
    await _invite(door, email="guest@example.test")
    await _invite(door, note="For the whole family, and whoever comes with them to the summer house", uses=None)
    await page.goto(f"{HOME}/admin/invites")
    await page.fill("#note", "Aunt Mary")
    await page.click("form[action='/admin/invites'] button")
    await page.wait_for_selector("#made")


async def _policy(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await page.goto(f"{HOME}/admin/policy")


async def _mail(door: Door, page: Page) -> None:
    open_mail(door)
    user = await find_user(door.town)
    values = {"url": HOME, "minutes": "60", "name": "Alice", "device": "Firefox", "address": "::1", "at": "now"}
    for kind in (LetterKind.RESET, LetterKind.NEW_DEVICE):
        async with door.store.records.transaction() as transaction:
            await door.town.post.queue(
                transaction,
                kind,
                to="a-very-long-name-for-a-mailbox@a-long-name-for-a-house.example.test",
                language="en",
                values=values,
                user_id=user.id,
                now=door.clock.now(),
            )
    await page.goto(f"{HOME}/admin/mail")


async def _alerts(door: Door, page: Page) -> None:
    raised = Alerts(keyring=door.town.keyring, random=door.town.random)
    async with door.town.store.records.transaction() as transaction:
        for kind, values in (
            (AlertKind.LOCKED_OUT, {"who": "alice", "address": "203.0.113.7", "device": "Firefox 140 on Linux"}),
            (AlertKind.BACKUP_FAILED, {"reason": "the disk is full", "what": "daily"}),
        ):
            await raised.raise_alert(transaction, kind, "", values, door.clock.now())
    door.town.messenger.trouble = {"phone": UnavailableError("it answered 502")}
    await door.town.flows.alert_desk.deliver_due(door.clock.now())
    await page.goto(f"{HOME}/admin/alerts")


ACCOUNT_SHOTS = (
    Shot("factor", _factor),
    Shot("factor-code", _factor_code),
    Shot("factor-wrong", _factor_wrong),
    Shot("factor-recovering", _factor_recovering),
    Shot("factor-over", at("/login/factor?ticket=old")),
    Shot("new-password", _new_password),
    Shot("new-password-wrong", _new_password_wrong),
    Shot("enrol", _enrol),
    Shot("enrol-now", _enrol_now),
    Shot("enrol-totp", _enrol_totp),
    Shot("enrol-codes", _enrol_codes),
    Shot("recover", _recover),
    Shot("recover-without-mail", at("/recover")),
    Shot("recover-sent", at("/recover?sent=1")),
    Shot("reset", _reset),
    Shot("reset-gone", at("/reset?token=old")),
    Shot("register", _register),
    Shot("register-wrong", _register_wrong),
    Shot("register-mail", _register_mail),
    Shot("register-sent", _register_sent),
    Shot("register-invited", _invited),
    Shot("register-closed", at("/register")),
    Shot("register-gone", at("/register?invite=old")),
    Shot("security", _security, "alice"),
    Shot("security-bare", at("/account/security"), "nobody"),
    Shot("security-long", _security_long, "alice"),
    Shot("security-later", _security_later, "alice"),
    Shot("totp", _totp, "alice"),
    Shot("totp-wrong", _totp_wrong, "alice"),
    Shot("codes", _codes, "alice"),
    Shot("profile", _profile, "alice"),
    Shot("profile-wrong", _profile_wrong, "alice"),
    Shot("email-gone", at("/account/email?token=old")),
    Shot("person", _person, "root"),
    Shot("person-new", at("/admin/users/new"), "root"),
    Shot("invites", _invites, "root"),
    Shot("invites-none", at("/admin/invites"), "root"),
    Shot("policy", _policy, "root"),
    Shot("mail", _mail, "root"),
    Shot("alerts", _alerts, "root"),
    Shot("decisions", _decisions, "root"),
    Shot("mail-none", at("/admin/mail"), "root"),
    Shot("keys", _keys, "root"),
)
