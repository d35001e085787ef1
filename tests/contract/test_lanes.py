"""The way into a blocking driver: whoever is cancelled leaves nothing open and nothing half done."""

import asyncio
import threading

import pytest
from sqlalchemy import QueuePool, create_engine, event, text
from sqlalchemy.exc import OperationalError

from doorward.errors import UnavailableError
from doorward.storage.sql.lanes import Lanes


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path}/lanes.db",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection, _record):
        connection.isolation_level = None
        connection.create_function("wait", 0, lambda: (begun.set(), go_on.wait(10))[1])

    @event.listens_for(engine, "begin")
    def start(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    begun, go_on = threading.Event(), threading.Event()
    engine.begun, engine.go_on = begun, go_on
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text)")
    yield engine
    go_on.set()
    engine.dispose()


@pytest.fixture
async def lanes(engine):
    lanes = Lanes(engine, count=1)
    yield lanes
    engine.go_on.set()
    await lanes.close()


async def read(lanes):
    async with lanes.transaction() as connection:
        return list((await connection.exec_driver_sql("SELECT text FROM notes")).scalars())


async def note(lanes, words, *, then=None):
    async with lanes.transaction() as connection:
        changed = await connection.exec_driver_sql("INSERT INTO notes VALUES (?)", (words,))
        assert changed.rowcount == 1
        if then is not None:
            await connection.exec_driver_sql(then)


async def begun(engine):
    await asyncio.to_thread(engine.begun.wait, 10)


async def test_what_a_transaction_wrote_is_there_when_it_ended_and_not_when_it_raised(lanes):
    await note(lanes, "kept")
    with pytest.raises(OperationalError):
        await note(lanes, "undone", then="SELECT no_such_thing")
    assert await read(lanes) == ["kept"]


@pytest.mark.parametrize("times", [1, 3])
async def test_cancelled_in_the_middle_of_a_statement_it_undoes_what_it_wrote(lanes, engine, times):
    """The statement itself runs to its end; the next transaction begins after everything is undone."""
    task = asyncio.create_task(note(lanes, "undone", then="SELECT wait()"))
    await begun(engine)
    next_one = asyncio.create_task(note(lanes, "kept"))
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    engine.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await next_one
    assert await read(lanes) == ["kept"]


async def test_cancelled_while_it_waits_for_its_turn_it_takes_none(lanes, engine):
    first = asyncio.create_task(note(lanes, "first", then="SELECT wait()"))
    await begun(engine)
    waiting = asyncio.create_task(note(lanes, "never"))
    await asyncio.sleep(0)
    waiting.cancel()
    engine.go_on.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await note(lanes, "second")
    assert await read(lanes) == ["first", "second"]


async def test_closing_waits_for_what_was_begun_and_may_come_twice(lanes, engine):
    task = asyncio.create_task(note(lanes, "undone", then="SELECT wait()"))
    await begun(engine)
    task.cancel()
    with_time = asyncio.create_task(lanes.close())
    engine.go_on.set()
    await with_time
    with pytest.raises((asyncio.CancelledError, UnavailableError)):
        await task
    await lanes.close()
    with pytest.raises(UnavailableError, match="closed"):
        await read(lanes)


async def test_many_rows_come_in_pages(lanes):
    for number in range(5):
        await note(lanes, str(number))
    async with lanes.transaction() as connection:
        pages = [[row[0] for row in page] async for page in connection.pages(text("SELECT text FROM notes"), size=2)]
        assert await connection.scalar(text("SELECT count(*) FROM notes")) == 5
    assert pages == [["0", "1"], ["2", "3"], ["4"]]
