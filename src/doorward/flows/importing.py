"""Accounts that come from elsewhere: shown first, then taken in all at once (D-40).

A preview writes nothing and nothing is kept of it: it ends in a token, which is a digest of the file, of the choices
and of the accounts that are here. Whoever applies brings the same file and that token, the plan is made anew in the
transaction that carries it out, and where it came out otherwise nothing is done.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from doorward.errors import ConflictError, InputError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.letters import Outbox, signature, tell
from doorward.flows.methods.password import place_of
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.opening import HANDLE_SIZE, encode
from doorward.flows.rights import take_rights
from doorward.interfaces import Keyring, Random, Records, StoredPassword, Transaction
from doorward.rules.audit import Act
from doorward.rules.identity import User, UserId
from doorward.rules.importing import Choices, Deed, Incoming, Origin, Problem, Reading, Step, make_plan, make_token
from doorward.rules.letter import LetterKind
from doorward.rules.totp import NO_STEP

_APP: Final = "Authenticator app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of accounts, and what has to be said to read it. `origin` None: it shows by itself.

    `name` and `email` are for the account of a Traefik Manager, which has none; `fernet_key` opens its second factor.
    """

    raw: bytes = field(repr=False)
    origin: Origin | None = None
    name: str = ""
    email: str = ""
    fernet_key: str = field(default="", repr=False)
    without_totp: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a source, and what it turned out to be."""

    origin: Origin
    reading: Reading


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do, or with `applied` has done. No token: there are problems, or nothing to do."""

    origin: Origin
    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    token: str = ""
    applied: bool = False

    def count(self, deed: Deed) -> int:
        """How many accounts this becomes of."""
        return sum(step.deed is deed for step in self.steps)


ReadSource = Callable[[Source, frozenset[str]], Read]
"""Reads a source, without looking at accounts that are left out; InputError where nobody can tell what it is."""


class Importing:
    """Import and export of accounts. A web actor must be an enabled administrator, as in `flows.people`."""

    def __init__(
        self, *, records: Records, keyring: Keyring, random: Random, read: ReadSource, outbox: Outbox | None = None
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._totp = TotpMethod(keyring=keyring)
        self._random = random
        self._read = read
        self._outbox = outbox

    async def preview(self, actor: Actor, source: Source, choices: Choices) -> Preview:
        """Say what importing would do; nothing is written."""
        read = self._read(source, choices.skip)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            users = await transaction.list_users()
        return _preview(read, source, choices, users, actor)

    async def apply(self, actor: Actor, source: Source, choices: Choices, token: str, *, now: datetime) -> Preview:
        """Do what the preview of this token has shown, all of it in one transaction.

        ConflictError where it would be something else by now; InputError where the file has problems.
        """
        read = self._read(source, choices.skip)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            plan = _preview(read, source, choices, await transaction.list_users(), actor)
            if plan.problems:
                raise InputError("; ".join(problem.sentence for problem in plan.problems))
            if not plan.token or not hmac.compare_digest(plan.token.encode(), token.encode()):
                raise ConflictError("the file, the choices or the accounts here are not those of the preview")
            for step in plan.steps:
                if step.deed is Deed.ADD:
                    await self._add(transaction, actor, step.incoming, choices, plan.origin, now)
                elif step.present is not None and step.wanted is not None:
                    await self._change(transaction, actor, step.incoming, step.present, step.wanted, plan.origin, now)
        return replace(plan, applied=True)

    async def export(self, actor: Actor, *, secrets: bool, now: datetime) -> tuple[Incoming, ...]:
        """Every account; with `secrets` also password hashes and authenticator apps, unsealed. Audited.

        What providers grant stays out: it comes and goes with their word.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            users = await transaction.list_users()
            accounts = [await self._export_one(transaction, user, secrets=secrets) for user in users]
            public = {"count": str(len(accounts)), "secrets": "yes" if secrets else "no"}
            await append(transaction, actor, Act.USERS_EXPORTED, actor.id, now, public)
        return tuple(accounts)

    async def _export_one(self, transaction: Transaction, user: User, *, secrets: bool) -> Incoming:
        password, totp = "", b""
        if secrets:
            stored = await transaction.find_password(user.id)
            if stored is not None:
                password = self._keyring.unseal(place_of(user.id), stored.sealed).decode("utf-8")
            factor = (await transaction.find_factors(user.id)).totp
            if factor is not None:
                totp = self._totp.reveal(factor)
        return Incoming(
            path=user.name,
            name=user.name,
            display_name=user.display_name,
            email=user.email,
            groups=user.groups,
            enabled=user.enabled,
            is_admin=user.is_admin,
            must_change_password=user.must_change_password,
            console_only=user.console_only,
            language=user.language,
            is_service=user.is_service,
            password=password,
            totp=totp,
        )

    async def _add(
        self,
        transaction: Transaction,
        actor: Actor,
        account: Incoming,
        choices: Choices,
        origin: Origin,
        now: datetime,
    ) -> None:
        user = User(
            id=UserId(encode(self._random.token(HANDLE_SIZE))),
            name=account.name,
            display_name=account.display_name,
            email=account.email,
            groups=account.groups,
            is_admin=bool(account.is_admin) and choices.keep_admin,
            enabled=account.enabled,
            generation=1,
            created_at=now,
            must_change_password=account.must_change_password,
            console_only=bool(account.console_only),
            language=account.language or "",
            is_service=account.is_service,
        )
        if user.is_admin and not user.is_service and not await transaction.is_set_up():
            await transaction.claim_first_admin(user.id, now)
        await transaction.add_user(user)
        await self._put_secrets(transaction, user, account, now)
        await _record(transaction, actor, user, account, Deed.ADD, origin, now)

    async def _change(
        self,
        transaction: Transaction,
        actor: Actor,
        account: Incoming,
        present: User,
        wanted: User,
        origin: Origin,
        now: datetime,
    ) -> None:
        if wanted.is_admin and not wanted.is_service and not await transaction.is_set_up():
            await transaction.claim_first_admin(present.id, now)
        # Whatever changes, they sign in again: it is the account of the file from now on (J04).
        changed = await take_rights(transaction, present, wanted)
        await self._put_secrets(transaction, changed, account, now)
        await _record(transaction, actor, changed, account, Deed.CHANGE, origin, now)
        said = await signature(transaction, actor, now)
        if present.email != changed.email:
            await tell(self._outbox, transaction, LetterKind.EMAIL_CHANGED, present, now, said)
        if account.password:
            await tell(self._outbox, transaction, LetterKind.PASSWORD_CHANGED, changed, now, said)
        if account.totp:
            told = {**said, "factor": _APP}
            await tell(self._outbox, transaction, LetterKind.FACTOR_ADDED, changed, now, told)

    async def _put_secrets(self, transaction: Transaction, user: User, account: Incoming, now: datetime) -> None:
        if account.password:
            sealed = self._keyring.seal(place_of(user.id), account.password.encode("utf-8"))
            await transaction.put_password(user.id, StoredPassword(sealed, now))
        if account.totp:
            await transaction.put_totp(self._totp.make(user.id, account.totp, step=NO_STEP, now=now))


def _preview(read: Read, source: Source, choices: Choices, users: Sequence[User], actor: Actor) -> Preview:
    reading = read.reading
    steps = make_plan(reading.accounts, users, choices, actor=actor.user_id or "")
    unknown = choices.skip - {account.name for account in reading.accounts}
    problems = reading.problems
    if not problems:
        problems = tuple(Problem("--skip", f"there is no account {name} in the file") for name in sorted(unknown))
    does = not problems and any(step.deed in {Deed.ADD, Deed.CHANGE} for step in steps)
    token = make_token(_identify(read, source), choices, steps) if does else ""
    return Preview(read.origin, () if problems else steps, problems, reading.notices, token)


def _identify(read: Read, source: Source) -> bytes:
    """Everything that decides what is read of a source. The key that opens it shows in what was read."""
    said = repr((read.origin.value, source.name, source.email, source.without_totp)).encode("utf-8")
    return b"%d:%s%s" % (len(said), said, source.raw)


async def _record(
    transaction: Transaction, actor: Actor, user: User, account: Incoming, deed: Deed, origin: Origin, now: datetime
) -> None:
    public = {
        "deed": deed.value,
        "from": origin.value,
        "admin": "yes" if user.is_admin else "no",
        "enabled": "yes" if user.enabled else "no",
        "groups": ",".join(sorted(user.groups)),
        "password": "yes" if account.password else "no",
        "totp": "yes" if account.totp else "no",
    }
    await append(transaction, actor, Act.USER_IMPORTED, user.id, now, public, {"name": user.name})
