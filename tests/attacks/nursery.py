"""Starts `doorward` many times a second: what it imports is imported once, and every run is a fork of that.

    python -m tests.attacks.nursery

One line of JSON in, one out: `{"start": ["serve", …], "folder": …, "log": …}` is answered with the process, and
`{"wait": PID}` with how that ended. A fork is the program as it is, with nothing of it opened, read or begun.
"""

import gc
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from tests.integration.processes import accepts

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
_ALONGSIDE = ("alembic.command", "alembic.autogenerate", "uvloop", "sqlalchemy.dialects.sqlite")
"""What is loaded late, and by nobody here until then."""


class Nursery:
    """The process that the others are forks of."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.communicate(timeout=_PATIENCE)

    def start(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> "Child":
        """Run `doorward` with these arguments, in this folder; what it writes is added to `doorward.log` there."""
        log = folder / "doorward.log"
        asked = {"start": arguments, "folder": str(folder), "log": str(log), "environment": dict(environment or {})}
        pid = self.ask(asked)
        return Child(self, pid, os.pidfd_open(pid), log)

    def ask(self, question: object) -> int:
        """Ask for one thing."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps(question) + "\n")
        self._popen.stdin.flush()
        answer = self._popen.stdout.readline()
        assert answer, "the process that forks has ended"
        return int(answer)


@dataclass(slots=True)
class Child:
    """One run of the program, in a process group of its own."""

    nursery: Nursery
    pid: int
    descriptor: int
    log_path: Path
    code: int | None = None
    """How it ended; minus the number of the signal, where one ended it."""

    @property
    def log(self) -> str:
        """Everything that was written by it, and by those before it in the same folder."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def lives_for(self, seconds: float) -> bool:
        """Whether it is still there after so long. Returns as soon as it is not."""
        if self.code is not None:
            return False
        waiting = select.poll()
        waiting.register(self.descriptor, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            return True
        os.close(self.descriptor)
        self.code = self.nursery.ask({"wait": self.pid})
        return False

    def finish(self) -> int:
        """Wait for the end of it; its exit code."""
        if self.lives_for(_PATIENCE):
            self.kill()
            raise AssertionError(f"it does not end:\n{self.log}")
        assert self.code is not None
        return self.code

    def measure(self) -> float:
        """Wait for the end of it, which must be a good one; how many seconds that took."""
        began = time.monotonic()
        assert self.finish() == 0, self.log
        return time.monotonic() - began

    def kill(self) -> bool:
        """End it, and whatever it started, as a power cut would. Whether it had not ended by itself before."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.finish()
        return self.code == -signal.SIGKILL

    def stop(self) -> None:
        """Ask it to end, as an operator would."""
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)
            assert self.finish() == 0, self.log

    def answers_at(self, port: int) -> None:
        """Wait until it listens there."""
        for _ in range(int(_PATIENCE / 0.005)):
            if accepts(port):
                return
            assert self.lives_for(0.005), f"it ended with {self.code}:\n{self.log}"
        self.kill()
        raise AssertionError(f"it does not listen:\n{self.log}")


def _load() -> None:
    import doorward

    for module in pkgutil.walk_packages(doorward.__path__, "doorward."):
        if not module.name.endswith(("__main__", "migrations.env")) and ".migrations." not in module.name:
            import_module(module.name)
    for name in _ALONGSIDE:
        import_module(name)


def _compile_pages() -> None:
    """Have the templates compiled by now: half of what a gateway does in the second that it lives."""
    from jinja2 import Environment

    from doorward.web.pages.templates import Templates

    compile_anew, compiled = Environment.compile, {}

    def compile_once(self: Environment, source: Any, name: Any = None, filename: Any = None, **options: Any) -> Any:
        key = str(source), name, filename, *options.items()
        if key not in compiled:
            compiled[key] = compile_anew(self, source, name, filename, **options)
        return compiled[key]

    Environment.compile = compile_once  # type: ignore[method-assign, assignment]
    pages = Templates()
    for name in pages.names():
        pages._environment.get_template(name)


def _become(ask: Mapping[str, Any]) -> None:
    """Be the program that was asked for, in a process of its own."""
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(ask["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    sys.stdin = os.fdopen(0)
    os.chdir(ask["folder"])
    os.environ.update(ask["environment"])
    sys.argv = ["doorward", *ask["start"]]


def _serve() -> bool:
    """Fork for whoever asks, to the end of the questions. True in each fork."""
    for line in sys.stdin:
        ask = json.loads(line)
        if "wait" in ask:
            answer = os.waitstatus_to_exitcode(os.waitpid(ask["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _become(ask)
                return True
            with suppress(PermissionError, ProcessLookupError):
                os.setpgid(answer, answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    return False


if __name__ == "__main__":
    from doorward.app import house
    from doorward.cli import main
    from tests.attacks.hasty import hash_hastily

    _load()
    _compile_pages()
    gc.freeze()
    house.PooledHasher = hash_hastily  # type: ignore[misc, assignment]
    if _serve():
        try:
            main()
        except SystemExit as end:
            # To take down all that was imported takes longer than what was done with it.
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 0)
