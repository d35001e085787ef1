"""The settings of the audit record: when its checkpoints are made, where they go, and its copy."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, PlainValidator

from doorward.config.section import Section
from doorward.config.values import Duration, Many, SecretValue, Text, Whole, read_text, refuse
from doorward.errors import InputError
from doorward.rules.names import parse_email


def parse_address(value: object) -> str:
    """Read an e-mail address."""
    hint = "write security@example.com"
    text = read_text(value, hint)
    try:
        return parse_email(text)
    except InputError as error:
        raise refuse(str(error), hint) from None


Address = Annotated[str, PlainValidator(parse_address)]


class CheckpointSection(Section):
    """Signed checkpoints of the chain. Kept elsewhere, they show records cut off its end, and a chain made anew."""

    records: Whole = Field(default=1000, ge=1, le=1_000_000, description="One after so many records.")
    interval: Duration = Field(
        default=timedelta(hours=24),
        description="And one after this time, if there are new records. Also at every stop.",
    )
    file: Text = Field(
        default="",
        description="A file they are added to, readable by us alone: on another disk, or mounted from another machine.",
    )
    mail: Many[Address] = Field(default=(), description="Addresses they are mailed to; `mail.host` has to be set.")
    webhook: SecretValue | None = Field(
        default=None,
        description="An address they are posted to, as JSON. What `outbound` allows counts here, too.",
    )
    command: Many[Text] = Field(
        default=(),
        description="A program and its arguments, which is given each on its standard input: "
        "`[ssh, witness.example.com, tee, -a, checkpoints]`. It is run without a shell and stopped after a minute.",
    )

    @property
    def is_sent(self) -> bool:
        """Whether they go anywhere."""
        return bool(self.file or self.mail or self.webhook or self.command)


class AuditSection(Section):
    """The audit record. How long its personal data stays is set with `retention.audit_private`."""

    checkpoint: CheckpointSection = CheckpointSection()
    copy_to: Text = Field(
        default="",
        description="A file that every record is added to as a line of JSON, or `stdout`; for a log collector. What is "
        "erased from the record later stays there.",
    )
