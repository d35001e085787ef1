"""The page of alerts, and its doors for programs."""

from dataclasses import replace

import pytest

from doorward.errors import UnavailableError
from doorward.flows.alerts import Alerts
from doorward.rules.alert import AlertKind
from doorward.rules.travel import Place
from tests.fakes.administering import Desk
from tests.fakes.system import START

SEEN = {"who": "<b>alice</b>", "reason": "no space"}


@pytest.fixture
async def desk():
    return await Desk.open()


async def raised(desk, kind=AlertKind.BACKUP_FAILED):
    alerts = Alerts(keyring=desk.town.keyring, random=desk.town.random)
    async with desk.town.store.records.transaction() as transaction:
        await alerts.raise_alert(transaction, kind, "", SEEN, START)


async def test_alerts_are_shown_with_what_became_of_them(desk):
    root = await desk.enter()
    assert "Nothing has come up." in (await root.get("/admin/alerts")).text
    await raised(desk)
    page = (await root.get("/admin/alerts")).text
    assert "A backup failed" in page
    assert "What was wrong: no space" in page
    assert "<b>alice" not in page
    assert "Next try" in page
    await desk.town.flows.alert_desk.deliver_due(START)
    page = (await root.get("/admin/alerts")).text
    assert "sent" in page
    assert "Next try" not in page
    german = await root.get("/admin/alerts", accept_language="de")
    assert "Eine Sicherung ist fehlgeschlagen" in german.text


async def test_an_alert_that_was_changed_is_listed_all_the_same(desk):
    await raised(desk)
    async with desk.town.store.records.transaction() as transaction:
        (alert,) = await transaction.list_alerts()
        await transaction.advance_alert(alert, replace(alert, sealed="gcm1:nonsense"))
    root = await desk.enter()
    assert "This alert cannot be read" in (await root.get("/admin/alerts")).text
    _, told = await desk.look(root, "/api/v1/alerts")
    assert told["alerts"][0]["says"] is None


async def test_the_test_button_says_how_each_target_answered(desk):
    """E-78."""
    root = await desk.enter()
    desk.town.messenger.trouble = {"room": UnavailableError("it answered 403")}
    page = await root.get("/admin/alerts")
    tested = await root.press("/admin/alerts/test", page)
    assert (tested.status, "it answered 403" in tested.text) == (200, True)
    assert [target for target, *_ in desk.town.messenger.sent] == ["phone"]
    desk.wait(minutes=16)
    assert (await root.press("/admin/alerts/test", await root.get("/admin/alerts"))).status != 200
    assert len(desk.town.messenger.sent) == 1


async def test_programs_read_alerts_and_test_targets(desk):
    root = await desk.enter()
    await raised(desk)
    status, told = await desk.look(root, "/api/v1/alerts?state=waiting")
    (alert,) = told["alerts"]
    assert (status, told["targets"], told["mailed"]) == (200, ["phone", "room"], False)
    assert (alert["kind"], alert["state"], alert["done_at"]) == ("backup_failed", "waiting", None)
    assert "no space" in alert["says"]
    assert (await desk.look(root, "/api/v1/alerts?state=sent"))[1]["alerts"] == []
    status, told = await desk.act(root, "POST", "/api/v1/alerts/test", {"target": "phone"})
    assert (status, told) == (200, {"answers": [{"target": "phone", "taken": True, "trouble": ""}]})
    assert (await desk.act(root, "POST", "/api/v1/alerts/test", {"target": "nobody"}))[0] == 404


async def test_whether_places_are_noted_is_everybodys_own_choice(desk):
    """D-37: a checkbox in the profile, and the same for programs, under its other name, too."""
    alice = await desk.enter("alice")
    page = await alice.get("/account/profile")
    assert "Note where I sign in from" in page.text
    assert (await alice.press("/account/locations", page, locations="1")).status == 303
    _, told = await desk.look(alice, "/api/v1/account/preferences")
    assert told == {"locations": True, "available": True}
    assert 'name="locations" value="1" checked' in (await alice.get("/account/profile")).text
    for target, body, agreed in (
        ("/api/profile/settings", {"geolocation_enabled": False}, False),
        ("/api/v1/account/preferences", {"locations": True}, True),
        ("/api/v1/account/preferences", {}, True),
    ):
        status, told = await desk.act(alice, "PATCH", target, body)
        assert (status, told["locations"]) == (200, agreed)
    assert (await alice.post("/account/locations", {"csrf_token": "no"})).status == 403
    desk.town.lookout._locate = None
    assert "Note where I sign in from" not in (await alice.get("/account/profile")).text


async def test_the_place_of_a_sign_in_is_shown_beside_it(desk):
    alice = await desk.enter("alice")
    await alice.press("/account/locations", await alice.get("/account/profile"), locations="1")

    async def find_place(*_):
        return Place("Berlin", "", "Germany")

    desk.town.lookout._find_place = find_place
    alice = await desk.enter("alice")
    assert "Berlin, Germany" in (await alice.get("/account/security")).text
    _, told = await desk.look(alice, "/api/v1/account/sign-ins")
    assert told["sign_ins"][0]["place"] == "Berlin, Germany"
