"""Whatever could call somebody else is named in docs/outbound.md, and nothing is named there that does not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = re.compile(
    r"\b(?:GuardedFetch|open_fetch|SmtpMailer|create_subprocess_(?:exec|shell)|subprocess\.(?:Popen|run|call|check_\w+)"
    r"|os\.(?:system|popen|execv\w*|posix_spawn\w*)|socket\.(?:getaddrinfo|create_connection)|urlopen"
    r"|httpx\.\w+|requests\.(?:get|post|request)|smtplib\.\w+)\(|socket\.getaddrinfo = |return socket\.getaddrinfo\("
)
TABLE = ROOT / "docs" / "outbound.md"


def test_every_call_to_elsewhere_stands_in_the_table():
    """E-57: who runs Doorward knows whom it calls, and when."""
    calling = {
        str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*.py") if CALLS.search(path.read_text("utf-8"))
    }
    assert calling == set(re.findall(r"`(src/[^`]+)`", TABLE.read_text("utf-8")))
