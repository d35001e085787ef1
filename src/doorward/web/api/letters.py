"""Mail, for administrators: what went out, what waits, and whether mail works at all."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from doorward.errors import InputError
from doorward.flows.outcome import Unacceptable
from doorward.rules.letter import LetterId, LetterState
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.house_answers import QueuedLetter, QueuedLetters, tell_letter, tell_letters
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.problems import UNPROCESSABLE, refusals, unacceptable
from doorward.web.api.users import ACTS, LONGEST, LOOKS, MOST

_LETTERS: Final = "/api/v1/letters"


class LetterWish(Ask):
    """Where it goes."""

    to: str = Field(max_length=LONGEST)


def letter_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/letters` and what is under it."""
    router = APIRouter(tags=["mail"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    post = parts.flows.post

    @router.get(_LETTERS, responses=LOOKS)
    async def list_letters(
        admin: Annotated[Administrator, Depends(looks)],
        state: Literal["waiting", "sent", "failed"] | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> QueuedLetters:
        """The mail of the last weeks."""
        wanted = None if state is None else LetterState(state)
        return tell_letters(await post.list_letters(admin.actor, limit=limit, state=wanted), is_open=post.is_open)

    @router.post(f"{_LETTERS}/test", responses=refusals(401, 403, 409, UNPROCESSABLE, 429))
    async def send_test_letter(ask: LetterWish, admin: Annotated[Administrator, Depends(acts)]) -> QueuedLetter:
        """Send a mail that says that mail works, now. Where it did not go out, `trouble` is what the server said."""
        try:
            letter = await post.send_test(admin.actor, to=ask.to, now=admin.visit.now)
        except InputError:
            raise unacceptable(Unacceptable((("to", "That is no e-mail address."),))) from None
        return tell_letter(letter, to="")

    @router.post(f"{_LETTERS}/{{letter}}/retry", status_code=204, responses=ACTS)
    async def retry_letter(letter: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Have a waiting mail tried again within a minute."""
        await post.retry(admin.actor, LetterId(letter), now=admin.visit.now)

    return router
