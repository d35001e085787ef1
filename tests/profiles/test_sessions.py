"""The session cookie and the session: what they are called, how they are set, how long they last."""

from datetime import datetime

import httpx
import pytest

from tests.profiles.gateway import HOME, Gateway, Visitor
from tests.profiles.pages import Page

MARKUP = "<b>Browser</b>"


@pytest.fixture(scope="module")
def alice(gateway: Gateway) -> Visitor:
    return gateway.visitor().sign_in("alice")


def session_of(visitor: Visitor) -> dict[str, object]:
    (told,) = [each for each in visitor.get("/api/sessions/list").json().values() if each["current"]]
    return told


def length_of(session: dict[str, object]) -> float:
    begun, ended = (datetime.fromisoformat(str(session[name])) for name in ("created_at", "expires_at"))
    return (ended - begun).total_seconds()


def test_the_cookie_has_its_name_and_its_flags(page: Page, alice: Visitor) -> None:
    """A-10, A-11, A-35 to A-37, B-15, B-16, C-09, C-14, D-04, E-23."""
    attributes = dict(alice.told[page.cookie].attributes)
    assert attributes.pop("max-age", None) == (str(page.lifetime) if page.persistent else None)
    assert attributes.pop("secure", None) == ("" if page.secure else None)
    assert attributes == {"path": "/", "domain": HOME, "httponly": "", "samesite": page.samesite}


def test_the_session_is_as_long_as_the_page_says(page: Page, alice: Visitor) -> None:
    """A-08, B-15, C-30, D-03, E-20."""
    session = session_of(alice)
    assert session["remembered"] is False
    assert length_of(session) == page.lifetime


def test_remember_me_is_there_or_not_and_as_long_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """A-08, A-12."""
    visitor = gateway.visitor()
    assert ('name="remember"' in visitor.get("/login").text) is (page.remember is not None)
    assert visitor.get("/api/auth/mode").json()["remember_me"] is (page.remember is not None)
    visitor.sign_in("alice", remember="1")
    session = session_of(visitor)
    if page.remember is None:
        assert session["remembered"] is False
        assert length_of(session) == page.lifetime
    else:
        assert session["remembered"] is True
        assert length_of(session) == page.remember
        assert visitor.told[page.cookie].attributes["max-age"] == str(page.remember)


def test_the_gate_knows_the_cookie_and_signing_out_takes_it_back(page: Page, gateway: Gateway) -> None:
    """A-13, C-38, C-41: the cookie that was copied before opens nothing either."""
    visitor = gateway.visitor().sign_in("alice")
    copied = visitor.jar[page.cookie]
    assert visitor.is_signed_in()
    answer = visitor.fill("/logout", {})
    assert answer.status_code == 303, answer.text
    assert visitor.told[page.cookie].attributes["max-age"] == "0"
    visitor.jar[page.cookie] = copied
    assert not visitor.is_signed_in()


class Marked(Visitor):
    """Somebody whose browser calls itself markup."""

    def send(self, method: str, path: str, *, content: bytes = b"", **headers: str) -> httpx.Response:
        """As any other."""
        return super().send(method, path, content=content, user_agent=MARKUP, **headers)


def test_lists_of_sessions_tell_no_secret_and_show_browsers_as_text(page: Page, gateway: Gateway) -> None:
    """T-10: a session is named by what opens nothing, and a browser may call itself anything."""
    visitor = Marked(gateway, gateway.visitor().address).sign_in("alice")
    opening = [visitor.jar[page.cookie], *(value for name, value in visitor.jar.items() if name.endswith("console"))]
    assert len(opening) == 2
    told, shown = visitor.get("/api/sessions/list"), visitor.get("/sessions")
    assert (told.status_code, shown.status_code) == (200, 200)
    assert MARKUP in str(told.json())
    assert MARKUP not in shown.text
    assert not [value for value in opening if value in told.text + shown.text]
