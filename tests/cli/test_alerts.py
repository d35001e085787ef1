"""`doorward alert`, with a real target to send to."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from doorward.errors import NotFoundError

ALERTS = """
outbound: {{allow: ["127.0.0.1:{port}"]}}
alerts:
  targets:
    - {{name: phone, url: "json://127.0.0.1:{port}/tk_s3cret"}}
    - {{name: room, url: "ntfy://127.0.0.1:{port}/room", kinds: [lockdown]}}
"""


@contextmanager
def listening(place, status=200):
    """A server that takes whatever is sent to the targets; what it was sent."""
    taken = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    place.write(ALERTS.format(port=server.server_port))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_test_reaches_every_target_and_says_how_each_answered(place):
    """E-78."""
    with listening(place) as taken:
        assert place.answer("alert", "test") == [
            {"target": "phone", "sent": True, "answer": "taken"},
            {"target": "room", "sent": True, "answer": "taken"},
        ]
        assert "taken" in place.run("alert", "test", "phone").stdout
    assert [path for path, _ in taken] == ["/tk_s3cret", "/", "/tk_s3cret"]
    assert taken[0][1]["title"] == "Alerts work"
    with pytest.raises(NotFoundError):
        place.run("alert", "test", "nobody")


def test_a_target_that_does_not_take_it_is_told_without_its_address(place):
    with listening(place, status=403):
        said = place.run("alert", "test")
    assert said.exit_code == 1
    assert said.stdout.count("it answered 403") == 2
    assert "s3cret" not in said.stdout


def test_there_are_no_alerts_and_no_targets_at_first(place):
    assert "There are no such alerts." in place.run("alert", "list", "--state", "failed").stdout
    assert "No targets are set up" in place.run("alert", "test").stdout


def test_the_list_of_alerts_has_a_line_for_each(place):
    """B-37: for people in one line, for programs as it was told."""
    place.add("root", "--admin")
    place.run("incident", "lockdown", "--reason", "a drill")
    (told,) = place.answer("alert", "list")
    assert told["kind"] == "lockdown"
    assert "\n" in told["says"]
    head, line = place.run("alert", "list").stdout.splitlines()
    assert head.split() == ["queued", "at", "kind", "state", "tries", "trouble", "says"]
    assert line.endswith(" ".join(told["says"].split()))
