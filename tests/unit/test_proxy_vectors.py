"""Every dialect reads what its proxy really sends: questions caught on the wire, in tests/vectors/proxies."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.web.gate.dialect import gather
from doorward.web.gate.endpoint import find_dialect

VECTORS = Path(__file__).parents[1] / "vectors" / "proxies"
CHECKS = [
    (path.stem, check) for path in sorted(VECTORS.glob("*.json")) for check in json.loads(path.read_text("utf-8"))
]
IDS = [f"{name}-{check['visit']}" for name, check in CHECKS]


def headers_of(check: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The header lines as the server hands them to the gate."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in check["headers"]]


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=IDS)
def test_a_dialect_reads_the_visitors_request(name: str, check: dict[str, Any]) -> None:
    """C-06: method, scheme, host and target of the visitor's request, whatever else the visitor claims."""
    found = find_dialect(check["target"].encode("latin-1"))
    assert found is not None
    dialect, rest = found
    assert dialect.name == name
    question = dialect.read(gather(headers_of(check)), check["method"].encode("ascii"), rest)
    method, scheme, host, target = (part.decode("ascii") for part in question)
    assert [method, target] == check["asked"]
    assert scheme in {"https", "wss"}
    assert host.lower().removesuffix(":443") == "app.example.com"


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=IDS)
def test_a_check_names_the_visitors_address_and_nobody_elses(name: str, check: dict[str, Any]) -> None:
    """A08: one address, the true one, although a visitor claimed another."""
    assert [value for header, value in check["headers"] if header == "x-forwarded-for"] == ["127.9.9.9"]
