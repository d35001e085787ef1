"""Break-glass codes: 256 random bits on paper, for the day when nothing else opens (E-90)."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.rules.identity import UserId

CODE_SIZE: Final = 32
"""Random bytes of a code: nobody guesses it, so nothing needs to slow down who types it wrongly."""
GROUP: Final = 4
MAX_TYPED: Final = 200
SERVE: Final = "doorward incident break-glass serve"
"""What is typed at the machine when the data is broken."""
_LENGTH: Final = 52
_LOOKALIKES: Final = str.maketrans("018", "OIB")


@dataclass(frozen=True, slots=True)
class Kit:
    """One code, for one administrator. `digest`: SHA-256 of what the code stands for; the code is stored nowhere."""

    id: str
    digest: bytes
    user_id: UserId
    made_by: str
    made_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KitEntry:
    """What stands beside the data, for when the data itself cannot be read."""

    digest: bytes
    name: str
    groups: tuple[str, ...]
    made_at: datetime


def write_code(entropy: bytes) -> str:
    """The code as it is printed: base32 in groups of four."""
    text = base64.b32encode(entropy).decode("ascii").rstrip("=")
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def parse_code(typed: str) -> bytes | None:
    """The SHA-256 of a code, however it is grouped and spelt; None for what can be none."""
    if len(typed) > MAX_TYPED:
        return None
    text = "".join(typed.split()).replace("-", "").upper().translate(_LOOKALIKES)
    if len(text) != _LENGTH:
        return None
    try:
        entropy = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        return None
    return hash_code(entropy)


def hash_code(entropy: bytes) -> bytes:
    """What is stored of a code."""
    return hashlib.sha256(b"doorward-break-glass-v1" + entropy).digest()
