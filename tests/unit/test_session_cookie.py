"""Every cookie we set has the attributes that keep it ours."""

from datetime import timedelta

import pytest

from doorward.web.session_cookie import Cookies
from tests.fakes.door import Browser, Door
from tests.fakes.system import START


def attributes(line: tuple[bytes, bytes]) -> tuple[str, set[str]]:
    name, _, rest = line[1].decode().partition("; ")
    return name, set(rest.split("; "))


def test_the_session_cookie_reaches_all_apps_and_no_script() -> None:
    """A-10, A-35, A-36."""
    (line,) = Cookies("doorward", secure=True, domain="example.test").set_session("v", expires_at=None, now=START)
    assert attributes(line) == (
        "doorward=v",
        {"Path=/", "Domain=example.test", "Secure", "HttpOnly", "SameSite=Lax"},
    )


def test_a_remembered_session_has_an_end() -> None:
    (line,) = Cookies("doorward", secure=False).set_session("v", expires_at=START + timedelta(days=7), now=START)
    assert attributes(line)[1] == {"Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Lax"}


def test_a_deletion_repeats_what_it_deletes() -> None:
    """J12."""
    gone = {"Path=/", "Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Secure", "HttpOnly", "SameSite=Lax"}
    lines = Cookies("doorward", secure=True, domain="example.test").end_session()
    assert [attributes(line) for line in lines] == [("doorward=", gone | {"Domain=example.test"}), ("doorward=", gone)]
    (host_only,) = Cookies("doorward", secure=True).end_session()
    assert attributes(host_only) == ("doorward=", gone)


def test_cookies_of_our_host_alone_are_host_bound() -> None:
    """J06, J07."""
    cookies = Cookies("doorward", secure=True, domain="example.test")
    lines = [
        *cookies.set_browser("v"),
        *cookies.set_csrf("v"),
        *cookies.set_device("v"),
        *cookies.set_trail("v"),
        *cookies.end_trail(),
        *cookies.set_way("v"),
        *cookies.set_way(""),
    ]
    for line in lines:
        name, found = attributes(line)
        assert name.startswith("__Host-")
        assert {"Path=/", "Secure", "HttpOnly"} <= found
        assert not any(part.startswith("Domain") for part in found)
    assert "SameSite=Strict" in attributes(cookies.set_csrf("v")[0])[1]


def test_without_https_no_cookie_claims_to_be_host_bound() -> None:
    cookies = Cookies("doorward", secure=False)
    assert not any(
        name.startswith("__Host-") for name in (cookies.browser, cookies.csrf, cookies.device, cookies.trail)
    )


def test_every_cookie_but_the_sign_in_is_kept_from_apps() -> None:
    """J12, J18: whatever is added here is taken out of what apps are told, too."""
    cookies = Cookies("doorward", secure=True)
    setters = [name for name in vars(Cookies) if name.startswith("set_") and name != "set_session"]
    assert len(setters) == len(cookies.private) == len(set(cookies.private))
    for setter in setters:
        ((_, line),) = getattr(cookies, setter)("v")
        assert line.decode().partition("=")[0] in cookies.private


@pytest.mark.parametrize("value", ["a;b", "a\r\nset-cookie: x=1", "a b", 'a"b', "é"])
def test_nothing_can_break_out_of_a_value(value: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in the cookie"):
        Cookies("doorward", secure=True).set_device(value)


@pytest.mark.parametrize("domain", [".example.test", "Example.test", "a;b", "a b"])
def test_a_domain_is_a_host_name(domain: str) -> None:
    with pytest.raises(ValueError, match="cookie domain"):
        Cookies("doorward", secure=True, domain=domain)


async def test_every_cookie_of_every_page_keeps_to_it() -> None:
    """J12."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    answers = [await browser.get("/login"), await browser.sign_in("alice", remember=True), await browser.get("/")]
    page = await browser.get("/logout")
    answers.append(await browser.post("/logout", {"csrf_token": page.hidden("csrf_token")}))
    lines = [line for answer in answers for line in answer.all("set-cookie")]
    assert len(lines) > 5
    for line in lines:
        _, _, rest = line.partition("; ")
        found = set(rest.split("; "))
        assert {"Path=/", "Secure", "HttpOnly"} <= found
        assert found & {"SameSite=Lax", "SameSite=Strict"}
        assert ("Domain=example.test" in found) <= line.startswith("doorward=")
