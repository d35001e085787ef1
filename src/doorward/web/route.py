"""What one address answers to and to whom, and which address it is."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from starlette.responses import Response

from doorward.flows.throttle import Bucket
from doorward.rules.session import Subject
from doorward.web.form import Form
from doorward.web.headers import RawHeaders
from doorward.web.visit import Visit

Get = Callable[[Visit], Awaitable[Response]]
Post = Callable[[Visit, Form], Awaitable[Response]]

TAIL = "/*"
"""How a path of the table ends whose last segment is a name: it lands in `Visit.tail`."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Who(Enum):
    """For whom an address is."""

    ANYBODY = "anybody"
    SOMEBODY = "somebody"
    """Whoever is signed in."""
    ADMINISTRATOR = "administrator"

    def admits(self, subject: Subject | None) -> bool:
        """Whether the address is for this visitor. Whoever is not an administrator may still have to sign in."""
        match self:
            case Who.ANYBODY:
                return True
            case Who.SOMEBODY:
                return subject is not None
            case Who.ADMINISTRATOR:
                return subject is not None and subject.user.administers


@dataclass(frozen=True, slots=True)
class Route:
    """For whom one address is, and its methods. HEAD is GET without the body; OPTIONS is answered for it.

    SECURITY: `who` has no default, and is asked before the page is: a page nobody thought of stays shut (L10).
    tests/unit/test_route.py would fail.

    `back` is the page on which its form stands, for an address that only takes forms: whoever has to sign in first is
    led there, and not to an address that shows nothing.

    `also_counts`: what its form counts for besides being an act of an administrator, such as what cannot be undone.

    `secretive`: the address itself says what nobody else may read, so that no page shown there tells it to the next
    one. No form may stand on such a page, since browsers then hide where it comes from, too.

    `carries`: what of its query goes along where somebody has to sign in first.

    `framed`: providers show it in a frame of theirs, so that nobody is led anywhere from it.
    """

    who: Who
    get: Get | None = None
    post: Post | None = None
    also_counts: Bucket | None = None
    secretive: bool = False
    framed: bool = False
    carries: str = ""
    back: str = "/"

    @property
    def methods(self) -> str:
        """The value of `Allow`."""
        return ", ".join([*(["GET", "HEAD"] if self.get else []), *(["POST"] if self.post else []), "OPTIONS"])

    @property
    def headers(self) -> RawHeaders:
        """What every answer of this address carries, also where it is an error."""
        return [(b"referrer-policy", b"no-referrer")] if self.secretive else []


Routes = Mapping[str, Route]


def find_route(routes: Routes, path: str) -> tuple[Route, str] | None:
    """The route of a path, with the name at its end where it is one of those; None where there is none.

    A star of the table stands for one name and nothing else: no slash, no dot, no capital letter, nothing empty.
    """
    if path.endswith(TAIL):
        return None
    exact = routes.get(path)
    if exact is not None:
        return exact, ""
    folder, _, name = path.rpartition("/")
    if _NAME.fullmatch(name) is None:
        return None
    route = routes.get(folder + TAIL)
    return (route, name) if route is not None else None
