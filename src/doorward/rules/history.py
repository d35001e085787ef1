"""The account's own record of sign-ins: the last ones, good and bad, which its owner sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.rules.identity import UserId
from doorward.rules.session import Method, SessionHandle

KEPT: Final = 100
"""How many are kept of each account at most: half of them good ones, half that failed; older ones are dropped."""
KEPT_OF_EACH: Final = KEPT // 2
SHOWN: Final = 10
_SHOWN_GOOD: Final = 5


@dataclass(frozen=True, slots=True)
class SignInNote:
    """One sign-in, or try. `failure` is the word of `rules.login.Failure`, "" for a good one, which has `session`.

    `id` is 32 hex digits. `sealed`: canonical JSON of `address` and `agent`, for Place("sign_ins", "sealed", id).
    """

    id: str
    user_id: UserId
    at: datetime
    failure: str
    methods: frozenset[Method]
    session: SessionHandle | None
    new_device: bool
    sealed: str


def choose_shown(notes: Sequence[SignInNote], limit: int) -> list[SignInNote]:
    """The newest of `notes`, which come newest first; among them the last five good ones, or half of `limit`.

    Whoever keeps failing in somebody's name must not push the sign-in that succeeded out of sight.
    """
    good = [note.id for note in notes if not note.failure][: min(_SHOWN_GOOD, limit // 2)]
    others = [note.id for note in notes if note.id not in good][: limit - len(good)]
    shown = {*good, *others}
    return [note for note in notes if note.id in shown]
