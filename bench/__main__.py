"""Measure speed, memory and scale; print a table and, as the last line, one JSON object."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench import load, processes, town
from bench.credentials import Credentials
from bench.load import Throughput
from bench.processes import MissingError, Server
from bench.providers import Providers
from bench.report import Report, describe_machine

RATE = 5_000


class Bench:
    """One run."""

    def __init__(self, folder: Path, *, quick: bool, peers: Sequence[tuple[str, str]]) -> None:
        self.report = Report()
        self._folder = folder
        self._quick = quick
        self._peers = peers

    def run(self) -> None:
        """Measure everything."""
        self._say("building the town")
        self._town = town.build(self._folder / "town", processes.free_port())
        self._measure_start()
        with self._serve("fast") as fast, self._serve("asgi") as asgi, self._nginx() as nginx:
            self._measure_memory(fast)
            self._compare(fast, asgi, nginx)
            self._measure_latency(fast)
            if not self._quick:
                self._measure_storm(fast)
        credentials = Credentials(self.report, self._folder, self._town, self._say)
        credentials.run(rounds=1 if self._quick else 3, seconds=2 if self._quick else 4)
        self._measure_acts()
        if not self._quick:
            self._measure_rules()
            self._measure_sessions()
            Providers(self.report, self._folder, self._town, self._say).run()

    def _measure_start(self) -> None:
        self._say("starting")
        ready, idle = [], []
        for _ in range(1 if self._quick else 3):
            with self._serve("fast") as server:
                time.sleep(1)
                ready.append(server.ready_s)
                idle.append(server.rss_mb())
        ready_s, rss_mb = statistics.median(ready), statistics.median(idle)
        add = self.report.add
        add("from start to ready", f"{ready_s:.2f} s", {"ready_s": ready_s}, "≤ 1.5 s", met=ready_s <= 1.5)
        add("memory when idle", f"{rss_mb:.0f} MB", {"rss_mb": rss_mb}, "≤ 90 MB", met=rss_mb <= 90)

    def _measure_memory(self, server: Server) -> None:
        self._say("remembering 10,000 sessions")
        requests = self._town.requests
        load.pace(("127.0.0.1", server.port), requests[:1] * 500, 1_000, 0.5, fresh=False)
        before = server.rss_mb()
        load.pace(("127.0.0.1", server.port), requests, RATE, len(requests) / RATE, fresh=False)
        grown = server.rss_mb() - before
        self.report.add("memory for each 10,000 sessions in use", f"{grown:.0f} MB", {"session_mb_per_10k": grown})

    def _compare(self, fast: Server, asgi: Server, nginx: Server) -> None:
        rounds, seconds = (1, 3.0) if self._quick else (3, 4.0)
        peers = dict(self._peers)
        found: dict[str, list[Throughput]] = {name: [] for name in ("nginx", "fast", "asgi", *peers)}
        self._say("warming up")
        for server in (fast, asgi):
            self._warm_up(server, self._town)
        for number in range(rounds):
            self._say(f"checks per second, round {number + 1} of {rounds}")
            for server in (nginx, fast, asgi):
                found[server.name].append(self._drive(server, seconds))
            for name, url in peers.items():
                found[name].append(load.drive(url, self._town.requests_file, seconds))
        rates = {name: statistics.median(each.per_second for each in runs) for name, runs in found.items()}
        costs = {name: statistics.median(each.cpu_us for each in runs) for name, runs in found.items()}
        self._add_rate("nginx `return 204`", "nginx", rates, costs)
        for lane, aim in (("fast", 0.70), ("asgi", 0.30)):
            self._add_rate(f"{lane} lane", lane, rates, costs)
            ratio, by_cost = rates[lane] / rates["nginx"], costs["nginx"] / costs[lane]
            self.report.add(
                f"{lane} lane by nginx",
                f"{ratio:.2f} ({by_cost:.2f} by processor time)",
                {f"ratio_{lane}": ratio, f"cpu_ratio_{lane}": by_cost},
                f"≥ {aim:.2f}",
                met=ratio >= aim,
            )
        for name in peers:
            self._add_rate(name, name, rates, costs)

    def _add_rate(self, title: str, name: str, rates: dict[str, float], costs: dict[str, float]) -> None:
        cost = f", {costs[name]:.1f} µs of processor time each" if costs[name] else ""
        figures = {f"{name}_per_s": round(rates[name]), f"{name}_cpu_us": costs[name]}
        self.report.add(title, f"{rates[name]:,.0f} checks/s{cost}", figures)

    def _measure_latency(self, fast: Server) -> None:
        address = ("127.0.0.1", fast.port)
        self._measure_pace("", "", address, "p99 < 2 ms")
        self._measure_pace(", a new connection each", "new_connection_", address, fresh=True)
        for name, url in self._peers:
            parts = urlsplit(url)
            self._measure_pace(f", {name}", f"{name}_", (parts.hostname or "", parts.port or 80))

    def _measure_pace(
        self, title: str, key: str, address: tuple[str, int], aim: str = "", *, fresh: bool = False
    ) -> None:
        self._say(f"{RATE:,} checks per second{title}")
        timed = load.pace(address, self._town.requests, RATE, 3 if self._quick else 8, fresh=fresh)
        p50, p99 = load.percentile(timed, 0.5), load.percentile(timed, 0.99)
        self.report.add(
            f"at {RATE:,} checks/s{title}",
            f"p50 {p50:.2f} ms, p99 {p99:.2f} ms",
            {f"{key}p50_ms": p50, f"{key}p99_ms": p99},
            aim,
            met=p99 < 2 if aim else None,
        )

    def _measure_storm(self, fast: Server) -> None:
        self._say(f"{town.SIGNERS} sign-ins at the same moment")
        command = [sys.executable, "-m", "bench.storm", str(fast.port)]
        storm = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        timed = load.pace(("127.0.0.1", fast.port), self._town.requests, RATE, 25, fresh=False)
        told, _ = storm.communicate(timeout=60)
        began, ended, good = map(float, told.split())
        if good != town.SIGNERS:
            raise load.WrongAnswerError(f"only {good:.0f} of {town.SIGNERS} sign-ins went through")
        during = [each for each in timed if began <= each.due <= ended]
        after = [each for each in timed if each.due > ended + 0.5] or timed
        calm, rough = load.percentile(after, 0.99), load.percentile(during, 0.99)
        self.report.add(
            f"{town.SIGNERS} sign-ins at once",
            f"p99 {calm:.2f} → {rough:.2f} ms, for {ended - began:.1f} s",
            {"storm_p99_ms": rough, "storm_moves_p99_ms": rough - calm, "storm_s": ended - began},
            "moves p99 by < 10 ms",
            met=rough - calm < 10,
        )

    def _measure_acts(self) -> None:
        self._say("acts that are recorded")
        home = town.move(self._town, self._folder / "acts", processes.free_port())
        command = [sys.executable, "-m", "bench.acts", str(home.folder), "1" if self._quick else "2"]
        took = list(map(float, subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()))
        rate, p50, p99 = 1e3 / statistics.mean(took), statistics.median(took), statistics.quantiles(took, n=100)[-1]
        self.report.add(
            "acts, recorded and on the disk one after another",
            f"{rate:,.0f} acts/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            {"acts_per_s": rate, "act_p50_ms": p50, "act_p99_ms": p99},
        )

    def _measure_rules(self) -> None:
        for count in (10, 1_000, 10_000):
            self._say(f"{count:,} rules")
            self._measure_scale(f"{count:,} rules", f"rules_{count}", rules=count)

    def _measure_sessions(self) -> None:
        for count in (100, 10_000, 1_000_000):
            self._say(f"{count:,} sessions")
            self._measure_scale(f"{count:,} sessions", f"sessions_{count}", sessions=count)

    def _measure_scale(self, title: str, key: str, *, sessions: int = town.LIVE, rules: int = 500) -> None:
        built = town.build(self._folder / key, processes.free_port(), sessions=sessions, rules=rules)
        server = processes.start_doorward(built.folder, built.port)
        try:
            address = ("127.0.0.1", server.port)
            before = server.cpu_seconds()
            first = built.requests[: 2 * min(sessions, town.LIVE)]
            load.pace(address, first, 2_500, len(first) / 2_500, fresh=False)
            learning = (server.cpu_seconds() - before) / len(first) * 1e6
            self._warm_up(server, built)
            run = self._drive(server, 2, built)
        finally:
            server.stop()
        self.report.add(
            title,
            f"{run.per_second:,.0f} checks/s, {run.cpu_us:.1f} µs each; {learning:.0f} µs while still unknown; "
            f"ready in {server.ready_s:.2f} s",
            {f"{key}_per_s": round(run.per_second), f"{key}_cpu_us": run.cpu_us, f"{key}_ready_s": server.ready_s},
        )

    def _warm_up(self, server: Server, built: town.Town) -> None:
        # Until every session has been asked about on every host it goes to, and then once more.
        asked = 0.0
        while asked < 2 * len(built.requests):
            asked += self._drive(server, 1, built).per_second

    def _drive(self, server: Server, seconds: float, built: town.Town | None = None) -> Throughput:
        requests = (built or self._town).requests_file
        return load.drive(f"http://127.0.0.1:{server.port}/", requests, seconds, server)

    @contextmanager
    def _serve(self, lane: str) -> Iterator[Server]:
        home = self._town if lane == "fast" else town.move(self._town, self._folder / lane, processes.free_port())
        server = processes.start_doorward(home.folder, home.port, lane=lane)
        try:
            yield server
        finally:
            server.stop()

    @contextmanager
    def _nginx(self) -> Iterator[Server]:
        server = processes.start_nginx(self._folder, processes.free_port())
        try:
            yield server
        finally:
            server.stop()

    def _say(self, what: str) -> None:
        print(f"  {what} …", file=sys.stderr, flush=True)


def read_peer(text: str) -> tuple[str, str]:
    """NAME=URL."""
    name, _, url = text.partition("=")
    if not name or not url.startswith("http://"):
        raise argparse.ArgumentTypeError("write NAME=http://host:port/path")
    return name, url


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the essential part, in under a minute")
    parser.add_argument("--peer", action="append", default=[], type=read_peer, metavar="NAME=URL",
                        help="another forward-auth server for the same table (may be given several times)")  # fmt: skip
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    circumstances = describe_machine(os.getloadavg()[0])
    try:
        processes.require_cores()
        for program in ("nginx", "wrk", "taskset"):
            processes.require(program)
        with tempfile.TemporaryDirectory(prefix="doorward-bench-") as folder:
            bench = Bench(Path(folder), quick=options.quick, peers=options.peer)
            bench.run()
    except (MissingError, load.WrongAnswerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(bench.report.as_text())
    print("; ".join(f"{name} {value}" for name, value in circumstances.items()))
    if options.write_docs:
        bench.report.write_page(circumstances)
    print(bench.report.as_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
