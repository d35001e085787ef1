"""The page of backups, and its doors for programs."""

import pytest

from doorward.flows.backups import Terms
from doorward.rules.schedule import Interval, Schedule
from tests.fakes.administering import Desk
from tests.fakes.backups import connect_backups


@pytest.fixture
async def desk(tmp_path):
    desk = await Desk.open()
    flows = connect_backups(desk.town, tmp_path / "backups")
    # The flows are shared with page and API, which hold them: only the folder is another.
    desk.town.flows.backups._shelf = desk.town.flows.restoring._shelf = flows["backups"]._shelf
    return desk


async def test_backups_are_made_proven_and_deleted_on_the_page(desk):
    """B-36, E-53, E-54."""
    root = await desk.enter()
    page = await root.get("/admin/backups")
    assert "There are no backups yet." in page.text
    assert "only when asked for" in page.text
    made = await root.press("/admin/backups/create", page)
    assert made.status == 303
    page = await root.get("/admin/backups?done=made")
    assert "The backup is made." in page.text
    assert "not encrypted" in page.text
    german = await root.get("/admin/backups", accept_language="de")
    assert "Sicherungen" in german.text


async def test_the_page_says_what_stands_in_the_way(desk):
    root = await desk.enter()
    page = await root.get("/admin/backups")
    with desk.town.flows.backups._shelf.alone():
        for path in ("create", "drill"):
            answer = await root.press(f"/admin/backups/{path}", page)
            assert answer.status == 400
            assert "under way" in answer.text


async def test_the_schedule_is_shown(desk):
    desk.town.backup_terms = Terms(schedule=Schedule(Interval.WEEKLY))
    root = await desk.enter()
    assert (await root.get("/admin/backups")).status == 200


async def test_programs_make_and_list_backups(desk):
    root = await desk.enter()
    status, told = await desk.look(root, "/api/v1/backups")
    assert (status, told["backups"]) == (200, [])
    status, told = await desk.look(root, "/api/backups")
    assert status == 200
    assert told["made"]["done_at"] is None
