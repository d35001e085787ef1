"""What administrators do to one account, through the pages."""

from datetime import timedelta

import pytest

from tests.fakes.door import PASSWORD, Answer, Browser, Door
from tests.fakes.second import give_totp

PERSON = "/admin/users/person?login=alice"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    return door


@pytest.fixture
async def root(door: Door) -> Browser:
    browser = Browser(door)
    await browser.sign_in("root")
    return browser


async def act(browser: Browser, word: str, login: str = "alice") -> Answer:
    page = await browser.get(f"/admin/users/person?login={login}")
    return await browser.press("/admin/users/act", page, login=login, act=word)


async def test_the_list_leads_to_each_account(root: Browser) -> None:
    """B-11: the administrator sees everybody, and what each may."""
    page = await root.get("/admin/users")
    assert 'href="/admin/users/person?login=alice"' in page.text
    shown = await root.get(PERSON)
    assert (shown.status, "no second factor" in shown.text) == (200, True)


async def test_nobody_else_sees_or_does_any_of_it(door: Door) -> None:
    browser = Browser(door)
    assert "/login?" in (await browser.get(PERSON)).location
    await browser.sign_in("alice")
    assert (await browser.get(PERSON)).status == 403
    assert (await browser.get("/admin/users/new")).status == 403
    page = await browser.get("/account")
    for path in ("act", "edit", "groups", "delete", "new"):
        assert (await browser.press(f"/admin/users/{path}", page, login="root", act="disable")).status == 403


async def test_an_account_is_added_and_has_to_choose_its_own_password(door: Door, root: Browser) -> None:
    page = await root.get("/admin/users/new")
    fields = {"name": "bob", "display_name": "Bob", "email": "", "groups": "staff, ops", "password": PASSWORD}
    answer = await root.press("/admin/users/new", page, **fields)
    assert answer.location.endswith("/admin/users/person?login=bob&done=added")
    shown = await root.get("/admin/users/person?login=bob&done=added")
    assert 'value="ops, staff"' in shown.text
    assert "has to choose a new password" in shown.text
    again = await root.press("/admin/users/new", page, **fields)
    assert (again.status, "is taken" in again.text) == (400, True)
    assert PASSWORD not in again.text


async def test_what_cannot_be_used_is_marked_and_what_was_typed_stays(root: Browser) -> None:
    page = await root.get("/admin/users/new")
    answer = await root.press("/admin/users/new", page, name="a b", display_name="Ann", password="short")
    assert answer.status == 400
    assert 'id="name-wrong"' in answer.text
    assert 'value="Ann"' in answer.text
    shown = await root.get(PERSON)
    answer = await root.press("/admin/users/edit", shown, login="alice", name="alice", email="no address", seen="")
    assert 'id="email-wrong"' in answer.text
    answer = await root.press("/admin/users/groups", shown, login="alice", groups="bad group!")
    assert 'id="groups-wrong"' in answer.text


async def test_names_and_groups_are_changed(root: Browser) -> None:
    """B-14: an administrator edits an account and its groups."""
    page = await root.get(PERSON)
    seen = page.hidden("seen")
    fields = {"login": "alice", "name": "alice", "display_name": "Alice L.", "email": "alice@example.test"}
    answer = await root.press("/admin/users/edit", page, **fields, seen=seen)
    assert answer.location.endswith("login=alice&done=saved")
    assert "Alice L." in (await root.get(PERSON)).text
    # R08: what somebody else saw before that undoes nothing.
    stale = await root.press("/admin/users/edit", page, **fields, seen=seen)
    assert (stale.status, "meanwhile" in stale.text) == (400, True)
    answer = await root.press("/admin/users/groups", page, login="alice", groups="staff,ops")
    assert answer.location.endswith("done=saved")
    assert 'value="ops, staff"' in (await root.get(PERSON)).text


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("disable", ">disabled<"),
        ("enable", "no second factor"),
        ("make_admin", ">administrator<"),
        ("unmake_admin", "no second factor"),
        ("console_only", ">console only<"),
        ("open_apps", "no second factor"),
        ("end_sessions", "no second factor"),
        ("force_password", "has to choose a new password"),
        ("reset_factors", "no second factor"),
    ],
)
async def test_each_button_does_what_it_says(root: Browser, word: str, shown: str) -> None:
    answer = await act(root, word)
    assert answer.location.endswith(f"login=alice&done={word}")
    page = await root.get(f"{PERSON}&done={word}")
    assert shown in page.text
    assert 'class="notice notice-good"' in page.text


async def test_the_last_administrator_stays_one(root: Browser) -> None:
    """R05: whatever is pressed, somebody can still administer."""
    for word in ("disable", "unmake_admin"):
        assert (await act(root, word, "root")).location.endswith("login=root&done=conflict")
    page = await root.get("/admin/users/person?login=root")
    answer = await root.press("/admin/users/delete", page, login="root", confirm="root")
    assert answer.location.endswith("done=conflict")


async def test_ones_own_factors_are_taken_away_where_they_are_asked_for(door: Door, root: Browser) -> None:
    """F13: the page of oneself leads there instead."""
    for name in ("alice", "root"):
        await give_totp(door.town, name)
    theirs, own = [await root.get(f"/admin/users/person?login={name}") for name in ("alice", "root")]
    assert ['value="reset_factors"' in page.text for page in (theirs, own)] == [True, False]
    assert "Your own second factors" not in theirs.text
    assert "Your own second factors" in own.text
    answer = await act(root, "reset_factors", "root")
    assert answer.location.endswith("login=root&done=own_factors")
    assert "Your own second factors" in (await root.get("/admin/users/person?login=root&done=own_factors")).text
    assert "has a second factor" in (await root.get("/admin/users/person?login=root")).text


async def test_deleting_asks_for_the_name(root: Browser) -> None:
    page = await root.get(PERSON)
    answer = await root.press("/admin/users/delete", page, login="alice", confirm="bob")
    assert (answer.status, 'id="confirm-wrong"' in answer.text) == (400, True)
    answer = await root.press("/admin/users/delete", page, login="alice", confirm="alice")
    assert answer.location.endswith("/admin/users?done=deleted")
    assert (await root.get(PERSON)).status == 404


async def test_only_who_waits_is_let_in_or_refused(root: Browser) -> None:
    for word in ("approve", "refuse"):
        assert (await act(root, word)).location.endswith("done=conflict")
    assert (await act(root, "nonsense")).status == 400


async def test_changes_ask_for_a_recent_proof(door: Door, root: Browser) -> None:
    """B-16: what concerns accounts is confirmed first."""
    page = await root.get(PERSON)
    door.clock.advance(timedelta(minutes=20))
    assert "you will be asked to confirm" in (await root.get(PERSON)).text
    answer = await root.press("/admin/users/act", page, login="alice", act="disable")
    assert "/login?confirm=1" in answer.location


async def test_a_form_that_waited_too_long_asks_to_sign_in(door: Door, root: Browser) -> None:
    page = await root.get(PERSON)
    answer = await Browser(door).press("/admin/users/act", page, login="alice", act="disable")
    assert "/login?" in answer.location
    assert "/login?" in (await Browser(door).get("/admin/users/new")).location
