"""Signing in with providers: what it takes when they work, and what it costs everybody else when they do not."""

import asyncio
import concurrent.futures
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import load, processes, town
from bench.elsewhere import CLIENT_ID, CLIENT_SECRET, FAILING, Elsewhere, open_elsewhere
from bench.load import WrongAnswerError
from bench.processes import Server
from bench.report import Report
from bench.trip import Trip, sign_in_here
from bench.visitor import Visitor
from doorward.app.house import open_house
from doorward.config.load import load_config
from doorward.flows.admin import Actor
from doorward.rules.provider import Provider

_IDLE_S = 12.0
_ALONE, _AT_ONCE, _HERE = 60, 50, 8
"""Sign-ins one after the other, at the same moment, and with a password."""
_RATE, _PACE_S = 5_000, 15.0
_CROWD = 10
"""People who set out for providers that fail, each second, while checks are timed."""
_RUSH, _RUSH_S = 40, 50.0
"""The same while memory is watched, and for how long."""
_FAILED = 502
"""The status of a departure to a provider that does not answer."""

Say = Callable[[str], None]


class Providers:
    """The part of a run that is about providers."""

    def __init__(self, report: Report, folder: Path, home: town.Town, say: Say) -> None:
        self._report = report
        self._folder = folder
        self._home = home
        self._say = say

    def run(self) -> None:
        """Measure everything."""
        with open_elsewhere() as elsewhere:
            self._measure_idle(elsewhere)
            self._measure_sign_in(elsewhere)
            self._measure_failing(elsewhere)

    def _measure_idle(self, elsewhere: Elsewhere) -> None:
        self._say("doing nothing")
        counts, failing = (0, 5, FAILING), [*elsewhere.failing.items()]
        with ExitStack() as stack:
            servers = [stack.enter_context(self._serve(f"idle{count}", dict(failing[:count]))) for count in counts]
            time.sleep(_IDLE_S)
            before = [server.busy_seconds() for server in servers]
            time.sleep(_IDLE_S)
            cost = [(server.busy_seconds() - was) / _IDLE_S for server, was in zip(servers, before, strict=True)]
            memory = [server.rss_mb() for server in servers]
        for count, busy, rss in zip(counts, cost, memory, strict=True):
            who = f"{count} providers that fail" if count else "no provider"
            self._report.add(
                f"nobody there, {who}",
                f"{busy * 100:.2f} % of a core, {rss:.0f} MB",
                {f"idle_{count}_cpu_percent": busy * 100, f"idle_{count}_mb": rss},
                "" if count else "≤ 90 MB",
                met=None if count else rss <= 90,
            )

    def _measure_sign_in(self, elsewhere: Elsewhere) -> None:
        self._say("signing in with a provider")
        with self._serve("one", elsewhere.good) as server:
            first = Trip(server.port, 0).make()
            memory = server.rss_mb()
            new = [Trip(server.port, number).make() for number in range(1, _ALONE)]
            elsewhere.take_calls()
            known = [Trip(server.port, number).make() for number in range(_ALONE)]
            calls = elsewhere.take_calls()
            here = [sign_in_here(server.port, number) for number in range(_HERE)]
            together = [Trip(server.port, number) for number in range(_AT_ONCE)]
            for trip in together:
                trip.set_out()
            with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
                crowd = list(pool.map(Trip.come_back, together))
        there = sum(took for _, took in calls) / len(known)
        password = statistics.median(here)
        self._add_times("from callback to session", "callback", known, f"; {_ms(there)} of it is the provider's",
                        {"callback_elsewhere_ms": there * 1e3})  # fmt: skip
        self._add_times("the same, and an account is made", "callback_new", new)
        self._report.add(
            "the same, the first since the start",
            f"{_ms(first)}; {memory:.0f} MB of memory after it",
            {"callback_first_ms": first * 1e3, "one_provider_mb": memory},
        )
        self._add_times(f"{_AT_ONCE} callbacks at once", "callbacks", crowd)
        self._report.add(
            "from password to session",
            f"{_ms(password)}: as long as {password / statistics.median(known):.0f} callbacks",
            {"password_ms": password * 1e3, "callback_by_password": statistics.median(known) / password},
        )

    def _measure_failing(self, elsewhere: Elsewhere) -> None:
        failing = [*elsewhere.failing.items()]
        with self._serve("none", {}) as server:
            page = self._time_page(server)
            calm = load.percentile(self._pace(server), 0.99)
        with self._serve("failing", {**elsewhere.good, **dict(failing[::2])}, dict(failing[1::2])) as server:
            long_page = self._time_page(server)
            with self._depart(server, _CROWD, _PACE_S + 4):
                rough = load.percentile(self._pace(server), 0.99)
            self._report.add(
                f"{FAILING} providers that fail, and {_CROWD} people a second who want to go there",
                f"p99 {calm:.2f} → {rough:.2f} ms",
                {"failing_p99_ms": rough, "failing_moves_p99_ms": rough - calm},
                "moves p99 by < 10 ms",
                met=rough - calm < 10,
            )
            self._report.add(
                f"the sign-in page, without providers → with {FAILING + 1}",
                f"{_ms(page)} → {_ms(long_page)}",
                {"page_ms": page * 1e3, "long_page_ms": long_page * 1e3},
            )
            self._watch_memory(server, elsewhere)

    def _watch_memory(self, server: Server, elsewhere: Elsewhere) -> None:
        self._say(f"{_RUSH} people a second who want to go where nobody answers")
        samples: list[tuple[float, float, int]] = []
        trips: list[float] = []
        began = time.perf_counter()
        with self._depart(server, _RUSH, _RUSH_S) as crowd:
            while not crowd.is_home:
                trips.append(Trip(server.port, len(trips)).make())
                samples.append((time.perf_counter() - began, server.rss_mb(), server.count_open()))
                time.sleep(0.4)
        before, after = (
            statistics.mean(memory for at, memory, _ in samples if start <= at / _RUSH_S < start + 0.25)
            for start in (0.25, 0.75)
        )
        most, silent = max(count for _, _, count in samples), elsewhere.most_silent()
        self._report.add(
            f"memory while {crowd.failed:,} departures fail",
            f"{before:.1f} → {after:.1f} MB, from the second quarter to the last",
            {"failing_mb": before, "failing_grows_mb": after - before, "failed": crowd.failed},
            "grows by < 1 MB",
            met=after - before < 1,
        )
        self._report.add(
            "sockets and files open at once meanwhile",
            f"at most {most}, {silent} of them to providers that say nothing",
            {"failing_open": most, "failing_silent": silent},
        )
        self._add_times("from callback to session meanwhile", "callback_meanwhile", trips)

    def _add_times(
        self, title: str, key: str, times: Sequence[float], rest: str = "", more: Mapping[str, float] | None = None
    ) -> None:
        p50, p95 = statistics.median(times), sorted(times)[int(len(times) * 0.95)]
        figures = {f"{key}_p50_ms": p50 * 1e3, f"{key}_p95_ms": p95 * 1e3, **(more or {})}
        self._report.add(title, f"p50 {_ms(p50)}, p95 {_ms(p95)}{rest}", figures)

    def _time_page(self, server: Server) -> float:
        self._say("the sign-in page")
        visitor = Visitor(server.port, 0)
        times = [_time(lambda: visitor.open("/login?choose=1")) for _ in range(40)]
        visitor.close()
        return statistics.median(times[5:])

    def _pace(self, server: Server) -> list[load.Timed]:
        self._say(f"{_RATE:,} checks per second")
        address, requests = ("127.0.0.1", server.port), self._home.requests
        load.pace(address, requests, _RATE, len(requests) / _RATE, fresh=False)
        return load.pace(address, requests, _RATE, _PACE_S, fresh=False, shares=True)

    @contextmanager
    def _depart(self, server: Server, rate: float, seconds: float) -> Iterator["Crowd"]:
        command = [sys.executable, "-m", "bench.departures", str(server.port), str(rate), str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            crowd = Crowd(process)
            yield crowd
            crowd.come_home()

    @contextmanager
    def _serve(
        self, name: str, in_file: Mapping[str, str], in_console: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """A gateway with these providers: issuers by id."""
        added = in_console or {}
        places = [urlsplit(issuer).netloc for issuer in (*in_file.values(), *added.values()) if urlsplit(issuer).port]
        more = {
            "authn": {"providers": [_settings(*each) for each in in_file.items()]},
            "outbound": {"allow": places, "insecure_http": True},
        }
        home = town.move(self._home, self._folder / f"with-{name}", processes.free_port(), more)
        if added:
            asyncio.run(_add(home, added))
        server = processes.start_doorward(home.folder, home.port)
        try:
            yield server
        finally:
            server.stop()


@dataclass(slots=True)
class Crowd:
    """People on their way. `failed`: how many departures failed, once all are home."""

    process: subprocess.Popen[str]
    failed: int = 0

    @property
    def is_home(self) -> bool:
        """Whether all have been there."""
        return self.process.poll() is not None

    def come_home(self) -> None:
        """Wait for them. WrongAnswerError where one did not fail, or not as it should."""
        told, _ = self.process.communicate(timeout=120)
        statuses = {int(status): count for status, count in json.loads(told or "{}").items()}
        if set(statuses) != {_FAILED}:
            raise WrongAnswerError(f"departures to providers that fail were answered with {statuses}")
        self.failed = statuses[_FAILED]


def _settings(provider_id: str, issuer: str) -> dict[str, object]:
    return {
        "id": provider_id,
        "issuer_url": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "auto_provision": True,
    }


async def _add(home: town.Town, issuers: Mapping[str, str]) -> None:
    """Add providers in the console, as an administrator does."""
    house = await open_house(load_config(home.folder / "doorward.yaml", environ={}, overrides={}).config, environ={})
    by, now = Actor("system"), house.clock.now()
    for each in issuers.items():
        fields = {name: str(value) for name, value in _settings(*each).items()}
        added = await house.flows.providers.add(by, fields, now=now)
        assert isinstance(added, Provider), added
        await house.flows.providers.set_enabled(by, added.id, enabled=True, now=now)
    await house.close()


def _time(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
