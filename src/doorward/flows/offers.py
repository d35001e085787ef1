"""What is being set up and counts for nothing yet: a secret in a ticket, until its owner confirms it."""

from datetime import datetime, timedelta
from typing import Final

from doorward.flows.opening import encode
from doorward.flows.tickets import TICKET_SIZE, find_bound, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Random, Tickets, Transaction
from doorward.rules.envelope import Place
from doorward.rules.factor import Factors
from doorward.rules.identity import User, UserId
from doorward.rules.ticket import Purpose, Ticket, TicketId

SETUP_LIFETIME: Final = timedelta(minutes=15)
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)


class Offers:
    """Tickets for factors, bound to browser, account and session generation; their secrets are sealed."""

    def __init__(self, *, tickets: Tickets, keyring: Keyring, random: Random) -> None:
        self._tickets = tickets
        self._keyring = keyring
        self._random = random

    async def put(
        self, user: User, visitor: Visitor, purpose: Purpose, secret: bytes, *, stamp: str = "", now: datetime
    ) -> str:
        """Keep `secret`; the token to find it with. `stamp`: what the offer is to take the place of."""
        token = encode(self._random.token(TICKET_SIZE))
        name = ticket_id(token)
        state = {
            "user": user.id,
            "generation": str(user.generation),
            "sealed": self._keyring.seal(_place_of(name), secret),
            "stamp": stamp,
        }
        lifetime = CHALLENGE_LIFETIME if purpose is Purpose.PASSKEY else SETUP_LIFETIME
        await self._tickets.put(Ticket(name, purpose, visitor.browser, state, now, now + lifetime))
        return token

    async def find(self, user: User, visitor: Visitor, token: str, purpose: Purpose, *, now: datetime) -> Ticket | None:
        """The offer, if it was made for this account in this browser. Looking uses nothing up."""
        ticket = await find_bound(self._tickets, token, purpose, visitor, now=now)
        return ticket if ticket is not None and ticket.state["user"] == user.id else None

    async def take(self, ticket: Ticket, *, now: datetime) -> bool:
        """Use the offer up: true once, however many ask."""
        return await self._tickets.take(ticket.id, ticket.purpose, now) is not None

    def open(self, ticket: Ticket) -> bytes:
        """The secret."""
        return self._keyring.unseal(_place_of(ticket.id), ticket.state["sealed"])


async def find_present(transaction: Transaction, ticket: Ticket) -> tuple[User | None, Factors]:
    """The account of an offer as it is now; None where it lost a right since the offer was made (docs/adr 0007)."""
    user_id = UserId(ticket.state["user"])
    user = await transaction.find_user(user_id)
    gone = user is None or not user.enabled or str(user.generation) != ticket.state["generation"]
    return None if gone else user, await transaction.find_factors(user_id)


def _place_of(ticket: TicketId) -> Place:
    return Place("tickets", "sealed", ticket.hex())
