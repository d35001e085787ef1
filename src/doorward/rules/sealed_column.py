"""Every place where something sealed is stored: one list for sealing anew and for reading backups.

A column that is missing here would be left under an old key, and lost with it: tests/contract/test_sealed_columns.py
compares this with the tables, with every `Place` in the program, and with what really stands in a database.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values. `row`: the column that names the row in their `Place`. An empty value is none.

    `member`: the values are a member of JSON objects in the column. `older_plain`: an older version left readable ones
    there, which somebody else seals.
    """

    table: str
    column: str
    row: str
    member: str = ""
    older_plain: bool = False

    @property
    def name(self) -> str:
        """Table and column as a `Place` has them."""
        return f"{self.table}.{self.member or self.column}"


SEALED_COLUMNS: Final = (
    SealedColumn("signing_keys", "sealed", "id"),
    SealedColumn("users", "factors", "id"),
    SealedColumn("passwords", "sealed", "user_id"),
    SealedColumn("totp", "sealed", "user_id"),
    SealedColumn("passkeys", "sealed", "id"),
    SealedColumn("recovery_codes", "sealed", "id"),
    SealedColumn("providers", "client_secret", "id"),
    SealedColumn("providers", "private_key", "id"),
    SealedColumn("upstream_sessions", "id_token", "handle"),
    SealedColumn("upstream_sessions", "refresh_token", "handle"),
    SealedColumn("sign_ins", "sealed", "id"),
    SealedColumn("letters", "sealed", "id"),
    SealedColumn("alerts", "sealed", "id"),
    SealedColumn("app_keys", "sealed", "id"),
    SealedColumn("app_secrets", "sealed", "name"),
    SealedColumn("audit", "private", "sequence", older_plain=True),
    SealedColumn("tickets", "state", "id", member="sealed"),
    SealedColumn("tickets", "state", "id", member="upstream"),
)
