"""Files with secrets that others can reach: what stops the start, and what an operator should know.

What an orchestrator mounts has modes of its own (Docker's secrets are readable to all in their container), so what lies
under `/run/secrets` is its word and not ours.
"""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from doorward.config.finding import Finding
from doorward.config.load import Loaded
from doorward.config.values import Secret
from doorward.errors import ConfigError
from doorward.rules.private import quote

FROM: Final = ", from "
"""Between where a secret's setting stands and the file that holds it, in the origins of a configuration."""
MOUNTED: Final = (Path("/run/secrets"), Path("/var/run/secrets"))
WEB_ROOTS: Final = tuple(
    map(
        Path, ("/var/www", "/srv/http", "/srv/www", "/usr/share/nginx", "/usr/share/caddy", "/usr/local/apache2/htdocs")
    )
)
WEB_FOLDERS: Final = frozenset({"public_html", "htdocs", "wwwroot"})
_MOST_INDEX: Final = 16 * 1024 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def refuse_exposed(loaded: Loaded) -> None:
    """ConfigError where others can reach a file that holds nothing but a secret, with the command that mends it."""
    problems = tuple(
        f"{path} has mode {mode:03o}, so other users can reach the secret in it: chmod 600 {quote(str(path))}"
        for path in list_secret_files(loaded)
        if (mode := _find_mode(path)) & _OTHERS and not any(path.is_relative_to(place) for place in MOUNTED)
    )
    if problems:
        raise ConfigError("files with secrets are open to others", problems)


def note_exposed(loaded: Loaded) -> list[Finding]:
    """A configuration with secrets in it that others can read; anything secret under a web root or in a repository."""
    config = loaded.config
    places = {"storage.path": Path(config.storage.path)}
    places |= {f"file {path}": path for path in list_secret_files(loaded)}
    notices = []
    if loaded.path is not None:
        places["config"] = loaded.path
        mode = _find_mode(loaded.path)
        if mode & _OTHERS and holds_secrets(loaded):
            notices.append(
                Finding(
                    "config",
                    f"{loaded.path} holds secrets and has mode {mode:03o}, so other users can reach them",
                    f"chmod 600 {quote(str(loaded.path))}, or keep the secrets in files of their own",
                )
            )
    for name, path in places.items():
        notices += _note_place(name, path.resolve(), secret=name != "config" or holds_secrets(loaded))
    return notices


def list_secret_files(loaded: Loaded) -> list[Path]:
    """The files that settings were read from."""
    return sorted({Path(origin.partition(FROM)[2]) for origin in loaded.origins.values() if FROM in origin})


def holds_secrets(loaded: Loaded) -> bool:
    """Whether a secret stands in the configuration file itself."""
    return any(
        loaded.path is not None and _is_within(loaded.path, _find_origin(loaded, key))
        for key in _list_secrets(loaded.config, "")
    )


def _note_place(name: str, path: Path, *, secret: bool) -> Iterator[Finding]:
    if any(path.is_relative_to(root) for root in WEB_ROOTS) or not WEB_FOLDERS.isdisjoint(path.parts):
        yield Finding(name, f"{path} is where web servers serve files from", "move it out of there")
    if secret and is_tracked(path):
        yield Finding(
            name,
            f"{path} is part of a git repository, and so of every copy of it",
            f"git rm --cached {quote(path.name)}, and make new secrets",
        )


def is_tracked(path: Path) -> bool:
    """Whether a file, or anything in a folder, is part of the git repository around it. Reads its index, no more."""
    for parent in path.parents:
        index = parent / ".git" / "index"
        try:
            with index.open("rb") as file:
                known = file.read(_MOST_INDEX)
        except OSError:
            continue
        end = b"/" if path.is_dir() else b"\0"
        return str(path.relative_to(parent)).encode() + end in known
    return False


def _find_mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # whoever reads it says so


def _list_secrets(value: object, at: str) -> Iterator[str]:
    if isinstance(value, Secret):
        yield at
    elif isinstance(value, BaseModel):
        for name, each in value:
            yield from _list_secrets(each, f"{at}.{name}" if at else name)
    elif isinstance(value, tuple):
        for position, each in enumerate(value):
            yield from _list_secrets(each, f"{at}[{position}]")


def _is_within(path: Path, origin: str) -> bool:
    return FROM not in origin and (origin == str(path) or origin.startswith(f"{path} line "))


def _find_origin(loaded: Loaded, key: str) -> str:
    while key:
        if key in loaded.origins:
            return loaded.origins[key]
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return ""
