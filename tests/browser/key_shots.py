"""Pages about keys for phones, scripts and feeds, with keys that were used, sleep and have expired."""

from dataclasses import replace
from datetime import timedelta

from playwright.async_api import Page

from doorward.flows.acting import CLI
from doorward.flows.app_keys import NewKey
from doorward.flows.key_uses import use_place
from doorward.outside.qr import draw_qr
from doorward.rules.app_key import ApiScope, KeyUse
from doorward.rules.key_use import KeyPlace
from doorward.rules.key_wish import KeyTerms, KeyWish
from doorward.rules.policy import Policy
from tests.browser.shot import HOME, Shot, at
from tests.fakes.door import Door

NEW = f"{HOME}/keys/new"
LONG = "The tablet in the kitchen, the one with the crack."


async def _make(door: Door, login: str, wish: KeyWish) -> NewKey:
    made = await door.flows.app_keys.create_for(None, login, wish, now=door.clock.now())
    assert isinstance(made, NewKey)
    return made


async def _give_keys(door: Door) -> None:
    """One in use, one asleep, one that has expired, one for everything else."""
    now = door.clock.now()
    phone = await _make(door, "alice", KeyWish("Phone", apps=("Photos", "Files"), expires_at=now + timedelta(days=300)))
    feed = KeyWish(
        LONG, apps=("Wiki",), paths=("/feeds", "/calendar/alice"), read_only=True, networks=("192.0.2.0/24",)
    )
    asleep = await _make(door, "alice", feed)
    expiring = KeyWish(
        "Backup script", apps=("Files",), methods=("GET", "PROPFIND"), expires_at=now + timedelta(minutes=10)
    )
    await _make(door, "alice", expiring)
    await _make(door, "root", KeyWish("Ansible", scopes=frozenset({ApiScope.READ, ApiScope.ADMIN})))
    place = door.town.keyring.seal(use_place(phone.key.id), KeyPlace("198.51.100.9", "Photos/4").write())
    async with door.store.records.transaction() as transaction:
        for _ in range(3):
            await transaction.note_key_uses([KeyUse(phone.key.id, now + timedelta(minutes=5), place)])
        assert await transaction.advance_app_key(asleep.key, replace(asleep.key, disabled_at=now))


async def _own(door: Door, page: Page) -> None:
    await _give_keys(door)
    await page.goto(f"{HOME}/keys")


async def _own_old(door: Door, page: Page) -> None:
    await _give_keys(door)
    door.clock.advance(timedelta(minutes=12))
    await page.goto(f"{HOME}/keys?done=renamed")
    await page.click("summary >> nth=0")


def _let_feeds_in(door: Door) -> None:
    """The wiki takes keys in addresses."""
    apps = [replace(app, url_keys=app.name == "Wiki") for app in door.policy.apps]
    door.policy = Policy(door.policy.rules, apps=apps)
    door.flows.app_keys.terms = KeyTerms(max_lifetime=timedelta(days=180), default_lifetime=timedelta(days=90))


async def _new_open(door: Door, page: Page) -> None:
    _let_feeds_in(door)
    await page.goto(f"{NEW}?app=Wiki")
    for summary in await page.query_selector_all("summary"):
        await summary.click()


async def _new_wrong(door: Door, page: Page) -> None:
    await page.goto(NEW)
    await page.click("summary >> nth=0")
    await page.fill("#name", "Phone")
    await page.fill("#paths", "feeds")
    await page.fill("#networks", "192.0.2.7/24")
    await page.click("main button[type=submit]")
    await page.wait_for_selector("#problem")


async def _made(door: Door, page: Page) -> None:
    _let_feeds_in(door)
    door.flows.app_keys._draw_qr = draw_qr
    await page.goto(f"{NEW}?app=Wiki")
    await page.fill("#name", "Calendar on the phone")
    await page.click("summary >> nth=0")
    await page.check("#in_url")
    await page.click("main button[type=submit]")
    await page.wait_for_selector(".secret")
    await page.click("summary >> nth=0")


async def _all(door: Door, page: Page) -> None:
    await _give_keys(door)
    await page.goto(f"{HOME}/admin/app-keys")


async def _all_asked(door: Door, page: Page) -> None:
    await _give_keys(door)
    await page.goto(f"{HOME}/admin/app-keys?user=nemo&app=Wiki&kind=key&state=asleep&unused=30&older=90")


async def _revoke(door: Door, page: Page) -> None:
    await _give_keys(door)
    await page.goto(f"{HOME}/admin/app-keys/revoke-many?user=alice&state=awake")


async def _services(door: Door, page: Page) -> None:
    now = door.clock.now()
    for name, title in (("backup", "Backups of the house"), ("monitor", "Monitor")):
        await door.flows.administration.add_service(CLI, name=name, display_name=title, groups=["admins"], now=now)
    await _make(door, "backup", KeyWish("Nightly", apps=("Files",), read_only=True))
    await door.flows.administration.set_enabled(CLI, "monitor", False, now=now)
    await page.goto(f"{HOME}/admin/services")


async def _service_key(door: Door, page: Page) -> None:
    await _services(door, page)
    await page.click("a[href^='/admin/services/key']")
    await page.wait_for_selector("#expires")


KEY_SHOTS = (
    Shot("keys-own", _own, "alice"),
    Shot("keys-own-old", _own_old, "alice"),
    Shot("keys-own-none", at("/keys"), "alice"),
    Shot("key-new", at("/keys/new"), "alice"),
    Shot("key-new-open", _new_open, "alice"),
    Shot("key-new-wrong", _new_wrong, "alice"),
    Shot("key-made", _made, "alice"),
    Shot("keys-all", _all, "root"),
    Shot("keys-all-none", _all_asked, "root"),
    Shot("keys-revoke", _revoke, "root"),
    Shot("services", _services, "root"),
    Shot("services-none", at("/admin/services"), "root"),
    Shot("service-key", _service_key, "root"),
)
