"""What the flows ask of the mail: a place in the queue, in the transaction of the act that a letter is about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from doorward.flows.acting import Actor
from doorward.flows.visitor import Visitor
from doorward.interfaces import Transaction
from doorward.rules.identity import User, UserId
from doorward.rules.language import choose
from doorward.rules.letter import LetterKind

AN_ADMINISTRATOR: Final = "An administrator"
"""Who did it, where a letter cannot say which: in our words, translated as the letter is written."""


class Outbox(Protocol):
    """The queue (`flows.post.Post`)."""

    @property
    def is_open(self) -> bool:
        """Whether mail is set up."""
        ...

    async def queue(
        self,
        transaction: Transaction,
        kind: LetterKind,
        *,
        to: str,
        language: str,
        values: Mapping[str, str],
        user_id: str,
        now: datetime,
    ) -> None:
        """Queue one letter, with everything else of the transaction or not at all."""
        ...


async def tell(
    outbox: Outbox | None,
    transaction: Transaction,
    kind: LetterKind,
    user: User,
    now: datetime,
    values: Mapping[str, str] | None = None,
) -> None:
    """Tell somebody, at the address of their account; nothing where it has none or mail is not set up."""
    if user.email and outbox is not None and outbox.is_open:
        said = {"name": user.display_name, **(values or {})}
        language = choose("", own=user.language)
        await outbox.queue(transaction, kind, to=user.email, language=language, values=said, user_id=user.id, now=now)


async def tell_last(
    outbox: Outbox | None,
    transaction: Transaction,
    kind: LetterKind,
    user: User,
    now: datetime,
    values: Mapping[str, str],
) -> None:
    """Like `tell`, where the account goes: letters about it go with it, so this one is about none."""
    await tell(outbox, transaction, kind, replace(user, id=UserId("")), now, values)


def tell_time(instant: datetime) -> str:
    """An instant as letters say it, in every language."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def circumstances(visitor: Visitor, now: datetime) -> dict[str, str]:
    """What a letter says of when and from where something was done."""
    return {"at": tell_time(now), "device": visitor.agent_text, "address": visitor.address_text}


async def signature(transaction: Transaction, actor: Actor, now: datetime) -> dict[str, str]:
    """What a letter says of what an administrator did."""
    return {"at": tell_time(now), "by": await name_of(transaction, actor) or AN_ADMINISTRATOR}


async def name_of(transaction: Transaction, actor: Actor) -> str:
    """The name to show of who acts; the command line has none to give."""
    user = await transaction.find_user(actor.user_id) if actor.user_id is not None else None
    return "" if user is None else user.display_name
