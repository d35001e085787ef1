"""People who want to sign in with providers that fail: `python -m bench.departures PORT RATE SECONDS`.

So many set out each second as long as there are hands for it; those that a silent provider keeps waiting keep their
hands. Prints as JSON how many came to which status. A process of its own, so that it does not hold up the one that
times the checks.
"""

import concurrent.futures
import json
import os
import sys
import threading
import time
from collections import Counter

from bench.elsewhere import FAILING
from bench.processes import LOAD_CORE
from bench.visitor import Visitor

_HANDS = 64


class Crowd:
    """The people."""

    def __init__(self, port: int, rate: float, seconds: float) -> None:
        self._port, self._step, self._total = port, 1 / rate, int(rate * seconds)
        self._began = time.perf_counter()
        self._ends_at = self._began + seconds
        self._sent = 0
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()

    def run(self, hand: int) -> None:
        """One after the other, each to the next provider."""
        visitor = Visitor(self._port, 60 + hand)
        visitor.open("/login?choose=1")
        while (number := self._take_turn()) is not None:
            reply = visitor.send("/login/with", {"provider": f"failing{number % FAILING}"})
            with self._lock:
                self.statuses[reply.status] += 1
        visitor.close()

    def _take_turn(self) -> int | None:
        with self._lock:
            number, self._sent = self._sent, self._sent + 1
        due = self._began + number * self._step
        if number >= self._total or time.perf_counter() > self._ends_at:
            return None
        time.sleep(max(0.0, due - time.perf_counter()))
        return number


def main() -> None:
    """Set out."""
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(5)
    crowd = Crowd(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
    with concurrent.futures.ThreadPoolExecutor(_HANDS) as pool:
        list(pool.map(crowd.run, range(_HANDS)))
    print(json.dumps(crowd.statuses))


if __name__ == "__main__":
    main()
