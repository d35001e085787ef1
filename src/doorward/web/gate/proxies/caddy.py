"""Caddy's forward_auth: GET with the client's query appended to the check's, `X-Forwarded-*`, refusals passed on.

`copy_headers` of Caddy before 2.11.2 leaves a visitor's value where ours is absent, so everything is always sent.
"""

from doorward.web.gate.dialect import Forwarding

CADDY = Forwarding("caddy", keeps_what_is_absent=True)
