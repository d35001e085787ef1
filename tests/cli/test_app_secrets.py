"""`doorward app-secret`: what we show apps, never told again."""

import json

import pytest

from doorward.errors import ConflictError, InputError, NotFoundError

APPS = "apps:\n  - {name: NAS, hosts: app.door.localhost, basic: {user: admin, secret: nas}}\n"
HIDDEN = "hidden +/% words ä"


def test_a_secret_comes_by_stdin_or_a_file_and_is_told_to_nobody(place, tmp_path):
    place.write(APPS)
    lacking = place.run("app-secret", "list", "--json")
    assert json.loads(lacking.stdout) == [{"name": "nas", "changed_at": "", "missing": True, "apps": ["NAS"]}]
    assert (lacking.exit_code, place.run("app-secret", "list").exit_code) == (1, 1)
    assert lacking.stderr == "Missing: nas. `doorward app-secret set` sets one.\n"
    assert place.answer("app-secret", "set", "nas", "--stdin", typed=HIDDEN + "\n") == {"name": "nas", "apps": ["NAS"]}
    (tmp_path / "secret").write_text(HIDDEN + "\n", "utf-8")
    assert place.run("app-secret", "list").exit_code == 0
    said = place.run("app-secret", "set", "other", "--file", str(tmp_path / "secret")).stdout
    assert said == "other is set; no app of the configuration is shown it yet.\n"
    listed = place.run("app-secret", "list").stdout
    assert "nas" in listed
    assert "other" in listed
    assert HIDDEN not in listed + str(place.answer("audit", "list"))
    assert HIDDEN.encode() not in b"".join(each.read_bytes() for each in place.folder.rglob("doorward.db*"))


def test_a_secret_is_removed_once_the_configuration_names_it_no_more(place):
    place.write(APPS)
    place.answer("app-secret", "set", "nas", "--stdin", typed="x\n")
    with pytest.raises(ConflictError):
        place.run("app-secret", "remove", "nas")
    place.write()
    assert place.run("app-secret", "remove", "nas").stdout == "nas is removed.\n"
    with pytest.raises(NotFoundError):
        place.run("app-secret", "remove", "nas")
    assert place.run("app-secret", "list").stdout == "There are no secrets for apps.\n"


def test_a_secret_is_never_an_argument(place):
    """Everybody on the machine sees arguments."""
    assert place.run("app-secret", "set", "nas", HIDDEN).exit_code == 2
    with pytest.raises(InputError, match="no terminal to ask for the secret; use --stdin or --file"):
        place.run("app-secret", "set", "nas")
    with pytest.raises(InputError, match="take one of --stdin and --file"):
        place.run("app-secret", "set", "nas", "--stdin", "--file", "x")
    with pytest.raises(InputError, match="the secret must stand on one line"):
        place.run("app-secret", "set", "nas", "--stdin", typed="a\nb\n")
