"""Mail over SMTP, one connection for each (RFC 5321, 3207, 8314). The library is loaded with the first one.

What the server says of itself (no connection, no TLS, no sign-in) may be mended while a letter waits; what it says of
the letter for good (5xx) may not. SECURITY: where TLS is asked for, nothing is sent without it, and certificates are
verified, always: tests/contract/test_smtp.py.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doorward.errors import InputError, PeerError, UnavailableError
from doorward.interfaces import Clock
from doorward.rules.names import clean_text, parse_email

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiosmtplib import SMTP

_PERMANENT: Final = 500
_MOST_SAID: Final = 200
_MOST_SUBJECT: Final = 200
_MOST_NAME: Final = 64
_SPECIALS: Final = dict.fromkeys(map(ord, '()<>[]:;@,"\\'), " ")
"""What means something in a header with addresses (RFC 5322, 3.2.3)."""
_GOODBYE: Final = 2.0
"""Seconds for the last word, which changes nothing any more."""


class Security(Enum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over, and as whom. `name` is what we call ourselves: our own host.

    `sender` is the address in From, `sender_name` what stands before it. `timeout` is for one letter as a whole.
    """

    host: str
    port: int
    security: Security
    sender: str
    name: str
    sender_name: str = "Doorward"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: timedelta = timedelta(seconds=30)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class SmtpMailer:
    """`interfaces.Mailer`. Keeps no connection, so there is nothing to close."""

    def __init__(self, server: SmtpServer, *, clock: Clock) -> None:
        self._server = server
        self._clock = clock

    async def send(self, *, to: str, subject: str, text: str, html: str, message_id: str) -> None:
        """Hand one mail over. See `interfaces.Mailer`."""
        server = self._server
        if server.username and server.security is Security.NONE and not server.is_here:
            raise UnavailableError(f"{server.host}: a password is not sent without TLS; set how to connect")
        try:
            to = parse_email(to)
        except InputError as error:
            raise PeerError(f"no mail can go to that address: {error}") from None
        message = self._write(to=to, subject=subject, text=text, html=html, message_id=message_id)
        client = await self._make_client()
        try:
            try:
                async with asyncio.timeout(server.timeout.total_seconds()):
                    await self._connect(client)
                    await self._hand_over(client, to, message)
            except TimeoutError:
                raise UnavailableError(
                    f"{server.host}:{server.port} did not answer within {server.timeout.total_seconds():g} seconds"
                ) from None
            # It is taken; nothing that happens from here on makes it untaken.
            with suppress(Exception):
                await client.quit(timeout=_GOODBYE)
        finally:
            client.close()

    async def _make_client(self) -> "SMTP":
        from aiosmtplib import SMTP

        server = self._server
        tls = None if server.security is Security.NONE else await asyncio.to_thread(_make_tls, server.ca_file)
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password if server.username else None,
            # The library would ask the name service what this machine is called.
            local_hostname=server.name,
            timeout=server.timeout.total_seconds(),
            use_tls=server.security is Security.TLS,
            # Never "if the server offers it": whoever stands between could take the offer away.
            start_tls=server.security is Security.STARTTLS,
            tls_context=tls,
        )

    async def _connect(self, client: "SMTP") -> None:
        from aiosmtplib import SMTPAuthenticationError, SMTPException

        where = f"{self._server.host}:{self._server.port}"
        try:
            await client.connect()
        except SMTPAuthenticationError as error:
            raise UnavailableError(f"{where} does not take the user name and password: {_spell(error)}") from None
        except ssl.SSLCertVerificationError as error:
            raise UnavailableError(f"{where} does not prove who it is: {error.verify_message}") from None
        except (SMTPException, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise UnavailableError(f"{where} does not prove who it is: {error.__cause__.verify_message}") from None
            if isinstance(error, TimeoutError):
                raise UnavailableError(f"{where} did not answer in time") from None
            raise UnavailableError(f"{where} cannot be used: {_spell(error)}") from None

    async def _hand_over(self, client: "SMTP", to: str, message: "EmailMessage") -> None:
        from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

        where = f"{self._server.host}:{self._server.port}"
        try:
            await client.sendmail(self._server.sender, [to], message.as_bytes())
        except (SMTPException, OSError) as error:
            if isinstance(error, TimeoutError):
                raise UnavailableError(f"{where} did not answer in time") from None
            # One recipient, so one refusal.
            told = error.recipients[0] if isinstance(error, SMTPRecipientsRefused) else error
            refused = isinstance(told, SMTPResponseException) and told.code >= _PERMANENT
            kind = PeerError if refused else UnavailableError
            raise kind(f"{where} did not take the mail: {_spell(told)}") from None

    def _write(self, *, to: str, subject: str, text: str, html: str, message_id: str) -> "EmailMessage":
        from email.headerregistry import Address
        from email.message import EmailMessage
        from email.policy import SMTP as WIRE

        server = self._server
        # Seven bits go through every server, and lines stay short.
        message = EmailMessage(policy=WIRE.clone(cte_type="7bit"))
        local, _, domain = server.sender.rpartition("@")
        # The library loses the quotes of a long name where it breaks the line, and what they hid would be addresses.
        shown = _one_line(server.sender_name.translate(_SPECIALS))[:_MOST_NAME]
        message["From"] = Address(shown, local, domain)
        message["To"] = Address("", *to.split("@"))
        message["Subject"] = _one_line(subject)
        message["Date"] = self._clock.now()
        message["Message-ID"] = message_id
        # No answers from people who are away (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        return message


def _one_line(text: str) -> str:
    """Text for a header. What would end the line is a space, as the library refuses the whole mail for it."""
    return clean_text(" ".join(text.split()), _MOST_SUBJECT)


def _spell(error: Exception) -> str:
    from aiosmtplib import SMTPResponseException

    said = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else str(error)
    return clean_text(" ".join(said.split()), _MOST_SAID)


def _make_tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError:  # `ssl.SSLError` is one
            raise UnavailableError(f"the authorities in {ca_file} cannot be read") from None
    return context
