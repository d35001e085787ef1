"""The keys that assertions are verified with: given, or fetched from the gateway and kept."""

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from doorward.verify.strict import RefusedError, decode, read_object

WELL_KNOWN: Final = "/.well-known/jwks.json"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_BYTES: Final = 64 * 1024
_MOST_KEYS: Final = 64
_SIZE: Final = 32
_KINDS: Final = {"EdDSA": ("OKP", "Ed25519", ("x",)), "ES256": ("EC", "P-256", ("x", "y"))}
"""The one type of key and curve each algorithm is verified with (I02, I11)."""

_log = logging.getLogger("doorward.verify")


class KeysUnavailableError(Exception):
    """The keys could not be had, now or for too long: nothing can be verified."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, and the one algorithm it is for."""

    kid: str
    algorithm: str
    members: Mapping[str, str] = field(repr=False)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether it made this signature."""
        # SECURITY: the class that takes the key is chosen by our own table, and neither of the two can make a key for
        # an HMAC (I02); tests/attacks/test_assertions.py would fail.
        kind = OKPKey if self.algorithm == "EdDSA" else ECKey
        try:
            key: Any = kind.import_key(dict(self.members))
            algorithm = JWSRegistry.algorithms[self.algorithm]
            algorithm.check_key(key)
            return algorithm.verify(signed, signature, key)
        except (JoseError, ValueError):
            # A point that is not on the curve, say.
            return False


class KeySource(Protocol):
    """Where keys are looked for."""

    def knows(self, kid: str) -> bool:
        """Whether `find` answers at once, without asking anybody."""
        ...

    def find(self, kid: str) -> PublicKey | None:
        """The key with exactly this name; None where there is none. KeysUnavailableError where nobody can say."""
        ...


def read_key_set(raw: bytes) -> dict[str, PublicKey]:
    """The keys of a JWK set by name. RefusedError where it is none.

    Those of other kinds and uses are left out, and all that share a name: what is ambiguous is not tried (I05).
    """
    keys = read_object(raw).get("keys")
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise RefusedError("it is no set of keys, or has too many")
    found: dict[str, PublicKey] = {}
    names = [each.get("kid") for each in keys if isinstance(each, dict)]
    for each in keys:
        key = _read_key(each)
        if key is not None and names.count(key.kid) == 1:
            found[key.kid] = key
    return found


def _read_key(entry: Any) -> PublicKey | None:
    if not isinstance(entry, dict):
        return None
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not isinstance(kid, str) or not isinstance(algorithm, str) or algorithm not in _KINDS:
        return None
    kind, curve, coordinates = _KINDS[algorithm]
    # A key whose private half is published proves nothing any more.
    if (entry.get("kty"), entry.get("crv"), entry.get("use")) != (kind, curve, "sig") or "d" in entry:
        return None
    if not all(_is_coordinate(entry.get(name)) for name in coordinates):
        return None
    return PublicKey(kid, algorithm, {"kty": kind, "crv": curve, **{name: entry[name] for name in coordinates}})


def _is_coordinate(text: Any) -> bool:
    try:
        return isinstance(text, str) and len(decode(text)) == _SIZE
    except RefusedError:
        return False


class FixedKeys:
    """`KeySource` of a JWK set that is at hand. For tests, and for apps that are given the set some other way."""

    def __init__(self, key_set: str | bytes) -> None:
        """RefusedError where it is no JWK set."""
        self._keys = read_key_set(key_set.encode("utf-8") if isinstance(key_set, str) else key_set)

    def knows(self, kid: str) -> bool:  # noqa: ARG002 -- it always answers at once
        """Always."""
        return True

    def find(self, kid: str) -> PublicKey | None:
        """The key with this name."""
        return self._keys.get(kid)


class RemoteKeys:
    """`KeySource` of what the gateway publishes. Safe to share between threads.

    The set is fetched when it is first needed, again when it is `refresh_after` seconds old or names no key that is
    asked for, and never more often than every `cooldown` seconds, whatever is presented. Where that fails, what is
    there counts on, for `keep_for` seconds since it was last fetched.
    """

    def __init__(
        self,
        url: str,
        *,
        refresh_after: float = 300,
        cooldown: float = 10,
        keep_for: float = 86400,
        timeout: float = 5,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,  # noqa: TID251 -- this runs in an app, which has no clock of ours
    ) -> None:
        """`url`: `https://auth.example.com/.well-known/jwks.json`. ValueError for plain http but to this machine."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("keys are fetched over https: whoever is in between could hand out their own")
        self._url = url
        self._refresh_after = refresh_after
        self._cooldown = cooldown
        self._keep_for = keep_for
        self._timeout = timeout
        self._clock = clock
        self._turn = threading.Lock()
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        # Neither redirects nor proxies of the environment: the answer is that of this address, or none.
        self._opener = OpenerDirector()
        self._opener.add_handler(HTTPHandler())
        self._opener.add_handler(HTTPSHandler(context=tls or ssl.create_default_context()))

    def knows(self, kid: str) -> bool:
        """Whether the key is here and the set is young enough."""
        return kid in self._keys and self._is_younger(self._refresh_after)

    def find(self, kid: str) -> PublicKey | None:
        """The key with this name, fetched where need be."""
        if not self.knows(kid):
            # Whoever has a key already does not wait for somebody else's look at the set.
            if self._turn.acquire(blocking=kid not in self._keys):
                try:
                    if not self.knows(kid) and self._may_try():
                        self._fetch()
                finally:
                    self._turn.release()
            if not self._is_younger(self._keep_for):
                raise KeysUnavailableError("the keys of the gateway cannot be fetched")
        return self._keys.get(kid)

    def _is_younger(self, span: float) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < span

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._cooldown

    def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            keys = read_key_set(self._ask())
        except (OSError, http.client.HTTPException, RefusedError) as error:
            _log.warning("the keys of the gateway were not fetched from %s: %s", self._url, error)
            return
        self._keys, self._fetched_at = keys, self._clock()

    def _ask(self) -> bytes:
        request = Request(self._url, headers={"Accept": "application/json", "Cache-Control": "no-cache"})  # noqa: S310 -- https
        until = self._clock() + self._timeout
        with self._opener.open(request, timeout=self._timeout) as response:
            if response.status != http.client.OK:
                raise RefusedError(f"the gateway answered {response.status}")
            raw = b""
            while piece := response.read1(_MOST_BYTES):
                raw += piece
                if len(raw) > _MOST_BYTES or self._clock() > until:
                    raise RefusedError("the answer is too long, or takes too long")
        return raw
