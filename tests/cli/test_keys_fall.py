"""Keys for apps, and what takes them away beside their owner: felt by a running server at its very next check."""

import pytest

GOOD, UNKNOWN, REFUSED = 200, 401, 403


@pytest.fixture
def house(place):
    """A gateway with somebody who administers, and somebody with a key."""
    place.add("root", "--admin")
    place.add("alice", "--group", "staff", "--admin")
    return place


def make_key(place, name="phone", user="alice"):
    hosts = [f"--host={name}.door.localhost" for name in ("app", "staff")]
    return place.answer("key", "create", "--user", user, "--name", name, *hosts)["key"]


def check(server, key, host="app"):
    """A check as Traefik asks it, with a key; the status."""
    return server.get(
        "/api/auth/forwardauth",
        x_api_key=key,
        x_forwarded_method="GET",
        x_forwarded_host=f"{host}.door.localhost",
        x_forwarded_uri="/",
    ).status_code


def checks(server, key):
    return [check(server, key, host) for host in ("app", "staff")]


def test_a_key_never_does_more_than_its_owner_may_at_that_moment(house):
    """A-18, A-27: out of a group, without administration, disabled, enabled, deleted."""
    key = make_key(house)
    ruler = house.answer("key", "create", "--user", "alice", "--name", "ruler", "--scope", "admin")["key"]
    with house.serving() as server:
        assert (checks(server, key), server.get("/api/v1/users", x_api_key=ruler).status_code) == ([GOOD, GOOD], GOOD)
        house.answer("user", "groups", "alice", "others")
        assert (checks(server, key), server.get("/api/v1/users", x_api_key=ruler).status_code) == (
            [GOOD, REFUSED],
            GOOD,
        )
        house.answer("user", "edit", "alice", "--no-admin")
        assert server.get("/api/v1/users", x_api_key=ruler).status_code == REFUSED
        house.answer("user", "disable", "alice")
        assert check(server, key) in {UNKNOWN, REFUSED}
        house.answer("user", "enable", "alice")
        assert check(server, key) == GOOD
        house.answer("user", "delete", "alice", "--yes")
        assert check(server, key) == UNKNOWN


def test_a_key_waits_for_the_second_factor_that_its_owner_owes(place):
    """A-18: policy asks for one from now on; the key of whoever could not sign in without opens nothing, here and there."""
    place.write("mfa: {grace: off}\n")
    place.add("root", "--admin", "--group", "staff")
    place.answer("user", "add", "feeds", "--service", "--group", "staff")
    ruler = place.answer("key", "create", "--user", "root", "--name", "ruler", "--scope", "admin")["key"]
    key, feed = make_key(place, user="root"), make_key(place, user="feeds")
    with place.serving() as server:

        def opened():
            return check(server, key), server.get("/api/v1/users", x_api_key=ruler).status_code, check(server, feed)

        assert opened() == (GOOD, GOOD, GOOD)
        place.answer("policy", "mfa", "all")
        assert opened() == (REFUSED, REFUSED, GOOD)
        place.answer("policy", "mfa", "none")
        assert opened() == (GOOD, GOOD, GOOD)


def test_a_lockdown_stops_every_key_until_it_is_lifted(house):
    """E-90: those that are revoked with it stay so."""
    key = make_key(house)
    with house.serving() as server:
        assert check(server, key) == GOOD
        assert house.answer("incident", "status")["keys"] == 1
        house.answer("incident", "lockdown")
        assert check(server, key) == REFUSED
        house.answer("incident", "lift")
        assert check(server, key) == GOOD
        assert house.answer("incident", "lockdown", "--app-keys")["keys_revoked"] == 1
        house.answer("incident", "lift")
        assert check(server, key) == UNKNOWN


def test_new_keys_of_the_house_revoke_none_for_apps_but_where_that_is_asked(house):
    """B-04, B-05, M07."""
    key = make_key(house)
    with house.serving() as server:
        assert check(server, key) == GOOD
        assert house.answer("keys", "rotate", "master", "--settle", "0")["proven"]
        assert check(server, key) == GOOD
        assert house.answer("keys", "rotate", "signing", "--yes")["keys"] == 0
        assert check(server, key) == GOOD
        assert house.answer("keys", "rotate", "signing", "--yes", "--app-keys")["keys"] == 1
        assert check(server, key) == UNKNOWN


def test_a_restore_leaves_of_keys_what_is_in_both(house):
    """N06: a key that was there goes on at once; one that was revoked since, or made since, opens nothing."""
    house.write("backup: {encryption: none}\n")
    kept, gone = make_key(house), make_key(house, "tablet")
    name = house.answer("backup", "create")["name"]
    with house.serving() as server:
        house.run("key", "revoke", gone.split("_")[1])
        since = make_key(house, "watch")
        assert [check(server, key) for key in (kept, gone, since)] == [GOOD, UNKNOWN, GOOD]
        plan = house.answer("backup", "restore", name)
        house.answer("backup", "restore", name, "--apply", plan["token"])
        assert [check(server, key) for key in (kept, gone, since)] == [GOOD, UNKNOWN, UNKNOWN]


def test_keys_go_with_an_account_that_is_erased(house):
    """2.9."""
    key = make_key(house)
    with house.serving() as server:
        assert check(server, key) == GOOD
        assert house.answer("user", "show", "alice")["app_keys"] == ["phone"]
        house.run("privacy", "erase", "alice", "--yes")
        assert check(server, key) == UNKNOWN
    assert house.answer("key", "list") == []
