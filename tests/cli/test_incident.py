"""`doorward incident`, on a running server."""

import re
import sqlite3
from contextlib import closing

import pytest

from doorward.errors import InputError
from tests.cli.conftest import session_cookie


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


def test_a_kit_lets_its_administrator_in_where_nothing_else_does(place):
    """E-90: passwords closed by then, a second factor asked for, and no provider."""
    place.add("root", "--admin")
    with place.serving() as server:
        assert server.get("/break-glass").status_code == 404
        printed = place.run("incident", "kit", "root").stdout
        code = re.search(r"^ {4}(\S{64})$", printed, re.MULTILINE)[1]
        assert f"http://auth.door.localhost:{place.ports[0]}/break-glass" in printed
        place.run("policy", "mfa", "all")
        answer = server.fill("/break-glass", code=code)
        assert answer.status_code == 303
        assert server.check(session_cookie(answer)) == 200
        assert server.get("/break-glass").status_code == 404
    (listed,) = place.answer("incident", "break-glass", "list")
    assert (listed["user"], bool(listed["used"])) == ("root", True)
    assert not (place.folder / "data" / "break-glass.json").exists()


def test_codes_are_taken_back(place):
    place.add("root", "--admin")
    place.answer("incident", "kit", "root", "--codes", "3")
    beside = place.folder / "data" / "break-glass.json"
    assert beside.stat().st_mode & 0o777 == 0o600
    assert place.answer("incident", "break-glass", "revoke") == {"revoked": 3}
    assert not beside.exists()
    assert "Nobody has a kit." in place.run("incident", "break-glass", "list").stdout
    assert "taken back: 0" in place.run("incident", "break-glass", "revoke", "root").stdout
