"""Keys as the API is asked for them and tells of them: never a hash, and the text once (L11)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from doorward.flows.key_making import NewKey
from doorward.rules.app_key import ApiScope, AppKey, tell_reach
from doorward.rules.identity import User
from doorward.rules.key_wish import KeyWish
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask

MOST_EACH: Final = 40
_LONGEST: Final = 1024

Scope = Literal["read", "write", "admin"]
Kind = Literal["key", "device", "token"]
Texts = Annotated[list[Annotated[str, Field(max_length=_LONGEST)]], Field(max_length=MOST_EACH)]
Days = Annotated[int, Field(ge=1, le=36_500)]


class TokenAsk(Ask):
    """An access token: as a key, but it always has an end, which the configuration sets."""

    name: str = Field(
        max_length=_LONGEST, description="Of the device or program; a longer one is cut to 50 characters."
    )
    apps: Texts = Field(default=[])
    hosts: Texts = Field(default=[])
    paths: Texts = Field(default=[])
    methods: Texts = Field(default=[])
    networks: Texts = Field(default=[])
    scopes: list[Scope] = Field(default=[], max_length=len(ApiScope), description="For this API.")
    read_only: bool = False

    def read(self) -> KeyWish:
        """What is wished for."""
        return KeyWish(
            name=self.name,
            apps=tuple(self.apps),
            hosts=tuple(self.hosts),
            paths=tuple(self.paths),
            methods=tuple(self.methods),
            networks=tuple(self.networks),
            scopes=frozenset(map(ApiScope, self.scopes)),
            read_only=self.read_only,
        )


class KeyAsk(TokenAsk):
    """A key. Empty paths, methods or networks: any. Null days: as long as is usual here; `forever`: without an end."""

    name: str = Field(
        default="",
        max_length=_LONGEST,
        description="Of the device or program; a longer one is cut to 50 characters.",
    )
    device_name: str = Field(default="", max_length=_LONGEST, description="Another word for `name`.")
    in_url: bool = False
    days: Days | None = None
    forever: bool = False

    def wish(self, now: datetime) -> KeyWish:
        """What is wished for, at this moment."""
        return replace(
            self.read(),
            name=self.name or self.device_name,
            in_url=self.in_url,
            expires_at=None if self.days is None else now + timedelta(days=self.days),
            forever=self.forever,
        )


class KeyName(Ask):
    """What a key is called."""

    name: str = Field(max_length=_LONGEST)


class RevokeAsk(Ask):
    """Which of one's own keys: its id, its name, or its preview. The first that is given counts."""

    id: str = Field(default="", max_length=_LONGEST)
    name: str = Field(default="", max_length=_LONGEST)
    device_name: str = Field(default="", max_length=_LONGEST)
    preview: str = Field(default="", max_length=_LONGEST)


class OwnKey(Answer):
    """A key, as it can be shown again. `enabled` is false while it sleeps; `uses` are counted about once a minute."""

    id: str
    name: str
    kind: Kind
    preview: str
    apps: tuple[str, ...]
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    networks: tuple[str, ...]
    scopes: tuple[str, ...]
    read_only: bool
    in_url: bool
    enabled: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    uses: int


class OwnKeys(Answer):
    """One's own keys, the newest first. `most`: how many there may be."""

    keys: tuple[OwnKey, ...]
    most: int


class MadeKey(Answer):
    """A new key. `text` is stored nowhere: this answer is the only place where it stands."""

    key: OwnKey
    text: str


class KeyStatus(Answer):
    """Whether there are keys of one's own."""

    enabled: bool
    keys: tuple[OwnKey, ...]


class SomebodysKey(OwnKey):
    """A key and whose it is."""

    sub: str
    owner: str


class SomebodysKeys(Answer):
    """Keys, the newest first; `total`: how many there are that fit."""

    keys: tuple[SomebodysKey, ...]
    total: int


class KeysRevoked(Answer):
    """How many keys were taken back."""

    revoked: int


def tell_key(key: AppKey) -> OwnKey:
    """A key as the API shows it: everything but what could be used."""
    return OwnKey(**_tell(key))


def tell_somebodys(key: AppKey, user: User) -> SomebodysKey:
    """The same, and whose it is."""
    return SomebodysKey(**_tell(key), sub=user.id, owner=user.name)


def tell_made(made: NewKey) -> MadeKey:
    """A new key, with its text."""
    return MadeKey(key=tell_key(made.key), text=made.text)


def _tell(key: AppKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "preview": key.preview,
        **tell_reach(key),
        "enabled": key.disabled_at is None,
        "created_at": key.made_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "uses": key.uses,
    }
