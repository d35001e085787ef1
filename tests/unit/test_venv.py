"""`tools/venv.sh`: whoever waits for the first installation sees that something goes on, and a failure is one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = """\
#!/bin/sh
# Python, but for what it would fetch.
case "$2 $3" in
"pip install")
    case "$*" in
    *--require-hashes*)
        echo "Collecting one==1.0 (from -r some.lock (line 1))"
        echo "  Downloading one-1.0-py3-none-any.whl (1 kB)"
        echo "Requirement already satisfied: two==2.0"
        echo "Installing collected packages: one"
        echo "told by pip" >&2
        exit {code}
        ;;
    esac
    ;;
"pip --version") ;;
*) exec "$(dirname "$0")/real" "$@" ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A clone whose .venv has a Python that pretends to be able to install."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "venv.sh", tmp_path / "tools")
    (tmp_path / "some.lock").write_text("one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n", "utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    programs = tmp_path / ".venv" / "bin"
    (programs / "real").symlink_to(Path(sys.executable).resolve())
    (programs / "python").unlink()
    return tmp_path


def install(place: Path, *, code: int) -> subprocess.CompletedProcess[str]:
    """Run it, with a pip that ends with this code."""
    python = place / ".venv" / "bin" / "python"
    python.write_text(PIP.format(code=code), "utf-8")
    python.chmod(0o755)
    return subprocess.run(
        ["sh", "tools/venv.sh", "some.lock", ".venv/.stamp"], cwd=place, capture_output=True, text=True, check=False
    )


def test_there_is_a_dot_for_each_package_and_a_word_on_how_long_it_takes(place: Path) -> None:
    done = install(place, code=0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Installing the 2 packages that some.lock names. The first time this takes a minute or two:",
        ".. unpacking ...",
        "Installing Doorward itself ...",
    ]
    assert (place / ".venv" / ".stamp").exists()


def test_an_installation_that_failed_says_so_and_can_be_tried_again(place: Path) -> None:
    done = install(place, code=1)
    assert done.returncode == 1
    assert "told by pip" in done.stderr
    assert "run the same command again" in done.stderr
    assert not (place / ".venv" / ".stamp").exists()
    assert install(place, code=0).returncode == 0
