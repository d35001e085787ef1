"""The identity an app is told: header names, and what they hold (C-10)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from doorward.rules.header_value import encode
from doorward.rules.identity import User
from doorward.web.gate.dialect import Identity


@dataclass(frozen=True, slots=True)
class IdentityHeaders:
    """The header names we own. Every one is set on every allow."""

    email: tuple[bytes, ...] = (b"x-forwarded-user-email",)
    name: tuple[bytes, ...] = (b"x-forwarded-user-name",)
    groups: tuple[bytes, ...] = (b"x-forwarded-user-groups",)
    user: tuple[bytes, ...] = ()
    blank: tuple[bytes, ...] = ()
    """Names that say who somebody is to us, and are never to say so to an app: empty, whoever it is (docs/adr 0023)."""

    def of(self, user: User | None, groups: Iterable[str]) -> Identity:
        """The headers for this user; all empty where there is none (C07)."""
        email = encode(user.email) if user else b""
        display = encode(user.display_name) if user else b""
        joined = encode(",".join(sorted(groups))) if user else b""
        login = encode(user.name) if user else b""
        return Identity(
            (
                *((header, email) for header in self.email),
                *((header, display) for header in self.name),
                *((header, joined) for header in self.groups),
                *((header, login) for header in self.user),
                *((header, b"") for header in self.blank),
            )
        )


FORWARDED = IdentityHeaders()


def name_headers(*, forwarded: bool, remote: bool, asserted: bytes = b"") -> IdentityHeaders:
    """`X-Forwarded-User-*` and `Remote-*`, as the configuration asks for them. `Remote-User` is the user name.

    `asserted` is the header in which a proxy tells us who it is, where one does.
    """
    ways = [prefix for prefix, wanted in ((b"x-forwarded-user-", forwarded), (b"remote-", remote)) if wanted]
    own = IdentityHeaders(
        email=tuple(way + b"email" for way in ways),
        name=tuple(way + b"name" for way in ways),
        groups=tuple(way + b"groups" for way in ways),
        user=(b"remote-user",) if remote else (),
    )
    taken = {*own.email, *own.name, *own.groups, *own.user}
    return replace(own, blank=(asserted,)) if asserted and asserted not in taken else own
