"""What our own script is given: the options it asks the browser for a passkey with, as JSON."""

import json

from starlette.responses import Response

from doorward.flows.outcome import Refused
from doorward.web.pages.entering import STATUS_OF
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit


def give_options(visit: Visit, found: str | Refused, *, token: str = "") -> Response:
    """`found`: options as JSON text. `token` comes back with the answer, "" where the form has it already."""
    if isinstance(found, Refused):
        response = Response(b"{}", STATUS_OF[found.failure], media_type="application/json")
        if found.retry_after:
            response.raw_headers.append((b"retry-after", str(seconds(found.retry_after)).encode("ascii")))
    else:
        told = {"publicKey": json.loads(found), "token": token}
        response = Response(json.dumps(told).encode("utf-8"), media_type="application/json")
    response.raw_headers.extend(visit.cookies_out)
    return response
