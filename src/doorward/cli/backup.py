"""`doorward backup`: make backups, look at them, prove that they restore."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import (
    ConfigOption,
    JsonOption,
    in_house,
    read_password,
    spell_cell,
    spell_instant,
    tell,
    tell_table,
)
from doorward.errors import InputError
from doorward.flows.acting import CLI
from doorward.flows.backups import Proof, State
from doorward.flows.restoring import Restored
from doorward.rules.backup import Backup, Openers, read_name
from doorward.rules.restoring import Plan

commands = typer.Typer(help="Backups: make, list, verify and restore them.", no_args_is_help=True)

FoundArgument = Annotated[
    str, typer.Argument(metavar="BACKUP", help="Its name, from `backup list`, or the path of a file.")
]
NameArgument = Annotated[str, typer.Argument(metavar="BACKUP", help="The backup's name, from `backup list`.")]
StdinOption = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from stdin's first line.")]
FileOption = Annotated[Path | None, typer.Option("--passphrase-file", help="Read it from a file's first line.")]
_COLUMNS: Final = ("made_at", "name", "size", "encrypted")


def show_progress(table: str, done: int, total: int) -> None:
    """One line in the terminal that grows; nothing where there is none."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done} of {total} rows ({table})\x1b[K{end}")
        sys.stderr.flush()


@commands.command("create")
def create(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Make one now, while the gateway runs or not. Exit code 1 where it could not be taken elsewhere."""

    async def act(house: House) -> tuple[Backup, str]:
        flow = house.flows.backups
        backup = await flow.create(CLI, now=house.clock.now(), progress=show_progress)
        return backup, (await flow.look(CLI)).carried.trouble

    backup, trouble = in_house(config, act)
    said = f"{backup.name}\nIt was not taken elsewhere: {spell_cell(trouble)}" if trouble else backup.name
    tell(said, {**describe(backup), "trouble": trouble}, as_json=json)
    if trouble:
        raise typer.Exit(1)


@commands.command("list")
def list_backups(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the backups in the folder, the newest first."""

    async def act(house: House) -> State:
        return await house.flows.backups.look(CLI)

    rows = [describe(each) for each in in_house(config, act).backups]
    tell_table(rows, _COLUMNS, empty="There are no backups.", as_json=json)


@commands.command("verify")
def verify(
    backup: FoundArgument,
    stdin: StdinOption = False,
    file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Restore one into a scratch place, compare it row by row, and open every sealed value.

    Changes nothing; of a file from elsewhere, a copy is put beside the other backups.
    """
    openers = read_openers(stdin=stdin, file=file)

    async def act(house: House) -> Proof:
        return await house.flows.backups.verify(CLI, await _find(house, backup), openers, progress=show_progress)

    proof = in_house(config, act)
    tell(_say(proof), describe_proof(proof), as_json=json)


@commands.command("drill")
def drill(config: ConfigOption = None, json: JsonOption = False) -> None:
    """The same for the newest backup, and note when it was: the age of the last proven restore is a metric."""

    async def act(house: House) -> Proof:
        return await house.flows.backups.drill(CLI, now=house.clock.now(), progress=show_progress)

    proof = in_house(config, act)
    tell(_say(proof), describe_proof(proof), as_json=json)


@commands.command("restore")
def restore(
    backup: FoundArgument,
    apply: Annotated[str, typer.Option(metavar="TOKEN", help="Do it: the token that the preview printed.")] = "",
    stdin: StdinOption = False,
    file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say what restoring it would do; with --apply and the token of what was said, do that.

    A copy of what is there now is made first, and its name printed. Everybody is signed out. With the gateway running,
    its next check sees all of it; where the backup is of another installation, it answers 503 until it is restarted.
    """
    openers = read_openers(stdin=stdin, file=file)

    async def act(house: House) -> Plan | Restored:
        now, name = house.clock.now(), await _find(house, backup)
        restoring = house.flows.restoring
        if apply:
            return await restoring.apply(CLI, name, apply, openers, now=now, progress=show_progress)
        return await restoring.preview(CLI, name, openers, now=now, progress=show_progress)

    done = in_house(config, act)
    if isinstance(done, Plan):
        tell(_say_plan(done), describe_plan(done), as_json=json)
        return
    said = f"{done.plan.backup} is restored. What was there before is {done.before.name}."
    tell(said, {**describe_plan(done.plan), "before": done.before.name}, as_json=json)


@commands.command("delete")
def delete(backup: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Delete one."""

    async def act(house: House) -> None:
        await house.flows.backups.remove(CLI, backup, now=house.clock.now())

    in_house(config, act)
    tell(f"{backup} is deleted.", {"deleted": backup}, as_json=json)


def describe_plan(plan: Plan) -> dict[str, object]:
    """What restoring would do."""
    return {
        "backup": plan.backup,
        "made_at": spell_instant(plan.manifest.created_at),
        "version": plan.manifest.version,
        "schema": plan.manifest.schema,
        "ours": plan.is_ours,
        "tables": {name: {"now": now, "then": then} for name, now, then in plan.counts},
        "effects": [{"effect": each.effect.value, "names": list(each.names)} for each in plan.effects],
        "administrator_remains": plan.has_administrator,
        "token": plan.token,
    }


def _say_plan(plan: Plan) -> str:
    lines = [f"{plan.backup}, made {spell_instant(plan.manifest.created_at)} by Doorward {plan.manifest.version}", ""]
    lines += [f"  {name}: {now} now, {then} then" for name, now, then in plan.counts if now != then]
    lines += ["", "Everybody is signed out."]
    for each in plan.effects:
        lines.append(each.effect.meaning)
        lines += [f"  {spell_cell(name)}" for name in each.names]
    if not plan.has_administrator:
        lines += ["", "Nobody could administer the gateway afterwards, so this is refused."]
    else:
        lines += ["", f"To do exactly this: doorward backup restore {plan.backup} --apply {plan.token}"]
    return "\n".join(lines)


async def _find(house: House, backup: str) -> str:
    """The name of a backup; a file from elsewhere is put beside the others, whatever its size."""
    if "/" in backup or read_name(backup) is None:
        return (await house.flows.backups.take_in(CLI, _read(Path(backup)), now=house.clock.now(), most=None)).name
    return backup


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as opened:
            while piece := opened.read(1024 * 1024):
                yield piece
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        reason = (error.strerror if isinstance(error, OSError) else "") or "not a path"
        raise InputError(f"{str(path)!r} cannot be read: {reason}") from error


def read_openers(*, stdin: bool, file: Path | None) -> Openers:
    """The passphrase, where one is given; never as an argument."""
    return Openers(read_password(stdin=stdin, file=file)) if stdin or file is not None else Openers()


def describe(backup: Backup) -> dict[str, object]:
    """A backup as the commands show it."""
    return {
        "name": backup.name,
        "made_at": spell_instant(backup.made_at),
        "reason": backup.reason.value,
        "size": backup.size,
        "encrypted": backup.encrypted,
    }


def describe_proof(proof: Proof) -> dict[str, object]:
    """What was found."""
    return {
        **describe(proof.backup),
        "schema": proof.manifest.schema,
        "version": proof.manifest.version,
        "master_key": proof.manifest.key,
        "rows": proof.rows,
        "sealed_values_opened": proof.opened,
        "tables": {table.name: table.rows for table in proof.manifest.tables},
    }


def _say(proof: Proof) -> str:
    return f"{proof.backup.name} restores: {proof.rows} rows as they were saved, {proof.opened} sealed values open."
