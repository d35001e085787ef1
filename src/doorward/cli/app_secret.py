"""`doorward app-secret`: passwords and tokens that apps are shown in people's names."""

from pathlib import Path
from typing import Annotated

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, read_hidden, spell_instant, tell, tell_table
from doorward.flows.acting import CLI
from doorward.rules.app_header import MAX_SECRET

commands = typer.Typer(
    help="What we show apps in people's names: passwords and tokens that `apps` in the configuration names.",
    no_args_is_help=True,
)
_SecretArgument = Annotated[str, typer.Argument(metavar="NAME", help="What the configuration calls it.")]
_StdinOption = Annotated[bool, typer.Option("--stdin", help="Read it from the first line of stdin.")]
_FileOption = Annotated[Path | None, typer.Option("--file", help="Read it from a file's first line.")]


@commands.command("set")
def set_secret(
    name: _SecretArgument,
    *,
    stdin: _StdinOption = False,
    file: _FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Set one, in place of any of this name; asked for where neither --stdin nor --file says where it is.

    A running server shows it to the apps at their very next check.
    """
    value = read_hidden("secret", MAX_SECRET, stdin=stdin, file=file)

    async def act(house: House) -> tuple[str, ...]:
        await house.flows.app_secrets.put(CLI, name, value, now=house.clock.now())
        return next(each.apps for each in await house.flows.app_secrets.look(CLI) if each.name == name)

    apps = in_house(config, act)
    shown = f"shown to {', '.join(apps)}" if apps else "no app of the configuration is shown it yet"
    tell(f"{name} is set; {shown}.", {"name": name, "apps": list(apps)}, as_json=json)


@commands.command("list")
def list_secrets(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all there are, and all that the configuration names; never what they are.

    Exit code 1 where one is missing: its apps let nobody in.
    """

    async def act(house: House) -> list[dict[str, object]]:
        return [
            {
                "name": each.name,
                "changed_at": spell_instant(each.changed_at) if each.changed_at is not None else "",
                "missing": each.changed_at is None,
                "apps": list(each.apps),
            }
            for each in await house.flows.app_secrets.look(CLI)
        ]

    rows = in_house(config, act)
    tell_table(rows, ["name", "changed_at", "missing", "apps"], empty="There are no secrets for apps.", as_json=json)
    missing = [str(row["name"]) for row in rows if row["missing"]]
    if missing:
        typer.echo(f"Missing: {', '.join(missing)}. `doorward app-secret set` sets one.", err=True)
        raise typer.Exit(1)


@commands.command("remove")
def remove_secret(name: _SecretArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Forget one that the configuration does not name any more."""

    async def act(house: House) -> None:
        await house.flows.app_secrets.remove(CLI, name, now=house.clock.now())

    in_house(config, act)
    tell(f"{name} is removed.", {"name": name}, as_json=json)
