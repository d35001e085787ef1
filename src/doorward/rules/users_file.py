"""Our own file of accounts: JSON, versioned, and the same accounts again when it is read."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from doorward.errors import InputError
from doorward.rules.importing import MOST_ACCOUNTS, Form, Incoming, Reading, leave_out
from doorward.rules.language import LANGUAGES
from doorward.rules.password_hash import read_hash
from doorward.rules.strict_json import parse_object
from doorward.rules.traefik_manager_file import parse_totp_secret

FORMAT: Final = "doorward-users"
VERSION: Final = 1
MOST_BYTES: Final = 4 * 1024 * 1024
_KEYS: Final = frozenset({"format", "version", "made_at", "secrets", "users"})
_FIELDS: Final = frozenset(
    {
        "name",
        "display_name",
        "email",
        "groups",
        "admin",
        "enabled",
        "must_change_password",
        "console_only",
        "language",
        "service",
        "password",
        "totp",
    }
)
_OF_PERSONS: Final = ("email", "must_change_password", "console_only", "password", "totp")


def write_users(accounts: Sequence[Incoming], *, secrets: bool, now: datetime) -> str:
    """The file. Without `secrets` it has neither password hashes nor factors, whatever the accounts have."""
    users = [_write_one(account, secrets=secrets) for account in accounts]
    made_at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    document = {"format": FORMAT, "version": VERSION, "made_at": made_at, "secrets": secrets, "users": users}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_users(raw: bytes, skip: frozenset[str] = frozenset()) -> Reading:
    """Every account of the file, or every problem with it."""
    form = Form()
    try:
        document = parse_object(raw, limit=MOST_BYTES)
    except InputError as error:
        form.refuse("the file", str(error))
        return form.finish((), "users")
    _check_head(form, document)
    users = document.get("users")
    if not isinstance(users, list):
        form.refuse("users", "there is no list of users")
        return form.finish((), "users")
    accounts = [_read_one(form, fields, f"users[{at}]", skip) for at, fields in enumerate(users[: MOST_ACCOUNTS + 1])]
    return form.finish([account for account in accounts if account is not None], "users")


def _write_one(account: Incoming, *, secrets: bool) -> dict[str, object]:
    written: dict[str, object] = {
        "name": account.name,
        "display_name": account.display_name,
        "email": account.email,
        "groups": sorted(account.groups),
        "admin": bool(account.is_admin),
        "enabled": account.enabled,
        "must_change_password": account.must_change_password,
        "console_only": bool(account.console_only),
        "language": account.language or "",
    }
    if account.is_service:
        written["service"] = True
    if secrets and account.password:
        written["password"] = account.password
    if secrets and account.totp:
        written["totp"] = base64.b32encode(account.totp).decode("ascii").rstrip("=")
    return written


def _check_head(form: Form, document: Mapping[str, object]) -> None:
    if document.get("format") != FORMAT:
        form.refuse("format", f"this is not {FORMAT}", "give a file that `doorward users export` has written")
    elif document.get("version") != VERSION:
        form.refuse("version", "this version is not known here", f"version {VERSION} is; upgrade first")
    for key in sorted(document.keys() - _KEYS):
        form.refuse(key[:64], "there is no such key")


def _read_one(form: Form, fields: object, path: str, skip: frozenset[str]) -> Incoming | None:
    if not isinstance(fields, Mapping):
        form.refuse(path, "this must be an object")
        return None
    if isinstance(name := fields.get("name"), str) and name in skip:
        return leave_out(name, path)
    for key in sorted(fields.keys() - _FIELDS):
        form.refuse(f"{path}.{key[:64]}", "there is no such key")
    shown, email = form.read_text(fields, "display_name", path), form.read_text(fields, "email", path)
    name, display_name, address = form.read_names(fields.get("name"), shown, email, path)
    totp = form.read_text(fields, "totp", path)
    is_service = form.read_flag(fields, "service", path)
    if is_service and any(fields.get(key) for key in _OF_PERSONS):
        form.refuse(path, "a service has neither address nor password, and does not sign in")
    return Incoming(
        path=path,
        name=name,
        display_name=display_name,
        email=address,
        groups=form.read_groups(fields, "groups", path),
        enabled=form.read_flag(fields, "enabled", path, default=True),
        is_admin=form.read_flag(fields, "admin", path),
        must_change_password=form.read_flag(fields, "must_change_password", path),
        console_only=form.read_flag(fields, "console_only", path),
        language=form.parse(_parse_language, form.read_text(fields, "language", path), f"{path}.language"),
        is_service=is_service,
        password=form.parse(_parse_hash, form.read_text(fields, "password", path), f"{path}.password"),
        totp=bytes.fromhex(form.parse(_parse_totp, totp, f"{path}.totp")),
    )


def _parse_hash(text: str) -> str:
    if text and read_hash(text) is None:
        raise InputError("this is no password hash, or one that would cost too much to check: take it out of the file")
    return text


def _parse_totp(text: str) -> str:
    return parse_totp_secret(text).hex() if text else ""


def _parse_language(text: str) -> str:
    if text and text not in LANGUAGES:
        raise InputError("this language is not spoken here")
    return text
