"""The settings of outgoing mail."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator
from typing_extensions import override

from doorward.config.section import Section
from doorward.config.values import Duration, SecretValue, Text, Whole, read_text, refuse
from doorward.errors import InputError
from doorward.rules.names import parse_display_name, parse_email
from doorward.rules.request import parse_host

_NAMED: Final = re.compile(r"([^<>]*)<([^<>]*)>")
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail is from: an address, and the name that is shown beside it."""

    name: str
    address: str

    @override
    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


def parse_sender(value: object) -> Sender:
    """Read `door@example.com` or `Example Inc. <door@example.com>`.

    SECURITY: no line ends, or it could add headers (tests/unit/test_config_mail.py).
    """
    if isinstance(value, Sender):
        return value
    hint = "write doorward@example.com or Doorward <doorward@example.com>"
    text = read_text(value, hint)
    named = _NAMED.fullmatch(text)
    name, address = (named[1].strip(), named[2]) if named else ("", text)
    try:
        return Sender(parse_display_name(name) if name else "", parse_email(address))
    except InputError as error:
        raise refuse(f"{text!r}: {error}", hint) from None


def parse_mail_host(value: object) -> str:
    """Read the host of a mail server, without a port."""
    hint = "write smtp.example.com; the port is a setting of its own"
    text = read_text(value, hint)
    try:
        host, port = parse_host(text) if text else ("", "")
    except InputError:
        raise refuse(f"{text!r} is not a host", hint) from None
    if port:
        raise refuse(f"{text!r} has a port", hint)
    return host.strip("[]")


class Mail(Section):
    """Outgoing mail. Without a `host` none is sent: links are then handed out by an administrator."""

    host: Annotated[str, PlainValidator(parse_mail_host)] = Field(
        default="", description="The server that takes our mail. Unset: mail is off."
    )
    port: Whole | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its port. Unset: 587 with `starttls`, 465 with `tls`, 25 with `none`.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls`: begin readably and refuse to go on unless the server encrypts. `tls`: encrypted from "
        "the first byte. `none`: readable all the way.",
    )
    username: Text = Field(default="", description="User name, if the server asks for one.")
    password: SecretValue | None = Field(default=None, description="Password, if the server asks for one.")
    sender: Annotated[Sender | None, PlainValidator(parse_sender)] = Field(
        default=None,
        description="Who our mails are from: `doorward@example.com` or `Doorward <doorward@example.com>`. "
        "Also spelled `from`.",
    )
    ca_file: Text = Field(
        default="", description="A file with certificates (PEM) of authorities to trust besides the usual ones."
    )
    timeout: Duration = Field(default=timedelta(seconds=30), description="The longest that sending one mail may take.")

    @property
    def is_on(self) -> bool:
        """Whether mail is sent at all."""
        return bool(self.host)

    @property
    def effective_port(self) -> int:
        """The port to use."""
        return self.port or _PORTS[self.security]
