"""`doorward config`: what is wrong, what is in force, what there is."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from doorward import __version__
from doorward.cli import main

VECTOR = Path(__file__).parents[1] / "vectors" / "forward-auth-config.yaml"
DOCS = Path(__file__).parents[2] / "docs" / "reference"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str, **variables: str) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["doorward", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else int(code is not None), out, err)

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DOORWARD")]:
        monkeypatch.delenv(name)
    return call


def test_help_names_every_command_without_importing_one(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(
        word in done.stdout
        for word in ("serve", "setup-link", "explain", "config", "user", "session", "provider", "sign-in")
    )
    code = (
        "import sys\nfrom doorward.cli import build\nbuild(None)\nassert 'doorward.app' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_a_command_there_is_help(run: Run) -> None:
    done = run()
    assert done.returncode == 0
    assert "Usage: doorward" in done.stdout


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout == f"doorward {__version__}\n"


@pytest.mark.parametrize("command", ["config", "user", "session", "provider", "sign-in"])
def test_every_group_has_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Commands:" in done.stdout or "Commands" in done.stdout


@pytest.mark.parametrize("command", ["serve", "explain", "setup-link"])
def test_every_command_has_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "--config" in done.stdout


def test_an_unknown_command_is_refused(run: Run) -> None:
    done = run("cofnig")
    assert done.returncode == 2
    assert "cofnig" in done.stderr


def test_a_forward_auth_configuration_is_checked_with_notices(run: Run) -> None:
    """C-12, C-22, C-28."""
    done = run("config", "check", "--config", str(VECTOR))
    assert done.returncode == 0, done.stderr
    assert "notice: authn.provider (line 15): the client id or secret is still the sample" in done.stdout
    assert "sessions in Redis are not available yet" in done.stdout
    assert done.stdout.endswith("no problems; 2 rules, 0 apps, 1 provider\n")


def test_every_problem_is_told_at_once_with_exit_code_78(run: Run, tmp_path: Path) -> None:
    (tmp_path / "doorward.yaml").write_text("servr: {}\nsession: {ttl: 24}\nlogger: {level: loud}\n")
    done = run("config", "check", DOORWARD__COOKIE__NAM="x")
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.startswith("doorward: 4 problems in doorward.yaml\n")
    assert len(done.stderr.splitlines()) == 5
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_told_in_one_line(run: Run) -> None:
    """C-12."""
    done = run("config", "check", "--config", "missing.yaml")
    assert done.returncode == 78
    assert done.stderr == "doorward: the configuration missing.yaml cannot be read: No such file or directory\n"


def test_without_a_file_the_defaults_are_checked(run: Run) -> None:
    """C-12."""
    done = run("config", "check")
    assert done.returncode == 0
    assert "no configuration file was found; defaults apply" in done.stdout


def test_plain_http_can_be_allowed_on_the_command_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "doorward.yaml").write_text("server: {public_url: 'http://auth.example.com'}\n")
    assert run("config", "check").returncode == 78
    done = run("config", "check", "--allow-insecure-http")
    assert done.returncode == 0
    assert "DANGER" in done.stdout
    shown = json.loads(run("config", "show", "--json", "--allow-insecure-http").stdout)
    assert shown["server.insecure_http"] == {"value": True, "origin": "command line"}


def test_what_is_wrong_with_providers_is_told_with_what_can_be_written(run: Run, tmp_path: Path) -> None:
    """C-23, D-12."""
    (tmp_path / "doorward.yaml").write_text(
        "server: {public_url: 'https://auth.example.com'}\n"
        "authn: {providers: [{id: hub, type: github, client_id: x, redirect_url: 'https://auth.example.com/x'}]}\n"
    )
    done = run("config", "check")
    assert done.returncode == 78
    assert "2 problems" in done.stderr
    assert "authn.providers[0].client_secret (line 2): this is missing" in done.stderr
    assert "write https://auth.example.com/login/callback/hub, https://auth.example.com/api/auth/login" in done.stderr


def test_what_is_in_force_is_shown_without_secrets(run: Run) -> None:
    done = run("config", "show", "--config", str(VECTOR), DOORWARD__LOGGER__LEVEL="debug")
    assert done.returncode == 0
    assert "redis-password" not in done.stdout
    assert "client-secret" not in done.stdout
    level = next(line for line in done.stdout.splitlines() if "level:" in line)
    assert level.split() == ["level:", "debug", "#", "variable", "DOORWARD__LOGGER__LEVEL"]


def test_the_reference_is_printed_and_written(run: Run, tmp_path: Path) -> None:
    assert run("config", "reference").stdout == (DOCS / "configuration.md").read_text("utf-8")
    assert run("config", "reference", "--example").stdout == (DOCS / "doorward.example.yaml").read_text("utf-8")
    assert run("config", "reference", "--write", "made").returncode == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {path.name for path in DOCS.iterdir()}


def test_the_printed_example_is_a_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "doorward.yaml").write_text(run("config", "reference", "--example").stdout)
    assert run("config", "check").returncode == 0


def test_redis_is_refused_when_something_is_to_be_opened(run: Run) -> None:
    """C-28: not when checking, but at start."""
    done = run("user", "list", "--config", str(VECTOR))
    assert done.returncode == 78
    assert "not available yet" in done.stderr
