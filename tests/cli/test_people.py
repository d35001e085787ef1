"""`doorward user` and `doorward reset-password`, for whoever is locked out or is not who they should be."""

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.cli.house import in_house
from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.rules.envelope import Place
from doorward.rules.history import SignInNote
from doorward.rules.session import Method
from tests.cli.conftest import GOOD


def acts(place):
    """What the audit chain says, the newest last, each with who did it."""
    with sqlite3.connect(place.folder / "data" / "doorward.db") as database:
        return database.execute("SELECT act, actor FROM audit ORDER BY sequence").fetchall()


def let_wait(place, name):
    """Make an account wait for approval, as registering does."""

    async def act(house):
        async with house.storage.records.transaction() as transaction:
            user = await transaction.find_user_by_login(name)
            await transaction.advance_user(user, replace(user, enabled=False, awaits_approval=True))

    in_house(place.config, act)


def note_sign_ins(place, name, *notes):
    """Put sign-ins into an account's history, as signing in does: agents, with the failure of each."""

    async def act(house):
        now = house.clock.now()
        async with house.storage.records.transaction() as transaction:
            user = await transaction.find_user_by_login(name)
            for agent, failure in notes:
                number = house.random.token(16).hex()
                said = json.dumps({"address": "203.0.113.9", "agent": agent}).encode()
                sealed = house.keyring.seal(Place("sign_ins", "sealed", number), said)
                methods = frozenset({Method.PASSWORD})
                now += timedelta(seconds=1)
                await transaction.note_sign_in(
                    SignInNote(number, user.id, now, failure, methods, None, new_device=True, sealed=sealed)
                )

    in_house(place.config, act)


def test_the_last_sign_ins_are_shown_the_bad_ones_marked(place):
    place.add("alice")
    assert "Nobody has tried" in place.run("user", "history", "alice").stdout
    note_sign_ins(place, "alice", ("Firefox", ""), ("\x1b[31mcurl", "wrong_password"))
    bad, good = place.answer("user", "history", "alice")
    assert (bad["outcome"], good["outcome"]) == ("wrong_password", "signed_in")
    assert (good["address"], good["user_agent"], good["methods"]) == ("203.0.113.9", "Firefox", ["pwd"])
    said = place.run("user", "history", "alice").stdout
    assert "wrong_password" in said
    assert "\x1b" not in said
    assert len(place.answer("user", "history", "alice", "--limit", "1")) == 1
    with pytest.raises(NotFoundError):
        place.run("user", "history", "nobody")


def test_an_account_is_edited(place):
    place.add("alice", "--email", "alice@example.test")
    changed = place.answer(
        "user", "edit", "alice", "--name", "Alicia", "--email", "alicia@example.test", "--display-name", "Älice"
    )
    assert (changed["name"], changed["email"], changed["display_name"]) == ("alicia", "alicia@example.test", "Älice")
    assert place.answer("user", "edit", "alicia", "--email", "")["email"] == ""
    assert place.answer("user", "show", "alicia")["display_name"] == "Älice"
    with pytest.raises(NotFoundError):
        place.run("user", "show", "alice")


def test_an_edit_that_says_nothing_or_what_cannot_be_is_refused(place):
    place.add("alice")
    place.add("bob", "--email", "bob@example.test")
    with pytest.raises(InputError, match="--display-name"):
        place.run("user", "edit", "alice")
    with pytest.raises(InputError, match="email"):
        place.run("user", "edit", "alice", "--email", "nowhere")
    for taken in (("--name", "bob"), ("--email", "bob@example.test")):
        with pytest.raises(ConflictError):
            place.run("user", "edit", "alice", *taken)


def test_somebody_is_made_an_administrator_and_no_more(place):
    """R05."""
    place.add("root", "--admin")
    place.add("alice")
    assert place.answer("user", "edit", "alice", "--admin")["admin"]
    assert not place.answer("user", "edit", "root", "--no-admin")["admin"]
    with pytest.raises(ConflictError, match="last"):
        place.run("user", "edit", "alice", "--no-admin")


def test_an_account_is_kept_to_the_console(place):
    """D-06."""
    assert place.add("rescue", "--admin", "--console-only")["console_only"]
    assert not place.answer("user", "edit", "rescue", "--apps")["console_only"]
    assert place.answer("user", "edit", "rescue", "--console-only")["console_only"]


def test_the_next_sign_in_can_be_made_to_ask_for_a_new_password(place):
    assert place.add("alice", "--must-change-password")["must_change_password"]
    place.add("bob")
    assert place.answer("user", "force-password-change", "bob")["must_change_password"]
    assert "must change the password" in place.run("user", "force-password-change", "bob").stdout


def test_second_factors_are_taken_away_after_asking(place):
    place.add("alice")
    assert place.run("user", "reset-factors", "alice", typed="n\n").exit_code == 1
    assert "admin.mfa_reset" not in dict(acts(place))
    assert "no second factor" in place.run("user", "reset-factors", "alice", typed="y\n").stdout
    assert place.answer("user", "reset-factors", "alice", "--yes")["name"] == "alice"
    assert ("admin.mfa_reset", "cli") in acts(place)
    shown = place.answer("user", "show", "alice")
    assert (shown["authenticator_app"], shown["passkeys"], shown["recovery_codes_left"]) == (False, [], 0)


def test_whoever_waits_is_let_in_or_refused(place):
    for name in ("alice", "bob"):
        place.add(name)
        with pytest.raises(ConflictError, match="does not wait"):
            place.run("user", "approve", name)
        let_wait(place, name)
    assert "awaits approval" in place.run("user", "list").stdout
    assert "may sign in" in place.run("user", "approve", "alice").stdout
    assert place.run("user", "refuse", "bob", typed="n\n").exit_code == 1
    assert place.answer("user", "refuse", "bob", "--yes")["name"] == "bob"
    (left,) = place.answer("user", "list")
    assert (left["name"], left["enabled"], left["awaits_approval"]) == ("alice", True, False)


@pytest.mark.parametrize("command", ["end-sessions", "force-password-change", "approve", "edit"])
def test_nothing_is_done_to_nobody(place, command):
    more = ("--admin",) if command == "edit" else ()
    with pytest.raises(NotFoundError, match="no account nobody"):
        place.run("user", command, "nobody", *more)


def test_a_temporary_password_is_printed_once_and_must_be_changed(place):
    """A-17."""
    place.add("alice")
    said = place.run("reset-password", "alice").stdout
    assert "Temporary password of alice: " in said
    password = said.splitlines()[0].rpartition(" ")[2]
    assert len(password) >= 27
    assert place.answer("user", "show", "alice")["must_change_password"]
    assert acts(place)[-1] == ("admin.password_set", "cli")
    again = place.answer("reset-password", "alice")["temporary_password"]
    assert again != password


def test_a_temporary_password_is_as_long_as_the_rules_ask(place):
    place.write("password: {min_length: 64}\n")
    place.add("alice", password=GOOD * 4 + "x")
    assert len(place.answer("reset-password", "alice")["temporary_password"]) >= 64


def test_second_factors_go_with_the_password_where_it_is_said(place):
    """A-17."""
    place.add("alice")
    said = place.run("reset-password", "alice", "--disable-otp").stdout
    assert "no second factor any more" in said
    assert [act for act, _ in acts(place)][-2:] == ["admin.mfa_reset", "admin.password_set"]


@pytest.mark.parametrize(
    ("options", "done"),
    [
        ((), ["admin.password_set"]),
        (("--disable-otp",), ["admin.mfa_reset", "admin.password_set"]),
        (("--link",), ["session.end", "admin.reset_link"]),
        (("--link", "--disable-otp"), ["admin.mfa_reset", "session.end", "admin.reset_link"]),
    ],
)
def test_each_way_back_in_is_written_down_and_holds_no_secret(place, options, done):
    """A-03, A-17."""
    place.add("alice")
    before = len(acts(place))
    said = place.answer("reset-password", "alice", *options)
    assert acts(place)[before:] == [(act, "cli") for act in done]
    secret = said.get("temporary_password") or said["url"].partition("token=")[2]
    database = b"".join(path.read_bytes() for path in (place.folder / "data").glob("*.db*"))
    assert secret.encode() not in database


def test_a_password_for_a_disabled_account_says_so(place):
    place.add("alice")
    place.run("user", "disable", "alice")
    assert "doorward user enable alice" in place.run("reset-password", "alice").stdout
    with pytest.raises(NotFoundError):
        place.run("reset-password", "nobody")


def test_a_sign_in_with_a_temporary_password_ends_every_session_and_opens_nothing_yet(place):
    """A-17: nothing is open before there is a new password."""
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        assert server.check(cookie) == 200
        password = place.answer("reset-password", "alice")["temporary_password"]
        assert server.check(cookie) != 200
        answer = server.fill("/login", login="alice", password=GOOD)
        assert answer.status_code != 303
        answer = server.fill("/login", login="alice", password=password)
        assert not [line for line in answer.headers.get_list("set-cookie") if line.startswith("doorward=")]


def test_a_link_is_handed_out_instead_and_ends_every_session(place):
    """A-17."""
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        made = place.answer("reset-password", "alice", "--link")
        assert made["url"].startswith(f"http://auth.door.localhost:{place.ports[0]}/reset?token=")
        assert server.check(cookie) != 200
    assert [act for act, _ in acts(place)][-2:] == ["session.end", "admin.reset_link"]
    lines = place.run("reset-password", "alice", "--link", "--disable-otp").stdout.splitlines()
    assert lines[0].startswith("http://")
    assert lines[0] != made["url"]
    assert "only here" in lines[2]
    assert "no second factor" in lines[3]


def test_no_link_is_made_for_a_disabled_account(place):
    place.add("alice")
    place.run("user", "disable", "alice")
    with pytest.raises(ConflictError, match="disabled"):
        place.run("reset-password", "alice", "--link")
