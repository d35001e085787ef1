"""Metrics for Prometheus, on a listener of their own (C-19, C-42).

Counted are plain numbers in dictionaries; the rest is done at the scrape. Labels come from enums and short lists,
so their number is bounded, and a scrape costs the same with ten sessions or a million. Nothing names a user or a host.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doorward.errors import UnavailableError
from doorward.interfaces import Clock
from doorward.rules.app_key import KeyKind
from doorward.rules.reason import Reason

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CheckCounts = dict[tuple[str, str, Reason, int, str], list[float]]
"""(proxy, verdict, reason, status, method) to [number, seconds], as the gate counts."""

Kept = tuple[str, float, float | None]
"""A kind of what is kept, the age of its oldest in seconds, and what it may be (None: any)."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HANDLERS = (
    ("/login", "login"),
    ("/api/auth/login", "login"),  # where some providers lead back to
    ("/api/auth/oidc", "login"),
    ("/account", "account"),
    ("/setup", "setup"),
    ("/logout", "logout"),
    ("/signed-out", "logout"),
    ("/sessions", "session"),
    ("/admin", "admin"),
    ("/api/sessions", "session"),
    ("/api", "api"),
    ("/static", "static"),
    ("/healthz", "health"),
    ("/readyz", "health"),
)


@dataclass(slots=True)
class Counts:
    """What is counted while working; `interfaces.Tally` for the flows."""

    requests: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    """(status, handler, method) to [number, seconds]."""
    logins: dict[str, int] = field(default_factory=dict)
    limited: dict[str, int] = field(default_factory=dict)

    def count_request(self, handler: str, method: str, status: int, seconds: float) -> None:
        """An answer that was not the gate's."""
        cell = self.requests.setdefault((str(status), handler, method), [0, 0.0])
        cell[0] += 1
        cell[1] += seconds

    def count_login(self, result: str) -> None:
        """A sign-in ended."""
        self.logins[result] = self.logins.get(result, 0) + 1

    def count_limited(self, bucket: str) -> None:
        """A limit refused something."""
        self.limited[bucket] = self.limited.get(bucket, 0) + 1


class Measured:
    """Counts the answers of the application within, but for those that `passes` says are counted elsewhere."""

    def __init__(self, app: ASGIApp, *, counts: Counts, clock: Clock, passes: Callable[[Scope], bool]) -> None:
        self._app = app
        self._passes = passes
        self._counts = counts
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve through the app within."""
        if scope["type"] != "http" or self._passes(scope):
            await self._app(scope, receive, send)
            return
        began = self._clock.elapsed()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_look)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._counts.count_request(handler_of(scope["path"]), method, status, self._clock.elapsed() - began)


def handler_of(path: str) -> str:
    """The label for a path: one of a short list."""
    if path == "/":
        return "apps"
    return next((name for prefix, name in _HANDLERS if path == prefix or path.startswith(prefix + "/")), "other")


class Metrics:
    """Puts the numbers together at a scrape. The four callables cost the same however much is stored."""

    def __init__(
        self,
        *,
        checks: CheckCounts,
        counts: Counts,
        count_sessions: Callable[[], Awaitable[int]],
        count_tickets: Callable[[], Awaitable[int]],
        count_hashes: Callable[[], int],
        find_lockdown: Callable[[], Awaitable[object | None]],
        version: str,
        list_kept: Callable[[], list[Kept]] = list,
        list_key_ages: Callable[[], Awaitable[list[tuple[str, float]]]] | None = None,
        list_backup_ages: Callable[[], Awaitable[list[tuple[str, float]]]] | None = None,
        count_app_keys: Callable[[], Awaitable[Mapping[tuple[KeyKind, bool], int]]] | None = None,
    ) -> None:
        self._checks = checks
        self._counts = counts
        self._count_sessions = count_sessions
        self._count_tickets = count_tickets
        self._count_hashes = count_hashes
        self._find_lockdown = find_lockdown
        self._version = version
        self._list_kept = list_kept
        self._list_key_ages = list_key_ages
        self._list_backup_ages = list_backup_ages
        self._count_app_keys = count_app_keys

    async def render(self) -> bytes:
        """The exposition text. UnavailableError when the store cannot be counted."""
        # Imported at the first scrape: who has no Prometheus pays nothing for it.
        from prometheus_client import CollectorRegistry, generate_latest

        sessions = await self._count_sessions()
        tickets = await self._count_tickets()
        locked = await self._find_lockdown() is not None
        ages = await self._list_key_ages() if self._list_key_ages is not None else []
        backups = await self._list_backup_ages() if self._list_backup_ages is not None else []
        app_keys = await self._count_app_keys() if self._count_app_keys is not None else {}
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(list(self._collect(sessions, tickets, ages, backups, app_keys, locked=locked))))
        return generate_latest(registry)

    def _collect(
        self,
        sessions: int,
        tickets: int,
        ages: list[tuple[str, float]],
        backups: list[tuple[str, float]],
        app_keys: Mapping[tuple[KeyKind, bool], int],
        *,
        locked: bool,
    ) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

        requests = {key: list(cell) for key, cell in self._counts.requests.items()}
        decisions: dict[tuple[str, str, str], float] = {}
        for (proxy, verdict, reason, status, method), (number, seconds) in self._checks.items():
            cell = requests.setdefault((str(status), "forwardauth", method), [0, 0.0])
            cell[0] += number
            cell[1] += seconds
            decision = (proxy, verdict, reason.value)
            decisions[decision] = decisions.get(decision, 0) + number

        labels = ["code", "handler", "method"]
        total = CounterMetricFamily("http_requests", "Answers.", labels=labels)
        duration = SummaryMetricFamily("http_request_duration_seconds", "Time to answer.", labels=labels)
        for key, (number, seconds) in requests.items():
            total.add_metric(key, number)
            duration.add_metric(key, count_value=int(number), sum_value=seconds)
        yield total
        yield duration
        yield GaugeMetricFamily("forward_auth_session_count", "Stored sessions.", value=sessions)
        yield GaugeMetricFamily("forward_auth_state_count", "Sign-ins under way.", value=tickets)
        decided = CounterMetricFamily("doorward_decisions", "Checks.", labels=["proxy", "verdict", "reason"])
        for key, number in decisions.items():
            decided.add_metric(key, number)
        yield decided
        logins = CounterMetricFamily("doorward_logins", "Sign-ins by result.", labels=["result"])
        for result, number in self._counts.logins.items():
            logins.add_metric([result], number)
        yield logins
        limited = CounterMetricFamily("doorward_limiter_hits", "Refusals by a limit.", labels=["bucket"])
        for bucket, number in self._counts.limited.items():
            limited.add_metric([bucket], number)
        yield limited
        yield GaugeMetricFamily("doorward_hash_queue", "Password hashes waiting.", value=self._count_hashes())
        yield GaugeMetricFamily("doorward_lockdown", "Whether there is a lockdown.", value=int(locked))
        age = GaugeMetricFamily("doorward_retention_oldest_seconds", "Age of the oldest.", labels=["kind"])
        limit = GaugeMetricFamily("doorward_retention_limit_seconds", "What is older is removed.", labels=["kind"])
        for kind, oldest, most in self._list_kept():
            age.add_metric([kind], oldest)
            if most is not None:
                limit.add_metric([kind], most)
        yield age
        yield limit
        keys = GaugeMetricFamily("doorward_key_age_seconds", "Age of a key.", labels=["key"])
        for purpose, since in ages:
            keys.add_metric([purpose], since)
        yield keys
        held = GaugeMetricFamily("doorward_app_keys", "Keys for apps.", labels=["kind", "state"])
        for each in KeyKind:
            for asleep, state in ((False, "awake"), (True, "asleep")):
                held.add_metric([each.value, state], app_keys.get((each, asleep), 0))
        yield held
        for name, seconds in backups:
            yield GaugeMetricFamily(name, "Seconds since this last went well.", value=seconds)
        build = GaugeMetricFamily("doorward_build_info", "This program.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build


class _Collected:
    def __init__(self, metrics: list["Metric"]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator["Metric"]:
        yield from self._metrics


class MetricsEndpoint:
    """The ASGI application of the metrics listener: one path, GET and HEAD."""

    def __init__(self, metrics: Metrics, *, path: str) -> None:
        self._metrics = metrics
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- bodies are not read
        """Answer a scrape."""
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["method"], scope["path"])
        headers = [
            (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, method: str, path: str) -> tuple[HTTPStatus, bytes]:
        if path != self._path:
            return HTTPStatus.NOT_FOUND, b"not found\n"
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, b"method not allowed\n"
        try:
            return HTTPStatus.OK, await self._metrics.render()
        except UnavailableError:
            return HTTPStatus.SERVICE_UNAVAILABLE, b"the store does not answer\n"
