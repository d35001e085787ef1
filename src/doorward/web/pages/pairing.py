"""`/device`: somebody types the code that a device shows, sees who asks for what, and says yes or no (RFC 8628, 3.3).

SECURITY: nothing happens by following a link. A code in the address is only filled in; looking it up and answering are
forms of this page, sent by whoever has shown recently who they are. Whoever is talked into opening such a link sees
that the device is elsewhere before there is anything to press (RFC 8628, 5.4). tests/unit/test_pairing_page.py would
fail.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.flows.app_keys import AppKeys
from doorward.flows.assertion_keys import AssertionKeys
from doorward.flows.factors import Factors
from doorward.flows.outcome import Refused
from doorward.flows.pairing import Asked, Pairing
from doorward.rules.app_key import ApiScope
from doorward.rules.key_wish import KeyWish, WishError
from doorward.rules.pairing import parse_user_code, show_user_code
from doorward.web.errors import Refusal, Words
from doorward.web.form import Form
from doorward.web.pages.admit import admit_shown
from doorward.web.pages.desk import Desk, Link
from doorward.web.pages.device import name_device
from doorward.web.pages.entering import STATUS_OF
from doorward.web.pages.key_form import Typed, choices_of, make_wish, read_typed, usual_days
from doorward.web.pages.key_set import ADDRESS as KEY_SET_ADDRESS
from doorward.web.pages.proof import is_just_proven
from doorward.web.pages.waiting import seconds
from doorward.web.pairing import CODE_PATH, GRANT_TYPE, PAGE_PATH, TOKEN_PATH
from doorward.web.visit import Visit

_HOST: Final = "host-"
_NOT_FOUND: Final = "No device waits under this code. It may be mistyped, used, or too old: a new one is made quickly."
_NOTHING: Final = "Choose at least one app, or what the device may do with Doorward itself."
_MARKED: Final = "Please look at what is marked below. The device was not let in."
_DONE: Final = {
    "approved": Words(
        "You can go back to your device",
        "It is let in within a few seconds. Its key is under your keys, where you can revoke it at any time.",
    ),
    "refused": Words(
        "Refused", "The device is told so, and its code is worth nothing any more. You can close this page."
    ),
}


class PairingPage:
    """`/device` and `/device/answer`."""

    def __init__(self, desk: Desk, pairing: Pairing, app_keys: AppKeys, factors: Factors) -> None:
        self._desk = desk
        self._pairing = pairing
        self._app_keys = app_keys
        self._factors = factors

    async def get(self, visit: Visit) -> Response:
        """Ask for the code; one that came with the address stands in the field."""
        self._check_open()
        done = _DONE.get(visit.query.get("done", ""))
        if done is not None:
            return self._desk.message(visit, done, actions=[Link("Your keys", "/keys")], reference=False)
        code = visit.query.get("code", "")
        if visit.subject is None or not is_just_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, _page_of(code))
        return self._ask(visit, code)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Look a code up, and show who asks for what."""
        self._check_open()
        code = form.get("code", "")
        subject = await admit_shown(self._desk, visit, form, _page_of(code), self._factors)
        if isinstance(subject, Response):
            return subject
        found = await self._pairing.look(subject, code, visit.visitor, now=visit.now)
        if not isinstance(found, Asked):
            return self._ask(visit, code, found)
        return self._show(visit, found, _typed_of(found), found.hosts)

    async def post_answer(self, visit: Visit, form: Form) -> Response:
        """Approve or refuse."""
        self._check_open()
        code = form.get("code", "")
        subject = await admit_shown(self._desk, visit, form, _page_of(code), self._factors)
        if isinstance(subject, Response):
            return subject
        if form.get("act") != "approve":
            outcome = await self._pairing.refuse(subject, code, visit.visitor, now=visit.now)
            return self._finish(visit, code, outcome, "refused")
        wish, typed, wrong = self._read(visit, form)
        problem, detail = "", None
        if not wrong:
            try:
                outcome = await self._pairing.approve(subject, code, wish, visit.visitor, now=visit.now)
            except WishError as error:
                problem, detail = "The device was not let in.", error
            else:
                return self._finish(visit, code, outcome, "approved")
        found = await self._pairing.look(subject, code, visit.visitor, now=visit.now)
        if not isinstance(found, Asked):
            return self._ask(visit, code, found)
        return self._show(visit, found, typed, wish.hosts, wrong=wrong, problem=problem or _MARKED, detail=detail)

    def _check_open(self) -> None:
        if not self._pairing.is_open:
            raise Refusal(404)

    def _read(self, visit: Visit, form: Form) -> tuple[KeyWish, Typed, dict[str, str]]:
        typed = read_typed(form)
        typed = replace(typed, flags=typed.flags & {"read_only"})
        wish, wrong = make_wish(typed, self._app_keys.terms, url_apps=(), client=visit.visitor.address, now=visit.now)
        hosts = tuple(dict.fromkeys(value for name, value in form.items() if name.startswith(_HOST)))
        wish = replace(wish, paths=(), methods=(), networks=(), hosts=hosts)
        if hosts or typed.apps or typed.scopes:
            wrong.pop("apps", None)
        else:
            wrong["apps"] = _NOTHING
        return wish, typed, wrong

    def _finish(self, visit: Visit, code: str, outcome: Asked | Refused | None, done: str) -> Response:
        if not isinstance(outcome, Asked):
            return self._ask(visit, code, outcome)
        return self._desk.redirect(visit, f"{PAGE_PATH}?done={done}")

    def _ask(self, visit: Visit, code: str, *outcome: Refused | None) -> Response:
        """The field for the code. `outcome`: why nothing came of the last one."""
        refused = outcome[0] if outcome else None
        wait = seconds(refused.retry_after) if refused is not None else 0
        parsed = parse_user_code(code)
        response = self._desk.page(
            visit,
            "device.html",
            status=STATUS_OF[refused.failure] if refused is not None else 400 if outcome else 200,
            here="account",
            code=show_user_code(parsed) if parsed is not None else code if outcome else "",
            came_along=not outcome and parsed is not None,
            wrong="" if refused is not None or not outcome else _NOT_FOUND,
            problem=refused.failure.sentence if refused is not None else "",
            wait_seconds=wait,
        )
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response

    def _show(
        self,
        visit: Visit,
        asked: Asked,
        typed: Typed,
        hosts: tuple[str, ...],
        *,
        wrong: Mapping[str, str] | None = None,
        problem: str = "",
        detail: WishError | None = None,
    ) -> Response:
        terms = self._app_keys.terms
        return self._desk.page(
            visit,
            "device_asks.html",
            status=400 if problem else 200,
            here="account",
            asked=asked,
            device=name_device(asked.agent),
            whence=asked.whence.value,
            own_address=visit.visitor.address_text,
            typed=typed,
            hosts=hosts,
            scopes=[scope.value for scope in (ApiScope.READ, ApiScope.WRITE) if scope in asked.reach.scopes],
            scopes_on=[scope.value for scope in typed.scopes],
            may_approve=bool(asked.apps or asked.hosts or asked.reach.scopes),
            lifetimes=[days for days in choices_of(terms) if days != usual_days(terms)],
            usual=usual_days(terms),
            most=terms.max_lifetime,
            wrong={name: (wrong or {}).get(name, "") for name in ("name", "apps", "expires")},
            problem=problem,
            detail=detail,
        )


class MetadataPage:
    """`/.well-known/oauth-authorization-server`: what ordinary clients read first (RFC 8414)."""

    def __init__(self, desk: Desk, pairing: Pairing, assertion_keys: AssertionKeys) -> None:
        self._desk = desk
        self._pairing = pairing
        self._assertion_keys = assertion_keys

    async def get(self, visit: Visit) -> Response:  # noqa: ARG002 -- the same for whoever asks
        """Tell it. Refusal (404) where no devices are paired, and nothing is signed for apps."""
        signs, pairs = self._assertion_keys.is_wanted(), self._pairing.is_open
        if not (signs or pairs):
            raise Refusal(404)
        home = self._desk.site.public_url
        metadata: dict[str, object] = {"issuer": home, "response_types_supported": []}
        if signs:
            metadata["jwks_uri"] = home + KEY_SET_ADDRESS
        if pairs:
            metadata |= {
                "device_authorization_endpoint": home + CODE_PATH,
                "token_endpoint": home + TOKEN_PATH,
                "grant_types_supported": [GRANT_TYPE],
                "token_endpoint_auth_methods_supported": ["none"],
                "scopes_supported": [ApiScope.READ.value, ApiScope.WRITE.value],
            }
        return Response(json.dumps(metadata), media_type="application/json")


def _page_of(code: str) -> str:
    return f"{PAGE_PATH}?code={quote(code, safe='')}" if code else PAGE_PATH


def _typed_of(asked: Asked) -> Typed:
    """What stands in the form first: all that was asked for by name, and nothing where it was not."""
    return Typed(
        texts={**Typed().texts, "name": asked.client},
        apps=asked.apps if asked.reach.names_places else (),
        scopes=asked.reach.scopes,
    )
