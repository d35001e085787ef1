"""The master keys from a command: no shell, so long and so much, and nothing of it is ever told."""

import os
import select
import shlex
import sys
from contextlib import suppress

import pytest

from doorward.errors import ConfigError
from doorward.outside import key_command
from doorward.outside.key_command import ask_command
from doorward.outside.keyring import open_keyring
from tests.fakes.system import FakeRandom

NEW, OLD = (FakeRandom(name).token(32).hex() for name in ("new", "old"))


def python(code):
    return shlex.join([sys.executable, "-c", code])


def test_the_keys_are_what_it_prints(tmp_path):
    """E-67, E-70: the newest first, as in a file."""
    keyring = open_keyring(tmp_path, random=FakeRandom(), command=python(f"print('{NEW}\\n{OLD}')"))
    assert len(keyring.key_ids) == 2
    assert not keyring.is_ours
    assert keyring.source == "ENCRYPTION_KEY_COMMAND"
    assert list(tmp_path.iterdir()) == []


def test_no_shell_reads_it(tmp_path):
    """What a shell would expand or run stays a word."""
    marker = tmp_path / "ran"
    said = ask_command(f"echo $HOME `touch {marker}` ; touch {marker} && x | y > {marker}", {"HOME": "/h"})
    assert said == f"$HOME `touch {marker}` ; touch {marker} && x | y > {marker}\n"
    assert not marker.exists()


def test_it_is_told_the_environment_without_keys():
    code = "import os; print(sorted(name for name in os.environ if name in {'TOKEN', 'ENCRYPTION_KEY', 'ENCRYPTION_KEY_FILE'}))"
    said = ask_command(python(code), {"TOKEN": "x", "ENCRYPTION_KEY": "y", "ENCRYPTION_KEY_FILE": "z"})
    assert said == "['TOKEN']\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "names no program"),
        ("'", "not a command"),
        ("/nonexistent/program", "cannot be run: No such file"),
        (python("import sys; print('SECRET'); sys.exit(3)"), "ended with 3"),
        (python("print('SECRET' * 1000)"), "says more than 4096 bytes"),
        (python("while True: print('SECRET' * 1000)"), "says more than 4096 bytes"),
    ],
)
def test_what_fails_or_says_too_much_is_refused_and_not_quoted(command, says):
    with pytest.raises(ConfigError, match=says) as refused:
        ask_command(command, {})
    assert "SECRET" not in str(refused.value)


def test_what_takes_too_long_is_ended_with_everything_it_started(tmp_path):
    """A child that holds the pipe open does not keep us waiting."""
    note = tmp_path / "pid"
    child = "import time; time.sleep(600)"
    code = (
        "import subprocess, sys; "
        f"process = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        f"open({str(note)!r}, 'w').write(str(process.pid)); process.wait()"
    )
    with pytest.raises(ConfigError, match="took longer than 1 seconds"):
        ask_command(python(code), {}, timeout=1)
    with suppress(ProcessLookupError):  # gone without a trace
        descriptor = os.pidfd_open(int(note.read_text()))
        # It was killed, and dies when it gets its turn.
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)


def test_what_it_prints_must_be_a_key(tmp_path):
    """E-01."""
    with pytest.raises(ConfigError, match="ENCRYPTION_KEY_COMMAND is not a key of 32 bytes"):
        open_keyring(tmp_path, random=FakeRandom(), command="echo changeme")
    assert key_command.TIMEOUT == 15
