"""The SQLite store by itself, and other processes on its data."""

import os
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

from sqlalchemy import event

from doorward.storage.sqlite import open_sqlite
from tests.fakes.neighbours import FakeKeyring
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
async def opened(folder, keyring=None, **settings):
    storage = open_sqlite(folder, random=FakeRandom(), keyring=keyring or FakeKeyring(), **settings)
    try:
        yield storage
    finally:
        await storage.close()


def note_statements(storage):
    """A list that grows with every statement from now on, and its parameters."""
    statements = []
    for engine in (storage.database._writer.engine, storage.database._reader.engine):

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, parameters, _context, many):
            if not many and not statement.startswith(("BEGIN", "EXPLAIN")):
                statements.append((statement, parameters))

    return statements


def find_scans(storage, statements):
    """The steps that read a whole table or index, each with its statement."""
    with closing(sqlite3.connect(storage.path)) as connection:
        return [
            (step, statement)
            for statement, parameters in statements
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            if step.startswith("SCAN")
        ]
