"""What a restore takes from the backup, and what it leaves as it is now (N06).

A backup is older than what is here. What was taken away since (an account disabled, a code used, an invitation closed)
was taken away for a reason, and does not come back with it. Everything that changes for somebody is named beforehand.

Rows are as the database stores them, by column.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from doorward.rules.archive import Manifest, Value
from doorward.rules.restore_effect import Effect, Named
from doorward.rules.restored_keys import Fields, merge_app_keys
from doorward.rules.stored_key import ASSERTION, SESSION

Tables = Mapping[str, Sequence[Fields]]

COMPARED: Final = (
    "users",
    "memberships",
    "passwords",
    "totp",
    "passkeys",
    "recovery_codes",
    "identities",
    "identity_groups",
    "providers",
    "invites",
    "preferences",
    "settings",
    "break_glass",
    "marks",
    "sign_ins",
    "app_keys",
    "app_secrets",
)
"""What is read of the present database to decide: small tables, or bounded for each account."""
TAKEN: Final = (
    "users",
    "memberships",
    "passwords",
    "totp",
    "passkeys",
    "recovery_codes",
    "identities",
    "identity_groups",
    "providers",
    "invites",
    "preferences",
    "break_glass",
    "marks",
    "sign_ins",
    "app_keys",
)
"""The tables that a restore of this installation puts in place; whatever it does not name stays."""
STAYING: Final = ("sign_ins", "break_glass", "app_keys")
"""Of these, the rows that are here stay."""
_VOLATILE: Final = frozenset({"last_step", "last_used_at", "used_at", "sign_count", "uses"})
_VOLATILE_OF: Final = {"app_keys": frozenset({"sealed"})}
_UNSTEADY: Final = frozenset({"sign_ins", "marks"})

MADE_ANEW: Final = frozenset({SESSION, ASSERTION})
"""The purposes of the keys that are not taken over from another installation."""
MARKS_SINCE: Final = "0004"
"""The schema since which it is remembered with an account which factors it has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do. `token` stands for exactly this backup and exactly what is here now."""

    backup: str
    manifest: Manifest
    is_ours: bool
    counts: tuple[tuple[str, int, int], ...]
    """Of each table that is put in place: its name, rows now, rows then."""
    effects: tuple[Named, ...]
    keeps_audit: bool
    has_administrator: bool
    token: str


@dataclass(frozen=True, slots=True)
class Merged:
    """The rows that are put in place, and what that does."""

    tables: Mapping[str, Sequence[Fields]]
    effects: tuple[Named, ...]


def merge(present: Tables, saved: Tables, now: int) -> Merged:
    """Take from a backup of this installation what may come back. `now`: in microseconds."""
    effects: dict[Effect, list[str]] = {}

    def note(effect: Effect, name: Value) -> None:
        effects.setdefault(effect, []).append(str(name))

    users = _merge_users(present["users"], saved["users"], _list_returning(present, saved), note)
    names = {user["id"]: str(user["name"]) for user in (*present["users"], *users)}
    there = {user["id"] for user in users}
    both = there & {user["id"] for user in present["users"]}
    _note_credentials(present, saved, both, lambda effect, user: note(effect, names[user]))
    _note_rights(present, saved, both, lambda effect, user: note(effect, names[user]))
    tables = {name: list(saved[name]) for name in TAKEN}
    tables["users"] = users
    tables["identities"] = _merge_identities(
        present["identities"], saved["identities"], both, lambda user: note(Effect.STAYS_DEMOTED, names[user])
    )
    # What somebody allowed and took back is not allowed again.
    tables["preferences"] = [
        *(row for row in present["preferences"] if row["user_id"] in both),
        *(row for row in saved["preferences"] if row["user_id"] not in both),
    ]
    tables["totp"] = _highest(present["totp"], saved["totp"], "user_id", "last_step")
    tables["passkeys"] = _highest(present["passkeys"], saved["passkeys"], "id", "sign_count")
    tables["recovery_codes"] = _merge_codes(
        present["recovery_codes"],
        saved["recovery_codes"],
        both,
        now,
        lambda user: note(Effect.CODES_STAY_USED, names[user]),
    )
    tables["invites"] = _merge_invites(present["invites"], saved["invites"], now, note)
    tables["providers"] = _merge_providers(present["providers"], saved["providers"], note)
    # What was taken out of use is not here any more, so only what is here counts.
    tables["break_glass"] = [row for row in present["break_glass"] if row["user_id"] in there]
    tables["marks"] = _union(present["marks"], saved["marks"], ("name",))
    tables["sign_ins"] = _union(
        [row for row in present["sign_ins"] if row["user_id"] in there], saved["sign_ins"], ("user_id", "at", "id")
    )
    # What was revoked since stays revoked, and what was made since was made by nobody knows whom.
    tables["app_keys"] = merge_app_keys(
        present["app_keys"],
        saved["app_keys"],
        both,
        lambda effect, key: note(effect, _spell_key(key, names)),
    )
    for table, effect in (("settings", Effect.SETTINGS_STAY), ("app_secrets", Effect.SECRETS_STAY)):
        if _plain(present[table]) != _plain(saved[table]):
            effects.setdefault(effect, [])
    order = {effect: place for place, effect in enumerate(Effect)}
    named = [Named(effect, tuple(sorted(set(whom)))) for effect, whom in effects.items()]
    return Merged(tables, tuple(sorted(named, key=lambda each: order[each.effect])))


def retire_keys(keys: Sequence[Fields], now: int) -> list[Fields]:
    """The keys of another installation: all but those that are MADE_ANEW go on.

    SECURITY: that one may go on elsewhere, and what it signs must count for nothing here;
    tests/unit/test_restoring_rules.py would fail.
    """
    return [
        {**key, "sealed": "", "retired_at": key["retired_at"] or now} if key["purpose"] in MADE_ANEW else key
        for key in keys
    ]


def has_administrator(users: Iterable[Fields], identities: Iterable[Fields]) -> bool:
    """Whether anybody could administer the gateway: a service does not sign in."""
    granted = {identity["user_id"] for identity in identities if identity["is_admin"]}
    return any(
        user["enabled"] and not user["is_service"] and (user["is_admin"] or user["id"] in granted) for user in users
    )


def make_token(digest: str, present: Tables, effects: Sequence[Named]) -> str:
    """A word for exactly this backup, exactly this present, and what was shown of both."""
    state = {
        name: sorted(
            json.dumps({key: _spell(value) for key, value in row.items() if key not in passing}, sort_keys=True)
            for row in rows
        )
        for name, rows in present.items()
        if name not in _UNSTEADY
        for passing in [_VOLATILE | _VOLATILE_OF.get(name, frozenset())]
    }
    shown = [[each.effect.value, *each.names] for each in effects]
    return sha256(json.dumps([digest, state, shown], sort_keys=True).encode("ascii")).hexdigest()[:16]


def _spell_key(key: Fields, names: Mapping[Value, str]) -> str:
    return f"{key['name']!s} ({names[key['user_id']]})"


def _spell(value: Value) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _plain(rows: Sequence[Fields]) -> set[tuple[tuple[str, Value], ...]]:
    return {tuple(sorted(row.items())) for row in rows}


def _by(rows: Iterable[Fields], key: str) -> dict[Value, Fields]:
    return {row[key]: row for row in rows}


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _merge_users(
    present: Sequence[Fields], saved: Sequence[Fields], returning: set[Value], note: Callable[[Effect, Value], None]
) -> list[Fields]:
    now = _by(present, "id")
    # SECURITY: above everything that was ever given out, so that nothing made for an account counts any more;
    # tests/attacks/test_backups.py would fail.
    generation = max((_number(user["generation"]) for user in (*present, *saved)), default=0) + 1
    merged: list[Fields] = []
    for user in saved:
        was = now.pop(user["id"], None)
        new = {**user, "generation": generation}
        if was is None:
            new["enabled"] = False
            note(Effect.RETURNS_DISABLED, user["name"])
        else:
            if user["enabled"] and not was["enabled"]:
                note(Effect.STAYS_DISABLED, was["name"])
            if user["is_admin"] and not was["is_admin"]:
                note(Effect.STAYS_DEMOTED, was["name"])
            new["enabled"] = bool(user["enabled"] and was["enabled"])
            new["is_admin"] = bool(user["is_admin"] and was["is_admin"])
            new["is_service"] = bool(user["is_service"] or was["is_service"])
            new["must_change_password"] = bool(user["must_change_password"] or was["must_change_password"])
            if user["id"] in returning:
                note(Effect.OLDER_PASSWORD, was["name"])
                new["must_change_password"] = True
        merged.append(new)
    for gone in now.values():
        note(Effect.GOES, gone["name"])
    return merged


def _list_returning(present: Tables, saved: Tables) -> set[Value]:
    """Whose password was changed or taken away since, so that an older one returns: it may be known to others."""
    now = _by(present["passwords"], "user_id")
    return {
        row["user_id"]
        for row in saved["passwords"]
        if row["user_id"] not in now or now[row["user_id"]]["changed_at"] != row["changed_at"]
    }


def _note_credentials(present: Tables, saved: Tables, both: set[Value], note: Callable[[Effect, Value], None]) -> None:
    now, then = _by(present["passwords"], "user_id"), _by(saved["passwords"], "user_id")
    for user in both & (now.keys() - then.keys()):
        note(Effect.PASSWORD_GOES, user)
    factors = (("passkeys", "id"), ("totp", "created_at"))
    own_now = {(table, row["user_id"], row[key]) for table, key in factors for row in present[table]}
    own_then = {(table, row["user_id"], row[key]) for table, key in factors for row in saved[table]}
    for _, user, _ in own_now - own_then:
        if user in both:
            note(Effect.FACTORS_GO, user)
    for _, user, _ in own_then - own_now:
        if user in both:
            note(Effect.FACTORS_RETURN, user)


def _note_rights(present: Tables, saved: Tables, both: set[Value], note: Callable[[Effect, Value], None]) -> None:
    addresses = {user["id"]: user["email"] for user in present["users"]}
    for user in saved["users"]:
        if user["id"] in both and user["email"] != addresses[user["id"]]:
            note(Effect.OLDER_ADDRESS, user["id"])
    for effect, list_rights in (
        (Effect.GROUPS_RETURN, _groups_of_users),
        (Effect.GROUPS_RETURN, _groups_of_identities),
        (Effect.WAYS_RETURN, _ways_of_users),
    ):
        for owner, _ in list_rights(saved) - list_rights(present):
            if owner in both:
                note(effect, owner)


def _groups_of_users(tables: Tables) -> set[tuple[Value, Value]]:
    return {(row["user_id"], row["group_name"]) for row in tables["memberships"]}


def _ways_of_users(tables: Tables) -> set[tuple[Value, Value]]:
    return {(row["user_id"], row["id"]) for row in tables["identities"]}


def _groups_of_identities(tables: Tables) -> set[tuple[Value, Value]]:
    owners = {row["id"]: row["user_id"] for row in tables["identities"]}
    return {(owners[row["identity_id"]], row["group_name"]) for row in tables["identity_groups"]}


def _merge_identities(
    present: Sequence[Fields], saved: Sequence[Fields], both: set[Value], note: Callable[[Value], None]
) -> list[Fields]:
    """What a provider granted and took back stays taken back; it may grant it again at the next sign-in."""
    now = _by(present, "id")
    merged: list[Fields] = []
    for identity in saved:
        was = now.get(identity["id"])
        is_admin = identity["is_admin"] and (identity["user_id"] not in both or (was is not None and was["is_admin"]))
        if identity["is_admin"] and not is_admin:
            note(identity["user_id"])
        merged.append({**identity, "is_admin": bool(is_admin)})
    return merged


def _highest(present: Sequence[Fields], saved: Sequence[Fields], key: str, counter: str) -> list[Fields]:
    """What was used may not be used again (F01, G07)."""
    now = _by(present, key)
    return [
        {**row, counter: max(_number(row[counter]), _number(now[row[key]][counter]) if row[key] in now else 0)}
        for row in saved
    ]


def _merge_codes(
    present: Sequence[Fields],
    saved: Sequence[Fields],
    both: set[Value],
    at: int,
    note: Callable[[Value], None],
) -> list[Fields]:
    now = _by(present, "id")
    merged: list[Fields] = []
    for code in saved:
        was = now.get(code["id"])
        used_at = was["used_at"] if was is not None else at if code["user_id"] in both else code["used_at"]
        if used_at is not None and code["used_at"] is None:
            note(code["user_id"])
        merged.append({**code, "used_at": code["used_at"] if code["used_at"] is not None else used_at})
    return merged


def _merge_invites(
    present: Sequence[Fields], saved: Sequence[Fields], at: int, note: Callable[[Effect, Value], None]
) -> list[Fields]:
    now = _by(present, "id")
    merged: list[Fields] = []
    for invite in saved:
        was = now.get(invite["id"])
        revoked = at if was is None else was["revoked_at"]
        uses = max(_number(invite["uses"]), _number(was["uses"]) if was is not None else 0)
        new = {**invite, "uses": uses, "revoked_at": invite["revoked_at"] or revoked}
        if new != invite:
            note(Effect.INVITES_STAY_CLOSED, invite["id"])
        merged.append(new)
    return merged


def _merge_providers(
    present: Sequence[Fields], saved: Sequence[Fields], note: Callable[[Effect, Value], None]
) -> list[Fields]:
    now = _by(present, "id")
    merged: list[Fields] = []
    for provider in saved:
        was = now.get(provider["id"])
        enabled = bool(provider["enabled"] and was is not None and was["enabled"])
        if provider["enabled"] and not enabled:
            note(Effect.PROVIDERS_STAY_DISABLED, provider["id"])
        merged.append({**provider, "enabled": enabled})
    return merged


def _union(present: Sequence[Fields], saved: Sequence[Fields], key: Sequence[str]) -> list[Fields]:
    """What is here, and what was there besides."""
    found = {tuple(row[name] for name in key): row for row in (*saved, *present)}
    return list(found.values())
