"""Our own pages (attacks L): every route has a declared policy, and what is somebody's own is nobody else's."""

import json
import re
from dataclasses import dataclass

import pytest

from tests.attacks.stage import ALICE, BOB, NAVIGATION, ROOT, STRANGER, Browser, Stage
from tests.attacks.wire import Answer, Connection, write
from tests.fakes.door import Door

ANYBODY, PERSON, RULER = "anybody", "whoever is signed in", "administrators"
TURNED_AWAY = {303, 401, 403}


@dataclass(frozen=True)
class Declared:
    """For whom a route is. `unsafe`: it changes something, so it needs a token as well."""

    whose: str
    unsafe: bool = False


DECLARED = {
    ("GET", "/"): Declared(PERSON),
    ("GET", "/login"): Declared(ANYBODY),
    ("POST", "/login"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/with"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/passkey"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/passkey/options"): Declared(ANYBODY, unsafe=True),
    ("GET", "/login/factor"): Declared(ANYBODY),
    ("POST", "/login/factor"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/recovery-code"): Declared(ANYBODY, unsafe=True),
    ("GET", "/login/new-password"): Declared(ANYBODY),
    ("POST", "/login/new-password"): Declared(ANYBODY, unsafe=True),
    ("GET", "/login/enrol"): Declared(ANYBODY),
    ("POST", "/login/enrol/later"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/enrol/totp"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/enrol/passkey"): Declared(ANYBODY, unsafe=True),
    ("POST", "/login/enrol/passkey/options"): Declared(ANYBODY, unsafe=True),
    ("GET", "/login/codes"): Declared(ANYBODY),
    ("POST", "/login/codes"): Declared(ANYBODY, unsafe=True),
    ("GET", "/recover"): Declared(ANYBODY),
    ("POST", "/recover"): Declared(ANYBODY, unsafe=True),
    ("GET", "/reset"): Declared(ANYBODY),
    ("POST", "/reset"): Declared(ANYBODY, unsafe=True),
    ("GET", "/register"): Declared(ANYBODY),
    ("POST", "/register"): Declared(ANYBODY, unsafe=True),
    ("POST", "/register/mail"): Declared(ANYBODY, unsafe=True),
    ("POST", "/register/with"): Declared(ANYBODY, unsafe=True),
    ("GET", "/login/callback/*"): Declared(ANYBODY),
    ("GET", "/api/auth/login"): Declared(ANYBODY),
    ("GET", "/api/auth/oidc/callback"): Declared(ANYBODY),
    ("GET", "/confirmed"): Declared(PERSON),
    ("GET", "/logout"): Declared(PERSON),
    ("POST", "/logout"): Declared(PERSON, unsafe=True),
    # Providers call this one; what they bring is signed, and no browser's cookie counts there.
    ("POST", "/logout/backchannel/*"): Declared(ANYBODY),
    ("GET", "/logout/frontchannel/*"): Declared(ANYBODY),
    ("GET", "/signed-out"): Declared(ANYBODY),
    ("GET", "/break-glass"): Declared(ANYBODY),
    ("GET", "/.well-known/jwks.json"): Declared(ANYBODY),
    ("GET", "/.well-known/oauth-authorization-server"): Declared(ANYBODY),
    ("GET", "/.well-known/security.txt"): Declared(ANYBODY),
    ("POST", "/break-glass"): Declared(ANYBODY, unsafe=True),
    ("GET", "/setup"): Declared(ANYBODY),
    ("POST", "/setup"): Declared(ANYBODY, unsafe=True),
    ("GET", "/device"): Declared(PERSON),
    ("POST", "/device"): Declared(PERSON, unsafe=True),
    ("POST", "/device/answer"): Declared(PERSON, unsafe=True),
    ("GET", "/keys"): Declared(PERSON),
    ("GET", "/keys/new"): Declared(PERSON),
    ("POST", "/keys/new"): Declared(PERSON, unsafe=True),
    ("POST", "/keys/revoke"): Declared(PERSON, unsafe=True),
    ("POST", "/keys/rename"): Declared(PERSON, unsafe=True),
    ("POST", "/keys/wake"): Declared(PERSON, unsafe=True),
    ("GET", "/sessions"): Declared(PERSON),
    ("POST", "/sessions/end"): Declared(PERSON, unsafe=True),
    ("GET", "/account"): Declared(PERSON),
    ("POST", "/account/link"): Declared(PERSON, unsafe=True),
    ("POST", "/account/unlink"): Declared(PERSON, unsafe=True),
    ("GET", "/account/security"): Declared(PERSON),
    ("GET", "/account/totp"): Declared(PERSON),
    ("POST", "/account/totp"): Declared(PERSON, unsafe=True),
    ("POST", "/account/totp/remove"): Declared(PERSON, unsafe=True),
    ("POST", "/account/passkeys"): Declared(PERSON, unsafe=True),
    ("POST", "/account/passkeys/options"): Declared(PERSON, unsafe=True),
    ("POST", "/account/passkeys/rename"): Declared(PERSON, unsafe=True),
    ("POST", "/account/passkeys/remove"): Declared(PERSON, unsafe=True),
    ("GET", "/account/codes"): Declared(PERSON),
    ("POST", "/account/codes"): Declared(PERSON, unsafe=True),
    ("POST", "/account/codes/keep"): Declared(PERSON, unsafe=True),
    ("POST", "/account/sign-ins/disown"): Declared(PERSON, unsafe=True),
    ("GET", "/account/profile"): Declared(PERSON),
    ("POST", "/account/profile"): Declared(PERSON, unsafe=True),
    ("GET", "/account/email"): Declared(ANYBODY),
    ("POST", "/account/email"): Declared(ANYBODY, unsafe=True),
    ("POST", "/account/email/ask"): Declared(PERSON, unsafe=True),
    ("POST", "/account/password"): Declared(PERSON, unsafe=True),
    ("POST", "/account/export"): Declared(PERSON, unsafe=True),
    ("POST", "/account/delete"): Declared(PERSON, unsafe=True),
    ("GET", "/admin/sessions"): Declared(RULER),
    ("GET", "/admin/app-keys"): Declared(RULER),
    ("POST", "/admin/app-keys/revoke"): Declared(RULER, unsafe=True),
    ("POST", "/admin/app-keys/wake"): Declared(RULER, unsafe=True),
    ("GET", "/admin/app-keys/revoke-many"): Declared(RULER),
    ("POST", "/admin/app-keys/revoke-many"): Declared(RULER, unsafe=True),
    ("GET", "/admin/services"): Declared(RULER),
    ("POST", "/admin/services"): Declared(RULER, unsafe=True),
    ("GET", "/admin/services/key"): Declared(RULER),
    ("POST", "/admin/services/key"): Declared(RULER, unsafe=True),
    ("POST", "/admin/services/act"): Declared(RULER, unsafe=True),
    ("POST", "/admin/services/delete"): Declared(RULER, unsafe=True),
    ("GET", "/admin/users"): Declared(RULER),
    ("POST", "/admin/users/unlink"): Declared(RULER, unsafe=True),
    ("GET", "/admin/users/person"): Declared(RULER),
    ("GET", "/admin/users/new"): Declared(RULER),
    ("POST", "/admin/users/new"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/edit"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/groups"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/act"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/link"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/export"): Declared(RULER, unsafe=True),
    ("POST", "/admin/users/delete"): Declared(RULER, unsafe=True),
    ("GET", "/admin/invites"): Declared(RULER),
    ("POST", "/admin/invites"): Declared(RULER, unsafe=True),
    ("POST", "/admin/invites/revoke"): Declared(RULER, unsafe=True),
    ("GET", "/admin/keys"): Declared(RULER),
    ("POST", "/admin/keys/assertion"): Declared(RULER, unsafe=True),
    ("POST", "/admin/keys/signing"): Declared(RULER, unsafe=True),
    ("GET", "/admin/safekeeping"): Declared(RULER),
    ("GET", "/admin/incident"): Declared(RULER),
    ("POST", "/admin/incident/lockdown"): Declared(RULER, unsafe=True),
    ("POST", "/admin/incident/lift"): Declared(RULER, unsafe=True),
    ("POST", "/admin/incident/kit"): Declared(RULER, unsafe=True),
    ("POST", "/admin/incident/kit/revoke"): Declared(RULER, unsafe=True),
    ("GET", "/admin/policy"): Declared(RULER),
    ("POST", "/admin/policy/mfa"): Declared(RULER, unsafe=True),
    ("POST", "/admin/policy/registration"): Declared(RULER, unsafe=True),
    ("GET", "/admin/audit"): Declared(RULER),
    ("POST", "/admin/audit/verify"): Declared(RULER, unsafe=True),
    ("POST", "/admin/audit/export"): Declared(RULER, unsafe=True),
    ("GET", "/admin/decisions"): Declared(RULER),
    ("GET", "/admin/mail"): Declared(RULER),
    ("POST", "/admin/mail/retry"): Declared(RULER, unsafe=True),
    ("POST", "/admin/mail/test"): Declared(RULER, unsafe=True),
    ("GET", "/admin/backups"): Declared(RULER),
    ("POST", "/admin/backups/create"): Declared(RULER, unsafe=True),
    ("POST", "/admin/backups/drill"): Declared(RULER, unsafe=True),
    ("POST", "/admin/backups/preview"): Declared(RULER, unsafe=True),
    ("POST", "/admin/backups/restore"): Declared(RULER, unsafe=True),
    ("POST", "/admin/backups/delete"): Declared(RULER, unsafe=True),
    ("POST", "/account/locations"): Declared(PERSON, unsafe=True),
    ("GET", "/admin/app-secrets"): Declared(RULER),
    ("POST", "/admin/app-secrets"): Declared(RULER, unsafe=True),
    ("POST", "/admin/app-secrets/remove"): Declared(RULER, unsafe=True),
    ("GET", "/admin/alerts"): Declared(RULER),
    ("POST", "/admin/alerts/test"): Declared(RULER, unsafe=True),
    ("GET", "/admin/providers"): Declared(RULER),
    ("GET", "/admin/providers/new"): Declared(RULER),
    ("POST", "/admin/providers/new"): Declared(RULER, unsafe=True),
    ("GET", "/admin/providers/edit/*"): Declared(RULER),
    ("POST", "/admin/providers/edit/*"): Declared(RULER, unsafe=True),
    ("POST", "/admin/providers/test"): Declared(RULER, unsafe=True),
    ("POST", "/admin/providers/enable"): Declared(RULER, unsafe=True),
    ("POST", "/admin/providers/disable"): Declared(RULER, unsafe=True),
    ("POST", "/admin/providers/remove"): Declared(RULER, unsafe=True),
    ("POST", "/admin/providers/passwords"): Declared(RULER, unsafe=True),
    ("GET", "/api/openapi.json"): Declared(ANYBODY),
    ("GET", "/api/sessions/list"): Declared(PERSON),
    ("DELETE", "/api/sessions/session/{handle}"): Declared(PERSON, unsafe=True),
    ("GET", "/api/auth/csrf-token"): Declared(ANYBODY),
    ("GET", "/api/auth/mode"): Declared(ANYBODY),
    ("GET", "/api/auth/registration-available"): Declared(ANYBODY),
    ("GET", "/api/diagnostics/client-ip"): Declared(PERSON),
    ("GET", "/api/v1/account"): Declared(PERSON),
    ("DELETE", "/api/v1/account"): Declared(PERSON, unsafe=True),
    ("PATCH", "/api/v1/account"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/password"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/email"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/account/sign-ins"): Declared(PERSON),
    ("GET", "/api/v1/account/export"): Declared(PERSON),
    ("GET", "/api/v1/account/sessions"): Declared(PERSON),
    ("GET", "/api/v1/account/sessions/{handle}"): Declared(PERSON),
    ("DELETE", "/api/v1/account/sessions/{handle}"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/sessions/end-others"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/sessions/{handle}/disown"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/account/factors"): Declared(PERSON),
    ("POST", "/api/v1/account/factors/totp"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/factors/totp/confirm"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/factors/totp/remove"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/account/factors/passkeys"): Declared(PERSON),
    ("POST", "/api/v1/account/factors/passkeys"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/factors/passkeys/options"): Declared(PERSON, unsafe=True),
    ("PATCH", "/api/v1/account/factors/passkeys/{passkey_id}"): Declared(PERSON, unsafe=True),
    ("DELETE", "/api/v1/account/factors/passkeys/{passkey_id}"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/factors/recovery-codes"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/factors/recovery-codes/acknowledge"): Declared(PERSON, unsafe=True),
    ("GET", "/api/auth/otp/status"): Declared(PERSON),
    ("GET", "/api/auth/totp/status"): Declared(PERSON),
    ("GET", "/api/auth/webauthn/status"): Declared(PERSON),
    ("POST", "/api/auth/webauthn/disable"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/change-password"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/otp/setup"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/totp/setup"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/otp/enable"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/totp/enable"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/otp/disable"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/totp/disable"): Declared(PERSON, unsafe=True),
    ("GET", "/api/auth/webauthn/credentials"): Declared(PERSON),
    ("POST", "/api/auth/webauthn/setup"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/webauthn/enable"): Declared(PERSON, unsafe=True),
    ("PATCH", "/api/auth/webauthn/credentials/{passkey_id}"): Declared(PERSON, unsafe=True),
    ("DELETE", "/api/auth/webauthn/credentials/{passkey_id}"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/users"): Declared(RULER),
    ("POST", "/api/v1/users"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/users/{user}"): Declared(RULER),
    ("PATCH", "/api/v1/users/{user}"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/users/{user}"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/users/{user}/sign-ins"): Declared(RULER),
    ("GET", "/api/v1/users/{user}/sessions"): Declared(RULER),
    ("DELETE", "/api/v1/users/{user}/connections/{connection}"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/force-password-change"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/reset-factors"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/end-sessions"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/approve"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/refuse"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/recovery-link"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/sessions"): Declared(RULER),
    ("DELETE", "/api/v1/sessions/{handle}"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/invites"): Declared(RULER),
    ("POST", "/api/v1/invites"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/invites/{invite}/revoke"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/invites/{invite}"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/keys"): Declared(RULER),
    ("POST", "/api/v1/keys/assertion/rotate"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/keys/signing/rotate"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/admin/rotate-signing-key"): Declared(RULER, unsafe=True),
    ("POST", "/api/admin/rotate-signing-key"): Declared(RULER, unsafe=True),
    ("POST", "/api/admin/rotate-jwt-secret"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/incident"): Declared(RULER),
    ("POST", "/api/v1/incident/lockdown"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/incident/lift"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/policy"): Declared(RULER),
    ("PUT", "/api/v1/policy/mfa"): Declared(RULER, unsafe=True),
    ("PUT", "/api/v1/policy/registration"): Declared(RULER, unsafe=True),
    ("PUT", "/api/v1/policy/passwords"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/audit"): Declared(RULER),
    ("POST", "/api/v1/audit/verify"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/decisions"): Declared(RULER),
    ("GET", "/api/v1/retention"): Declared(RULER),
    ("POST", "/api/v1/users/{user}/export"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/{user}/erase"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/letters"): Declared(RULER),
    ("POST", "/api/v1/letters/test"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/letters/{letter}/retry"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/import/preview"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/users/import/apply"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/backups"): Declared(RULER),
    ("POST", "/api/v1/backups"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/backups/drill"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/backups/{name}/preview"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/backups/{name}/restore"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/backups/{name}"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/backups/upload"): Declared(RULER, unsafe=True),
    ("GET", "/api/backups"): Declared(RULER),
    ("POST", "/api/backups"): Declared(RULER, unsafe=True),
    ("POST", "/api/restore/{name}"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/account/preferences"): Declared(PERSON),
    ("PATCH", "/api/v1/account/preferences"): Declared(PERSON, unsafe=True),
    ("PATCH", "/api/profile/settings"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/app-secrets"): Declared(RULER),
    ("PUT", "/api/v1/app-secrets/{name}"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/app-secrets/{name}"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/alerts"): Declared(RULER),
    ("POST", "/api/v1/alerts/test"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/account/keys"): Declared(PERSON),
    ("POST", "/api/v1/account/keys"): Declared(PERSON, unsafe=True),
    ("PATCH", "/api/v1/account/keys/{key}"): Declared(PERSON, unsafe=True),
    ("DELETE", "/api/v1/account/keys/{key}"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/account/keys/{key}/wake"): Declared(PERSON, unsafe=True),
    ("POST", "/api/v1/access-tokens"): Declared(PERSON, unsafe=True),
    ("GET", "/api/auth/apikey/status"): Declared(PERSON),
    ("POST", "/api/auth/apikey/generate"): Declared(PERSON, unsafe=True),
    ("POST", "/api/auth/apikey/revoke"): Declared(PERSON, unsafe=True),
    ("GET", "/api/v1/app-keys"): Declared(RULER),
    ("POST", "/api/v1/app-keys/revoke"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/app-keys/{key}"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/app-keys/{key}/wake"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/users/{user}/app-keys"): Declared(RULER),
    ("POST", "/api/v1/users/{user}/app-keys"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/services"): Declared(RULER, unsafe=True),
    ("GET", "/api/v1/providers"): Declared(RULER),
    ("PATCH", "/api/v1/providers/{provider}"): Declared(RULER, unsafe=True),
    ("DELETE", "/api/v1/providers/{provider}"): Declared(RULER, unsafe=True),
    ("POST", "/api/v1/providers/{provider}/test"): Declared(RULER, unsafe=True),
}
"""A route that is not here has no policy."""


def fill_in(path: str) -> str:
    """An address that this route answers to."""
    return re.sub(r"\{[a-z_]+\}", "A" * 22, path).replace("/*", "/nobody")


def call(browser: Browser, method: str, path: str) -> Answer:
    """Use a route as plainly as possible."""
    target = fill_in(path)
    if path.startswith("/api/"):
        return browser.call(method, target)
    return browser.get(target) if method == "GET" else browser.post(target, {"which": "others"})


def test_every_route_has_a_declared_policy(stage: Stage) -> None:
    """L10: read off the application's own tables; a new route fails here until somebody has decided whose it is."""
    routes = Door().server.routes
    found = {("GET", path) for path, route in routes.items() if route.get}
    found |= {("POST", path) for path, route in routes.items() if route.post}
    described = json.loads(stage.visitor(ALICE).call("GET", "/api/openapi.json").body)
    found |= {(method.upper(), path) for path, item in described["paths"].items() for method in item}
    assert found | {("GET", "/api/openapi.json")} == DECLARED.keys()


@pytest.mark.parametrize(("method", "path"), DECLARED, ids=lambda value: value)
def test_a_route_turns_away_whoever_it_is_not_for(stage: Stage, method: str, path: str) -> None:
    """L10: strangers, people without the right, and whoever has lost it meanwhile."""
    declared = DECLARED[method, path]
    stranger, alice = stage.browser(), stage.visitor(ALICE)
    if declared.whose != ANYBODY:
        assert call(stranger, method, path).status in TURNED_AWAY
    if declared.whose == RULER:
        assert call(alice, method, path).status == 403
        # An administrator is let in, but not without a token, and not to somebody or something that does not exist.
        names_nothing = path.endswith(("/*", "/person", "/services/key")) or "{" in path
        expected = 403 if declared.unsafe else 404 if names_nothing else 200
        assert call(stage.visitor(ROOT), method, path).status == expected
    if declared.unsafe:
        for browser in (stranger, alice):
            assert call(browser, method, path).status in TURNED_AWAY
    spent = Browser(stage, stage.address(), {"doorward": "A" * 43 + "." + "A" * 43})
    if declared.whose != ANYBODY:
        assert call(spent, method, path).status in TURNED_AWAY


def is_declared(method: str, path: str) -> bool:
    """Whether this address answers to that method, also as one of many: the name of an act may stand for a handle."""
    shapes = (re.sub(r"\\{[a-z_]+\\}", "[^/{]+", re.escape(shape)) for verb, shape in DECLARED if verb == method)
    return any(re.fullmatch(shape, path) for shape in shapes)


OTHERS = ("PUT", "PATCH", "DELETE", "POST", "GET", "PROPFIND", "get", "X")
UNDECLARED = [
    (other, path)
    for path in sorted({path for _, path in DECLARED})
    for other in OTHERS
    if (other, path) not in DECLARED and not is_declared(other, path)
]


@pytest.mark.parametrize(("method", "path"), UNDECLARED, ids=lambda value: value)
def test_no_route_answers_to_a_method_it_was_not_given(stage: Stage, method: str, path: str) -> None:
    """L10: no verb is a way around the one that is guarded."""
    target = fill_in(path)
    answer = stage.send(write(method.encode(), target.encode(), stage.visitor(ROOT).headers(*NAVIGATION)))
    assert answer.status in {0, 400, 403, 405}


SPELLINGS = [
    "//admin/sessions", "/admin//sessions", "/admin/sessions/", "/admin/sessions//", "/Admin/Sessions", "/admin/./sessions",
    "/admin/../admin/sessions", "/x/../admin/sessions", "/admin%2fsessions", "/admin/sessions.json", "/admin/%73essions",
    "/%61dmin/sessions", "/admin/sessions;x=1", "/admin/sessions%00", "/admin/sessions%20", "/admin/sessions.", "/admin",
    "/admin/", "/admin/sessions?offset=0&all=1", "/sessions?all=1", "/sessions?offset=0", "/admin/sessions#x", "/admin\\sessions",
    "/api/sessions/list?all=true", "/api/sessions/list?all=1", "/api/sessions/list?ALL=true", "/api/sessions/list/?all=true",
    "/admin/users/", "//admin/users", "/Admin/users", "/admin/users%00", "/admin/%75sers", "/admin/users;x", "/admin/users.json",
    "/admin/providers/", "/admin//providers", "/admin/providers/edit", "/admin/providers/edit/", "/admin/providers/edit/../new",
    "/admin/providers/edit/*", "/admin/providers/new/", "/admin/providers/test", "/account/../admin/users",
    "/api//sessions/list?all=true", "/api/sessions/list?all=true&all=false", "/api/sessions/list?all=on",
]  # fmt: skip


@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_opens_what_is_for_administrators(stage: Stage, target: str) -> None:
    """L10, L08, D-10: nobody sees another's session by it."""
    stage.visitor(ROOT)
    for browser in (stage.visitor(ALICE), stage.browser()):
        for answer in (browser.get(target), browser.call("GET", target)):
            assert answer.status in {200, 303, 400, 401, 403, 404, 405}
            assert b"root@example.test" not in answer.body
            assert b"(root)" not in answer.body


def test_what_is_somebody_elses_looks_like_nothing(stage: Stage) -> None:
    """L08: another's session by its handle: 404, the same as for one that never was, and it lives on."""
    alice, bob = stage.visitor(ALICE), stage.visitor(BOB)
    theirs = next(iter(json.loads(bob.call("GET", "/api/sessions/list").body)))
    token = json.loads(alice.call("GET", "/api/auth/csrf-token").body)["csrf_token"].encode()

    def end(handle: str) -> tuple[int, bytes]:
        answer = alice.call("DELETE", f"/api/sessions/session/{handle}", (b"X-CSRF-Token", token))
        return answer.status, re.sub(rb'"correlation_id": "[0-9a-f]+"', b"", answer.body)

    assert end(theirs) == end("A" * 22)
    assert end(theirs)[0] == 404
    form = {"csrf_token": alice.open_form("/logout").fields["csrf_token"], "which": theirs}
    for more in ({}, {"from": "admin"}):
        assert alice.post("/sessions/end", {**form, **more}).status in {303, 403}
    assert bob.get("/sessions").status == 200


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=0", "limit=501", "limit=1e9", "limit=999999999999999999999", "limit=x", "limit=%00", "limit=1;drop",
     "offset=-1", "offset=99999999999999999999", "offset=1.5", "offset=%F0%9F%98%80", "limit=1&limit=2", "all=%27%20OR%201=1--",
     "all=2", "all=", "sort=name;--", "q=%25", "order=(select 1)", "page_token=x"],
)  # fmt: skip
def test_lists_have_bounds_and_columns_no_names(stage: Stage, query: str) -> None:
    """L12, L20: a bad number is 400, an unknown parameter nothing."""
    for browser in (stage.visitor(ALICE), stage.visitor(ROOT)):
        answer = browser.call("GET", f"/api/sessions/list?{query}")
        assert answer.status in {200, 400, 403}
        if answer.status == 200:
            assert len(json.loads(answer.body)) <= 500
        page = browser.get(f"/admin/sessions?{query}")
        assert page.status in {200, 400, 403}


INNER = [
    "/console", "/docs", "/redoc", "/api/docs", "/api/redoc", "/openapi.json", "/debug", "/debug/pprof", "/metrics", "/__debug__",
    "/actuator", "/server-status", "/.well-known/openid-configuration", "/api/debug", "/admin/metrics", "/api", "/api/", "/static",
    "/favicon.ico", "/robots.txt", "/graphql", "/swagger.json", "/version", "/config", "/api/admin/users", "/healthz/x", "/healthz/",
]  # fmt: skip


@pytest.mark.parametrize("target", INNER)
def test_what_shows_our_inside_is_not_there(stage: Stage, target: str) -> None:
    """L14: for nobody, administrators included."""
    for browser in (stage.browser(), stage.visitor(ROOT)):
        answer = browser.get(target)
        assert answer.status == 404
        assert b"Traceback" not in answer.body
        assert b"doorward.web" not in answer.body


def test_an_error_tells_its_number_and_nothing_else(stage: Stage) -> None:
    """L14, L11: no name of a module, a table, a file, a version; and the same for everybody."""
    browser = stage.visitor(ALICE)
    for target in (
        "/nothing",
        "/login?a=%zz",
        "/admin/sessions",
        "/sessions/end",
        "/api/nothing",
        "/api/sessions/list?limit=x",
    ):
        for answer in (browser.get(target), browser.call("GET", target), browser.call("POST", target)):
            for word in (
                b"sqlite",
                b"sqlalchemy",
                b"Traceback",
                b".py",
                b"uvicorn",
                b"starlette",
                b"pydantic",
                b"/tmp/",
                b"3.11",
            ):
                assert word not in answer.body.lower(), f"{word!r} at {target}"


def test_strangers_learn_nothing_about_the_way_here(stage: Stage) -> None:
    """L14: proxies and addresses are for whoever is signed in."""
    assert stage.browser().call("GET", "/api/diagnostics/client-ip").status == 401
    told = json.loads(stage.visitor(ALICE).call("GET", "/api/diagnostics/client-ip").body)
    assert told["peer_trusted"] is True


def test_the_listener_of_the_metrics_tells_numbers_only(stage: Stage) -> None:
    """L14, L15: nothing else is served there, and nobody is named."""
    stage.ask("traefik", cookie=stage.cookie_of(ALICE))
    for target in (
        b"/",
        b"/login",
        b"/api/authz/traefik",
        b"/api/sessions/list",
        b"/admin/sessions",
        b"/metrics/../login",
    ):
        with Connection(stage.metrics, source=STRANGER) as line:
            assert line.exchange(write(b"GET", target, [(b"Host", b"auth.example.test")])).status in {400, 404}
    with Connection(stage.metrics, source=STRANGER) as line:
        text = line.exchange(write(b"GET", b"/metrics", [(b"Host", b"127.0.0.1")])).body
    assert b"doorward" in text
    for name in (b"alice", b"example.test", b"198.18.", b"203.0.113."):
        assert name not in text
