"""The list of apps: the doors that are open to whoever asks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.responses import Response

from doorward.errors import InputError
from doorward.rules.access import Allow, Challenge, Verdict, decide
from doorward.rules.policy import App, Policy
from doorward.rules.request import AccessRequest, parse_host, parse_scheme, parse_target
from doorward.rules.session import Subject
from doorward.web.pages.desk import Desk, Site, subject_of
from doorward.web.pages.icons import icon_of
from doorward.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Tile:
    """An app as a page shows it. `fresh`: opening it asks for something more to be proven."""

    name: str
    href: str
    host: str
    description: str
    icon: Markup | str
    fresh: bool = False


class AppsPage:
    """`/`: my apps. `policy` gives the policy as it is at this moment."""

    def __init__(self, desk: Desk, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show them."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        policy = self._policy()
        tiles = find_open_apps(policy, subject_of(visit), self._desk.site, visit.visitor.address, now=visit.now)
        refused = visit.query.get("return") == "refused"
        note = "The address you came from is not one we lead back to, so here are your apps." if refused else ""
        return self._desk.page(
            visit, "apps.html", here="apps", apps=tiles, note=note, untouched=not policy.rules and not policy.apps
        )


def find_open_apps(
    policy: Policy,
    subject: Subject,
    site: Site,
    client: IPv4Address | IPv6Address | None,
    *,
    now: datetime,
) -> list[Tile]:
    """The apps this subject may open now, by the very decision the gate makes; in the order of the configuration."""
    tiles: list[Tile] = []
    for app in policy.apps:
        url = address_of(app, site)
        if url is None:
            continue
        verdict = judge(policy, url, subject, client, now=now)
        # Whoever is signed in is challenged only for what they can prove in place.
        fresh = isinstance(verdict, Challenge)
        if isinstance(verdict, Allow) or fresh:
            tiles.append(Tile(app.name, url, urlsplit(url).netloc, app.description, icon_of(app), fresh))
    return tiles


def judge(
    policy: Policy, url: str, subject: Subject | None, client: IPv4Address | IPv6Address | None, *, now: datetime
) -> Verdict | None:
    """What the gate would say to a GET of this address; None where it is no address."""
    parts = urlsplit(url)
    try:
        host, port = parse_host(parts.netloc)
        path, target, ambiguous = parse_target(
            (parts.path or "/").encode("ascii") + (b"?" + parts.query.encode("ascii") if parts.query else b"")
        )
        scheme = parse_scheme(parts.scheme)
    except (InputError, UnicodeEncodeError):
        return None
    request = AccessRequest("GET", scheme, host, path, target, ambiguous, client, port)
    return decide(request, subject, policy, now=now)


def address_of(app: App, site: Site) -> str | None:
    """Where an app's tile leads: its own address, else its first host that is a name and not a pattern."""
    if app.url:
        return app.url
    host = next((pattern.name for pattern in app.hosts if pattern.apex), None)
    if host is None:
        return None
    return f"{site.scheme}://{host}" + (f":{site.port}" if site.port else "") + "/"


def tile_of(policy: Policy, url: str | None) -> Tile | None:
    """The app behind a return address, for the sign-in page; None where it is no app's or nobody registered one."""
    if not url:
        return None
    netloc = urlsplit(url).netloc
    host, _ = parse_host(netloc)
    app = policy.app_of(host)
    return Tile(app.name, url, netloc, app.description, icon_of(app)) if app else None
