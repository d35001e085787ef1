"""Any text as the value of a header (C-10, C02).

Encoding: visible ASCII and space stand for themselves, but for `%`; every other byte of the UTF-8 form, and `%`, is
percent-encoded (RFC 3986 2.1). Decode with any percent-decoder, then read as UTF-8.
"""

_FIRST_VISIBLE = 0x20
_DELETE = 0x7F
_PERCENT = 0x25


def encode(text: str) -> bytes:
    """Text as it stands in a header."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text.encode("ascii")
    return "".join(
        chr(byte) if _FIRST_VISIBLE <= byte < _DELETE and byte != _PERCENT else f"%{byte:02X}"
        for byte in text.encode("utf-8", "replace")
    ).encode("ascii")
