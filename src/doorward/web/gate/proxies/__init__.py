"""One file per proxy: how it asks and how it wants to be answered. Owns no decision; siblings do not import each other.

A new proxy is one file here, its name in `DIALECTS`, captured headers in tests/vectors/proxies and one guide.
"""

from doorward.web.gate.dialect import Dialect
from doorward.web.gate.proxies.caddy import CADDY
from doorward.web.gate.proxies.envoy import Envoy
from doorward.web.gate.proxies.haproxy import HAPROXY
from doorward.web.gate.proxies.nginx import Nginx
from doorward.web.gate.proxies.traefik import TRAEFIK

DIALECTS: tuple[Dialect, ...] = (TRAEFIK, CADDY, Nginx(), HAPROXY, Envoy())
