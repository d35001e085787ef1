"""`doorward incident`, on a running server."""

import sqlite3
from contextlib import closing

import pytest

from doorward.errors import InputError


def keys_of(place):
    """The keys of session cookies, sealed, and when each was retired."""
    with closing(sqlite3.connect(place.folder / "data" / "doorward.db")) as database:
        return database.execute("SELECT sealed, retired_at FROM signing_keys WHERE purpose = 'session'").fetchall()


def test_a_lockdown_counts_at_the_very_next_request(place):
    """E-90."""
    place.add("root", "--admin")
    place.add("alice")
    with place.serving() as server:
        boss, guest = server.sign_in("root"), server.sign_in("alice")
        assert (server.check(boss), server.check(guest)) == (200, 200)
        told = place.answer("incident", "lockdown", "--reason", "stolen laptop")
        assert (told["accounts"], told["administrators"]) == (2, ["root"])
        assert (server.check(boss), server.check(guest)) == (401, 401)
        assert len([key for key in keys_of(place) if key[1] is None]) == 1
        assert [bool(sealed) for sealed, retired_at in keys_of(place) if retired_at is not None] == [False]
        assert server.check(server.sign_in("alice")) == 200
        assert place.answer("incident", "status")["lockdown"]["reason"] == "stolen laptop"
        assert place.answer("incident", "lift") == {"lifted": True}
        assert place.answer("incident", "lift") == {"lifted": False}


def test_it_says_how_it_stands_and_who_can_sign_in(place):
    """E-90: look before you lock."""
    assert "No administrator can sign in at present." in place.run("incident", "status").stdout
    place.add("root", "--admin")
    said = place.run("incident", "status").stdout
    assert "There is no lockdown." in said
    assert "root: password; without a second factor" in said
    locked = place.run("incident", "lockdown", "--console-from", "10.0.0.0/8", "--reason", "because").stdout
    assert "Administrators who can sign in: root." in locked
    said = place.run("incident", "status").stdout
    assert "The console is open from 10.0.0.0/8 only. because" in said
    assert "The lockdown is lifted." in place.run("incident", "lift").stdout
    assert "There was no lockdown." in place.run("incident", "lift").stdout


def test_what_is_no_network_is_refused(place):
    with pytest.raises(InputError, match="is no network"):
        place.run("incident", "lockdown", "--console-from", "10.0.0.1/8")
