"""The keys, for administrators: what there is and how old it is, and new ones of session cookies and assertions."""

from typing import Final

from starlette.responses import Response

from doorward.flows.acting import actor_of
from doorward.flows.assertion_keys import AssertionKeys
from doorward.flows.signing_keys import SigningKeys
from doorward.rules.stored_key import ASSERTION, AUDIT, DERIVE, SESSION
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.visit import Visit

PAGE: Final = "/admin/keys"
_NAMES: Final = {
    SESSION: "Session cookies",
    DERIVE: "Root of smaller keys",
    AUDIT: "Signatures of the audit record",
    ASSERTION: "Assertions to apps",
}
_DONE: Final = {
    "made": "There is a new key. It is published already and signs in ten minutes.",
    "at-once": "There is a new key. It signs now, and no other is published.",
}
_NOT_SURE: Final = "Tick the box that says you are sure. Nothing was done."


class KeysPage:
    """`/admin/keys`."""

    def __init__(self, desk: Desk, keys: SigningKeys, assertion_keys: AssertionKeys) -> None:
        self._desk = desk
        self._keys = keys
        self._assertion_keys = assertion_keys

    async def get(self, visit: Visit) -> Response:
        """Show the keys, none of which is told."""
        return await self._show(visit)

    async def post_signing(self, visit: Visit, form: Form) -> Response:
        """Replace the key of session cookies: everybody is signed out, who asks for it too."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        if "sure" not in form:
            return await self._show(visit, problem=_NOT_SURE)
        await self._keys.rotate(actor, keys_too="keys" in form, now=visit.now)
        return self._desk.to_login_anew(visit, PAGE)

    async def post_assertion(self, visit: Visit, form: Form) -> Response:
        """Make a new key of assertions to apps; nobody is signed out."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        at_once = "at_once" in form
        await self._assertion_keys.rotate(actor, at_once=at_once, now=visit.now)
        return self._desk.redirect(visit, f"{PAGE}?done={'at-once' if at_once else 'made'}")

    async def _show(self, visit: Visit, *, problem: str = "") -> Response:
        ages = await self._keys.look(actor_of(subject_of(visit), visit.visitor))
        return self._desk.page(
            visit,
            "keys.html",
            status=400 if problem else 200,
            here="safekeeping",
            ages=ages,
            stored=[(_NAMES.get(key.purpose, ""), key) for key in ages.stored if key.retired_at is None],
            days={key.number: (visit.now - key.created_at).days for key in ages.stored},
            master_days=None if ages.master_since is None else (visit.now - ages.master_since).days,
            every=None if self._keys.every is None else self._keys.every.days,
            signs=self._assertion_keys.is_wanted() or ages.asserting_since is not None,
            signs_every=None if self._assertion_keys.every is None else self._assertion_keys.every.days,
            done=_DONE.get(visit.query.get("done", ""), ""),
            problem=problem,
        )
