"""What the commands that act on the data share: opening it, reading passwords, writing answers.

Everything acts as "cli" in the audit. A running server notices at its very next check.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from doorward.app.house import House, open_house, read_environment
from doorward.cli.configured import load
from doorward.errors import InputError
from doorward.flows.admin import get_user
from doorward.flows.outcome import Unacceptable
from doorward.rules.identity import User
from doorward.rules.password import MAX_PASSWORD_BYTES

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file.", show_default="searched for")
]
NameArgument = Annotated[str, typer.Argument(metavar="USER", help="User name or e-mail address.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
FileOption = Annotated[Path | None, typer.Option("--password-file", help="Read the password from a file's first line.")]


def in_house(config: Path | None, act: Callable[[House], Awaitable[T]]) -> T:
    """Open the data the configuration names, act on it, and close it."""
    loaded = load(config, allow_insecure_http=True)  # nothing is served here

    async def run() -> T:
        house = await open_house(loaded.config, environ=read_environment())
        try:
            return await act(house)
        finally:
            await house.close()

    return asyncio.run(run())


def read_password(*, stdin: bool, file: Path | None) -> str:
    """The password, from stdin, a file, or a prompt that shows nothing. Never an argument: everybody sees those."""
    return read_hidden("password", MAX_PASSWORD_BYTES, stdin=stdin, file=file, option="--password-")


def read_hidden(what: str, most: int, *, stdin: bool, file: Path | None, option: str = "--") -> str:
    """What nobody is to see, likewise: at most so many bytes. `option`: how the names of both options begin."""
    if stdin and file is not None:
        raise InputError(f"take one of {option}stdin and {option}file")
    if stdin:
        return _first_line(sys.stdin.read(most + 2), what)
    if file is not None:
        try:
            with file.open(encoding="utf-8", newline="") as opened:
                return _first_line(opened.read(most + 2), what)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read as text") from error
    if not _has_terminal():
        raise InputError(f"there is no terminal to ask for the {what}; use {option}stdin or {option}file")
    return str(typer.prompt(what.capitalize(), hide_input=True, confirmation_prompt=True))


async def find_user(house: House, name: str) -> User:
    """The account with this user name or e-mail address."""
    async with house.storage.records.transaction() as transaction:
        return await get_user(transaction, name)


def accepted(outcome: T | Unacceptable) -> T:
    """The outcome, or every problem with what was given, as one InputError."""
    if isinstance(outcome, Unacceptable):
        raise InputError("; ".join(f"{field}: {problem}" for field, problem in outcome.problems))
    return outcome


def describe_user(user: User) -> dict[str, object]:
    """An account as the commands show it."""
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "groups": sorted(user.groups),
        "granted_groups": sorted(user.granted_groups),
        "admin": user.administers,
        "granted_admin": user.granted_admin,
        "enabled": user.enabled,
        "awaits_approval": user.awaits_approval,
        "must_change_password": user.must_change_password,
        "console_only": user.console_only,
        "service": user.is_service,
        "created_at": spell_instant(user.created_at),
    }


def spell_instant(at: datetime) -> str:
    """An instant in UTC, to the second."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def tell(text: str, value: object, *, as_json: bool) -> None:
    """Answer with a sentence for people or a value for programs."""
    typer.echo(json.dumps(value, indent=2) if as_json else text)


def tell_table(rows: Sequence[dict[str, object]], columns: Sequence[str], *, empty: str, as_json: bool) -> None:
    """Answer with a table: aligned columns for people, all fields in JSON for programs."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo(empty)
        return
    cells = [[column.replace("_", " ") for column in columns]]
    cells += [[spell_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def spell_cell(value: object) -> str:
    """A value as a cell of a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "-"
    # What strangers sent (a User-Agent) must not steer the terminal.
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value)) or "-"


def _has_terminal() -> bool:
    return sys.stdin.isatty()


def _first_line(text: str, what: str) -> str:
    """One newline at the end belongs to the file, not to the password; nothing else is trimmed (Q08)."""
    line = text.removesuffix("\n").removesuffix("\r")
    if "\n" in line or "\r" in line:
        raise InputError(f"the {what} must stand on one line, with nothing after it")
    return line
