"""A gateway with its defaults calls nobody, whatever happens in it."""

import os
import subprocess
import sys

import pytest

SPY = """
import os, sys

OUT = os.environ["SPY"]

def look(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
                 "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.Request"):
        with os.fdopen(os.open(OUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(f"{event} {arguments!r}\\n")

sys.addaudithook(look)

import asyncio

try:
    import uvloop
except ImportError:
    uvloop = None

def watch(loop):
    for name in ("create_connection", "create_datagram_endpoint", "create_unix_connection", "subprocess_exec"):
        def refuse(self, *arguments, name=name, **settings):
            look("socket.connect", (name, arguments))
            raise OSError("nobody is called")
        setattr(loop, name, refuse)

if uvloop is not None:
    class Watched(uvloop.Loop):
        pass

    watch(Watched)
    uvloop.new_event_loop = Watched
    uvloop.loop.Loop = uvloop.Loop = Watched
with open(OUT, "a"):
    pass
"""


def test_a_gateway_with_its_defaults_calls_nobody(place, monkeypatch):
    """E-55, E-57: no telemetry, no third parties; one sign-in, checks, the metrics, and a way out."""
    spy = place.folder / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY, "utf-8")
    seen = place.folder / "seen"
    place.add("alice")
    monkeypatch.setenv("SPY", str(seen))
    monkeypatch.setenv("PYTHONPATH", str(spy), prepend=os.pathsep)
    with place.serving() as server:
        cookie = server.sign_in("alice")
        assert server.check(cookie) == 200
        assert server.check("nonsense") == 401
        assert server.get("/healthz").status_code == 200
    assert seen.exists()
    assert [line for line in seen.read_text().splitlines() if "AF_UNIX" not in line] == []


@pytest.mark.parametrize(
    "call",
    [
        "import socket; socket.getaddrinfo('127.0.0.1', 1)",
        "import subprocess, sys; subprocess.run([sys.executable, '--version'])",
        (
            "import asyncio, uvloop\n"
            "async def call(): await asyncio.get_running_loop().create_connection(asyncio.Protocol, '127.0.0.1', 1)\n"
            "try: uvloop.run(call())\nexcept OSError: pass"
        ),
    ],
)
def test_the_watch_sees_who_calls(tmp_path, call):
    """Or the test above would prove nothing."""
    (tmp_path / "sitecustomize.py").write_text(SPY, "utf-8")
    seen = tmp_path / "seen"
    told = {**os.environ, "SPY": str(seen), "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", call], env=told, check=True, capture_output=True)
    assert seen.read_text()
