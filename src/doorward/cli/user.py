"""`doorward user`: accounts."""

from pathlib import Path
from typing import Annotated

import typer

from doorward.app.house import House
from doorward.cli import account
from doorward.cli.house import (
    ConfigOption,
    FileOption,
    JsonOption,
    NameArgument,
    StdinOption,
    accepted,
    describe_user,
    find_user,
    in_house,
    read_password,
    spell_cell,
    spell_instant,
    tell,
    tell_table,
)
from doorward.errors import InputError, NotFoundError
from doorward.flows.admin import CLI
from doorward.flows.changing import version_of
from doorward.rules.app_key import AppKey
from doorward.rules.factor import Factors
from doorward.rules.identity import User, UserId
from doorward.rules.upstream import Identity

commands = typer.Typer(
    help="Accounts. What is changed here counts at a running server's very next check.", no_args_is_help=True
)

account.register(commands)


@commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="User name: small letters, digits, dots, dashes, underscores.")],
    email: Annotated[str, typer.Option(help="E-mail address; rules may name users by it.")] = "",
    display_name: Annotated[str, typer.Option(help="The name to show.", show_default="the user name")] = "",
    group: Annotated[list[str] | None, typer.Option(help="A group to put the account in; may be repeated.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make it an administrator.")] = False,
    console_only: Annotated[bool, typer.Option("--console-only", help="Let it use our own pages, and no app.")] = False,
    service: Annotated[
        bool,
        typer.Option("--service", help="It is a program's: it has keys only (`doorward key create`), no password."),
    ] = False,
    must_change: Annotated[
        bool, typer.Option("--must-change-password", help="Have the first sign-in ask for a new password.")
    ] = False,
    password_stdin: StdinOption = False,
    password_file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Add an account. The password is asked for, or read from stdin or a file."""
    if service and (email or console_only or must_change or password_stdin or password_file):
        raise InputError("an account of a service has neither address nor password, and does not sign in")
    password = "" if service else read_password(stdin=password_stdin, file=password_file)

    async def act(house: House) -> User:
        if service:
            return accepted(
                await house.flows.administration.add_service(
                    CLI,
                    name=name,
                    display_name=display_name,
                    groups=group or (),
                    is_admin=admin,
                    now=house.clock.now(),
                )
            )
        return accepted(
            await house.flows.administration.add_user(
                CLI,
                name=name,
                display_name=display_name,
                email=email,
                password=password,
                groups=group or (),
                is_admin=admin,
                must_change=must_change,
                console_only=console_only,
                now=house.clock.now(),
            )
        )

    user = in_house(config, act)
    tell(f"Added {user.name}.", describe_user(user), as_json=json)


@commands.command("list")
def list_users(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all accounts."""

    async def act(house: House) -> tuple[list[User], frozenset[UserId]]:
        administration = house.flows.administration
        return await administration.list_users(CLI), await administration.list_protected(CLI)

    users, protected = in_house(config, act)
    rows = [{**describe_user(user), "second_factor": user.id in protected} for user in users]
    columns = ["name", "email", "display_name", "groups", "admin", "enabled", "second_factor", "created_at"]
    if any(row["awaits_approval"] for row in rows):
        columns.insert(columns.index("enabled") + 1, "awaits_approval")
    if any(row["service"] for row in rows):
        columns.insert(columns.index("enabled"), "service")
    if any(row["granted_groups"] for row in rows):
        columns.insert(columns.index("groups") + 1, "granted_groups")
    tell_table(rows, columns, empty="There are no accounts yet.", as_json=json)


@commands.command("show")
def show(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show one account, with its second factors, its keys for apps and the accounts at providers it is connected to."""

    async def act(house: House) -> tuple[User, list[Identity], bool, Factors, list[AppKey]]:
        user = await find_user(house, name)
        identities = (await house.flows.identities.list_all(CLI)).get(user.id, [])
        async with house.storage.records.transaction() as transaction:
            has_password = await transaction.find_password(user.id) is not None
            factors = await transaction.find_factors(user.id)
            return user, identities, has_password, factors, await transaction.list_app_keys(user.id)

    user, identities, has_password, factors, keys = in_house(config, act)
    rows = [_describe_identity(each) for each in identities]
    told = {
        **describe_user(user),
        "has_password": has_password,
        "authenticator_app": factors.totp is not None,
        "passkeys": [passkey.name for passkey in factors.passkeys],
        "recovery_codes_left": factors.unused_codes,
        "app_keys": [key.name for key in keys],
        "enrol_by": spell_instant(user.enrol_by) if user.enrol_by else "",
    }
    if json:
        tell("", {**told, "identities": rows}, as_json=True)
        return
    width = max(len(key) for key in told)
    for key, value in told.items():
        typer.echo(f"{key.replace('_', ' '):{width}}  {spell_cell(value)}")
    typer.echo()
    columns = ("id", "provider", "issuer", "subject", "email", "groups", "admin", "used_at")
    tell_table(rows, columns, empty="It is connected to no account at a provider.", as_json=False)


@commands.command("unlink")
def unlink(
    name: NameArgument,
    identity: Annotated[
        str,
        typer.Argument(
            metavar="IDENTITY|ISSUER",
            help="The connection's id, from `user show`, or the issuer. Put -- before one that begins with a dash.",
        ),
    ],
    subject: Annotated[str | None, typer.Argument(help="With an issuer: the subject.", show_default="none")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Disconnect an account from one at a provider. What that granted is lost, and the sessions made with it end."""

    async def act(house: House) -> tuple[User, Identity]:
        user = await find_user(house, name)
        own = (await house.flows.identities.list_all(CLI)).get(user.id, [])
        wanted = next(
            (each for each in own if identity == each.id or (identity, subject) == (each.issuer, each.subject)), None
        )
        if wanted is None or (subject is not None and wanted.subject != subject):
            raise NotFoundError(f"{user.name} has no such connection; `doorward user show {user.name}` lists them")
        return user, await house.flows.identities.unlink_for(CLI, user.name, wanted.id, now=house.clock.now())

    user, gone = in_house(config, act)
    tell(
        f"{user.name} is no longer connected to {gone.subject} at {gone.issuer}.",
        _describe_identity(gone),
        as_json=json,
    )


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


@commands.command("edit")
def edit(
    name: NameArgument,
    new_name: Annotated[str | None, typer.Option("--name", help="Another user name.")] = None,
    email: Annotated[str | None, typer.Option(help='Another e-mail address, or "" for none.')] = None,
    display_name: Annotated[str | None, typer.Option(help="Another name to show.")] = None,
    admin: Annotated[
        bool | None, typer.Option("--admin/--no-admin", help="Make it an administrator, or no more.")
    ] = None,
    console_only: Annotated[
        bool | None, typer.Option("--console-only/--apps", help="Keep it to our own pages, or let it use apps again.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Change an account. Its sessions end with another name or address, and where it may do less than before."""
    if all(wish is None for wish in (new_name, email, display_name, admin, console_only)):
        raise InputError("say what to change: --name, --email, --display-name, --admin, --no-admin, --console-only")

    async def act(house: House) -> User:
        administration, now = house.flows.administration, house.clock.now()
        user = await find_user(house, name)
        if not (new_name is None and email is None and display_name is None):
            user = accepted(
                await administration.edit_user(
                    CLI,
                    user.name,
                    name=user.name if new_name is None else new_name,
                    display_name=user.display_name if display_name is None else display_name,
                    email=user.email if email is None else email,
                    seen=version_of(user),
                    now=now,
                )
            )
        if admin is not None:
            user = await administration.set_admin(CLI, user.name, admin, now=now)
        if console_only is not None:
            user = await administration.set_console_only(CLI, user.name, console_only, now=now)
        return user

    user = in_house(config, act)
    tell(f"Changed {user.name}.", describe_user(user), as_json=json)


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


def _describe_identity(identity: Identity) -> dict[str, object]:
    return {
        "id": identity.id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "email": identity.email,
        "name": identity.name,
        "groups": sorted(identity.groups),
        "admin": identity.is_admin,
        "owns_profile": identity.owns_profile,
        "linked_at": spell_instant(identity.linked_at),
        "used_at": spell_instant(identity.used_at) if identity.used_at else "",
    }


def _set_enabled(config: Path | None, name: str, *, enabled: bool) -> User:
    async def act(house: House) -> User:
        return await house.flows.administration.set_enabled(CLI, name, enabled, now=house.clock.now())

    return in_house(config, act)
