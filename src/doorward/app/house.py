"""Everything but the doors: storage, keys and flows, connected. Enough for the command line."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorward.config.check import require_startable
from doorward.config.policy import build_policy
from doorward.config.providers import build_outbound, build_providers
from doorward.config.schema import Config
from doorward.errors import DoorwardError
from doorward.flows.accepting import PasswordRules
from doorward.flows.account import Account
from doorward.flows.admin import Administration
from doorward.flows.bundle import Flows
from doorward.flows.finishing import Finishing
from doorward.flows.identities import Identities
from doorward.flows.letters import tell
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.methods.passkey import PasskeyMethod
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.methods.recovery_code import RecoveryCodeMethod
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.methods.upstream import UpstreamMethod
from doorward.flows.opening import Opening, SessionTerms
from doorward.flows.owing import Owing
from doorward.flows.providers import Providers
from doorward.flows.proving import Methods
from doorward.flows.settling import Settling
from doorward.flows.setup import Setup
from doorward.flows.throttle import LoginLimits, Throttle
from doorward.flows.ties import Ties
from doorward.flows.upkeep import Touches
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.vouching import Vouching
from doorward.flows.watch import Watch
from doorward.flows.ways import Ways
from doorward.interfaces import Clock, LiveView, Log, Random, Sessions, Transaction
from doorward.outside import keyring as keys
from doorward.outside import log as logs
from doorward.outside import system
from doorward.outside.fetch import GuardedFetch
from doorward.outside.hasher import Algorithm, PooledHasher
from doorward.outside.passkeys import WebAuthn
from doorward.outside.upstream.client import UpstreamClient
from doorward.outside.wordlist import is_common_password
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.password import PasswordPolicy
from doorward.rules.policy import Policy
from doorward.rules.provider import Provider
from doorward.rules.redirect import parse_return_url
from doorward.rules.throttle import LockPolicy
from doorward.rules.upstream import MfaTrust
from doorward.storage.sqlite import SqliteLiveView, SqliteStorage, has_database, open_sqlite
from doorward.web.metrics import Counts

if TYPE_CHECKING:
    pass


@dataclass(slots=True)
class PolicyInForce:
    """The present policy and providers; replaced as a whole at a reload, so that nobody ever sees half of one."""

    present: Policy
    providers: tuple[Provider, ...]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a reload reads the file and puts it in force."""

    def knows_host(self, host: str) -> bool:
        """Whether a rule or an app speaks of this canonical host."""
        return self.present.for_host(host).is_known

    def names_user(self, name: str) -> bool:
        """Whether a rule or a group of the configuration speaks of a user of this name."""
        return self.present.names_user(name)


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
    signing_key: bytes
    counts: Counts
    touches: Touches
    ties: Ties
    watch: Watch
    flows: Flows

    async def probe(self) -> None:
        """Ask the storage for something small; UnavailableError when it does not answer."""
        await self.storage.tickets.count()

    async def record(self, act: Act, public: Mapping[str, str]) -> None:
        """Write an act of the program itself to the audit chain."""
        async with self.storage.records.transaction() as transaction:
            await transaction.append_audit(AuditEvent(act, "system", "system", self.clock.now(), public))

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
        create=not has_database(folder),
    )
    apart = config.storage.type == "local"
    storage = open_sqlite(folder, random=random, sessions_apart=apart)
    try:
        signing_key = await storage.load_signing_key(keyring, random, clock.now())
        accounts = storage.open_live_view()
    except DoorwardError:
        await storage.close()  # its threads would keep the process from ending
        raise
    sessions, live = _choose_sessions(storage, accounts, apart=apart)
    hasher = PooledHasher(random, algorithm=Algorithm(config.password.algorithm), cost=config.password.bcrypt_cost)
    policy = PolicyInForce(build_policy(config), build_providers(config))
    counts = Counts()
    upstream = UpstreamClient(fetch=_open_fetch(config), clock=clock, random=random)

    password = PasswordMethod(records=storage.records, hasher=hasher, keyring=keyring)
    rules = PasswordRules(PasswordPolicy(config.password.min_length), is_common_password)
    device_key = keyring.derive("device-marker")
    opening = Opening(
        sessions=sessions, random=random, signing_key=signing_key, device_key=device_key, terms=_terms_of(config)
    )
    throttle = Throttle(
        counters=storage.counters,
        limits=_limits_of(config),
        name_key=keyring.derive("login-names"),
        device_key=device_key,
    )
    ways = Ways(
        records=storage.records,
        keyring=keyring,
        log=log,
        file_providers=lambda: policy.providers,
        password_in_file=lambda: config.authn.password,
        straight=lambda: config.authn.straight,
    )

    def parse_return(text: str) -> str:
        return parse_return_url(text, public_url=config.server.public_url, is_known_host=policy.knows_host)

    async def notify(
        transaction: Transaction, kind: LetterKind, user: User, values: Mapping[str, str], now: datetime
    ) -> None:
        await tell(None, transaction, kind, user, now, values)

    vouching = Vouching(records=storage.records, keyring=keyring, find_provider=ways.find_provider)
    finishing = Finishing(
        records=storage.records,
        tickets=storage.tickets,
        opening=opening,
        owing=Owing(terms=lambda: MfaTerms(MfaRequired(config.mfa.required), config.mfa.grace)),
        vouching=vouching,
        notify=notify,
        keyring=keyring,
        random=random,
        tally=counts,
        parse_return=parse_return,
        ticket_lifetime=config.authn.state_ttl,
    )
    methods = Methods(
        password=password,
        totp=TotpMethod(keyring=keyring),
        recovery_code=RecoveryCodeMethod(keyring=keyring, notify=notify),
        passkey=PasskeyMethod(passkeys=_open_passkeys(config), keyring=keyring),
    )
    flows = Flows(
        sign_in=SignIn(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            opening=opening,
            finishing=finishing,
            methods=methods,
            rules=rules,
            notify=notify,
            parse_return=parse_return,
            clock=clock,
            pause=asyncio.sleep,
            random=random,
            tally=counts,
            is_password_open=ways.is_password_open,
        ),
        upstream=UpstreamSignIn(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            opening=opening,
            method=UpstreamMethod(upstream=upstream, keyring=keyring, public_url=config.server.public_url),
            settling=Settling(
                records=storage.records,
                finishing=finishing,
                random=random,
                trust=lambda: _trust_of(config),
                is_spoken_of=policy.names_user,
            ),
            finishing=finishing,
            vouching=vouching,
            find_provider=ways.find_provider,
            parse_return=parse_return,
            random=random,
            tally=counts,
            log=log,
            ticket_lifetime=config.authn.state_ttl,
        ),
        ways=ways,
        identities=Identities(records=storage.records, find_ways=ways.find),
        upstream_logout=UpstreamLogout(
            records=storage.records,
            upstream=upstream,
            throttle=throttle,
            find_provider=ways.find_provider,
            tally=counts,
            log=log,
            state_ttl=config.authn.state_ttl,
        ),
        providers=Providers(
            records=storage.records,
            keyring=keyring,
            ways=ways,
            upstream=upstream,
            public_url=config.server.public_url,
        ),
        sign_out=SignOut(
            records=storage.records,
            sessions=sessions,
            keyring=keyring,
            upstream=upstream,
            find_provider=ways.find_provider,
            return_url=f"{config.server.public_url}/signed-out",
            log=log,
        ),
        setup=Setup(
            records=storage.records,
            tickets=storage.tickets,
            opening=opening,
            password=password,
            rules=rules,
            random=random,
        ),
        account=Account(records=storage.records, sessions=sessions, live=live),
        administration=Administration(
            records=storage.records, sessions=sessions, password=password, rules=rules, random=random
        ),
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
            find_provider=ways.find_provider,
            log=log,
        ),
        watch=Watch(ways=ways, upstream=upstream, log=log),
        flows=flows,
    )


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


def _terms_of(config: Config) -> SessionTerms:
    return SessionTerms(
        lifetime=config.session.ttl,
        idle_timeout=config.session.idle_timeout,
        remember_lifetime=config.session.remember_ttl,
        remember_idle_timeout=config.session.remember_idle_timeout,
    )


def _limits_of(config: Config) -> LoginLimits:
    lock = config.limits.login_failures
    return LoginLimits(
        login=config.limits.login,
        oidc=config.limits.oidc,
        lock=LockPolicy(threshold=lock.threshold, within=lock.within, first=lock.first, most=lock.most),
    )


def _trust_of(config: Config) -> MfaTrust:
    words = config.mfa.trust_idp
    return MfaTrust(amr=frozenset(words.amr), acr=frozenset(words.acr))


def _open_passkeys(config: Config) -> WebAuthn:
    host = config.server.public_host
    address = urlsplit(config.server.public_url)
    origins = (f"{address.scheme}://{address.netloc}", *config.webauthn.origins)
    return WebAuthn(rp_id=config.webauthn.rp_id or host, rp_name=f"Doorward at {host}", origins=origins)


def _open_fetch(config: Config) -> GuardedFetch:
    outbound = config.outbound
    ca_file = Path(outbound.ca_file) if outbound.ca_file else None
    return GuardedFetch(build_outbound(config), ca_file=ca_file, timeout=outbound.timeout)


def read_environment() -> Mapping[str, str]:
    """The environment, for whoever loads a configuration."""
    return system.read_environment()


def has_data(config: Config) -> bool:
    """Whether there is a database already, which opening the house would otherwise make."""
    return has_database(Path(config.storage.path))


def read_clock() -> datetime:
    """The present instant, for a command that needs nothing else of the house."""
    return system.SystemClock().now()
