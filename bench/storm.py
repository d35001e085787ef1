"""Many people sign in at the same moment: `python -m bench.storm PORT`, which prints when it began and ended.

A process of its own, so that it does not hold up the one that times the checks.
"""

import concurrent.futures
import os
import re
import sys
import time
from http.client import HTTPConnection
from urllib.parse import urlencode

from bench.processes import LOAD_CORE
from bench.town import PASSWORD, SIGNERS

_FIELD = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_HEADERS = {"Host": "auth.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "auth.example.com"}


class Visitor:
    """One browser before its sign-in."""

    def __init__(self, port: int, number: int) -> None:
        self._line = HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {**_HEADERS, "X-Forwarded-For": f"198.51.100.{number + 1}"}
        self._line.request("GET", "/login", headers=self._headers)
        reply = self._line.getresponse()
        page = reply.read().decode("utf-8")
        cookies = [value.partition(";")[0] for name, value in reply.getheaders() if name.lower() == "set-cookie"]
        self._form = {**dict(_FIELD.findall(page)), "login": f"user{number}", "password": PASSWORD}
        self._headers |= {
            "Cookie": "; ".join(cookies),
            "Origin": "https://auth.example.com",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def sign_in(self) -> int:
        """Send the form; the status of the answer."""
        self._line.request("POST", "/login", body=urlencode(self._form), headers=self._headers)
        reply = self._line.getresponse()
        reply.read()
        self._line.close()
        return reply.status


def main() -> None:
    """Open the forms one after the other, then send all at once."""
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(5)
    visitors = [Visitor(int(sys.argv[1]), number) for number in range(SIGNERS)]
    with concurrent.futures.ThreadPoolExecutor(SIGNERS) as pool:
        began = time.perf_counter()
        statuses = list(pool.map(Visitor.sign_in, visitors))
    good = sum(status == 303 for status in statuses)
    print(began, time.perf_counter(), good)


if __name__ == "__main__":
    main()
