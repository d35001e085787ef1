"""Many people sign in at the same moment: `python -m bench.storm PORT`, which prints when it began and ended.

A process of its own, so that it does not hold up the one that times the checks.
"""

import concurrent.futures
import os
import sys
import time

from bench.processes import LOAD_CORE
from bench.town import PASSWORD, SIGNERS
from bench.visitor import Visitor


def main() -> None:
    """Open the forms one after the other, then send all at once."""
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(5)
    port = int(sys.argv[1])
    visitors = [Visitor(port, number) for number in range(SIGNERS)]
    for visitor in visitors:
        visitor.open("/login")

    def sign_in(number: int) -> int:
        return visitors[number].send("/login", {"login": f"user{number}", "password": PASSWORD}).status

    with concurrent.futures.ThreadPoolExecutor(SIGNERS) as pool:
        began = time.perf_counter()
        statuses = list(pool.map(sign_in, range(SIGNERS)))
    good = sum(status == 303 for status in statuses)
    print(began, time.perf_counter(), good)


if __name__ == "__main__":
    main()
