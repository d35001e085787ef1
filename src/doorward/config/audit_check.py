"""What may not stand together in the settings of the audit record."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from doorward.config.finding import Finding
from doorward.config.schema import Config


def check_audit(config: Config) -> Iterator[Finding]:
    """Places that checkpoints cannot be sent to."""
    point = config.audit.checkpoint
    if point.mail and not config.mail.is_on:
        yield Finding(
            "audit.checkpoint.mail",
            "checkpoints are to be mailed, and no mail is set up",
            "set mail.host, or remove it",
        )
    if point.webhook is not None and urlsplit(point.webhook.reveal()).scheme not in {"http", "https"}:
        yield Finding("audit.checkpoint.webhook", "this is no address", "write https://witness.example.com/checkpoints")
