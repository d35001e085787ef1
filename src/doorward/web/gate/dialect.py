"""What a proxy dialect is: how one proxy asks, and how it wants to be answered (docs/guides).

A dialect reads its own header family and no other's (A17), and says which statuses its proxy can carry. Everything else
about a check is the same for all of them and lives in `endpoint`.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol

from doorward.errors import InputError

Headers = Sequence[tuple[bytes, bytes]]
Fields = Mapping[bytes, bytes]

SECRET_HEADER = b"x-doorward-proxy-secret"
LOGIN_HEADER = b"x-doorward-login"


Question = tuple[bytes, bytes, bytes, bytes]
"""What the proxy asks about, as raw as it was sent: method, scheme, host, target."""


class Identity(NamedTuple):
    """The identity headers of an allow, in order: name and value, every one we own, empty where need be (T-21)."""

    headers: tuple[tuple[bytes, bytes], ...]


class Dialect(Protocol):
    """One proxy's way of asking and being answered."""

    name: str
    prefix: bool
    """Whether the check's own path continues with the visitor's (Envoy)."""

    @property
    def asks_by(self) -> tuple[bytes, bytes, bytes, bytes] | None:
        """The four headers whose values are the question, for a dialect where that is all there is to `read`."""
        ...

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:
        """The question, from this proxy's headers and no other's. InputError when something it always sends is missing.

        `method` and `target` are those of the check itself; `target` without the endpoint's own path.
        """
        ...

    def carry(self, identity: Identity, left: Headers) -> Headers:
        """The headers of an allow: who it is, and what is left of the headers that showed it.

        `left`: those that were sent, each without what is ours; what is left of one may be nothing.
        """
        ...

    def status(self, status: int) -> int:
        """The status this proxy can carry in place of `status`. Never turns a refusal into a 2xx."""
        ...

    def redirects(self) -> bool:
        """Whether the proxy passes a redirect on; if not, a 401 carries the Location."""
        ...


REPEATABLE = {b"cookie": b"; ", b"x-forwarded-for": b", "}
"""Headers that may come in several lines, and what joins them (RFC 9110 5.3; RFC 9113 8.2.3 for Cookie)."""

SINGLE = frozenset({
    SECRET_HEADER, b"host", b"origin", b"upgrade", b"authorization", b"x-api-key", b"content-length",
    b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-uri", b"x-forwarded-method",
    b"x-original-url", b"x-original-method",
})  # fmt: skip
"""Headers whose repetition would let two readers see two requests: refused."""


def gather(headers: Headers) -> Fields:
    """Header lines as a mapping. Names arrive in lower case. InputError when one that may stand once stands twice."""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    fields = {}
    for name, value in headers:
        earlier = fields.get(name)
        if earlier is None:
            fields[name] = value
        elif name in REPEATABLE:
            fields[name] = earlier + REPEATABLE[name] + value
        elif name in SINGLE:
            raise InputError(f"the header {name.decode('latin-1')} stands twice")
    return fields


def require(fields: Fields, name: bytes) -> bytes:
    """A header this proxy always sends. InputError when it is missing or empty."""
    value = fields.get(name)
    if not value:
        raise InputError(f"the proxy did not send {name.decode('ascii')}")
    return value


FORWARDED = (b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri")
_pick_forwarded = itemgetter(*FORWARDED)


def read_forwarded(fields: Fields) -> Question:
    """The `X-Forwarded-*` family, which several proxies share. All four are required: a default would be a guess."""
    try:
        question: Question = _pick_forwarded(fields)
    except KeyError as error:
        raise InputError(f"the proxy did not send {error.args[0].decode('ascii')}") from None
    return question


class Forwarding:
    """A proxy that asks at one address with `X-Forwarded-*`, and passes whatever we answer on to the visitor."""

    prefix = False
    asks_by = FORWARDED

    def __init__(self, name: str, *, keeps_what_is_absent: bool) -> None:
        """`keeps_what_is_absent`: the proxy leaves a visitor's header in place where our answer lacks it."""
        self.name = name
        self._keeps_what_is_absent = keeps_what_is_absent

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:  # noqa: ARG002 -- the dialect's shape
        """Read `X-Forwarded-*`; the check's own method, path and query say nothing here."""
        return read_forwarded(fields)

    def carry(self, identity: Identity, left: Headers) -> Headers:
        """Who it is, empty headers included; what is left, and where absence would not remove it, even nothing."""
        return (*identity.headers, *(header for header in left if header[1] or self._keeps_what_is_absent))

    def status(self, status: int) -> int:
        """Carry any status."""
        return status

    def redirects(self) -> bool:
        """Pass 3xx on with all headers."""
        return True
