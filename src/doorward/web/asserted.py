"""Whom a proxy names, in the header whose word counts for a sign-in (docs/adr 0023)."""

from collections.abc import Sequence
from dataclasses import dataclass

from doorward.errors import InputError
from doorward.rules.names import parse_login
from doorward.web.client import Trust


@dataclass(frozen=True, slots=True)
class AssertedHeader:
    """`name` in lower case. `peers`: who may say so."""

    name: bytes
    peers: Trust

    def read(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The user name or e-mail address that a peer asserts, canonical; "" where it asserts nothing.

        SECURITY: from anybody but these peers the header is not even looked at. From them it must be there once, and
        name one account: what could be read as another is refused (InputError), never guessed.
        tests/unit/test_asserted.py would fail.
        """
        if not self.peers.trusts(peer):
            return ""
        values = [value for name, value in headers if name == self.name]
        if len(values) > 1:
            raise InputError(f"the header {self.name.decode('ascii')} is there twice")
        if not values or not values[0]:
            return ""
        login = parse_login(values[0].decode("latin-1"))
        if login is None:
            raise InputError(f"the header {self.name.decode('ascii')} names nobody")
        return login
