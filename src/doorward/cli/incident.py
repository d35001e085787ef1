"""`doorward incident`: containing what went wrong, and what is kept for the worst."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.app.house import House, read_environment
from doorward.cli.configured import InsecureHttpOption, load
from doorward.cli.house import (
    ConfigOption,
    JsonOption,
    NameArgument,
    in_house,
    read_password,
    spell_instant,
    tell,
    tell_table,
)
from doorward.flows.admin import CLI
from doorward.flows.break_glass import MAX_CODES, Made
from doorward.flows.lockdown import Contained, Prospect, View
from doorward.rules.age_key import parse_recipient
from doorward.rules.backup import Readers
from doorward.rules.break_glass import Kit
from doorward.rules.identity import User
from doorward.rules.lockdown import Lockdown

commands = typer.Typer(
    help="When something went wrong. What is done here counts at a running server's very next request.",
    no_args_is_help=True,
)

break_glass = typer.Typer(help="Coming in when nothing else opens.", no_args_is_help=True)
commands.add_typer(break_glass, name="break-glass")

KIT: Final = """\
DOORWARD BREAK-GLASS KIT
Account: {name}
Made:    {made_at}

{codes}

Keep it like a key: whoever has it comes in as this administrator. Each code works once and opens a session of half an
hour. Spaces, dashes and capitals do not matter.

1. While Doorward runs, open {url} and type the code.
2. When it does not start or its data is broken, stop it, and run at the machine:
       doorward incident break-glass serve
3. All administrators are told when it is used. Make a new kit afterwards.
"""

NetworkOption = Annotated[
    list[str] | None,
    typer.Option("--console-from", metavar="NETWORK", help="Open the console from here only; may be said repeatedly."),
]
AppKeysOption = Annotated[bool, typer.Option("--app-keys", help="Revoke all keys for apps, too.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record and for who sees the banner.")]


@commands.command("status")
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Say whether there is a lockdown, and which administrators have a way in."""

    async def act(house: House) -> View:
        return await house.flows.lockdowns.look(CLI, now=house.clock.now())

    view = in_house(config, act)
    lines = [_say(view.lockdown), *(_say_prospect(each) for each in view.prospects), _say_keys(view)]
    if not any(each.may_come for each in view.prospects):
        lines.append("No administrator can sign in at present.")
    value = {
        "lockdown": _tell(view.lockdown),
        "administrators": [_tell_prospect(each) for each in view.prospects],
        "keys": view.keys,
    }
    tell("\n".join(lines), value, as_json=json)


@commands.command("lockdown")
def lockdown(
    console_from: NetworkOption = None,
    reason: ReasonOption = "",
    app_keys: AppKeysOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End all sessions, replace their key, and let nobody register or add a way of signing in until it is lifted.

    No key for apps opens anything while it holds. With --app-keys they are revoked, and do not come back with the lift.
    `doorward incident status` shows beforehand who can sign in again.
    """

    async def act(house: House) -> tuple[Contained, View]:
        flow = house.flows.lockdowns
        contained = await flow.begin(
            CLI, networks=console_from or (), reason=reason, keys_too=app_keys, now=house.clock.now()
        )
        return contained, await flow.look(CLI, now=house.clock.now())

    contained, view = in_house(config, act)
    names = [each.user.name for each in view.prospects if each.may_come]
    lines = [
        f"Locked down. All sessions of {contained.accounts} accounts have ended, and links handed out are dead.",
        "Nobody registers, is invited, or adds a way of signing in, but administrators.",
        f"Administrators who can sign in: {', '.join(names) or 'none'}.",
        f"Keys for apps that were revoked: {contained.keys}." if app_keys else _say_keys(view),
        "`doorward incident lift` ends it.",
    ]
    value = {**(_tell(contained.lockdown) or {}), "accounts": contained.accounts, "administrators": names}
    value |= {"keys": view.keys, "keys_revoked": contained.keys}
    tell("\n".join(lines), value, as_json=json)


@commands.command("lift")
def lift(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Lift the lockdown. What it ended stays ended."""

    async def act(house: House) -> Lockdown | None:
        return await house.flows.lockdowns.lift(CLI, now=house.clock.now())

    lifted = in_house(config, act)
    said = "There was no lockdown." if lifted is None else "The lockdown is lifted."
    tell(said, {"lifted": lifted is not None}, as_json=json)


@commands.command("evidence")
def evidence(
    file: Annotated[Path, typer.Argument(help="A new file; nothing is overwritten.")],
    recipient: Annotated[
        list[str] | None, typer.Option(help="A public key of age that may read it; may be said repeatedly.")
    ] = None,
    passphrase_stdin: Annotated[
        bool, typer.Option("--passphrase-stdin", help="Read the passphrase from stdin's first line.")
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="Read it from a file's first line.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Copy what is known into one file encrypted with age: record, configuration, versions, decisions, sessions.

    The list of keys for apps is in it, too. Secrets of the configuration are left out, and no log is in it. It is a ZIP
    archive once it is decrypted.
    """
    from doorward.app.evidence import new_file, write_evidence

    if recipient:
        readers = Readers(recipients=tuple(map(parse_recipient, recipient)))
    else:
        readers = Readers(passphrase=read_password(stdin=passphrase_stdin, file=passphrase_file))
    loaded = load(config, allow_insecure_http=True)

    with new_file(file) as sink:

        async def act(house: House) -> tuple[str, ...]:
            return await write_evidence(house, loaded, sink, readers)

        names = in_house(config, act)
    tell(f"{file}: {', '.join(names)}; encrypted.", {"file": str(file), "contents": list(names)}, as_json=json)


@break_glass.command("serve")
def serve(
    code_stdin: Annotated[bool, typer.Option("--code-stdin", help="Read the code from stdin's first line.")] = False,
    config: ConfigOption = None,
    *,
    allow_insecure_http: InsecureHttpOption = False,
) -> None:
    """Run the gateway without its data, for the administrator of a kit: when the data is down or broken.

    The code is used up. Everything lies in a fresh temporary folder, which goes when it ends; what was recorded is kept
    beside the data as emergency-INSTANT.jsonl, and noted in the real record at the next proper start.
    """
    from doorward.app import emergency

    loaded = load(config, allow_insecure_http=allow_insecure_http)
    code = sys.stdin.readline() if code_stdin else str(typer.prompt("Break-glass code", hide_input=True))
    begun = emergency.begin(loaded, read_environment(), code)

    def say(link: str) -> None:
        typer.echo(f"Running in an emergency. {begun.entry.name} sets a password here:\n\n    {link}\n")

    kept = emergency.run(begun, tell=say)
    typer.echo(f"What was recorded is kept in {kept}.")


@commands.command("kit")
def kit(
    user: NameArgument,
    codes: Annotated[int, typer.Option(min=1, max=MAX_CODES, help="How many codes; each works once.")] = 1,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print a break-glass kit for an administrator, to be kept on paper. Their unused codes are worthless then."""

    async def act(house: House) -> tuple[Made, str]:
        made = await house.flows.break_glass.make(CLI, user, count=codes, now=house.clock.now())
        return made, house.config.server.public_url

    made, url = in_house(config, act)
    at = spell_instant(made.made_at)
    text = KIT.format(
        name=made.user.name, made_at=at, codes="\n".join(f"    {code}" for code in made.codes), url=f"{url}/break-glass"
    )
    tell(text, {"user": made.user.name, "made_at": at, "codes": list(made.codes)}, as_json=json)


@break_glass.command("list")
def list_kits(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List break-glass codes: whose, since when, and whether one was used. Never what opens."""

    async def act(house: House) -> list[tuple[Kit, User]]:
        return await house.flows.break_glass.list_kits(CLI)

    rows: list[dict[str, object]] = [
        {
            "user": user.name,
            "made": spell_instant(found.made_at),
            "used": spell_instant(found.used_at) if found.used_at else "",
        }
        for found, user in in_house(config, act)
    ]
    tell_table(rows, ("user", "made", "used"), empty="Nobody has a kit.", as_json=json)


@break_glass.command("revoke")
def revoke(
    user: Annotated[str | None, typer.Argument(help="Whose; everybody's where nobody is named.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take unused codes back."""

    async def act(house: House) -> int:
        return await house.flows.break_glass.revoke(CLI, user, now=house.clock.now())

    count = in_house(config, act)
    tell(f"Unused codes taken back: {count}.", {"revoked": count}, as_json=json)


def _say(found: Lockdown | None) -> str:
    if found is None:
        return "There is no lockdown."
    where = f" The console is open from {', '.join(map(str, found.networks))} only." if found.networks else ""
    why = f" {found.reason}" if found.reason else ""
    return f"Locked down since {spell_instant(found.since)}.{where}{why}"


def _say_keys(view: View) -> str:
    if view.lockdown is None:
        return f"Keys for apps that would open nothing in a lockdown: {view.keys}."
    return f"Keys for apps that open nothing until it is lifted: {view.keys}."


def _say_prospect(one: Prospect) -> str:
    ways = [*(["password"] if one.password else []), *(["passkey"] if one.passkey else []), *one.providers]
    factor = "with a second factor" if one.factor else "without a second factor"
    return f"  {one.user.name}: {', '.join(ways) or 'no way in'}; {factor}"


def _tell(found: Lockdown | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "since": spell_instant(found.since),
        "by": found.by,
        "reason": found.reason,
        "networks": [str(network) for network in found.networks],
    }


def _tell_prospect(one: Prospect) -> dict[str, object]:
    return {
        "name": one.user.name,
        "password": one.password,
        "passkey": one.passkey,
        "providers": list(one.providers),
        "second_factor": one.factor,
    }
