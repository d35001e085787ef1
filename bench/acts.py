"""Acts that are recorded, one after another: `python -m bench.acts FOLDER SECONDS`, which prints how long each took.

Each is what an administrator would do (somebody is put into one more group): checked, written with its record in the
audit chain, and on the disk before the next one begins. A process of its own, on the core that serves.
"""

import asyncio
import os
import sys
import time
from itertools import count
from pathlib import Path

from bench.processes import SERVER_CORE
from bench.town import USERS
from doorward.app.house import open_house
from doorward.config.load import load_config
from doorward.flows.acting import CLI

_WARM = 20
"""Acts before the clock starts: their statements are compiled, and the memory of them filled."""


async def act(folder: Path, seconds: float) -> list[float]:
    """Act for so long; milliseconds of each."""
    house = await open_house(load_config(folder / "doorward.yaml", environ={}, overrides={}).config, environ={})
    took: list[float] = []
    try:
        ends = float("inf")
        for number in count():
            groups = ["family", *(f"choir{rounds}" for rounds in range(1 + number // USERS))]
            before = time.perf_counter()
            if before >= ends:
                break
            await house.flows.administration.set_groups(CLI, f"user{number % USERS}", groups, now=house.clock.now())
            if number > _WARM:
                took.append((time.perf_counter() - before) * 1e3)
            elif number == _WARM:
                ends = time.perf_counter() + seconds
        return took
    finally:
        await house.close()


def main() -> None:
    """Act."""
    os.sched_setaffinity(0, {SERVER_CORE})
    print(*asyncio.run(act(Path(sys.argv[1]), float(sys.argv[2]))))


if __name__ == "__main__":
    main()
