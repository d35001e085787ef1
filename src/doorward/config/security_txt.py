"""The settings of `/.well-known/security.txt` (RFC 9116)."""

import re
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from doorward.config.section import Section
from doorward.config.values import Many, read_text, refuse

_CONTACT: Final = re.compile(r"(?:mailto:[^\s@]+@[^\s@]+|https://[^\s/]+\S*|tel:\+[0-9-]+)", re.ASCII)
_PAGE: Final = re.compile(r"https://[^\s/]+\S*", re.ASCII)


def parse_contact(value: object) -> str:
    """Read a contact as RFC 9116 has them."""
    hint = "write mailto:security@example.com, https://example.com/security or tel:+49-30-1234"
    text = read_text(value, hint)
    if not _CONTACT.fullmatch(text):
        raise refuse(f"{text!r} is no contact", hint)
    return text


def parse_page(value: object) -> str:
    """Read the address of a page; "" for none."""
    hint = "write https://example.com/security-policy"
    text = read_text(value, hint)
    if text and not _PAGE.fullmatch(text):
        raise refuse(f"{text!r} is no address of a page", hint)
    return text


class SecurityTxt(Section):
    """Where somebody who found a weakness turns to: `/.well-known/security.txt`."""

    contact: Many[Annotated[str, PlainValidator(parse_contact)]] = Field(
        default=(),
        description="Who is to be told, the preferred one first: `mailto:`, `https:` or `tel:` addresses. Without any "
        "there is no such page.",
    )
    policy: Annotated[str, PlainValidator(parse_page)] = Field(
        default="", description="The address of a page that says how reports are dealt with."
    )
