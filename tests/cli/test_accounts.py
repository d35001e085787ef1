"""`doorward user` and `doorward session`: what is typed, what is printed, and never a password in either."""

import json
import subprocess

import pytest

from doorward.errors import ConfigError, ConflictError, InputError, NotFoundError
from tests.cli.conftest import GOOD, OTHER
from tests.integration.gateway import doorward


def test_an_account_is_added_listed_and_shown_to_programs(place):
    """Acts as "cli" in the audit."""
    added = place.add(
        "Alice", "--email", "ALICE@example.test", "--display-name", "Älice", "--group", "b", "--group", "a"
    )
    assert added["name"] == "alice"
    assert added["groups"] == ["a", "b"]
    assert not added["admin"]
    place.add("root", "--admin")
    listed = place.answer("user", "list")
    assert [user["name"] for user in listed] == ["alice", "root"]
    assert listed[0] == {**added, "second_factor": False}
    shown = place.run("user", "list").stdout
    assert "alice@example.test" in shown
    assert "Älice" in shown


def test_an_empty_house_says_so(place):
    assert "no accounts" in place.run("user", "list").stdout
    assert "Nobody" in place.run("session", "list").stdout
    assert place.answer("user", "list") == place.answer("session", "list") == []


def test_a_password_comes_from_a_file(place):
    file = place.folder / "password"
    file.write_text(GOOD + "\n", "utf-8")
    assert place.answer("user", "add", "alice", "--password-file", str(file))["name"] == "alice"


def test_a_password_comes_from_a_prompt_that_asks_twice(place, monkeypatch):
    asked = []

    def ask(text, **how):
        asked.append((text, how))
        return GOOD

    monkeypatch.setattr("doorward.cli.house.typer.prompt", ask)
    monkeypatch.setattr("doorward.cli.house._has_terminal", lambda: True)
    assert place.run("user", "add", "alice").exit_code == 0
    assert asked == [("Password", {"hide_input": True, "confirmation_prompt": True})]


@pytest.mark.parametrize("typed", ["", "two\nlines\n", GOOD + "\n\n", "short\n"])
def test_a_password_that_cannot_be_one_is_refused(place, typed):
    """Q08: one newline belongs to the file, nothing else is trimmed."""
    with pytest.raises(InputError):
        place.run("user", "add", "alice", "--password-stdin", typed=typed)
    assert place.answer("user", "list") == []


def test_a_file_that_is_no_text_is_refused(place):
    file = place.folder / "password"
    with pytest.raises(InputError, match="cannot be read"):
        place.run("user", "add", "alice", "--password-file", str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        place.run("user", "add", "alice", "--password-file", str(file))


def test_two_places_for_one_password_are_refused(place):
    with pytest.raises(InputError, match="one of"):
        place.run("user", "add", "alice", "--password-stdin", "--password-file", "x", typed=GOOD)


def test_without_a_terminal_the_password_is_not_waited_for(place):
    with pytest.raises(InputError, match="--password-stdin"):
        place.run("user", "add", "alice", typed=GOOD)


def test_no_command_takes_a_password_as_an_argument():
    """What stands on a command line is everybody's to read."""
    for command in ("add", "set-password"):
        told = subprocess.run(doorward("user", command, "--help"), capture_output=True, text=True, check=True).stdout
        assert "--password-stdin" in told
        assert "--password " not in told.replace("--password-stdin", "").replace("--password-file", "")


def test_an_account_is_disabled_and_enabled(place):
    place.add("alice")
    assert not place.answer("user", "disable", "alice")["enabled"]
    assert place.answer("user", "enable", "alice@nowhere.test".partition("@")[0])["enabled"]


def test_groups_are_set_as_a_whole(place):
    place.add("alice", "--group", "old")
    assert place.answer("user", "groups", "alice", "new", "other")["groups"] == ["new", "other"]
    assert place.answer("user", "groups", "alice", "--none")["groups"] == []
    assert "no group" in place.run("user", "groups", "alice", "--none").stdout
    for wrong in ((), ("new", "--none")):
        with pytest.raises(InputError):
            place.run("user", "groups", "alice", *wrong)


def test_an_account_is_deleted_after_asking(place):
    place.add("alice")
    assert place.run("user", "delete", "alice", typed="n\n").exit_code == 1
    assert len(place.answer("user", "list")) == 1
    assert place.run("user", "delete", "alice", typed="y\n").exit_code == 0
    assert place.answer("user", "list") == []
    place.add("bob")
    assert place.answer("user", "delete", "bob", "--yes")["name"] == "bob"


def test_the_last_administrator_stays(place):
    """R05."""
    place.add("root", "--admin")
    for command in (("disable", "root"), ("delete", "root", "--yes")):
        with pytest.raises(ConflictError):
            place.run("user", *command)


def test_a_set_password_keeps_to_the_policy(place):
    """B-24."""
    place.add("alice")
    with pytest.raises(InputError, match="8 characters"):
        place.run("user", "set-password", "alice", "--password-stdin", typed="short\n")
    result = place.run("user", "set-password", "alice", "--password-stdin", typed=OTHER + "\n")
    assert "Set the password of alice" in result.stdout
    assert OTHER not in result.output


def test_what_does_not_exist_is_said(place):
    with pytest.raises(NotFoundError):
        place.run("user", "disable", "nobody")
    with pytest.raises(NotFoundError):
        place.run("session", "end", "nothing")
    with pytest.raises(InputError):
        place.run("session", "end")
    with pytest.raises(InputError):
        place.run("session", "end", "handle", "--user", "alice")


def test_a_setup_link_is_made_until_somebody_administers(place):
    """R01."""
    link = place.answer("setup-link")["link"]
    assert link.startswith(f"http://auth.door.localhost:{place.ports[0]}/setup?token=")
    place.add("root", "--admin")
    with pytest.raises(ConflictError, match="user add"):
        place.run("setup-link")


def test_sessions_in_memory_are_not_listed_as_none(place):
    """R11: what cannot be seen is not "nobody"."""
    place.storage = "local"
    place.write()
    place.add("alice")
    for command in (("list",), ("end", "handle")):
        with pytest.raises(InputError, match="memory of the running server"):
            place.run("session", *command)
    assert place.run("session", "end", "--user", "alice").exit_code == 0


def test_everything_is_written_for_us_alone(place):
    """A-45, T-13."""
    place.add("alice")
    assert (place.folder / "data").stat().st_mode & 0o077 == 0
    for path in (place.folder / "data").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_lost_key_is_not_replaced_by_a_new_one(place):
    """T-16: what the old key sealed would be lost for good."""
    place.add("alice")
    (place.folder / "data" / "encryption_key").unlink()
    with pytest.raises(ConfigError, match="missing"):
        place.run("user", "list")


def test_another_key_opens_nothing_and_the_command_ends(place):
    """T-16: damaged is not empty, and a sentence is all that is said."""
    place.add("alice")
    (place.folder / "data" / "encryption_key").write_text(
        "".join(f"{7 * n * n % 251:02x}" for n in range(1, 33)), "ascii"
    )
    done = subprocess.run(
        doorward("user", "list"), capture_output=True, text=True, check=False, cwd=place.folder, timeout=60
    )
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert "alice" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("user", "disable", "nobody"), 1, "no account"),
        (("user", "disable", "not a name"), 65, "neither"),
        (("serve", "--config", "nowhere.yaml"), 78, "cannot be read"),
        (("user",), 0, "Usage"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(place, arguments, code, words):
    """Never a traceback."""
    done = subprocess.run(doorward(*arguments), capture_output=True, text=True, check=False, cwd=place.folder)
    assert done.returncode in {code, 2 if code == 0 else code}
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert json.dumps(GOOD) not in done.stderr
