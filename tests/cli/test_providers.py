"""`doorward provider`, `doorward sign-in` and what `doorward user` says of accounts at providers."""

import asyncio
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from doorward.cli.house import in_house
from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.admin import CLI
from doorward.outside.system import SystemClock
from doorward.rules.audit import Act
from doorward.rules.provider import ProviderId
from doorward.rules.upstream import Identity, IdentityId
from tests.fakes.provider import Client, FakeProvider

SECRET = "hidden +/% words"
ISSUER = "https://id.example.test"
LINKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

PROVIDERS = f"""
authn:
  providers:
    - {{id: work, issuer_url: "{ISSUER}", client_id: door, client_secret: "{SECRET}", groups_claim: groups}}
    - {{id: hub, type: github, client_id: door, client_secret: "{SECRET}", enabled: false}}
"""


@contextmanager
def speaking_provider(redirect_uri):
    """A provider on loopback that answers while the command runs its own loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    provider = FakeProvider(SystemClock())
    provider.clients = {"door": Client(secret=SECRET, redirect_uris=(redirect_uri,))}
    try:
        asyncio.run_coroutine_threadsafe(provider.__aenter__(), loop).result(timeout=30)
        try:
            yield provider
        finally:
            asyncio.run_coroutine_threadsafe(provider.__aexit__(None, None, None), loop).result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


def link(place, login, identity_id="A" * 22, subject="s-1", **more):
    """Connect an account to one at the provider, as a sign-in would."""

    async def act(house):
        async with house.storage.records.transaction() as transaction:
            user = await transaction.find_user_by_login(login)
            await transaction.add_identity(
                Identity(
                    id=IdentityId(identity_id),
                    user_id=user.id,
                    issuer=ISSUER,
                    subject=subject,
                    provider=ProviderId("work"),
                    linked_at=LINKED_AT,
                    **more,
                )
            )

    in_house(place.config, act)


def read_audit(place):
    async def act(house):
        async with house.storage.records.transaction() as transaction:
            return await transaction.list_audit()

    return in_house(place.config, act)


# Providers


def test_providers_are_listed_with_what_is_to_be_registered(place):
    """D-07: the redirect URI must be equal there, so it is said exactly."""
    place.write(PROVIDERS)
    listed = place.answer("provider", "list")
    assert [each["id"] for each in listed] == ["work", "hub"]
    origin = f"http://auth.door.localhost:{place.ports[0]}"
    assert listed[0] == {
        "id": "work",
        "name": "id.example.test",
        "type": "oidc",
        "enabled": True,
        "set_in": "file",
        "issuer": ISSUER,
        "client_id": "door",
        "redirect_uri": f"{origin}/login/callback/work",
        "remark": "",
    }
    assert not listed[1]["enabled"]
    shown = place.run("provider", "list").stdout
    assert f"{origin}/login/callback/hub" in shown
    assert "remark" not in shown
    assert SECRET not in shown
    assert SECRET not in str(listed)


def test_a_provider_of_the_console_is_listed_too_and_says_why_it_does_not_count(place):
    async def act(house):
        for name, path in (("hub", ""), ("other", "/api/auth/login"), ("third", "")):
            await house.flows.providers.add(
                CLI,
                {
                    "id": name,
                    "type": "oidc",
                    "issuer_url": f"https://{name}.example.test",
                    "client_id": "x",
                    "client_secret": SECRET,
                    "redirect_url": path,
                },
                now=house.clock.now(),
            )

    in_house(place.config, act)
    place.write(PROVIDERS)
    listed = {each["set_in"] + " " + each["id"]: each for each in place.answer("provider", "list")}
    assert sorted(listed) == ["console hub", "console other", "console third", "file hub", "file work"]
    assert (
        listed["console hub"]["remark"] == "The configuration file has a provider of this name, which counts instead."
    )
    assert listed["console other"]["redirect_uri"].endswith("/api/auth/login")
    shown = place.run("provider", "list").stdout
    assert "remark" in shown
    assert SECRET not in shown


def test_without_providers_there_is_a_sentence(place):
    assert "There are no providers" in place.run("provider", "list").stdout
    assert place.answer("provider", "list") == []
    with pytest.raises(NotFoundError, match="there is no provider work"):
        place.run("provider", "test", "work")


def test_a_provider_that_does_not_answer_is_told_with_an_exit_code(place):
    place.write(
        "\nauthn: {providers: [{id: work, issuer_url: 'https://127.0.0.1:1', client_id: x, client_secret: y}]}\n"
    )
    done = place.run("provider", "test", "work")
    assert done.exit_code == 1
    assert "BAD" in done.stdout
    assert "outbound.allow" in done.stdout
    as_json = place.run("provider", "test", "work", "--json")
    assert as_json.exit_code == 1
    assert '"health": "bad"' in as_json.stdout


def test_a_provider_that_is_right_is_told_point_by_point(place):
    """D-07: tested before anybody has to rely on it."""
    back = f"http://auth.door.localhost:{place.ports[0]}/login/callback/work"
    with speaking_provider(back) as provider:
        port = provider.url.rpartition(":")[2]
        place.write(
            f"""
authn:
  providers:
    - {{id: work, issuer_url: "{provider.url}", client_id: door, client_secret: "{SECRET}"}}
outbound: {{allow: ["127.0.0.1:{port}"], insecure_http: true}}
"""
        )
        found = place.answer("provider", "test", "work")
        assert [each["title"] for each in found if each["health"] != "good"] == ["Passwords"]  # nobody came through
        assert found[0]["title"] == "Discovery"
        assert any(back in each["text"] for each in found)
        shown = place.run("provider", "test", "work")
        assert shown.exit_code == 0
        assert shown.stdout.startswith("good    Discovery: ")
        assert SECRET not in shown.stdout
        provider.clients = {}
        refused = place.run("provider", "test", "work")
        assert refused.exit_code == 1
        assert "BAD     Client: " in refused.stdout
        assert "        -> " in refused.stdout


# Accounts at providers


def test_an_account_is_shown_with_what_it_is_connected_to(place):
    place.write(PROVIDERS)
    place.add("alice", "--email", "alice@example.test", "--group", "own")
    link(
        place,
        "alice",
        email="\x1b[31malice@work.test",
        name="Alice at work",
        groups=frozenset({"granted"}),
        is_admin=True,
        used_at=LINKED_AT,
    )
    link(place, "alice", "B" * 22, "s-2")
    told = place.answer("user", "show", "alice@example.test")
    assert told["name"] == "alice"
    assert told["groups"] == ["own"]
    assert told["granted_groups"] == ["granted"]
    assert told["admin"] is told["granted_admin"] is told["has_password"] is True
    assert [(each["id"], each["subject"]) for each in told["identities"]] == [("A" * 22, "s-1"), ("B" * 22, "s-2")]
    assert told["identities"][0]["used_at"] == "2026-01-02T03:04:05Z"
    assert told["identities"][1]["used_at"] == ""
    shown = place.run("user", "show", "alice").stdout
    assert re.search(r"granted groups +granted\n", shown)
    assert ISSUER in shown
    assert "\x1b" not in shown
    listed = place.run("user", "list").stdout
    assert "granted groups" in listed
    assert place.answer("user", "list")[0]["admin"] is True


def test_an_account_of_its_own_says_that_it_is_connected_to_nothing(place):
    place.add("alice")
    shown = place.run("user", "show", "alice").stdout
    assert "connected to no account at a provider" in shown
    assert place.answer("user", "show", "alice")["identities"] == []
    assert "granted groups" not in place.run("user", "list").stdout
    with pytest.raises(NotFoundError):
        place.run("user", "show", "nobody")
    with pytest.raises(InputError):
        place.run("user", "show", "no name")


def test_a_connection_is_cut_by_its_id_or_by_what_it_connects(place):
    place.write(PROVIDERS)
    place.add("alice")
    place.add("bob")
    link(place, "alice", groups=frozenset({"granted"}))
    link(place, "alice", "-" + "B" * 21, "-s 2")
    gone = place.answer("user", "unlink", "alice", "A" * 22)
    assert gone["subject"] == "s-1"
    assert place.answer("user", "show", "alice")["granted_groups"] == []
    for wrong in ((ISSUER,), (ISSUER, "s-1"), ("A" * 22,), (ISSUER, "other")):
        with pytest.raises(NotFoundError, match="user show alice"):
            place.run("user", "unlink", "alice", *wrong)
    with pytest.raises(NotFoundError, match="user show bob"):
        place.run("user", "unlink", "bob", ISSUER, "--", "-s 2")
    done = place.run("user", "unlink", "alice", ISSUER, "--", "-s 2")
    assert done.stdout == f"alice is no longer connected to -s 2 at {ISSUER}.\n"
    link(place, "alice", "-" + "C" * 21, "s-3")
    assert place.run("user", "unlink", "--", "alice", "-" + "C" * 21).exit_code == 0
    assert place.answer("user", "show", "alice")["identities"] == []
    assert [record.event.actor for record in read_audit(place) if record.event.act is Act.IDENTITY_UNLINKED] == [
        "cli"
    ] * 3


def test_the_last_way_in_is_not_cut(place):
    """D-12."""
    place.write(PROVIDERS)
    place.add("alice")
    link(place, "alice")

    async def forget_password(house):
        async with house.storage.records.transaction() as transaction:
            user = await transaction.find_user_by_login("alice")
            await transaction.remove_user(user.id)
            await transaction.add_user(user)

    in_house(place.config, forget_password)
    link(place, "alice")
    assert place.answer("user", "show", "alice")["has_password"] is False
    with pytest.raises(ConflictError, match="last way"):
        place.run("user", "unlink", "alice", "A" * 22)


# Passwords


def test_passwords_close_when_an_administrator_came_through_a_provider_and_open_whenever_that_is_wanted(place):
    """D-12: never no way in, and the command line always brings passwords back."""
    place.write(PROVIDERS)
    place.add("root", "--admin")
    assert place.answer("sign-in", "passwords", "status") == {
        "open": True,
        "wanted": True,
        "because": "Signing in with a password is switched on.",
        "set_by": "file",
    }
    switched = place.answer("sign-in", "passwords", "off")
    assert switched["open"] is True
    assert switched["wanted"] is False
    assert "as soon as an administrator has signed in through" in switched["because"]
    link(place, "root", used_at=LINKED_AT)
    assert place.answer("sign-in", "passwords", "status")["open"] is False
    assert "Passwords are closed." in place.run("sign-in", "passwords", "status").stdout
    with pytest.raises(ConflictError, match="sign-in passwords on"):
        place.run("reset-password", "root", "--link")
    assert "It opens nothing yet" in place.run("reset-password", "root").stdout
    back = place.run("sign-in", "passwords", "on").stdout
    assert back.startswith("Passwords are open.")
    assert "the command line or the console" in back
    place.write(PROVIDERS.replace("authn:", "authn:\n  password: false"))
    assert place.answer("sign-in", "passwords", "status")["open"] is True
    left = place.run("sign-in", "passwords", "auto").stdout
    assert left.startswith("Passwords are closed.")
    assert "the configuration file" in left
    acts = [record.event for record in read_audit(place) if record.event.act is Act.WAYS_CHANGED]
    assert [(event.actor, event.public["password"]) for event in reversed(acts)] == [
        ("cli", "off"),
        ("cli", "on"),
        ("cli", "file"),
    ]


def test_without_a_provider_passwords_stay_open_whatever_is_wanted(place):
    """D-12."""
    place.add("root", "--admin")
    switched = place.answer("sign-in", "passwords", "off")
    assert switched["open"] is True
    assert "no provider is enabled" in switched["because"]
    place.write(PROVIDERS)
    link(place, "root", used_at=LINKED_AT)
    assert place.answer("sign-in", "passwords", "status")["open"] is False
    place.write()
    assert place.answer("sign-in", "passwords", "status")["open"] is True


def test_a_word_that_is_none_is_refused(place):
    assert place.run("sign-in", "passwords", "maybe").exit_code == 2
    assert place.run("sign-in", "passwords").exit_code == 2


def test_a_start_says_that_passwords_stay_open_and_which_provider_does_not_count(place):
    """D-12: what is wanted and what is so differ, and only the data tells."""

    async def act(house):
        fields = {"id": "hub", "issuer_url": ISSUER, "client_id": "x", "client_secret": SECRET}
        await house.flows.providers.add(CLI, fields, now=house.clock.now())

    in_house(place.config, act)
    place.write(PROVIDERS.replace("authn:", "authn:\n  password: false"))
    with place.serving() as server:
        told = server.process.log
        assert "authn.password: Switched off, but open: it closes as soon as an administrator has signed in" in told
        assert "provider hub: The configuration file has a provider of this name" in told
        assert SECRET not in told
