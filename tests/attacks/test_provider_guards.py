"""Switching passwords off: never before there is another way in, never for good, never more than that (D-12)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.abroad import Scene, abroad, is_refusal
from tests.attacks.invariants import attacked
from tests.attacks.stage import ALICE, ROOT, Browser, handed_out
from tests.attacks.test_provider_races import administer


@pytest.fixture
def without(tmp_path: Path) -> Iterator[Scene]:
    """A gateway that is to have no passwords, with a provider that can make administrators."""
    options = {"admin_claim": "roles", "admin_value": "ruler"}
    with abroad(tmp_path, {"idp": options}, authn={"password": False}, first=ROOT) as scene:
        scene.stage.add(ALICE)
        with attacked(scene.stage):
            yield scene


def try_password(scene: Scene, browser: Browser | None = None, *, right: bool = True) -> int:
    """Try Alice's password, right or wrong; the status."""
    browser = browser or scene.stage.browser()
    form = browser.open_form("/login?choose=1")
    password = ALICE.password if right else "none of hers"
    answer = browser.post("/login", {**form.fields, "login": ALICE.name, "password": password})
    scene.stage.live |= dict.fromkeys(handed_out(answer), ALICE)
    return answer.status


def test_passwords_close_when_an_administrator_has_another_way_and_open_when_none_has(without: Scene) -> None:
    """D-12: nobody can be shut out of all, whatever is switched in whichever order; sessions outlive the switch."""
    assert try_password(without) == 303  # wanted off, and open: there is no other way for anybody who administers
    alice, root = without.stage.signed_in(ALICE), without.stage.signed_in(ROOT)
    old_form = without.stage.browser()
    fields = old_form.open_form("/login?choose=1").fields
    # Somebody who comes in and administers nothing changes nothing.
    without.signed_in(without.newcomer())
    assert try_password(without) == 303
    ruler = without.newcomer(roles=["ruler"])
    browser = without.signed_in(ruler)
    statuses = {try_password(without), try_password(without, right=False)}
    assert statuses == {403}
    # A form from before is no way around; and a right password gets the same answer as a wrong one.
    answer = old_form.post("/login", {**fields, "login": ALICE.name, "password": ALICE.password})
    assert answer.status == 403
    assert not handed_out(answer)
    for page in (alice, root):
        assert page.get("/sessions").status == 200
    # Who is the last way in cannot be closed from inside, and comes back by the command line.
    assert b"passwords" in browser.get("/admin/providers").body.lower()
    without.stage.command("sign-in", "passwords", "on")
    assert try_password(without) == 303
    without.stage.command("sign-in", "passwords", "off")
    assert try_password(without) == 403
    # When nobody who administers has that way any more, the password is one again, by itself.
    [(login,)] = without.stage.query("SELECT name FROM users WHERE id = ?", without.user_of(browser))
    without.stage.command("user", "disable", login)
    without.stage.live.pop(browser.jar["doorward"].encode())
    assert try_password(without) == 303


def test_the_last_provider_does_not_go_while_passwords_are_closed(without: Scene) -> None:
    """D-12, R05: neither disabled nor removed, by whoever administers, in the console."""
    browser = without.signed_in(without.newcomer(roles=["ruler"]))
    token = browser.open_form("/sessions").fields["csrf_token"]
    for act in ("disable", "remove"):
        answer = browser.post(f"/admin/providers/{act}", {"csrf_token": token, "provider": "idp"})
        assert answer.status in {303, 404}
    assert try_password(without) == 403
    assert handed_out(without.sign_in(without.stage.browser(), without.newcomer()))
    with pytest.raises(AssertionError):
        administer(without, "disable", provider="idp")
    assert is_refusal(without.depart(without.stage.browser(), "nobody"), 403)
