"""A browser that goes round in circles is shown the cause (docs/architecture.md).

Two circles exist. Somebody is signed in here, and the app keeps sending them back: the gate does not see the cookie.
Or somebody signs in, and at the next request the browser has no cookie at all. A short-lived cookie of our host, the
trail, counts; it opens nothing, so it is not signed: whoever forges it shows the page to nobody but themselves.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

MAX_BOUNCES = 4
"""So many redirects to the same address within `WITHIN` are no coincidence."""

WITHIN = timedelta(seconds=30)
_SHAPE = re.compile(r"([0-9]{1,2})\.([0-9]{1,11})\.([0-9a-f]{16})")

_SHARED_SUFFIXES = frozenset(
    {
        "afraid.org", "azurewebsites.net", "co.nz", "co.uk", "com.au", "com.br", "cloudfront.net", "ddns.net",
        "duckdns.org", "dynu.net", "dyndns.org", "dynv6.net", "fly.dev", "github.io", "gitlab.io", "herokuapp.com",
        "hopto.org", "myds.me", "myqnapcloud.com", "netlify.app", "ngrok.io", "no-ip.org", "org.uk", "pages.dev",
        "selfhost.eu", "sslip.io", "synology.me", "vercel.app", "workers.dev", "zapto.org",
    }
)  # fmt: skip
"""Domains under which strangers get names; browsers accept no cookie for them. The ones people host at home under."""


@dataclass(frozen=True, slots=True)
class Trail:
    """How often this browser was just sent to one address."""

    count: int
    at: datetime
    target: str

    @property
    def text(self) -> str:
        """As it stands in the cookie."""
        return f"{min(self.count, 99)}.{int(self.at.timestamp())}.{self.target}"


def read_trail(text: str) -> Trail | None:
    """The trail a browser sent, or None."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    return Trail(int(shape[1]), datetime.fromtimestamp(int(shape[2]), UTC), shape[3])


def follow(trail: Trail | None, url: str, now: datetime) -> Trail:
    """The trail after one more redirect to `url`."""
    target = _name(url)
    if trail is None or not is_on(trail, url, now):
        return Trail(1, now, target)
    return Trail(trail.count + 1, trail.at, target)


def is_on(trail: Trail | None, url: str, now: datetime) -> bool:
    """Whether the browser was sent to `url` a moment ago."""
    return trail is not None and trail.target == _name(url) and timedelta(0) <= now - trail.at + _SLACK < WITHIN


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a sign-in does not arrive. `seen`: it is so in this very case. `text` may name the `values`."""

    title: str
    text: str
    seen: bool
    values: Mapping[str, str] = field(default_factory=dict, compare=False)


def find_causes(
    url: str, *, public_host: str, cookie_domain: str, secure: bool, scheme: str, signed_in: bool, torn: bool
) -> list[Cause]:
    """What may keep the cookie from the gate at `url`: first what is so, then what cannot be seen from here.

    `scheme` is how the visitor reached us, as far as the proxy says. `signed_in`: we do see the cookie on our own host.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    covered = host == public_host if not cookie_domain else host == cookie_domain or host.endswith("." + cookie_domain)
    plain = secure and "http" in {parts.scheme, scheme}
    seen = {
        Cause(
            "The browser holds two sign-in cookies",
            "It sent ours twice; another app of this domain or an older configuration may have set one of them. Two "
            "count as none. We have told the browser to drop them. If it happens again, clear this domain's cookies.",
            seen=True,
        ): torn,
        Cause(
            "The cookie's domain does not reach the app",
            "The cookie is for *.%(domain)s, and the app is at %(host)s. Set cookie.domain to the part that both names "
            "share."
            if cookie_domain
            else "The cookie is for %(own)s only, and the app is at %(host)s. Set cookie.domain to the part that both "
            "names share.",
            seen=True,
            values={"domain": cookie_domain, "own": public_host, "host": host},
        ): not covered,
        Cause("http where https is needed", _PLAIN, seen=True): plain,
        Cause(
            "The domain is one that browsers accept no cookies for",
            "cookie.domain is %(domain)s. Under public suffixes such as duckdns.org or co.uk everybody gets "
            "names, so browsers refuse cookies for the whole of them. Use your own, one level below.",
            seen=True,
            values={"domain": cookie_domain},
        ): not signed_in and is_shared(cookie_domain),
    }
    unseen = {
        Cause(
            "The proxy does not hand the cookie to the gate",
            "The check needs the visitor's Cookie header. Envoy passes it only when it is listed; others lose it when "
            "the headers of the check are limited. See the guide for your proxy.",
            seen=False,
        ): signed_in,
        Cause(
            "The proxy tells another host or scheme than the visitor typed",
            "The gate goes by X-Forwarded-Host and X-Forwarded-Proto. A second proxy or a tunnel in front may have "
            "replaced them, so that the way back leads somewhere else.",
            seen=False,
        ): True,
        Cause("http where https is needed", _PLAIN, seen=False): secure and not plain and not scheme,
        Cause(
            "The browser refuses the cookie",
            "Some are set to keep no cookies, or none for this site; and none is kept for a domain under which "
            "strangers get names, as with dynamic DNS. Try another browser, and another cookie.domain.",
            seen=False,
        ): not signed_in,
    }
    return [cause for cause, holds in (seen | unseen).items() if holds]


_PLAIN = (
    "The cookie is marked Secure, so browsers send it over https only. Open the app and this page with https, and have "
    "the proxy redirect http to https."
)


def is_shared(domain: str) -> bool:
    """Whether browsers are known to refuse cookies for this domain."""
    if not domain or _is_address(domain):
        return False
    return "." not in domain or domain in _SHARED_SUFFIXES


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _name(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8")).hexdigest()[:16]


_SLACK = timedelta(seconds=1)
"""The trail holds whole seconds."""
