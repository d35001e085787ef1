"""The SQLite store by itself, and other processes on its data."""

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from doorward.storage.sqlite import open_sqlite
from tests.fakes.system import FakeRandom

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def start(program, *arguments, **settings):
    """Start one of the programs beside this file."""
    return subprocess.Popen(
        [sys.executable, PROGRAMS / program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        **settings,
    )


def run_python(code, *arguments):
    """What a piece of code prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(),
    ).stdout


def environment():
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}


@asynccontextmanager
async def opened(folder, **settings):
    storage = open_sqlite(folder, random=FakeRandom(), **settings)
    try:
        yield storage
    finally:
        await storage.close()
