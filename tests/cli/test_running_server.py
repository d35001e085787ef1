"""A real server: started, told things from outside, and ended. What a command changes counts at the very next check."""

import re
import signal
import sqlite3
import subprocess

import httpx
import pytest

from tests.cli.conftest import GOOD, OTHER, Place, session_cookie
from tests.integration.gateway import doorward
from tests.integration.processes import free_ports

ACTS = {
    "disable": ("user", "disable", "alice"),
    "delete": ("user", "delete", "alice", "--yes"),
    "set-password": ("user", "set-password", "alice", "--password-stdin"),
    "groups": ("user", "groups", "alice", "--none"),
    "session end --user": ("session", "end", "--user", "alice"),
}


@pytest.fixture(scope="module", params=["sqlite", "local"])
def running(request, tmp_path_factory):
    """One server for the tests that leave it as it was."""
    with pytest.MonkeyPatch.context() as patch:
        place = Place(tmp_path_factory.mktemp(request.param), storage=request.param)
        patch.chdir(place.folder)
        place.add("root", "--admin")
        with place.serving() as server:
            yield place, server


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_what_a_command_takes_away_is_gone_at_the_very_next_check(running, act):
    """J04, and the promise of every command: no delay, no restart, whichever store holds the sessions."""
    place, server = running
    place.add("alice", "--group", "staff")
    try:
        cookies = [server.sign_in("alice") for _ in range(2)]
        for _ in range(3):
            assert [server.check(cookie, "staff.door.localhost") for cookie in cookies] == [200, 200]
        place.answer(*act, typed=OTHER + "\n")
        assert [server.check(cookie) for cookie in cookies] == [401, 401]
    finally:
        if any(user["name"] == "alice" for user in place.answer("user", "list")):
            place.answer("user", "delete", "alice", "--yes")


def test_what_a_command_gives_counts_at_the_very_next_check(running):
    place, server = running
    place.add("carol")
    cookie = server.sign_in("carol")
    assert server.check(cookie, "staff.door.localhost") == 403
    place.answer("user", "groups", "carol", "staff")
    assert server.check(cookie, "staff.door.localhost") == 200


def test_a_session_is_ended_by_its_handle(place):
    """C-39."""
    place.add("alice")
    with place.serving() as server:
        here, there = server.sign_in("alice"), server.sign_in("alice")
        assert server.check(here) == server.check(there) == 200
        listed = place.answer("session", "list", "--user", "alice")
        assert len(listed) == 2
        assert here not in str(listed)
        assert "alice" in place.run("session", "list").stdout
        ended = [place.answer("session", "end", session["handle"]) for session in listed]
        assert ended == [{"ended": 1}, {"ended": 1}]
        assert server.check(here) == server.check(there) == 401


def test_the_first_start_prints_one_link_that_makes_one_administrator(place):
    """R01: once, past the log, and never again after it was used."""
    with place.serving() as server:
        server.process.wait_until(lambda: "token=" in server.process.log)
        tokens = re.findall(r"/setup\?token=([A-Za-z0-9_-]{43})", server.process.log)
        assert len(tokens) == 1
        path = f"/setup?token={tokens[0]}"
        fields = {"name": "root", "display_name": "Root", "email": "root@example.test", "password": GOOD}
        made = server.fill(path, **fields, password_again=GOOD)
        assert made.status_code == 303, made.text
        assert server.check(session_cookie(made)) == 200
        assert server.get(path).status_code == 404
        log = server.process.log
    assert log.count("token") == 1
    with place.serving() as server:
        assert "token" not in server.process.log.removeprefix(log)
    assert [user["admin"] for user in place.answer("user", "list")] == [True]


def test_a_reload_changes_the_rules_at_once_and_keeps_the_old_ones_on_error(place):
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        assert server.check(cookie) == 200
        place.write("    - {name: shut, effect: deny, domain: app.door.localhost}\n")
        server.process.send(signal.SIGHUP)
        server.process.wait_until(lambda: "event=reloaded" in server.process.log)
        assert server.check(cookie) == 403
        place.write("    - {name: shut, efect: allow, domain: app.door.localhost}\n")
        server.process.send(signal.SIGHUP)
        server.process.wait_until(lambda: "event=reload_refused" in server.process.log)
        assert "efect" in server.process.log
        assert server.check(cookie) == 403
        place.write("logger: {level: debug}\n")
        server.process.send(signal.SIGHUP)
        server.process.wait_until(lambda: "event=restart_needed" in server.process.log)
        assert "logger" in server.process.log
        assert server.check(cookie) == 200
    assert _acts(place).count("system.config_reload") == 2


def test_a_group_given_by_command_does_not_worry_whoever_starts_it(place):
    with place.serving() as server:
        (told,) = [line for line in server.process.log.splitlines() if "staff has no members in this file" in line]
    assert "level=info" in told
    assert "doorward user groups NAME staff" in told


def test_the_end_is_in_good_order(place):
    """SIGTERM: exit code 0, and the use of sessions written down."""
    place.add("alice")
    with place.serving() as server:
        cookie = server.sign_in("alice")
        assert server.check(cookie) == 200
        server.process.send(signal.SIGTERM)
        server.process.wait_until(lambda: "event=stopped" in server.process.log)
        assert server.process.wait() == 0
    with place.serving() as server:
        assert server.check(cookie) == 200


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(place):
    """Kill -9 right after a sign-in, a sign-out and a change."""
    place.add("alice")
    with place.serving() as server:
        kept, ended = server.sign_in("alice"), server.sign_in("alice")
        handle = next(s["handle"] for s in place.answer("session", "list"))
        place.answer("session", "end", handle)
        before = sorted([server.check(kept), server.check(ended)])
        server.process.send(signal.SIGKILL)
    assert before == [200, 401]
    with place.serving() as server:
        assert sorted([server.check(kept), server.check(ended)]) == before
    assert _acts(place).count("user.login") == 2


def test_metrics_are_on_their_own_listener_only(running):
    """C-19, C-42."""
    _, server = running
    told = httpx.get(f"http://127.0.0.1:{server.metrics}/metrics").text
    for name in ("http_requests_total", "http_request_duration_seconds_sum", "forward_auth_session_count"):
        assert re.search(rf"^{name}\b", told, re.MULTILINE), name
    assert re.search(r'doorward_decisions_total\{proxy="traefik",reason="[a-z_]+",verdict="[a-z]+"\} [1-9]', told)
    assert not re.search(r"alice|door\.localhost|203\.0\.113", told)
    assert server.get("/metrics").status_code == 404


def test_the_api_answers_on_a_real_server(running):
    _, server = running
    answer = server.fill("/login", login="root", password=GOOD)
    jar = [line.partition(";")[0] for line in answer.headers.get_list("set-cookie")]
    sessions = server.get("/api/sessions/list", cookie="; ".join(jar)).json()
    assert any(session["current"] for session in sessions.values())
    assert server.get("/api/sessions/list", cookie=f"doorward={session_cookie(answer)}").status_code == 401
    assert server.get("/api/openapi.json").json()["info"]["title"] == "Doorward"


def test_every_security_event_is_in_the_evidence(place):
    """Invariant 10."""
    place.add("alice")
    with place.serving() as server:
        server.sign_in("alice")
        assert server.fill("/login", login="alice", password="Wr0ng-one-here!").status_code == 403
    acts = _acts(place)
    assert acts[0] == "admin.user_create"
    assert {"system.start", "user.login", "user.login_failed"} <= set(acts)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "cannot listen"),
        ("storage: {type: redis}\n", "not available yet"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_sentence_and_78(place, more, words):
    """ConfigError: the operator can mend it."""
    if more:
        place.storage = "redis"
        place.write()
        _refused(place, words)
        return
    with place.serving():
        _refused(place, words)


def test_with_sessions_in_memory_there_is_one_server_on_the_data(tmp_path, monkeypatch):
    """J04: a second one would strike out the ends of sessions that the first has not seen."""
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, storage="local")
    place.add("alice")
    with place.serving() as server:
        first = place.config.read_text("utf-8")
        elsewhere = first
        for port, other in zip(place.ports, free_ports(2), strict=True):
            elsewhere = elsewhere.replace(f":{port}", f":{other}")
        place.config.write_text(elsewhere, "utf-8")
        _refused(place, "another server is running on data")
        place.config.write_text(first, "utf-8")
        cookie = server.sign_in("alice")
        assert server.check(cookie) == 200
        place.answer("user", "disable", "alice")
        assert server.check(cookie) == 401
        server.process.send(signal.SIGKILL)
    with place.serving() as server:
        assert server.get("/readyz").status_code == 200


def _refused(place, words):
    done = subprocess.run(doorward("serve"), cwd=place.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def _acts(place):
    connection = sqlite3.connect(place.folder / "data" / "doorward.db")
    try:
        return [row[0] for row in connection.execute("SELECT act FROM audit ORDER BY sequence")]
    finally:
        connection.close()


def test_an_account_that_cannot_stand_for_a_network_is_told_at_the_start(place):
    """D-11."""
    place.write("single_user: {user: family, networks: [192.168.7.0/24]}\n")
    with place.serving() as server:
        assert "family stands for nobody: there is no such account" in server.process.log
    place.add("family")
    with place.serving() as server:
        assert server.process.log.count("stands for nobody") == 1, "it stands in the log of the first start alone"
