"""`doorward privacy`: what is kept of people, for how long, and what somebody may ask for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell, tell_table
from doorward.flows.acting import CLI, ById
from doorward.flows.erasure import Erased
from doorward.rules.chore import Chore
from doorward.rules.retention import Measured
from doorward.rules.span import format_span

commands = typer.Typer(help="What is kept of people: how long, a copy of it, and the end of it.", no_args_is_help=True)

_COLUMNS: Final = ("kind", "kept_for", "oldest", "holds", "what")


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


@commands.command("export")
def export(
    user: Annotated[str, typer.Argument(help="User name or e-mail address.")], config: ConfigOption = None
) -> None:
    """Print everything that is stored of an account, as JSON. Nothing of it opens anything."""

    async def act(house: House) -> Mapping[str, object]:
        return await house.flows.erasure.export(CLI, user, now=house.clock.now())

    tell("", in_house(config, act), as_json=True)


@commands.command("erase")
def erase(
    user: Annotated[str, typer.Argument(help="User name or e-mail address; with --id the id of an account.")],
    by_id: Annotated[
        bool, typer.Option("--id", help="The account is named by its id: it may be gone already.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase an account: delete it, and what is kept of it for evidence. Nothing of it can be brought back."""
    if not yes:
        typer.confirm(f"Erase {user} and all traces of it for good?", abort=True)

    async def act(house: House) -> Erased:
        return await house.flows.erasure.erase(CLI, ById(user) if by_id else user, now=house.clock.now())

    erased = in_house(config, act)
    spelled = ", ".join(f"{name} {count}" for name, count in erased.counts().items())
    tell(f"Erased {user}: the account, and besides: {spelled}.", asdict(erased), as_json=json)


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
