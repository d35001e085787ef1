"""Changing an account: its names and address, its groups, its rights, and whether it may come in.

All that is asked for is done in one transaction or none of it is, and one place decides whether it takes a right away.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar, cast

from doorward.errors import ConflictError
from doorward.flows.accepting import accept_groups, accept_profile
from doorward.flows.acting import Actor, Named, append, check_actor, check_admin_remains, get_user
from doorward.flows.factors import DemandsFactor
from doorward.flows.letters import Outbox, signature, tell
from doorward.flows.outcome import Unacceptable
from doorward.flows.rights import take_rights
from doorward.interfaces import Records, Transaction
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be otherwise. None stays as it is; an empty display name becomes the user name."""

    name: str | None = None
    display_name: str | None = None
    email: str | None = None
    groups: tuple[str, ...] | None = None
    is_admin: bool | None = None
    console_only: bool | None = None
    enabled: bool | None = None


class Changing:
    """Changes by administrators. Errors as in `flows.people`."""

    def __init__(self, *, records: Records, demands: DemandsFactor, outbox: Outbox | None = None) -> None:
        self._records = records
        self._demands = demands
        self._outbox = outbox

    async def change_user(
        self, actor: Actor, login: Named, change: Change, *, seen: str = "", now: datetime
    ) -> User | Unacceptable:
        """Change all of it, which counts at once: an administrator answers for the address.

        Whoever loses a right has all sessions ended; so does who gets another name or address, being another one to
        the rules, and who becomes one of those of whom policy demands a second factor. What is already as asked is no
        change. `seen` is the `version_of` what was looked at: ConflictError where somebody else changed it since
        (R08), or where a name is taken.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            if seen and seen != version_of(user):
                raise ConflictError("somebody else changed this account meanwhile")
            wanted = _apply(change, user)
            if isinstance(wanted, Unacceptable) or wanted == user:
                return wanted
            return await self._write(transaction, actor, user, wanted, now)

    async def edit_user(
        self,
        actor: Actor,
        login: Named,
        *,
        name: str,
        display_name: str,
        email: str,
        seen: str = "",
        now: datetime,
    ) -> User | Unacceptable:
        """Change an account's names and address, as `change_user` does."""
        change = Change(name=name, display_name=display_name, email=email)
        return await self.change_user(actor, login, change, seen=seen, now=now)

    async def set_groups(
        self, actor: Actor, login: Named, groups: Iterable[str], *, now: datetime
    ) -> User | Unacceptable:
        """Set an account's groups; all its sessions end when it loses one."""
        return await self.change_user(actor, login, Change(groups=tuple(groups)), now=now)

    async def set_enabled(self, actor: Actor, login: Named, enabled: bool, *, now: datetime) -> User:
        """Disable (all its sessions end) or enable an account, which lets it in if it waits for that."""
        return await self._set(actor, login, Change(enabled=enabled), now)

    async def set_admin(self, actor: Actor, login: Named, is_admin: bool, *, now: datetime) -> User:
        """Make somebody an administrator, or no more (all their sessions end). A provider's word stands beside it."""
        return await self._set(actor, login, Change(is_admin=is_admin), now)

    async def set_console_only(self, actor: Actor, login: Named, console_only: bool, *, now: datetime) -> User:
        """Keep an account to our own pages (its sessions end), or let it use apps again (D-06)."""
        return await self._set(actor, login, Change(console_only=console_only), now)

    async def _set(self, actor: Actor, login: Named, change: Change, now: datetime) -> User:
        # Nothing of it was typed, so nothing of it can be unacceptable.
        return cast("User", await self.change_user(actor, login, change, now=now))

    async def _write(self, transaction: Transaction, actor: Actor, user: User, wanted: User, now: datetime) -> User:
        if not (wanted.administers and wanted.enabled):
            await check_admin_remains(transaction, user)
        if wanted.is_admin and not wanted.is_service and not await transaction.is_set_up():
            await transaction.claim_first_admin(user.id, now)
        # SECURITY: nobody administers in a session that began with less than an administrator has to show.
        # tests/unit/test_changing.py makes somebody one.
        if _loses(user, wanted) or await self._asks_more(transaction, user, wanted):
            wanted = await take_rights(transaction, user, wanted)
        else:
            await transaction.advance_user(user, wanted)
        if user.awaits_approval and not wanted.awaits_approval:
            await tell(self._outbox, transaction, LetterKind.REGISTRATION_APPROVED, wanted, now)
        if user.email != wanted.email:
            said = await signature(transaction, actor, now)
            await tell(self._outbox, transaction, LetterKind.EMAIL_CHANGED, user, now, said)
        await _record(transaction, actor, user, wanted, now)
        return wanted

    async def _asks_more(self, transaction: Transaction, user: User, wanted: User) -> bool:
        return await self._demands(transaction, wanted) and not await self._demands(transaction, user)


def version_of(user: User) -> str:
    """What stands for an account as it is now in a form, so that a stale one undoes nothing (R08)."""
    shown = (
        user.generation,
        user.name,
        user.display_name,
        user.email,
        sorted(user.groups),
        user.is_admin,
        user.console_only,
        user.enabled,
    )
    return hashlib.sha256(repr(shown).encode("utf-8")).hexdigest()[:32]


def _apply(change: Change, user: User) -> User | Unacceptable:
    """The account as it is wanted, with every problem at once."""
    wanted = replace(
        user,
        is_admin=_pick(change.is_admin, user.is_admin),
        console_only=_pick(change.console_only, user.console_only),
        enabled=_pick(change.enabled, user.enabled),
        # Whoever enables an account has let it in.
        awaits_approval=user.awaits_approval and not change.enabled,
    )
    problems: tuple[tuple[str, str], ...] = ()
    if (change.name, change.display_name, change.email) != (None, None, None):
        profile = accept_profile(
            name=_pick(change.name, user.name),
            display_name=_pick(change.display_name, user.display_name),
            email=_pick(change.email, user.email),
            present=user.name,
        )
        if isinstance(profile, Unacceptable):
            problems += profile.problems
        else:
            wanted = replace(wanted, name=profile.name, display_name=profile.display_name, email=profile.email)
    if change.groups is not None:
        groups = accept_groups(change.groups)
        if isinstance(groups, Unacceptable):
            problems += groups.problems
        else:
            wanted = replace(wanted, groups=groups)
    return Unacceptable(problems) if problems else wanted


def _loses(user: User, wanted: User) -> bool:
    """Whether the account may do less than before, or is another one to the rules."""
    return (
        (wanted.name, wanted.email) != (user.name, user.email)
        or not user.groups <= wanted.groups
        or user.is_admin > wanted.is_admin
        or user.console_only < wanted.console_only
        or user.enabled > wanted.enabled
    )


async def _record(transaction: Transaction, actor: Actor, user: User, changed: User, now: datetime) -> None:
    """Write down each thing that is otherwise."""
    if (changed.name, changed.display_name, changed.email) != (user.name, user.display_name, user.email):
        private = {"name": changed.name, "name_before": user.name, "email_before": user.email}
        await append(transaction, actor, Act.USER_UPDATED, user.id, now, private=private)
    if changed.groups != user.groups:
        public = {"before": ",".join(sorted(user.groups)), "after": ",".join(sorted(changed.groups))}
        await append(transaction, actor, Act.USER_GROUPS, user.id, now, public)
    rights = {"admin": (user.is_admin, changed.is_admin), "console_only": (user.console_only, changed.console_only)}
    for right, (before, after) in rights.items():
        if before != after:
            await append(transaction, actor, Act.USER_UPDATED, user.id, now, {right: "yes" if after else "no"})
    if changed.enabled != user.enabled:
        act = Act.USER_ENABLED if changed.enabled else Act.USER_DISABLED
        await append(transaction, actor, act, user.id, now)


def _pick(wanted: _T | None, present: _T) -> _T:
    return present if wanted is None else wanted
