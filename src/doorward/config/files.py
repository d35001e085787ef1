"""What the configuration names by path: secrets, private keys, certificates."""

import re
import stat
from pathlib import Path
from typing import Final

from doorward.config.finding import Finding

_MOST: Final = 64 * 1024
_MOST_CERTIFICATES: Final = 4 * 1024 * 1024
_OTHERS_MAY_READ: Final = stat.S_IRWXG | stat.S_IRWXO
_CERTIFICATE: Final = re.compile(rb"(?m)^-----BEGIN (?:TRUSTED )?CERTIFICATE-----")


def read_secret_file(
    place: str, name: object, *, lines: bool = False
) -> tuple[str | None, list[Finding], list[Finding]]:
    """Read a secret from a file: the secret, problems, notices. One newline at the end is not part of it (Q08).

    With `lines` it may have several, however they end: a private key.
    """
    if not isinstance(name, str) or not name:
        return None, [Finding(place, "this must be the path of a file")], []
    path = Path(name)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            raw = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        return None, [Finding(place, f"{name} cannot be read: {_reason(error)}")], []
    notices = []
    if mode & _OTHERS_MAY_READ:
        notices.append(Finding(place, f"{name} can be read by others (mode {mode:04o})", f"chmod 600 {name}"))
    wrong = _find_fault(raw.replace(b"\r\n", b"\n").replace(b"\n", b" ") if lines else raw)
    if wrong:
        holds = "a private key in PEM" if lines else "the secret and at most one newline"
        return None, [Finding(place, f"{name} {wrong}", f"it must hold {holds}")], notices
    try:
        return raw.removesuffix(b"\n").decode(), [], notices
    except UnicodeDecodeError:
        return None, [Finding(place, f"{name} is not UTF-8")], notices


def check_certificates(place: str, name: str) -> list[Finding]:
    """What is wrong with a file of certificates, as far as can be told without trusting them."""
    try:
        with Path(name).open("rb") as file:
            raw = file.read(_MOST_CERTIFICATES + 1)
    except (OSError, ValueError) as error:
        return [Finding(place, f"{name} cannot be read: {_reason(error)}")]
    if len(raw) > _MOST_CERTIFICATES:
        return [Finding(place, f"{name} is too long", "name the authorities that are needed, not more")]
    if not _CERTIFICATE.search(raw):
        return [Finding(place, f"{name} holds no certificate", "it must hold certificates in PEM")]
    return []


def _find_fault(raw: bytes) -> str:
    text = raw.removesuffix(b"\n")
    if len(raw) > _MOST:
        return "is too long for a secret"
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return "begins with a byte order mark"
    if b"\r" in raw:
        return "has Windows line ends"
    if b"\0" in text:
        return "is not text"
    if b"\n" in text:
        return "has more than one line"
    return "" if text.strip() else "is empty"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or "not a path"
