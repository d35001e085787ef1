"""The secrets we show apps in people's names: set and removed by administrators, told to nobody, opened for the gate.

The configuration names them (`apps`), and the store has them sealed: who keeps the one need not know the other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from doorward.errors import Clash, ConflictError, NotFoundError, UnavailableError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.following import Following
from doorward.interfaces import Keyring, LiveView, Records
from doorward.rules.app_header import parse_secret, parse_secret_name, write_headers
from doorward.rules.app_key import AppSecret
from doorward.rules.audit import Act
from doorward.rules.envelope import Place
from doorward.rules.identity import User
from doorward.rules.policy import App, Policy


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret without its value. `changed_at`: None where the configuration names it and there is none.

    `apps`: the names of those that are shown it, in the configuration's order.
    """

    name: str
    changed_at: datetime | None
    apps: tuple[str, ...] = ()


class AppSecrets:
    """What administrators do with them. A web actor must be an enabled administrator at the moment of the act."""

    def __init__(self, *, records: Records, keyring: Keyring, policy: Callable[[], Policy]) -> None:
        self._records = records
        self._keyring = keyring
        self._policy = policy

    async def look(self, actor: Actor) -> list[Listed]:
        """All there are, and all that the configuration names, by name."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            stored = {secret.name: secret.changed_at for secret in await transaction.list_app_secrets()}
        named = find_named(self._policy())
        return [Listed(name, stored.get(name), named.get(name, ())) for name in sorted({*stored, *named})]

    async def put(self, actor: Actor, name: str, value: str, *, now: datetime) -> None:
        """Set one, in place of any of this name. It counts at the next check."""
        name, value = parse_secret_name(name), parse_secret(value)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = {secret.name for secret in await transaction.list_app_secrets()}
            await transaction.put_app_secret(AppSecret(name, self._keyring.seal(_place(name), value.encode()), now))
            public = {"secret": name, "replaced": "yes" if name in known else "no"}
            await append(transaction, actor, Act.APP_SECRET_SET, "system", now, public)

    async def remove(self, actor: Actor, name: str, *, now: datetime) -> None:
        """Forget one. ConflictError while the configuration names it: its apps would be shut."""
        if apps := find_named(self._policy()).get(name):
            raise ConflictError(f"the configuration shows it to {', '.join(apps)}", Clash.NEEDED)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if not await transaction.remove_app_secret(name):
                raise NotFoundError(f"there is no secret {name!r}")
            await append(transaction, actor, Act.APP_SECRET_REMOVED, "system", now, {"secret": name})

    async def find_missing(self) -> list[Listed]:
        """Those that the configuration names and that are not there: their apps let nobody in."""
        async with self._records.transaction() as transaction:
            stored = {secret.name for secret in await transaction.list_app_secrets()}
        named = find_named(self._policy())
        return [Listed(name, None, apps) for name, apps in sorted(named.items()) if name not in stored]


class ShownHeaders:
    """What the gate shows apps: their headers, with secrets that are opened once and forgotten as anything changes.

    SECURITY: looked at with the store's stamp, as sessions are: who changes a secret because it is known elsewhere has
    it changed at the very next check, by whatever process. tests/unit/test_app_secrets.py would fail.
    """

    def __init__(self, view: LiveView, keyring: Keyring) -> None:
        self._view = view
        self._keyring = keyring
        self._following = Following(view)
        self._sealed: Mapping[str, str] = {}
        self._opened: dict[str, str] = {}

    def render(self, app: App, user: User | None, groups: Collection[str]) -> tuple[tuple[bytes, bytes], ...]:
        """Every header of this app's, each once; all empty where there is nobody.

        UnavailableError where a secret is missing or cannot stand in a header, TamperError where it does not open.
        """
        written = write_headers(app.headers, user, groups, self.find)
        if written is None:
            raise UnavailableError(f"a secret that {app.name} is shown is missing, or none that a header can hold")
        return written

    def find(self, name: str) -> str | None:
        """The secret of this name; None where there is none. TamperError where it does not open."""
        self._following.follow(self._take_up)
        opened = self._opened.get(name)
        if opened is None and name in self._sealed:
            opened = self._keyring.unseal(_place(name), self._sealed[name]).decode()
            self._opened[name] = opened
        return opened

    def _take_up(self) -> None:
        self._sealed = self._view.list_app_secrets()
        self._opened.clear()


def find_named(policy: Policy) -> dict[str, tuple[str, ...]]:
    """The names of the secrets that apps are shown, and the apps'."""
    named: dict[str, tuple[str, ...]] = {}
    for app in policy.apps:
        for name in sorted({secret for header in app.headers for secret in header.secrets}):
            named[name] = (*named.get(name, ()), app.name)
    return named


def _place(name: str) -> Place:
    return Place("app_secrets", "sealed", name)
