"""Making a key on a page, for oneself or for a service: the form, and the key, shown once.

The key stands in the answer to the form and nowhere else: not in an address, not in what is stored, and `no-store`
keeps it out of what browsers keep. Whoever reloads that page sends the form again, and finds the name taken.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from doorward.errors import Clash, ConflictError
from doorward.flows.app_keys import AppKeys, NewKey
from doorward.flows.outcome import Refused
from doorward.rules.app_key import ApiScope, AppKey
from doorward.rules.identity import User
from doorward.rules.key_wish import KeyWish, WishError
from doorward.rules.policy import App, Policy
from doorward.web.form import Form
from doorward.web.pages.apps import address_of
from doorward.web.pages.desk import Desk
from doorward.web.pages.drawing import qr_drawing
from doorward.web.pages.entering import STATUS_OF
from doorward.web.pages.key_form import Typed, choices_of, make_wish, network_of, read_typed, usual_days
from doorward.web.pages.key_rows import row_of
from doorward.web.pages.waiting import seconds
from doorward.web.ready_lines import ReadyLines, write_lines, write_own_line
from doorward.web.visit import Visit

_FIELDS: Final = ("name", "apps", "paths", "methods", "networks", "expires", "in_url")
_NAME_TAKEN: Final = (
    "There is a key of this name already. If you have just made it: it was shown once, and nobody can show it again. "
    "Revoke it and make another, or choose another name."
)
_NOT_MADE: Final = "The key was not made."
_DISABLED: Final = "This service is disabled. Enable it first."
_MARKED: Final = "Please look at what is marked below. Nothing was made."
_MOST_LINES: Final = 5
"""For so many apps lines are shown: more would be read by nobody."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An app that may be chosen."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What the form offers: apps, lifetimes in days, the network somebody is in ("" where nobody knows).

    `most` and `usual` are days, None where there is none. `opened`: whether what narrows a key further is unfolded.
    """

    apps: list[Choice]
    url_apps: list[str]
    lifetimes: list[int]
    usual: int | None
    most: int | None
    here: str
    may_administer: bool
    opened: bool
    scopes_on: list[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom a key is made, and where: the address of the form, and the page before it."""

    owner: User
    action: str
    back: str
    here: str
    is_own: bool


class KeyMaker:
    """The form and the page that shows a key."""

    def __init__(self, desk: Desk, app_keys: AppKeys, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._app_keys = app_keys
        self._policy = policy

    async def make(
        self,
        visit: Visit,
        form: Form,
        asked: Asked,
        *,
        taken: Collection[str],
        create: Callable[[KeyWish], Awaitable[NewKey | Refused]],
    ) -> Response:
        """What `create` makes of the form, shown; or the form once more. `taken`: the names of the account's keys."""
        typed = read_typed(form)
        wish, wrong = make_wish(
            typed,
            self._app_keys.terms,
            url_apps=self.list_url_apps(asked.owner),
            client=visit.visitor.address,
            now=visit.now,
        )
        # Looked at before anything is counted: this is what a page that is loaded again comes to.
        if wish.name.strip() in taken:
            wrong["name"] = _NAME_TAKEN
        if wrong:
            return self.show_form(visit, asked, typed, wrong=wrong)
        try:
            outcome = await create(wish)
        except ConflictError as error:
            if error.clash is Clash.DISABLED:
                return self.show_form(visit, asked, typed, problem=_DISABLED)
            return self.show_form(visit, asked, typed, wrong={"name": _NAME_TAKEN})
        except WishError as error:
            return self.show_form(visit, asked, typed, problem=_NOT_MADE, detail=error)
        if isinstance(outcome, Refused):
            return self.show_form(visit, asked, typed, refused=outcome)
        return self.show_key(visit, asked, outcome)

    def show_form(
        self,
        visit: Visit,
        asked: Asked,
        typed: Typed,
        *,
        wrong: Mapping[str, str] | None = None,
        refused: Refused | None = None,
        problem: str = "",
        detail: WishError | None = None,
    ) -> Response:
        """The form, with what was typed and what is wrong with it. `detail`: what the rules say."""
        wrong = wrong or {}
        wait = seconds(refused.retry_after) if refused else 0
        problem = refused.failure.sentence if refused else problem or (_MARKED if wrong else "")
        response = self._desk.page(
            visit,
            "key_new.html",
            status=STATUS_OF[refused.failure] if refused else 400 if problem else 200,
            here=asked.here,
            action=asked.action,
            owner="" if asked.is_own else asked.owner.name,
            owner_name=asked.owner.display_name,
            offer=self._offer(visit, asked.owner, typed, wrong),
            typed=typed,
            wrong={name: wrong.get(name, "") for name in _FIELDS},
            problem=problem,
            detail=detail,
            wait_seconds=wait,
        )
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response

    def show_key(self, visit: Visit, asked: Asked, made: NewKey) -> Response:
        """The key, this once."""
        key, site = made.key, self._desk.site
        return self._desk.page(
            visit,
            "key_made.html",
            here=asked.here,
            row=row_of(key, self._app_keys.find_last_use, now=visit.now),
            owner_name="" if asked.is_own else asked.owner.display_name,
            text=made.text,
            qr=qr_drawing(self._app_keys.draw(made.text)),
            lines=self._lines(key, asked.owner, made.text),
            own_line=write_own_line(site.public_url, key=made.text) if key.scopes else "",
            back=asked.back,
        )

    def _offer(self, visit: Visit, owner: User, typed: Typed, wrong: Mapping[str, str]) -> Offer:
        terms, client = self._app_keys.terms, visit.visitor.address
        apps = self.list_apps(owner)
        narrowed = ("paths", "methods", "networks")
        return Offer(
            apps=[Choice(app.name, urlsplit(address_of(app, self._desk.site) or "").netloc) for app in apps],
            url_apps=[app.name for app in apps if app.url_keys],
            lifetimes=[days for days in choices_of(terms) if days != usual_days(terms)],
            usual=usual_days(terms),
            most=terms.most_days,
            here="" if client is None else network_of(client),
            may_administer=owner.administers,
            opened=bool(typed.flags & {"in_url", "here"})
            or any(typed.texts[name] for name in narrowed)
            or any(wrong.get(name) for name in (*narrowed, "in_url")),
            scopes_on=[scope.value for scope in ApiScope if scope in typed.scopes],
        )

    def list_apps(self, owner: User) -> list[App]:
        """The apps that a key of this account can be for."""
        return self._apps(self._app_keys.list_openable(owner))

    def list_url_apps(self, owner: User) -> list[str]:
        """The names of those that take it in an address."""
        return [app.name for app in self.list_apps(owner) if app.url_keys]

    def _apps(self, names: Sequence[str]) -> list[App]:
        """The apps of these names that keys may open; of several with one name the first."""
        found: dict[str, App] = {}
        for app in self._policy().apps:
            if app.name in names and app.keys:
                found.setdefault(app.name, app)
        return list(found.values())

    def _lines(self, key: AppKey, owner: User, text: str) -> list[ReadyLines]:
        path = key.paths[0] if key.paths else "/"
        lines = []
        for app in self._apps(key.apps):
            url = address_of(app, self._desk.site)
            if url is not None:
                parameter = self._desk.site.key_parameter if key.in_url and app.url_keys else ""
                lines.append(write_lines(app.name, url, user=owner.name, key=text, path=path, parameter=parameter))
        return lines[:_MOST_LINES]
