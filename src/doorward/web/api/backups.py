"""Backups, for administrators: make, list, bring, try and restore them."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from doorward.errors import Clash, ConfigError, ConflictError
from doorward.flows.throttle import Bucket
from doorward.rules.backup import Backup, Openers
from doorward.rules.chore import Chore
from doorward.rules.restoring import Plan
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.problems import refusals
from doorward.web.api.users import ACTS, LOOKS

BACKUPS: Final = "/api/v1/backups"
UPLOAD: Final = f"{BACKUPS}/upload"
_NAMED: Final = refusals(400, 401, 403, 404, 409, 429)


class OpenWish(Ask):
    """How to open it, where this machine cannot by itself."""

    passphrase: str = Field(default="", max_length=1024)


class RestoreWish(OpenWish):
    """What the preview said, as its token."""

    token: str = Field(max_length=64)


class StoredBackup(Answer):
    """A backup in the folder."""

    name: str
    reason: str
    made_at: datetime
    encrypted: bool
    size: int


class BackupChore(Answer):
    """How something that is done at intervals last went."""

    tried_at: datetime | None
    done_at: datetime | None
    trouble: str


class StoredBackups(Answer):
    """The newest first. `proven`: when one was last restored into a scratch place and all of it looked at."""

    backups: tuple[StoredBackup, ...]
    made: BackupChore
    proven: BackupChore
    carried: BackupChore


class RestoreEffect(Answer):
    """Something that is not as it was, and whom or what it is about."""

    effect: str
    says: str
    names: tuple[str, ...]


class TableCount(Answer):
    """How many rows a table has now, and then."""

    table: str
    now: int
    then: int


class RestorePlan(Answer):
    """What a restore would do. Send `token` to have exactly that done."""

    backup: str
    made_at: datetime
    version: str
    tables: tuple[TableCount, ...]
    effects: tuple[RestoreEffect, ...]
    administrator_remains: bool
    token: str


class RestoreDone(Answer):
    """It is restored, and everybody is signed out. `before`: the backup of what was here."""

    backup: str
    before: str


class DrillDone(Answer):
    """What stood there as it was saved, and how many sealed values opened."""

    backup: str
    rows: int
    sealed_values_opened: int


def backup_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/backups` and what is under it."""
    router = APIRouter(tags=["backups"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    makes = parts.reads_administration(also=Bucket.BACKUP)
    destroys = parts.reads_administration(also=Bucket.DESTRUCTIVE)
    backups, restoring = parts.flows.backups, parts.flows.restoring

    @router.get(BACKUPS, responses=LOOKS)
    async def list_backups(admin: Annotated[Administrator, Depends(looks)]) -> StoredBackups:
        """The backups there are, and how making them went."""
        state = await backups.look(admin.actor)
        return StoredBackups(
            backups=tuple(map(_tell, state.backups)),
            made=_tell_chore(state.made),
            proven=_tell_chore(state.proven),
            carried=_tell_chore(state.carried),
        )

    @router.post(BACKUPS, status_code=201, responses=ACTS)
    async def create_backup(ask: Ask, admin: Annotated[Administrator, Depends(makes)]) -> StoredBackup:  # noqa: ARG001 -- its token was read
        """Make one now."""
        with _readers_named():
            return _tell(await backups.create(admin.actor, now=admin.visit.now))

    @router.post(f"{BACKUPS}/drill", responses=ACTS)
    async def prove_backup(ask: Ask, admin: Annotated[Administrator, Depends(makes)]) -> DrillDone:  # noqa: ARG001 -- its token was read
        """Restore the newest into a scratch place, compare it row by row, and open every sealed value."""
        with _readers_named():
            proof = await backups.drill(admin.actor, now=admin.visit.now)
        return DrillDone(backup=proof.backup.name, rows=proof.rows, sealed_values_opened=proof.opened)

    @router.post(BACKUPS + "/{name}/preview", responses=_NAMED)
    async def preview_restore(name: str, ask: OpenWish, admin: Annotated[Administrator, Depends(acts)]) -> RestorePlan:
        """What restoring it would do. Changes nothing."""
        plan = await restoring.preview(admin.actor, name, Openers(ask.passphrase), now=admin.visit.now)
        return _tell_plan(plan)

    @router.post(BACKUPS + "/{name}/restore", responses=_NAMED)
    async def restore_backup(
        name: str, ask: RestoreWish, admin: Annotated[Administrator, Depends(destroys)]
    ) -> RestoreDone:
        """Restore it, as the preview said. Everybody is signed out."""
        done = await restoring.apply(admin.actor, name, ask.token, Openers(ask.passphrase), now=admin.visit.now)
        return RestoreDone(backup=name, before=done.before.name)

    @router.delete(BACKUPS + "/{name}", status_code=204, responses=_NAMED)
    async def delete_backup(name: str, admin: Annotated[Administrator, Depends(destroys)]) -> None:
        """Delete it."""
        await backups.remove(admin.actor, name, now=admin.visit.now)

    return router


@contextmanager
def _readers_named() -> Generator[None]:
    """What the operator has to set first is no fault of ours, and nothing that trying again mends."""
    try:
        yield
    except ConfigError as error:
        raise ConflictError(str(error), Clash.NO_READERS) from error


def upload_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/backups/upload`, whose body is no JSON: the file as it is, up to 500 MiB."""
    router = APIRouter(tags=["backups"])
    destroys = parts.reads_administration(also=Bucket.DESTRUCTIVE)

    @router.post(UPLOAD, status_code=201, responses=refusals(400, 401, 403, 413, 429))
    async def bring_backup(request: Request, admin: Annotated[Administrator, Depends(destroys)]) -> StoredBackup:
        """Put a backup from elsewhere beside the others, unread; preview it next. The CSRF token goes in the header."""
        pieces = _pull(request.stream(), asyncio.get_running_loop())
        return _tell(await parts.flows.backups.take_in(admin.actor, pieces, now=admin.visit.now))

    return router


def _pull(stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """What comes in, for a thread that waits for it: never more than one piece is held."""

    async def take() -> bytes | None:
        return await anext(stream, None)

    while (piece := asyncio.run_coroutine_threadsafe(take(), loop).result()) is not None:
        yield piece


def _tell(backup: Backup) -> StoredBackup:
    return StoredBackup(
        name=backup.name,
        reason=backup.reason.value,
        made_at=backup.made_at,
        encrypted=backup.encrypted,
        size=backup.size,
    )


def _tell_chore(chore: Chore) -> BackupChore:
    return BackupChore(tried_at=chore.tried_at, done_at=chore.done_at, trouble=chore.trouble)


def _tell_plan(plan: Plan) -> RestorePlan:
    return RestorePlan(
        backup=plan.backup,
        made_at=plan.manifest.created_at,
        version=plan.manifest.version,
        tables=tuple(TableCount(table=table, now=now, then=then) for table, now, then in plan.counts),
        effects=tuple(
            RestoreEffect(effect=each.effect.value, says=each.effect.meaning, names=each.names) for each in plan.effects
        ),
        administrator_remains=plan.has_administrator,
        token=plan.token,
    )
