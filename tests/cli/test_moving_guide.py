"""Every command of the guide is run as it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import bcrypt
import pytest
from cryptography.fernet import Fernet

from tests.cli.conftest import GOOD

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "moving-in.md"
COMMANDS = [
    line.removeprefix("$ doorward ")
    for block in re.findall(r"```console\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
HASH = "$argon2id$v=19$m=65536,t=3,p=2$BpLnfgDsc2WD8F2q$o/vzA4myCqZZ36bUGsDY//8mKUYNZZaR0t4MFFSs+iM"
AUTHELIA = f"""\
users:
  john:
    disabled: false
    displayname: John Doe
    password: '{HASH}'
    email: john.doe@example.com
    groups: [admins, dev]
  harry:
    disabled: true
    displayname: Harry Potter
    password: '{HASH}'
    email: harry.potter@example.com
    groups: []
"""
FORWARD_AUTH = """\
authz:
  rules:
    - {domain: "*.door.localhost", users: [user@example.com]}
"""


@pytest.fixture
def furnished(place):
    """The files that the guide speaks of."""
    folder = place.folder
    (folder / "users_database.yml").write_text(AUTHELIA, "utf-8")
    (folder / "forward-auth.yaml").write_text(FORWARD_AUTH, "utf-8")
    (folder / "passphrase").write_text("correct horse battery\n", "utf-8")
    (folder / "config").mkdir()
    key = Fernet.generate_key()
    (folder / "config" / ".otp_key").write_bytes(key)
    sealed = Fernet(key).encrypt(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").decode()
    hashed = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "config" / "manager.yml").write_text(
        f"password_hash: '{hashed}'\notp_enabled: true\notp_secret: {sealed}\n", "utf-8"
    )
    return place


def test_every_command_of_the_guide_does_what_it_says(furnished):
    """D-40: in the guide's order, each TOKEN being that of the preview before it."""
    token = ""
    told = {}
    for command in COMMANDS:
        result = furnished.run(*shlex.split(command.replace("TOKEN", token)))
        assert result.exit_code == 0, (command, result.output)
        told[command] = result.output
        token = (re.findall(r"--apply ([0-9a-f]{20})", result.output) or [""])[0]
    assert [user["name"] for user in furnished.answer("user", "list")] == ["boss", "harry", "john"]
    assert furnished.answer("user", "show", "boss")["admin"]
    shown = re.search(r"```text\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]
    preview = told["users import users_database.yml"]
    assert re.sub(r"[0-9a-f]{20}", "TOKEN", preview) == shown


def test_what_was_exported_moves_into_another_house(furnished):
    """The last commands, on the other side."""
    furnished.add("ann", "--admin")
    for command in (
        "users export --secrets --out accounts.age --passphrase-file passphrase",
        "rules export --out rules.yaml",
    ):
        assert furnished.run(*command.split()).exit_code == 0
    shutil.rmtree(furnished.folder / "data")
    preview = furnished.answer("users", "import", "accounts.age", "--passphrase-file", "passphrase", "--keep-admin")
    furnished.answer(
        "users",
        "import",
        "accounts.age",
        "--passphrase-file",
        "passphrase",
        "--keep-admin",
        "--apply",
        preview["token"],
    )
    with furnished.serving() as server:
        assert server.check(server.sign_in("ann")) == 200
