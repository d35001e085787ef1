"""What programs send: JSON that reads one way only, held against a model that knows every field."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import override

from doorward.errors import InputError
from doorward.rules.strict_json import parse_json


class Ask(BaseModel):
    """What all bodies share: nothing is turned into what it is not, and a field nobody knows is refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    csrf_token: str = Field(default="", max_length=128, description="Instead of the header `X-CSRF-Token`.")


class _StrictRequest(Request):
    @override
    async def json(self) -> Any:
        """The body; None where it cannot be read one way only, which no model takes.

        Not refused here: who is asking comes first, and whether a page of ours asks.
        """
        try:
            return parse_json(await self.body())
        except InputError:
            return None


class StrictRoute(APIRoute):
    """A route whose body is read strictly."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's, given a request of ours."""
        answer = super().get_route_handler()

        async def read_and_answer(request: Request) -> Response:
            strict = _StrictRequest(request.scope, request.receive)
            # Read here: the framework takes whatever goes wrong meanwhile, a body that is too large too, for bad JSON.
            await strict.body()
            return await answer(strict)

        return read_and_answer
