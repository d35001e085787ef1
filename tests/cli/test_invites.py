"""`doorward invite`: what is made, shown once, and taken back."""

import json

import pytest

from doorward.errors import InputError, NotFoundError


def test_an_invitation_is_made_listed_and_taken_back(place):
    """B-13."""
    made = place.answer(
        "invite", "create", "--group", "staff", "--email", "Guest@Example.test", "--note", "the builder"
    )
    assert made["url"].startswith(f"http://auth.door.localhost:{place.ports[0]}/register?invite=")
    assert (made["uses"], made["max_uses"], made["mailed"]) == (0, 1, False)
    (listed,) = place.answer("invite", "list")
    assert (listed["state"], listed["groups"], listed["email"]) == ("active", ["staff"], "guest@example.test")
    assert made["url"].partition("=")[2] not in json.dumps(listed)
    assert "the builder" in place.run("invite", "list").stdout
    assert place.answer("invite", "revoke", listed["id"])["state"] == "revoked"
    assert place.answer("invite", "revoke", listed["id"])["state"] == "revoked"


def test_a_link_is_printed_alone_on_its_line(place):
    lines = place.run("invite", "create").stdout.splitlines()
    assert lines[0].startswith("http://")
    assert "only here" in lines[1]


def test_an_invitation_may_be_without_limits(place):
    made = place.answer("invite", "create", "--uses", "unlimited", "--expires", "never")
    assert (made["max_uses"], made["expires_at"]) == ("unlimited", "never")
    assert place.answer("invite", "create", "--uses", "5", "--expires", "14d")["max_uses"] == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--uses", "0"), "max_uses"),
        (("--uses", "-1"), "neither a number"),
        (("--uses", "many"), "neither a number"),
        (("--uses", "99999999999999"), "max_uses"),
        (("--expires", "7"), "7"),
        (("--expires", "400d"), "lifetime"),
        (("--email", "nowhere"), "email"),
        (("--group", "a b"), "group"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(place, options, words):
    with pytest.raises(InputError, match=words):
        place.run("invite", "create", *options)
    assert place.answer("invite", "list") == []


def test_without_invitations_it_says_so(place):
    assert "no invitations" in place.run("invite", "list").stdout
    with pytest.raises(NotFoundError):
        place.run("invite", "revoke", "0" * 32)
