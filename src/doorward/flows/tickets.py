"""What a sign-in that is under way remembers: tickets bound to a browser, and the address to go back to."""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from doorward.errors import InputError
from doorward.flows.visitor import Visitor
from doorward.interfaces import Tickets
from doorward.rules.ticket import Purpose, Ticket, TicketId

TICKET_SIZE: Final = 32

ParseReturn = Callable[[str], str]
"""`rules.redirect.parse_return_url` with our address and the present policy: raw to absolute URL, or InputError."""


def ticket_id(token: str) -> TicketId:
    """What a ticket is stored under."""
    return TicketId(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())


async def find_bound(
    tickets: Tickets, token: str, purpose: Purpose, visitor: Visitor, *, now: datetime
) -> Ticket | None:
    """The ticket, if it was made for this browser. A stranger's look neither takes nor spoils it (K02, H01)."""
    ticket = await tickets.find(ticket_id(token), purpose, now)
    if ticket is None or not visitor.browser or not hmac.compare_digest(ticket.browser, visitor.browser):
        return None
    return ticket


def vet(parse_return: ParseReturn, return_to: str | None) -> tuple[str, bool]:
    """Absolute URL and whether one was given and refused. Asked again at use, so a new policy counts (D15)."""
    if not return_to:
        return "", False
    with suppress(InputError):
        return parse_return(return_to), False
    return "", True
