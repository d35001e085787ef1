"""Putting another configuration file in the place of the one that is there, with a record of it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path

from doorward.app.house import open_house, read_clock, read_environment
from doorward.config.schema import Config
from doorward.flows.acting import CLI, append
from doorward.outside import system
from doorward.outside.private_file import replace
from doorward.rules.audit import Act


def replace_config(path: Path, text: bytes, *, seen: bytes, public: Mapping[str, str], audit_to: Config | None) -> str:
    """Replace the file, keep what was there beside it, and say under which name.

    `audit_to`: the configuration whose data has the audit record; None before there is any. The record is written in
    a transaction around the act, so that neither is there without the other.
    """
    stamp = read_clock().astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    backup = path.with_name(f"{path.name}.{stamp}.bak")

    def act() -> None:
        replace(path, text, backup=backup, seen=seen, random=system.SystemRandom())

    async def run(config: Config) -> None:
        house = await open_house(config, environ=read_environment())
        try:
            async with house.storage.records.transaction() as transaction:
                await append(transaction, CLI, Act.CONFIG_IMPORTED, "config", house.clock.now(), public)
                act()
        finally:
            await house.close()

    if audit_to is None:
        act()
    else:
        asyncio.run(run(audit_to))
    return str(backup)
