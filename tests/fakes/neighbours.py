"""What the flows stand beside: neighbours that count what they are asked."""

import asyncio
from collections import Counter
from datetime import timedelta

from doorward.errors import UnavailableError
from doorward.interfaces import Verified
from doorward.rules import envelope
from tests.fakes.system import FakeRandom


class FakeHasher:
    """`interfaces.PasswordHasher` that tells how often it worked, and can be held up in the middle of it."""

    def __init__(self):
        self.work = 0
        self.version = "v1"
        self.full = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def hash(self, password):
        await self._work()
        return f"{self.version}:{password}"

    async def verify(self, password, hashed):
        await self._work()
        version, mark, known = (hashed or "").partition(":")
        right = bool(mark) and version in {"v1", "v2"} and known == password
        return Verified(right, needs_rehash=right and version != self.version)

    def queued(self):
        return 0

    async def _work(self):
        if self.full:
            raise UnavailableError("too many hashes wait")
        self.work += 1
        self.reached.set()
        await self.gate.wait()


class FakeKeyring:
    """`interfaces.Keyring` with one key."""

    def __init__(self):
        self._key = b"\x01" * 32
        self.key_ids = (envelope.key_id(self._key),)
        self.source = "the test"
        self._random = FakeRandom("nonce")

    def seal(self, place, plaintext):
        return envelope.seal(self._key, place, plaintext, installation="", entropy=self._random.token(12))

    def unseal(self, place, sealed):
        return envelope.unseal({envelope.key_id(self._key): self._key}, place, sealed, installation="")

    def derive(self, purpose):
        return envelope.derive(self._key, purpose)


class FakePause:
    """`interfaces.Pause`: time goes on, nobody waits."""

    def __init__(self, clock):
        self._clock = clock
        self.waits = []

    async def __call__(self, seconds, /):
        self.waits.append(seconds)
        self._clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)


class FakeTally:
    """`interfaces.Tally`."""

    def __init__(self):
        self.logins = Counter()
        self.limited = Counter()

    def count_login(self, result):
        self.logins[result] += 1

    def count_limited(self, bucket):
        self.limited[bucket] += 1


class FakeLog:
    """`interfaces.Log` that keeps what it is told."""

    def __init__(self):
        self.events = []

    def _note(self, event, **fields):
        self.events.append((event, fields))

    debug = info = warning = error = _note
