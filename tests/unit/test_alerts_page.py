"""The page of alerts, and its doors for programs."""

from dataclasses import replace

import pytest

from doorward.errors import UnavailableError
from doorward.flows.alerts import Alerts
from doorward.rules.alert import AlertKind
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
