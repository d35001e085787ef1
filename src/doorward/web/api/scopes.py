"""What a key may do with our own API: every route by name, with the scope that opens it, or that no key ever does.

A route that is not here is opened by no key. What signs somebody in, or proves who they are, is opened by none: then
whoever finds a key has what it opens, and never the account. The same holds for what would make more administrators,
undo what an incident is contained with, or carry everything away at once.
"""

from collections.abc import Mapping
from typing import Final

from doorward.rules.app_key import ApiScope

_READ: Final = (
    "GET /api/v1/account",
    "GET /api/v1/account/preferences",
    "GET /api/v1/account/sign-ins",
    "GET /api/v1/account/sessions",
    "GET /api/v1/account/sessions/{handle}",
    "GET /api/v1/account/keys",
    "GET /api/auth/apikey/status",
    "GET /api/diagnostics/client-ip",
)
_WRITE: Final = (
    "PATCH /api/v1/account",
    "PATCH /api/v1/account/preferences",
    "PATCH /api/profile/settings",
)
_ADMIN: Final = (
    "GET /api/v1/users",
    "GET /api/v1/users/{user}",
    "GET /api/v1/users/{user}/sign-ins",
    "GET /api/v1/users/{user}/sessions",
    "POST /api/v1/users/{user}/end-sessions",
    "POST /api/v1/users/{user}/refuse",
    "GET /api/v1/sessions",
    "DELETE /api/v1/sessions/{handle}",
    "GET /api/v1/invites",
    "POST /api/v1/invites/{invite}/revoke",
    "DELETE /api/v1/invites/{invite}",
    "GET /api/v1/policy",
    "GET /api/v1/letters",
    "POST /api/v1/letters/test",
    "POST /api/v1/letters/{letter}/retry",
    "GET /api/v1/decisions",
    "GET /api/v1/retention",
    "GET /api/v1/audit",
    "POST /api/v1/audit/verify",
    "GET /api/v1/providers",
    "GET /api/v1/incident",
    "GET /api/v1/keys",
    "GET /api/v1/app-keys",
    "GET /api/v1/users/{user}/app-keys",
    "GET /api/v1/app-secrets",
    "GET /api/v1/alerts",
    "POST /api/v1/alerts/test",
    "GET /api/v1/backups",
    "POST /api/v1/backups",
    "POST /api/v1/backups/drill",
    "GET /api/backups",
    "POST /api/backups",
)
_NEVER: Final = (
    # One's own way in, and everything that shows or changes it.
    "DELETE /api/v1/account",
    "POST /api/v1/account/password",
    "POST /api/auth/change-password",
    "POST /api/v1/account/email",
    "GET /api/v1/account/export",
    "DELETE /api/v1/account/sessions/{handle}",
    "POST /api/v1/account/sessions/end-others",
    "POST /api/v1/account/sessions/{handle}/disown",
    "GET /api/v1/account/factors",
    "POST /api/v1/account/factors/totp",
    "POST /api/v1/account/factors/totp/confirm",
    "POST /api/v1/account/factors/totp/remove",
    "GET /api/v1/account/factors/passkeys",
    "POST /api/v1/account/factors/passkeys/options",
    "POST /api/v1/account/factors/passkeys",
    "PATCH /api/v1/account/factors/passkeys/{passkey_id}",
    "DELETE /api/v1/account/factors/passkeys/{passkey_id}",
    "POST /api/v1/account/factors/recovery-codes",
    "POST /api/v1/account/factors/recovery-codes/acknowledge",
    "GET /api/auth/otp/status",
    "POST /api/auth/otp/setup",
    "POST /api/auth/otp/enable",
    "POST /api/auth/otp/disable",
    "GET /api/auth/totp/status",
    "POST /api/auth/totp/setup",
    "POST /api/auth/totp/enable",
    "POST /api/auth/totp/disable",
    "GET /api/auth/webauthn/status",
    "GET /api/auth/webauthn/credentials",
    "POST /api/auth/webauthn/setup",
    "POST /api/auth/webauthn/enable",
    "POST /api/auth/webauthn/disable",
    "PATCH /api/auth/webauthn/credentials/{passkey_id}",
    "DELETE /api/auth/webauthn/credentials/{passkey_id}",
    # Keys: whoever has one makes no other, and takes none back that its owner would miss.
    "POST /api/v1/account/keys",
    "PATCH /api/v1/account/keys/{key}",
    "DELETE /api/v1/account/keys/{key}",
    "POST /api/v1/account/keys/{key}/wake",
    "POST /api/v1/access-tokens",
    "POST /api/auth/apikey/generate",
    "POST /api/auth/apikey/revoke",
    "POST /api/v1/app-keys/revoke",
    "DELETE /api/v1/app-keys/{key}",
    "POST /api/v1/app-keys/{key}/wake",
    "POST /api/v1/users/{user}/app-keys",
    "POST /api/v1/services",
    # What opens apps in everybody's name.
    "PUT /api/v1/app-secrets/{name}",
    "DELETE /api/v1/app-secrets/{name}",
    # Asked by pages, and by programs with somebody's cookies: a session's own.
    "GET /api/auth/csrf-token",
    "GET /api/sessions/list",
    "DELETE /api/sessions/session/{handle}",
    # Other people's ways in, who they are and what they may.
    "POST /api/v1/users",
    "PATCH /api/v1/users/{user}",
    "DELETE /api/v1/users/{user}",
    "DELETE /api/v1/users/{user}/connections/{connection}",
    "POST /api/v1/users/{user}/force-password-change",
    "POST /api/v1/users/{user}/reset-factors",
    "POST /api/v1/users/{user}/recovery-link",
    "POST /api/v1/users/{user}/approve",
    "POST /api/v1/users/{user}/export",
    "POST /api/v1/users/{user}/erase",
    "POST /api/v1/users/import/preview",
    "POST /api/v1/users/import/apply",
    "POST /api/v1/invites",
    # How everybody signs in, and what everything rests on.
    "PUT /api/v1/policy/mfa",
    "PUT /api/v1/policy/registration",
    "PUT /api/v1/policy/passwords",
    "PATCH /api/v1/providers/{provider}",
    "DELETE /api/v1/providers/{provider}",
    "POST /api/v1/providers/{provider}/test",
    "POST /api/v1/keys/assertion/rotate",
    "POST /api/v1/keys/signing/rotate",
    "POST /api/v1/admin/rotate-signing-key",
    "POST /api/admin/rotate-signing-key",
    "POST /api/admin/rotate-jwt-secret",
    "POST /api/v1/incident/lockdown",
    "POST /api/v1/incident/lift",
    "POST /api/v1/backups/upload",
    "POST /api/v1/backups/{name}/preview",
    "POST /api/v1/backups/{name}/restore",
    "POST /api/restore/{name}",
    "DELETE /api/v1/backups/{name}",
)

SCOPES: Final[Mapping[str, ApiScope | None]] = {
    **dict.fromkeys(_READ, ApiScope.READ),
    **dict.fromkeys(_WRITE, ApiScope.WRITE),
    **dict.fromkeys(_ADMIN, ApiScope.ADMIN),
    **dict.fromkeys(_NEVER),
}
"""Method and address of each route that asks who is there. One scope does not hold another."""


def scope_of(method: str, path: str) -> ApiScope | None:
    """What a key needs for a route; None where no key will do. `path` is the route's, with its names in braces."""
    return SCOPES.get(f"{method} {path}")
