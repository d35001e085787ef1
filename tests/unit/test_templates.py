"""Pages escape what people wrote, run nothing inline, load nothing from elsewhere, and can be read by everyone."""

import itertools
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from doorward.rules.oidc import Failure, Finding, Health, UpstreamError
from doorward.rules.policy import App, Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.web.pages.device import Device, name_device
from doorward.web.pages.templates import Templates, spell
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.upstream import somebody

PAGES = Path(__file__).parents[2] / "src/doorward/web/pages"
TEMPLATES = sorted((PAGES / "templates").iterdir())
EVIL = "<img src=x onerror=alert(1)>{{7*7}}${7*7}%(x)s{0.__class__}</script>'\""


class Reading(HTMLParser):
    """What a browser and a screen reader find."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "path", "circle", "stop", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"{tag} was never opened"
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def every_page() -> list[Answer]:
    """One of each, with names that would hurt."""
    pattern = parse_host_pattern("evil.example.test")
    assert pattern is not None
    rules = [Rule("all", Effect.ALLOW, (pattern,), audience=Audience.ANY_USER)]
    door = Door(policy=Policy(rules, apps=[App(EVIL, (pattern,), EVIL, EVIL[:8], EVIL)]))
    fresh = Door()
    first = Browser(fresh)
    setup = await first.get(f"/setup?token={await fresh.setup_token()}")
    refused = await first.post(
        "/setup",
        {"csrf_token": setup.hidden("csrf_token"), "token": setup.hidden("token"), "name": EVIL, "email": EVIL},
    )
    await door.add_user("root", admin=True, display_name=EVIL)
    stranger, root = Browser(door), Browser(door, agent=EVIL)
    app = "/login?rd=https%3A%2F%2Fevil.example.test%2F"
    answers = [
        setup,
        refused,
        await stranger.get(app),
        await stranger.get("/signed-out"),
        await stranger.get("/nowhere"),
        await stranger.get("/setup?token=x"),
    ]
    form = answers[2]
    fields = {"csrf_token": form.hidden("csrf_token"), "ticket": form.hidden("ticket"), "login": EVIL, "password": "x"}
    answers.append(await stranger.post("/login", fields))
    answers.append(await root.sign_in("root", rd="https://evil.example.test/?a=%22'&lt;\"><"))
    answers += [await root.get(path) for path in ("/", "/sessions", "/admin/sessions", "/logout", f"{app}&fresh=1")]
    for _ in range(5):
        loop = await root.get(app)
    answers.append(loop)
    assert [answer.status for answer in answers] == [200, 400, 200, 200, 404, 404, 403, *[200] * 6, 409]
    return [*answers, *await every_page_about_providers(door, root)]


async def every_page_about_providers(door: Door, root: Browser) -> list[Answer]:
    """One of each, with providers, people and findings whose words would hurt."""
    door.add_provider("idp", name=EVIL, groups_claim="g", icon=EVIL)
    door.add_provider("down", name=EVIL)
    door.town.upstream.failing["down"] = UpstreamError(Failure.UNREACHABLE, EVIL)
    door.town.upstream.findings = [Finding(EVIL, health, EVIL, EVIL) for health in Health]
    somebody_evil = somebody("x", email=f"{EVIL}@example.test", name=EVIL, claims={"g": [EVIL, "staff"]})
    connecting = await root.press("/account/link", await root.get("/account"), provider="idp")
    assert (await root.return_from(connecting.onward, answer=somebody_evil)).status == 303
    page = await root.get("/admin/providers/new?type=oidc")
    names = set(re.findall(r'name="([a-z_]+)"', page.text)) - {"csrf_token"}
    wrong = await root.press("/admin/providers/new", page, **{**dict.fromkeys(names, EVIL), "type": "oidc"})
    stranger = Browser(door)
    with_buttons = await stranger.get("/login")
    departing = await stranger.leave_with("idp")
    refused = await stranger.return_from(departing.onward, answer=UpstreamError(Failure.TOKEN, EVIL))
    door.clock.advance(timedelta(minutes=20))
    answers = [
        with_buttons, departing, refused, await stranger.get("/login/callback/idp?error=" + quote(EVIL)), page, wrong,
        *[await root.get(path) for path in ("/login?confirm=1", "/account", "/admin/users", "/admin/providers")],
        *[await root.get(f"/admin/providers/edit/{name}") for name in ("idp", "down")],
        await root.press("/admin/providers/test", await root.get("/admin/providers"), provider="idp"),
    ]  # fmt: skip
    assert [answer.status for answer in answers] == [200, 200, 502, 400, 200, 400, *[200] * 7]
    return answers


async def test_what_people_wrote_is_printed_literally() -> None:
    """K11, K12, E-38, J19."""
    seen = 0
    for answer in await every_page():
        assert "<img" not in answer.text
        assert "onerror=alert(1)&gt;" in answer.text or "onerror" not in answer.text
        assert "49" not in re.sub(r"[A-Za-z0-9_-]{20,}|d=\"[^\"]*\"", "", answer.text).replace("{{7*7}}", "")
        seen += "{{7*7}}${7*7}%(x)s{0.__class__}" in answer.text
    assert seen >= 7


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    """E-57, D-28, T-22."""
    for answer in await every_page():
        for tag, attributes in Reading(answer.text).tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
            if tag in {"script", "link", "img", "use"}:
                address = attributes.get("src") or attributes.get("href") or ""
                assert address.startswith("/static/"), (tag, attributes)
            if tag == "script":
                assert attributes["nonce"]
                assert attributes["type"] == "module"
            assert tag not in {"iframe", "object", "embed", "base"}
        assert "<style" not in answer.text


async def test_every_page_can_be_found_ones_way_about() -> None:
    for answer in await every_page():
        page = Reading(answer.text)
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert [main["id"] for main in page.all("main")] == ["main"]
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}
        assert page.all("title")
        assert len(page.all("header")) == len(page.all("footer")) == 1
        ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
        assert len(ids) == len(set(ids))
        labels = {label.get("for") for label in page.all("label")}
        for field in (*page.all("input"), *page.all("textarea"), *page.all("select")):
            if field.get("type") not in {"hidden", "checkbox"}:
                assert field["id"] in labels
                assert field.get("autocomplete") or "maxlength" not in field
            for name in (field.get("aria-describedby") or "").split():
                assert name in ids
        for form in page.all("form"):
            assert form["method"] == "post"
            assert (form["action"] or "").startswith("/")
        for button in page.all("button"):
            assert (button.get("formaction") or "/").startswith("/")
        headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert all(deeper - level <= 1 or level == 1 for level, deeper in itertools.pairwise(headings))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\|\s*safe\b|%\s*autoescape|Markup", text)
    assert not re.search(r"\son[a-z]+=|style=|javascript:|https?://", text)


def test_a_name_that_is_not_given_is_an_error_and_not_a_gap() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        Templates().render("message.html", {})


def test_every_template_is_used() -> None:
    code = "".join(path.read_text() for path in [*PAGES.glob("*.py"), *TEMPLATES])
    for template in TEMPLATES:
        assert f'"{template.name}"' in code


def test_scripts_are_enhancement_only() -> None:
    for script in (PAGES / "static").glob("*.js"):
        text = script.read_text()
        if script.name == "renew.js":
            continue  # for pages of apps, and none of ours: tests/browser/test_renewal_journeys.py
        if script.name == "passkey.js":
            # The one thing browsers do for scripts only. It asks our own page for the options, and nobody else.
            assert re.findall(r"(?<!#)\bfetch\((.+?),", text) == ["this.#place.dataset.options"]
            text = text.replace("fetch(", "")
        assert not re.search(r"\bfetch\(|XMLHttpRequest|innerHTML|document\.write|eval\(|https?://", text), script.name


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (30, "30 seconds"),
        (60, "1 minute"),
        (125, "2 minutes 5 seconds"),
        (-3, "0 seconds"),
    ],
)
def test_waiting_times_are_spelled_out(seconds: int, words: str) -> None:
    assert spell(seconds) == words


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Device("Firefox", "Linux")),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
            Device("Edge", "Windows"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
            Device("Chrome", "Android"),
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X) Version/19.0 Safari/605.1", Device("Safari", "Mac")),
        ("Mozilla/5.0 (iPad; CPU OS 19_0) CriOS/142.0 Safari/604.1", Device("Chrome", "iPad")),
        ("curl/8.11", Device("curl")),
        ("a thing nobody knows", Device("a thing nobody knows")),
        ("", Device("A browser that does not say what it is")),
    ],
)
def test_devices_get_names_people_know(agent: str, name: Device) -> None:
    assert name_device(agent) == name
