"""A stage on which everything about accounts is open: mail that really arrives, and registration.

Its limits are so wide that fifty at once are held up by nothing but what is to be tested.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvloop
from aiosmtpd.controller import Controller

from tests.attacks.factors import local, own_form
from tests.attacks.hasty import HASTY
from tests.attacks.stage import AUTH, CONFIG, NAVIGATION, ROOT, Browser, Stage, serving
from tests.attacks.wire import Answer, write
from tests.integration.processes import free_ports

CROWD = 50
"""How many try something at once."""
MORE = """\
mail: {{host: 127.0.0.1, port: {port}, security: none, sender: 'Door <door@example.test>'}}
registration: {{mode: open}}
api_keys: {{max: 1000}}
jwt: {{issuer: Doorward, audience: programs}}
limits:
  login: [9999/1m]
  otp_verify: [9999/1m]
  mfa_manage: [9999/1m]
  password_change: [9999/1m]
  registration: [9999/1m]
  invite: [9999/1m]
  forgot: [9999/1m]
  reset: [9999/1m]
  admin: [9999/1m]
  export: [9999/1m]
  destructive: [9999/1m]
  key_create: [9999/1m]
  login_failures: {{threshold: 100}}
"""
_LINK = re.compile(r"https?://[^\s<>\"]+\?[^\s<>\"]+")


class LetterBox:
    """A mail server, and everything it took, as bytes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the library's name
        """Take a mail."""
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return "250 OK"


class House:
    """The stage and its mail."""

    def __init__(self, stage: Stage, box: LetterBox) -> None:
        self.stage = stage
        self.box = box
        self._names = 0

    def fresh(self) -> str:
        """A name that nobody has."""
        self._names += 1
        return f"fresh{self._names}"

    def letters(self, address: str) -> list[EmailMessage]:
        """What was sent to this address, oldest first."""
        return [_read(raw) for _, to, raw in list(self.box.taken) if to == [address]]

    def wait_for(self, address: str, count: int) -> EmailMessage:
        """The mail that arrives there as number `count`."""
        self.stage.gateway.process.wait_until(lambda: len(self.letters(address)) >= count)
        found = self.letters(address)
        assert len(found) == count
        return found[-1]

    def link(self, address: str, count: int = 1) -> str:
        """Path and query of the link in the mail that arrives there as number `count`."""
        letter = self.wait_for(address, count)
        (url,) = set(_LINK.findall(body_of(letter)))
        return self.own(url)

    def own(self, url: str) -> str:
        """Path and query of a link of ours, which nobody but its owner may ever see."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", AUTH.decode()), url
        self.stage.token_pieces.add(parts.query.partition("=")[2].encode())
        return f"{parts.path}?{parts.query}"

    def urls(self, address: str) -> set[str]:
        """Every link that was mailed there."""
        return {url for letter in self.letters(address) for url in _LINK.findall(body_of(letter))}

    def invite(self, by: Browser | None = None, **fields: str) -> str:
        """Path and query of a new invitation's link."""
        root = by or self.stage.visitor(ROOT)
        page = root.post("/admin/invites", {**own_form(root), "uses": "1", "days": "7", **fields})
        assert page.status == 200, page
        return self.own(shown_url(page.body))

    def hand_out(self, login: str) -> str:
        """Path and query of a link to set a new password, made by an administrator."""
        root = self.stage.visitor(ROOT)
        page = root.post("/admin/users/link", {**own_form(root), "login": login})
        assert page.status == 200, page
        return self.own(shown_url(page.body))

    def act(self, login: str, word: str) -> str:
        """What an administrator's button does; what became of it."""
        root = self.stage.visitor(ROOT)
        return local(root.post("/admin/users/act", {**own_form(root), "login": login, "act": word})).rpartition("=")[2]


def form_post(browser: Browser, target: str, fields: dict[str, str]) -> bytes:
    """The bytes with which this browser sends a form of our own page."""
    own = ((b"Content-Type", b"application/x-www-form-urlencoded"), *NAVIGATION)
    return write(b"POST", target.encode(), browser.headers(*own), urlencode(fields).encode())


def rush(stage: Stage, requests: Sequence[bytes]) -> list[Answer]:
    """Send all of these at once, each on a connection of its own."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(stage.send, requests))


def shown_url(page: bytes) -> str:
    """The link that a page shows once."""
    found = re.search(rb'<p class="code" data-copy>([^<]+)<', page)
    assert found is not None
    return found[1].decode()


def body_of(letter: EmailMessage) -> str:
    """All of what a mail says, both forms of it."""
    return "\n".join(part.get_content() for part in letter.walk() if part.get_content_maintype() == "text")


def _read(raw: bytes) -> EmailMessage:
    letter = message_from_bytes(raw, policy=default)
    assert isinstance(letter, EmailMessage)
    return letter


@contextmanager
def household(folder: Path) -> Iterator[House]:
    """Run it until the end of the block."""
    port, metrics, post = free_ports(3)
    box = LetterBox()
    # It goes on between files that use it, when tests that need no network take Python's sockets away: a letter that
    # comes then would wait for half a minute, and others behind it. That loop has sockets of its own.
    controller = Controller(box, loop=uvloop.new_event_loop(), hostname="127.0.0.1", port=post)
    controller.start()
    try:
        text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics) + MORE.format(port=post)
        with serving(folder, text, port, first=ROOT, program=HASTY) as stage:
            stage.metrics = metrics
            yield House(stage, box)
    finally:
        controller.stop()
