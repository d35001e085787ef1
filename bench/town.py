"""The town that is measured: accounts, sessions, hosts and rules, and what a Traefik in front of it asks."""

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from doorward.app.house import open_house
from doorward.config.load import load_config
from doorward.flows.methods.password import place_of
from doorward.rules.identity import UserId
from doorward.rules.token import make_cookie
from doorward.storage.sql.factor_marks import seal_marks
from doorward.storage.sql.tables import to_micros
from doorward.storage.sqlite import FILE_NAME

PASSWORD = "Correct horse 7 battery staple!"  # noqa: S105 -- of accounts that live as long as this run
USERS = 1_000
SIGNERS = 50
"""Accounts that can sign in with PASSWORD."""
LIVE = 10_000
"""Sessions the load uses; more in the store are only there."""
_PLAIN, _GUARDED, _NEAR = 5, 2, 1
"""Hosts that are visited: with one rule, with another for some of their paths, with a rule about networks. Together
they have ten rules, so that any number of rules from there on is about hosts that nobody visits."""
_SHARES = (12 / _PLAIN, 7 / _GUARDED, 1 / _NEAR)
"""Of twenty requests twelve go to hosts of the first kind, seven to the second, one to the third."""
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)


@dataclass(frozen=True, slots=True)
class Town:
    """What was built in `folder`. `requests`: checks as they go over the wire, two for each live session."""

    folder: Path
    port: int
    requests: list[bytes]

    @property
    def requests_file(self) -> Path:
        """The requests for wrk."""
        return self.folder / "requests.bin"


def build(folder: Path, port: int, *, sessions: int = LIVE, rules: int = 500) -> Town:
    """Build it: configuration, database, requests."""
    folder.mkdir(parents=True)
    config = {
        "server": {"addr": f"127.0.0.1:{port}", "public_url": "https://auth.example.com"},
        "prometheus": {"addr": "off"},
        "storage": {"path": str(folder / "data")},
        "proxy": {"trusted": ["127.0.0.0/8"]},
        "cookie": {"domain": "example.com"},
        "limits": {"login": ["1000/1m"], "oidc": ["1000/1m"]},
        "authz": {"rules": [rule for number in range(rules) for rule in _rules_of(number)][:rules]},
    }
    # JSON is YAML, and quicker to write.
    (folder / "doorward.yaml").write_text(json.dumps(config, indent=1), "utf-8")
    cookies = asyncio.run(_settle(folder, sessions))
    town = Town(folder, port, _make_requests(cookies))
    town.requests_file.write_bytes(b"\0".join(town.requests))
    return town


def move(town: Town, folder: Path, port: int, more: Mapping[str, object] | None = None) -> Town:
    """The same town once more, for another server, with `more` sections in its configuration."""
    shutil.copytree(town.folder, folder)
    path = folder / "doorward.yaml"
    config = json.loads(path.read_text("utf-8")) | (more or {})
    config["server"]["addr"], config["storage"]["path"] = f"127.0.0.1:{port}", str(folder / "data")
    path.write_text(json.dumps(config, indent=1), "utf-8")
    return Town(folder, port, town.requests)


def host_of(number: int) -> str:
    """A host of the town; the first eight are visited."""
    return f"app{number}.example.com"


def _rules_of(number: int) -> list[dict[str, object]]:
    host: dict[str, object] = {"hosts": [host_of(number)]}
    allow = {**host, "groups": ["family"]}
    if _PLAIN <= number < _PLAIN + _GUARDED:
        return [allow, {**host, "effect": "deny", "paths": ["/admin", "/metrics"]}]
    if number == _PLAIN + _GUARDED:
        return [{**allow, "networks": ["203.0.0.0/16"]}]
    return [allow]


async def _settle(folder: Path, sessions: int) -> list[str]:
    house = await open_house(load_config(folder / "doorward.yaml", environ={}, overrides={}).config, environ={})
    now = house.clock.now()
    hashed = (await house.hasher.hash(PASSWORD)).encode()
    sealed = [(user_id, house.keyring.seal(place_of(UserId(user_id)), hashed)) for user_id in map(_id, range(SIGNERS))]
    made = [make_cookie(house.random.token(32), house.signing_key()) for _ in range(min(LIVE, sessions))]
    marks = [seal_marks(house.keyring, UserId(_id(number))) for number in range(USERS)]
    await house.close()

    at, day = to_micros(now), to_micros(now + timedelta(days=1))
    hours = timedelta(hours=2) // timedelta(microseconds=1)
    with sqlite3.connect(folder / "data" / FILE_NAME, isolation_level=None) as database:
        for pragma in ("synchronous=OFF", "cache_size=-200000", "foreign_keys=OFF"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO users (id, name, display_name, email, is_admin, enabled, generation, created_at, factors)"
            " VALUES (?, ?, ?, ?, 0, 1, 1, ?, ?)",
            [(_id(n), f"user{n}", f"User {n}", f"user{n}@example.com", at, marks[n]) for n in range(USERS)],
        )
        database.executemany("INSERT INTO memberships VALUES (?, 'family')", [(_id(n),) for n in range(USERS)])
        database.executemany("INSERT INTO passwords VALUES (?, ?, ?)", [(*pair, at) for pair in sealed])
        database.execute("INSERT INTO installation VALUES (1, ?, ?)", (_id(0), at))
        values = f"1, {at}, {at}, {day}, {hours}, {at}, {at + hours}, 'pwd', 0, 'Firefox on Linux', '203.0.113.7', NULL"
        database.executemany(
            f"INSERT INTO sessions VALUES (?, ?, ?, {values})",  # noqa: S608 -- numbers of our own
            [(fingerprint, f"live-{n}", _id(n % USERS)) for n, (_, fingerprint) in enumerate(made)],
        )
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)"
        prints = "(SELECT n, randomblob(32) AS fingerprint FROM n ORDER BY fingerprint)"
        rest = f"{numbers} INSERT INTO sessions SELECT fingerprint, 'rest-' || n, 'user-' || (n % {USERS}), {values}"
        database.execute(f"{rest} FROM {prints}", (sessions - len(made),))
        database.execute("UPDATE totals SET value = ? WHERE name = 'sessions'", (sessions,))
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return [cookie for cookie, _ in made]


def _id(number: int) -> str:
    return f"user-{number}"


def _make_requests(cookies: list[str]) -> list[bytes]:
    chance = random.Random(7)
    kinds = [_SHARES[0]] * _PLAIN + [_SHARES[1]] * _GUARDED + [_SHARES[2]] * _NEAR
    visits = chance.choices([host_of(number) for number in range(len(kinds))], kinds, k=2 * len(cookies))
    visitors = [*enumerate(cookies)] * 2
    made = [make_request(cookie, host, number, chance) for (number, cookie), host in zip(visitors, visits, strict=True)]
    chance.shuffle(made)
    return made


def make_request(cookie: str, host: str, number: int, chance: random.Random) -> bytes:
    """A check as Traefik sends it."""
    address = f"203.0.{number // 250 % 250}.{number % 250 + 1}"
    return (
        "GET /api/auth/forwardauth HTTP/1.1\r\n"
        "Host: doorward:8080\r\n"
        f"User-Agent: {AGENTS[number % len(AGENTS)]}\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        "Accept-Language: en-US,en;q=0.5\r\n"
        f"Cookie: theme=dark; doorward={cookie}; lang=en\r\n"
        "Sec-Fetch-Dest: document\r\n"
        "Sec-Fetch-Mode: navigate\r\n"
        "Sec-Fetch-Site: same-origin\r\n"
        f"X-Forwarded-For: {address}\r\n"
        f"X-Forwarded-Host: {host}\r\n"
        "X-Forwarded-Method: GET\r\n"
        "X-Forwarded-Port: 443\r\n"
        "X-Forwarded-Proto: https\r\n"
        "X-Forwarded-Server: traefik-7d9c\r\n"
        f"X-Forwarded-Uri: /photos/album/{chance.randrange(100_000)}?page={chance.randrange(9)}\r\n"
        f"X-Real-Ip: {address}\r\n"
        "\r\n"
    ).encode("ascii")
