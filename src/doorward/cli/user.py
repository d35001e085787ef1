"""`doorward user`: accounts."""

from pathlib import Path
from typing import Annotated

import typer

from doorward.app import House
from doorward.cli.house import (
    ConfigOption,
    FileOption,
    JsonOption,
    StdinOption,
    accepted,
    describe_user,
    in_house,
    read_password,
    tell,
    tell_table,
)
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.rules.identity import User

commands = typer.Typer(
    help="Accounts. What is changed here counts at a running server's very next check.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(metavar="USER", help="User name or e-mail address.")]


@commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="User name: small letters, digits, dots, dashes, underscores.")],
    email: Annotated[str, typer.Option(help="E-mail address; rules may name users by it.")] = "",
    display_name: Annotated[str, typer.Option(help="The name to show.", show_default="the user name")] = "",
    group: Annotated[list[str] | None, typer.Option(help="A group to put the account in; may be repeated.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make it an administrator.")] = False,
    password_stdin: StdinOption = False,
    password_file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Add an account. The password is asked for, or read from stdin or a file."""
    password = read_password(stdin=password_stdin, file=password_file)

    async def act(house: House) -> User:
        return accepted(
            await house.flows.administration.add_user(
                CLI,
                name=name,
                display_name=display_name,
                email=email,
                password=password,
                groups=group or (),
                is_admin=admin,
                now=house.clock.now(),
            )
        )

    user = in_house(config, act)
    tell(f"Added {user.name}.", describe_user(user), as_json=json)


@commands.command("list")
def list_users(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all accounts."""

    async def act(house: House) -> list[User]:
        return await house.flows.administration.list_users(CLI)

    rows = [describe_user(user) for user in in_house(config, act)]
    columns = ("name", "email", "display_name", "groups", "admin", "enabled", "created_at")
    tell_table(rows, columns, empty="There are no accounts yet.", as_json=json)


@commands.command("disable")
def disable(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Disable an account: all its sessions end, and it cannot sign in."""
    user = _set_enabled(config, name, enabled=False)
    tell(f"Disabled {user.name}; all its sessions have ended.", describe_user(user), as_json=json)


@commands.command("enable")
def enable(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Enable a disabled account."""
    user = _set_enabled(config, name, enabled=True)
    tell(f"Enabled {user.name}.", describe_user(user), as_json=json)


@commands.command("delete")
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Delete an account with its sessions. It cannot be brought back."""
    if not yes:
        typer.confirm(f"Delete {name} for good?", abort=True)

    async def act(house: House) -> User:
        return await house.flows.administration.delete_user(CLI, name, now=house.clock.now())

    user = in_house(config, act)
    tell(f"Deleted {user.name}.", describe_user(user), as_json=json)


@commands.command("set-password")
def set_password(
    name: NameArgument,
    password_stdin: StdinOption = False,
    password_file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Set an account's password; all its sessions end. It is asked for, or read from stdin or a file."""
    password = read_password(stdin=password_stdin, file=password_file)

    async def act(house: House) -> User:
        return accepted(await house.flows.administration.set_password(CLI, name, password, now=house.clock.now()))

    user = in_house(config, act)
    tell(f"Set the password of {user.name}; all its sessions have ended.", describe_user(user), as_json=json)


@commands.command("groups")
def set_groups(
    name: NameArgument,
    groups: Annotated[list[str] | None, typer.Argument(metavar="[GROUP]...", help="All groups it is to be in.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Take it out of every group.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Set an account's groups; its sessions end when it loses one."""
    if bool(groups) == none:
        raise InputError("name all groups the account is to be in, or --none")

    async def act(house: House) -> User:
        return accepted(await house.flows.administration.set_groups(CLI, name, groups or (), now=house.clock.now()))

    user = in_house(config, act)
    tell(f"{user.name} is now in: {', '.join(sorted(user.groups)) or 'no group'}.", describe_user(user), as_json=json)


def _set_enabled(config: Path | None, name: str, *, enabled: bool) -> User:
    async def act(house: House) -> User:
        return await house.flows.administration.set_enabled(CLI, name, enabled, now=house.clock.now())

    return in_house(config, act)
