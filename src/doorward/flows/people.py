"""What administrators do to accounts. Every act is audited in its own transaction.

Whatever takes a right away raises the account's session generation in that transaction, so that no sign-in under way
can slip past it (docs/adr 0007; J04).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from doorward.errors import Clash, ConflictError, NotFoundError
from doorward.flows.accepting import PasswordRules, accept_account, accept_password, accept_service, make_user
from doorward.flows.acting import Actor, Named, append, check_actor, check_admin_remains, get_user
from doorward.flows.changing import Changing, version_of
from doorward.flows.factors import EVERY_FACTOR, DemandsFactor, take_all
from doorward.flows.letters import Outbox, signature, tell, tell_last
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.outcome import Unacceptable
from doorward.flows.rights import take_rights
from doorward.interfaces import Random, Records, Sessions, Transaction
from doorward.rules.audit import Act
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterKind

__all__ = ["People", "version_of"]


class People(Changing):
    """Accounts.

    A web actor must be an enabled administrator at the moment of the act: ForbiddenError otherwise, decided inside the
    transaction. Accounts are named by user name or e-mail address: NotFoundError when there is none. No act may leave
    an installation that has enabled administrators without one: ConflictError (R05). `outbox` None tells nobody.
    """

    def __init__(
        self,
        *,
        records: Records,
        sessions: Sessions,
        password: PasswordMethod,
        rules: PasswordRules,
        random: Random,
        demands: DemandsFactor,
        outbox: Outbox | None = None,
    ) -> None:
        super().__init__(records=records, demands=demands, outbox=outbox)
        self._sessions = sessions
        self._password = password
        self._rules = rules
        self._random = random

    async def list_users(self, actor: Actor) -> list[User]:
        """Every account, by name."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            return await transaction.list_users()

    async def list_protected(self, actor: Actor) -> frozenset[UserId]:
        """The accounts that have a second factor."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            return await transaction.list_protected()

    async def add_user(
        self,
        actor: Actor,
        *,
        name: str,
        display_name: str,
        email: str,
        password: str,
        groups: Iterable[str] = (),
        is_admin: bool = False,
        must_change: bool = False,
        console_only: bool = False,
        now: datetime,
    ) -> User | Unacceptable:
        """Add an account. ConflictError when its name or e-mail address is taken.

        The first administrator made this way closes the setup page for ever, as the setup link would (R01). With
        `must_change` the password is good for one sign-in, which asks for another.
        """
        form = accept_account(
            name=name, display_name=display_name, email=email, groups=groups, password=password, rules=self._rules
        )
        if isinstance(form, Unacceptable):
            return form
        user = replace(
            make_user(form, random=self._random, now=now),
            is_admin=is_admin,
            must_change_password=must_change,
            console_only=console_only,
        )
        stored = await self._password.seal(user.id, form.password, now=now)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if is_admin and not await transaction.is_set_up():
                await transaction.claim_first_admin(user.id, now)
            await transaction.add_user(user)
            await transaction.put_password(user.id, stored)
            public = {"admin": "yes" if is_admin else "no", "groups": ",".join(sorted(form.groups))}
            await append(transaction, actor, Act.USER_CREATED, user.id, now, public, {"name": user.name})
        return user

    async def add_service(
        self,
        actor: Actor,
        *,
        name: str,
        display_name: str = "",
        groups: Iterable[str] = (),
        is_admin: bool = False,
        now: datetime,
    ) -> User | Unacceptable:
        """Add the account of a program: it has keys only, and no way to sign in. ConflictError when its name is taken.

        It is nobody's way in, so it closes no setup page, and no installation is left to it alone.
        """
        form = accept_service(name=name, display_name=display_name, groups=groups)
        if isinstance(form, Unacceptable):
            return form
        user = replace(make_user(form, random=self._random, now=now), is_admin=is_admin, is_service=True)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            await transaction.add_user(user)
            public = {
                "service": "yes",
                "admin": "yes" if is_admin else "no",
                "groups": ",".join(sorted(form.groups)),
            }
            await append(transaction, actor, Act.USER_CREATED, user.id, now, public, {"name": user.name})
        return user

    async def set_password(
        self, actor: Actor, login: Named, password: str, *, must_change: bool = False, now: datetime
    ) -> User | Unacceptable:
        """Set an account's password; all its sessions end. `must_change` as in `add_user` (A-17)."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        if user.is_service:
            raise ConflictError("an account of a service has no password", Clash.NO_PASSWORD)
        accepted = accept_password(password, name=user.name, email=user.email, rules=self._rules)
        if isinstance(accepted, Unacceptable):
            return accepted
        stored = await self._password.seal(user.id, accepted, now=now)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            present = await transaction.find_user(user.id)
            if present is None:
                raise NotFoundError("the account was deleted meanwhile")
            await transaction.put_password(user.id, stored)
            changed = await take_rights(transaction, present, replace(present, must_change_password=must_change))
            public = {"must_change": "yes"} if must_change else {}
            await append(transaction, actor, Act.PASSWORD_SET, user.id, now, public)
            said = await signature(transaction, actor, now)
            await tell(self._outbox, transaction, LetterKind.PASSWORD_CHANGED, changed, now, said)
        return changed

    async def delete_user(self, actor: Actor, login: Named, *, now: datetime) -> User:
        """Delete an account with its sessions, and tell its address; its id is never used again (E30)."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            await check_admin_remains(transaction, user)
            # Administrators may delete themselves: who it was is looked up while they are there.
            said = await signature(transaction, actor, now)
            await transaction.end_sessions_of(user.id)
            await transaction.remove_user(user.id)
            await append(transaction, actor, Act.USER_DELETED, user.id, now, private={"name": user.name})
            await tell_last(self._outbox, transaction, LetterKind.ACCOUNT_DELETED, user, now, said)
        return user

    async def force_password_change(self, actor: Actor, login: Named, *, now: datetime) -> User:
        """Have the next sign-in ask for a new password; all sessions end. ConflictError where there is no password."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            if await transaction.find_password(user.id) is None:
                raise ConflictError("this account has no password", Clash.NO_PASSWORD)
            changed = await take_rights(transaction, user, replace(user, must_change_password=True))
            await append(transaction, actor, Act.PASSWORD_FORCED, user.id, now)
        return changed

    async def reset_factors(self, actor: Actor, login: Named, *, now: datetime) -> User:
        """Take all second factors and recovery codes of an account away; all its sessions end (A-17).

        ConflictError for administrators' own.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            # SECURITY: a session that somebody else got hold of must not free itself of the factor. `flows.factors`
            # asks for a code of it (F13), and keeps one where policy demands it. tests/unit/test_people.py tries.
            if user.id == actor.user_id:
                raise ConflictError("one's own factors are not reset but removed", Clash.OWN_FACTORS)
            factors = await take_all(transaction, user)
            # Whoever has to have one gets the time anew: they lost it through no choice of theirs.
            changed = await take_rights(transaction, user, replace(user, enrol_by=None))
            public = {
                "totp": "no" if factors.totp is None else "yes",
                "passkeys": str(len(factors.passkeys)),
                "recovery_codes": str(factors.unused_codes),
            }
            await append(transaction, actor, Act.FACTORS_RESET, user.id, now, public)
            said = {"factor": EVERY_FACTOR, **await signature(transaction, actor, now)}
            await tell(self._outbox, transaction, LetterKind.FACTOR_REMOVED, user, now, said)
        return changed

    async def approve(self, actor: Actor, login: Named, *, now: datetime) -> User:
        """Let in an account that was registered. ConflictError where it does not wait."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await _get_waiting(transaction, login)
            changed = replace(user, enabled=True, awaits_approval=False)
            await transaction.advance_user(user, changed)
            await append(transaction, actor, Act.REGISTRATION_APPROVED, user.id, now)
            await tell(self._outbox, transaction, LetterKind.REGISTRATION_APPROVED, changed, now)
        return changed

    async def refuse(self, actor: Actor, login: Named, *, now: datetime) -> User:
        """Delete an account that was registered and not let in. ConflictError where it does not wait."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await _get_waiting(transaction, login)
            await transaction.remove_user(user.id)
            await append(transaction, actor, Act.REGISTRATION_REFUSED, user.id, now, private={"name": user.name})
        return user


async def _get_waiting(transaction: Transaction, login: Named) -> User:
    user = await get_user(transaction, login)
    if not user.awaits_approval:
        raise ConflictError("this account does not wait to be let in", Clash.NOT_WAITING)
    return user
