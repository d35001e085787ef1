"""A database driver that blocks, used from the event loop: every connection in use has a thread of its own.

Less than SQLAlchemy's own asyncio layer does, which loads its ORM and a second stack for each connection: statements go
to one thread in order, rows come back all at once (docs/adr/0030).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast, overload

from sqlalchemy import Connection as BlockingConnection
from sqlalchemy import CursorResult, Engine, Executable, Row, ScalarResult
from sqlalchemy.sql.selectable import TypedReturnsRows
from typing_extensions import TypeVarTuple

from doorward.errors import UnavailableError

T = TypeVar("T")
Columns = TypeVarTuple("Columns")
AnyColumns = tuple[Any, ...]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_WAIT_SECONDS: Final = 10.0


class Connection:
    """A connection inside a transaction. Only one task may use it, as only one transaction is on it."""

    def __init__(self, lane: "_Lane", connection: BlockingConnection) -> None:
        self._lane = lane
        self._connection = connection

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Columns], parameters: Parameters | None = None
    ) -> CursorResult[*Columns]: ...

    @overload
    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*AnyColumns]: ...

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[*AnyColumns]:
        """Run a statement. Its rows are all in memory; `rowcount` tells where there are none."""
        return await self._lane.run(lambda: _complete(self._connection.execute(statement, parameters)))

    @overload
    async def scalars(
        self, statement: TypedReturnsRows[T], parameters: Parameters | None = None
    ) -> ScalarResult[T]: ...

    @overload
    async def scalars(self, statement: Executable, parameters: Parameters | None = None) -> ScalarResult[Any]: ...

    async def scalars(self, statement: Executable, parameters: Parameters | None = None) -> ScalarResult[Any]:
        """Run a query and keep the first column."""
        return (await self.execute(statement, parameters)).scalars()

    @overload
    async def scalar(self, statement: TypedReturnsRows[T], parameters: Parameters | None = None) -> T | None: ...

    @overload
    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any: ...

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Run a query: the first column of its first row, None without a row."""
        return (await self.execute(statement, parameters)).scalar()

    async def pages(self, statement: Executable, *, size: int) -> AsyncGenerator[Sequence[Row[*AnyColumns]]]:
        """Run a query that may have very many rows, and hand them over some at a time."""
        result = await self._lane.run(lambda: self._connection.execute(statement))
        while page := await self._lane.run(lambda: result.fetchmany(size)):
            yield page

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[*AnyColumns]:
        """Run a statement in the database's own words."""
        return await self._lane.run(lambda: _complete(self._connection.exec_driver_sql(statement, parameters)))


class Lanes:
    """As many threads as the engine has connections. Who finds all in use waits, and is refused after a while."""

    def __init__(self, engine: Engine, *, count: int) -> None:
        self.engine = engine
        self._free = [_Lane() for _ in range(count)]
        self._all = tuple(self._free)
        self._room = asyncio.Semaphore(count)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection, None]:
        """Open a transaction: committed when the block ends, undone when it raises or is cancelled."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._room.acquire()
        except TimeoutError as error:
            raise UnavailableError("the database does not answer: no connection came free in time") from error
        lane = self._free.pop()
        try:
            async with _begun(lane, self.engine) as connection:
                yield connection
        finally:
            # What a cancelled block left to do on this lane comes before whatever the next one asks of it.
            self._free.append(lane)
            self._room.release()

    async def close(self) -> None:
        """Close the connections, once what was begun has ended, and end the threads. A second time does nothing."""
        for lane in self._all:
            await lane.end()
        self.engine.dispose()


class _Lane:
    """One thread: what it is given is done in order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="doorward-database")
        self._ended = False

    async def run(self, act: Callable[[], T]) -> T:
        """Do it there. Whoever is cancelled meanwhile no longer waits, but what was begun is done to its end."""
        if self._ended:
            raise UnavailableError("the database does not answer: it is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    async def end(self) -> None:
        """Let it finish what it was given, and no more."""
        if not self._ended:
            await self.run(lambda: None)
            self._ended = True
            self._thread.shutdown(wait=False)


@asynccontextmanager
async def _begun(lane: _Lane, engine: Engine) -> AsyncGenerator[Connection, None]:
    opened: list[BlockingConnection] = []

    def begin() -> BlockingConnection:
        connection = engine.connect()
        opened.append(connection)
        connection.begin()
        return connection

    def commit() -> None:
        opened[0].commit()
        close()

    def close() -> None:
        # Closing undoes what was not committed. Nothing is left to close where connecting failed, or was not begun.
        while opened:
            opened.pop().close()

    try:
        yield Connection(lane, await lane.run(begin))
        await lane.run(commit)
    finally:
        # Shielded: a second cancellation must not leave the connection to nobody.
        await asyncio.shield(lane.run(close))


def _complete(result: CursorResult[*AnyColumns]) -> CursorResult[*AnyColumns]:
    """Fetch all rows while we are on the thread of the connection."""
    return cast("CursorResult[*AnyColumns]", result.freeze()()) if result.returns_rows else result
