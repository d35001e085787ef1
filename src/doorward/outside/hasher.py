"""Password hashes: bcrypt or argon2id, off the event loop, in a bounded pool.

Stored forms: `bcrypt$2b$12$…`, `bcrypt-sha384$2b$12$…` where the password was reduced first (over 72 bytes, or with a
NUL, which bcrypt cannot take whole: never cut, docs/adr 0008), `argon2id$v=19$…`. The mark is part of the comparison,
so a password and its reduction are two different passwords. Accounts that came from elsewhere have the hash they came
with (`rules.password_hash`) until they sign in.
"""

import asyncio
import base64
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import bcrypt

from doorward.errors import InputError, UnavailableError
from doorward.interfaces import Random, Verified
from doorward.rules.password_hash import Algorithm, ForeignHash, OwnHash, read_hash

__all__ = ["MAX_BYTES", "Algorithm", "PooledHasher"]

MAX_BYTES: Final = 1024
_BCRYPT_BYTES = 72
_BCRYPT_SALT = 16
# RFC 9106, section 4, second recommendation: 64 MiB, three passes.
_ARGON2_MEMORY, _ARGON2_PASSES, _ARGON2_LANES, _ARGON2_BYTES, _ARGON2_SALT = 65536, 3, 4, 32, 16

_NICENESS = 10
_KEY_COST = 12

_T = TypeVar("_T")


class _Scheme(Protocol):
    """One algorithm under its present settings. Everything here is slow and runs in the pool."""

    def hash(self, password: bytes) -> str: ...

    def verify(self, password: bytes, hashed: str) -> bool: ...

    def is_current(self, hashed: str) -> bool: ...

    def dummy(self) -> str: ...


class PooledHasher:
    """`interfaces.PasswordHasher`. `cost` is bcrypt's (12 to 15 in service; less is for tests).

    At most `threads` hashes run and `queue` wait; one more is refused with UnavailableError, so that a storm of
    sign-ins costs bounded memory and time. What others have made runs in a thread of its own, one at a time: it may
    cost more than ours, and nobody else's sign-in waits for it.
    """

    def __init__(
        self,
        random: Random,
        *,
        algorithm: Algorithm = Algorithm.BCRYPT,
        cost: int = 12,
        threads: int = 2,
        queue: int = 64,
    ) -> None:
        self._schemes: dict[Algorithm, _Scheme] = {
            Algorithm.BCRYPT: _Bcrypt(cost, random),
            Algorithm.ARGON2ID: _Argon2(random),
        }
        self._present = self._schemes[algorithm]
        self._keys = _Bcrypt(min(cost, _KEY_COST), random)
        self._own = _Lane("doorward-hash", threads, queue)
        self._foreign = _Lane("doorward-foreign-hash", 1, queue)

    async def hash(self, password: str) -> str:
        """Hash under the present settings. InputError when the password is too long to be one."""
        raw = _encode(password)
        return await self._own.run(lambda: self._present.hash(raw))

    async def verify(self, password: str, hashed: str | None) -> Verified:
        """Check. With `hashed` None or unusable: the work of a check under the present settings, and never right.

        InputError when the password is too long to be one, whatever stands in the records.
        """
        raw = _encode(password)
        known = None if hashed is None else read_hash(hashed)
        lane = self._own if known is None or self._is_own(known) else self._foreign
        return await lane.run(lambda: self._verify(raw, known))

    async def hash_key(self, secret: bytes) -> str:
        """Hash the secret of a key for apps with bcrypt at cost 12 (A-20)."""
        return await self._own.run(lambda: self._keys.hash(_spell_key(secret)))

    async def verify_key(self, secret: bytes, hashed: str) -> bool:
        """Whether it is the secret that was hashed so; what is no such hash is never right."""
        known = read_hash(hashed)
        if not isinstance(known, OwnHash) or known.algorithm is not Algorithm.BCRYPT:
            return False
        return await self._own.run(lambda: self._keys.verify(_spell_key(secret), known.text))

    def queued(self) -> int:
        """How many hashes wait for a thread."""
        return self._own.queued() + self._foreign.queued()

    def close(self) -> None:
        """Take no more work and drop what waits."""
        self._own.close()
        self._foreign.close()

    def _is_own(self, known: OwnHash | ForeignHash) -> bool:
        # Of bcrypt nothing is read that costs more than ours may; of argon2id others take more memory.
        if not isinstance(known, OwnHash):
            return False
        return known.algorithm is Algorithm.BCRYPT or self._schemes[known.algorithm].is_current(known.text)

    def _verify(self, raw: bytes, known: OwnHash | ForeignHash | None) -> Verified:
        match known:
            case None:
                self._present.verify(raw, self._present.dummy())
                return Verified(right=False)
            case OwnHash(algorithm, text):
                scheme = self._schemes[algorithm]
                right = scheme.verify(raw, text)
                current = scheme is self._present and scheme.is_current(text)
                return Verified(right=right, needs_rehash=right and not current)
            case foreign:
                right = _verify_foreign(raw, foreign)
                return Verified(right=right, needs_rehash=right)


class _Lane:
    """So many threads, and so many who wait for one."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self._threads = threads
        self._most = threads + queue
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=_step_back)
        self._lock = threading.Lock()
        self._under_way = 0

    def queued(self) -> int:
        return max(0, self._under_way - self._threads)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], _T]) -> _T:
        with self._lock:
            if self._under_way >= self._most:
                raise UnavailableError("too many passwords are being checked at the moment")
            self._under_way += 1
        try:
            future: Future[_T] = self._pool.submit(work)
        except RuntimeError as error:
            self._finished()
            raise UnavailableError("the gateway is shutting down") from error
        # Counted until the work is done, not until somebody stops waiting for it.
        future.add_done_callback(self._finished)
        return await asyncio.wrap_future(future)

    def _finished(self, _future: object = None) -> None:
        with self._lock:
            self._under_way -= 1


class _Bcrypt:
    def __init__(self, cost: int, random: Random) -> None:
        self._cost = cost
        self._random = random

    def hash(self, password: bytes) -> str:
        salt = b"$2b$%02d$%s" % (self._cost, _bcrypt64(self._random.token(_BCRYPT_SALT)))
        name, reduced = ("bcrypt-sha384", _reduce(password)) if _must_reduce(password) else ("bcrypt", password)
        return name + bcrypt.hashpw(reduced, salt).decode("ascii")

    def verify(self, password: bytes, hashed: str) -> bool:
        name, _, rest = hashed.partition("$")
        reduced = _reduce(password) if _must_reduce(password) else password
        same = bcrypt.checkpw(reduced, b"$" + rest.encode("ascii"))
        # SECURITY: without the mark, the reduction of a long password would be a second password for the account;
        # tests/unit/test_hasher.py holds this.
        return same and (name == "bcrypt-sha384") == _must_reduce(password)

    def is_current(self, hashed: str) -> bool:
        return f"$2b${self._cost:02d}$" in hashed

    def dummy(self) -> str:
        # The shape of a hash, without the quarter second of making one; nobody knows what it would be the hash of.
        digest = _bcrypt64(self._random.token(24))[:31]
        return f"bcrypt$2b${self._cost:02d}${_bcrypt64(self._random.token(_BCRYPT_SALT)).decode()}{digest.decode()}"


class _Argon2:
    """The library is imported when the first hash needs it: most installations never do."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def hash(self, password: bytes) -> str:
        from argon2 import low_level

        return (
            low_level.hash_secret(
                password,
                self._random.token(_ARGON2_SALT),
                time_cost=_ARGON2_PASSES,
                memory_cost=_ARGON2_MEMORY,
                parallelism=_ARGON2_LANES,
                hash_len=_ARGON2_BYTES,
                type=low_level.Type.ID,
            )
            .decode("ascii")
            .removeprefix("$")
        )

    def verify(self, password: bytes, hashed: str) -> bool:
        from argon2 import exceptions, low_level

        try:
            return low_level.verify_secret(b"$" + hashed.encode("ascii"), password, low_level.Type.ID)
        except (exceptions.VerificationError, exceptions.InvalidHash):
            return False

    def is_current(self, hashed: str) -> bool:
        return hashed.startswith(f"argon2id$v=19$m={_ARGON2_MEMORY},t={_ARGON2_PASSES},p={_ARGON2_LANES}$")

    def dummy(self) -> str:
        salt, digest = (
            base64.b64encode(self._random.token(size)).rstrip(b"=").decode("ascii")
            for size in (_ARGON2_SALT, _ARGON2_BYTES)
        )
        return f"argon2id$v=19$m={_ARGON2_MEMORY},t={_ARGON2_PASSES},p={_ARGON2_LANES}${salt}${digest}"


def _verify_foreign(raw: bytes, known: ForeignHash) -> bool:
    # Imported when somebody comes who was never here: most installations never need it.
    from doorward.outside import foreign_hashes

    return foreign_hashes.verify(raw, known)


def _step_back() -> None:
    # Where they share a core, whoever asks for a check goes before whoever signs in. On Linux a thread has its own
    # priority; elsewhere this would slow the whole process down.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _encode(password: str) -> bytes:
    # Characters first: a text of megabytes is not even encoded (E13).
    if len(password) > MAX_BYTES:
        raise InputError(f"a password has at most {MAX_BYTES} bytes")
    try:
        raw = password.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the password is not valid text") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"a password has at most {MAX_BYTES} bytes")
    return raw


def _spell_key(secret: bytes) -> bytes:
    """64 characters that carry all of a key: bcrypt takes no NUL, and no token as long as ours are."""
    return hashlib.sha256(secret).hexdigest().encode("ascii")


def _must_reduce(password: bytes) -> bool:
    return len(password) > _BCRYPT_BYTES or b"\0" in password


def _reduce(password: bytes) -> bytes:
    """64 characters that carry the whole password: SHA-384 fits bcrypt without being cut."""
    return base64.b64encode(hashlib.sha384(password).digest())


_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


def _bcrypt64(raw: bytes) -> bytes:
    """Bcrypt's own base64: the usual bits in another alphabet."""
    return base64.b64encode(raw).rstrip(b"=").translate(_TO_BCRYPT)
