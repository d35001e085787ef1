"""The page of backups, and its doors for programs."""

import pytest

from doorward.errors import InputError
from doorward.flows.backups import Terms
from doorward.rules.archive import Manifest
from doorward.rules.backup import Reason, name_backup, read_name
from doorward.rules.restoring import Plan
from doorward.rules.schedule import Interval, Schedule
from doorward.storage.sql.schema import HEAD
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


async def test_a_passphrase_is_asked_for_each_time_and_never_put_back(desk, monkeypatch):
    """B-36: it goes to preview and restore, and stands in no page."""
    backups, restoring = desk.town.flows.backups, desk.town.flows.restoring
    entered = []
    made = backups._shelf.list
    name = name_backup(Reason.ASKED, desk.town.clock.now(), entropy=bytes(4), encrypted=True)
    monkeypatch.setattr(backups._shelf, "list", lambda: [*made(), read_name(name)])

    async def preview(_actor, asked, openers, **_):
        entered.append(openers.passphrase)
        if not openers.passphrase:
            raise InputError("the backup needs its passphrase")
        manifest = Manifest("0.1.0", HEAD, desk.town.clock.now(), "3f" * 16, "0123456789abcdef", ())
        return Plan(asked, manifest, True, (), (), True, True, "0123456789abcdef")

    async def apply(_actor, asked, token, openers, **_):
        entered.append((asked, token, openers.passphrase))

    monkeypatch.setattr(restoring, "preview", preview)
    monkeypatch.setattr(restoring, "apply", apply)
    root = await desk.enter()
    page = await root.get("/admin/backups")
    assert page.text.count('name="passphrase" type="password" maxlength="1024" autocomplete="off"') == 1
    assert "A passphrase takes a few seconds." in page.text
    refused = await root.press("/admin/backups/preview", page, backup=name)
    assert (refused.status, "needs its passphrase" in refused.text) == (400, True)
    shown = await root.press("/admin/backups/preview", page, backup=name, passphrase="correct horse battery")
    assert 'id="passphrase-restore"' in shown.text
    assert "correct horse" not in shown.text
    token = {"backup": name, "token": "0123456789abcdef", "passphrase": "correct horse battery"}
    restored = await root.press("/admin/backups/restore", shown, **token)
    assert restored.status == 303
    assert entered == ["", "correct horse battery", (name, "0123456789abcdef", "correct horse battery")]
