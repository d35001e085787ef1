"""The overview of what is kept for the worst."""

import pytest

from doorward.flows.admin import CLI
from doorward.rules.stored_key import SESSION, StoredKey
from tests.fakes.door import Browser, Door

PAGE = "/admin/safekeeping"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("root", admin=True)
    return door


async def test_it_shows_what_was_never_done_and_leads_to_what_there_is(door):
    """E-89, E-90."""
    root = Browser(door)
    await root.sign_in("root")
    page = (await root.get(PAGE)).text
    assert 'href="/admin/incident"' in page
    assert "nobody has one" in page
    assert "never" in page
    assert f'href="{PAGE}" aria-current="page"' in page


async def test_it_shows_how_it_stands(door):
    now = door.clock.now()
    await door.flows.break_glass.make(CLI, "root", now=now)
    await door.flows.lockdowns.begin(CLI, now=now)
    async with door.store.records.transaction() as transaction:
        await transaction.add_key(StoredKey(1, SESSION, "sealed", now))
    view = await door.flows.safekeeping.look(CLI)
    assert (view.kits, view.untold, view.signing_key_at, view.checkpoint_at) == (1, 0, now, None)
    assert view.lockdown is not None
    root = Browser(door)
    await root.sign_in("root")
    page = (await root.get(PAGE)).text
    assert "in force" in page
    assert "nobody has one" not in page
