"""Taking a backup elsewhere: by a command of the operator's, or to storage that speaks S3 (B-37)."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from doorward.errors import PeerError
from doorward.interfaces import Fetch
from doorward.rules.backup import MAX_SIZE, Backup
from doorward.rules.sigv4 import Signer, quote_key, sign

_PASSED_ON: Final = ("HOME", "LANG", "LC_ALL", "PATH", "SSH_AUTH_SOCK", "TZ", "USER", "XDG_CONFIG_HOME")
"""What a command gets of our environment. Never the master key, which stands there too (B-02)."""
_MOST_SAID: Final = 2000
_DONE: Final = frozenset({200, 201, 204})


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, run without a shell; `{path}` in any of them is the file."""

    words: Sequence[str]
    timeout: timedelta
    environ: Mapping[str, str]
    path_of: Callable[[str], Path]

    async def __call__(self, backup: Backup) -> None:
        """Run it. PeerError where it cannot be run, fails, or takes too long: it is ended then."""
        path = str(self.path_of(backup.name))
        words = [word.replace("{path}", path) for word in self.words]
        environ = {name: self.environ[name] for name in _PASSED_ON if name in self.environ}
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=quiet, stdout=quiet, stderr=asyncio.subprocess.PIPE, env=environ, start_new_session=True
            )
        except OSError as error:
            raise PeerError(f"{words[0]} cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                said = await _read_some(process.stderr)
                status = await process.wait()
        except TimeoutError:
            raise PeerError(f"{words[0]} took longer than {self.timeout.total_seconds():g} seconds") from None
        finally:
            if process.returncode is None:
                # It leads a group of its own: whatever it started ends with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status:
            raise PeerError(f"{words[0]} ended with {status}: {said}")


async def _read_some(stream: asyncio.StreamReader | None) -> str:
    """The beginning of what a program complains about, all of which is taken from it."""
    said = b""
    while stream is not None and (piece := await stream.read(4096)):
        said = (said + piece)[:_MOST_SAID]
    return " ".join(said.decode("utf-8", "replace").split())


def _read_hashed(path: Path) -> tuple[bytes, str]:
    """The file and its SHA-256."""
    body = path.read_bytes()
    return body, sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Storage that speaks S3: the address of a bucket, which ends in no slash, and where in it."""

    url: str
    prefix: str
    signer: Signer
    fetch: Fetch
    path_of: Callable[[str], Path]
    now: Callable[[], datetime]

    async def __call__(self, backup: Backup) -> None:
        """Put it there. PeerError where that does not work."""
        if backup.size > MAX_SIZE:
            raise PeerError(f"the backup is larger than {MAX_SIZE // 1024 // 1024} MiB; carry it with a command")
        body, digest = await asyncio.to_thread(_read_hashed, self.path_of(backup.name))
        url = f"{self.url}/{quote_key(self.prefix + backup.name)}"
        headers = {"content-type": "application/octet-stream"}
        signed = sign(self.signer, "PUT", url, headers=headers, payload_hash=digest, now=self.now())
        answer = await self.fetch("PUT", url, headers=signed, body=body)
        if answer.status not in _DONE:
            said = " ".join(answer.body[:300].decode("utf-8", "replace").split())
            raise PeerError(f"{self.url} answered {answer.status}: {said}")


@dataclass(frozen=True, slots=True)
class Everywhere:
    """All ways, one after another; what one of them says is told once all were tried."""

    ways: Sequence[Callable[[Backup], Awaitable[None]]]

    async def __call__(self, backup: Backup) -> None:
        """Take it to all of them."""
        troubles = []
        for way in self.ways:
            try:
                await way(backup)
            except PeerError as error:
                troubles.append(str(error))
        if troubles:
            raise PeerError("; ".join(troubles))
