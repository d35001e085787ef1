"""What every suite keeps to: no silent skip, no network where none is needed, reproducible examples.

A test that cannot run is a failure that says what is missing. A known gap is written down with its reason in
`tests/known_gaps.py`; it is then expected to fail, and fails the build when it passes.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.known_gaps import KNOWN_GAPS

OFFLINE_SUITES = frozenset({"unit", "property"})
WHOLE_SUITES = frozenset({"integration", "browser"})

# No example may be judged by the wall clock: a busy machine is not a bug.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.register_profile("fuzz", settings.get_profile("local"), max_examples=20_000)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_listed_gaps = pytest.StashKey[bool]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Take the network away from the suites that need none; unix sockets stay, for event loops."""
    if suite_of(item.path) in OFFLINE_SUITES:
        item.add_marker(pytest.mark.disable_socket)
    reason = KNOWN_GAPS.get(item.nodeid)
    if reason is not None:
        item.stash[_listed_gaps] = True
        item.add_marker(pytest.mark.xfail(strict=True, reason=reason))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what one process does where a run is spread over several: a proxy's scenarios, else a file's tests."""
    for item in items:
        if suite_of(item.path) in WHOLE_SUITES:
            callspec = getattr(item, "callspec", None)
            proxy = callspec.params.get("proxy") if callspec is not None else None
            item.add_marker(pytest.mark.xdist_group(proxy or item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn every skip, and every expected failure that is not a listed gap, into a failure."""
    report: pytest.TestReport = yield
    excused = report.outcome == "skipped" or hasattr(report, "wasxfail")
    if excused and not item.stash.get(_listed_gaps, False):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} excuses itself; install what it needs or list it in tests/known_gaps.py"
        vars(report).pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A whole file that skips itself is a failure too."""
    report: pytest.CollectReport = yield
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped itself; no suite may do that"
    return report


def suite_of(path: Path) -> str:
    """The folder below `tests/` that a test file stands in."""
    tests = Path(__file__).parent
    return path.relative_to(tests).parts[0] if path.is_relative_to(tests) else ""
