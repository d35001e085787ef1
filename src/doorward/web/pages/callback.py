"""Where a provider sends the browser back to (docs/security-flow.md; attacks H01, H02, H17).

Nothing of the query is ever shown, logged or kept: it is handed to the flow and forgotten.
"""

from collections.abc import Callable
from typing import Final, assert_never

from starlette.responses import Response

from doorward.errors import InputError
from doorward.flows.outcome import Continued, Linked, SignedIn, UpstreamRefused
from doorward.flows.upstream import Callback, UpstreamSignIn
from doorward.flows.ways import Ways
from doorward.rules.policy import Policy
from doorward.rules.provider import ProviderId
from doorward.web.form import Form
from doorward.web.pages.apps import tile_of
from doorward.web.pages.desk import Desk
from doorward.web.pages.entering import note_way, step_path, welcome
from doorward.web.pages.round_trip import show_refused
from doorward.web.visit import Visit
from doorward.web.way import Way

_MOST: Final = {"state": 256, "code": 4096, "iss": 2048}
"""Characters. A longer one was made by nobody who means well, and is refused before anything is looked up."""
_MOST_WORDS: Final = 1000
"""Characters of the provider's own words on an error; the rest helps nobody."""


class CallbackPage:
    """`/login/callback/<provider>`, and the addresses that providers were told of before."""

    def __init__(self, desk: Desk, upstream: UpstreamSignIn, ways: Ways, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._upstream = upstream
        self._ways = ways
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Finish what was begun: a sign-in, a confirmation, or a connection."""
        if not visit.stands_alone:
            # SECURITY: before it counts. Pictures on somebody else's page would use up what the visitor's whole network
            # may do here, and nobody behind it could sign in any more. tests/unit/test_callback_page.py would fail.
            raise InputError("no provider sends the browser back inside another page")
        outcome = await self._upstream.arrive(
            _read(visit.path, visit.query),
            visit.visitor,
            subject=visit.subject,
            previous=visit.fingerprint,
            now=visit.now,
        )
        match outcome:
            case SignedIn():
                if visit.subject is None:
                    note_way(self._desk, visit, Way.through(await self._find_here(visit.path)))
                tile = tile_of(self._policy(), outcome.return_url)
                # Led on by a page where it goes to another host: the chain began with a form at the provider, which
                # need not allow more than our own address.
                return welcome(self._desk, visit, outcome, app=tile.name if tile else "")
            case Continued():
                return self._desk.redirect(visit, step_path(outcome.started))
            case Linked():
                return self._desk.redirect(visit, "/account?done=connected")
            case UpstreamRefused():
                return show_refused(self._desk, visit, outcome)
            case _:
                assert_never(outcome)

    async def _find_here(self, path: str) -> ProviderId | None:
        return next(
            (provider.id for provider in (await self._ways.find()).providers if provider.callback == path), None
        )


def _read(path: str, query: Form) -> Callback:
    """What came back. The query was refused already where a parameter came twice."""
    for name, most in _MOST.items():
        if len(query.get(name, "")) > most:
            raise InputError(f"the parameter {name} is too long")
    return Callback(
        path=path,
        state=query.get("state", ""),
        code=query.get("code", ""),
        issuer=query.get("iss"),
        error=query.get("error", "")[:_MOST_WORDS],
        error_description=query.get("error_description", "")[:_MOST_WORDS],
    )
