"""Keys whose hash is slow and that were found right in this process: compared once, and remembered by a fast hash.

Gate and API share them, so that a key that one of the two has compared costs the other nothing.
"""

import hashlib
from hmac import compare_digest
from typing import Final

from doorward.rules.app_key import AppKey, KeyId

MOST_PROVEN: Final = 10_000


class ProvenKeys:
    """Bounded: when there are too many, the oldest is forgotten, and compared again.

    SECURITY: remembered with what is stored of a key, so that it counts as long as that stays the same.
    tests/unit/test_key_failures.py would fail.
    """

    def __init__(self, *, most: int = MOST_PROVEN) -> None:
        self._most = most
        self._proven: dict[tuple[KeyId, str], bytes] = {}

    def knows(self, key: AppKey, secret: bytes) -> bool:
        """Whether this was found to be the secret of this key, in constant time."""
        known = self._proven.get((key.id, key.digest))
        return known is not None and compare_digest(known, _digest_of(secret))

    def note(self, key: AppKey, secret: bytes) -> None:
        """This is the secret of this key."""
        while len(self._proven) >= self._most:
            del self._proven[next(iter(self._proven))]
        self._proven[key.id, key.digest] = _digest_of(secret)


def _digest_of(secret: bytes) -> bytes:
    return hashlib.sha256(b"doorward-proven-key-v1" + secret).digest()
