"""`doorward policy`: what is decided for everybody, here or in the file."""

import pytest

from doorward.errors import InputError


def test_what_the_file_says_counts_until_something_is_said_here(place):
    """B-12, B-13."""
    place.write("mfa: {required: admins}\nregistration: {mode: invite}\n")
    told = place.answer("policy", "show")
    assert (told["mfa"], told["mfa_set_by"]) == ("admins", "file")
    assert (told["registration"], told["registration_set_by"]) == ("invite", "file")
    told = place.answer("policy", "mfa", "all")
    assert (told["mfa"], told["mfa_set_by"]) == ("all", "setting")
    told = place.answer("policy", "registration", "open")
    assert (told["registration"], told["registration_set_by"]) == ("open", "setting")
    assert place.answer("policy", "mfa", "file")["mfa"] == "admins"
    assert place.answer("policy", "registration", "file")["registration_set_by"] == "file"


def test_administrators_without_a_second_factor_are_named(place):
    """B-12, A-41."""
    place.add("root", "--admin")
    place.add("alice")
    assert place.answer("policy", "show")["administrators_without_second_factor"] == ["root"]
    said = place.run("policy", "mfa", "none").stdout
    assert "Administrators without a second factor: root." in said
    assert "Second factor: none. (Said by the command line or the console.)" in said


@pytest.mark.parametrize("command", ["mfa", "registration"])
def test_no_other_word_is_taken(place, command):
    with pytest.raises(InputError, match="none of"):
        place.run("policy", command, "everybody")


def test_a_stricter_file_counts_at_the_next_start_for_who_is_signed_in_already(place):
    """B-12: a session in which nobody showed a second factor outlasts a restart, and not the word of the file."""
    place.add("root", "--admin")
    place.add("alice")
    with place.serving() as server:
        boss, guest = server.sign_in("root"), server.sign_in("alice")
    place.write("mfa: {required: admins}\n")
    with place.serving() as server:
        assert (server.check(boss), server.check(guest)) == (401, 200)
