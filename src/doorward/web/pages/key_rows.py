"""Keys as pages show them: what they open, in words, and how they live."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.errors import TamperError
from doorward.rules.app_key import ApiScope, AppKey, KeyKind
from doorward.rules.identity import User
from doorward.rules.key_use import KeyPlace

KINDS: Final[Mapping[KeyKind, str]] = {
    KeyKind.KEY: "",
    KeyKind.DEVICE: "paired device",
    KeyKind.TOKEN: "access token",
}
"""What kind of key it is; the usual one is not named."""
_SCOPES: Final[Mapping[ApiScope, str]] = {
    ApiScope.READ: "reads what is its owner's",
    ApiScope.WRITE: "changes what is its owner's",
    ApiScope.ADMIN: "administers",
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as a page shows it. `place`: from where it was used last, "" where that is not known."""

    id: str
    name: str
    owner: str
    login: str
    preview: str
    kind_words: str
    apps: list[str]
    hosts: list[str]
    paths: list[str]
    methods: list[str]
    networks: list[str]
    scopes: list[str]
    read_only: bool
    in_url: bool
    asleep: bool
    expired: bool
    made_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    place: str
    uses: int


def row_of(
    key: AppKey, find_last_use: Callable[[AppKey], KeyPlace], *, now: datetime, user: User | None = None
) -> KeyRow:
    """The row of one; `user` where it may be anybody's."""
    try:
        place = find_last_use(key).address
    except TamperError:
        # Which key it is and how to revoke it must be seen all the same.
        place = ""
    return KeyRow(
        id=key.id,
        name=key.name,
        owner="" if user is None else user.display_name,
        login="" if user is None else user.name,
        preview=key.preview,
        kind_words=KINDS[key.kind],
        apps=list(key.apps),
        hosts=list(key.hosts),
        paths=list(key.paths),
        methods=sorted(key.methods),
        networks=[str(network) for network in key.networks],
        scopes=[words for scope, words in _SCOPES.items() if scope in key.scopes],
        read_only=key.read_only,
        in_url=key.in_url,
        asleep=key.disabled_at is not None,
        expired=key.expires_at is not None and key.expires_at <= now,
        made_at=key.made_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        place=place,
        uses=key.uses,
    )
