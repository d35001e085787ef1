"""One's own keys for apps and for this API, and access tokens. No key manages keys: all but the list is for people."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends

from doorward.errors import InputError, NotFoundError
from doorward.flows.key_making import NewKey
from doorward.flows.outcome import Refused
from doorward.web.api.bodies import StrictRoute
from doorward.web.api.factors import reads_shown
from doorward.web.api.key_answers import (
    KeyAsk,
    KeyName,
    KeyStatus,
    MadeKey,
    OwnKey,
    OwnKeys,
    RevokeAsk,
    TokenAsk,
    tell_key,
    tell_made,
)
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import Code, ProblemError, refusals, refuse
from doorward.web.visit import Visit

_KEYS: Final = "/api/v1/account/keys"
_KEY: Final = f"{_KEYS}/{{key}}"
_TOKENS: Final = "/api/v1/access-tokens"
_NO_TOKENS: Final = "There are no access tokens here: the configuration names no issuer and audience."
_MAKES: Final = refusals(401, 403, 409, 429)


def own_key_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/account/keys…` and `/api/v1/access-tokens`."""
    router = APIRouter(tags=["app-keys"], route_class=StrictRoute)
    read_visit, read_act, read_shown = parts.reads_visit(), parts.reads_act(), reads_shown(parts)
    keys = parts.flows.app_keys

    @router.get(_KEYS, responses=refusals(401, 403))
    async def list_own_keys(visit: Annotated[Visit, Depends(read_visit)]) -> OwnKeys:
        """My keys, the newest first (A-19)."""
        found = await keys.list_of(get_subject(visit))
        return OwnKeys(keys=tuple(map(tell_key, found)), most=keys.terms.max_keys)

    @router.post(_KEYS, status_code=201, responses=_MAKES)
    async def make_own_key(ask: KeyAsk, visit: Annotated[Visit, Depends(read_shown)]) -> MadeKey:
        """Make a key. Asks for a recent proof. Its text is stored nowhere: this answer is the only place for it."""
        with said():
            made = await keys.create(get_subject(visit), ask.wish(visit.now), visit.visitor, now=visit.now)
        return tell_new(made)

    @router.patch(_KEY, responses=refusals(401, 403, 404, 409))
    async def rename_own_key(key: str, ask: KeyName, visit: Annotated[Visit, Depends(read_act)]) -> OwnKey:
        """Give a key another name."""
        with said():
            return tell_key(await keys.rename(get_subject(visit), key, ask.name, visit.visitor, now=visit.now))

    @router.delete(_KEY, status_code=204, responses=refusals(401, 403, 404))
    async def revoke_own_key(key: str, visit: Annotated[Visit, Depends(read_act)]) -> None:
        """Take one back at once, by its id or its name (A-21). No proof is asked for, since every minute counts."""
        await keys.revoke(get_subject(visit), key, visit.visitor, now=visit.now)

    @router.post(f"{_KEY}/wake", responses=refusals(401, 403, 404, 409))
    async def wake_own_key(key: str, visit: Annotated[Visit, Depends(read_shown)]) -> OwnKey:
        """Let one that was put to sleep count again. Asks for a recent proof."""
        return tell_key(await keys.wake(get_subject(visit), key, visit.visitor, now=visit.now))

    @router.post(_TOKENS, status_code=201, responses={**_MAKES, **refusals(404)})
    async def make_access_token(ask: TokenAsk, visit: Annotated[Visit, Depends(read_shown)]) -> MadeKey:
        """Make an access token (E-20). Asks for a recent proof. It ends with the sessions of its owner, too."""
        tokens, subject = parts.tokens, get_subject(visit)
        if tokens is None:
            raise ProblemError(404, Code.NOT_FOUND, _NO_TOKENS)
        lifetimes = [timedelta(days=tokens.days), keys.terms.max_lifetime]
        wish = replace(ask.read(), expires_at=visit.now + min(each for each in lifetimes if each is not None))
        with said():
            made = await keys.create_token(
                subject, wish, lambda key: tokens.write(key, subject.user), visit.visitor, now=visit.now
            )
        return tell_new(made)

    return router


def key_alias_routes(parts: ApiParts) -> APIRouter:
    """Keys under the names that programs know from elsewhere."""
    router = APIRouter(tags=["aliases"], route_class=StrictRoute)
    read_visit, read_act, read_shown = parts.reads_visit(), parts.reads_act(), reads_shown(parts)
    keys = parts.flows.app_keys

    @router.get("/api/auth/apikey/status", responses=refusals(401, 403))
    async def get_key_status(visit: Annotated[Visit, Depends(read_visit)]) -> KeyStatus:
        """Whether I have keys, and which."""
        found = await keys.list_of(get_subject(visit))
        return KeyStatus(enabled=bool(found), keys=tuple(map(tell_key, found)))

    @router.post("/api/auth/apikey/generate", status_code=201, responses=_MAKES)
    async def generate_key(ask: KeyAsk, visit: Annotated[Visit, Depends(read_shown)]) -> MadeKey:
        """Make a key, as at `POST /api/v1/account/keys`."""
        with said():
            made = await keys.create(get_subject(visit), ask.wish(visit.now), visit.visitor, now=visit.now)
        return tell_new(made)

    @router.post("/api/auth/apikey/revoke", status_code=204, responses=refusals(401, 403, 404))
    async def revoke_key(ask: RevokeAsk, visit: Annotated[Visit, Depends(read_act)]) -> None:
        """Take a key back, by its id, its name or its preview. A preview that is that of several names none."""
        subject = get_subject(visit)
        which = ask.id or ask.name or ask.device_name
        if not which:
            alike = [key.id for key in await keys.list_of(subject) if key.preview == ask.preview]
            if len(alike) != 1:
                raise NotFoundError("no one key has this preview")
            which = alike[0]
        await keys.revoke(subject, which, visit.visitor, now=visit.now)

    return router


def tell_new(made: NewKey | Refused) -> MadeKey:
    """A key that was made, or why none was."""
    if isinstance(made, Refused):
        raise refuse(made)
    return tell_made(made)


@contextmanager
def said() -> Generator[None]:
    """What the rules of keys refuse, in their words: status 400 (A-19)."""
    try:
        yield
    except InputError as error:
        sentence = str(error)
        raise ProblemError(400, Code.MALFORMED, f"{sentence[:1].upper()}{sentence[1:]}.") from None
