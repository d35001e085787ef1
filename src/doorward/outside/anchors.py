"""Where checkpoints and copies of audit records go: a file, a program, an address, a mailbox."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doorward.errors import PeerError, UnavailableError
from doorward.interfaces import Fetch
from doorward.outside.system import read_environment

TIMEOUT: Final = 60.0
_MOST_SAID: Final = 200
_PASSED_ON: Final = frozenset({"PATH", "HOME", "LANG"})
"""Of our environment, which holds secrets."""


async def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a file, whole and on disk; it is made for us alone. UnavailableError where it cannot be done."""
    await asyncio.to_thread(_append, path, "".join(lines).encode())


async def print_lines(lines: Sequence[str]) -> None:
    """Print lines on our standard output."""
    await asyncio.to_thread(_print, "".join(lines))


async def run_program(words: Sequence[str], line: str, *, timeout: float = TIMEOUT) -> None:  # noqa: ASYNC109 -- it ends the program, too
    """Give a line to a program on its standard input; PeerError where it fails, UnavailableError where it is not there.

    SECURITY: the words are run as they are, no shell reads them; tests/unit/test_anchors.py would fail.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={name: text for name, text in read_environment().items() if name in _PASSED_ON},
            start_new_session=True,
        )
    except OSError as error:
        raise UnavailableError(f"{words[0]} cannot be run: {error.strerror}") from error
    try:
        _, said = await asyncio.wait_for(process.communicate(line.encode()), timeout)
    except TimeoutError:
        raise PeerError(f"{words[0]} took longer than {timeout:g} seconds") from None
    finally:
        # It and whatever it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        told = said[-_MOST_SAID:].decode("utf-8", "replace").strip()
        raise PeerError(f"{words[0]} ended with {process.returncode}: {told}")


async def post_line(fetch: Fetch, url: str, line: str) -> None:
    """Post a line of JSON. PeerError where it is not taken."""
    answer = await fetch("POST", url, headers={"content-type": "application/json"}, body=line.encode(), limit=64 * 1024)
    if not 200 <= answer.status < 300:  # noqa: PLR2004 -- the statuses that say yes
        raise PeerError(f"the address answered {answer.status}")


def _append(path: Path, content: bytes) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            file.write(content)
            os.fsync(descriptor)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise UnavailableError(f"standard output cannot be written: {error.strerror}") from error
