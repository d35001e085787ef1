"""What may not stand together about accounts: second factors, passkeys, recovery, mail."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from doorward.config.finding import Finding
from doorward.config.schema import Config
from doorward.rules.span import format_span

_LONGEST_GRACE: Final = timedelta(days=90)


def check_accounts(config: Config) -> Iterator[Finding]:
    """Problems, with which nothing may start."""
    yield from _check_grace(config)


def _check_grace(config: Config) -> Iterator[Finding]:
    grace = config.mfa.grace
    if grace is not None and grace > _LONGEST_GRACE:
        yield Finding("mfa.grace", f"{format_span(grace)} is too long to protect anybody", "at most 90d")
