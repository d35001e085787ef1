"""Messages to other services, by Apprise in a process of its own.

Apprise speaks to more services than we could, and is larger than all of us: it runs beside us, for one message, with
limits on memory and time, learns the address of the target from its standard input (arguments are to be seen by
everybody on the machine), and answers in a few words of ours. What it prints itself is never shown.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from doorward.errors import UnavailableError
from doorward.rules.outbound import OutboundPolicy

PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from doorward.outside.notify_child import main; main()",
    str(Path(__file__).resolve().parents[2]),
)
"""What the interpreter is told to run, isolated from all but this very package."""
MEMORY: Final = 512 * 1024 * 1024
"""Bytes of address space; a message takes about 150 MiB of it, and far less of real memory."""
_MOST_ANSWER: Final = 4096
_WORDS: Final = {
    "name": "its name cannot be resolved",
    "connect": "nobody answers there",
    "timeout": "it took too long",
    "tls": "its certificate is not one we trust",
    "address": "Apprise cannot read its address",
    "library": "Apprise is not there",
    "failed": "it did not take the message",
}


class AppriseMessenger:
    """`interfaces.Messenger`. `targets`: addresses by name. `ca_file`: authorities to trust besides the usual ones."""

    def __init__(
        self,
        targets: Mapping[str, str],
        policy: OutboundPolicy,
        *,
        timeout: timedelta = timedelta(seconds=30),
        ca_file: Path | None = None,
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self._targets = dict(targets)
        self._policy = policy
        self._timeout = timeout.total_seconds()
        self._ca_file = ca_file
        self._program = program
        self._turn = asyncio.Lock()

    async def send(self, target: str, *, title: str, text: str) -> None:
        """Hand a message over. See `interfaces.Messenger`."""
        asked = {
            "url": self._targets[target],
            "title": title,
            "text": text,
            "ca_file": str(self._ca_file or ""),
            "memory": MEMORY,
            "seconds": int(self._timeout),
            "insecure_http": self._policy.insecure_http,
            "own_origins": sorted(self._policy.own_origins),
            "allowances": [
                {"host": each.host, "network": str(each.network or ""), "port": each.port}
                for each in self._policy.allowances
            ],
        }
        # One at a time: a message is worth a wait, and not the memory of many.
        async with self._turn:
            answer = await self._ask(json.dumps(asked).encode("ascii"))
        trouble = _read_trouble(answer)
        if trouble:
            raise UnavailableError(trouble)

    async def _ask(self, asked: bytes) -> bytes:
        # SECURITY: nothing of our environment goes along, neither keys nor proxies: tests/contract/test_notify.py.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            *self._program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
        )
        try:
            async with asyncio.timeout(self._timeout):
                answer, _ = await process.communicate(asked)
        except TimeoutError:
            raise UnavailableError(_WORDS["timeout"]) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return answer


def _read_trouble(answer: bytes) -> str:
    """What was in the way, in our words."""
    try:
        said = json.loads(answer[:_MOST_ANSWER])
        word, status, objection = said["word"], said["status"], said["objection"]
    except (ValueError, KeyError, TypeError):
        return "the program that sends it ended without an answer"
    if word == "sent":
        return ""
    if word == "objection":
        return str(objection)
    if isinstance(status, int) and status:
        return f"it answered {status}"
    return _WORDS.get(word, _WORDS["failed"])
