"""What a key for apps may do at this moment, besides what its owner may: it only ever narrows."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from doorward.rules.app_key import AppKey
from doorward.rules.identity import User
from doorward.rules.policy import App, in_networks
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""What a key that only reads may ask for."""
_IN_URL: Final = frozenset({"GET", "HEAD"})


def end_in_time(key: AppKey, most: timedelta | None) -> AppKey:
    """The key with the end that policy has for it now, if it has none or a later one: `most` after it was made.

    SECURITY: a lifetime that was made shorter is for the keys that are there, too: they are why somebody does so.
    tests/unit/test_key_limits.py would fail.
    """
    if most is None or (key.expires_at is not None and key.expires_at <= key.made_at + most):
        return key
    return replace(key, expires_at=key.made_at + most)


def find_flaw(key: AppKey, user: User, now: datetime) -> Reason | None:
    """Why the key opens nothing at all at `now`; None where it does. The account's own state comes first."""
    if not user.enabled or user.awaits_approval:
        return Reason.USER_DISABLED
    if user.must_change_password:
        return Reason.OWNER_PENDING
    if key.generation is not None and key.generation != user.generation:
        return Reason.KEY_INVALID
    if key.expires_at is not None and now >= key.expires_at:
        return Reason.KEY_EXPIRED
    if key.disabled_at is not None:
        return Reason.KEY_ASLEEP
    return None


def find_limit(key: AppKey, request: AccessRequest, app: App | None) -> Reason | None:
    """Why the key is not for this request; None where it is."""
    if app is not None and not app.keys:
        return Reason.KEY_NOT_TAKEN
    if request.host not in key.hosts and (app is None or app.name not in key.apps):
        return Reason.KEY_APP
    if request.key_in_url and not (
        app is not None and app.url_keys and key.in_url and request.method in _IN_URL and not request.websocket
    ):
        return Reason.KEY_IN_URL
    return find_narrowness(key, request)


def find_narrowness(key: AppKey, request: AccessRequest) -> Reason | None:
    """The part of `find_limit` that differs from one request to one host to the next."""
    if key.read_only and (request.method not in READING or request.websocket):
        return Reason.KEY_READ_ONLY
    # SECURITY: a websocket begins as a GET and then does anything: methods that only read do not open one.
    # tests/unit/test_key_limits.py would fail.
    if key.methods and (request.method not in key.methods or (request.websocket and key.methods <= READING)):
        return Reason.KEY_METHOD
    # SECURITY: strictly, as an allow is read: what some server may take for another path is under none of them.
    # tests/unit/test_key_limits.py would fail.
    if key.paths and (request.ambiguous or not any(is_below(request.path, path) for path in key.paths)):
        return Reason.KEY_PATH
    if key.networks and (request.client is None or not in_networks(request.client, key.networks)):
        return Reason.KEY_NETWORK
    return None


def is_below(path: str, top: str) -> bool:
    """Whether a canonical path is this one, or below it by whole segments."""
    return path == top or path.startswith(top if top.endswith("/") else top + "/")
