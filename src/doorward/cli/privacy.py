"""`doorward privacy`: what is kept of people, for how long, and what somebody may ask for."""

from typing import Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell_table
from doorward.flows.acting import CLI
from doorward.rules.chore import Chore
from doorward.rules.retention import Measured
from doorward.rules.span import format_span

commands = typer.Typer(help="What is kept of people: how long, a copy of it, and the end of it.", no_args_is_help=True)

_COLUMNS: Final = ("kind", "kept_for", "oldest", "holds", "what")


@commands.callback()
def _only_subcommands() -> None:
    # With it, a command stays one of its own while it is the only one.
    pass


@commands.command("report")
def report(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Say how long what is kept, and how old the oldest of it is. Exit code 1 where something is too old."""

    async def act(house: House) -> tuple[list[dict[str, object]], Chore]:
        measured, chore = await house.flows.retention.report(CLI)
        now = house.clock.now()
        return [{**_describe(each), "holds": each.holds(now)} for each in measured], chore

    rows, chore = in_house(config, act)
    tell_table(rows, _COLUMNS, empty="", as_json=json)
    if not json:
        last = (
            "never yet: a running gateway does it once an hour"
            if chore.done_at is None
            else spell_instant(chore.done_at)
        )
        typer.echo(f"\nRemoved last what was over its time: {last}.")
    if not all(row["holds"] for row in rows):
        raise typer.Exit(1)


def _describe(measured: Measured) -> dict[str, object]:
    return {
        "kind": measured.kept.value,
        "kept_for": _spell_limit(measured),
        "oldest": "" if measured.oldest is None else spell_instant(measured.oldest),
        "what": measured.kept.meaning,
    }


def _spell_limit(measured: Measured) -> str:
    if measured.kept.ends_by_itself:
        return "its own end"
    return "for ever" if measured.limit is None else format_span(measured.limit)
