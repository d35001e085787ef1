"""Keys that programs show us: where they stand in a request, and what comes of them.

Whatever stands in `Authorization` or `X-Api-Key` here is meant for us, so what is no good key is refused, and never
passed over in favour of a cookie.
"""

import base64
import binascii
from dataclasses import replace
from typing import Final

from doorward.errors import InputError
from doorward.flows.key_entry import KeyEntry
from doorward.flows.outcome import Refused
from doorward.rules.app_key import PREFIX, AppKey
from doorward.rules.key_limits import find_narrowness
from doorward.rules.login import Failure
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest, parse_target
from doorward.rules.session import Subject
from doorward.web.api.problems import Code, ProblemError, refuse
from doorward.web.api.scopes import scope_of
from doorward.web.visit import Visit, find_header

CHALLENGE: Final = 'Doorward realm="doorward", Bearer realm="doorward"'
WRONG_KEY_CHALLENGE: Final = 'Doorward realm="doorward", Bearer realm="doorward", error="invalid_token"'
_WRONG_KEY = "That is no key that counts here. It may be mistyped, taken back, expired, or asleep."
_LOCKDOWN = "There is a lockdown. No key opens anything until an administrator lifts it."
_TWO = "The key is one account's and the session cookie another's. Send one of them."
_NOT_BY_KEY = "No key opens this. Somebody has to be signed in for it."
_NO_SCOPE = "This key was not made for that: it lacks the scope `%s`."
_NARROWER = "This key was not made for that: it is for other methods, paths or networks."


def find_shown(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The key that a request shows, or "" for what cannot be one; None where it shows none.

    InputError where it shows two, or one of the headers twice (L05).
    """
    authorization, own = find_header(headers, b"authorization"), find_header(headers, b"x-api-key")
    shown = [_read_authorization(authorization)] if authorization is not None else []
    if own is not None:
        shown.append(_read_key(own))
    if len(set(shown)) > 1:
        raise InputError("there are two keys in one request")
    return shown[0] if shown else None


async def enter_by_key(entry: KeyEntry | None, visit: Visit, *, route: str, raw_path: bytes) -> None:
    """Let the owner of the key in that a request shows, where it opens this route. ProblemError otherwise.

    SECURITY: nothing here falls back to a cookie (T-03, A-22). tests/unit/test_api_keys.py would fail.
    """
    shown = find_shown(visit.headers)
    if shown is None:
        return
    found = await entry.enter(shown, visit.visitor, now=visit.now) if entry is not None else None
    if isinstance(found, Refused) and found.failure is Failure.LOCKDOWN:
        raise ProblemError(403, Code.LOCKDOWN, _LOCKDOWN)
    if isinstance(found, Refused):
        raise refuse(found)
    if isinstance(found, Reason):
        raise ProblemError(403, Code.KEY_REFUSED, found.sentence)
    if found is None or found.key is None:
        raise ProblemError(401, Code.WRONG_KEY, _WRONG_KEY, challenge=WRONG_KEY_CHALLENGE)
    if visit.subject is not None and visit.subject.user.id != found.user.id:
        raise ProblemError(400, Code.TWO_ACCOUNTS, _TWO)
    _check_opens(found.key, visit, route, raw_path)
    visit.subject, visit.accompanied = Subject(found.user, found.session, found.key), True
    visit.visitor = replace(visit.visitor, key=found.key.id)


def _check_opens(key: AppKey, visit: Visit, route: str, raw_path: bytes) -> None:
    needed = scope_of(visit.method, route)
    if needed is None:
        raise ProblemError(403, Code.KEY_REFUSED, _NOT_BY_KEY)
    if needed not in key.scopes:
        raise ProblemError(403, Code.KEY_REFUSED, _NO_SCOPE % needed.value)
    path, target, ambiguous = parse_target(raw_path)
    asked = AccessRequest(visit.method, visit.scheme, "", path, target, ambiguous, visit.visitor.address)
    if find_narrowness(key, asked) is not None:
        raise ProblemError(403, Code.KEY_REFUSED, _NARROWER)


def _read_authorization(value: bytes) -> str:
    scheme, _, rest = value.partition(b" ")
    match scheme.lower():
        case b"bearer":
            return rest.decode("latin-1")
        case b"basic":
            try:
                _, colon, password = base64.b64decode(rest, validate=True).partition(b":")
            except binascii.Error:
                return ""
            return _read_key(password) if colon else ""
        case _:
            return ""


def _read_key(value: bytes) -> str:
    """A key, where it is written like one: access tokens stand after `Bearer` alone."""
    text = value.decode("latin-1")
    return text if text.startswith(PREFIX) else ""
