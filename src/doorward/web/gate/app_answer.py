"""What an allow carries for one app besides who it is: headers of the app's own, and a signed assertion.

Both are given to the gate by the composition root; without them no app is told more than the identity headers.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from doorward.rules.identity import User
from doorward.rules.policy import App
from doorward.rules.session import Subject
from doorward.web.gate.dialect import Headers


class AppHeaders(Protocol):
    """The headers an app asks for in the configuration: templates, and what we show it on a person's behalf."""

    def render(self, app: App, user: User | None, groups: Collection[str]) -> Headers:
        """Every header of this app's, names in lower case, each once; empty values where nobody is known.

        UnavailableError when something it needs is not there or does not open: the check is refused then, for an app
        that is not told what it asked for might take somebody for nobody. What it gives may be remembered until
        anything is taken away or altered (`LiveView.revision`).
        """
        ...


class Minter(Protocol):
    """Signs who asks for what, for apps that want proof of it."""

    @property
    def lifetime(self) -> timedelta:
        """How long what is minted is good for; it is used again for half of that."""
        ...

    def mint(self, subject: Subject, app: App, method: str, url: str, now: datetime) -> bytes:
        """The assertion as a header value. `url` is scheme, host and path of the request, canonical, without query.

        UnavailableError when it cannot be signed now.
        """
        ...
