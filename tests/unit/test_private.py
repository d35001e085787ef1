"""What others can reach is named together with the command that mends it."""

import stat

import pytest

from doorward.rules.private import check_private

FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR


@pytest.mark.parametrize("mode", [FILE | 0o600, FILE | 0o400, FOLDER | 0o700])
def test_what_is_ours_alone_is_no_problem(mode):
    assert check_private("/data/x", mode=mode, owner=1000, me=1000) == []


@pytest.mark.parametrize(
    ("mode", "command"),
    [
        (FILE | 0o644, "chmod 600 /data/x"),
        (FILE | 0o640, "chmod 600 /data/x"),
        (FILE | 0o602, "chmod 600 /data/x"),
        (FOLDER | 0o755, "chmod 700 /data/x"),
        (FOLDER | 0o2770, "chmod 700 /data/x"),
    ],
)
def test_what_others_can_reach_comes_with_the_command_that_mends_it(mode, command):
    """A-45."""
    (problem,) = check_private("/data/x", mode=mode, owner=1000, me=1000)
    assert f"mode {stat.S_IMODE(mode):03o}" in problem
    assert problem.endswith(": " + command)


def test_what_belongs_to_somebody_else_is_a_problem_too():
    problems = check_private("/data/x", mode=FILE | 0o644, owner=0, me=1000)
    assert len(problems) == 2
    assert problems[0].endswith(": chown 1000 /data/x")


def test_the_command_can_be_pasted_whatever_the_path():
    (problem,) = check_private("/my data/it's; rm", mode=FILE | 0o644, owner=1, me=1)
    assert problem.endswith(""": chmod 600 '/my data/it'"'"'s; rm'""")
