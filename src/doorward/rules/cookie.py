"""Reading the Cookie header strictly (attacks J06-J10).

The parsers of the standard library and of web frameworks lose, merge or rename cookies; this one knows only what it
needs: find one name exactly, and take names out. Anything it does not understand is somebody else's cookie.
"""

from collections.abc import Collection, Sequence


def find_cookie(headers: Sequence[bytes], name: bytes) -> bytes | None:
    """The value of the cookie `name`, or None where there is none or more than one (J06)."""
    return next(iter(values), None) if len(values := find_cookies(headers, name)) == 1 else None


def find_cookies(headers: Sequence[bytes], name: bytes) -> list[bytes]:
    """Every value sent under exactly this name, in order. Names are case-sensitive; only space and tab are trimmed."""
    found: list[bytes] = []
    for header in headers:
        if name not in header:
            continue
        for pair in header.split(b";"):
            key, equals, value = pair.partition(b"=")
            # SECURITY: only SP and HTAB may surround a name; stripping more (0x85, 0xA0, 0x1C) would let another
            # cookie pass for ours (J07). tests/attacks/test_sessions.py would fail.
            if equals and key.strip(b" \t") == name:
                found.append(value.strip(b" \t"))
    return found


def without_cookies(headers: Sequence[bytes], names: Collection[bytes]) -> bytes:
    """The Cookie header an app may see: all but the cookies named, joined into one line; empty if none is left."""
    kept = [
        pair.strip(b" \t")
        for header in headers
        for pair in header.split(b";")
        if pair.partition(b"=")[0].strip(b" \t") not in names
    ]
    return b"; ".join(pair for pair in kept if pair)
