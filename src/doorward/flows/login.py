"""Signing in: begin, prove, finish (architecture section 8; requirements 2.1, 2.6)."""

from datetime import datetime

from doorward.flows.outcome import Refused, SignedIn, Started
from doorward.flows.visitor import Visitor
from doorward.rules.session import Fingerprint, Subject


class SignIn:
    """The sign-in of people."""

    async def begin(
        self, visitor: Visitor, *, return_to: str | None, now: datetime, subject: Subject | None = None
    ) -> Started | Refused:
        """Make a ticket. `return_to` is the raw `rd` parameter, None when absent.

        With `subject` (somebody is signed in already) this is a step-up: only the same account may answer.
        Refused (THROTTLED) when one address begins without end.
        """
        ...

    async def find(self, token: str, visitor: Visitor, *, now: datetime) -> Started | None:
        """What a page needs to show the step again; None when the ticket is gone or another browser's."""
        ...

    async def submit_password(
        self,
        token: str,
        visitor: Visitor,
        *,
        login: str,
        password: str,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Refused:
        """Try a password. `previous` is the session this browser showed, which dies with success (J01).

        InputError (400) when a field is too long to be meant (E13). In a step-up `login` and `remember` are ignored.
        """
        ...
