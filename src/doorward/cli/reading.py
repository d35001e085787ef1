"""What the commands of import and export share: files that are named, and how a plan is told."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from doorward.errors import InputError

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file to import; `-` is stdin.")]
ApplyOption = Annotated[
    str,
    typer.Option("--apply", metavar="TOKEN", help="Do what the preview has shown; it ends with its token."),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Put what the file has in the place of what is here, where they differ.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write a new file, for its owner alone.", show_default="stdout"),
]
_MOST_SECRET = 4096


def read_file(path: Path, *, limit: int) -> bytes:
    """A file, or stdin; InputError where it cannot be read or has more than `limit` bytes."""
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read") from error
    if len(raw) > limit:
        raise InputError(f"{path} has more than {limit} bytes, which is no file of this kind")
    return raw


def read_secret(file: Path | None, *, stdin: bool, what: str) -> str:
    """One line from a file or stdin, "" where neither is named."""
    if file is not None and stdin:
        raise InputError(f"take one of --{what}-file and --{what}-stdin")
    if file is None and not stdin:
        return ""
    raw = read_file(file or Path("-"), limit=_MOST_SECRET)
    text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text:
        raise InputError(f"the {what.replace('-', ' ')} must stand on one line, with nothing after it")
    return text
