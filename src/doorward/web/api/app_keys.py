"""Everybody's keys, for administrators: whose, for what, how old; made for somebody, taken back, woken."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from doorward.errors import NotFoundError
from doorward.flows.acting import ById
from doorward.flows.app_keys import KeyQuery
from doorward.flows.outcome import Unacceptable
from doorward.flows.throttle import Bucket
from doorward.rules.app_key import KeyId, KeyKind
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.factors import check_shown
from doorward.web.api.key_answers import (
    Days,
    KeyAsk,
    KeysRevoked,
    Kind,
    MadeKey,
    OwnKey,
    SomebodysKeys,
    tell_key,
    tell_somebodys,
)
from doorward.web.api.own_keys import said, tell_new
from doorward.web.api.parts import Administrator, ApiParts, get_subject
from doorward.web.api.people_answers import Account, tell_user
from doorward.web.api.problems import UNPROCESSABLE, refusals, unacceptable
from doorward.web.api.users import ACTS, LONGEST, LOOKS, LOOKS_AT_ONE, MOST, MOST_GROUPS

_KEYS: Final = "/api/v1/app-keys"
_KEY: Final = f"{_KEYS}/{{key}}"
_OF_USER: Final = "/api/v1/users/{user}/app-keys"


class WhichKeys(Ask):
    """Which keys: everything that is given must fit. Without anything, only with `everything`."""

    user: str | None = Field(default=None, max_length=LONGEST, description="The id of an account.")
    app: str = Field(default="", max_length=LONGEST)
    kind: Kind | None = None
    asleep: bool | None = None
    older_than_days: Days | None = None
    unused_for_days: Days | None = None
    everything: bool = False


class NewProgram(Ask):
    """The account of a service: it has keys, and no way to sign in."""

    name: str = Field(max_length=LONGEST)
    display_name: str = Field(default="", max_length=LONGEST)
    groups: list[Annotated[str, Field(max_length=LONGEST)]] = Field(default=[], max_length=MOST_GROUPS)
    is_admin: bool = False


def app_key_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/app-keys`, `/api/v1/users/{user}/app-keys` and `/api/v1/services`."""
    router = APIRouter(tags=["app-keys"], route_class=StrictRoute)
    looks, acts, ends = parts.reads_administrator(), parts.reads_administration(), parts.reads_ending()
    revokes = parts.reads_ending(also=Bucket.DESTRUCTIVE)
    keys, people = parts.flows.app_keys, parts.flows.administration

    @router.get(_KEYS, responses=LOOKS)
    async def list_app_keys(
        admin: Annotated[Administrator, Depends(looks)],
        user: Annotated[str | None, Query(max_length=LONGEST, description="The id of an account.")] = None,
        app: Annotated[str, Query(max_length=LONGEST)] = "",
        kind: Kind | None = None,
        asleep: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> SomebodysKeys:
        """Everybody's keys, the newest first."""
        query = KeyQuery(
            login=None if user is None else ById(user),
            app=app,
            kind=None if kind is None else KeyKind(kind),
            asleep=asleep,
        )
        found = await keys.list_all(admin.actor, query)
        shown = found[offset : offset + limit]
        return SomebodysKeys(keys=tuple(tell_somebodys(*pair) for pair in shown), total=len(found))

    @router.post(f"{_KEYS}/revoke", responses=ACTS)
    async def revoke_app_keys(ask: WhichKeys, admin: Annotated[Administrator, Depends(revokes)]) -> KeysRevoked:
        """Take all keys back that fit, at once. No proof is asked for, since every minute counts."""
        now = admin.visit.now
        query = KeyQuery(
            login=None if ask.user is None else ById(ask.user),
            app=ask.app,
            kind=None if ask.kind is None else KeyKind(ask.kind),
            asleep=ask.asleep,
            made_before=None if ask.older_than_days is None else now - timedelta(days=ask.older_than_days),
            unused_since=None if ask.unused_for_days is None else now - timedelta(days=ask.unused_for_days),
        )
        with said():
            revoked = await keys.revoke_where(admin.actor, query, everything=ask.everything, now=now)
        return KeysRevoked(revoked=revoked)

    @router.delete(_KEY, status_code=204, responses=ACTS)
    async def revoke_app_key(key: str, admin: Annotated[Administrator, Depends(ends)]) -> None:
        """Take anybody's key back at once. No proof is asked for, since every minute counts."""
        if not await keys.revoke_any(admin.actor, [KeyId(key)], now=admin.visit.now):
            raise NotFoundError("there is no such key")

    @router.post(f"{_KEY}/wake", responses=ACTS)
    async def wake_app_key(key: str, admin: Annotated[Administrator, Depends(acts)]) -> OwnKey:
        """Let anybody's key that was put to sleep count again. Asks for a second factor, where there is one."""
        await check_shown(parts, admin.visit)
        return tell_key(await keys.wake_any(admin.actor, KeyId(key), now=admin.visit.now))

    @router.get(_OF_USER, responses=LOOKS_AT_ONE)
    async def list_user_keys(user: str, admin: Annotated[Administrator, Depends(looks)]) -> SomebodysKeys:
        """The keys of one account."""
        found = await keys.list_all(admin.actor, KeyQuery(login=ById(user)))
        return SomebodysKeys(keys=tuple(tell_somebodys(*pair) for pair in found), total=len(found))

    @router.post(_OF_USER, status_code=201, responses=ACTS)
    async def make_user_key(user: str, ask: KeyAsk, admin: Annotated[Administrator, Depends(acts)]) -> MadeKey:
        """Make a key for somebody, or for a service. Its owner is told. It is shown in this answer alone.

        Asks for a second factor, where there is one.
        """
        visit = admin.visit
        # SECURITY: as for a key of one's own (B-12), or this would be the way around; tests/unit/test_api_own_keys.py
        # tries with the password alone.
        await check_shown(parts, visit)
        with said():
            made = await keys.create_for(
                get_subject(visit), ById(user), ask.wish(visit.now), visit.visitor, now=visit.now
            )
        return tell_new(made)

    @router.post("/api/v1/services", status_code=201, responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def add_service(ask: NewProgram, admin: Annotated[Administrator, Depends(acts)]) -> Account:
        """Add an account for a service. It opens nothing until a key is made for it."""
        outcome = await people.add_service(
            admin.actor,
            name=ask.name,
            display_name=ask.display_name,
            groups=ask.groups,
            is_admin=ask.is_admin,
            now=admin.visit.now,
        )
        if isinstance(outcome, Unacceptable):
            raise unacceptable(outcome)
        return tell_user(outcome, protected=False)

    return router
