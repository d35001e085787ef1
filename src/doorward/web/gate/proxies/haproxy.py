"""HAProxy with our Lua action (deploy/haproxy) on its own HTTP client: `X-Forwarded-*`, refusals passed on.

The action deletes the visitor's identity headers first and sets exactly what an allow carries; Cookie it replaces by
what is sent, so an empty one is sent, too.
"""

from doorward.web.gate.dialect import Forwarding

HAPROXY = Forwarding("haproxy", keeps_what_is_absent=True)
