"""`doorward users`: many accounts at once."""

from pathlib import Path
from typing import Annotated, Final

import typer

from doorward.app.house import House
from doorward.app.importing import MOST_BYTES, open_users, seal_users, write_out
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_cell, tell
from doorward.cli.reading import ApplyOption, FileArgument, OutOption, OverwriteOption, read_file, read_secret
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.importing import Preview, Source
from doorward.rules.importing import Choices, Deed, Difference, Origin, Problem, Step
from doorward.rules.users_file import write_users

commands = typer.Typer(
    help="Many accounts at once. An import shows first what it would do, and does it once it is given that preview's "
    "token.",
    no_args_is_help=True,
)

_MARKS: Final = {Deed.ADD: "+", Deed.CHANGE: "~", Deed.SAME: "=", Deed.TAKEN: "!", Deed.SKIP: "-"}
_ORIGINS: Final = ", ".join(f"`{origin.value}`" for origin in Origin)
_OTP_KEY: Final = ".otp_key"


@commands.command("import")
def import_users(
    file: FileArgument,
    origin: Annotated[
        str, typer.Option("--from", metavar="KIND", help=f"What the file is: {_ORIGINS}.", show_default="as it looks")
    ] = "",
    apply: ApplyOption = "",
    keep_admin: Annotated[
        bool, typer.Option("--keep-admin", help="Let administrators be administrators here, too.")
    ] = False,
    overwrite: OverwriteOption = False,
    skip: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Leave one out; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="What to call the account of a Traefik Manager.")] = "",
    email: Annotated[str, typer.Option(help="And its e-mail address.")] = "",
    fernet_key_file: Annotated[
        Path | None,
        typer.Option(help="The key of a Traefik Manager's second factor.", show_default=".otp_key beside the file"),
    ] = None,
    fernet_key_stdin: Annotated[bool, typer.Option("--fernet-key-stdin", help="Read that key from stdin.")] = False,
    without_totp: Annotated[
        bool, typer.Option("--without-totp", help="Leave the second factor of a Traefik Manager behind.")
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="The passphrase of our own file, where it is encrypted.")
    ] = None,
    passphrase_stdin: Annotated[bool, typer.Option("--passphrase-stdin", help="Read it from stdin.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Import accounts: from Authelia, from Traefik Manager, or our own file. Without --apply nothing is changed."""
    beside = file.parent / _OTP_KEY
    if fernet_key_file is None and not fernet_key_stdin and str(file) != "-" and beside.is_file():
        fernet_key_file = beside
    passphrase = read_secret(passphrase_file, stdin=passphrase_stdin, what="passphrase")
    source = Source(
        raw=open_users(read_file(file, limit=MOST_BYTES), passphrase),
        origin=_parse_origin(origin),
        name=name,
        email=email,
        fernet_key=read_secret(fernet_key_file, stdin=fernet_key_stdin, what="fernet-key"),
        without_totp=without_totp,
    )
    choices = Choices(keep_admin=keep_admin, overwrite=overwrite, skip=frozenset(skip or ()))

    async def act(house: House) -> Preview:
        importing = house.flows.importing
        if apply:
            return await importing.apply(CLI, source, choices, apply, now=house.clock.now())
        return await importing.preview(CLI, source, choices)

    preview = in_house(config, act)
    tell("\n".join(_spell(preview)), describe_preview(preview), as_json=json)
    if preview.problems:
        raise typer.Exit(65)


@commands.command("export")
def export_users(
    out: OutOption = None,
    secrets: Annotated[
        bool,
        typer.Option("--secrets", help="With password hashes and authenticator apps; the file is encrypted then."),
    ] = False,
    passphrase_file: Annotated[Path | None, typer.Option(help="The passphrase to encrypt it with.")] = None,
    passphrase_stdin: Annotated[bool, typer.Option("--passphrase-stdin", help="Read it from stdin.")] = False,
    config: ConfigOption = None,
) -> None:
    """Export all accounts, with groups and rights. What providers grant stays out: it comes with their word.

    So do keys for apps: nobody can show them again. A backup has them, and a service that is moved gets new ones.
    """
    passphrase = read_secret(passphrase_file, stdin=passphrase_stdin, what="passphrase")
    if secrets and (out is None or not passphrase):
        raise InputError("password hashes go to a file that is encrypted: give --out, and --passphrase-file or -stdin")
    if passphrase and not secrets:
        raise InputError("only what has --secrets is encrypted")

    async def act(house: House) -> bytes:
        now = house.clock.now()
        accounts = await house.flows.importing.export(CLI, secrets=secrets, now=now)
        text = write_users(accounts, secrets=secrets, now=now).encode("utf-8")
        return seal_users(text, passphrase, house.random) if secrets else text

    content = in_house(config, act)
    if out is None:
        typer.echo(content.decode("utf-8"), nl=False)
        return
    write_out(out, content)
    typer.echo(f"Wrote {out}.")


def describe_preview(preview: Preview) -> dict[str, object]:
    """A preview for programs."""
    return {
        "from": preview.origin.value,
        "applied": preview.applied,
        "token": preview.token,
        "counts": {deed.value: preview.count(deed) for deed in Deed},
        "accounts": [_describe_step(step) for step in preview.steps],
        "problems": [_describe_problem(problem) for problem in preview.problems],
        "notices": [_describe_problem(notice) for notice in preview.notices],
    }


def _describe_step(step: Step) -> dict[str, object]:
    return {
        "name": step.incoming.name,
        "path": step.incoming.path,
        "deed": step.deed.value,
        "reason": step.reason,
        "differences": [{"what": one.what, "before": one.before, "after": one.after} for one in step.differences],
    }


def _describe_problem(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "message": problem.message, "hint": problem.hint}


def _spell(preview: Preview) -> list[str]:
    lines = [f"From {preview.origin.value}:"]
    for step in preview.steps:
        about = f"{step.incoming.name}: {step.reason}" if step.reason else step.incoming.name
        lines.append(f"{_MARKS[step.deed]} {spell_cell(about)}")
        lines += [f"    {_spell_difference(one)}" for one in step.differences]
    lines += [f"problem: {spell_cell(problem.sentence)}" for problem in preview.problems]
    lines += [f"notice: {spell_cell(notice.sentence)}" for notice in preview.notices]
    counted = [(Deed.ADD, "added"), (Deed.CHANGE, "changed"), (Deed.SAME, "the same"), (Deed.TAKEN, "left as here")]
    lines.append(", ".join(f"{preview.count(deed)} {words}" for deed, words in counted) + ".")
    if preview.applied:
        lines.append("Done.")
    elif preview.problems:
        lines.append("Nothing was imported: mend the problems first.")
    elif preview.token:
        lines.append(f"Nothing was imported yet. To do this, add: --apply {preview.token}")
    else:
        lines.append("There is nothing to import.")
    return lines


def _spell_difference(one: Difference) -> str:
    after = spell_cell(one.after)
    return f"{one.what}: {spell_cell(one.before)} -> {after}" if one.before else f"{one.what}: {after}"


def _parse_origin(text: str) -> Origin | None:
    try:
        return Origin(text) if text else None
    except ValueError:
        raise InputError(f"--from is one of {', '.join(origin.value for origin in Origin)}") from None
