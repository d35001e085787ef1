"""What one address answers to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from doorward.web.form import Form
from doorward.web.visit import Visit

Get = Callable[[Visit], Awaitable[Response]]
Post = Callable[[Visit, Form], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """The methods of one address. HEAD is GET without the body; OPTIONS is answered for it."""

    get: Get | None = None
    post: Post | None = None

    @property
    def methods(self) -> str:
        """The value of `Allow`."""
        return ", ".join([*(["GET", "HEAD"] if self.get else []), *(["POST"] if self.post else []), "OPTIONS"])
