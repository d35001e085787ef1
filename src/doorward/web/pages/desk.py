"""What every page has at hand: the site's own words, templates, cookies, the CSRF guard, and how to answer."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from starlette.responses import Response

from doorward.errors import InputError
from doorward.interfaces import Log, Random
from doorward.rules.identity import User
from doorward.rules.redirect import parse_return_url
from doorward.rules.session import Subject
from doorward.web.csrf import FIELD, CsrfError, CsrfGuard
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.headers import HeaderPolicy
from doorward.web.pages.assets import Assets
from doorward.web.pages.loop import follow, read_trail
from doorward.web.pages.templates import Templates
from doorward.web.session_cookie import Cookies
from doorward.web.visit import Visit, know_browser

_NONCE_SIZE = 16
_DEFAULT_PORTS = {"http": "80", "https": "443"}

DEMO_BANNER = "Demo: plain http, for this machine only. Nothing here is protected from others on the network."
"""What the banner says where cookies travel in the clear."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages know about this installation.

    `public_url`: without a trailing slash. `banner` is shown on top of every page ("" = none). `remember_for` are the
    words after "keep me signed in for", "" where it is not offered. `shortest_password`: in
    characters. `contacts` and `security_policy` are for `/.well-known/security.txt`. `key_parameter`: what a key is
    called that stands in an address.
    """

    public_url: str
    banner: str = ""
    remember_for: str = "7 days"
    shortest_password: int = 8
    contacts: tuple[str, ...] = ()
    security_policy: str = ""
    key_parameter: str = "dw_key"

    @property
    def password_hint(self) -> str:
        """What a new password must have, in one sentence."""
        return (
            f"At least {self.shortest_password} characters, with upper and lower case, a digit and a special character."
        )

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return urlsplit(self.public_url).scheme

    @property
    def host(self) -> str:
        """Our own canonical host."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def port(self) -> str:
        """Our port as it stands in a Host header: "" for the scheme's own."""
        port = urlsplit(self.public_url).port
        return "" if port is None or str(port) == _DEFAULT_PORTS[self.scheme] else str(port)

    @property
    def origin(self) -> str:
        """Our origin as a browser writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Link:
    """A way on."""

    title: str
    href: str


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    href: str
    here: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """Shared by all pages. `is_known_host`: whether the policy serves a canonical host."""

    site: Site
    headers: HeaderPolicy
    cookies: Cookies
    csrf: CsrfGuard
    random: Random
    templates: Templates
    assets: Assets
    is_known_host: Callable[[str], bool]
    log: Log

    def page(
        self,
        visit: Visit,
        template: str,
        *,
        status: int = 200,
        here: str = "",
        has_forms: bool = True,
        **context: object,
    ) -> Response:
        """Render a page for this visit, with its CSRF token, its nonce and the policy that goes with both."""
        has_token = has_forms and visit.binding
        token, is_new = self.csrf.issue(visit.headers, visit.binding) if has_token else ("", False)
        if is_new:
            visit.cookies_out += self.cookies.set_csrf(token)
        nonce = base64.b64encode(self.random.token(_NONCE_SIZE)).decode("ascii")
        user = visit.subject.user if visit.subject else None
        html = self.templates.render(
            template,
            {
                "nonce": nonce,
                "static": self.assets.prefix,
                "csrf_token": token,
                "banner": self.site.banner,
                "home": "/",
                "sections": _sections(user, here),
                "user_name": user.display_name if user else "",
                "is_admin": user is not None and user.administers,
                "lockdown": visit.lockdown,
                **context,
            },
            visit.language,
        )
        response = Response(html, status, media_type="text/html")
        policy = self.headers.content_policy(nonce=nonce)
        response.raw_headers.append((b"content-security-policy", policy))
        return self._with_cookies(visit, response)

    def message(
        self,
        visit: Visit,
        words: Words,
        *,
        status: int = 200,
        actions: Sequence[Link] = (),
        wait_seconds: int = 0,
        fan: str = "",
        reference: bool = True,
        advice: str = "",
        is_error: bool = True,
        closes: bool = False,
    ) -> Response:
        """A page with one message, what to do about it, and a way on.

        Words, advice and the titles of actions may name the values of the words. `is_error`: whether one with such a
        status may call itself that. `closes`: the window closes itself where the browser lets it.
        """
        response = self.page(
            visit,
            "message.html",
            status=status,
            title=words.title,
            lines=[line for line in (words.text, advice) if line],
            values=words.values,
            status_shown=status if is_error else 0,
            actions=actions,
            wait_seconds=wait_seconds,
            fan=fan,
            closes=closes,
            correlation_id=visit.correlation_id if reference else "",
            at=visit.now if reference else None,
        )
        if wait_seconds:
            response.raw_headers.append((b"retry-after", str(wait_seconds).encode("ascii")))
        return response

    def redirect(self, visit: Visit, url: str) -> Response:
        """303, so that a reload does not send the form again. `url` is ours or vetted; a path is made absolute."""
        response = Response(status_code=303)
        response.raw_headers.append((b"location", self._absolute(url).encode("ascii")))
        return self._with_cookies(visit, response)

    def lead_on(self, visit: Visit, url: str, *, app: str = "") -> Response:
        """Answer a form with the way to `url`, as `redirect` takes it; `app` is the name of what is there.

        Chromium holds every redirect that follows a form to the form's `form-action`: also those of the app, which may
        go to a provider of its own that nobody here knows. So only what ends with us is a redirect. Elsewhere a page
        leads, with a refresh, which is a navigation of its own: at the price of a glimpse of it, every app works,
        without scripts too, and no form of ours may lead to anybody else.
        """
        absolute = self._absolute(url)
        ours = next((home for home in (self.site.public_url, self.site.origin) if absolute.startswith(f"{home}/")), "")
        if ours and not absolute.startswith(f"{ours}/login?"):
            return self.redirect(visit, absolute)
        return self.page(visit, "onward.html", url=absolute, name=app)

    def lead_round(self, visit: Visit) -> Response:
        """Have the browser ask for this very page once more, by a navigation that begins here and not elsewhere.

        A redirect would not do: it carries on the navigation that another site began.
        """
        url = self.own_url(visit)
        visit.cookies_out += self.cookies.set_trail(follow(read_trail(visit.trail), url, visit.now).text)
        # No token: a browser that held back our cookies would get one that the pages of its other tabs do not go by.
        return self.page(visit, "round.html", url=url, has_forms=False)

    def own_url(self, visit: Visit) -> str:
        """The address that was asked for, as we write it."""
        return self.site.public_url + quote(visit.path) + (f"?{urlencode(visit.query)}" if visit.query else "")

    def lead_out(self, visit: Visit, url: str, *, title: str, name: str) -> Response:
        """Send the browser to a provider's `url`; `name` is what people call it; `title` may say `%(name)s`.

        Always by a page, whatever came before: this may be the end of a chain that a form began, ours or an app's, and
        the browser would hold a redirect to what that form may lead to (`lead_on`).
        """
        response = self.page(visit, "departing.html", url=url, title=title, name=name)
        # The page holds no form, so it need not say where it stands; the provider need not know either.
        response.raw_headers.append((b"referrer-policy", b"no-referrer"))
        return response

    def check_form(self, visit: Visit, form: Form, *, page: str) -> None:
        """Raise CsrfError unless this form is ours, shown to this browser and sign-in. `page`: where to get it anew."""
        try:
            self.csrf.check(visit.headers, visit.binding, form.get(FIELD))
        except CsrfError as error:
            error.page = page
            raise

    def know_browser(self, visit: Visit) -> None:
        """Give the browser its pre-session cookie if it has none, so that tickets and tokens can be bound to it."""
        know_browser(visit, self.cookies, self.random)

    def vet(self, return_to: str | None) -> str | None:
        """The absolute return URL, or None where there is none or it may not be followed."""
        if not return_to:
            return None
        try:
            return parse_return_url(return_to, public_url=self.site.public_url, is_known_host=self.is_known_host)
        except InputError:
            return None

    def to_login(self, visit: Visit, page: str = "") -> Response:
        """Send somebody who is not signed in to the sign-in page, and afterwards back here or to another page."""
        if visit.torn:
            visit.cookies_out += self.cookies.end_session()
        return self.redirect(visit, login_path(self.site.public_url + (page or visit.path)))

    def to_login_anew(self, visit: Visit, page: str) -> Response:
        """Send somebody whose session has just ended by their own act to sign in again, and then to a page of ours."""
        # Whoever did so soon after signing in comes by twice in a moment, which is no circle: the trail ends, too.
        visit.cookies_out += [*self.cookies.end_session(), *self.cookies.end_trail()]
        return self.to_login(visit, page)

    def to_confirm(self, visit: Visit, page: str) -> Response:
        """Send somebody to confirm that it is still them, and then to a page of ours."""
        return self.redirect(visit, login_path(self.site.public_url + page, asking="confirm"))

    def _absolute(self, url: str) -> str:
        return self.site.public_url + url if url.startswith("/") else url

    def _with_cookies(self, visit: Visit, response: Response) -> Response:
        response.raw_headers.extend(visit.cookies_out)
        return response


def login_path(
    return_to: str | None,
    *,
    asking: Literal["", "choose", "confirm", "fresh"] = "",
    need: Literal["", "two_factor"] = "",
) -> str:
    """The sign-in page's address, with where to go afterwards.

    `asking`: `choose` goes straight to no provider, `confirm` asks whether it is still you, in any way there is, and
    `fresh` in a way that proves it has just been asked. `need` is what is to be shown besides.
    """
    words = [f"{asking}=1"] if asking else []
    words += [f"need={need}"] if need else []
    words += [f"rd={quote(return_to, safe='')}"] if return_to else []
    return f"/login?{'&'.join(words)}" if words else "/login"


def subject_of(visit: Visit) -> Subject:
    """Who is signed in; only for requests that were checked to have somebody."""
    if visit.subject is None:
        raise InputError("nobody is signed in")
    return visit.subject


def _sections(user: User | None, here: str) -> list[_Section]:
    if user is None:
        return []
    sections = [("Apps", "/", "apps"), ("Account", "/account", "account"), ("Sessions", "/sessions", "sessions")]
    if user.administers:
        sections += [
            ("People", "/admin/users", "people"),
            ("Providers", "/admin/providers", "providers"),
            ("All sessions", "/admin/sessions", "everybody"),
            ("Safekeeping", "/admin/safekeeping", "safekeeping"),
        ]
    return [_Section(title, href, key == here) for title, href, key in sections]
