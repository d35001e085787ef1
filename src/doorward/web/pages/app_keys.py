"""Everybody's keys, for administrators: what there is, what nobody uses, and taking many back at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.app_keys import AppKeys, KeyQuery
from doorward.flows.factors import Factors
from doorward.rules.app_key import AppKey, KeyId, KeyKind
from doorward.rules.identity import User
from doorward.rules.policy import Policy
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator, admit_key_giver
from doorward.web.pages.desk import Desk
from doorward.web.pages.key_rows import KINDS, row_of
from doorward.web.pages.paging import parse_offset
from doorward.web.visit import Visit

_PAGE: Final = "/admin/app-keys"
_MANY: Final = f"{_PAGE}/revoke-many"
PAGE_SIZE: Final = 50
AGES: Final = (7, 30, 90, 180, 365)
"""Days that are offered for what was not used, and for what is older."""
_STATES: Final = {"awake": "awake", "asleep": "asleep", "never": "never used"}
_KINDS: Final = {kind.value: words or "made by hand" for kind, words in KINDS.items()}
_CHANGED: Final = "Meanwhile other keys fit. Nothing was revoked; look at the number again."
_NOT_SURE: Final = "Tick the box that says you are sure. Nothing was done."
_NOTES: Final = {
    "revoked": ("good", "Revoked. What used it gets in no more, from this moment on."),
    "many": ("good", "All of these are revoked. What used them gets in no more, from this moment on."),
    "woken": ("good", "It is awake, and opens what it opened before."),
    "gone": ("warn", "That was gone already, or somebody else changed it meanwhile. Nothing was changed."),
    "held": ("warn", "There is a lockdown, so no key is woken."),
    "none": ("warn", "No key fits, so nothing was revoked."),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which keys are asked for, as it was typed; "" where any will do. `unused` and `older` are days."""

    user: str = ""
    app: str = ""
    kind: str = ""
    state: str = ""
    unused: str = ""
    older: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Asked":
        """From a query or a form. InputError for what the page does not offer."""
        days = {"", *(str(age) for age in AGES)}
        asked = cls(**{name: given.get(name, "").strip() for name in cls.__slots__})
        if asked.kind not in {"", *_KINDS} or asked.state not in {"", *_STATES} or {asked.unused, asked.older} - days:
            raise InputError("the page does not offer that")
        return asked

    @property
    def given(self) -> dict[str, str]:
        """What is asked for, for an address or a form."""
        return {name: value for name in type(self).__slots__ if (value := getattr(self, name))}

    def query(self, now: datetime) -> KeyQuery:
        """The same for the flow, which knows nothing of what was never used."""
        return KeyQuery(
            login=self.user or None,
            app=self.app,
            kind=KeyKind(self.kind) if self.kind else None,
            asleep={"asleep": True, "awake": False}.get(self.state),
            made_before=now - timedelta(days=int(self.older)) if self.older else None,
            unused_since=now - timedelta(days=int(self.unused)) if self.unused else None,
        )


class AppKeysPage:
    """`/admin/app-keys`, and below it `revoke`, `revoke-many` and `wake`."""

    def __init__(self, desk: Desk, app_keys: AppKeys, factors: Factors, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._factors = factors
        self._app_keys = app_keys
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show them, a page at a time."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor), Asked.of(visit.query))

    async def post_revoke(self, visit: Visit, form: Form) -> Response:
        """Take one back."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        revoked = await self._app_keys.revoke_any(actor, [KeyId(form.get("key", ""))], now=visit.now)
        return self._back(visit, "revoked" if revoked else "gone", Asked.of(form))

    async def post_wake(self, visit: Visit, form: Form) -> Response:
        """Let one count again that was put to sleep."""
        actor = await admit_key_giver(self._desk, visit, form, _PAGE, self._factors)
        if isinstance(actor, Response):
            return actor
        done = "woken"
        try:
            await self._app_keys.wake_any(actor, KeyId(form.get("key", "")), now=visit.now)
        except ConflictError as error:
            done = "held" if error.clash is Clash.LOCKDOWN else "gone"
        except NotFoundError:
            done = "gone"
        return self._back(visit, done, Asked.of(form))

    async def get_revoke_many(self, visit: Visit) -> Response:
        """Say how many fit, and ask whether they are to go."""
        if visit.subject is None:
            return self._desk.to_login(visit, _PAGE)
        asked, actor = Asked.of(visit.query), actor_of(visit.subject, visit.visitor)
        found = await self._find(actor, asked, visit.now)
        return self._ask(visit, asked, found) if found else await self._show(visit, actor, asked, done="none")

    async def post_revoke_many(self, visit: Visit, form: Form) -> Response:
        """Take all back that fit, if their number is still the one that was said."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        asked = Asked.of(form)
        found = await self._find(actor, asked, visit.now)
        if not found:
            return self._back(visit, "none", asked)
        if "sure" not in form or form.get("count") != str(len(found)):
            return self._ask(visit, asked, found, problem=_CHANGED if "sure" in form else _NOT_SURE)
        await self._app_keys.revoke_any(actor, [key.id for key, _ in found], now=visit.now)
        return self._back(visit, "many", Asked())

    def _ask(self, visit: Visit, asked: Asked, found: Sequence[tuple[AppKey, User]], *, problem: str = "") -> Response:
        return self._desk.page(
            visit,
            "keys_revoke.html",
            status=409 if problem else 200,
            here="people",
            count=len(found),
            asked=asked,
            kinds=_KINDS,
            states=_STATES,
            owners=sorted({user.display_name for _, user in found})[:PAGE_SIZE],
            problem=problem,
            back=_address(asked),
        )

    def _back(self, visit: Visit, done: str, asked: Asked) -> Response:
        return self._desk.redirect(visit, _address(asked, done=done))

    async def _find(self, actor: Actor, asked: Asked, now: datetime) -> list[tuple[AppKey, User]]:
        """What fits; nothing where nobody has the name that is asked for."""
        try:
            found = await self._app_keys.list_all(actor, asked.query(now))
        except NotFoundError:
            return []
        return [pair for pair in found if asked.state != "never" or pair[0].last_used_at is None]

    async def _show(self, visit: Visit, actor: Actor, asked: Asked, *, done: str = "") -> Response:
        offset = parse_offset(visit.query.get("offset", "0"))
        found = await self._find(actor, asked, visit.now)
        kind, note = _NOTES.get(done or visit.query.get("done", ""), ("", ""))
        terms = self._app_keys.terms
        return self._desk.page(
            visit,
            "keys_all.html",
            here="people",
            rows=[
                row_of(key, self._app_keys.find_last_use, now=visit.now, user=user)
                for key, user in found[offset : offset + PAGE_SIZE]
            ],
            count=len(found),
            asked=asked,
            apps=sorted({app.name for app in self._policy().apps} | ({asked.app} - {""})),
            kinds=_KINDS,
            states=_STATES,
            ages=AGES,
            terms=terms,
            most_days=terms.most_days,
            revoke_many=_address(asked, page=_MANY),
            newer=_address(asked, offset=str(max(offset - PAGE_SIZE, 0))) if offset else "",
            older=_address(asked, offset=str(offset + PAGE_SIZE)) if len(found) > offset + PAGE_SIZE else "",
            note=note,
            note_kind=kind,
        )


def _address(asked: Asked, *, page: str = _PAGE, **more: str) -> str:
    words = urlencode({**asked.given, **more})
    return f"{page}?{words}" if words else page
