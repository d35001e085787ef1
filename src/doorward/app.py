"""The composition root: from a configuration to a running application. Nothing else knows which database is in use.

`open_house` connects storage, keys and flows: enough for the CLI. `build_doors` puts gate, pages and API in front of
them. `serve` listens, reloads on SIGHUP and ends in good order. Heavy parts are imported by the function that needs
them, so that a CLI command does not pay for a server.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doorward import __version__
from doorward.config.check import require_startable
from doorward.config.finding import Finding
from doorward.config.load import Loaded
from doorward.config.policy import build_policy
from doorward.config.provider_check import note_ways
from doorward.config.providers import build_outbound, build_providers
from doorward.config.schema import Config
from doorward.config.values import Secret
from doorward.errors import ConfigError, DoorwardError
from doorward.flows.accepting import PasswordRules
from doorward.flows.account import Account
from doorward.flows.admin import Actor, Administration
from doorward.flows.bundle import Flows
from doorward.flows.identities import Identities
from doorward.flows.login import SignIn
from doorward.flows.logout import SignOut
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.methods.upstream import UpstreamMethod
from doorward.flows.opening import Opening, SessionTerms
from doorward.flows.providers import Providers
from doorward.flows.settling import Settling
from doorward.flows.setup import Setup
from doorward.flows.throttle import LoginLimits, Throttle
from doorward.flows.ties import Ties
from doorward.flows.upkeep import Touches, Upkeep
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.watch import Watch
from doorward.flows.ways import Ways
from doorward.interfaces import Clock, LiveView, Log, Random, Sessions
from doorward.outside import keyring as keys
from doorward.outside import log as logs
from doorward.outside import system
from doorward.outside.alone import stay_alone
from doorward.outside.fetch import GuardedFetch
from doorward.outside.hasher import Algorithm, PooledHasher
from doorward.outside.upstream.client import UpstreamClient
from doorward.outside.wordlist import is_common_password
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.password import PasswordPolicy
from doorward.rules.policy import Policy
from doorward.rules.provider import Provider
from doorward.rules.redirect import parse_return_url
from doorward.rules.throttle import LockPolicy
from doorward.rules.upstream import MfaTrust
from doorward.storage.sqlite import SqliteLiveView, SqliteStorage, has_database, open_sqlite
from doorward.web.metrics import Counts

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from doorward.web.gate.endpoint import Gate
    from doorward.web.gate.settings import GateSettings
    from doorward.web.headers import HeaderPolicy
    from doorward.web.health import Health
    from doorward.web.pages.desk import Site
    from doorward.web.serving import Listener
    from doorward.web.session_cookie import Cookies

Load = Callable[[], Loaded]
"""Reads the configuration again, as it was read at the start: same file, environment and command line."""


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

    flows = Flows(
        sign_in=SignIn(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            opening=opening,
            password=password,
            parse_return=parse_return,
            clock=clock,
            pause=asyncio.sleep,
            random=random,
            tally=counts,
            is_password_open=ways.is_password_open,
            ticket_lifetime=config.authn.state_ttl,
        ),
        upstream=UpstreamSignIn(
            records=storage.records,
            tickets=storage.tickets,
            throttle=throttle,
            opening=opening,
            method=UpstreamMethod(upstream=upstream, keyring=keyring, public_url=config.server.public_url),
            settling=Settling(
                records=storage.records,
                opening=opening,
                keyring=keyring,
                random=random,
                trust=lambda: _trust_of(config),
                is_spoken_of=policy.names_user,
            ),
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


def _open_fetch(config: Config) -> GuardedFetch:
    outbound = config.outbound
    ca_file = Path(outbound.ca_file) if outbound.ca_file else None
    return GuardedFetch(build_outbound(config), ca_file=ca_file, timeout=outbound.timeout)


@dataclass(frozen=True, slots=True)
class Doors:
    """What answers: the application, and the parts of it that `serve` talks to."""

    application: "ASGIApp"
    gate: "Gate"
    health: "Health"


def build_doors(house: House) -> Doors:
    """Put gate, pages and API in front of the flows."""
    from doorward.web.api.lazy import LazyApp
    from doorward.web.client import Trust
    from doorward.web.csrf import CsrfGuard
    from doorward.web.gate.asgi_lane import GateEndpoint
    from doorward.web.gate.endpoint import Gate
    from doorward.web.gate.table import SessionTable
    from doorward.web.health import Health
    from doorward.web.metrics import Measured
    from doorward.web.pages.assets import Assets
    from doorward.web.pages.denial import DenialPage
    from doorward.web.pages.desk import Desk
    from doorward.web.pages.errors import ErrorPages
    from doorward.web.pages.routes import build_routes
    from doorward.web.pages.templates import Templates
    from doorward.web.server import Server, is_check
    from doorward.web.visit import Reader

    config, flows, clock, random = house.config, house.flows, house.clock, house.random
    site, headers, cookies = _site_of(config), _headers_of(config), _cookies_of(config)
    trust = Trust(networks=config.proxy.networks, unix=config.proxy.trusts_unix, hops=config.proxy.hops)
    templates, assets = Templates(), Assets()
    gate = Gate(
        policy=house.policy.present,
        settings=_gate_settings_of(config, headers, cookies),
        trust=trust,
        table=SessionTable(house.live),
        signing_key=house.signing_key,
        clock=clock,
        random=random,
        log=house.log,
        touch=house.touches.note,
        page=DenialPage(site, templates, assets, headers, clock),
    )
    csrf = CsrfGuard(house.keyring.derive("csrf"), site.origin, cookies.csrf, random)
    reader = Reader(
        cookies,
        trust,
        house.signing_key,
        lambda fingerprint, now: flows.account.find_subject(fingerprint, now=now),
        house.touches.note,
    )
    desk = Desk(site, headers, cookies, csrf, random, templates, assets, house.policy.knows_host, house.log)
    health = Health(house.probe)

    def make_api() -> "ASGIApp":
        from doorward.web.api.application import build_api
        from doorward.web.api.parts import ApiParts

        return build_api(
            ApiParts(
                flows=flows,
                reader=reader,
                csrf=csrf,
                cookies=cookies,
                clock=clock,
                random=random,
                version=__version__,
                remember_me=config.session.remember_ttl is not None,
            )
        )

    server = Server(
        gate=GateEndpoint(gate),
        api=LazyApp(make_api),
        routes=build_routes(desk, flows, lambda: house.policy.present),
        assets=assets,
        errors=ErrorPages(desk),
        reader=reader,
        health=health,
        headers=headers,
        public_url=config.server.public_url,
        clock=clock,
        random=random,
        log=house.log,
        max_body=config.limits.body_size,
    )
    return Doors(Measured(server, counts=house.counts, clock=clock, passes=is_check), gate, health)


def _cookies_of(config: Config) -> "Cookies":
    from doorward.web.session_cookie import Cookies

    return Cookies(
        session=config.cookie.name,
        secure=config.cookie_secure,
        domain=config.cookie.domain or "",
        persistent=config.cookie.persistent,
    )


def _headers_of(config: Config) -> "HeaderPolicy":
    from doorward.web.headers import HeaderPolicy

    hsts = config.headers.hsts
    return HeaderPolicy(
        hsts_seconds=int(hsts.max_age.total_seconds()) if hsts.max_age and config.server.is_https else None,
        hsts_subdomains=hsts.include_subdomains,
        frame=config.headers.frame.upper(),
        xss_protection={"block": "1; mode=block", "zero": "0", "off": ""}[config.headers.xss_protection],
        referrer=config.headers.referrer_policy,
    )


def _site_of(config: Config) -> "Site":
    from doorward.web.pages.desk import DEMO_BANNER, Site

    remember = config.session.remember_ttl
    return Site(
        public_url=config.server.public_url,
        banner="" if config.server.is_https else DEMO_BANNER,
        remember_for=_spell(remember) if remember else "",
        shortest_password=config.password.min_length,
    )


def _gate_settings_of(config: Config, headers: "HeaderPolicy", cookies: "Cookies") -> "GateSettings":
    from doorward.web.gate.identity import name_headers
    from doorward.web.gate.settings import GateSettings

    return GateSettings(
        public_url=config.server.public_url,
        cookie_name=cookies.session.encode("ascii"),
        cookie_domain=cookies.domain,
        cookie_secure=cookies.secure,
        identity=name_headers(forwarded=config.headers.forwarded_user, remote=config.headers.remote_user),
        secrets={name: shown.reveal().encode() for name, shown in config.proxy.secrets if isinstance(shown, Secret)},
        private_cookies=frozenset(
            name.encode("ascii") for name in (cookies.browser, cookies.device, cookies.csrf, cookies.trail)
        ),
        client_headers=tuple(headers.gate_headers()),
    )


def _spell(span: timedelta) -> str:
    """A span in the largest unit that fits: `7 days`, `12 hours`."""
    seconds = int(span.total_seconds())
    size, unit = next(
        (size, unit)
        for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
        if not seconds % size
    )
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"


def read_environment() -> Mapping[str, str]:
    """The environment, for whoever loads a configuration."""
    return system.read_environment()


def has_data(config: Config) -> bool:
    """Whether there is a database already, which opening the house would otherwise make."""
    return has_database(Path(config.storage.path))


def read_clock() -> datetime:
    """The present instant, for a command that needs nothing else of the house."""
    return system.SystemClock().now()


SETUP_NOTICE: Final = """
Doorward is not set up yet. Within 15 minutes, open this link to create the administrator:

    {link}

"""


def setup_link(config: Config, token: str) -> str:
    """The address of the setup page with its one-time token."""
    return f"{config.server.public_url}/setup?token={token}"


def serve(loaded: Loaded, *, environ: Mapping[str, str], load: Load) -> None:
    """Run until SIGTERM or SIGINT. `load` reads the configuration again at SIGHUP.

    ConfigError when the configuration cannot be run here.
    """
    import uvloop

    uvloop.run(_serve(loaded, environ, load))


async def _serve(loaded: Loaded, environ: Mapping[str, str], load: Load) -> None:
    storage = loaded.config.storage
    house = await open_house(loaded.config, environ=environ)
    try:
        # SECURITY: whose memory holds the sessions strikes out the ends it has seen; a second server would strike out
        # what the first has not, and ended sessions would live on there. tests/cli/test_running_server.py would fail.
        with stay_alone(Path(storage.path)) if storage.type == "local" else nullcontext():
            await _run(house, loaded, load)
    finally:
        await house.close()


async def _run(house: House, loaded: Loaded, load: Load) -> None:
    from doorward.web.health import State

    doors = build_doors(house)
    listeners, addresses = _open_listeners(house, doors)
    for notice in (*loaded.notices, *await _note_ways(house)):
        tell = house.log.info if notice.calm else house.log.warning
        tell("config_notice", notice=str(notice))
    await house.record(Act.STARTED, {"version": __version__})
    await house.flows.providers.reconcile(now=house.clock.now())
    ended = asyncio.Event()
    _watch_signals(house, doors, ended, load)
    async with asyncio.TaskGroup() as group:
        for listener in listeners:
            group.create_task(listener.run_until_ended())
        upkeep = group.create_task(_upkeep_of(house, doors).run())
        doors.health.state = State.SERVING
        await _announce(house, addresses)
        await ended.wait()
        doors.health.state = State.DRAINING
        house.log.info("stopping")
        upkeep.cancel()
        for listener in listeners:
            listener.end()
    await house.touches.flush()
    house.log.info("stopped")


async def _note_ways(house: House) -> list[Finding]:
    """What the file alone cannot tell about the ways of signing in."""
    listed = await house.flows.providers.list(Actor("system"))
    shadowed = [(each.provider, each.shadowed) for each in listed if each.shadowed]
    return note_ways(await house.flows.ways.describe_password(), shadowed)


def _open_listeners(house: House, doors: Doors) -> tuple[list["Listener"], dict[str, str]]:
    """The main listener and, where wanted, that of the metrics; and where they really listen."""
    from doorward.web.gate.fast_lane import bind
    from doorward.web.metrics import Metrics, MetricsEndpoint
    from doorward.web.serving import BriefProtocol, Listener, name_socket, open_socket

    main, aside = house.config.server.addr, house.config.prometheus.addr
    listening = open_socket(main.host, main.port, main.path, setting="server.addr")
    listeners = [Listener(doors.application, listening, protocol=bind(doors.gate))]
    addresses = {"address": name_socket(listening)}
    if aside is not None:
        metrics = Metrics(
            checks=doors.gate.tally.checks,
            counts=house.counts,
            count_sessions=house.sessions.count,
            count_tickets=house.storage.tickets.count,
            count_hashes=house.hasher.queued,
            version=__version__,
        )
        listening = open_socket(aside.host, aside.port, aside.path, setting="prometheus.addr")
        endpoint = MetricsEndpoint(metrics, path=house.config.prometheus.path)
        listeners.append(Listener(endpoint, listening, protocol=BriefProtocol))
        addresses["metrics"] = name_socket(listening)
    return listeners, addresses


def _upkeep_of(house: House, doors: Doors) -> Upkeep:
    return Upkeep(
        touches=house.touches,
        sessions=house.sessions,
        tickets=house.storage.tickets,
        counters=house.storage.counters,
        records=house.storage.records,
        clock=house.clock,
        pause=asyncio.sleep,
        log=house.log,
        chores=(doors.gate.refusal_log.flush,),
        errands=(house.ties.run_due, house.watch.look),
    )


async def _announce(house: House, addresses: Mapping[str, str]) -> None:
    token = await house.flows.setup.issue(now=house.clock.now())
    if token is not None:
        # Past the log on purpose: the link is a secret, and logs are shipped elsewhere (docs/security-flow.md, R01).
        sys.stderr.write(SETUP_NOTICE.format(link=setup_link(house.config, token)))
        sys.stderr.flush()
    house.log.info("started", version=__version__, public_url=house.config.server.public_url, **addresses)
    # What is here by now stays for good; looking through it at every collection would only cost time.
    gc.collect()
    gc.freeze()


def _watch_signals(house: House, doors: Doors, ended: asyncio.Event, load: Load) -> None:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def begin_reload() -> None:
        task = loop.create_task(reload_policy(house, doors.gate, load))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, begin_reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)


async def reload_policy(house: House, gate: "Gate", load: Load) -> None:
    """Put rules, groups, apps and providers of the configuration file in force, all at once, or keep the old ones.

    SECURITY: reloads follow one another, or a slow reading of the older file would undo a newer one;
    tests/unit/test_reload.py would fail.
    """
    async with house.policy.turn:
        await _reload_policy(house, gate, load)


async def _reload_policy(house: House, gate: "Gate", load: Load) -> None:
    try:
        config, policy, providers = await asyncio.to_thread(_read_policy, load)
        await house.record(Act.CONFIG_RELOADED, {"rules": str(len(policy.rules)), "apps": str(len(policy.apps))})
    except DoorwardError as error:
        problems = error.problems if isinstance(error, ConfigError) else (str(error),)
        house.log.error("reload_refused", problems=problems, kept="the rules in force")  # noqa: TRY400 -- our log
        return
    house.policy.present = gate.policy = policy
    house.policy.providers = providers
    # SECURITY: what a provider granted that is gone now is taken back; tests/unit/test_reload.py would fail.
    try:
        await house.flows.providers.reconcile(now=house.clock.now())
    except DoorwardError as error:
        house.log.error("reconcile_failed", problem=str(error), retry="at the next reload or start")  # noqa: TRY400 -- our log
    ignored = [name for name in type(config).model_fields if name not in _RELOADED and _differs(name, config, house)]
    house.log.info("reloaded", rules=len(policy.rules), apps=len(policy.apps), providers=len(providers))
    if ignored:
        house.log.warning("restart_needed", sections=ignored)


_RELOADED: Final = frozenset({"authz", "apps"})


def _differs(section: str, config: Config, house: House) -> bool:
    new, old = getattr(config, section), getattr(house.config, section)
    if section == "authn":
        new, old = (
            each.model_copy(update={"provider": None, "providers": (), "select_account": False}) for each in (new, old)
        )
    return bool(new != old)


def _read_policy(load: Load) -> tuple[Config, Policy, tuple[Provider, ...]]:
    config = load().config
    return config, build_policy(config), build_providers(config)
