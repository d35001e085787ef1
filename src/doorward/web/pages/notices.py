"""Where providers say that somebody signed out there (OpenID Connect Back-Channel and Front-Channel Logout 1.0).

Neither address is for people. The first is called by the provider's server and needs no token of ours: what it sends is
signed. The second is framed by the provider's own sign-out page, and shows nothing.
"""

import json
from urllib.parse import urlsplit

from starlette.responses import Response

from doorward.errors import InputError
from doorward.flows.outcome import Refused
from doorward.flows.upstream_logout import UpstreamLogout
from doorward.flows.ways import Ways
from doorward.web.errors import Refusal
from doorward.web.form import Form
from doorward.web.pages.desk import Desk
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_FRAME = "<!doctype html><html lang=en><title>Signed out</title>"


class LogoutNotices:
    """`/logout/backchannel/<provider>` and `/logout/frontchannel/<provider>`."""

    def __init__(self, desk: Desk, logout: UpstreamLogout, ways: Ways) -> None:
        self._desk = desk
        self._logout = logout
        self._ways = ways

    async def post(self, visit: Visit, form: Form) -> Response:
        """Take a logout token. 200 where it is genuine, also where nobody is signed in with it (any more)."""
        try:
            outcome = await self._logout.accept_token(
                visit.tail, form.get("logout_token", ""), visit.visitor, now=visit.now
            )
        except InputError as error:
            self._desk.log.info(
                "logout_token_refused", provider=visit.tail, error=str(error), correlation_id=visit.correlation_id
            )
            # Why is the operator's to know, who reads the log: whoever sent it gets the standard's word and no more.
            body = {"error": "invalid_request", "error_description": "the logout token is not accepted"}
            return Response(json.dumps(body), 400, media_type="application/json")
        _check_patience(outcome)
        return Response("{}", media_type="application/json")

    async def get(self, visit: Visit) -> Response:
        """End the session that is named, within a frame of the provider's page."""
        issuer, sid = visit.query.get("iss"), visit.query.get("sid", "")
        _check_patience(await self._logout.accept_front(visit.tail, issuer, sid, visit.visitor, now=visit.now))
        response = Response(_FRAME, media_type="text/html")
        provider = await self._ways.find_provider(visit.tail)
        if provider is not None:
            # SECURITY: this page alone, which has nothing to press, and for this provider alone (K14).
            # tests/unit/test_logout_notices.py would fail.
            parts = urlsplit(provider.issuer)
            policy = self._desk.headers.content_policy(framed_by=f"{parts.scheme}://{parts.netloc}")
            response.raw_headers += [(b"x-frame-options", b""), (b"content-security-policy", policy)]
        return response


def _check_patience(outcome: int | Refused) -> None:
    if isinstance(outcome, Refused):
        raise Refusal(429, retry_after=max(seconds(outcome.retry_after), 1))
