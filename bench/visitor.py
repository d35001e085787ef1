"""A browser as far as a sign-in needs one: it keeps cookies, fills in forms and follows nothing by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlencode

HOST = "auth.example.com"
_FIELD = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_ONWARD = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]+)">')


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `cookies` are the names of those that were set."""

    status: int
    page: str
    cookies: frozenset[str]

    @property
    def onward(self) -> str:
        """Where the page leads by itself, empty where it leads nowhere."""
        found = _ONWARD.search(self.page)
        return unescape(found[1]) if found else ""


class Visitor:
    """One person, with an address of their own."""

    def __init__(self, port: int, number: int) -> None:
        self._line = HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {
            "Host": HOST,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": HOST,
            "X-Forwarded-For": f"198.51.{100 + number // 250}.{number % 250 + 1}",
        }
        self._cookies: dict[str, str] = {}
        self._form: dict[str, str] = {}

    def open(self, path: str) -> Reply:
        """Open a page, and remember the form on it."""
        reply = self._ask("GET", path)
        self._form = dict(_FIELD.findall(reply.page))
        return reply

    def send(self, path: str, fields: Mapping[str, str]) -> Reply:
        """Send the form of the page opened last, with these fields. It stays what it was and can be sent again."""
        return self._ask("POST", path, urlencode({**self._form, **fields}))

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> Reply:
        headers = {**self._headers, "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers |= {"Origin": f"https://{HOST}", "Content-Type": "application/x-www-form-urlencoded"}
        self._line.request(method, path, body=body, headers=headers)
        reply = self._line.getresponse()
        page = reply.read().decode("utf-8")
        given = [value.partition(";")[0].partition("=") for name, value in reply.getheaders() if name == "set-cookie"]
        self._cookies |= {name: value for name, _, value in given}
        return Reply(reply.status, page, frozenset(name for name, _, _ in given))
