"""The ways of signing in that are open: to everybody, and to one account (docs/adr 0022)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.errors import TamperError
from doorward.flows.admin import Actor, check_actor
from doorward.flows.outcome import OpenWays
from doorward.interfaces import Keyring, Log, Records, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.identity import User, UserId
from doorward.rules.provider import Kind, Provider, ProviderId, check_provider
from doorward.rules.provider_form import from_settings
from doorward.rules.upstream import StoredProvider
from doorward.rules.ways import (
    ASSERTED_SETTING,
    OFF,
    ON,
    PASSWORD_SETTING,
    PasswordWay,
    decide_password,
    decide_straight,
    is_witness,
    list_usable,
    may_close,
    merge,
)

CLIENT_SECRET: Final = "client_secret"  # noqa: S105 -- a column's name
PRIVATE_KEY: Final = "private_key"


@dataclass(frozen=True, slots=True)
class Known:
    """Every provider there is, enabled or not. `shadowed`: those of the console that do not count, with the reason.

    One whose settings cannot be used stands there with nothing but its name.
    """

    providers: tuple[Provider, ...]
    shadowed: tuple[tuple[Provider, str], ...] = ()

    @property
    def enabled(self) -> tuple[Provider, ...]:
        """Those that people may use."""
        return tuple(provider for provider in self.providers if provider.enabled)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the file and the console had when they were read last, and what was made of it."""

    in_file: tuple[Provider, ...]
    stored: Sequence[StoredProvider]
    known: Known


class Ways:
    """Asked anew at every sign-in: what the file, the console and the accounts say at that moment."""

    def __init__(
        self,
        *,
        records: Records,
        keyring: Keyring,
        log: Log,
        file_providers: Callable[[], tuple[Provider, ...]],
        password_in_file: Callable[[], bool],
        straight: Callable[[], str],
        header: str = "",
    ) -> None:
        """`header` is the one whose word counts for a sign-in, "" where none does."""
        self._records = records
        self._keyring = keyring
        self._log = log
        self._file_providers = file_providers
        self._password_in_file = password_in_file
        self._straight = straight
        self._header = header
        self._opened: dict[ProviderId, tuple[StoredProvider, Provider | str]] = {}
        self._reading: _Reading | None = None
        self._came_through: UserId | None = None

    async def find(self, *, last: str = "", user: User | None = None) -> OpenWays:
        """The open ways. With `user`, those that this account can take; `last` is the provider last used here."""
        async with self._records.transaction() as transaction:
            enabled = (await self.know(transaction)).enabled
            password = (await self.decide(transaction, enabled)).open
            if user is None:
                straight = decide_straight(self._straight(), password_open=password, providers=enabled, last=last)
                return OpenWays(password, enabled, straight)
            has_password = await transaction.find_password(user.id) is not None
            identities = await transaction.list_identities(user.id)
        return OpenWays(password and has_password, list_usable(identities, enabled))

    async def is_password_open(self) -> bool:
        """Whether a password is accepted at this moment."""
        async with self._records.transaction() as transaction:
            return (await self.decide(transaction, (await self.know(transaction)).enabled)).open

    async def find_provider(self, provider_id: str) -> Provider | None:
        """The provider with this id, if it is enabled at this moment."""
        async with self._records.transaction() as transaction:
            enabled = (await self.know(transaction)).enabled
        return next((provider for provider in enabled if provider.id == provider_id), None)

    async def list_all(self) -> list[Provider]:
        """Every provider, enabled or not: the file's in its order, then the console's by name."""
        async with self._records.transaction() as transaction:
            return list((await self.know(transaction)).providers)

    async def describe_password(self) -> PasswordWay:
        """Whether passwords are wanted and open, and why."""
        async with self._records.transaction() as transaction:
            return await self.decide(transaction, (await self.know(transaction)).enabled)

    async def set_password(self, actor: Actor, wanted: bool | None, *, now: datetime) -> PasswordWay:
        """Switch passwords on or off, or with None leave it to the file. How it stands then."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            word = None if wanted is None else ON if wanted else OFF
            await transaction.put_setting(PASSWORD_SETTING, word)
            way = await self.decide(transaction, (await self.know(transaction)).enabled)
            public = {"password": word or "file", "open": "yes" if way.open else "no"}
            await transaction.append_audit(
                AuditEvent(Act.WAYS_CHANGED, actor.id, "system", now, public, dict(actor.private))
            )
        return way

    async def know(self, transaction: Transaction) -> Known:
        """Every provider, as this transaction sees them. While they are the same, so is what is returned."""
        in_file, stored = self._file_providers(), await transaction.list_providers()
        last = self._reading
        if last is None or (last.in_file, last.stored) != (in_file, stored):
            # Each is held against every other one. With many, sign-in pages that do so would hold up the checks.
            last = self._reading = _Reading(in_file, stored, self._read(in_file, stored))
        return last.known

    def _read(self, in_file: Sequence[Provider], listed: Sequence[StoredProvider]) -> Known:
        readable: list[Provider] = []
        unusable: list[tuple[Provider, str]] = []
        opened: dict[ProviderId, tuple[StoredProvider, Provider | str]] = {}
        for stored in listed:
            read = self._open(stored)
            opened[stored.id] = (stored, read)
            if isinstance(read, Provider):
                readable.append(read)
            else:
                unusable.append((_name_only(stored), read))
        self._opened = opened
        providers, shadowed = merge(in_file, readable)
        left_out = [(each, shadowed[each.id]) for each in readable if each.id in shadowed]
        return Known(providers, (*left_out, *unusable))

    async def decide(self, transaction: Transaction, enabled: Sequence[Provider]) -> PasswordWay:
        """How it stands with passwords where `enabled` are the providers that people may use."""
        setting = await transaction.find_setting(PASSWORD_SETTING)
        in_file = self._password_in_file()
        wanted_off = setting == OFF or (setting is None and not in_file)
        return decide_password(
            setting=setting,
            in_file=in_file,
            providers=enabled,
            admin_through=wanted_off
            and (await self._has_admin_through(transaction, enabled) or await self._has_witness(transaction)),
            asserted=bool(self._header),
        )

    async def _has_witness(self, transaction: Transaction) -> bool:
        noted = await transaction.find_setting(ASSERTED_SETTING) if self._header else None
        if noted is None:
            return False
        return is_witness(await transaction.find_user(UserId(noted.partition(":")[2])), self._header, noted)

    async def _has_admin_through(self, transaction: Transaction, enabled: Sequence[Provider]) -> bool:
        # Whoever opens a sign-in page has this asked: so not of every account, and first of who it was last time.
        if self._came_through is not None:
            user = await transaction.find_user(self._came_through)
            if user is not None and may_close(user, await transaction.list_identities(user.id), enabled):
                return True
        for user in await transaction.list_administrators():
            if may_close(user, await transaction.list_identities(user.id), enabled):
                self._came_through = user.id
                return True
        return False

    def _open(self, stored: StoredProvider) -> Provider | str:
        """Read a provider of the console, or say why not. One that cannot be used must not take the others along.

        What was read is kept while what is stored is the same, so that a sign-in page unseals nothing.
        """
        known = self._opened.get(stored.id)
        if known is not None and known[0] == stored:
            return known[1]
        try:
            provider = from_settings(
                stored,
                client_secret=self._unseal(stored, CLIENT_SECRET, stored.client_secret),
                private_key=self._unseal(stored, PRIVATE_KEY, stored.private_key),
            )
        except TamperError as error:
            self._log.error("provider_unreadable", provider=stored.id, error=str(error))
            return "What is stored of it cannot be read. Remove it, and add it again."
        problems = check_provider(provider)
        if problems:
            self._log.error("provider_unusable", provider=stored.id, problems=problems)
            return f"It cannot be used as it is stored: {'; '.join(problems)}."
        return provider

    def _unseal(self, stored: StoredProvider, column: str, sealed: str) -> str:
        return self._keyring.unseal(secret_place(column, stored.id), sealed).decode("utf-8") if sealed else ""


def secret_place(column: str, provider_id: ProviderId) -> Place:
    """Where a secret of a provider stands; sealed for there, it opens nowhere else."""
    return Place("providers", column, provider_id)


def _name_only(stored: StoredProvider) -> Provider:
    return Provider(
        id=stored.id, kind=Kind.OIDC, name=stored.id, issuer="", client_id="", enabled=False, from_file=False
    )
