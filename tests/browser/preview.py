"""Photograph every page with sample data: `python -m tests.browser.preview FOLDER [NAME ...]`.

Nothing listens anywhere: Chromium is answered straight from the application. Widths 320, 390 and 1280, light
and dark. Look at all of them after a change to templates or style sheets. `--documents` instead of names takes the
pictures in the documents.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, Route, async_playwright

from doorward.rules.policy import App, Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.rules.reason import Reason
from doorward.web.gate.refuse import Refusal
from doorward.web.pages.denial import DenialPage
from doorward.web.pages.desk import DEMO_BANNER
from doorward.web.pages.loop import MAX_BOUNCES, follow
from tests.browser.account_shots import ACCOUNT_SHOTS
from tests.browser.key_shots import KEY_SHOTS
from tests.browser.pairing_shots import PAIRING_SHOTS
from tests.browser.provider_shots import PROVIDER_SHOTS
from tests.browser.safekeeping_shots import SAFEKEEPING_SHOTS
from tests.browser.shot import HOME, Shot, at, to
from tests.fakes.door import PASSWORD, Browser, Door, call_app, sample_policy

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"320": (320, 640), "390": (390, 844), "1280": (1280, 800)}


async def connect(page: Page, door: Door) -> None:
    """Answer the page's requests from the door; other hosts are the apps behind it."""

    async def answer(route: Route) -> None:
        request = route.request
        scheme, _, rest = request.url.partition("://")
        host, _, target = rest.partition("/")
        if f"{scheme}://{host}" != door.site.origin:
            await route.fulfill(status=200, content_type="text/html", body=f"<h1>{host}</h1>")
            return
        headers = [(name.encode(), value.encode()) for name, value in (await request.all_headers()).items()]
        headers = [(name, value) for name, value in headers if not name.startswith(b":") and name != b"host"]
        headers.append((b"host", host.encode()))
        got = await call_app(door.server, request.method, f"/{target}", headers, request.post_data_buffer or b"")
        merged: dict[str, str] = {}
        for name, value in got.headers:
            key = name.decode()
            merged[key] = f"{merged[key]}\n{value.decode()}" if key in merged else value.decode()
        if got.location:
            # A redirect would be followed past us, to where nobody listens; a page that leads on is asked of us again.
            onward = f'<meta http-equiv="refresh" content="0;url={escape(got.location)}">'
            kept = {name: value for name, value in merged.items() if name == "set-cookie"}
            await route.fulfill(status=200, headers={**kept, "content-type": "text/html"}, body=onward)
        else:
            await route.fulfill(status=got.status, headers=merged, body=got.body)

    await page.route("**/*", answer)


async def sign_in(page: Page, name: str) -> None:
    """As a person would."""
    await page.goto(f"{HOME}/login")
    await page.fill("#login", name)
    await page.fill("#password", PASSWORD)
    await page.click("button.button-wide[type=submit]")
    await page.wait_for_selector("ul.nav")


async def _wrong(_door: Door, page: Page) -> None:
    await page.goto(HOME + to("grafana"))
    await page.fill("#login", "alice")
    await page.fill("#password", "wrong")
    await page.click("button.button-wide[type=submit]")
    await page.wait_for_selector("#problem")


async def _locked(_door: Door, page: Page) -> None:
    await _wrong(_door, page)
    for _ in range(3):
        await page.fill("#password", "wrong again")
        await page.click("button.button-wide[type=submit]")
        await page.wait_for_load_state()


async def _setup(_door: Door, page: Page) -> None:
    # Another one, where nobody lives yet.
    door = Door()
    await connect(page, door)
    await page.goto(f"{HOME}/setup?token={await door.setup_token()}")


async def _setup_wrong(door: Door, page: Page) -> None:
    await _setup(door, page)
    for field, value in (("display_name", "Ada"), ("name", "a b"), ("email", "ada@example.test")):
        await page.fill(f"#{field}", value)
    await page.fill("#password", "short")
    await page.fill("#password_again", "short")
    await page.click("button[type=submit]")
    await page.wait_for_selector("#problem")


async def _fresh(door: Door, page: Page) -> None:
    door.clock.advance(timedelta(minutes=30))
    await page.goto(HOME + to("vault", "/"))


async def _loop(door: Door, page: Page) -> None:
    target, trail = "https://wiki.example.test/", None
    for _ in range(MAX_BOUNCES):
        trail = follow(trail, target, door.clock.now())
    assert trail is not None
    name = door.cookies.trail
    await page.context.add_cookies([{"name": name, "value": trail.text, "url": HOME, "secure": True, "httpOnly": True}])
    await page.goto(HOME + to("wiki", "/"))


async def _demo(door: Door, page: Page) -> None:
    object.__setattr__(door.site, "banner", DEMO_BANNER)
    await page.goto(HOME + to("wiki", "/"))


async def _untouched(door: Door, page: Page) -> None:
    door.policy = Policy([])
    await page.goto(HOME + "/")


async def _unavailable(door: Door, page: Page) -> None:
    door.store.broken = True
    await page.goto(HOME + "/login")


async def _denied(door: Door, page: Page) -> None:
    await page.set_content(denial(door, Reason.NO_RULE))


def denial(door: Door, reason: Reason, *, status: int = 403, user: str = "Alice Liddell") -> str:
    """A denial page as the gate would show it."""
    pattern = parse_host_pattern("accounts.example.test")
    assert pattern is not None
    app = App("Accounting", (pattern,), "Money", "data", "carol@example.test")
    show = DenialPage(door.site, door.templates, door.assets, door.headers, door.clock)
    refusal = Refusal(
        status, reason, "4f1c09a2b7", "accounts.example.test", "https://accounts.example.test/q3", app, user,
        f"{HOME}/logout" if user else "",
    )  # fmt: skip
    return show(refusal)[0].decode()


SHOTS = (
    Shot("login", at("/login")),
    Shot("login-app", at(to("grafana"))),
    Shot("login-wrong", _wrong),
    Shot("login-locked", _locked),
    Shot("login-demo", _demo),
    Shot("setup", _setup),
    Shot("setup-wrong", _setup_wrong),
    Shot("setup-gone", at("/setup?token=old")),
    Shot("apps", at("/"), "root"),
    Shot("apps-empty", at("/"), "nobody"),
    Shot("apps-untouched", _untouched, "root"),
    Shot("sessions", at("/sessions"), "root"),
    Shot("everybody", at("/admin/sessions"), "root"),
    Shot("logout", at("/logout"), "alice"),
    Shot("signed-out", at("/signed-out")),
    Shot("fresh", _fresh, "root"),
    Shot("loop", _loop, "alice"),
    Shot("denied", _denied),
    Shot("error-404", at("/nowhere")),
    Shot("error-503", _unavailable),
    *ACCOUNT_SHOTS,
    *KEY_SHOTS,
    *PAIRING_SHOTS,
    *PROVIDER_SHOTS,
    *SAFEKEEPING_SHOTS,
)


async def make_door(*, empty: bool = False) -> Door:
    """A door with people and sign-ins from several devices."""
    door = Door(policy=Policy([]) if empty else sample_policy())
    # The page's scripts go by the real clock, and say "3 minutes ago".
    door.clock.advance(datetime.now(UTC) - door.clock.now() - timedelta(hours=5))
    if not empty:
        extra = [
            App("Photos", (_host("photos"),), "Everybody's pictures", "camera"),
            App("Home", (_host("home"),), "Lights, heating and doors", "home"),
            App("Files", (_host("files"),), "Shared folders", "folder"),
            App("Jellyfin", (_host("jellyfin"),), "Films and series", "film"),
            App("Git", (_host("git"),), "Source code", "code"),
        ]
        names = ("photos", "home", "files", "jellyfin", "git")
        opened = Rule("more", Effect.ALLOW, tuple(_host(name) for name in names), audience=Audience.ANY_USER)
        door.policy = Policy([*door.policy.rules, opened], apps=[*door.policy.apps, *extra])
    await door.add_user("root", admin=True, display_name="Ada Lovelace")
    await door.add_user("alice", display_name="Alice Liddell")
    await door.add_user("nobody", display_name="Noah Body")
    agents = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
        "curl/8.11.0",
    )
    for agent in agents:
        await Browser(door, agent=agent).sign_in("root", remember=agent.startswith("Mozilla"))
        door.clock.advance(timedelta(hours=1, minutes=17))
    await Browser(door).sign_in("alice")
    door.clock.advance(timedelta(minutes=20))
    return door


def _host(name: str):
    pattern = parse_host_pattern(f"{name}.example.test")
    assert pattern is not None
    return pattern


async def take(
    chromium: Chromium,
    shot: Shot,
    theme: str,
    size: tuple[int, int],
    path: Path,
    *,
    full_page: bool = True,
    scale: float = 1,
    locale: str = "en",
) -> None:
    """One photograph, `scale` points for each pixel of the page."""
    door = await make_door(empty=shot.name == "apps-empty")
    width, height = size
    context = await chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=scale,
        locale=locale,
    )
    page = await context.new_page()
    await connect(page, door)
    if shot.user:
        await sign_in(page, shot.user)
    await shot.go(door, page)
    await page.screenshot(path=path, full_page=full_page)
    wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    if wide:
        print(f"{path.name} is wider than the screen")
    await context.close()


async def take_for_documents(chromium: Chromium, folder: Path) -> None:
    """What the README shows, sharp on fine screens, for readers in the light and in the dark."""
    wanted = {
        "login-house": ("sign-in", 560, 990, 1.35),
        "apps": ("apps", 1080, 590, 1.25),
        "denied": ("denial", 660, 816, 1.2),
    }
    for shot in SHOTS:
        if shot.name in wanted:
            name, width, height, scale = wanted[shot.name]
            for theme, suffix in (("light", ""), ("dark", "-dark")):
                path = folder / f"{name}{suffix}.png"
                await take(chromium, shot, theme, (width, height), path, full_page=False, scale=scale)


async def main(folder: Path, wanted: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if wanted == {"--documents"}:
            await take_for_documents(chromium, folder)
        else:
            for shot in SHOTS:
                for theme in ("light", "dark"):
                    for name, size in SIZES.items():
                        if not wanted or shot.name in wanted:
                            await take(chromium, shot, theme, size, folder / f"{shot.name}-{name}-{theme}.png")
        await chromium.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), set(sys.argv[2:])))
