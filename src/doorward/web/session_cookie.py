"""The cookies we set, with their attributes in one place (attack J12).

- session: for `cookie.domain`, or our host only; as long as the browser, or the session where it is remembered. The
  sign-in; the gate reads it.
- companion: our host only, as long as the session's. Apps see the session cookie, and their neighbours can plant one;
  this one neither. Without it a session opens apps, and nothing of ours (docs/adr/0024-two-cookies.md).
- browser: our host only, a year. Binds tickets, and before anybody signed in the CSRF token, to one browser.
- device: our host only, half a year. A browser its owner signed in with is not locked out by strangers.
- csrf: our host only, as long as the browser. The second half of the CSRF check.
- trail: our host only, as long as the browser. Notices one that goes round in circles. It must not outlive a session
  cookie: who signs in, closes the browser and comes back would be told that the sign-in was lost.
- way: our host only, a year. Which provider somebody signed in with here last, and whether they signed out since, so
  that they are not sent to it again (`web/way.py`). It opens nothing: whoever forges it is shown another page.

"Our host only" is `__Host-` where cookies are secure. A deletion repeats the attributes of what it deletes, for a
browser ignores it otherwise.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from doorward.web.headers import RawHeaders

_VALUE = re.compile(r"[A-Za-z0-9._~+/=-]*")
_BROWSER_LIFE = timedelta(days=365)
_DEVICE_LIFE = timedelta(days=180)
_WAY_LIFE = timedelta(days=365)
_KEY_SIZE = 32
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


SameSite = Literal["Lax", "Strict"]


@dataclass(frozen=True, slots=True)
class CsrfCookie:
    """What may be chosen about the CSRF cookie. `name`: "" for ours. `secure`: None for as all the others."""

    name: str = ""
    http_only: bool = True
    same_site: SameSite = "Strict"
    secure: bool | None = None


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes. `domain` is empty for a cookie of our host only.

    `companion_key`: 32 bytes of this purpose only. `persistent`: the session cookie outlives the browser even when not
    remembered (profile value). `same_site` is the session cookie's.
    """

    session: str
    secure: bool
    companion_key: bytes = field(repr=False)
    domain: str = ""
    persistent: bool = False
    same_site: SameSite = "Lax"
    csrf_cookie: CsrfCookie = field(default_factory=CsrfCookie)

    def __post_init__(self) -> None:
        if len(self.companion_key) != _KEY_SIZE:
            raise ValueError("the companion's key has 32 bytes")
        if self.domain and not _DOMAIN.fullmatch(self.domain):
            raise ValueError("a cookie domain is a lower-case host name without a leading dot")

    @property
    def browser(self) -> str:
        """Name of the pre-session cookie."""
        return self._host_only("doorward-browser")

    @property
    def device(self) -> str:
        """Name of the device marker."""
        return self._host_only("doorward-device")

    @property
    def csrf(self) -> str:
        """Name of the CSRF cookie."""
        return self.csrf_cookie.name or self._host_only("doorward-csrf", secure=self._csrf_secure)

    @property
    def trail(self) -> str:
        """Name of the cookie that notices circles."""
        return self._host_only("doorward-trail")

    @property
    def way(self) -> str:
        """Name of the cookie that says how somebody signed in last."""
        return self._host_only("doorward-way")

    @property
    def companion(self) -> str:
        """Name of the session cookie's companion."""
        return self._host_only("doorward-console")

    @property
    def private(self) -> tuple[str, ...]:
        """Names of those that no app ever needs to see: all but the sign-in, which is taken out by itself.

        A name that was chosen for the CSRF cookie may be an app's own (`XSRF-TOKEN`), which must reach that app. Ours
        is for our host alone, and opens nothing without the session.
        """
        own = () if self.csrf_cookie.name else (self.csrf,)
        return (self.companion, self.browser, self.device, *own, self.trail, self.way)

    def set_session(self, value: str, *, expires_at: datetime | None, now: datetime) -> RawHeaders:
        """Give the browser its sign-in, and the companion of it. `expires_at` only where both outlive the browser."""
        life = expires_at - now if expires_at is not None else None
        return [
            self._line(self.session, value, domain=self.domain, same_site=self.same_site, life=life),
            self._line(self.companion, self._companion_of(value), same_site="Strict", life=life),
        ]

    def end_session(self) -> RawHeaders:
        """Take the sign-in back, under our domain and, should a copy lie there, under our host alone (J06)."""
        gone = timedelta(0)
        lines = [self._line(self.session, "", domain=self.domain, same_site=self.same_site, life=gone)]
        if self.domain:
            lines.append(self._line(self.session, "", same_site=self.same_site, life=gone))
        return [*lines, self._line(self.companion, "", same_site="Strict", life=gone)]

    def accompanies(self, companion: str, session: bytes) -> bool:
        """Whether `companion` was set with this very session cookie."""
        return hmac.compare_digest(companion.encode("utf-8"), self._companion_of(session.decode("latin-1")).encode())

    def set_browser(self, value: str) -> RawHeaders:
        """Give the browser a name of its own before anybody signs in."""
        return [self._line(self.browser, value, life=_BROWSER_LIFE)]

    def set_device(self, value: str) -> RawHeaders:
        """Remember that somebody signed in here."""
        return [self._line(self.device, value, life=_DEVICE_LIFE)]

    def set_csrf(self, value: str) -> RawHeaders:
        """The cookie half of the CSRF check."""
        chosen = self.csrf_cookie
        return [
            self._line(
                self.csrf, value, same_site=chosen.same_site, secure=self._csrf_secure, http_only=chosen.http_only
            )
        ]

    def set_trail(self, value: str) -> RawHeaders:
        """Note a redirect to an app."""
        return [self._line(self.trail, value)]

    def end_trail(self) -> RawHeaders:
        """Forget the redirects."""
        return [self._line(self.trail, "", life=timedelta(0))]

    def set_way(self, value: str) -> RawHeaders:
        """Remember how somebody signed in here; "" forgets it."""
        return [self._line(self.way, value, life=_WAY_LIFE if value else timedelta(0))]

    def _companion_of(self, session: str) -> str:
        # Nothing is kept of it: whoever holds the session cookie alone cannot make it, and it ends with the session.
        mac = hmac.digest(self.companion_key, b"doorward-companion-v1:" + session.encode("latin-1"), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    @property
    def _csrf_secure(self) -> bool:
        return self.secure if self.csrf_cookie.secure is None else self.csrf_cookie.secure

    def _host_only(self, name: str, *, secure: bool | None = None) -> str:
        return f"__Host-{name}" if (self.secure if secure is None else secure) else name

    def _line(
        self,
        name: str,
        value: str,
        *,
        domain: str = "",
        same_site: str = "Lax",
        life: timedelta | None = None,
        secure: bool | None = None,
        http_only: bool = True,
    ) -> tuple[bytes, bytes]:
        if not _VALUE.fullmatch(value):
            raise ValueError(f"a value that cannot stand in the cookie {name}")
        parts = [f"{name}={value}", "Path=/"]
        if domain:
            parts.append(f"Domain={domain}")
        if life is not None:
            parts.append(f"Max-Age={max(int(life.total_seconds()), 0)}")
            if life <= timedelta(0):
                parts.append("Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        if self.secure if secure is None else secure:
            parts.append("Secure")
        if http_only:
            parts.append("HttpOnly")
        parts.append(f"SameSite={same_site}")
        return b"set-cookie", "; ".join(parts).encode("ascii")
