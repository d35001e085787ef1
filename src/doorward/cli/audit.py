"""`doorward audit`: the record of what was done, and whether it is what it was."""

import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from doorward.app.house import House, read_clock
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_cell, spell_instant, tell, tell_table
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.audit_trail import Listed, Wish
from doorward.rules.audit import AuditEntry
from doorward.rules.audit_lines import MOST_LINE, read_line, write_line
from doorward.rules.audit_proof import Verdict, verify_export
from doorward.rules.checkpoint import Checkpoint, fingerprint, parse_public_key
from doorward.rules.span import parse_span

commands = typer.Typer(
    help="The record of what was done: looked at, taken out, verified. Every act writes it in its own transaction.",
    no_args_is_help=True,
)

ActorOption = Annotated[str, typer.Option("--actor", help="Who did it: a name, an address, an id, `cli`, `system`.")]
AboutOption = Annotated[str, typer.Option("--about", help="Whom or what it was done to: a name, an address, an id.")]
ActOption = Annotated[str, typer.Option("--act", help="What was done: `user.login`, or `user.*` for all of a kind.")]
SinceOption = Annotated[str, typer.Option("--since", help="From then on: `2030-01-31`, `2030-01-31T12:00`, or `7d`.")]
UntilOption = Annotated[str, typer.Option("--until", help="Before then, written alike.")]
CheckpointOption = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", help="A file of checkpoints that were kept elsewhere. May be given again."),
]
_COLUMNS: Final = ("number", "at", "act", "actor", "about", "details")


@commands.command("list")
def list_records(
    actor: ActorOption = "",
    about: AboutOption = "",
    act: ActOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only records with a lower number.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List records, the newest first."""
    wish = _read_wish(actor, about, act, since, until)

    async def look(house: House) -> Listed:
        return await house.flows.audit.find(CLI, wish, limit=limit, before=before)

    listed = in_house(config, look)
    rows = [_describe(entry, listed) for entry in listed.entries]
    tell_table(rows, _COLUMNS, empty="There are no such records.", as_json=json)


@commands.command("export")
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A new file. Unset: standard output.")] = None,
    actor: ActorOption = "",
    about: AboutOption = "",
    act: ActOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    without_private: Annotated[
        bool, typer.Option("--without-private", help="Leave out addresses, browsers and names.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Take records out as JSON Lines, signed: `doorward audit verify --file` verifies them on any machine."""
    wish = _read_wish(actor, about, act, since, until)

    async def take(house: House) -> int:
        count = 0
        lines = house.flows.audit.export(CLI, wish, private=not without_private, now=house.clock.now())
        with _open_new(output) as file:
            async for line in lines:
                file.write(line)
                count += 1
        return count

    # The first line and the last one are no records.
    sys.stderr.write(f"{in_house(config, take)} lines exported.\n")


@commands.command("verify")
def verify(
    file: Annotated[Path | None, typer.Option("--file", help="An export. Unset: the database itself.")] = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            "--public-key", help="A public key, or a file that has one. May be given again, after a rotation."
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether the record is what was recorded. Exit code 1, and where it is not, where it is not.

    With --file and --public-key it needs no configuration, no database and no secret: do it on another machine.
    """
    known = [point for path in checkpoint or () for point in _read_checkpoints(path)]
    if file is not None:
        keys = [_read_key(text) for text in public_key or ()]
        if not keys:
            raise InputError("an export is verified with a public key that came another way: give --public-key")
        verdict = verify_export(_read_lines(file), keys, known)
    elif public_key:
        raise InputError("--public-key goes with --file; the database has its own keys")
    else:

        async def walk(house: House) -> Verdict:
            return await house.flows.audit.verify(CLI, known=known, now=house.clock.now())

        verdict = in_house(config, walk)
    tell(_spell(verdict), _describe_verdict(verdict), as_json=json)
    if not verdict.holds:
        raise typer.Exit(1)


@commands.command("erase")
def erase(
    user: Annotated[str, typer.Option("--user", help="All records that this account is in: name, address or id.")] = "",
    before: Annotated[
        str, typer.Option("--before", help="All records from before then: `2030-01-31`, or `365d`.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase addresses, browsers and names in records. The records stay, and the chain goes on to verify."""
    if bool(user) == bool(before):
        raise InputError("give either --user or --before")
    instant = _read_instant(before) if before else None
    if not yes and not typer.confirm("What is erased cannot be brought back. Go on?"):
        raise typer.Exit(1)

    async def act(house: House) -> int:
        flow, now = house.flows.audit, house.clock.now()
        if instant is None:
            return await flow.erase_of(CLI, user, now=now)
        return await flow.erase_before(CLI, instant, now=now)

    count = in_house(config, act)
    tell(f"Personal data of {count} records was erased.", {"erased": count}, as_json=json)


@commands.command("public-key")
def public_key(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the public keys that exports and checkpoints are verified with, the present one first.

    Keep them where whoever breaks in here cannot change them.
    """

    async def look(house: House) -> list[str]:
        return await house.flows.audit.find_public_keys(CLI, now=house.clock.now())

    keys = in_house(config, look)
    tell("\n".join(keys), [{"key": key, "fingerprint": fingerprint(key)} for key in keys], as_json=json)


@commands.command("checkpoint")
def checkpoint(config: ConfigOption = None) -> None:
    """Sign how the record stands now, and print it. Keep it elsewhere."""

    async def sign(house: House) -> str:
        point = await house.flows.audit.make_checkpoint(now=house.clock.now())
        if point is None:
            raise InputError("there is nothing to sign, or less than was signed before: run doorward audit verify")
        return write_line(point, installation=await house.flows.audit.find_installation())

    typer.echo(in_house(config, sign), nl=False)


@contextmanager
def _open_new(path: Path | None) -> Generator[TextIO]:
    """A file that is not there yet, for us alone from its first moment; standard output where none is named."""
    if path is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(f"{path} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        yield file


def _read_wish(actor: str, about: str, act: str, since: str, until: str) -> Wish:
    return Wish(
        actor=actor,
        about=about,
        act=act,
        since=_read_instant(since) if since else None,
        until=_read_instant(until) if until else None,
    )


def _read_instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            span: timedelta = parse_span(text)
        except InputError:
            raise InputError(f"{text} is no instant: write 2030-01-31, 2030-01-31T12:00 (UTC), or 7d") from None
        return read_clock() - span
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_key(text: str) -> str:
    path = Path(text)
    if not text.startswith("ed25519:") and path.is_file():
        text = path.read_text("ascii", "replace").split("\n")[0]
    return parse_public_key(text)


def _read_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MOST_LINE + 1):
                yield line
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _read_checkpoints(path: Path) -> Iterable[Checkpoint]:
    for number, line in enumerate(_read_lines(path), 1):
        found, _ = read_line(line.rstrip(b"\r\n") + b"\n")
        if not isinstance(found, Checkpoint):
            raise InputError(f"line {number} of {path} is no checkpoint")
        yield found


def _describe(entry: AuditEntry, listed: Listed) -> dict[str, object]:
    return {
        "number": entry.sequence,
        "at": spell_instant(entry.at),
        "act": entry.act,
        "actor": listed.names.get(entry.actor, entry.actor),
        "about": listed.names.get(entry.subject, entry.subject),
        "details": [f"{name}={text}" for name, text in {**entry.public, **(entry.private or {})}.items() if text],
        "public": dict(entry.public),
        "private": None if entry.private is None else dict(entry.private),
    }


def _spell(verdict: Verdict) -> str:
    if verdict.holds:
        signed = f"signed up to record {verdict.signed_upto}" if verdict.signed_upto else "nothing of it is signed yet"
        return f"{verdict.records} records are what was recorded; {signed}."
    lines = [f"line {flaw.line}: {flaw.text}" if flaw.line else flaw.text for flaw in verdict.flaws]
    more = ["and more"] if verdict.more else []
    return "\n".join(["This is not what was recorded:", *(f"  {spell_cell(line)}" for line in [*lines, *more])])


def _describe_verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "holds": verdict.holds,
        "records": verdict.records,
        "last": verdict.last,
        "hash": verdict.hash.hex(),
        "checkpoints": verdict.checkpoints,
        "signed_upto": verdict.signed_upto,
        "flaws": [
            {"fault": flaw.fault.value, "text": flaw.text, "first": flaw.first, "last": flaw.last, "line": flaw.line}
            for flaw in verdict.flaws
        ],
        "more": verdict.more,
    }
