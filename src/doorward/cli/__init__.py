"""The operator's door: `doorward COMMAND`.

Owns what is typed, what is printed and the exit codes. Decides nothing and touches no database itself: `app` opens the
house, and `flows` act. A command is imported when it is used, so that `doorward --help` answers at once.

A group of commands is a module of its name with a typer application `commands`; a single command is a function of its
name in the module that the table names.
"""

import importlib
import sys
from typing import Any, Final

import typer

from doorward import __version__
from doorward.errors import (
    ConfigError,
    DoorwardError,
    ForbiddenError,
    InputError,
    PeerError,
    TamperError,
    UnavailableError,
)

GROUPS: Final = {
    "config": "Check, show and document the configuration; import and export it.",
    "user": "Accounts: add, list, show, edit, disable, delete; passwords, factors, groups, links to providers.",
    "users": "Many accounts at once: import and export.",
    "rules": "Rules, groups and apps: import and export.",
    "session": "Sessions: list and end them.",
    "provider": "Providers that people may sign in with: list and test them.",
    "invite": "Invitations: make, list and take back.",
    "policy": "What is decided for everybody: who needs a second factor, and who may register.",
    "privacy": "What is kept of people: how long, a copy of it, and the end of it.",
    "decisions": "What the gate decided: list it.",
    "app-secret": "What we show apps in people's names: set, list and remove passwords and tokens.",
    "key": "Keys for apps, of people and services: make, list, take back and wake them.",
    "keys": "Keys: make, list, rotate and copy them.",
    "backup": "Backups: make, list, verify and restore them.",
    "alert": "Alerts: list them, and test where they are sent.",
    "audit": "The record of what was done: list, export, verify and erase.",
    "mail": "Outgoing mail: test it, and list what became of it.",
    "incident": "When something went wrong: lock down, lift, and what is kept for the worst.",
    "sign-in": "Ways of signing in: switch passwords on and off.",
}
COMMANDS: Final = {
    "serve": ("serve", "Run the gateway."),
    "setup-link": ("serve", "Print a new one-time link that makes the first administrator."),
    "reset-password": ("recovery", "Let in somebody who is locked out: a temporary password, or a link."),
    "explain": ("explain", "Say why a request would be allowed or refused, and what would change that."),
}
EXIT_CODES: Final[tuple[tuple[type[DoorwardError], int], ...]] = (
    (ConfigError, 78),  # EX_CONFIG
    (InputError, 65),  # EX_DATAERR
    (UnavailableError, 69),  # EX_UNAVAILABLE
    (TamperError, 70),  # EX_SOFTWARE
    (PeerError, 76),  # EX_PROTOCOL
    (ForbiddenError, 77),  # EX_NOPERM
)


def main() -> None:
    """Run the command line; errors become a sentence and an exit code (sysexits.h), never a traceback."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build(wanted)(prog_name="doorward")
    except ConfigError as error:
        sys.stderr.write(format_problems(error))
        sys.exit(78)
    except DoorwardError as error:
        sys.stderr.write(f"doorward: {error}\n")
        sys.exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1))
    except KeyboardInterrupt:
        sys.exit(130)


def build(wanted: str | None) -> typer.Typer:
    """The command line; only the wanted command is imported, the others are known by name and summary."""
    root = typer.Typer(
        name="doorward",
        help="The identity gateway: decides, for every request, whether it may be made.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    root.callback(invoke_without_command=True)(_root)
    for name, (module, summary) in COMMANDS.items():
        command = _import(module, name.replace("-", "_")) if name == wanted else _stand_in
        root.command(name, help=summary)(command)
    for name, summary in GROUPS.items():
        group: typer.Typer = _import(name.replace("-", "_"), "commands") if name == wanted else typer.Typer()
        if name != wanted:
            group.callback(invoke_without_command=True)(_stand_in)
        root.add_typer(group, name=name, help=summary)
    return root


def format_problems(error: ConfigError) -> str:
    """Every problem on a line of its own."""
    if error.problems == (str(error),):
        return f"doorward: {error}\n"
    return "".join([f"doorward: {error}\n", *(f"  {problem}\n" for problem in error.problems)])


def _root(
    context: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True),
) -> None:
    if version:
        typer.echo(f"doorward {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _stand_in() -> None:
    """Stands in the list of commands for one that is not imported; never called, because a wanted one is."""


def _import(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"doorward.cli.{module}"), name)
