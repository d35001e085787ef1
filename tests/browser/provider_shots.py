"""Pages about providers, with the people and providers that they are about."""

from dataclasses import replace
from datetime import timedelta

from playwright.async_api import Page

from doorward.flows.admin import CLI
from doorward.rules.oidc import Failure, Finding, Health, UpstreamError
from doorward.rules.provider import Provider
from doorward.web.pages.provider_icons import NAMES
from tests.browser.shot import HOME, Go, Shot, at, to
from tests.fakes.door import Browser, Door
from tests.fakes.upstream import somebody


def add_providers(door: Door) -> None:
    """As a house may have them."""
    door.add_provider("google", icon="google")
    door.add_provider("github")
    door.add_provider("keycloak", name="Keycloak of the company", icon="keycloak", groups_claim="groups")
    door.add_provider("home", name="Pocket ID at home", icon="pocket-id", enabled=True)


async def _providers(door: Door, page: Page) -> None:
    add_providers(door)
    door.town.upstream.failing["home"] = UpstreamError(Failure.UNREACHABLE, "connection refused")
    await page.context.add_cookies([{"name": door.cookies.way, "value": "google", "url": HOME, "secure": True}])
    await page.goto(HOME + to("grafana"))


async def _house(door: Door, page: Page) -> None:
    door.add_provider("google", icon="google")
    door.add_provider("github")
    door.add_provider("home", name="Pocket ID", icon="pocket-id")
    await page.goto(HOME + to("grafana"))


async def _one_provider(door: Door, page: Page) -> None:
    door.add_provider("google")
    await page.goto(HOME + "/login")


async def _only_providers(door: Door, page: Page) -> None:
    add_providers(door)
    await door.close_passwords("keycloak")
    await page.goto(HOME + to("wiki"))


async def _every_icon(door: Door, page: Page) -> None:
    for name in NAMES:
        door.add_provider(f"x-{name}", name=name.title(), icon=name)
    await page.goto(HOME + "/login")


async def _departing(door: Door, page: Page) -> None:
    answer = door.desk.templates.render(
        "departing.html",
        {
            "nonce": "", "static": door.assets.prefix, "csrf_token": "", "banner": "", "home": "/",
            "url": "#", "title": "Signing in with Google", "name": "Google",
        },
    )  # fmt: skip
    await page.goto(HOME + "/signed-out")
    await page.evaluate("text => { document.documentElement.innerHTML = text }", answer)
    await page.wait_for_timeout(300)


def _refused(failure: Failure) -> Go:
    async def go(door: Door, page: Page) -> None:
        door.add_provider("keycloak", name="Keycloak of the company")
        await page.goto(HOME + to("grafana"))
        await page.click("button[name=provider]")
        await page.wait_for_url("https://keycloak.test/**")
        state, code = door.town.upstream.grant(page.url, UpstreamError(failure, "as they say"))
        await page.goto(f"{HOME}/login/callback/keycloak?state={state}&code={code}")

    return go


async def _confirm(door: Door, page: Page) -> None:
    add_providers(door)
    await _connect(door, "root", "google", "keycloak")
    door.clock.advance(timedelta(minutes=30))
    await page.goto(f"{HOME}/login?confirm=1&rd=%2Faccount")


async def _confirm_nothing(door: Door, page: Page) -> None:
    add_providers(door)
    await _connect(door, "root", "google")
    door.town.passwords_open = False
    await page.goto(HOME + to("vault", "/") + "&fresh=1")


async def _connect(door: Door, name: str, *providers: str) -> None:
    browser = Browser(door)
    await browser.sign_in(name)
    for provider in providers:
        claims = {"claims": {"groups": ["staff", "on-call"]}} if provider == "keycloak" else {}
        known = somebody(f"{provider}-{name}", email=f"{name}.l@{provider}.example", **claims)
        await browser.connect(provider, answer=known)
        door.clock.advance(timedelta(minutes=1))
    for provider in providers[:1]:
        await Browser(door).enter_with(provider, f"{provider}-{name}")


async def _account(door: Door, page: Page) -> None:
    add_providers(door)
    door.town.providers["keycloak"] = replace(door.town.providers["keycloak"], groups_prefix="kc-")
    await _connect(door, "alice", "keycloak", "google")
    await page.goto(HOME + "/account")


async def _people(door: Door, page: Page) -> None:
    add_providers(door)
    await _connect(door, "alice", "keycloak", "google")
    await page.goto(HOME + "/admin/users")


async def _console(door: Door, page: Page) -> None:
    add_providers(door)
    door.town.upstream.failing["home"] = UpstreamError(Failure.UNREACHABLE, "It does not answer: connection refused")
    await _add_in_console(door)
    await page.goto(HOME + "/admin/providers")


async def _add_in_console(door: Door) -> None:
    fields = {"id": "zitadel", "type": "oidc", "name": "Zitadel", "icon": "zitadel", "client_id": "2931@doorward",
              "client_secret": "x", "issuer_url": "https://zitadel.example.test", "logout": "on",
              "allowed_domains": "example.test"}  # fmt: skip
    added = await door.flows.providers.add(CLI, fields, now=door.clock.now())
    assert isinstance(added, Provider), added


async def _edit(door: Door, page: Page) -> None:
    await _add_in_console(door)
    await page.goto(HOME + "/admin/providers/edit/zitadel?done=added")


async def _edit_all(door: Door, page: Page) -> None:
    await _edit(door, page)
    for details in await page.query_selector_all("summary"):
        await details.click()


async def _edit_wrong(_door: Door, page: Page) -> None:
    await page.goto(HOME + "/admin/providers/new?type=oidc")
    for field, value in (("id", "My IdP"), ("name", "Home"), ("client_id", "doorward"), ("issuer_url", "id.example")):
        await page.fill(f"#{field}", value)
    await page.click("main button[type=submit]")
    await page.wait_for_selector("#problem")


async def _look(door: Door, page: Page) -> None:
    add_providers(door)
    await page.goto(HOME + "/admin/providers/edit/keycloak")


async def _test(door: Door, page: Page) -> None:
    add_providers(door)
    door.town.upstream.findings = [
        Finding("Discovery", Health.GOOD, "The provider answered and says about itself what it must."),
        Finding("Keys", Health.GOOD, "Two keys for signatures that are accepted here."),
        Finding(
            "Client and secret", Health.BAD, "The provider does not know the client: it said “invalid_client”.",
            "Copy client ID and secret again. Some providers make a new secret when the page is opened.",
        ),
        Finding("Clock", Health.UNSURE, "Their clock is 42 seconds ahead of ours.", "Up to 60 seconds are tolerated."),
    ]  # fmt: skip
    await page.goto(HOME + "/admin/providers")
    await page.click("main ul form[action='/admin/providers/test'] button")
    await page.wait_for_selector(".findings")


PROVIDER_SHOTS = (
    Shot("login-house", _house),
    Shot("login-providers", _providers),
    Shot("login-one-provider", _one_provider),
    Shot("login-only-providers", _only_providers),
    Shot("login-icons", _every_icon),
    Shot("departing", _departing),
    Shot("refused-down", _refused(Failure.UNREACHABLE)),
    Shot("refused-token", _refused(Failure.TOKEN)),
    Shot("refused-state", at("/login/callback/google?state=x&code=y")),
    Shot("account", _account, "alice"),
    Shot("account-bare", at("/account"), "nobody"),
    Shot("people", _people, "root"),
    Shot("providers", _console, "root"),
    Shot("providers-none", at("/admin/providers"), "root"),
    Shot("provider-new", at("/admin/providers/new?type=google"), "root"),
    Shot("provider-edit", _edit, "root"),
    Shot("provider-edit-all", _edit_all, "root"),
    Shot("provider-wrong", _edit_wrong, "root"),
    Shot("provider-look", _look, "root"),
    Shot("provider-test", _test, "root"),
    Shot("confirm", _confirm, "root"),
    Shot("confirm-nothing", _confirm_nothing, "root"),
)
