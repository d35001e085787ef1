"""Traefik's ForwardAuth: GET to a fixed address, `X-Forwarded-*`, any answer but 2xx goes to the visitor as it is.

`authResponseHeaders` deletes the names it lists from the request before it copies ours, so absent and empty are safe.
"""

from doorward.web.gate.dialect import Forwarding

TRAEFIK = Forwarding("traefik", keeps_what_is_absent=False)
