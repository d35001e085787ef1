"""`doorward mail`: outgoing mail."""

from enum import Enum
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_cell, spell_instant, tell, tell_table
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.post import Listed
from doorward.rules.letter import Letter, LetterId, LetterState

commands = typer.Typer(help="Outgoing mail: whether it works, and what became of it.", no_args_is_help=True)

_COLUMNS: Final = ("queued_at", "kind", "to", "user", "state", "tries", "trouble")


class Wish(Enum):
    """Which mails."""

    ALL = "all"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@commands.command("test")
def examine(
    address: Annotated[str, typer.Argument(help="Where to send it.")],
    language: Annotated[str, typer.Option(help="Its language.")] = "en",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Send a mail that says that mail works, and say how it went. Exit code 1 when it was not sent."""

    async def act(house: House) -> Letter:
        return await house.flows.post.send_test(CLI, to=address, language=language, now=house.clock.now())

    letter = in_house(config, act)
    sent = letter.state is LetterState.SENT
    said = f"The mail server took it for {address}." if sent else f"It was not sent: {spell_cell(letter.trouble)}"
    tell(said, _describe_letter(letter), as_json=json)
    if not sent:
        raise typer.Exit(1)


@commands.command("list")
def list_letters(
    state: Annotated[Wish, typer.Option(help="Only those.")] = Wish.ALL,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the mails of the last weeks, the newest first; never what they say."""
    wanted = None if state is Wish.ALL else LetterState(state.value)

    async def act(house: House) -> list[Listed]:
        return await house.flows.post.list_letters(CLI, limit=limit, state=wanted)

    rows = [_describe(each) for each in in_house(config, act)]
    tell_table(rows, _COLUMNS, empty="There are no such mails.", as_json=json)


@commands.command("retry")
def retry(
    letter: Annotated[str, typer.Argument(metavar="[ID]", help="The mail's id, from `mail list`.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Have waiting mails tried again within a minute, as soon as the gateway runs."""
    if bool(letter) == every:
        raise InputError("name one mail, or write --all")

    async def act(house: House) -> int:
        post, now = house.flows.post, house.clock.now()
        if every:
            return await post.retry_all(CLI, now=now)
        await post.retry(CLI, LetterId(letter), now=now)
        return 1

    count = in_house(config, act)
    tell(f"{count} to be tried again." if count else "No mail waits.", {"retried": count}, as_json=json)


def _describe(listed: Listed) -> dict[str, object]:
    return {
        **_describe_letter(listed.letter),
        "to": listed.to,
        "user": listed.user.name if listed.user else "",
    }


def _describe_letter(letter: Letter) -> dict[str, object]:
    return {
        "id": letter.id,
        "kind": letter.kind.value,
        "state": letter.state.value,
        "queued_at": spell_instant(letter.queued_at),
        "tries": letter.tries,
        "done_at": spell_instant(letter.done_at) if letter.done_at else "",
        "trouble": letter.trouble,
    }
