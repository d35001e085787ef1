"""Metrics: the promised names, a bounded number of labels, and nothing about anybody."""

import re

import pytest

from doorward.errors import UnavailableError
from doorward.rules.app_key import KeyKind
from doorward.rules.reason import Reason
from doorward.web.metrics import Counts, Measured, Metrics, MetricsEndpoint, handler_of
from tests.fakes.door import call_app
from tests.fakes.system import FakeClock


async def three():
    return 3


async def nothing():
    return None


async def ages():
    return [("session", 86400.0)]


async def unavailable():
    raise UnavailableError("down")


def metrics_of(counts, checks=None, *, sessions=three):
    return Metrics(
        checks=checks or {},
        counts=counts,
        count_sessions=sessions,
        count_tickets=three,
        count_hashes=lambda: 2,
        find_lockdown=nothing,
        version="9",
        list_key_ages=ages,
    )


def values(text):
    return dict(re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text.decode(), re.MULTILINE))


async def test_the_four_names_of_old_are_there():
    """C-42."""
    counts = Counts()
    counts.count_request("login", "POST", 303, 0.5)
    counts.count_request("login", "POST", 303, 0.25)
    checks = {
        ("traefik", "allow", Reason.RULE, 200, "GET"): [10, 0.001],
        ("envoy", "allow", Reason.RULE, 200, "GET"): [5, 0.002],
        ("traefik", "challenge", Reason.NO_SESSION, 303, "GET"): [2, 0.003],
    }
    told = values(await metrics_of(counts, checks).render())
    assert told['http_requests_total{code="303",handler="login",method="POST"}'] == "2.0"
    assert told['http_requests_total{code="200",handler="forwardauth",method="GET"}'] == "15.0"
    assert told['http_request_duration_seconds_count{code="303",handler="login",method="POST"}'] == "2.0"
    assert told['http_request_duration_seconds_sum{code="303",handler="login",method="POST"}'] == "0.75"
    assert told["forward_auth_session_count"] == "3.0"
    assert told["forward_auth_state_count"] == "3.0"
    assert told['doorward_decisions_total{proxy="traefik",reason="no_session",verdict="challenge"}'] == "2.0"
    assert told['doorward_decisions_total{proxy="envoy",reason="rule",verdict="allow"}'] == "5.0"


async def test_sign_ins_limits_and_the_queue_are_told():
    counts = Counts()
    for result in ("success", "wrong", "wrong"):
        counts.count_login(result)
    counts.count_limited("login")
    told = values(await metrics_of(counts).render())
    assert told['doorward_logins_total{result="wrong"}'] == "2.0"
    assert told['doorward_logins_total{result="success"}'] == "1.0"
    assert told['doorward_limiter_hits_total{bucket="login"}'] == "1.0"
    assert told["doorward_hash_queue"] == "2.0"
    assert told['doorward_key_age_seconds{key="session"}'] == "86400.0"
    assert told["doorward_lockdown"] == "0.0"
    assert told['doorward_build_info{version="9"}'] == "1.0"


async def test_keys_for_apps_are_told_by_kind_and_sleep():
    async def count():
        return {(KeyKind.KEY, False): 4, (KeyKind.DEVICE, True): 1}

    metrics = metrics_of(Counts())
    metrics._count_app_keys = count
    told = values(await metrics.render())
    assert told['doorward_app_keys{kind="key",state="awake"}'] == "4.0"
    assert told['doorward_app_keys{kind="device",state="asleep"}'] == "1.0"
    assert told['doorward_app_keys{kind="token",state="awake"}'] == "0.0"


async def test_a_scrape_counts_nothing_twice():
    counts, checks = Counts(), {("nginx", "deny", Reason.NO_RULE, 403, "GET"): [1, 0.1]}
    metrics = metrics_of(counts, checks)
    assert await metrics.render() == await metrics.render()


def answering(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("/", "apps"),
        ("/login", "login"),
        ("/loginx", "other"),
        ("/login/callback/google", "login"),
        ("/api/auth/login", "login"),
        ("/api/auth/oidc/callback", "login"),
        ("/account/link", "account"),
        ("/sessions/end", "session"),
        ("/api/sessions/list", "session"),
        ("/api/auth/mode", "api"),
        ("/admin/sessions", "admin"),
        ("/static/abc/x.css", "static"),
        ("/healthz", "health"),
        ("/wp-login.php", "other"),
        ("/\u2603" * 50, "other"),
    ],
)
async def test_an_answer_is_counted_under_one_of_few_names(path, handler):
    """P15: strangers choose paths and methods, not the number of labels."""
    assert handler_of(path) == handler
    counts = Counts()
    app = Measured(answering(404), counts=counts, clock=FakeClock(), passes=lambda scope: False)
    await call_app(app, "BREW", path.replace("\u2603", "x"), [])
    assert {(code, method) for code, _, method in counts.requests} == {("404", "other")}


async def test_what_the_gate_counts_is_not_counted_again():
    counts = Counts()
    app = Measured(answering(200), counts=counts, clock=FakeClock(), passes=lambda scope: scope["path"] == "/check")
    await call_app(app, "GET", "/check", [])
    await call_app(app, "GET", "/login", [])
    assert list(counts.requests) == [("200", "login", "GET")]


async def test_an_application_that_breaks_is_counted_as_500():
    async def broken(scope, receive, send):
        raise OSError("down")

    counts = Counts()
    with pytest.raises(OSError, match="down"):
        await call_app(Measured(broken, counts=counts, clock=FakeClock(), passes=lambda scope: False), "GET", "/", [])
    assert list(counts.requests) == [("500", "apps", "GET")]


async def test_what_is_no_request_passes_through():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    await Measured(app, counts=Counts(), clock=FakeClock(), passes=lambda scope: False)(
        {"type": "lifespan"}, None, None
    )
    await MetricsEndpoint(metrics_of(Counts()), path="/metrics")({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


async def test_the_listener_answers_one_path():
    """C-19."""
    endpoint = MetricsEndpoint(metrics_of(Counts()), path="/metrics")
    answer = await call_app(endpoint, "GET", "/metrics", [])
    assert answer.status == 200
    assert answer.header("content-type").startswith("text/plain; version=0.0.4")
    assert int(answer.header("content-length")) == len(answer.body)
    assert (await call_app(endpoint, "HEAD", "/metrics", [])).body == b""
    assert (await call_app(endpoint, "POST", "/metrics", [])).status == 405
    assert (await call_app(endpoint, "GET", "/", [])).status == 404
    assert (await call_app(endpoint, "GET", "/metrics/", [])).status == 404


async def test_a_store_that_cannot_be_counted_is_503_and_not_zero():
    """R11."""
    endpoint = MetricsEndpoint(metrics_of(Counts(), sessions=unavailable), path="/metrics")
    answer = await call_app(endpoint, "GET", "/metrics", [])
    assert answer.status == 503
    assert b"session_count" not in answer.body
