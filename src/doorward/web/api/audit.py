"""The audit record, for administrators: what was done, and whether it is what was recorded."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from doorward.flows.audit_trail import Wish
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LOOKS, MOST

_AUDIT: Final = "/api/v1/audit"
_LONGEST: Final = 254
"""Of what is asked for: an e-mail address; three fit into the first line of a request however spelt."""
_TEXT: Final = r"^[^\x00-\x1f\x7f]*$"
"""Control characters are refused wherever they stand in the first line of a request."""
_MOST_NUMBER: Final = 2**53 - 1
"""The largest number that every reader of JSON reads as it stands."""


class AuditRecordAnswer(Answer):
    """A record. `private` is null where its personal data was erased; `actor` and `about` are ids or words."""

    sequence: int
    at: datetime
    act: str
    actor: str
    about: str
    public: Mapping[str, str]
    private: Mapping[str, str] | None
    hash: str


class AuditRecordsAnswer(Answer):
    """The newest first. `older`: the `before` of the next page, null at the end."""

    records: tuple[AuditRecordAnswer, ...]
    older: int | None


class FlawAnswer(Answer):
    """One thing that is wrong, and the records it is about."""

    fault: str
    text: str
    first: int
    last: int


class VerdictAnswer(Answer):
    """Whether every record is what was recorded. `signed_upto`: the last one a checkpoint speaks of."""

    holds: bool
    records: int
    signed_upto: int
    flaws: tuple[FlawAnswer, ...]


def audit_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/audit` and what is under it."""
    router = APIRouter(tags=["audit"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    trail = parts.flows.audit

    @router.get(_AUDIT, responses=LOOKS)
    async def list_audit(
        admin: Annotated[Administrator, Depends(looks)],
        actor: Annotated[str, Query(max_length=_LONGEST, pattern=_TEXT)] = "",
        about: Annotated[str, Query(max_length=_LONGEST, pattern=_TEXT)] = "",
        act: Annotated[str, Query(max_length=_LONGEST, pattern=_TEXT, description="One act, or `user.*`.")] = "",
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        before: Annotated[int | None, Query(ge=1, le=_MOST_NUMBER)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> AuditRecordsAnswer:
        """Records of what was done, that fit everything that is given."""
        wish = Wish(actor=actor, about=about, act=act, since=since, until=until)
        listed = await trail.find(admin.actor, wish, limit=limit, before=before)
        records = tuple(
            AuditRecordAnswer(
                sequence=entry.sequence,
                at=entry.at,
                act=entry.act,
                actor=entry.actor,
                about=entry.subject,
                public=entry.public,
                private=entry.private,
                hash=entry.hash.hex(),
            )
            for entry in listed.entries
        )
        return AuditRecordsAnswer(records=records, older=listed.older)

    @router.post(f"{_AUDIT}/verify", responses=ACTS)
    async def verify_audit(admin: Annotated[Administrator, Depends(acts)]) -> VerdictAnswer:
        """Walk the whole chain now."""
        verdict = await trail.verify(admin.actor, now=admin.visit.now)
        return VerdictAnswer(
            holds=verdict.holds,
            records=verdict.records,
            signed_upto=verdict.signed_upto,
            flaws=tuple(
                FlawAnswer(fault=flaw.fault.value, text=flaw.text, first=flaw.first, last=flaw.last)
                for flaw in verdict.flaws
            ),
        )

    return router
