"""What the live view asks SQLite for, synchronously, and how it reads an account out of a row."""

from functools import lru_cache
from typing import Any, Final

from doorward.rules.identity import User
from doorward.storage.sql.tables import from_micros

_USER_COLUMNS = """
    u.id, u.name, u.display_name, u.email, u.is_admin, u.enabled, u.generation, u.created_at,
    u.must_change_password, u.awaits_approval, u.console_only, u.language, u.enrol_by, u.is_service,
    (SELECT group_concat(m.group_name, char(10)) FROM memberships m WHERE m.user_id = u.id),
    (SELECT max(i.is_admin) || char(10) || ifnull(group_concat(g.group_name, char(10)), '')
        FROM identities i LEFT JOIN identity_groups g ON g.identity_id = i.id WHERE i.user_id = u.id)
"""

# The one hand-written query: synchronous, prepared once, four descents of a tree, and one more for each identity. What
# identities grant comes as one text, for a second question would cost a descent more: "1" or "0", and the groups.
FIND_SUBJECT = f"""
    SELECT {_USER_COLUMNS},
        s.handle, s.generation, s.created_at, s.authenticated_at, s.expires_at, s.idle_micros, s.last_seen_at,
        s.methods, s.remembered, s.user_agent, s.address, s.parent
    FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.fingerprint = ?
"""  # noqa: S608 -- constants only
FIND_USER = f"SELECT {_USER_COLUMNS} FROM users u WHERE u.id = ?"  # noqa: S608 -- constants only
FIND_NAMED = f"SELECT {_USER_COLUMNS} FROM users u WHERE u.name = ?"  # noqa: S608 -- constants only
FIND_SESSION_KEY = (
    "SELECT id, sealed FROM signing_keys WHERE purpose = 'session' AND retired_at IS NULL ORDER BY id DESC LIMIT 1"
)
LIST_KEYS = (
    "SELECT id, purpose, sealed, created_at, public, retired_at FROM signing_keys WHERE purpose = ? ORDER BY id DESC"
)
FIND_KEY = f"""
    SELECT {_USER_COLUMNS},
        k.id, k.name, k.kind, k.digest, k.preview, k.made_at, k.made_by, k.reach, k.generation, k.expires_at,
        k.disabled_at, k.woken_at, k.uses, k.last_used_at, k.sealed
    FROM app_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?
"""  # noqa: S608 -- constants only
HAS_FACTOR = (
    "SELECT EXISTS (SELECT 1 FROM totp WHERE user_id = ?1) OR EXISTS (SELECT 1 FROM passkeys WHERE user_id = ?1)"
)
LIST_CONNECTED = (
    "SELECT DISTINCT i.provider, p.settings FROM identities i"
    " LEFT JOIN providers p ON p.id = i.provider AND p.enabled WHERE i.user_id = ?"
)
FIND_SECRETS = "SELECT name, sealed FROM app_secrets"
KEY_COLUMNS = (
    "id", "name", "kind", "digest", "preview", "made_at", "made_by", "reach", "generation", "expires_at", "disabled_at",
    "woken_at", "uses", "last_used_at", "sealed",
)  # fmt: skip
FIND_SETTING = "SELECT value FROM settings WHERE name = ?"
USER_WIDTH = 16
_NOTHING: Final = (frozenset[str](), False)


def read_user(row: tuple[Any, ...]) -> User:
    """The account that a row begins with."""
    (
        user_id,
        name,
        display_name,
        email,
        is_admin,
        enabled,
        generation,
        created,
        must_change,
        awaits,
        console_only,
        language,
        enrol_by,
        is_service,
        groups,
        grants,
    ) = row[:USER_WIDTH]
    granted_groups, granted_admin = _NOTHING if grants is None else _grants(grants)
    return User(
        user_id,
        name,
        display_name,
        email,
        _groups(groups),
        is_admin != 0,
        enabled != 0,
        generation,
        from_micros(created),
        granted_groups,
        granted_admin,
        must_change != 0,
        awaits != 0,
        console_only != 0,
        language,
        None if enrol_by is None else from_micros(enrol_by),
        is_service != 0,
    )


@lru_cache(maxsize=256)
def _grants(text: str) -> tuple[frozenset[str], bool]:
    is_admin, _, groups = text.partition("\n")
    return _groups(groups), is_admin == "1"


@lru_cache(maxsize=256)
def _groups(text: str | None) -> frozenset[str]:
    return frozenset(text.split("\n")) if text else frozenset()
