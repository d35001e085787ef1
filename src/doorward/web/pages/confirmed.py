"""The end of confirming in a tab or a window of its own: what was begun waits in the other one."""

from starlette.responses import Response

from doorward.web.errors import Words
from doorward.web.pages.desk import Desk
from doorward.web.visit import Visit

_CONFIRMED = Words(
    "Thank you, it is you", "Close this tab, go back to the one you came from, and reload it: it sends your form again."
)
_RENEWED = Words(
    "You are signed in", "Close this window, and go back to the page you came from: it goes on where it was."
)


class ConfirmedPage:
    """`/confirmed`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, visit: Visit) -> Response:
        """Say that it is done, to whoever is signed in."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        if "close" in visit.query:
            return self._desk.message(visit, _RENEWED, fan="lit", reference=False, closes=True)
        return self._desk.message(visit, _CONFIRMED, fan="lit", reference=False)
