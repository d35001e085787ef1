"""`doorward keys`: the master key, the key of session cookies, and their copies."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from doorward.app.house import House
from doorward.app.rotation import RETIRED_NAME, folders_of, list_retired, make_key_text, rotate_master
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell, tell_table
from doorward.errors import InputError
from doorward.flows.acting import CLI
from doorward.flows.resealing import Progress
from doorward.flows.rotation import SETTLE, Rotated
from doorward.flows.signing_keys import Ended, KeyAges
from doorward.rules.audit import Act

commands = typer.Typer(help="Keys: make, list, rotate and copy them.", no_args_is_help=True)
rotate = typer.Typer(help="Put a new key in the place of the present one.", no_args_is_help=True)
commands.add_typer(rotate, name="rotate")

_FAILED = 1
_SPELLED = {
    "began": "A new master key stands before the old one.",
    "resumed": "Several master keys are there: a rotation goes on.",
    "settling": "Waiting for who sealed just before the switch ...",
    "proven": "Proven: nothing is sealed under an old key.",
}


@commands.command("generate")
def generate() -> None:
    """Print a new random key, for ENCRYPTION_KEY or a secret store. Nothing is changed."""
    typer.echo(make_key_text())


@commands.command("list")
def list_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all keys by name and age. No key is ever shown."""

    async def act(house: House) -> list[dict[str, object]]:
        ages = await house.flows.signing_keys.look(CLI)
        return describe(ages, list_retired(house.config), house.clock.now())

    tell_table(in_house(config, act), ("key", "name", "state", "since", "days", "source"), empty="", as_json=json)


@commands.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, on another disk than the data.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write the master keys to a file: the copy without which no backup of yours can be read."""

    async def act(house: House) -> tuple[str, ...]:
        house.keyring.export(file, away_from=folders_of(house.config))
        await house.record(Act.KEYS_EXPORTED, {"keys": ",".join(house.keyring.key_ids)}, actor=CLI.id)
        return house.keyring.key_ids

    keys = in_house(config, act)
    said = f"{len(keys)} master {'key' if len(keys) == 1 else 'keys'} written to {file}. Keep it apart from the data."
    tell(said, {"file": str(file), "keys": list(keys)}, as_json=json)


@rotate.command("signing")
def rotate_signing(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    app_keys: Annotated[bool, typer.Option("--app-keys", help="Revoke everybody's keys for apps, too.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Replace the key of session cookies: everybody is signed out, at a running server too."""
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("this signs everybody out; say --yes")
        also = " and revokes all keys for apps" if app_keys else ""
        typer.confirm(f"This signs everybody out{also}. Go on?", abort=True)

    async def act(house: House) -> Ended:
        return await house.flows.signing_keys.rotate(CLI, keys_too=app_keys, now=house.clock.now())

    ended = in_house(config, act)
    whose = "1 account" if ended.accounts == 1 else f"{ended.accounts} accounts"
    said = f"There is a new signing key. All sessions of {whose} have ended."
    if app_keys:
        said += f" Keys for apps that were revoked: {ended.keys}."
    tell(said, {"accounts": ended.accounts, "keys": ended.keys}, as_json=json)


@rotate.command("assertion")
def rotate_assertion(
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="The present key may be known to somebody: nobody shall trust it any more."),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a new key for assertions to apps. It is published now and signs in ten minutes; nobody notices.

    With --at-once it signs now and the old ones are published no more. Apps may refuse requests until they have looked
    at the set again: those that look when they meet an unknown key, at once; others after five minutes.
    """

    async def act(house: House) -> str:
        return await house.flows.assertion_keys.rotate(CLI, at_once=at_once, now=house.clock.now())

    kid = in_house(config, act)
    when = "now, and no other is published" if at_once else "in ten minutes; it is published already"
    tell(f"The key {kid} signs {when}.", {"kid": kid, "at_once": at_once}, as_json=json)


@rotate.command("master")
def rotate_the_master(
    settle: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for who sealed just before the switch.")
    ] = SETTLE.total_seconds(),
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Seal everything anew under a new master key while the gateway runs, and retire the old one once that is proven.

    Interrupted at any point, run it again: it goes on. Ends with 1 if anything could not be sealed anew; the old key
    stays then.
    """

    async def act(house: House) -> tuple[Rotated, str]:
        def show(progress: Progress) -> None:
            house.log.debug("key_rotation", step=progress.step, column=progress.column, resealed=progress.resealed)
            _show(progress)

        rotated = await rotate_master(
            house.config,
            house.storage,
            house.keyring,
            clock=house.clock,
            settle=timedelta(seconds=settle),
            tell=show,
        )
        return rotated, house.keyring.source

    rotated, source = in_house(config, act)
    tell("\n".join(_say(rotated, source)), _value(rotated), as_json=json)
    if not rotated.is_whole:
        raise typer.Exit(_FAILED)


def describe(ages: KeyAges, retired: list[str], now: datetime) -> list[dict[str, object]]:
    """All keys, as rows."""
    rows: list[dict[str, object]] = []
    for place, name in enumerate(ages.masters):
        since = ages.master_since if place == 0 else None
        rows.append(_row("master", name, "opens" if place else "seals", since, ages.source, now))
    rows += [_row("master", name, "retired", None, RETIRED_NAME, now) for name in retired]
    for key in ages.stored:
        state = "retired" if key.retired_at else "in use"
        rows.append(_row(key.purpose, str(key.number), state, key.created_at, "database", now))
    return rows


def _row(key: str, name: str, state: str, since: datetime | None, source: str, now: datetime) -> dict[str, object]:
    days = "" if since is None else (now - since).days
    told = "" if since is None else spell_instant(since)
    return {"key": key, "name": name, "state": state, "since": told, "days": days, "source": source}


def _show(progress: Progress) -> None:
    if progress.step == "batch":
        line = f"{progress.column}: {progress.resealed} sealed anew, {progress.failed} failed"
    elif progress.step in _SPELLED:
        line = _SPELLED[progress.step]
    else:
        return
    typer.echo(line, err=True)


def _say(rotated: Rotated, source: str) -> list[str]:
    outcome = rotated.outcome
    failed = sum(outcome.failed.values())
    lines = [f"Sealed anew: {outcome.resealed}. Already: {outcome.already}. Failed: {failed}."]
    lines += [f"{column}: {count} do not open, and stay as they are." for column, count in outcome.failed.items()]
    lines += [f"{column}: somebody goes on sealing under an old key; restart every server." for column in outcome.left]
    lines += [f"{column} still names an old key." for column in rotated.mentions]
    old = ", ".join(rotated.old)
    if not rotated.is_whole:
        lines.append(f"The old key was kept: {old}.")
    elif rotated.retired:
        lines.append(f"The key {rotated.key_id} seals. Retired, for old backups only: {old}.")
    else:
        lines.append(f"The key {rotated.key_id} seals. You may take the old one out of {source} now: {old}.")
    return lines


def _value(rotated: Rotated) -> dict[str, object]:
    outcome = rotated.outcome
    return {
        "key": rotated.key_id,
        "old": list(rotated.old),
        "resealed": outcome.resealed,
        "already": outcome.already,
        "failed": sum(outcome.failed.values()),
        "failed_columns": outcome.failed,
        "still_sealing": list(outcome.left),
        "mentions": list(rotated.mentions),
        "proven": rotated.is_whole,
        "retired": rotated.retired,
    }
