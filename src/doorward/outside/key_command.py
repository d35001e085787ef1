"""The master keys from a command: a secret store's own program, run without a shell, for so long and so much."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from threading import Timer
from typing import Final

from doorward.errors import ConfigError
from doorward.outside.key_files import MAX_KEYS_TEXT

TIMEOUT: Final = 15.0
_KEPT_OUT: Final = "ENCRYPTION_KEY"


def ask_command(command: str, environ: Mapping[str, str], *, timeout: float = TIMEOUT) -> str:
    """What the command prints. ConfigError, which never quotes that, where it fails, takes too long or says too much.

    SECURITY: the words are split as a shell would and run as they are: nothing in them is expanded, no shell reads
    them. tests/unit/test_key_command.py would fail.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"ENCRYPTION_KEY_COMMAND is not a command: {error}") from error
    if not words:
        raise ConfigError("ENCRYPTION_KEY_COMMAND names no program")
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in environ.items() if not name.startswith(_KEPT_OUT)},
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError(f"ENCRYPTION_KEY_COMMAND: {words[0]} cannot be run: {error.strerror}") from error
    late = Timer(timeout, _end, (process,))
    with process:
        late.start()
        try:
            assert process.stdout is not None  # noqa: S101 -- it is a pipe
            said = process.stdout.read(MAX_KEYS_TEXT + 1)
            if len(said) > MAX_KEYS_TEXT:
                raise ConfigError(f"ENCRYPTION_KEY_COMMAND says more than {MAX_KEYS_TEXT} bytes: that is no key")
            code = process.wait()
        finally:
            is_late = not late.is_alive()
            late.cancel()
            _end(process)
    if code != 0:
        how = f"took longer than {timeout:g} seconds" if is_late else f"ended with {code}"
        raise ConfigError(f"ENCRYPTION_KEY_COMMAND {how}")
    return said.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with everything it started: what still holds the pipe would keep us waiting."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
