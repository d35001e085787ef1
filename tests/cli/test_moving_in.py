"""Accounts move in from elsewhere: shown first, then taken in, and they sign in with what they had."""

import json
import stat
from pathlib import Path

import bcrypt
import pytest
from cryptography.fernet import Fernet

from doorward.app.importing import open_users
from doorward.errors import ConfigError, ConflictError, InputError
from doorward.rules import totp as codes
from doorward.rules.traefik_manager_file import parse_totp_secret
from tests.cli.conftest import GOOD, OTHER

AUTHELIA = """\
users:
  john:
    disabled: false
    displayname: 'John Doe'
    # crypt, as older files have it
    password: '$6$rounds=5000$abcdefghijklmnop$U6tillOpzin2QVzzWvyV22VlP/54LdfoPQ.aDCTXGrxohGUhwWompdp34pxrmSTJI.A2niUOziGMwLwZYNIIh/'
    email: 'john.doe@example.test'
    groups: [admins, staff]
  harry:
    disabled: true
    displayname: 'Harry Potter'
    password: '$argon2id$v=19$m=65536,t=3,p=2$BpLnfgDsc2WD8F2q$o/vzA4myCqZZ36bUGsDY//8mKUYNZZaR0t4MFFSs+iM'
    email: 'harry.potter@example.test'
    groups: []
"""
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def write(place, text, name="users_database.yml"):
    path = place.folder / name
    path.write_text(text, "utf-8")
    return str(path)


def take_in(place, *arguments, typed=None):
    """Preview, and apply its token; both answers."""
    preview = place.answer("users", "import", *arguments, typed=typed)
    return preview, place.answer("users", "import", *arguments, "--apply", preview["token"], typed=typed)


def test_accounts_of_authelia_are_shown_first_and_sign_in_with_the_password_they_had(place):
    """D-40: the running gateway knows them at once, and makes the hash anew at their first sign-in."""
    file = write(place, AUTHELIA)
    with place.serving() as server:
        preview = place.answer("users", "import", file)
        assert place.answer("user", "list") == []
        assert preview["counts"] == {"add": 2, "change": 0, "same": 0, "taken": 0, "skip": 0}
        applied = place.answer("users", "import", file, "--apply", preview["token"])
        assert applied["applied"]
        assert [user["enabled"] for user in place.answer("user", "list")] == [False, True]
        assert server.check(server.sign_in("john"), "staff.door.localhost") == 200
        # The second time with a hash of ours.
        assert server.check(server.sign_in("john")) == 200
    exported = export(place)
    assert {user["name"]: user["password"][:10] for user in exported["users"]} == {
        "harry": "argon2id$v",
        "john": "bcrypt$2b$",
    }


def export(place):
    """All accounts with their secrets, through the encrypted file and back."""
    (place.folder / "word").write_text("correct horse\n", "utf-8")
    out = place.folder / "all.age"
    result = place.run("users", "export", "--secrets", "--out", str(out), "--passphrase-file", "word")
    assert result.exit_code == 0, result.output
    return json.loads(open_users(out.read_bytes(), "correct horse"))


def test_what_is_shown_is_told_in_plain_words(place):
    place.add("john", "--email", "other@example.test")
    told = place.run("users", "import", write(place, AUTHELIA)).output
    assert "! john: there is an account of this name" in told
    assert "    groups: none -> admins, staff" in told
    assert "+ harry" in told
    assert "    password: as there (argon2id)" in told
    assert "1 added, 0 changed, 0 the same, 1 left as here." in told
    assert "--apply " in told


def test_another_file_or_other_accounts_want_another_look(place):
    """D-40."""
    file = write(place, AUTHELIA)
    token = place.answer("users", "import", file)["token"]
    with pytest.raises(ConflictError):
        place.run("users", "import", file, "--overwrite", "--skip", "harry", "--apply", token)
    write(place, AUTHELIA.replace("staff", "boss"))
    with pytest.raises(ConflictError):
        place.run("users", "import", file, "--apply", token)
    write(place, AUTHELIA)
    place.add("john")
    with pytest.raises(ConflictError):
        place.run("users", "import", file, "--apply", token)
    assert [user["name"] for user in place.answer("user", "list")] == ["john"]


def test_every_problem_is_told_and_nothing_is_imported(place):
    """Nothing is lost on bad input, and nothing half done."""
    bad = AUTHELIA.replace("john:", "'jo hn':").replace("$argon2id$v=19$m=65536", "$argon2id$v=19$m=9999999")
    file = write(place, bad)
    result = place.run("users", "import", file)
    assert result.exit_code == 65
    assert "problem: users.jo hn: a user name has 1 to 64" in result.output
    assert "problem: users.harry.password: checking this password hash would cost too much" in result.output
    assert "Nothing was imported" in result.output
    with pytest.raises(InputError):
        place.run("users", "import", file, "--apply", "0" * 20)
    assert place.answer("user", "list") == []


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nusers: {j: {password: *a}, k: " + "[" * 40 + "]" * 40 + "}",
        "users: &a\n  b: " + "{c: " * 30 + "1" + "}" * 30,
        "users: !!python/object:os.system {}",
        "users: []",
        "users: {x: 1}",
        "{",
        "{}",
    ],
)
def test_what_is_no_file_of_accounts_is_refused(place, text):
    result = place.run("users", "import", write(place, text), "--from", "authelia")
    assert result.exit_code == 65


def manager(place, *, sealed=True, **more):
    """A folder of a Traefik Manager; the name of its file."""
    key = Fernet.generate_key()
    folder = place.folder / "tm"
    folder.mkdir(exist_ok=True)
    (folder / ".otp_key").write_bytes(key)
    settings = {
        "password_hash": bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode(),
        "otp_enabled": True,
        "otp_secret": Fernet(key).encrypt(SECRET.encode()).decode() if sealed else SECRET,
        "setup_complete": True,
        "domains": ["example.test"],
        "api_keys": [{"name": "phone", "hash": "x"}],
        **more,
    }
    (folder / "manager.yml").write_text(json.dumps(settings), "utf-8")
    return str(folder / "manager.yml")


def test_the_account_of_a_traefik_manager_comes_with_its_second_factor(place):
    """A-15, A-44: the key lies beside the file."""
    file = manager(place)
    arguments = (file, "--from", "traefik-manager", "--name", "boss", "--keep-admin")
    preview, applied = take_in(place, *arguments)
    assert preview["accounts"][0]["differences"] == [
        {"what": "name to show", "before": "", "after": "boss"},
        {"what": "administrator", "before": "", "after": "yes"},
        {"what": "password", "before": "", "after": "as there (bcrypt)"},
        {"what": "authenticator app", "before": "", "after": "as there"},
    ]
    assert [notice["path"] for notice in preview["notices"]] == ["manager.yml.api_keys"]
    assert applied["applied"]
    assert place.answer("user", "show", "boss")["admin"]
    with place.serving() as server:
        answer = server.fill("/login", login="boss", password=GOOD)
        assert answer.status_code in {200, 303}
        assert "doorward=" not in answer.headers.get("set-cookie", "")
    (user,) = export(place)["users"]
    assert parse_totp_secret(user["totp"]) == parse_totp_secret(SECRET)
    assert codes.make_code(parse_totp_secret(user["totp"]), 1) == codes.make_code(parse_totp_secret(SECRET), 1)


def test_a_second_factor_that_does_not_open_is_a_problem_and_is_never_left_out_silently(place):
    """A-16, T-04."""
    file = manager(place)
    (Path(file).parent / ".otp_key").write_bytes(Fernet.generate_key())
    result = place.run("users", "import", file, "--from", "traefik-manager")
    assert result.exit_code == 65
    assert "does not open with the key" in result.output
    (Path(file).parent / ".otp_key").unlink()
    result = place.run("users", "import", file, "--from", "traefik-manager")
    assert "--fernet-key-file" in result.output
    result = place.run("users", "import", file, "--from", "traefik-manager", "--fernet-key-stdin", typed="nonsense\n")
    assert "this is no Fernet key" in result.output
    preview = place.answer("users", "import", file, "--from", "traefik-manager", "--without-totp")
    assert preview["counts"]["add"] == 1


def test_an_administrator_comes_as_one_only_if_that_is_said(place):
    preview, _ = take_in(place, manager(place, sealed=False), "--from", "traefik-manager")
    assert {"what": "administrator", "before": "", "after": "was one there, and comes without"} in (
        preview["accounts"][0]["differences"]
    )
    assert not place.answer("user", "show", "admin")["admin"]


def test_an_export_comes_back_as_it_was(place):
    place.add("ann", "--admin", "--group", "staff", "--email", "ann@example.test")
    place.add("bob", "--console-only", "--must-change-password", password=OTHER)
    exported = place.run("users", "export").output
    assert GOOD not in exported
    assert "bcrypt" not in exported
    preview = place.answer("users", "import", write(place, exported, "all.json"))
    assert preview["counts"] == {"add": 0, "change": 0, "same": 2, "taken": 0, "skip": 0}
    assert preview["token"] == ""
    full = export(place)
    place.answer("user", "delete", "bob", "--yes")
    file = write(place, json.dumps(full), "full.json")
    preview, _ = take_in(place, file)
    assert {step["name"]: step["deed"] for step in preview["accounts"]} == {"ann": "taken", "bob": "add"}
    assert place.answer("user", "show", "bob")["console_only"]
    with place.serving() as server:
        answer = server.fill("/login", login="bob", password=OTHER)
        assert answer.status_code in {200, 303}


def test_secrets_leave_only_encrypted_and_for_the_owner_alone(place):
    """D-47, A-45."""
    place.add("ann")
    (place.folder / "word").write_text("correct horse\n", "utf-8")
    for arguments in (
        ("--secrets",),
        ("--secrets", "--out", "x"),
        ("--passphrase-file", "word"),
        ("--secrets", "--passphrase-file", "word"),
    ):
        with pytest.raises(InputError):
            place.run("users", "export", *arguments)
    exported = export(place)
    assert exported["secrets"] is True
    out = place.folder / "all.age"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="there already"):
        place.run("users", "export", "--secrets", "--out", str(out), "--passphrase-file", "word")
    with pytest.raises(InputError, match="encrypted"):
        place.run("users", "import", str(out))
    with pytest.raises(InputError, match="does not open"):
        place.run("users", "import", str(out), "--passphrase-stdin", typed="wrong\n")
    assert place.answer("users", "import", str(out), "--passphrase-file", "word")["counts"]["taken"] == 1


def test_the_last_administrator_stays_one(place):
    """R05."""
    place.add("ann", "--admin")
    document = json.loads(place.run("users", "export").output)
    document["users"][0]["enabled"] = False
    file = write(place, json.dumps(document), "all.json")
    preview = place.answer("users", "import", file, "--overwrite", "--keep-admin")
    assert [step["reason"] for step in preview["accounts"]] == ["this is the last enabled administrator"]
    assert preview["token"] == ""


FORWARD_AUTH = """\
server: {addr: ":8080", domain: .example.com}
authz:
  rules:
    - domain: "*.door.localhost"
      users: [user@example.com]
    - domain: admin.door.localhost
      groups: [admins]
  groups:
    - name: admins
      users: [admin@example.com]
"""


def test_rules_of_forward_auth_are_merged_and_the_running_gateway_keeps_its_own(place):
    """C-12, C-26, D-40: shown first; comments stay, the old file is kept, and there is a record."""
    place.add("ann")
    place.write("# our own words\n")
    file = write(place, FORWARD_AUTH, "forward-auth.yaml")
    before = place.config.read_text("utf-8")
    preview = place.answer("rules", "import", file)
    assert place.config.read_text("utf-8") == before
    assert preview["counts"] == {"add": 3, "change": 0, "same": 0, "kept": 0}
    told = place.run("rules", "import", file).output
    assert "+ authz.groups[0]: {name: admins, users: [admin@example.com]}" in told
    with pytest.raises(ConflictError):
        place.run("rules", "import", file, "--overwrite", "--apply", "x")
    applied = place.answer("rules", "import", file, "--apply", preview["token"])
    after = place.config.read_text("utf-8")
    assert "# our own words\n" in after
    assert Path(applied["backup"]).read_text("utf-8") == before
    assert stat.S_IMODE(Path(applied["backup"]).stat().st_mode) == 0o600
    assert "4 rules" in place.run("config", "check").output
    again = place.answer("rules", "import", file)
    assert (again["token"], again["counts"]["same"]) == ("", 3)
    assert "There is nothing to import." in place.run("rules", "import", file).output
    exported = place.run("rules", "export").output
    assert exported.startswith("authz:\n")
    assert "user@example.com" in exported


def test_a_configuration_the_loader_refuses_is_never_written(place):
    before = place.config.read_text("utf-8")
    file = write(place, "logger: {level: very}\nunknown: 1\n", "other.yaml")
    with pytest.raises(ConfigError) as refused:
        place.run("config", "import", file)
    assert len(refused.value.problems) == 2
    assert place.config.read_text("utf-8") == before


def test_a_configuration_goes_out_and_comes_back(place):
    file = write(
        place, "logger: {level: debug}\nmail: {host: mail.example.test, sender: a@example.test}\n", "other.yaml"
    )
    preview = place.answer("config", "import", file)
    told = place.run("config", "import", file, "--apply", preview["token"]).output
    assert "Done. What was there is kept as" in told
    out = place.folder / "all.yaml"
    assert "Wrote" in place.run("config", "export", "--out", str(out)).output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    back = place.answer("config", "import", str(out))
    assert (back["token"], back["counts"]["add"]) == ("", 0)


def test_there_must_be_a_file_to_merge_into(place):
    place.config.unlink()
    file = write(place, FORWARD_AUTH, "forward-auth.yaml")
    with pytest.raises(InputError, match="no configuration file"):
        place.run("config", "import", file)
