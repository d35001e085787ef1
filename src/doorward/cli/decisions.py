"""`doorward decisions`: what the gate decided, added up."""

from dataclasses import replace
from enum import Enum
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_instant, tell_table
from doorward.errors import InputError
from doorward.flows.acting import CLI
from doorward.flows.decisions import DecisionShown
from doorward.rules.decision import NOBODY, Wanted
from doorward.rules.reason import Reason
from doorward.rules.span import parse_span

commands = typer.Typer(
    help="What the gate decided: who asked for what kind of thing, how often, and what came of it.",
    no_args_is_help=True,
)

_COLUMNS: Final = ("last_at", "user", "host", "method", "shape", "verdict", "reason", "count", "first_at")


class Verdict(Enum):
    """Which verdicts."""

    ALL = "all"
    ALLOW = "allow"
    CHALLENGE = "challenge"
    DENY = "deny"
    ERROR = "error"


@commands.callback()
def _only_subcommands() -> None:
    # With it, `list` stays a command of its own while it is the only one.
    pass


@commands.command("list")
def list_decisions(
    user: Annotated[str, typer.Option(help="Only those about this account: user name or e-mail address.")] = "",
    nobody: Annotated[bool, typer.Option("--nobody", help="Only those where nobody was signed in.")] = False,
    host: Annotated[str | None, typer.Option(help="Only those about this host.", show_default="any")] = None,
    verdict: Annotated[Verdict, typer.Option(help="Only those with this verdict.")] = Verdict.ALL,
    reason: Annotated[str | None, typer.Option(help="Only those for this reason.", show_default="any")] = None,
    path: Annotated[str, typer.Option(help="Only those whose kind of path begins so.")] = "",
    since: Annotated[str, typer.Option(help="Only those of the last so long, such as 24h or 7d.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List what was decided, the last first. Numbers and ids in paths are placeholders; queries are never kept."""
    if user and nobody:
        raise InputError("write --user or --nobody, not both")
    if reason is not None and reason not in {each.value for each in Reason}:
        raise InputError(f"{reason} is no reason; docs/reference/reasons.md lists them")
    wanted = Wanted(
        user_id=NOBODY if nobody else None,
        host=host,
        verdict=None if verdict is Verdict.ALL else verdict.value,
        reason=reason,
        shape=path,
        limit=limit,
    )

    async def act(house: House) -> list[DecisionShown]:
        asked = replace(wanted, since=house.clock.now() - parse_span(since)) if since else wanted
        return await house.flows.decisions.find(CLI, asked, login=user or None)

    rows = [describe(each) for each in in_house(config, act)]
    tell_table(rows, _COLUMNS, empty="There are no such decisions.", as_json=json)


def describe(shown: DecisionShown) -> dict[str, object]:
    """One as a row. Where the account is gone, its id stands for it."""
    decision, user = shown.decision, shown.user
    return {
        "last_at": spell_instant(decision.last_at),
        "user": decision.user_id if user is None else user.name,
        "host": decision.host,
        "method": decision.method,
        "shape": decision.shape,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "count": decision.count,
        "first_at": spell_instant(decision.first_at),
    }
