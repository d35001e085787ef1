"""A page to photograph, and how to get there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from playwright.async_api import Page

from tests.fakes.door import Door

HOME = "https://auth.example.test"
Go = Callable[[Door, Page], Awaitable[None]]


@dataclass(frozen=True)
class Shot:
    """`go` leads there, from signed out or, with `user`, signed in.

    `judged`: axe-core and the ruler are asked as well; not for what another shot shows, too, and not for paper.
    """

    name: str
    go: Go
    user: str = ""
    judged: bool = True


def at(path: str) -> Go:
    """Just an address."""

    async def go(_door: Door, page: Page) -> None:
        await page.goto(HOME + path)

    return go


def to(app: str, path: str = "/d/house?from=now-6h") -> str:
    """The sign-in page on the way to an app."""
    return "/login?rd=" + quote(f"https://{app}.example.test{path}", safe="")
