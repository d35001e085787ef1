"""Whoever guesses is told to wait, and whoever was here before is not kept out."""

import re
from datetime import timedelta
from ipaddress import ip_network

import pytest

from doorward.web.client import Trust
from tests.fakes.door import PASSWORD, Answer, Browser, Door, login_fields


@pytest.fixture
async def door() -> Door:
    door = Door(trust=Trust((ip_network("127.0.0.1"),)))
    await door.add_user("alice")
    return door


async def test_strangers_lock_out_their_network_and_not_the_browser_that_was_here_before(door: Door) -> None:
    """A-05: all spellings and all addresses of one /64 share a counter; it is told as text, too."""

    async def sign_in(browser: Browser, host: str, name: str, password: str = PASSWORD) -> Answer:
        page = await browser.get("/login", x_forwarded_for=host)
        return await browser.post("/login", login_fields(page, name, password), x_forwarded_for=host)

    home = Browser(door)
    assert (await sign_in(home, "2001:db8:1:2::1", "alice")).status == 303
    del home.jar["doorward"]
    door.clock.advance(timedelta(minutes=2))
    tries = [("2001:db8:1:2::a", "alice"), ("2001:db8:1:2:ffff::b", "ALICE"), ("2001:db8:1:2::c", "Alice@Example.test")]
    answers = [await sign_in(Browser(door), host, name, "wrong") for host, name in tries]
    answers.append(await sign_in(Browser(door), "2001:db8:1:2::d", "alice"))
    assert [answer.status for answer in answers] == [403, 403, 429, 429]
    for refused in answers[2:]:
        wait = int(refused.header("retry-after"))
        assert 0 < wait <= 30
        # In words for whoever has no scripts, and for scripts to count down.
        assert "Too many tries. You can try again in" in refused.text
        assert re.search(rf'data-countdown="{wait}"[^>]*>{wait} seconds<', refused.text)
    assert (await sign_in(Browser(door), "2001:db8:1:3::1", "alice")).status == 303
    assert (await sign_in(home, "2001:db8:1:2::1", "alice")).status == 303


async def test_a_lock_counts_down(door: Door) -> None:
    """A-05."""
    browser = Browser(door)
    answer = await browser.get("/login")
    for _ in range(3):
        answer = await browser.post("/login", login_fields(answer, "alice", "wrong"))
    # Told with the try that locks, and told to whoever tries meanwhile.
    for told in (answer, await browser.post("/login", login_fields(answer, "alice"))):
        assert told.status == 429
        wait = int(told.header("retry-after"))
        assert 0 < wait <= 30
        assert f'data-countdown="{wait}"' in told.text
        assert f"{wait} seconds" in told.text
