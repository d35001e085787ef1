"""Programs that cannot follow a sign-in reach real apps with a key: curl, git, a calendar client, a feed reader."""

import base64
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import caldav
import caldav.lib.error
import icalendar
import pytest

from tests.integration.gateway import ALICE, BOB, Gateway, start_gateway
from tests.integration.processes import free_ports
from tests.integration.recipes import FILES, PROXIES, Ports, Proxy, fill
from tests.integration.tls import Certificates
from tests.integration.workshop import Workshop, run_git

HOST = "app.example.com"
STRIPS_ADDRESSES = {"caddy", "nginx"}
"""Proxies whose recipes take a key out of an address before the app sees it."""


@dataclass(slots=True)
class Bench:
    """A proxy before the workshop, as programs see it."""

    proxy: Proxy
    workshop: Workshop
    gateway: Gateway
    certificates: Certificates
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The app's address."""
        return f"https://{HOST}:{self.proxy.port}"

    def find_key(self, *options: str) -> str:
        """Alice's key for the app with these options, made the first time it is asked for."""
        if options not in self.keys:
            name = f"{self.proxy.name} {len(self.keys)}"
            arguments = ("key", "create", "--user", ALICE.name, "--name", name, "--app", "Example", *options, "--json")
            self.keys[options] = json.loads(self.gateway.command(*arguments))["key"]
        return self.keys[options]

    def revoke(self, key: str) -> None:
        """Take a key back."""
        self.gateway.command("key", "revoke", key.split("_")[1])
        self.keys = {options: each for options, each in self.keys.items() if each != key}

    def curl(self, path: str, *options: str) -> tuple[int, str]:
        """Fetch with curl: status and body."""
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", str(self.certificates.authority),
             "--resolve", f"{HOST}:{self.proxy.port}:127.0.0.1", "--write-out", "\n%{http_code}",
             *options, self.url + path],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def git(self, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run git against the app."""
        return run_git(
            *arguments,
            folder=folder,
            http_curloptResolve=f"{HOST}:{self.proxy.port}:127.0.0.1",
            http_sslCAInfo=str(self.certificates.authority),
        )

    def calendar(self, user: str, key: str) -> caldav.DAVClient:
        """A calendar client that was given a user name and the key as its password."""
        return caldav.DAVClient(
            f"{self.url}/{user}/", username=user, password=key, ssl_verify_cert=str(self.certificates.authority)
        )


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The apps."""
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    yield workshop
    workshop.close()


@pytest.fixture(scope="module")
def keyed_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose app takes keys in addresses, too."""
    port, metrics = free_ports(2)
    text = fill((FILES / "doorward.yaml").read_text("utf-8"), {"127.0.0.1:8080": f"127.0.0.1:{port}"})
    text = f"{text.rstrip()}\n    url_keys: true\n\napi_keys:\n  max: 100\nlimits:\n  key_failure: [1000/1m]\n"
    text += f"prometheus:\n  addr: 127.0.0.1:{metrics}\n"
    gateway = start_gateway(tmp_path_factory.mktemp("keyed"), text, port)
    try:
        for person in (ALICE, BOB):
            gateway.add(person)
        yield gateway
    finally:
        gateway.process.stop()
    assert "Traceback" not in gateway.process.log


@pytest.fixture(scope="module", params=["traefik", "caddy", "nginx"])
def bench(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    workshop: Workshop,
    keyed_gateway: Gateway,
) -> Iterator[Bench]:
    """One of the proxies before the apps."""
    ports = Ports(keyed_gateway.port, workshop.port)
    with PROXIES[request.param](tmp_path_factory.mktemp(request.param), ports, certificates) as proxy:
        yield Bench(proxy, workshop, keyed_gateway, certificates)


@pytest.fixture(autouse=True)
def _check_afterwards(bench: Bench) -> Iterator[None]:
    """A key of ours never reaches an app, and no log of ours has one."""
    for seen in (bench.workshop.users, bench.workshop.secrets, bench.workshop.queries):
        seen.clear()
    yield
    shown = [*bench.workshop.secrets, *map(read_basic, bench.workshop.secrets)]
    assert not any("dw_" in secret for secret in shown)
    assert "_dw_" not in bench.gateway.process.log


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of example.com are this machine, for clients that ask for them."""
    look_up = socket.getaddrinfo

    def look_up_here(host: str, *arguments: object, **options: object) -> object:
        return look_up("127.0.0.1" if host == HOST else host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)


def read_basic(value: str) -> str:
    """What a Basic Authorization says."""
    return base64.b64decode(value.removeprefix("Basic ")).decode("utf-8", "replace") if "Basic " in value else ""


def write_event(summary: str) -> str:
    """An event as calendars write it."""
    event = icalendar.Event()
    at = datetime(2026, 5, 1, 18, tzinfo=UTC)
    event.add("summary", summary)
    for name, hour in (("dtstart", 18), ("dtend", 20), ("dtstamp", 12)):
        event.add(name, at.replace(hour=hour))
    event.add("uid", f"{summary}@example.com")
    calendar = icalendar.Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Example//EN")
    calendar.add_component(event)
    return calendar.to_ical().decode("utf-8")


def read_summaries(text: str) -> list[str]:
    """The events of a calendar, by name."""
    return [str(event["summary"]) for event in icalendar.Calendar.from_ical(text).walk("VEVENT")]


@pytest.mark.parametrize(
    "show",
    [
        lambda key: ("--header", f"X-Api-Key: {key}"),
        lambda key: ("--header", f"Authorization: Bearer {key}"),
        lambda key: ("--user", f"{ALICE.name}:{key}"),
        lambda key: ("--user", f"whoever:{key}"),
    ],
    ids=["X-Api-Key", "Bearer", "Basic", "Basic with any name"],
)
def test_curl_gets_through_with_a_key_however_it_is_shown(bench: Bench, show: Callable[[str], tuple[str, str]]) -> None:
    """A-18, A-24, B-17."""
    key = bench.find_key()
    status, _ = bench.curl("/alice/", *show(key), "--request", "PROPFIND", "--header", "Depth: 0")
    assert status == 207
    assert bench.workshop.users == [ALICE.name]
    assert bench.curl("/alice/", *show(key[:-1] + ("0" if key[-1] != "0" else "1")))[0] == 401
    assert bench.workshop.users == [ALICE.name]


def test_a_program_without_a_key_is_told_what_to_bring(bench: Bench) -> None:
    """A-29: 401 and a problem document; never a way to a page that no program can read."""
    status, body = bench.curl("/alice/", "--include")
    head, _, _ = body.partition("\r\n\r\n")
    assert status == 401
    assert "location:" not in head.lower()
    assert "www-authenticate: " in head.lower()
    assert "application/problem+json" in head.lower()


def test_git_clones_and_pushes(bench: Bench, tmp_path: Path) -> None:
    """Git sends a password only after it is asked for one with Basic."""
    name = f"notes-{bench.proxy.name}.git"
    bench.workshop.add_repository(name)
    key = bench.find_key()
    address = f"https://{ALICE.name}:{key}@{HOST}:{bench.proxy.port}/git/{name}"
    made = tmp_path / "made"
    assert bench.git("clone", "--quiet", address, str(made)).returncode == 0
    (made / "note.txt").write_text("hello", "utf-8")
    for arguments in (
        ("checkout", "--quiet", "-B", "main"),
        ("add", "note.txt"),
        ("commit", "--quiet", "-m", "A note"),
        ("push", "--quiet", "origin", "main"),
    ):
        done = bench.git(*arguments, folder=made)
        assert done.returncode == 0, done.stderr
    again = tmp_path / "again"
    assert bench.git("clone", "--quiet", address, str(again)).returncode == 0
    assert (again / "note.txt").read_text("utf-8") == "hello"


def test_git_with_a_key_that_only_reads_does_not_push(bench: Bench, tmp_path: Path) -> None:
    """Fetching is a POST, too, so such a key is given the paths that fetching needs."""
    name = f"read-{bench.proxy.name}.git"
    bench.workshop.add_repository(name)
    key = bench.find_key("--path", f"/git/{name}/info/refs", "--path", f"/git/{name}/git-upload-pack")
    address = f"https://{ALICE.name}:{key}@{HOST}:{bench.proxy.port}/git/{name}"
    made = tmp_path / "made"
    assert bench.git("clone", "--quiet", address, str(made)).returncode == 0
    (made / "note.txt").write_text("hello", "utf-8")
    for arguments in (("checkout", "--quiet", "-B", "main"), ("add", "."), ("commit", "--quiet", "-m", "A note")):
        assert bench.git(*arguments, folder=made).returncode == 0
    done = bench.git("push", "--quiet", "origin", "main", folder=made)
    assert done.returncode != 0
    assert "403" in done.stderr


@pytest.mark.usefixtures("at_home")
def test_a_calendar_client_keeps_its_calendar(bench: Bench) -> None:
    """A phone's calendar: user name, and the key in place of a password."""
    client = bench.calendar(ALICE.name, bench.find_key())
    calendar = client.principal().make_calendar(name=f"Home {bench.proxy.name}")
    calendar.save_event(write_event("Dinner"))
    assert [summary for event in calendar.events() for summary in read_summaries(event.data)] == ["Dinner"]
    assert set(bench.workshop.users) == {ALICE.name}


@pytest.mark.usefixtures("at_home")
def test_a_calendar_client_with_a_key_that_was_revoked_is_refused_at_once(bench: Bench) -> None:
    """A-21: that one, and no other."""
    kept, revoked = bench.find_key(), bench.find_key("--path", "/")
    client = bench.calendar(ALICE.name, revoked)
    assert client.principal().calendars() is not None
    bench.revoke(revoked)
    with pytest.raises(caldav.lib.error.AuthorizationError):
        client.principal().calendars()
    assert bench.calendar(ALICE.name, kept).principal().calendars() is not None


@pytest.mark.usefixtures("at_home")
def test_a_calendar_is_read_as_a_feed_by_its_address_alone(bench: Bench) -> None:
    """D-48: the address is the credential: reading only, and out of sight of the app where the proxy can do that."""
    client = bench.calendar(ALICE.name, bench.find_key())
    calendar = client.principal().make_calendar(name=f"Feed {bench.proxy.name}")
    calendar.save_event(write_event("Market"))
    path = calendar.url.path
    feed, other = bench.find_key("--in-url"), bench.find_key()
    status, body = bench.curl(f"{path}?dw_key={quote(feed)}")
    assert status == 200
    assert read_summaries(body) == ["Market"]
    assert bench.curl(f"{path}?dw_key={quote(feed)}", "--request", "DELETE")[0] in {401, 403}
    assert bench.curl(f"{path}?dw_key={quote(other)}")[0] in {401, 403}
    assert len(calendar.events()) == 1
    seen = [target for target in bench.workshop.queries if "dw_key" in target]
    assert (not seen) == (bench.proxy.name in STRIPS_ADDRESSES), seen
