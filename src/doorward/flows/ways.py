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
from doorward.rules.identity import User
from doorward.rules.provider import Provider
from doorward.rules.provider_form import from_settings
from doorward.rules.upstream import StoredProvider
from doorward.rules.ways import (
    OFF,
    ON,
    PASSWORD_SETTING,
    PasswordWay,
    decide_password,
    decide_straight,
    list_usable,
    may_close,
    merge,
)

CLIENT_SECRET: Final = "client_secret"  # noqa: S105 -- a column's name
PRIVATE_KEY: Final = "private_key"


@dataclass(frozen=True, slots=True)
class Known:
    """Every provider there is, enabled or not. `shadowed`: those of the console that do not count, with the reason."""

    providers: tuple[Provider, ...]
    shadowed: tuple[tuple[Provider, str], ...] = ()

    @property
    def enabled(self) -> tuple[Provider, ...]:
        """Those that people may use."""
        return tuple(provider for provider in self.providers if provider.enabled)


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
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._log = log
        self._file_providers = file_providers
        self._password_in_file = password_in_file
        self._straight = straight

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
        """Every provider, as this transaction sees them."""
        stored = [provider for each in await transaction.list_providers() if (provider := self._open(each)) is not None]
        providers, shadowed = merge(self._file_providers(), stored)
        return Known(providers, tuple((each, shadowed[each.id]) for each in stored if each.id in shadowed))

    async def decide(self, transaction: Transaction, enabled: Sequence[Provider]) -> PasswordWay:
        """How it stands with passwords where `enabled` are the providers that people may use."""
        setting = await transaction.find_setting(PASSWORD_SETTING)
        in_file = self._password_in_file()
        wanted_off = setting == OFF or (setting is None and not in_file)
        return decide_password(
            setting=setting,
            in_file=in_file,
            providers=enabled,
            admin_through=wanted_off and await _came_through(transaction, enabled),
        )

    def _open(self, stored: StoredProvider) -> Provider | None:
        """Read a provider of the console. One that does not open is left out: it must not take the others along."""
        try:
            return from_settings(
                stored,
                client_secret=self._unseal(stored, CLIENT_SECRET, stored.client_secret),
                private_key=self._unseal(stored, PRIVATE_KEY, stored.private_key),
            )
        except TamperError as error:
            self._log.error("provider_unreadable", provider=stored.id, error=str(error))
            return None

    def _unseal(self, stored: StoredProvider, column: str, sealed: str) -> str:
        return self._keyring.unseal(Place("providers", column, stored.id), sealed).decode("utf-8") if sealed else ""


async def _came_through(transaction: Transaction, enabled: Sequence[Provider]) -> bool:
    for user in await transaction.list_users():
        if user.enabled and user.administers and may_close(user, await transaction.list_identities(user.id), enabled):
            return True
    return False
