"""Accounts of an Authelia `users_database.yml`."""

from collections.abc import Mapping
from typing import Final

from doorward.rules.importing import Form, Incoming, Problem, Reading, leave_out
from doorward.rules.password_hash import parse_foreign

_READ: Final = frozenset({"password", "displayname", "email", "groups", "disabled"})
_HINT: Final = "give the account a password there that is hashed with argon2id, or leave it out"


def read_authelia(tree: Mapping[str, object], skip: frozenset[str] = frozenset()) -> Reading:
    """Every account of the file, or every problem with it. Who administers is not said there."""
    form = Form()
    users = tree.get("users")
    if not isinstance(users, Mapping):
        form.refuse(
            "users", "there is no mapping of users", "give the file that authentication_backend.file.path names"
        )
        return form.finish((), "users")
    accounts = [
        leave_out(name, f"users.{name}") if name in skip else _read_one(form, name, fields, f"users.{name}")
        for name, fields in users.items()
    ]
    unread = {key for fields in users.values() if isinstance(fields, Mapping) for key in fields} - _READ
    if unread:
        form.notices.append(Problem("users", f"not imported, for there is no place for it here: {_spell(unread)}"))
    return form.finish([account for account in accounts if account is not None], "users")


def _read_one(form: Form, name: object, fields: object, path: str) -> Incoming | None:
    if not isinstance(fields, Mapping):
        form.refuse(path, "this must be a mapping of settings")
        return None
    shown, email = form.read_text(fields, "displayname", path), form.read_text(fields, "email", path)
    user_name, display_name, address = form.read_names(name, shown, email, path)
    digest = form.read_text(fields, "password", path)
    return Incoming(
        path=path,
        name=user_name,
        display_name=display_name,
        email=address,
        groups=form.read_groups(fields, "groups", path),
        enabled=not form.read_flag(fields, "disabled", path),
        password=form.parse(parse_foreign, digest, f"{path}.password", _HINT),
    )


def _spell(words: set[str]) -> str:
    return ", ".join(sorted(words)[:20])
