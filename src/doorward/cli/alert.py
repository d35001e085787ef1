"""`doorward alert`: what operators are told of."""

from enum import Enum
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_cell, spell_instant, tell_table
from doorward.flows.acting import CLI
from doorward.flows.alert_desk import Answer, ShownAlert
from doorward.rules.alert import AlertState

commands = typer.Typer(help="Alerts: what came up, and whether those who are to know are told.", no_args_is_help=True)

_COLUMNS: Final = ("queued_at", "kind", "state", "tries", "trouble", "says")


class Wish(Enum):
    """Which alerts."""

    ALL = "all"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    UNSENT = "unsent"


@commands.command("list")
def list_alerts(
    state: Annotated[Wish, typer.Option(help="Only those.")] = Wish.ALL,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the alerts of the last weeks, the newest first."""
    wanted = None if state is Wish.ALL else AlertState(state.value)

    async def act(house: House) -> list[ShownAlert]:
        return await house.flows.alert_desk.list_alerts(CLI, limit=limit, state=wanted)

    rows = [_describe(each) for each in in_house(config, act)]
    if not json:
        # What is told in several lines stands in one here.
        rows = [{**row, "says": " ".join(str(row["says"]).split())} for row in rows]
    tell_table(rows, _COLUMNS, empty="There are no such alerts.", as_json=json)


@commands.command("test")
def examine(
    target: Annotated[str, typer.Argument(help="The target's name in the configuration.", show_default="all")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Send a test to the targets, now, and say how each answered. Exit code 1 when one did not take it."""

    async def act(house: House) -> list[Answer]:
        return await house.flows.alert_desk.test(CLI, target)

    answers = in_house(config, act)
    rows: list[dict[str, object]] = [
        {
            "target": each.target,
            "sent": not each.trouble,
            "answer": spell_cell(each.trouble) if each.trouble else "taken",
        }
        for each in answers
    ]
    tell_table(rows, ("target", "sent", "answer"), empty="No targets are set up (`alerts.targets`).", as_json=json)
    if any(each.trouble for each in answers):
        raise typer.Exit(1)


def _describe(shown: ShownAlert) -> dict[str, object]:
    alert = shown.alert
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "says": shown.written.text if shown.written else "it cannot be read: what is stored was changed",
        "state": alert.state.value,
        "queued_at": spell_instant(alert.queued_at),
        "tries": alert.tries,
        "done_at": spell_instant(alert.done_at) if alert.done_at else "",
        "trouble": alert.trouble,
    }
