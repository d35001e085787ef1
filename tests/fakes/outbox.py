"""A mail queue that tells what was put in it, once the transaction is committed or not."""

from dataclasses import dataclass
from typing import Any

from doorward.rules.letter import LetterKind


@dataclass(frozen=True)
class Queued:
    kind: LetterKind
    to: str
    language: str
    values: dict[str, str]
    user_id: str
    transaction: Any


class FakeOutbox:
    """`flows.letters.Outbox`."""

    def __init__(self, *, is_open=True):
        self.is_open = is_open
        self.letters = []

    async def queue(self, transaction, kind, *, to, language, values, user_id, now):
        assert now.tzinfo is not None
        assert self.is_open
        self.letters.append(Queued(kind, to, language, dict(values), user_id, transaction))

    def sent(self):
        return [(letter.kind.value, letter.to) for letter in self.letters]

    def token(self):
        """What the link of the last letter holds."""
        return self.letters[-1].values["url"].rpartition("=")[2]
