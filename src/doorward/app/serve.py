"""Running: listen, keep house, end in good order."""

import asyncio
import gc
import signal
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doorward import __version__
from doorward.config.exposure import note_exposed, refuse_exposed
from doorward.config.finding import Finding
from doorward.config.load import Loaded
from doorward.config.mode_check import note_standing_in
from doorward.config.provider_check import note_ways
from doorward.config.schema import Config
from doorward.flows.admin import Actor
from doorward.flows.decisions import Gathering
from doorward.flows.upkeep import Upkeep
from doorward.outside.alone import stay_alone
from doorward.rules.audit import Act

if TYPE_CHECKING:
    from doorward.web.serving import Listener


from doorward.app.app_secrets import note_secrets
from doorward.app.doors import Doors, build_doors
from doorward.app.emergency_record import note_emergencies
from doorward.app.house import House, open_house
from doorward.app.reload import Load, reload_policy

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

    refuse_exposed(loaded)
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
    for notice in (*loaded.notices, *note_exposed(loaded), *await _note_ways(house)):
        tell = house.log.info if notice.calm else house.log.warning
        tell("config_notice", notice=str(notice))
    await house.record(Act.STARTED, {"version": __version__})
    await house.flows.providers.reconcile(now=house.clock.now())
    await house.flows.assertion_keys.tend(house.clock.now())
    await note_emergencies(house)
    await house.flows.break_glass.reconcile()
    # SECURITY: a stricter file counts for who is signed in already; tests/cli/test_policy.py restarts with one.
    await house.flows.policies.settle_mfa(now=house.clock.now())
    ended = asyncio.Event()
    _watch_signals(house, doors, ended, load)
    gathering = Gathering(
        collect=doors.gate.decisions.collect, decisions=house.flows.decisions, pause=asyncio.sleep, log=house.log
    )
    async with asyncio.TaskGroup() as group:
        for listener in listeners:
            group.create_task(listener.run_until_ended())
        upkeep = group.create_task(_upkeep_of(house, doors, gathering).run())
        doors.health.state = State.SERVING
        await _announce(house, addresses)
        await ended.wait()
        doors.health.state = State.DRAINING
        house.log.info("stopping")
        upkeep.cancel()
        for listener in listeners:
            listener.end()
    await house.touches.flush()
    await house.flows.key_uses.flush()
    await gathering.write()
    await house.flows.audit_watch.stop(house.clock.now())
    house.log.info("stopped")


async def _note_ways(house: House) -> list[Finding]:
    """What the file alone cannot tell about the ways of signing in, and of not signing in."""
    listed = await house.flows.providers.list(Actor("system"))
    shadowed = [(each.provider, each.shadowed) for each in listed if each.shadowed]
    name = house.config.single_user.user
    stands_in = house.live.find_user_by_name(name) if name else None
    return [
        *note_ways(await house.flows.ways.describe_password(), shadowed),
        *note_standing_in(house.config, stands_in),
        *await note_secrets(house.flows.app_secrets),
    ]


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
            find_lockdown=house.flows.lockdowns.find,
            list_key_ages=lambda: house.flows.signing_keys.list_ages(house.clock.now()),
            list_backup_ages=lambda: house.flows.backups.list_ages(house.clock.now()),
            version=__version__,
            list_kept=house.flows.retention.list_ages,
            count_app_keys=house.flows.app_keys.count,
        )
        listening = open_socket(aside.host, aside.port, aside.path, setting="prometheus.addr")
        endpoint = MetricsEndpoint(metrics, path=house.config.prometheus.path)
        listeners.append(Listener(endpoint, listening, protocol=BriefProtocol))
        addresses["metrics"] = name_socket(listening)
    return listeners, addresses


def _upkeep_of(house: House, doors: Doors, gathering: Gathering) -> Upkeep:
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
        errands=(
            house.ties.run_due,
            house.watch.look,
            house.flows.post.deliver_due,
            house.flows.signing_keys.rotate_due,
            house.flows.assertion_keys.tend,
            house.flows.alert_desk.deliver_due,
            house.flows.backups.run_due,
            house.flows.audit_watch.run_due,
            house.flows.lookout.look_at_administrators,
            gathering.run_due,
            house.flows.retention.run_due,
            house.flows.erasure.repeat_due,
            house.flows.key_uses.write_due,
            house.flows.app_keys.sleep_due,
        ),
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
