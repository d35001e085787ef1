"""`make demo`, as a newcomer with a browser sees it: a link, an account, an app that opens, one that does not, Ctrl-C."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.integration.processes import Process, accepts, find_program, free_ports
from tests.integration.recipes import ROOT

PASSWORD = "A demo passphrase, 1st of its kind!"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The installed Chromium, which finds *.localhost names by itself."""
    program = find_program("chromium", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


class Demo:
    """The demo as a process, and what it told."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        command = [sys.executable, str(ROOT / "deploy/demo/demo.py"), "--folder", str(folder / ".demo")]
        self.process = Process("demo", [*command, "--port", str(port)], folder)
        self._told_before = len(self.process.log)

    @property
    def told(self) -> str:
        """What stands on the terminal since this start."""
        return self.process.log[self._told_before :]

    @property
    def address(self) -> str:
        """Doorward's own address."""
        return re.findall(r"^ +(http://auth\.doorward\.localhost:\d+)$", self.told, re.MULTILINE)[0]

    @property
    def link(self) -> str:
        """The setup link."""
        return re.findall(r"^ +(http\S+/setup\?token=\S+)$", self.told, re.MULTILINE)[0]

    def url(self, name: str, path: str = "/") -> str:
        """An address at one of the apps."""
        return self.address.replace("//auth.", f"//{name}.") + path

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code."""
        self.process.send(signal.SIGINT)
        return self.process.wait()


@contextmanager
def demo(folder: Path, port: int) -> Iterator[Demo]:
    """Run the demo; whatever happens, nothing of it stays."""
    running = Demo(folder, port)
    try:
        running.process.wait_until(lambda: "Ctrl-C ends everything." in running.told)
        yield running
    finally:
        running.process.stop()


def test_the_demo_from_the_first_link_to_the_second_start(tmp_path: Path, page: Page) -> None:
    """A newcomer creates the administrator, opens an app, is kept out of another, ends it, comes back."""
    (port,) = free_ports(1)
    with demo(tmp_path, port) as first:
        link = first.link
        told = [first.told.index(words) for words in (first.address, link, first.url("notes", ""), "user groups NAME")]
        assert told == sorted(told), "what to do first stands first"
        page.goto(link)
        page.get_by_label("Your name").fill("Łucja 名前")
        page.get_by_label("User name").fill("lucja")
        page.get_by_label("E-mail address").fill("lucja@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password, once more").fill(PASSWORD)
        page.get_by_role("button", name="Create and sign in").click()
        page.wait_for_url(first.address + "/")

        page.goto(first.url("notes", "/a?b=c"))
        assert page.get_by_role("heading", level=1).inner_text() == "Hello, Łucja 名前."
        assert "lucja@example.com" in page.inner_text("body")
        assert "doorward=" not in page.inner_text("body")
        cookie = next(cookie for cookie in page.context.cookies() if cookie["name"] == "doorward")
        assert cookie["domain"] == ".doorward.localhost"
        assert cookie["httpOnly"]

        refusal = page.goto(first.url("vault"))
        assert refusal is not None
        assert refusal.status == 403
        text = page.inner_text("body")
        assert "No rule lets your account open this." in text
        assert "Vault" in text
        assert "whoever started this demo" in text

        token = link.partition("token=")[2]
        for path in (tmp_path / ".demo").rglob("*"):
            assert not path.is_file() or token.encode() not in path.read_bytes(), path
        assert first.interrupt() == 0
    assert not accepts(port)
    assert processes_in(tmp_path) == []

    with demo(tmp_path, port) as second:
        page.context.clear_cookies()
        page.goto(second.url("notes", "/a?b=c"))
        page.get_by_label("name", exact=False).first.fill("lucja")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(second.url("notes", "/a?b=c"))
        assert page.get_by_role("heading", level=1).inner_text() == "Hello, Łucja 名前."
        assert "setup" not in second.told
        assert second.interrupt() == 0
    assert processes_in(tmp_path) == []


def test_a_port_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    """The demo chooses another one and says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(tmp_path, port) as running:
            assert f"Port {port} is taken" in running.told
            assert not running.address.endswith(f":{port}")


def test_a_second_demo_in_the_same_folder_says_that_one_runs(tmp_path: Path) -> None:
    """Two of them would share a database and fight for it."""
    ports = free_ports(2)
    with demo(tmp_path, ports[0]):
        other = Process("other", [sys.executable, str(ROOT / "deploy/demo/demo.py"), "--folder", ".demo"], tmp_path)
        try:
            assert other.wait() == 1
            assert "another demo runs" in other.log
        finally:
            other.stop()


def test_the_demo_ends_when_a_part_of_it_does(tmp_path: Path) -> None:
    """It says which part, and leaves nothing behind."""
    (port,) = free_ports(1)
    with demo(tmp_path, port) as running:
        victim = next(pid for pid, command in processes_in(tmp_path / ".demo") if "traefik" in command)
        os.kill(victim, signal.SIGKILL)
        assert running.process.wait() == 1
        assert "traefik ended by itself" in running.told
    assert processes_in(tmp_path) == []


def processes_in(folder: Path) -> list[tuple[int, str]]:
    """Running processes that work in this folder or below: (id, command line)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = (entry / "cwd").readlink()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if place.is_relative_to(folder) and command:
            found.append((int(entry.name), command))
    return found
