"""What every flow is held to in every test: what changes who may do what is recorded in the very same transaction.

So a record that cannot be written undoes the act (R12): there is nothing else that could be left of it.
"""

from dataclasses import replace
from typing import Final

from tests.fakes.state import State

GUARDED: Final = (
    "users",
    "passwords",
    "totps",
    "passkeys",
    "recovery_codes",
    "identities",
    "providers",
    "invites",
    "kits",
    "app_keys",
    "app_secrets",
    "settings",
    "keys",
    "first_admin",
    "preferences",
)
UNRECORDED: Final[dict[str, frozenset[str]]] = {
    # Keys of the house, each made once where there was none; the start is recorded.
    "open_keys": frozenset({"keys", "settings"}),
    "make_checkpoint": frozenset({"keys"}),
    "begin_walk": frozenset({"keys"}),
    "find_public_keys": frozenset({"keys"}),
    # What the file says is noted at the start; what follows from it is recorded.
    "reconcile": frozenset({"settings"}),
    "settle_mfa": frozenset({"settings"}),
    # Invitations whose time was over long ago, as the file says.
    "_remove": frozenset({"invites"}),
    # That an administrator came in by a proxy's word; the sign-in is recorded.
    "_witness": frozenset({"settings"}),
}
"""What the program does by itself, without anybody's asking, by the function that does it."""
_USE: Final = {
    "users": {"enrol_by": None},
    "app_keys": {"uses": 0, "last_used_at": None, "sealed": ""},
    "identities": {"used_at": None},
    "totps": {"last_step": 0, "last_used_at": None},
    "passkeys": {"sign_count": 0, "backed_up": False, "last_used_at": None},
}
"""What says only that something was used, or until when a step may be put off: half a sign-in is recorded at its end."""


def check_unrecorded(before: State, after: State, caller: str) -> None:
    """Complain of a transaction of the program that changed any of this and recorded nothing."""
    changed = {name for name in GUARDED if _settled(before, name) != _settled(after, name)}
    left = changed - UNRECORDED.get(caller, frozenset())
    assert not left, f"{caller} changed {sorted(left)} and recorded nothing"


def _settled(state: State, name: str) -> object:
    found = getattr(state, name)
    return {key: replace(each, **_USE[name]) for key, each in found.items()} if name in _USE else found
