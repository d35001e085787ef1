"""Reading the configuration again while running: all at once, in order, or not at all."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from doorward.config.load import Loaded
from doorward.config.policy import build_policy
from doorward.config.providers import build_providers
from doorward.config.schema import Config
from doorward.errors import ConfigError, DoorwardError
from doorward.rules.audit import Act
from doorward.rules.policy import Policy
from doorward.rules.provider import Provider

if TYPE_CHECKING:
    from doorward.web.gate.endpoint import Gate


from doorward.app.app_secrets import note_secrets
from doorward.app.house import House

Load = Callable[[], Loaded]
"""Reads the configuration again, as it was read at the start: same file, environment and command line."""


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
        wanted = any(app.assertion for app in policy.apps)
        await house.flows.assertion_keys.tend(house.clock.now(), wanted=wanted)
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
    for finding in await note_secrets(house.flows.app_secrets):
        house.log.warning("config_notice", notice=str(finding))
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
