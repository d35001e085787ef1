"""Doorward's cookie stays between browser and Doorward, and a session that ended opens nothing."""

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, BOB
from tests.integration.wire import NAVIGATION


@pytest.mark.parametrize("pattern", ["{}", "{}; other=1", "other=1; {}", "a=1; {}; b=2", "  {} ;other=1"])
def test_the_app_gets_all_cookies_but_ours(scene: Scene, pattern: str) -> None:
    """J18: the app cannot replay a session it never sees."""
    cookie = scene.cookie_of(ALICE)
    reply = scene.visitor.navigate("/x", cookie=pattern.format(cookie))
    assert reply.status == 200
    kept = [part.strip() for part in pattern.format("").split(";") if part.strip()]
    left = [part.strip() for value in scene.only_arrival().all("Cookie") for part in value.split(";") if part.strip()]
    assert left == kept


@pytest.mark.parametrize("pattern", ["{0}; {1}", "{1}; {0}", "{0}; x=1; {0}", "{0}; doorward=", "doorward=x; {0}"])
def test_two_cookies_of_our_name_are_none(scene: Scene, pattern: str) -> None:
    """J06: a planted second cookie signs nobody in, and both are cleared so that the next sign-in holds."""
    cookie = pattern.format(scene.cookie_of(ALICE), scene.cookie_of(BOB))
    reply = scene.visitor.navigate("/x", cookie=cookie)
    assert reply.status == 303
    assert scene.arrivals == []
    cleared = reply.all("Set-Cookie")
    assert len(cleared) == 2
    assert all(line.startswith("doorward=;") and "Max-Age=0" in line for line in cleared)
    assert ["Domain=" in line for line in cleared].count(True) == 1


def test_two_cookie_lines_of_our_name_are_none(scene: Scene) -> None:
    """J06: on two header lines as well."""
    headers = (*NAVIGATION, ("Cookie", scene.cookie_of(ALICE)), ("Cookie", scene.cookie_of(BOB)))
    reply = scene.visitor.send("GET", "/x", headers)
    assert reply.status == 303
    assert scene.arrivals == []


@pytest.mark.parametrize("value", ["", "x", "%", "../../x", "null", "A" * 87, "A" * 43 + "." + "A" * 43, "\xff", "a,b"])
def test_a_cookie_that_was_never_ours_opens_nothing(scene: Scene, value: str) -> None:
    """J15: fixed shape, then a MAC, then a look-up."""
    reply = scene.visitor.navigate("/x", cookie=f"doorward={value}")
    assert reply.status == 303
    assert scene.arrivals == []


@pytest.mark.parametrize(
    "name",
    ["Doorward", "DOORWARD", "\x85doorward", "\xa0doorward", "$Version=1; Doorward", "__Host-doorward"],
)
def test_a_cookie_of_a_similar_name_is_not_ours(scene: Scene, name: str) -> None:
    """J07: exact name, nothing stripped that is not a space or tab."""
    value = scene.cookie_of(ALICE).partition("=")[2]
    reply = scene.visitor.navigate("/x", cookie=f"{name}={value}")
    assert reply.status in {303, 400}
    assert scene.arrivals == []
