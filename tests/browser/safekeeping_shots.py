"""Pages for the day when something went wrong, in a house where a few things did."""

from datetime import datetime, timedelta

from playwright.async_api import Page

from doorward.flows.acting import CLI
from doorward.flows.alerts import Alerts
from doorward.flows.audit_watch import VERIFYING
from doorward.flows.backups import Terms
from doorward.outside.qr import draw_qr
from doorward.rules.alert import AlertKind
from doorward.rules.app_header import parse_basic
from doorward.rules.archive import Manifest
from doorward.rules.backup import BACKUP_CHORE, DRILL_CHORE, Backup, Reason, name_backup
from doorward.rules.chore import Chore
from doorward.rules.policy import App, HostPattern
from doorward.rules.restore_effect import Effect, Named
from doorward.rules.restoring import Plan
from doorward.rules.schedule import Interval, Schedule
from doorward.rules.stored_key import SESSION, StoredKey
from doorward.rules.travel import Place
from doorward.storage.sql.schema import HEAD
from tests.browser.shot import HOME, Shot, at
from tests.fakes.door import PASSWORD, Browser, Door
from tests.fakes.second import give_totp

INCIDENT = f"{HOME}/admin/incident"
LONG = "Wilhelmina-Constantia von und zu Hohenlohe-Waldenburg-Schillingsfürst"
TABLES = (("users", 4, 3), ("passkeys", 2, 1), ("recovery_codes", 20, 10), ("invites", 1, 1), ("sign_ins", 40, 41))


async def _note(door: Door, *chores: Chore) -> None:
    async with door.store.records.transaction() as transaction:
        for chore in chores:
            await transaction.put_chore(chore)


async def _safekeeping(door: Door, page: Page) -> None:
    """Most of it as it should be; the last drill failed, and an alert reached nobody."""
    now = door.clock.now()
    await give_totp(door.town, "root")
    await door.flows.break_glass.make(CLI, "root", now=now)
    await _note(
        door,
        Chore(BACKUP_CHORE, now, now - timedelta(hours=7)),
        Chore(DRILL_CHORE, now, now - timedelta(days=9), "the backup is not encrypted for any key that is here"),
        Chore(VERIFYING, now, now - timedelta(minutes=40)),
    )
    async with door.store.records.transaction() as transaction:
        await transaction.add_key(StoredKey(1, SESSION, "sealed", now - timedelta(days=61)))
        raised = Alerts(keyring=door.town.keyring, random=door.town.random)
        await raised.raise_alert(transaction, AlertKind.DRILL_FAILED, "", {"reason": "no key", "what": "drill"}, now)
    await page.goto(f"{HOME}/admin/safekeeping")


def _shelve(door: Door, now: datetime) -> list[Backup]:
    """Backups that nobody made, on a shelf that only shows."""
    kinds = (
        (Reason.ASKED, timedelta(hours=2), True, 812_344),
        (Reason.SCHEDULED, timedelta(hours=9), True, 811_020),
        (Reason.RESTORE, timedelta(days=3), True, 790_112),
        (Reason.BROUGHT, timedelta(days=40), False, 96_512_331),
    )
    found = [
        Backup(
            name_backup(reason, now - ago, entropy=bytes([place] * 4), encrypted=encrypted),
            reason,
            now - ago,
            encrypted,
            size,
        )
        for place, (reason, ago, encrypted, size) in enumerate(kinds, 10)
    ]
    door.town.shelf.list = lambda: found
    return found


async def _backups(door: Door, page: Page) -> None:
    now = door.clock.now()
    door.town.backup_terms = Terms(schedule=Schedule(Interval.DAILY), drill=Schedule(Interval.WEEKLY))
    _shelve(door, now)
    trouble = "the second place for backups did not answer: connection refused (backup.offsite.command)"
    await _note(
        door,
        Chore(BACKUP_CHORE, now, now - timedelta(hours=2)),
        Chore(DRILL_CHORE, now, now - timedelta(days=2), trouble),
    )
    await page.goto(f"{HOME}/admin/backups")


async def _preview(door: Door, page: Page, *, ours: bool = True) -> None:
    now = door.clock.now()
    first = _shelve(door, now)[0]

    async def preview(*_asked: object, **_more: object) -> Plan:
        effects = (
            Named(Effect.GOES, ("eve", "someone-with-quite-a-long-user-name")),
            Named(Effect.STAYS_DISABLED, ("mallory",)),
            Named(Effect.OLDER_PASSWORD, ("alice", "nobody", "root")),
            Named(Effect.AUDIT_STAYS),
        )
        if not ours:
            effects = (Named(Effect.OTHER_INSTALLATION), Named(Effect.AUDIT_REPLACED))
        manifest = Manifest("0.1.0", HEAD, first.made_at, "3f" * 16, "0123456789abcdef", ())
        return Plan(first.name, manifest, ours, TABLES, effects, ours, ours, "0123456789abcdef")

    door.flows.restoring.preview = preview  # type: ignore[method-assign]
    await page.goto(f"{HOME}/admin/backups")
    await page.click("form[action='/admin/backups/preview'] button >> nth=0")
    await page.wait_for_selector("#plan")


async def _refused(door: Door, page: Page) -> None:
    await _preview(door, page, ours=False)


async def _audit(door: Door, page: Page) -> None:
    """What a few people did, and a chain that was found broken in the night."""
    now = door.clock.now()
    await Browser(door).sign_in("alice", password="wrong")
    await door.flows.administration.set_groups(CLI, "alice", ["guests", "garden"], now=now)
    await _note(door, Chore(VERIFYING, now, now - timedelta(days=1), "record 7 is not what was recorded"))
    await page.goto(f"{HOME}/admin/audit")


async def _incident(door: Door, page: Page) -> None:
    """Three administrators: one is ready, one has no second factor and a long name."""
    await give_totp(door.town, "root")
    await door.flows.break_glass.make(CLI, "root", now=door.clock.now() - timedelta(days=30))
    await door.add_user("wilhelmina", admin=True, display_name=LONG)
    await page.goto(INCIDENT)


async def _incident_wrong(door: Door, page: Page) -> None:
    await _incident(door, page)
    await page.fill("#networks", "192.0.2.0/24")
    await page.check("input[name=sure]")
    await page.click("form[action='/admin/incident/lockdown'] button")
    await page.wait_for_selector("#networks-wrong")


async def _incident_locked(door: Door, page: Page) -> None:
    await _incident(door, page)
    await page.fill("#reason", "Somebody signed in as Alice from an address nobody here knows")
    await page.check("input[name=sure]")
    await page.click("form[action='/admin/incident/lockdown'] button")
    await page.wait_for_url("**/admin/incident?done=locked")


async def _kit(door: Door, page: Page) -> None:
    door.flows.break_glass._draw_qr = draw_qr
    await _incident(door, page)
    await page.click("form[action='/admin/incident/kit'] button >> nth=0")
    await page.wait_for_selector(".kit-code svg")


async def _paper(door: Door, page: Page) -> None:
    await _kit(door, page)
    await page.emulate_media(media="print")


async def _break_glass(door: Door, page: Page) -> None:
    await door.flows.break_glass.make(CLI, "root", now=door.clock.now())
    await page.goto(f"{HOME}/break-glass")


async def _break_glass_wrong(door: Door, page: Page) -> None:
    await _break_glass(door, page)
    await page.fill("#code", "0000-0000")
    await page.click("button.button-wide[type=submit]")
    await page.wait_for_selector("#problem")


async def _shut(door: Door, page: Page) -> None:
    """The console, from where it is not open."""
    await door.flows.lockdowns.begin(CLI, networks=["192.0.2.0/24"], now=door.clock.now())
    await page.goto(f"{HOME}/login")
    await page.fill("#login", "root")
    await page.fill("#password", PASSWORD)
    await page.click("button.button-wide[type=submit]")
    await page.wait_for_selector("ul.nav")
    await page.goto(f"{HOME}/admin/users")


async def _places(door: Door, page: Page) -> None:
    door.town.lookout._locate = lambda _address: Place("Graz", country="AT")
    await page.goto(f"{HOME}/account/profile")


async def _app_secrets(door: Door, page: Page) -> None:
    """One is shown, one is missing, one is left over."""
    now = door.clock.now()
    door.town.apps = tuple(
        App(name, (HostPattern(f"{secret}.example.com"),), headers=(parse_basic("admin", secret),))
        for name, secret in (("Storage in the cellar", "nas"), ("Music", "tunes"), ("Backups of the storage", "nas"))
    )
    for name, days in (("nas", 40), ("left-over.from-the-old-house", 400)):
        await door.flows.app_secrets.put(CLI, name, "hidden", now=now - timedelta(days=days))
    await page.goto(f"{HOME}/admin/app-secrets?name=tunes")


SAFEKEEPING_SHOTS = (
    Shot("app-secrets", _app_secrets, "root"),
    Shot("app-secrets-none", at("/admin/app-secrets"), "root", judged=False),
    Shot("safekeeping", _safekeeping, "root"),
    Shot("safekeeping-never", at("/admin/safekeeping"), "root", judged=False),
    Shot("backups", _backups, "root"),
    Shot("backups-none", at("/admin/backups"), "root", judged=False),
    Shot("backups-preview", _preview, "root"),
    Shot("backups-refused", _refused, "root", judged=False),
    Shot("audit", _audit, "root"),
    Shot("audit-none", at("/admin/audit?act=admin.setup"), "root", judged=False),
    Shot("decisions-none", at("/admin/decisions"), "root", judged=False),
    Shot("alerts-none", at("/admin/alerts"), "root", judged=False),
    Shot("incident", _incident, "root"),
    Shot("incident-wrong", _incident_wrong, "root", judged=False),
    Shot("incident-locked", _incident_locked, "root"),
    Shot("kit", _kit, "root"),
    Shot("kit-paper", _paper, "root", judged=False),
    Shot("break-glass", _break_glass, judged=False),
    Shot("break-glass-wrong", _break_glass_wrong),
    Shot("console-shut", _shut),
    Shot("places", _places, "alice"),
)
