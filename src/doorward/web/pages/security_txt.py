"""`/.well-known/security.txt`: where somebody who found a weakness turns to (RFC 9116, E-91)."""

from datetime import timedelta
from typing import Final

from starlette.responses import Response

from doorward.web.errors import Refusal
from doorward.web.pages.desk import Desk
from doorward.web.visit import Visit

LASTS: Final = timedelta(days=180)
"""Less than a year ahead, as the RFC asks; it moves on while somebody keeps this running."""


class SecurityTxtPage:
    """The file, written anew for whoever asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, visit: Visit) -> Response:
        """Tell it. Refusal (404) where nobody is named."""
        site = self._desk.site
        if not site.contacts:
            raise Refusal(404)
        expires = (visit.now + LASTS).strftime("%Y-%m-%dT00:00:00Z")
        lines = [
            *(f"Contact: {contact}" for contact in site.contacts),
            f"Expires: {expires}",
            *([f"Policy: {site.security_policy}"] if site.security_policy else []),
            f"Canonical: {site.public_url}/.well-known/security.txt",
        ]
        return Response("\n".join(lines) + "\n", media_type="text/plain; charset=utf-8")
