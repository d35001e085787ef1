"""Everything but the doors: storage, keys and flows, connected. Enough for the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from doorward.app.assertion import open_assertion_keys
from doorward.app.audit import seal_old_records
from doorward.app.connect import connect_flows
from doorward.app.parts import Parts, PolicyInForce
from doorward.app.rotation import renew_older_form
from doorward.app.settings import mfa_terms_of, open_fetch
from doorward.config.check import require_startable
from doorward.config.policy import build_policy
from doorward.config.providers import build_providers
from doorward.config.schema import Config
from doorward.errors import DoorwardError
from doorward.flows.bundle import Flows
from doorward.flows.owing import Owing
from doorward.flows.stored_keys import SameInstallation, SessionKey, open_keys
from doorward.flows.ties import Ties
from doorward.flows.upkeep import Touches
from doorward.flows.watch import Watch
from doorward.interfaces import Clock, LiveView, Log, Random, Sessions
from doorward.outside import keyring as keys
from doorward.outside import log as logs
from doorward.outside import system
from doorward.outside.hasher import Algorithm, PooledHasher
from doorward.outside.upstream.client import UpstreamClient
from doorward.rules.audit import Act, AuditEvent
from doorward.storage.sql.schema import find_older
from doorward.storage.sqlite import FILE_NAME, SqliteLiveView, SqliteStorage, has_database, open_sqlite
from doorward.web.metrics import Counts

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class House:
    """Everything but the doors."""

    config: Config
    policy: PolicyInForce
    clock: Clock
    random: Random
    log: Log
    keyring: keys.FileKeyring
    storage: SqliteStorage
    accounts: SqliteLiveView
    sessions: Sessions
    live: LiveView
    hasher: PooledHasher
    upstream: UpstreamClient
    signing_key: SessionKey
    counts: Counts
    touches: Touches
    ties: Ties
    watch: Watch
    flows: Flows

    async def probe(self) -> None:
        """Ask the storage for something small; UnavailableError when it does not answer."""
        await self.storage.tickets.count()

    async def record(self, act: Act, public: Mapping[str, str], *, actor: str = "system") -> None:
        """Write an act of the program itself to the audit chain, or one of who runs it."""
        async with self.storage.records.transaction() as transaction:
            await transaction.append_audit(AuditEvent(act, actor, "system", self.clock.now(), public))

    async def close(self) -> None:
        """Let go of everything, the live view last (it holds SQLite's locks)."""
        self.hasher.close()
        await self.storage.close()
        self.accounts.close()


async def open_house(config: Config, *, environ: Mapping[str, str]) -> House:
    """Open keys and storage, making both at first start, and connect the flows.

    ConfigError when the configuration cannot be run here. TamperError when stored keys do not open.
    """
    require_startable(config)
    system.restrict_files()
    clock, random = system.SystemClock(), system.SystemRandom()
    log = _open_log(config, clock)
    folder = Path(config.storage.path)
    key_file = environ.get("ENCRYPTION_KEY_FILE")
    keyring = keys.open_keyring(
        folder,
        random=random,
        key=environ.get("ENCRYPTION_KEY"),
        key_file=Path(key_file) if key_file is not None else None,
        command=environ.get("ENCRYPTION_KEY_COMMAND"),
        environ=environ,
        create=not has_database(folder),
    )
    apart = config.storage.type == "local"
    _save_before_upgrade(config, keyring, random, clock, log)
    storage = open_sqlite(folder, random=random, keyring=keyring, sessions_apart=apart)
    try:
        await open_keys(storage.records, keyring, random, now=clock.now())
        if keyring.reads_older:
            await renew_older_form(folder, storage.records, storage.sealed, keyring, clock=clock, log=log)
        await seal_old_records(storage.records, now=clock.now())
        accounts = storage.open_live_view()
    except DoorwardError:
        await storage.close()  # its threads would keep the process from ending
        raise
    same = SameInstallation(accounts, log)
    storage.records.guard(same.check)
    signing_key = SessionKey(accounts, keyring, same)
    sessions, live = _choose_sessions(storage, accounts, apart=apart)
    hasher = PooledHasher(random, algorithm=Algorithm(config.password.algorithm), cost=config.password.bcrypt_cost)
    policy = PolicyInForce(build_policy(config), build_providers(config))
    counts = Counts()
    upstream = UpstreamClient(fetch=open_fetch(config), clock=clock, random=random)

    flows = connect_flows(
        Parts(
            config=config,
            policy=policy,
            clock=clock,
            random=random,
            log=log,
            keyring=keyring,
            storage=storage,
            sessions=sessions,
            live=live,
            hasher=hasher,
            upstream=upstream,
            signing_key=signing_key,
            assertion_keys=open_assertion_keys(config, policy, storage, accounts, keyring, random, same),
            same=same,
            counts=counts,
        )
    )
    touches = Touches(sessions=sessions, log=log)
    return House(
        config=config,
        policy=policy,
        clock=clock,
        random=random,
        log=log,
        keyring=keyring,
        storage=storage,
        accounts=accounts,
        sessions=sessions,
        live=live,
        hasher=hasher,
        upstream=upstream,
        signing_key=signing_key,
        counts=counts,
        touches=touches,
        ties=Ties(
            records=storage.records,
            sessions=sessions,
            keyring=keyring,
            upstream=upstream,
            find_provider=flows.ways.find_provider,
            demands=Owing(terms=lambda: mfa_terms_of(config)).demands,
            outbox=flows.post,
            log=log,
        ),
        watch=Watch(ways=flows.ways, upstream=upstream, log=log),
        flows=flows,
    )


def _save_before_upgrade(config: Config, keyring: keys.FileKeyring, random: Random, clock: Clock, log: Log) -> None:
    folder = Path(config.storage.path)
    version = find_older(folder / FILE_NAME) if has_database(folder) else None
    if version is not None:
        from doorward.app.backup import save_before_upgrade

        save_before_upgrade(config, folder / FILE_NAME, version, keyring, random, now=clock.now(), log=log)


def _open_log(config: Config, clock: Clock) -> Log:
    level = logs.Level[config.logger.level.upper()]
    log = logs.open_log(clock, format=logs.Format(config.logger.format), level=level)
    logs.route_library_messages(log)
    return log


def _choose_sessions(storage: SqliteStorage, accounts: SqliteLiveView, *, apart: bool) -> tuple[Sessions, LiveView]:
    if not apart:
        return storage.sessions, accounts
    from doorward.storage.memory import MemorySessions

    sessions = MemorySessions(accounts, storage.pending_ends.clear)
    return sessions, sessions


def read_environment() -> Mapping[str, str]:
    """The environment, for whoever loads a configuration."""
    return system.read_environment()


def has_data(config: Config) -> bool:
    """Whether there is a database already, which opening the house would otherwise make."""
    return has_database(Path(config.storage.path))


def read_clock() -> datetime:
    """The present instant, for a command that needs nothing else of the house."""
    return system.SystemClock().now()
