"""`doorward key`: what is made, shown once, listed and taken back; and accounts of services, which have nothing else."""

import json

import pytest

from doorward.errors import ConfigError, ConflictError, InputError, NotFoundError
from doorward.rules.app_key import parse_key

APPS = """
apps:
  - {name: Home, hosts: app.door.localhost}
  - {name: Feed, hosts: staff.door.localhost, url_keys: true}
"""


@pytest.fixture
def apps(place):
    place.write(APPS)
    place.add("alice", "--group", "staff")
    return place


def make(place, name="Phone", *options, user="alice"):
    return place.answer("key", "create", "--user", user, "--name", name, *(options or ("--app", "Home")))


def test_a_key_is_made_listed_and_taken_back(apps):
    """A-20, A-21."""
    made = make(
        apps, "Phone", "--app", "Home", "--host", "staff.door.localhost", "--path", "/dav", "--method", "get",
        "--network", "10.0.0.0/8", "--scope", "read", "--read-only", "--expires", "30d",
    )  # fmt: skip
    key_id, _ = parse_key(made["key"])
    assert made["id"] == key_id
    (listed,) = apps.answer("key", "list")
    assert made["key"] not in json.dumps(listed)
    assert (listed["user"], listed["name"], listed["kind"], listed["state"]) == ("alice", "Phone", "key", "live")
    assert (listed["apps"], listed["hosts"], listed["paths"]) == (["Home"], ["staff.door.localhost"], ["/dav"])
    assert (listed["methods"], listed["networks"], listed["scopes"]) == (["GET"], ["10.0.0.0/8"], ["read"])
    assert (listed["read_only"], listed["in_url"], listed["made_by"], listed["uses"]) == (True, False, "cli", 0)
    assert apps.answer("key", "revoke", key_id) == {"revoked": 1}
    assert "no such keys" in apps.run("key", "list").stdout
    with pytest.raises(NotFoundError):
        apps.run("key", "revoke", key_id)


def test_a_key_is_printed_alone_on_its_line(apps):
    lines = apps.run("key", "create", "--user", "alice", "--name", "Phone", "--app", "Home").stdout.splitlines()
    assert parse_key(lines[0])
    assert "only here" in lines[1]


def test_a_key_may_last_for_ever_and_stand_in_an_address(apps):
    """D-48."""
    made = make(apps, "Calendar", "--app", "Feed", "--in-url", "--expires", "never")
    assert (made["expires"], made["in_url"]) == ("never", True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--app", "Nowhere"), "no app 'Nowhere'"),
        (("--app", "Home", "--in-url"), "url_keys"),
        (("--scope", "everything"), "is no scope"),
        (("--scope", "admin"), "only an administrator's"),
        (("--app", "Home", "--expires", "30"), "30"),
        (("--app", "Home", "--path", "api"), "is no path"),
        (("--path", "/api"), "choose what the key opens"),
    ],
)
def test_a_key_that_cannot_be_is_refused(apps, options, words):
    with pytest.raises(InputError, match=words):
        make(apps, "Phone", *options)
    assert apps.answer("key", "list") == []


def test_the_policy_of_keys_is_that_of_the_configuration(apps):
    """A-19, A-20: each setting says something."""
    apps.write(APPS + "api_keys: {max: 2, max_per_app: 1, max_lifetime: 90d, default_lifetime: 30d, hash: bcrypt}\n")
    made = make(apps)
    assert made["made"][:4] <= made["expires"][:4] != "neve"
    with pytest.raises(InputError, match="90 days at most"):
        make(apps, "Other", "--app", "Feed", "--expires", "91d")
    with pytest.raises(InputError, match="Home has 1 keys already"):
        make(apps, "Other")
    make(apps, "Other", "--app", "Feed")
    with pytest.raises(InputError, match="2 keys already"):
        make(apps, "Third", "--scope", "read")
    for wrong in (
        "max: 0",
        "max_per_app: many",
        "max_per_app: true",
        "hash: md5",
        "sleep_after: 90",
        "url_parameter: a=b",
    ):
        apps.write(APPS + f"api_keys: {{{wrong}}}\n")
        with pytest.raises(ConfigError):
            apps.run("key", "list")


def test_keys_are_filtered_and_taken_back_by_app_and_owner(apps):
    apps.add("bob", "--group", "staff")
    make(apps)
    make(apps, "Feed reader", "--app", "Feed")
    make(apps, user="bob")
    assert [row["user"] for row in apps.answer("key", "list", "--app", "Home")] == ["bob", "alice"]
    assert len(apps.answer("key", "list", "--user", "alice", "--kind", "key", "--awake")) == 2
    for nothing in (("--asleep",), ("--unused-for", "1d"), ("--older-than", "1d"), ("--kind", "device")):
        assert apps.answer("key", "list", *nothing) == []
    assert apps.answer("key", "revoke", "--app", "Feed") == {"revoked": 1}
    with pytest.raises(InputError, match="say which"):
        apps.run("key", "revoke")
    with pytest.raises(InputError, match="not both"):
        apps.run("key", "revoke", "x" * 12, "--all")
    with pytest.raises(InputError, match="no kind"):
        apps.run("key", "list", "--kind", "door")
    assert "1 key was taken back" in apps.run("key", "revoke", "--user", "bob").stdout
    assert apps.answer("key", "revoke", "--all") == {"revoked": 1}


def test_a_key_that_is_awake_is_not_woken(apps):
    made = make(apps)
    with pytest.raises(ConflictError, match="awake"):
        apps.run("key", "wake", made["id"])
    with pytest.raises(NotFoundError):
        apps.run("key", "wake", "x" * 12)


def test_there_are_no_new_keys_in_a_lockdown(apps):
    """E-90."""
    apps.add("root", "--admin")
    apps.answer("incident", "lockdown")
    with pytest.raises(ConflictError, match="locked down"):
        make(apps)


def test_a_service_is_added_without_a_password_and_has_keys(apps):
    added = apps.answer("user", "add", "backup", "--service", "--group", "staff")
    assert (added["service"], added["email"]) == (True, "")
    assert apps.answer("user", "show", "backup")["has_password"] is False
    assert "service" in apps.run("user", "list").stdout
    made = make(apps, "Nightly", "--app", "Feed", user="backup")
    assert (made["user"], made["service"]) == ("backup", True)
    with pytest.raises(ConflictError):
        apps.run("user", "set-password", "backup", "--password-stdin", typed="Tr4vel-by-Night!\n")


@pytest.mark.parametrize("option", [("--email", "a@example.test"), ("--console-only",), ("--password-stdin",)])
def test_a_service_cannot_be_what_only_people_are(place, option):
    with pytest.raises(InputError, match="neither address nor password"):
        place.run("user", "add", "backup", "--service", *option, typed="x\n")


@pytest.mark.parametrize("hashed", ["sha256", "bcrypt"])
def test_a_running_server_feels_a_key_at_once_and_writes_down_its_use(apps, hashed):
    """A-20, A-21, E-76: with either hash, from the next check on."""
    apps.write(APPS + f"api_keys: {{hash: {hashed}}}\n")
    with apps.serving() as server:
        made = make(apps)

        def check():
            return server.get(
                "/api/auth/forwardauth",
                authorization=f"Bearer {made['key']}",
                x_forwarded_method="GET",
                x_forwarded_host="app.door.localhost",
                x_forwarded_uri="/",
            ).status_code

        assert [check(), check()] == [200, 200]
        apps.answer("key", "revoke", made["id"])
        assert check() == 401
        made = make(apps, "Tablet")
        assert check() == 200
    (row,) = apps.answer("key", "list")
    assert (row["uses"], row["last_address"]) == (1, "203.0.113.0")
    assert made["key"] not in server.process.log
