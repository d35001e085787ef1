"""Checks by key in place of a cookie, and with a signed assertion: what they cost beside those by cookie."""

import asyncio
import re
import statistics
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import load, processes, town
from bench.load import Throughput
from bench.processes import Server
from bench.report import Report
from doorward.app.house import open_house
from doorward.config.load import load_config
from doorward.rules.app_key import AppKey, KeyKind, hash_secret, preview_of, write_key, write_key_id
from doorward.rules.identity import UserId

COUNT = 4_000
"""Sessions, keys, and requests of each kind."""
_WITHIN = 0.85
_LINES: dict[str, Callable[[str], str]] = {
    "bearer": lambda key: f"Authorization: Bearer {key}",
    "x_api_key": lambda key: f"X-Api-Key: {key}",
    "basic": lambda key: f"Authorization: Basic {b64encode(f'phone:{key}'.encode()).decode()}",
}
_TITLES = {"bearer": "Bearer", "x_api_key": "X-Api-Key", "basic": "Basic", "assertion": "cookie, assertion on"}


class Credentials:
    """The part of a run that is about what else may be shown, and what else an app may be told."""

    def __init__(self, report: Report, folder: Path, home: town.Town, say: Callable[[str], None]) -> None:
        self._report = report
        self._folder = folder
        self._home = home
        self._say = say

    def run(self, *, rounds: int, seconds: float) -> None:
        """Measure everything, in turns, so that what else the machine does falls on all of them alike."""
        self._say("keys for apps")
        apps = [{"name": "Town", "hosts": ["*.example.com"]}]
        by_key = town.move(self._home, self._folder / "keys", processes.free_port(), {"apps": apps})
        asserting = [{**app, "assertion": True} for app in apps]
        proof = town.move(self._home, self._folder / "proof", processes.free_port(), {"apps": asserting})
        keys = asyncio.run(_make_keys(by_key.folder))
        files = self._write_requests(keys)
        with ExitStack() as stack:
            servers = []
            for built in (by_key, proof):
                servers.append(processes.start_doorward(built.folder, built.port))
                stack.callback(servers[-1].stop)
            ways = {name: (servers[name == "assertion"], file) for name, file in files.items()}
            for server, file in ways.values():
                self._warm_up(server, file)
            found: dict[str, list[Throughput]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, (server, file) in ways.items():
                    found[name].append(_drive(server, file, seconds))
        self._tell(found)

    def _tell(self, found: dict[str, list[Throughput]]) -> None:
        cost = {name: statistics.median(run.cpu_us for run in runs) for name, runs in found.items()}
        rate = {name: statistics.median(run.per_second for run in runs) for name, runs in found.items()}
        for name, title in _TITLES.items():
            ratio, by_cost = rate[name] / rate["cookie"], cost["cookie"] / cost[name]
            self._report.add(
                f"fast lane, {title}, by the cookie",
                f"{ratio:.2f} ({by_cost:.2f} by processor time, {cost[name]:.1f} µs each)",
                {f"ratio_{name}": ratio, f"cpu_ratio_{name}": by_cost, f"{name}_cpu_us": cost[name]},
                f"≥ {_WITHIN:.2f}",
                met=by_cost >= _WITHIN,
            )

    def _write_requests(self, keys: list[str]) -> dict[str, Path]:
        by_cookie = self._home.requests[:COUNT]
        made = {name: [_show(each, line(key)) for each, key in zip(by_cookie, keys, strict=True)]
                for name, line in _LINES.items()}  # fmt: skip
        files = {}
        for name, requests in {"cookie": by_cookie, **made, "assertion": by_cookie}.items():
            files[name] = self._folder / f"{name}.bin"
            files[name].write_bytes(b"\0".join(requests))
        return files

    def _warm_up(self, server: Server, file: Path) -> None:
        asked = 0.0
        while asked < 3 * COUNT:
            asked += _drive(server, file, 1).per_second


def _drive(server: Server, file: Path, seconds: float) -> Throughput:
    return load.drive(f"http://127.0.0.1:{server.port}/", file, seconds, server)


def _show(request: bytes, line: str) -> bytes:
    return re.sub(rb"Cookie: [^\r]*", line.encode("ascii"), request)


async def _make_keys(folder: Path) -> list[str]:
    house = await open_house(load_config(folder / "doorward.yaml", environ={}, overrides={}).config, environ={})
    now, made = house.clock.now(), []
    try:
        async with house.storage.records.transaction() as transaction:
            users = await transaction.list_users()
            plain = AppKey(write_key_id(bytes(16)), users[0].id, "", KeyKind.KEY, "", "", now, "", apps=("Town",))
            for number in range(COUNT):
                key_id, secret = write_key_id(house.random.token(16)), house.random.token(32)
                owner: UserId = users[number % len(users)].id
                key = replace(plain, id=key_id, user_id=owner, name=f"phone {number}", digest=hash_secret(secret))
                made.append(write_key(key_id, secret))
                await transaction.add_app_key(replace(key, preview=preview_of(made[-1]), made_by=owner))
    finally:
        await house.close()
    return made
