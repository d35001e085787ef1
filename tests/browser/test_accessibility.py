"""Every page can be used by everybody, on a narrow phone, by day and by night: axe-core is asked, and a ruler."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.browser.preview import CHROMIUM, FLAGS, SHOTS, SIZES, connect, make_door, sign_in
from tests.browser.shot import Shot
from tests.integration.upstream.node import HERE

pytestmark = pytest.mark.asyncio(loop_scope="module")

AXE = (HERE / "node_modules/axe-core/axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = {"serious", "critical"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def find_violations(page: Page, rules: dict[str, object]) -> list[str]:
    """What axe-core objects to gravely, with the place and its reasons."""
    # Evaluated from outside, where the page's own policy on scripts does not count.
    found = await page.evaluate("rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", rules)
    return [
        f"{violation['id']}: {node['html']}\n{node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]


async def find_small(page: Page) -> list[str]:
    """What is too low to be hit with a thumb."""
    touched = "a.button, button:not([aria-hidden]), select, textarea, summary, .nav a, "
    touched += "input:not([type=hidden], [type=checkbox], [type=radio])"
    small: list[str] = await page.evaluate(
        "touched => [...document.querySelectorAll(touched)]"
        ".filter(each => each.getBoundingClientRect().height < 24).map(each => each.outerHTML)",
        touched,
    )
    return small


@pytest.mark.parametrize("shot", [shot for shot in SHOTS if shot.judged], ids=lambda shot: shot.name)
async def test_a_page_shuts_nobody_out_fits_a_phone_and_blocks_nothing_of_its_own(
    chromium: Browser, shot: Shot
) -> None:
    door = await make_door(empty=shot.name == "apps-empty")
    width, height = SIZES["320"]
    context = await chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await connect(page, door)
    if shot.user:
        await sign_in(page, shot.user)
    await shot.go(door, page)
    await page.wait_for_load_state("load")  # a form's answer is seen before its style sheets are
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    assert await find_small(page) == []
    await page.evaluate(f"() => {{ {AXE} }}")
    assert await find_violations(page, {"type": "tag", "values": RULES}) == []
    # By night only the colours are others.
    await page.emulate_media(color_scheme="dark")
    assert await find_violations(page, {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}) == []
    await context.close()
