"""Taking keys for apps back without their owners: all there are, in the transaction of what makes that necessary."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from doorward.flows.acting import Actor, append
from doorward.flows.letters import signature
from doorward.flows.notify import Notify
from doorward.interfaces import Transaction
from doorward.rules.app_key import AppKey
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind

MOST_NAMES: Final = 5
"""So many things a letter names."""


async def end_all_keys(transaction: Transaction, notify: Notify, actor: Actor, now: datetime) -> int:
    """Revoke everybody's keys and tell their owners; how many there were. One record says so: there may be many."""
    keys = await transaction.list_app_keys()
    if keys:
        await transaction.remove_app_keys([key.id for key in keys])
        public = {"key": "all", "count": str(len(keys))}
        await append(transaction, actor, Act.APP_KEY_REVOKED, "system", now, public)
        users = {user.id: user for user in await transaction.list_users()}
        await tell_owners(transaction, notify, actor, [(key, users[key.user_id]) for key in keys], now)
    return len(keys)


async def tell_owners(
    transaction: Transaction, notify: Notify, actor: Actor, pairs: Sequence[tuple[AppKey, User]], now: datetime
) -> None:
    """Write to everybody whose keys these were, but for who took them back: a letter each."""
    names: dict[User, list[str]] = {}
    for key, owner in pairs:
        names.setdefault(owner, []).append(key.name)
    signed = await signature(transaction, actor, now)
    for owner, own in names.items():
        if owner.id != actor.user_id:
            await notify(transaction, LetterKind.KEY_REVOKED, owner, {"key": _join(own), **signed}, now)


def _join(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f", +{more}" if more > 0 else "")
