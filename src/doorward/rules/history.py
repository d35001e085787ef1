"""The account's own record of sign-ins: the last ones, good and bad, which its owner sees."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.rules.identity import UserId
from doorward.rules.session import Method, SessionHandle

KEPT: Final = 100
"""How many are kept of each account; older ones are dropped with the next."""
SHOWN: Final = 10


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
