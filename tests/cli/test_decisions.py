"""`doorward decisions`: what a running gate decided."""

import pytest

from doorward.errors import InputError, NotFoundError

FIELDS = ("user", "host", "method", "shape", "verdict", "reason", "count")


def test_what_a_gate_decided_is_listed_after_it_has_stopped(place):
    """E-71: one sign-in, three checks, and a stranger's."""
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        for _ in range(3):
            assert server.check(cookie) == 200
        assert server.check("nonsense") == 401
    rows = place.answer("decisions", "list")
    assert sorted(tuple(row[field] for field in FIELDS) for row in rows) == [
        ("", "app.door.localhost", "GET", "/", "challenge", "session_unknown", 1),
        ("alice", "app.door.localhost", "GET", "/", "allow", "rule", 3),
    ]
    assert [row["user"] for row in place.answer("decisions", "list", "--user", "alice", "--since", "1h")] == ["alice"]
    assert [row["reason"] for row in place.answer("decisions", "list", "--nobody")] == ["session_unknown"]
    assert place.answer("decisions", "list", "--verdict", "deny", "--reason", "no_rule") == []
    assert "alice" in place.run("decisions", "list", "--host", "app.door.localhost", "--path", "/").stdout


def test_what_makes_no_sense_is_refused(place):
    with pytest.raises(InputError, match="not both"):
        place.run("decisions", "list", "--user", "alice", "--nobody")
    with pytest.raises(InputError, match="is no reason"):
        place.run("decisions", "list", "--reason", "because")
    with pytest.raises(InputError, match="span"):
        place.run("decisions", "list", "--since", "yesterday")
    with pytest.raises(NotFoundError):
        place.run("decisions", "list", "--user", "nobody-here")
    assert "no such decisions" in place.run("decisions", "list").stdout
