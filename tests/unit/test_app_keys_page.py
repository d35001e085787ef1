"""Everybody's keys and those of services, through the console."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest

from doorward.flows.acting import CLI
from doorward.flows.app_keys import NewKey
from doorward.rules.app_key import KeyUse
from doorward.rules.key_wish import KeyTerms, KeyWish
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.web.pages import app_keys
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.second import find_user, give_totp

PAGE, SERVICES = "/admin/app-keys", "/admin/services"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice", display_name="Alice Liddell")
    await door.add_user("root", admin=True)
    return door


@pytest.fixture
async def root(door: Door) -> Browser:
    return await enter(door, "root")


async def enter(door: Door, name: str) -> Browser:
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


def local(answer: Answer) -> str:
    parts = urlsplit(answer.location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def text_of(page: Answer) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text)))


async def give(door: Door, login: str = "alice", name: str = "Phone", **wish: object) -> NewKey:
    made = await door.flows.app_keys.create_for(
        None, login, KeyWish(name, **{"apps": ("Wiki",), **wish}), now=door.clock.now()
    )
    assert isinstance(made, NewKey)
    return made


async def list_keys(door: Door):
    async with door.store.records.transaction() as transaction:
        return await transaction.list_app_keys()


def shown(page: Answer) -> list[str]:
    """The names of the keys on the page."""
    return [name.strip() for name in re.findall(r'<li class="session">\s*<div>\s*<h2>([^<]+?)\s*<', page.text)]


async def test_nobody_but_an_administrator_sees_it(door: Door) -> None:
    alice = await enter(door, "alice")
    for path in (PAGE, SERVICES, f"{SERVICES}/key?owner=alice"):
        assert (await alice.get(path)).status == 403


async def test_all_keys_are_shown_with_their_owners_and_found_by_every_filter(door: Door, root: Browser) -> None:
    """B-28: who has keys for what, and which of them nobody uses."""
    assert "Nobody has a key." in (await root.get(PAGE)).text
    door.clock.advance(-timedelta(days=100))
    old = await give(door, name="Old")
    await give(door, "root", "Script", apps=("Grafana", "Vault"))
    door.clock.advance(timedelta(days=100))
    await give(door, name="Phone")
    async with door.store.records.transaction() as transaction:
        await transaction.note_key_uses([KeyUse(old.key.id, door.clock.now(), "")])
    assert f'href="{PAGE}?user=alice"' in (await root.get("/admin/users/person?login=alice")).text
    page = await root.get(PAGE)
    assert set(shown(page)) == {"Old", "Script", "Phone"}
    assert "Alice Liddell" in page.text
    assert "3 keys fit." in page.text
    for query, names in (
        ("user=alice", {"Old", "Phone"}),
        ("user=alice@example.test", {"Old", "Phone"}),
        ("app=Vault", {"Script"}),
        ("kind=token", set()),
        ("kind=key&user=root", {"Script"}),
        ("state=asleep", set()),
        ("state=awake", {"Old", "Script", "Phone"}),
        ("state=never", {"Script", "Phone"}),
        ("unused=30", {"Script"}),
        ("older=90", {"Old", "Script"}),
    ):
        assert set(shown(await root.get(f"{PAGE}?{query}"))) == names, query
    assert "No key fits." in (await root.get(f"{PAGE}?state=asleep")).text
    assert "No key fits." in (await root.get(f"{PAGE}?user=nemo")).text


@pytest.mark.parametrize("query", ["kind=spare", "state=dreaming", "unused=3", "older=x", "offset=x"])
async def test_what_the_page_does_not_offer_is_refused(root: Browser, query: str) -> None:
    assert (await root.get(f"{PAGE}?{query}")).status == 400


async def test_the_limits_that_bind_are_shown_with_where_they_are_set(door: Door, root: Browser) -> None:
    text = text_of(await root.get(PAGE))
    assert "For each account 10 keys" in text
    assert "For each app any number" in text
    assert "They last as long as their maker says" in text
    door.flows.app_keys.terms = KeyTerms(max_keys=1, max_per_app=20, max_lifetime=timedelta(days=90))
    text = text_of(await root.get(PAGE))
    assert "For each account 1 key For each app 20 keys They last 90 days at most" in text
    assert "under api_keys" in text


async def test_a_long_list_is_shown_a_page_at_a_time(
    door: Door, root: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_keys, "PAGE_SIZE", 2)
    for number in range(3):
        await give(door, name=f"Phone {number}")
    first = await root.get(f"{PAGE}?user=alice")
    (older,) = re.findall(r'href="(/admin/app-keys[^"]*)">Older', first.text)
    second = await root.get(unescape(older))
    assert len(shown(first)) == 2
    assert len(shown(second)) == 1
    assert "Newer" in second.text
    assert "user=alice" in unescape(older)


async def test_one_is_revoked_and_the_filter_stays(door: Door, root: Browser) -> None:
    made = await give(door)
    page = await root.get(f"{PAGE}?user=alice")
    for done in ("revoked", "gone"):
        answer = await root.press(f"{PAGE}/revoke", page, key=made.key.id, user="alice")
        assert local(answer) == f"{PAGE}?user=alice&done={done}"
    assert await list_keys(door) == []


async def test_one_that_sleeps_is_woken(door: Door, root: Browser) -> None:
    await give(door)
    door.flows.app_keys._sleep_after = timedelta(days=30)
    door.clock.advance(timedelta(days=40))
    await door.flows.app_keys.sleep_due(door.clock.now())
    root = await enter(door, "root")
    page = await root.get(f"{PAGE}?state=asleep")
    assert shown(page) == ["Phone"]
    (key,) = await list_keys(door)
    assert local(await root.press(f"{PAGE}/wake", page, key=key.id)) == f"{PAGE}?done=woken"
    for which in (key.id, "nonesuch"):
        assert local(await root.press(f"{PAGE}/wake", page, key=which)) == f"{PAGE}?done=gone"


async def test_whoever_has_a_factor_shows_it_before_there_is_a_key_for_anybody(door: Door) -> None:
    """B-12: what makes a key of one's own would be of no use, if one's own account could be named here."""
    await door.flows.administration.add_service(CLI, name="backup", now=door.clock.now())
    key = (await give(door)).key
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town, "root")
    door.clock.advance(timedelta(minutes=1))
    root = await enter(door, "root")
    page = await root.get(f"{SERVICES}/key?owner=backup")
    fields = {"owner": "backup", "name": "Nightly", "app-0": "Grafana"}
    assert "need=two_factor" in (await root.press(f"{SERVICES}/key", page, **fields)).location
    assert "need=two_factor" in (await root.press(f"{PAGE}/wake", page, key=key.id)).location
    assert await list_keys(door) == [key]


async def test_none_is_woken_in_a_lockdown(door: Door, root: Browser) -> None:
    made = await give(door)
    await door.flows.lockdowns.begin(CLI, now=door.clock.now())
    root = await enter(door, "root")
    page = await root.get(PAGE)
    assert local(await root.press(f"{PAGE}/wake", page, key=made.key.id)) == f"{PAGE}?done=held"


async def test_many_are_revoked_at_once_after_their_number_was_said(door: Door, root: Browser) -> None:
    """B-28: by app, by user or by age; and never more than was said."""
    for number in range(3):
        await give(door, name=f"Phone {number}")
    await give(door, "root", "Script")
    page = await root.get(f"{PAGE}?user=alice")
    (many,) = re.findall(r'href="([^"]*/revoke-many[^"]*)"', page.text)
    asked = await root.get(unescape(many))
    assert (asked.status, "Revoke 3 keys?" in asked.text, "Alice Liddell" in asked.text) == (200, True, True)
    unsure = await root.press(f"{PAGE}/revoke-many", asked, user="alice", count="3")
    assert (unsure.status, "Tick the box" in unsure.text) == (409, True)
    await give(door, name="Meanwhile")
    changed = await root.press(f"{PAGE}/revoke-many", asked, user="alice", count="3", sure="on")
    assert (changed.status, "Meanwhile other keys fit" in changed.text) == (409, True)
    assert "Revoke 4 keys?" in changed.text
    assert len(await list_keys(door)) == 5
    done = await root.press(f"{PAGE}/revoke-many", changed, user="alice", count="4", sure="on")
    assert local(done) == f"{PAGE}?done=many"
    assert [key.name for key in await list_keys(door)] == ["Script"]


async def test_where_no_key_fits_none_is_revoked(door: Door, root: Browser) -> None:
    await give(door)
    for user in ("root", "nemo"):
        page = await root.get(f"{PAGE}/revoke-many?user={user}")
        assert (page.status, "No key fits, so nothing was revoked." in page.text) == (200, True)
    answer = await root.press(f"{PAGE}/revoke-many", await root.get(PAGE), user="nemo", count="0", sure="on")
    assert local(answer) == f"{PAGE}?user=nemo&done=none"
    assert len(await list_keys(door)) == 1


async def test_what_is_asked_for_is_said_before_it_is_done(door: Door, root: Browser) -> None:
    door.clock.advance(-timedelta(days=100))
    await give(door)
    door.clock.advance(timedelta(days=100))
    query = "user=alice&app=Wiki&kind=key&state=never&unused=30&older=90"
    text = text_of(await root.get(f"{PAGE}/revoke-many?{query}"))
    words = (
        "Person or service alice App Wiki Kind made by hand State never used Not used for 30 days Older than 90 days"
    )
    assert words in text
    assert "every key of everybody" in text_of(await root.get(f"{PAGE}/revoke-many"))


async def test_acts_of_the_console_ask_for_a_recent_proof(door: Door, root: Browser) -> None:
    """B-16."""
    page = await root.get(PAGE)
    door.clock.advance(timedelta(minutes=20))
    for path in (*(f"{PAGE}/{act}" for act in ("revoke", "revoke-many", "wake")), SERVICES):
        assert "/login?confirm=1" in (await root.press(path, page)).location
    for act in ("act", "delete", "key"):
        assert "/login?confirm=1" in (await root.press(f"{SERVICES}/{act}", page)).location
    await door.flows.administration.add_service(CLI, name="backup", now=door.clock.now())
    assert "/login?confirm=1" in (await root.get(f"{SERVICES}/key?owner=backup")).location


async def add_service(root: Browser, **fields: str) -> Answer:
    return await root.press(SERVICES, await root.get(SERVICES), **{"name": "backup", "groups": "admins", **fields})


async def test_a_service_is_made_given_a_key_disabled_and_deleted(door: Door, root: Browser) -> None:
    """A service has keys and no way to sign in."""
    assert "There are no services." in (await root.get(SERVICES)).text
    assert local(await add_service(root, display_name="Backups")) == f"{SERVICES}?done=added"
    user = await find_user(door.town, "backup")
    assert (user.is_service, user.groups, user.display_name) == (True, {"admins"}, "Backups")
    page = await root.get(SERVICES)
    assert "It has no key, so it opens nothing." in page.text
    form = await root.get(f"{SERVICES}/key?owner=backup")
    assert (form.status, form.hidden("owner")) == (200, "backup")
    fields = {"owner": "backup", "name": "Nightly", "app-0": "Grafana"}
    made = await root.press(f"{SERVICES}/key", form, **fields)
    (key,) = await list_keys(door)
    assert (made.status, key.name, key.user_id) == (200, "Nightly", user.id)
    assert "curl -u backup:dw_" in made.text
    again = await root.press(f"{SERVICES}/key", form, **fields)
    assert (again.status, "it was shown once" in again.text) == (400, True)
    assert key.preview in (await root.get(SERVICES)).text
    for act in ("disable", "enable"):
        assert local(await root.press(f"{SERVICES}/act", page, login="backup", act=act)) == f"{SERVICES}?done={act}"
        assert (await find_user(door.town, "backup")).enabled is (act == "enable")
    unsure = await root.press(f"{SERVICES}/delete", page, login="backup")
    assert local(unsure) == f"{SERVICES}?done=unsure"
    for done in ("deleted", "gone"):
        answer = await root.press(f"{SERVICES}/delete", page, login="backup", sure="on")
        assert local(answer) == f"{SERVICES}?done={done}"
    assert await list_keys(door) == []


async def test_what_is_wrong_with_a_service_is_marked(door: Door, root: Browser) -> None:
    for fields, sentence in (({"name": "a b"}, "name-wrong"), ({"name": "alice"}, "This user name is taken.")):
        page = await add_service(root, display_name="Backups", **fields)
        assert (page.status, sentence in page.text, 'value="Backups"' in page.text) == (400, True, True)


async def test_what_is_wrong_with_its_key_is_said_and_kept(door: Door, root: Browser) -> None:
    await add_service(root)
    form = await root.get(f"{SERVICES}/key?owner=backup")
    path = f"{SERVICES}/key"
    marked = await root.press(path, form, owner="backup", name="Nightly", paths="feeds", **{"app-0": "Grafana"})
    assert (marked.status, 'id="paths-wrong"' in marked.text, 'value="Nightly"' in marked.text) == (400, True, True)
    refused = await root.press(path, form, owner="backup", name="Nightly", **{"app-0": "Secret"})
    assert (refused.status, "The key was not made." in refused.text) == (400, True)
    await root.press(f"{SERVICES}/act", form, login="backup", act="disable")
    disabled = await root.press(path, form, owner="backup", name="Nightly", **{"app-0": "Grafana"})
    assert (disabled.status, "This service is disabled." in disabled.text) == (400, True)
    await root.press(f"{SERVICES}/act", form, login="backup", act="enable")
    for number in range(5):
        await root.press(path, form, owner="backup", name=f"Nightly {number}", **{"app-0": "Grafana"})
    assert (await root.press(path, form, owner="backup", name="More", **{"app-0": "Grafana"})).status == 429


async def test_a_persons_account_is_no_service(door: Door, root: Browser) -> None:
    """These pages disable, delete and give keys to services alone; people have pages of their own."""
    page = await root.get(SERVICES)
    assert (await root.get(f"{SERVICES}/key?owner=alice")).status == 404
    assert (await root.press(f"{SERVICES}/key", page, owner="alice", name="Spy", **{"app-0": "Wiki"})).status == 404
    for act, fields in (("act", {"act": "disable"}), ("delete", {"sure": "on"})):
        answer = await root.press(f"{SERVICES}/{act}", page, login="alice", **fields)
        assert local(answer) == f"{SERVICES}?done=gone"
    assert (await find_user(door.town, "alice")).enabled
    assert (await root.press(f"{SERVICES}/act", page, login="alice", act="promote")).status == 400


async def test_whoever_is_not_signed_in_goes_there_first(door: Door) -> None:
    guest = Browser(door)
    page = await guest.get("/login")
    for path in (PAGE, SERVICES, f"{SERVICES}/key?owner=backup", f"{PAGE}/revoke-many"):
        assert "/login?rd=" in (await guest.get(path)).location
    for path in (f"{PAGE}/revoke", f"{PAGE}/wake", f"{PAGE}/revoke-many", SERVICES, f"{SERVICES}/act"):
        assert "/login?rd=" in (await guest.press(path, page)).location
