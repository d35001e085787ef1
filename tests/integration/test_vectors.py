"""The stored questions of the proxies are those they really ask."""

import json
from pathlib import Path

import pytest

from tests.integration.background import Background
from tests.integration.vectors import NAMES, VECTORS, catch


@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_asks_what_its_vectors_say(name: str, tmp_path: Path, background: Background) -> None:
    """When a new version asks differently: read what changed, then `python -m tests.integration.vectors`."""
    assert catch(name, tmp_path, background) == json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
