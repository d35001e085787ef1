"""A browser without scripts: follows redirects and refreshes, keeps cookies as browsers do, fills in forms."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode, urljoin, urlsplit

from tests.integration.gateway import Form
from tests.integration.wire import NAVIGATION, Reply, Visitor

_REFRESH = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]*)"')
_MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie as it was set."""

    host: str
    for_subdomains: bool
    path: str
    name: str
    value: str

    def goes_to(self, host: str, path: str) -> bool:
        """Whether it is sent there (RFC 6265, 5.4)."""
        below = self.path.rstrip("/") + "/"
        return (host == self.host or (self.for_subdomains and host.endswith(f".{self.host}"))) and (
            path == self.path or path.startswith(below)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Where a walk ended."""

    url: str
    reply: Reply

    @property
    def text(self) -> str:
        """The page."""
        return self.reply.body.decode("utf-8", "replace")

    @property
    def form(self) -> Form:
        """Its first form."""
        return Form(self.reply.body)


@dataclass(slots=True)
class Walker:
    """One browser. `way` says through whom a host and a port (None: the usual one) are reached."""

    way: Callable[[str, int | None], Visitor]
    cookies: dict[tuple[str, str, str], Cookie] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    """Every address that was opened, in order."""

    def open(self, url: str, *, following: bool = True) -> Page:
        """Open an address as if it had been typed."""
        return self._walk("GET", url, b"", following=following)

    def submit(self, page: Page, fields: Mapping[str, str], *, action: str = "", following: bool = True) -> Page:
        """Send the first form of a page with these fields filled in. `action` is that of the button pressed."""
        form = page.form
        url = urljoin(page.url, action or form.action or page.url)
        return self._walk("POST", url, urlencode({**form.fields, **fields}).encode(), following=following)

    def follow(self, page: Page) -> Page:
        """Go where a page leads on by itself, for one step."""
        target = find_onward(page)
        assert target is not None, f"{page.url} leads nowhere: {page.reply.status} {page.text[:500]}"
        return self._walk("GET", target, b"", following=False)

    def forget(self, domain: str) -> None:
        """Drop the cookies of a domain and all below it."""
        self.cookies = {
            key: cookie for key, cookie in self.cookies.items() if not f".{cookie.host}".endswith(f".{domain}")
        }

    def _walk(self, method: str, url: str, body: bytes, *, following: bool) -> Page:
        page = self._send(method, url, body)
        for _ in range(_MOST_STEPS):
            target = find_onward(page)
            if target is None or not following:
                return page
            page = self._send("GET", target, b"")
        raise AssertionError(f"there is no end to it: {self.steps[-_MOST_STEPS:]}")

    def _send(self, method: str, url: str, body: bytes) -> Page:
        parts = urlsplit(url)
        host = parts.hostname or ""
        assert parts.scheme == "https", url
        self.steps.append(url)
        headers = NAVIGATION
        if method == "POST":
            headers = (
                *NAVIGATION[:3],
                ("Sec-Fetch-Site", "same-origin"),
                ("Origin", f"https://{parts.netloc}"),
                ("Content-Type", "application/x-www-form-urlencoded"),
            )
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        cookie = "; ".join(f"{each.name}={each.value}" for each in self.cookies.values() if each.goes_to(host, path))
        reply = self.way(host, parts.port).send(
            method, target, headers, host=parts.netloc, name=host, body=body, cookie=cookie
        )
        for line in reply.all("Set-Cookie"):
            self._keep(host, path, line)
        return Page(url, reply)

    def _keep(self, host: str, path: str, line: str) -> None:
        pair, *rest = line.split(";")
        name, _, value = pair.strip().partition("=")
        attributes = {key.strip().lower(): text.strip() for key, _, text in (each.partition("=") for each in rest)}
        domain = attributes.get("domain", "").lstrip(".")
        assert not domain or host == domain or host.endswith(f".{domain}"), line
        cookie = Cookie(
            domain or host, bool(domain), attributes.get("path") or path.rpartition("/")[0] or "/", name, value
        )
        key = (cookie.host, cookie.path, cookie.name)
        gone = attributes.get("max-age") == "0" or "1970" in attributes.get("expires", "")
        self.cookies.pop(key, None)
        if not gone:
            self.cookies[key] = cookie


def find_onward(page: Page) -> str | None:
    """Where a browser goes from here by itself: a redirect or a refresh."""
    location = page.reply.one("Location")
    if location:
        return urljoin(page.url, location)
    refresh = _REFRESH.search(page.text)
    return None if refresh is None else urljoin(page.url, unescape(refresh[1]))
