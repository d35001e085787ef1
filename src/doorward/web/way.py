"""How somebody signed in last in this browser, as its cookie says: `google`, after signing out `-google` or `-`.

Whoever signed out wants to be signed out: until the next sign-in nobody is sent to a provider unasked, which would
sign them in again before they see that they were out.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from doorward.rules.provider import ProviderId

_SHAPE = re.compile(r"(-?)([a-z0-9][a-z0-9-]{0,31})?")


@dataclass(frozen=True, slots=True)
class Way:
    """`last`: the provider, "" where it was none or nobody knows. `left`: they signed out since."""

    last: str = ""
    left: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """What a browser sent; nothing where it makes no sense."""
        shape = _SHAPE.fullmatch(text)
        return cls(shape[2] or "", shape[1] == "-") if shape else cls()

    @classmethod
    def through(cls, provider: ProviderId | None) -> Self:
        """After a sign-in; None for one without a provider."""
        return cls(provider or "")

    def leave(self) -> Self:
        """After signing out."""
        return replace(self, left=True)

    @property
    def text(self) -> str:
        """As it stands in the cookie."""
        return f"{'-' if self.left else ''}{self.last}"
