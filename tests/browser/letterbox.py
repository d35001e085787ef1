"""A real SMTP server on loopback that keeps what it is given, and the mail in it as people read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

_PATIENCE = 30.0
"""Seconds: letters go out with the next errand, which is some seconds away."""


@dataclass
class Letterbox:
    """What came, in the order it came."""

    port: int = 0
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)
    _letters: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the library's name
        """Keep one."""
        async with self._came:
            letter = message_from_bytes(envelope.content, policy=default)
            assert isinstance(letter, EmailMessage)
            self._letters.append(letter)
            self._came.notify_all()
        return "250 OK"

    async def wait_for(self, to: str, subject: str) -> str:
        """The text of the one letter to this address with these words in its subject, which is then taken out."""

        def find() -> list[EmailMessage]:
            return [each for each in self._letters if each["To"] == to and subject in each["Subject"]]

        async with self._came, asyncio.timeout(_PATIENCE):
            await self._came.wait_for(find)
            (letter,) = find()
            self._letters.remove(letter)
        text = letter.get_body(("plain",))
        assert isinstance(text, EmailMessage)
        content: str = text.get_content()
        return content


@asynccontextmanager
async def open_letterbox() -> AsyncIterator[Letterbox]:
    """Listen, and listen no more."""
    box = Letterbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, hostname="mail.example.com"), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()
