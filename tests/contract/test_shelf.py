"""The folder of the backups, and the scratch places in it, while others are at work and where there is no room."""

import pytest

from doorward.errors import UnavailableError
from doorward.outside.shelf import FolderShelf
from doorward.rules.archive import Listed
from doorward.rules.backup import Openers, Readers
from doorward.storage.sql.schema import HEAD
from doorward.storage.sql.scratch import open_scratch
from tests.fakes.system import START, FakeRandom


def test_what_comes_in_from_elsewhere_is_not_swept_away_while_it_comes(tmp_path):
    """N08: an upload takes minutes, and backups are made meanwhile; what a killed one left is swept."""
    shelf = FolderShelf(
        tmp_path / "backups",
        readers=Readers(),
        openers=Openers(),
        own=lambda: (bytes(32),),
        random=FakeRandom("shelf"),
        open_scratch=open_scratch,
    )

    def come():
        yield b"some of it, "
        with shelf.alone():
            yield b"and the rest"

    brought = shelf.take_in(come(), START)
    assert shelf.path_of(brought.name).read_bytes() == b"some of it, and the rest"
    left = tmp_path / "backups" / f"{brought.name}.partial"
    left.touch()
    with shelf.alone():
        assert not left.exists()


def test_no_room_to_try_a_backup_is_told_as_that(tmp_path):
    """N08: so that a drill notes it, and tells who is to know."""
    with open_scratch(tmp_path / "room.db", HEAD) as scratch:
        scratch._connection.execute("PRAGMA max_page_count = 1")
        table = Listed("settings", scratch.columns["settings"], 1)
        with pytest.raises(UnavailableError, match="no room"):
            scratch.take(table, [("x", "y" * 1_000_000)])
