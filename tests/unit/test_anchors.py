"""Where checkpoints and copies go: files for us alone, programs without a shell, addresses."""

import stat
import sys

import pytest

from doorward.errors import PeerError, UnavailableError
from doorward.interfaces import Fetched
from doorward.outside.anchors import append_lines, post_line, print_lines, run_program


async def test_lines_are_added_to_a_file_that_is_ours_alone(tmp_path):
    """T-13."""
    path = tmp_path / "checkpoints"
    await append_lines(path, ["one\n"])
    await append_lines(path, ["two\n", "three\n"])
    assert path.read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError):
        await append_lines(tmp_path / "link", ["one\n"])
    with pytest.raises(UnavailableError):
        await append_lines(tmp_path / "none" / "file", ["one\n"])


async def test_lines_are_printed(capsys):
    await print_lines(["one\n"])
    assert capsys.readouterr().out == "one\n"


async def test_a_program_gets_the_line_and_no_shell_reads_its_words(tmp_path):
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + sys.argv[2])"
    await run_program([sys.executable, "-c", code, str(tmp_path / "out"), "$(id); *"], "line\n")
    assert (tmp_path / "out").read_text() == "line\n$(id); *"


async def test_a_program_does_not_get_our_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCRYPTION_KEY", "secret")
    code = "import os, sys; open(sys.argv[1], 'w').write(repr(sorted(os.environ)))"
    await run_program([sys.executable, "-c", code, str(tmp_path / "out")], "line\n")
    assert "ENCRYPTION_KEY" not in (tmp_path / "out").read_text()


async def test_a_program_that_fails_is_told_with_what_it_said():
    with pytest.raises(PeerError, match="ended with 3: no room"):
        await run_program([sys.executable, "-c", "import sys; sys.stderr.write('no room'); sys.exit(3)"], "line\n")
    with pytest.raises(UnavailableError, match="cannot be run"):
        await run_program(["/none/such"], "line\n")


async def test_a_program_that_hangs_is_ended():
    with pytest.raises(PeerError, match="took longer"):
        await run_program([sys.executable, "-c", "import threading; threading.Event().wait()"], "line\n", timeout=0.2)


async def test_an_address_that_does_not_take_it_is_told():
    asked = []

    async def fetch(method, url, *, headers=None, body=b"", limit=0):
        asked.append((method, url, headers, body))
        return Fetched(204 if "good" in url else 500, {}, b"")

    await post_line(fetch, "https://good.example/", "{}\n")
    assert asked == [("POST", "https://good.example/", {"content-type": "application/json"}, b"{}\n")]
    with pytest.raises(PeerError, match="answered 500"):
        await post_line(fetch, "https://bad.example/", "{}\n")
