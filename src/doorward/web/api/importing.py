"""Accounts from elsewhere, for administrators: shown first, then taken in (D-40). Large files go by command line."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from doorward.flows.importing import Preview, Source
from doorward.flows.throttle import Bucket
from doorward.rules.importing import Choices, Origin, Problem
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LONGEST, MOST

_IMPORT: Final = "/api/v1/users/import"
_LONGEST_FILE: Final = 200_000

_Kind = Literal["doorward", "authelia", "traefik-manager"]


class ImportWish(Ask):
    """The file as text, and what is to be said of it.

    `kind`: what it is, if that does not show by itself. `keep_admin`: administrators stay administrators. `overwrite`:
    accounts that are here become as in the file. `skip`: names to leave out. The other three are for the account of a
    Traefik Manager: its name, its address, and the key that its second factor is sealed with.
    """

    content: str = Field(max_length=_LONGEST_FILE)
    kind: _Kind | None = None
    keep_admin: bool = False
    overwrite: bool = False
    skip: list[Annotated[str, Field(max_length=LONGEST)]] = Field(default=[], max_length=MOST)
    name: str = Field(default="", max_length=LONGEST)
    email: str = Field(default="", max_length=LONGEST)
    fernet_key: str = Field(default="", max_length=LONGEST)
    without_totp: bool = False


class ImportOrder(ImportWish):
    """The same again, with the token of its preview."""

    token: str = Field(min_length=1, max_length=64)


class ImportDifference(Answer):
    """One thing that is otherwise afterwards. `before` is empty where there is no account yet."""

    what: str
    before: str
    after: str


class ImportedAccount(Answer):
    """What becomes of one account. `taken`: it stays as it is here, and `reason` says why."""

    name: str
    path: str
    deed: Literal["add", "change", "same", "taken", "skip"]
    reason: str
    differences: tuple[ImportDifference, ...]


class ImportProblem(Answer):
    """What is wrong with the file, or worth knowing."""

    path: str
    message: str
    hint: str


class ImportPreview(Answer):
    """What would be done, or with `applied` was done. `token` is empty where there is nothing that could be done."""

    kind: _Kind
    applied: bool
    token: str
    accounts: tuple[ImportedAccount, ...]
    problems: tuple[ImportProblem, ...]
    notices: tuple[ImportProblem, ...]


def import_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/users/import` and what is under it."""
    router = APIRouter(tags=["users"], route_class=StrictRoute)
    looks, acts = parts.reads_administration(also=Bucket.IMPORT), parts.reads_administration(also=Bucket.DESTRUCTIVE)
    importing = parts.flows.importing

    @router.post(f"{_IMPORT}/preview", responses=ACTS)
    async def preview_import(ask: ImportWish, admin: Annotated[Administrator, Depends(looks)]) -> ImportPreview:
        """Say what importing a file would do; nothing is done."""
        return _tell(await importing.preview(admin.actor, _source_of(ask), _choices_of(ask)))

    @router.post(f"{_IMPORT}/apply", responses=ACTS)
    async def apply_import(ask: ImportOrder, admin: Annotated[Administrator, Depends(acts)]) -> ImportPreview:
        """Do what the preview has shown, all of it or nothing. Refused where it would be something else by now."""
        applied = await importing.apply(admin.actor, _source_of(ask), _choices_of(ask), ask.token, now=admin.visit.now)
        return _tell(applied)

    return router


def _source_of(ask: ImportWish) -> Source:
    return Source(
        raw=ask.content.encode("utf-8"),
        origin=None if ask.kind is None else Origin(ask.kind),
        name=ask.name,
        email=ask.email,
        fernet_key=ask.fernet_key,
        without_totp=ask.without_totp,
    )


def _choices_of(ask: ImportWish) -> Choices:
    return Choices(keep_admin=ask.keep_admin, overwrite=ask.overwrite, skip=frozenset(ask.skip))


def _tell(preview: Preview) -> ImportPreview:
    return ImportPreview(
        kind=preview.origin.value,
        applied=preview.applied,
        token=preview.token,
        accounts=tuple(
            ImportedAccount(
                name=step.incoming.name,
                path=step.incoming.path,
                deed=step.deed.value,
                reason=step.reason,
                differences=tuple(
                    ImportDifference(what=one.what, before=one.before, after=one.after) for one in step.differences
                ),
            )
            for step in preview.steps
        ),
        problems=tuple(map(_tell_problem, preview.problems)),
        notices=tuple(map(_tell_problem, preview.notices)),
    )


def _tell_problem(problem: Problem) -> ImportProblem:
    return ImportProblem(path=problem.path, message=problem.message, hint=problem.hint)
