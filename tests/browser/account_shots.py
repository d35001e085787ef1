"""Pages on accounts, factors and recovery, for `tests.browser.preview`."""

from playwright.async_api import Page

from doorward.flows.acting import CLI
from tests.browser.shot import HOME, Shot, at
from tests.fakes.door import PASSWORD, Door
from tests.fakes.second import give_codes, give_totp


async def _enter(page: Page) -> None:
    await page.goto(f"{HOME}/login")
    await page.fill("#login", "alice")
    await page.fill("#password", PASSWORD)
    await page.click("button.button-wide[type=submit]")


async def _factor(door: Door, page: Page) -> None:
    await give_totp(door.town)
    await give_codes(door.town)
    await _enter(page)
    await page.wait_for_selector("#code")


async def _new_password(door: Door, page: Page) -> None:
    await door.flows.administration.force_password_change(CLI, "alice", now=door.clock.now())
    await _enter(page)
    await page.wait_for_selector("#password_again")


async def _security(door: Door, page: Page) -> None:
    await give_totp(door.town, "root")
    await give_codes(door.town, "root")
    await page.goto(f"{HOME}/account/security")


async def _totp(_door: Door, page: Page) -> None:
    await page.goto(f"{HOME}/account/security")
    await page.click("form[action='/account/totp'] button")
    await page.wait_for_selector(".qr")


async def _codes(door: Door, page: Page) -> None:
    await give_totp(door.town, "root")
    await page.goto(f"{HOME}/account/security")
    await page.click("form[action='/account/codes'] button")
    await page.wait_for_selector(".codes")


ACCOUNT_SHOTS = (
    Shot("factor", _factor),
    Shot("new-password", _new_password),
    Shot("recover", at("/recover")),
    Shot("security", _security, "root"),
    Shot("totp", _totp, "root"),
    Shot("codes", _codes, "root"),
    Shot("profile", at("/account/profile"), "root"),
    Shot("person", at("/admin/users/person?login=alice"), "root"),
    Shot("person-new", at("/admin/users/new"), "root"),
    Shot("invites", at("/admin/invites"), "root"),
    Shot("policy", at("/admin/policy"), "root"),
    Shot("mail", at("/admin/mail"), "root"),
)
