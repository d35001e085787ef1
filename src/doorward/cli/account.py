"""The commands of `doorward user` for whoever is locked out, waits to be let in, or is not who they should be."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.cli.house import (
    ConfigOption,
    JsonOption,
    NameArgument,
    describe_user,
    in_house,
    spell_instant,
    tell,
    tell_table,
)
from doorward.flows.admin import CLI, Administration
from doorward.flows.own_record import SignInShown
from doorward.rules.history import KEPT, SHOWN
from doorward.rules.identity import User

_COLUMNS: Final = ("at", "outcome", "methods", "address", "new_device", "user_agent")


def register(commands: typer.Typer) -> None:
    """Put the commands among those of `doorward user`."""
    for name, command in (
        ("history", history),
        ("force-password-change", force_password_change),
        ("reset-factors", reset_factors),
        ("end-sessions", end_sessions),
        ("approve", approve),
        ("refuse", refuse),
    ):
        commands.command(name)(command)


def history(
    name: NameArgument,
    limit: Annotated[int, typer.Option(min=1, max=KEPT, help="At most so many.")] = SHOWN,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show an account's last sign-ins and tries, the newest first."""

    async def act(house: House) -> list[SignInShown]:
        return await house.flows.own_record.list_history(CLI, name, limit=limit)

    rows = [_describe(shown) for shown in in_house(config, act)]
    tell_table(rows, _COLUMNS, empty=f"Nobody has tried to sign in as {name} yet.", as_json=json)


def force_password_change(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Have an account's next sign-in ask for a new password; all its sessions end."""
    user = _change(config, lambda people, now: people.force_password_change(CLI, name, now=now))
    tell(
        f"{user.name} must change the password at the next sign-in; all its sessions have ended.",
        describe_user(user),
        as_json=json,
    )


def reset_factors(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take an account's authenticator app, passkeys and recovery codes away; all its sessions end."""
    if not yes:
        typer.confirm(f"Take all second factors of {name} away?", abort=True)
    user = _change(config, lambda people, now: people.reset_factors(CLI, name, now=now))
    tell(f"{user.name} has no second factor now; all its sessions have ended.", describe_user(user), as_json=json)


def end_sessions(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """End all sessions of an account."""

    async def act(house: House) -> int:
        return await house.flows.administration.end_sessions_of(CLI, name, now=house.clock.now())

    tell(f"All sessions of {name} have ended.", {"ended": in_house(config, act)}, as_json=json)


def approve(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let in an account that somebody made for themselves."""
    user = _change(config, lambda people, now: people.approve(CLI, name, now=now))
    tell(f"{user.name} may sign in now.", describe_user(user), as_json=json)


def refuse(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Refuse an account that somebody made for themselves; it is deleted."""
    if not yes:
        typer.confirm(f"Refuse {name}, and delete the account?", abort=True)
    user = _change(config, lambda people, now: people.refuse(CLI, name, now=now))
    tell(f"Refused {user.name}; the account is deleted.", describe_user(user), as_json=json)


def _change(config: Path | None, change: Callable[[Administration, datetime], Awaitable[User]]) -> User:
    async def act(house: House) -> User:
        return await change(house.flows.administration, house.clock.now())

    return in_house(config, act)


def _describe(shown: SignInShown) -> dict[str, object]:
    note = shown.note
    return {
        "at": spell_instant(note.at),
        "outcome": note.failure or "signed_in",
        "methods": sorted(method.value for method in note.methods),
        "address": shown.address,
        "user_agent": shown.agent,
        "place": shown.place,
        "new_device": note.new_device,
        "session": note.session or "",
    }
