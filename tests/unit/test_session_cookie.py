"""Every cookie we set has the attributes that keep it ours."""

from datetime import timedelta
from typing import Any

import pytest

from doorward.web.session_cookie import Cookies, CsrfCookie
from tests.fakes.door import Browser, Door
from tests.fakes.system import START

KEY = bytes(range(32))


def make_cookies(*, secure: bool = True, **more: Any) -> Cookies:
    return Cookies("doorward", secure=secure, companion_key=KEY, **more)


def attributes(line: tuple[bytes, bytes]) -> tuple[str, set[str]]:
    name, _, rest = line[1].decode().partition("; ")
    return name, set(rest.split("; "))


def test_the_session_cookie_reaches_all_apps_and_no_script() -> None:
    """A-10, A-35, A-36."""
    line, _ = make_cookies(domain="example.test").set_session("v", expires_at=None, now=START)
    assert attributes(line) == (
        "doorward=v",
        {"Path=/", "Domain=example.test", "Secure", "HttpOnly", "SameSite=Lax"},
    )


def test_an_app_keeps_a_cookie_of_the_name_chosen_for_ours() -> None:
    """D-14: an app behind the gateway may protect its own forms by a cookie of that name."""
    chosen = make_cookies(csrf_cookie=CsrfCookie(name="bt_csrf_token"))
    assert set(make_cookies().private) - set(chosen.private) == {"__Host-doorward-csrf"}
    assert "bt_csrf_token" not in chosen.private


def test_the_csrf_cookie_is_what_was_chosen() -> None:
    """D-14, D-18."""
    (ours,) = make_cookies().set_csrf("v")
    assert attributes(ours) == ("__Host-doorward-csrf=v", {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"})
    named = CsrfCookie(name="bt_csrf_token", http_only=False, same_site="Lax", secure=False)
    (chosen,) = make_cookies(csrf_cookie=named).set_csrf("v")
    assert attributes(chosen) == ("bt_csrf_token=v", {"Path=/", "SameSite=Lax"})
    assert make_cookies(csrf_cookie=CsrfCookie(secure=False)).csrf == "doorward-csrf"


def test_strict_is_for_whoever_wants_it() -> None:
    """D-04."""
    cookies = make_cookies(same_site="Strict", domain="example.test")
    for line in (*cookies.set_session("v", expires_at=None, now=START), *cookies.end_session()):
        assert "SameSite=Strict" in attributes(line)[1]
    assert "SameSite=Lax" in attributes(cookies.set_browser("v")[0])[1], "a sign-in that a provider ends needs it"


def test_the_companion_is_for_our_host_alone_and_for_no_script() -> None:
    """J06, J18."""
    _, line = make_cookies(domain="example.test").set_session("v", expires_at=None, now=START)
    name, found = attributes(line)
    assert name.startswith("__Host-doorward-console=")
    assert found == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}


def test_a_companion_goes_with_one_session_and_one_key() -> None:
    cookies = make_cookies()
    _, line = cookies.set_session("v", expires_at=None, now=START)
    companion = attributes(line)[0].partition("=")[2]
    assert cookies.accompanies(companion, b"v")
    assert not cookies.accompanies(companion, b"w")
    assert not cookies.accompanies("", b"v")
    assert not cookies.accompanies(companion, b"\xff")
    other = Cookies("doorward", secure=True, companion_key=bytes(32))
    assert not other.accompanies(companion, b"v")


def test_a_remembered_session_has_an_end_and_its_companion_the_same() -> None:
    session, companion = make_cookies(secure=False).set_session("v", expires_at=START + timedelta(days=7), now=START)
    assert attributes(session)[1] == {"Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Lax"}
    assert attributes(companion)[1] == {"Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"}


@pytest.mark.parametrize("size", [0, 16, 33])
def test_a_companion_is_made_with_a_whole_key(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Cookies("doorward", secure=True, companion_key=bytes(size))


def test_a_deletion_repeats_what_it_deletes() -> None:
    """J12."""
    gone = {"Path=/", "Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Secure", "HttpOnly", "SameSite=Lax"}
    lines = make_cookies(domain="example.test").end_session()
    companion = ("__Host-doorward-console=", gone - {"SameSite=Lax"} | {"SameSite=Strict"})
    assert [attributes(line) for line in lines] == [
        ("doorward=", gone | {"Domain=example.test"}),
        ("doorward=", gone),
        companion,
    ]
    assert [attributes(line) for line in make_cookies().end_session()] == [("doorward=", gone), companion]


def test_cookies_of_our_host_alone_are_host_bound() -> None:
    """J06, J07."""
    cookies = make_cookies(domain="example.test")
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
    cookies = make_cookies(secure=False)
    assert not any(
        name.startswith("__Host-") for name in (cookies.browser, cookies.csrf, cookies.device, cookies.trail)
    )


def test_every_cookie_but_the_sign_in_is_kept_from_apps() -> None:
    """J12, J18: whatever is added here is taken out of what apps are told, too."""
    cookies = make_cookies()
    setters = [name for name in vars(Cookies) if name.startswith("set_") and name != "set_session"]
    assert len(setters) + 1 == len(cookies.private) == len(set(cookies.private))
    assert cookies.companion in cookies.private
    for setter in setters:
        ((_, line),) = getattr(cookies, setter)("v")
        assert line.decode().partition("=")[0] in cookies.private


@pytest.mark.parametrize("value", ["a;b", "a\r\nset-cookie: x=1", "a b", 'a"b', "é"])
def test_nothing_can_break_out_of_a_value(value: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in the cookie"):
        make_cookies().set_device(value)


@pytest.mark.parametrize("domain", [".example.test", "Example.test", "a;b", "a b"])
def test_a_domain_is_a_host_name(domain: str) -> None:
    with pytest.raises(ValueError, match="cookie domain"):
        make_cookies(domain=domain)


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
