"""docs/runbook.md: every command in it works as it stands there (E-90)."""

import re
import shlex
from pathlib import Path

from tests.cli.conftest import Place

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def commands():
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text("utf-8"), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_every_command_of_the_runbook_works(place: Place):
    """E-90: assess, contain, notify, fix, improve, document."""
    place.add("root", "--admin")
    place.add("alice")
    (place.folder / "passphrase.txt").write_text("a long passphrase\n", "utf-8")
    for program, *arguments in commands():
        assert program == "doorward"
        result = place.run(*arguments)
        assert result.exit_code == 0, f"{arguments}: {result.output}"


def test_the_six_steps_are_there():
    """E-90."""
    steps = re.findall(r"^## \d\. (.*)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert steps == ["Assess", "Contain", "Notify", "Fix", "Improve", "Document"]
