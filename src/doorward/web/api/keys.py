"""The keys, for administrators: their names and ages, and new keys of session cookies and assertions (B-05, E-06)."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from doorward.flows.signing_keys import KeyAges
from doorward.flows.throttle import Bucket
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LOOKS

_KEYS: Final = "/api/v1/keys"
ROTATIONS: Final = (
    f"{_KEYS}/signing/rotate",
    "/api/v1/admin/rotate-signing-key",
    "/api/admin/rotate-signing-key",
    "/api/admin/rotate-jwt-secret",
)
"""Where a new key is asked for; the first is ours, the others are what programs know."""


class MasterKeys(Answer):
    """The master keys by name, the newest first: it seals. `since`: when it was first seen to seal here."""

    names: tuple[str, ...]
    source: str
    since: datetime | None


class HeldKey(Answer):
    """A key that is kept in the database. `public`: what may be known of it, where there is such a part."""

    number: int
    purpose: str
    created_at: datetime
    retired_at: datetime | None
    public: str


class Keys(Answer):
    """All of them. No key is ever told."""

    master: MasterKeys
    stored: tuple[HeldKey, ...]


class Replaced(Answer):
    """What ended with the old key. `accounts`: how many there are, all of whose sessions ended.

    `keys`: how many keys for apps were revoked.
    """

    accounts: int
    keys: int


class MadeAnew(Answer):
    """A new key of assertions to apps. `kid`: its name in the published set. `at_once`: no other is published."""

    kid: str
    at_once: bool


def key_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/keys`, and the other names of what is under it."""
    router = APIRouter(tags=["keys"], route_class=StrictRoute)
    looks, ends = parts.reads_administrator(), parts.reads_administration(also=Bucket.DESTRUCTIVE)
    keys = parts.flows.signing_keys

    @router.get(_KEYS, responses=LOOKS)
    async def get_keys(admin: Annotated[Administrator, Depends(looks)]) -> Keys:
        """What there is, and since when."""
        return _tell(await keys.look(admin.actor))

    async def rotate_signing_key(
        admin: Annotated[Administrator, Depends(ends)],
        keys_too: Annotated[bool, Query(description="Revoke all keys for apps as well.")] = False,
    ) -> Replaced:
        """Replace the key of session cookies: every session ends, the one that asks included."""
        ended = await keys.rotate(admin.actor, keys_too=keys_too, now=admin.visit.now)
        admin.visit.cookies_out += [*parts.cookies.end_session(), *parts.cookies.end_trail()]
        return Replaced(accounts=ended.accounts, keys=ended.keys)

    @router.post(f"{_KEYS}/assertion/rotate", responses=ACTS)
    async def rotate_assertion_key(
        admin: Annotated[Administrator, Depends(ends)],
        at_once: Annotated[
            bool, Query(description="The present key may be known to somebody: publish and trust the new one alone.")
        ] = False,
    ) -> MadeAnew:
        """Make a new key for assertions to apps: published now, it signs in ten minutes, or at once."""
        kid = await parts.flows.assertion_keys.rotate(admin.actor, at_once=at_once, now=admin.visit.now)
        return MadeAnew(kid=kid, at_once=at_once)

    router.add_api_route(ROTATIONS[0], rotate_signing_key, methods=["POST"], responses=ACTS)
    for path in ROTATIONS[1:]:
        router.add_api_route(path, rotate_signing_key, methods=["POST"], responses=ACTS, tags=["aliases"])
    return router


def _tell(ages: KeyAges) -> Keys:
    return Keys(
        master=MasterKeys(names=ages.masters, source=ages.source, since=ages.master_since),
        stored=tuple(
            HeldKey(
                number=key.number,
                purpose=key.purpose,
                created_at=key.created_at,
                retired_at=key.retired_at,
                public=key.public,
            )
            for key in ages.stored
        ),
    )
