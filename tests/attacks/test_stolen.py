"""A stolen data folder (D-36, M01): whoever has all of it but the master key reads no secret, and hardly a person.

A gateway is used in every way there is, and then its files are searched, free pages and the log of writes included, for
everything that was ever typed, shown, sent or made. What may be read is a list of columns in this file.
"""

import base64
import gzip
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from doorward.errors import TamperError
from doorward.outside.keyring import FileKeyring, open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.app_key import parse_key
from doorward.rules.envelope import Place
from doorward.storage.sql.sealed import SEALED
from tests.attacks.abroad import CLIENT_ID, CLIENT_SECRET, MARKS, Scene, abroad, is_refusal
from tests.attacks.factors import enter, give_passkey, guard, half_way, make_key, own_form
from tests.attacks.household import House, LetterBox
from tests.attacks.stage import ALICE, BOB, ROOT, Person, Stage
from tests.attacks.test_provider_races import administer
from tests.fakes.authenticator import Authenticator
from tests.integration.processes import free_ports
from tests.integration.test_provider_endings import wait_until

CONSOLE_SECRET = "Canary-of-the-c0nsole: s3cr3t/+%"
MAIL_PASSWORD = "Canary-of-the-m4il server"
TYPED = "Canary typed where a name belongs 7!"
AGENT = "Firefox/142.0"
READABLE = frozenset({"sessions.address", "sessions.user_agent", "counters.key"})
"""Where an address or a browser may be read: of sessions that are alive, and of what is being limited just now."""


@dataclass
class Loot:
    """A used gateway: what was secret in it, what was personal, and what is left of it for a thief."""

    scene: Scene
    secrets: dict[str, bytes] = field(default_factory=dict)
    addresses: set[str] = field(default_factory=set)

    @property
    def stage(self) -> Stage:
        """The gateway."""
        return self.scene.stage

    @property
    def folder(self) -> Path:
        """Where its data is."""
        return self.stage.database.parent

    def files(self) -> dict[str, bytes]:
        """Everything in the folder but the keys."""
        return {
            path.name: path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith("encryption_key")
        }


def spellings(secret: bytes) -> Iterator[bytes]:
    """How a secret may be written."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b32encode(secret).rstrip(b"=")
    # Within something longer, the middle of it in each of the three ways its bytes may fall.
    for start in range(3):
        whole = secret[start : start + (len(secret) - start) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)
    yield secret.decode("latin-1").encode("utf-16-le")


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loot]:
    """Use all of it."""
    (post,) = free_ports(1)
    box = LetterBox()
    controller = Controller(box, hostname="127.0.0.1", port=post)
    controller.start()
    mail = {
        "host": "127.0.0.1", "port": post, "security": "none", "sender": "Door <door@example.test>",
    }  # fmt: skip
    tied = {"scopes": ["openid", "email", "profile", "offline_access"], "check_every": "1m"}
    limits = {"login": ["9999/1m"], "registration": ["9999/1m"], "invite": ["9999/1m"], "forgot": ["9999/1m"]}
    folder = tmp_path_factory.mktemp("stolen")
    try:
        with abroad(
            folder, {"tied": tied, "listed": None}, first=ROOT, mail=mail, registration={"mode": "open"},
            backup={"encryption": "none"}, limits=limits,
        ) as scene:  # fmt: skip
            found = Loot(scene)
            live(scene, House(scene.stage, box), found)
            found.secrets |= {f"letter {number}": part for number, part in enumerate(links_in(box))}
            yield found
    finally:
        controller.stop()


def live(scene: Scene, house: House, loot: Loot) -> None:
    """Everything that leaves something behind."""
    stage = scene.stage
    for person in (ALICE, BOB):
        stage.add(person)
    guarded = guard(stage)
    loot.secrets["the app's key"] = guarded.secret
    loot.secrets |= {f"code {number}": code.encode() for number, code in enumerate(guarded.codes)}
    loot.secrets |= {f"bare code {number}": code.replace("-", "").encode() for number, code in enumerate(guarded.codes)}
    half_way(stage, guarded.person)
    authenticator = Authenticator()
    give_passkey(stage, ALICE, authenticator)
    (credential,) = authenticator.credentials.values()
    loot.secrets |= {"credential id": credential.id, "public key of a passkey": credential.cose[-32:]}
    scene.signed_in("alice", "tied")
    scene.leave(stage.browser(), "tied")
    administer(
        scene, "new", id="listed", type="oidc", name="Listed", issuer_url=scene.fakes["listed"].url,
        client_id=CLIENT_ID, client_secret=CONSOLE_SECRET, auto_provision="1",
    )  # fmt: skip
    administer(scene, "enable", provider="listed")
    listed = scene.fakes["listed"]
    listed.clients = {name: replace(client, secret=CONSOLE_SECRET) for name, client in listed.clients.items()}
    scene.signed_in(scene.newcomer(provider="listed"), "listed")
    loot.secrets |= {"client secret": CLIENT_SECRET.encode(), "console": CONSOLE_SECRET.encode()}
    # Tries that fail, a password where the name belongs, somebody unknown.
    stage.browser().try_password(TYPED, "Canary of nobody at all 8!")
    stage.browser().try_password(BOB.name, "Canary of a wr0ng password")
    loot.secrets |= {
        "typed": TYPED.encode(),
        "wrong": b"Canary of a wr0ng password",
        "nobody": b"Canary of nobody at all 8!",
    }
    use_key(stage, loot)
    stage.command("app-secret", "set", "radio", "--stdin", typed="Canary-of-an-4pp secret\n")
    loot.secrets["what an app is shown"] = b"Canary-of-an-4pp secret"
    # Letters, invitations and links.
    browser = stage.browser()
    browser.post("/recover", {**browser.open_form("/recover").fields, "login": BOB.name})
    house.wait_for(BOB.email, 1)
    loot.secrets["invitation"] = house.invite().partition("=")[2].encode()
    loot.secrets["handed out"] = house.hand_out(ALICE.name).partition("=")[2].encode()
    browser = stage.signed_in(BOB)
    browser.post("/account/email/ask", {**own_form(browser), "email": "new-bob@example.test"})
    house.wait_for("new-bob@example.test", 1)
    fresh = Person(BOB.name, BOB.email, "Canary-of-B0b, the second")
    browser.post(
        "/account/password",
        {**own_form(browser), "current": BOB.password, "password": fresh.password, "password_again": fresh.password},
    )
    stage.people["bob again"] = fresh
    loot.secrets |= {f"password of {name}": person.password.encode() for name, person in stage.people.items()}
    loot.secrets |= {f"session {number}": piece for number, piece in enumerate(sorted(stage.issued_pieces))}
    loot.secrets |= {f"token {number}": piece for number, piece in enumerate(sorted(stage.token_pieces))}
    master = (loot.folder / "encryption_key").read_text("ascii").strip()
    loot.secrets["master key"] = bytes.fromhex(master)
    stage.command("backup", "create")
    loot.addresses = set(re.findall(r"198\.18\.\d+\.\d+", str([each.sent for each in stage.journal])))


def use_key(stage: Stage, loot: Loot) -> None:
    """Make a key for an app, and use it from elsewhere; that is written by the way."""
    text = make_key(stage.signed_in(stage.newcomer("users")), "A phone")
    read = parse_key(text)
    assert read is not None
    loot.secrets |= {"key for an app": text.encode(), "secret of the key": read[1]}
    agent = (b"User-Agent", f"Radio {AGENT}".encode())
    key = (b"X-Api-Key", text.encode())
    assert stage.ask("nginx", forwarded_for=stage.address().encode(), more=(key, agent)).status == 200
    wait_until(lambda: stage.query("SELECT uses FROM app_keys") == [(1,)])


def links_in(box: LetterBox) -> Iterator[bytes]:
    """The secrets in everything that was mailed."""
    for _, _, raw in box.taken:
        joined = raw.replace(b"=\r\n", b"")
        yield from re.findall(rb"[A-Za-z0-9_-]{43}", joined)


def test_no_secret_can_be_read_in_a_stolen_folder(loot: Loot) -> None:
    """M01, D-36, E-05: in the database, its free pages and its log of writes; however it is spelt."""
    assert len(loot.secrets) > 50
    # What is looked up has to be there to be found: the search below would find the rest.
    assert ALICE.email.encode() in b"".join(loot.files().values())
    for name, content in loot.files().items():
        for what, secret in loot.secrets.items():
            assert len(secret) >= 8, what
            seen = [each for each in spellings(secret) if each in content]
            assert seen == [], f"{what} stands in {name}"
        for mark in MARKS:
            assert mark.search(content) is None, f"{mark.pattern!r} in {name}"
        assert not re.search(rb"\$2[aby]\$|\$argon2|PRIVATE KEY", content), name


def test_no_secret_can_be_read_in_a_backup_that_is_not_encrypted(loot: Loot) -> None:
    """E-49: what is sealed there stays sealed."""
    (path,) = (loot.folder / "backups").glob("*.gz")
    content = gzip.decompress(path.read_bytes())
    assert b"gcm2:" in content
    for what, secret in loot.secrets.items():
        assert not [each for each in spellings(secret) if each in content], what
    assert not re.search(rb"\$2[aby]\$|\$argon2|PRIVATE KEY", content)


def test_where_people_came_from_is_read_only_where_it_must_be(loot: Loot) -> None:
    """2.9: the history, the record, the letters and what waits hold addresses and browsers sealed."""
    seen = set()
    with closing(sqlite3.connect(loot.stage.database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute(f"SELECT * FROM {table}")
            columns = [each[0] for each in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    if AGENT in text or any(address in text for address in loot.addresses):
                        seen.add(f"{table}.{column}")
    assert len(loot.addresses) > 3
    assert seen == READABLE


def sealed_values(loot: Loot) -> dict[Place, str]:
    """Every sealed value there is, by its place."""
    found = {}
    for sealed in SEALED.values():
        if not sealed.member:
            table, column, row = sealed.column.table.name, sealed.column.name, sealed.row.name
            for name, value in loot.stage.query(f"SELECT {row}, {column} FROM {table}"):
                if value:
                    found[Place(table, column, str(name))] = value
    return found


def keyring_of(loot: Loot, installation: str = "") -> FileKeyring:
    """The keys, for this installation or another."""
    keyring = open_keyring(loot.folder, random=SystemRandom(), create=False)
    keyring.join(installation or loot.stage.query("SELECT value FROM settings WHERE name = 'installation'")[0][0])
    return keyring


def test_a_sealed_value_opens_in_its_place_and_in_no_other(loot: Loot) -> None:
    """M01, M04: each moved to the other rows, columns and tables there are, and to another database with the same key."""
    values, keyring, elsewhere = sealed_values(loot), keyring_of(loot), keyring_of(loot, "another")
    columns = {(place.table, place.column) for place in values}
    assert columns >= {
        ("signing_keys", "sealed"), ("passwords", "sealed"), ("totp", "sealed"), ("passkeys", "sealed"),
        ("recovery_codes", "sealed"), ("providers", "client_secret"), ("upstream_sessions", "id_token"),
        ("upstream_sessions", "refresh_token"), ("sign_ins", "sealed"), ("letters", "sealed"), ("audit", "private"),
        ("app_keys", "sealed"), ("app_secrets", "sealed"),
    }  # fmt: skip
    beside = {column: [place for place in values if (place.table, place.column) == column][:2] for column in columns}
    for place, value in values.items():
        assert keyring.unseal(place, value)
        others = [each for places in beside.values() for each in places if each != place]
        others += [
            Place(table, column, place.row)
            for table, column in columns
            if (table, column) != (place.table, place.column)
        ]
        for other in others:
            with pytest.raises(TamperError):
                keyring.unseal(other, value)
        with pytest.raises(TamperError):
            elsewhere.unseal(place, value)


def swap(loot: Loot, table: str, one: Person, other: Person) -> None:
    """Swap what is sealed in two people's first rows of a table."""
    key = SEALED[f"{table}.sealed"].row.name
    rows = [
        loot.stage.query(
            f"SELECT {key}, sealed FROM {table} WHERE user_id = (SELECT id FROM users WHERE name = ?) ORDER BY {key}",
            person.name,
        )[0]
        for person in (one, other)
    ]
    for (row, _), (_, sealed) in zip(rows, reversed(rows), strict=True):
        loot.stage.change(f"UPDATE {table} SET sealed = ? WHERE {key} = ?", sealed, row)


def test_a_factor_moved_to_somebody_else_lets_nobody_in(loot: Loot) -> None:
    """M01, T-04: neither of them with either's code, and the record says that something was changed."""
    stage = loot.stage
    one, other = guard(stage), guard(stage)
    swap(loot, "totp", one.person, other.person)
    before = len(stage.audit("system.tamper"))
    for owner, secret in ((one, other), (one, one), (other, one)):
        browser, fields = half_way(stage, owner.person)
        assert enter(browser, owner.person, "/login/factor", {**fields, "code": secret.code()}) == 500
    assert len(stage.audit("system.tamper")) == before + 3


def test_recovery_codes_moved_to_somebody_else_are_nobodys(loot: Loot) -> None:
    """M01, F08: as long as one of them is another's, none is believed."""
    stage = loot.stage
    one, other = guard(stage), guard(stage)
    swap(loot, "recovery_codes", one.person, other.person)
    for owner, codes in ((one, other.codes), (other, one.codes)):
        for code in codes[:2]:
            browser, fields = half_way(stage, owner.person)
            target = "/login/recovery-code"
            assert enter(browser, owner.person, target, {**fields, "recovery_code": code}) in {403, 500}


def test_a_client_secret_that_was_moved_goes_to_nobody(loot: Loot) -> None:
    """M01: a password, put where the secret of a provider belongs, is not sent to it."""
    scene, stage = loot.scene, loot.stage
    user = scene.newcomer(provider="listed")
    browser = stage.browser()
    back = scene.agree(scene.leave(browser, "listed"), user, provider="listed")
    stage.change("UPDATE providers SET client_secret = ?", stage.query("SELECT sealed FROM passwords")[0][0])
    with scene.nothing_happens(provider="listed"):
        for answer in (scene.come_back(browser, back, "listed"), scene.depart(stage.browser(), "listed")):
            assert is_refusal(answer, 400, 403, 500, 502, 503), answer
