"""What is remembered of providers: their descriptions, keys and failures. Nothing of any sign-in (H05)."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from doorward.errors import InputError
from doorward.interfaces import Clock, Fetched
from doorward.outside.upstream.conversation import Conversation
from doorward.rules.discovery import Metadata, make_discovery_url, read_metadata
from doorward.rules.jose import PublicKey, SignedToken, find_key, parse_key_set
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import Provider
from doorward.rules.strict_json import parse_object

MOST_PROVIDERS: Final = 256
METADATA_LIFE: Final = 3600.0
KEYS_LIFE: Final = 900.0
REFETCH_PAUSE: Final = 5.0
"""Seconds between two fetches of keys that an unknown key id brings about: anybody can make one up (I05)."""
_FIRST_BACKOFF: Final = 2.0
_LONGEST_BACKOFF: Final = 60.0

T = TypeVar("T")


class _Cell(Generic[T]):
    """One thing that is fetched: by one at a time, kept for a while, after a failure not asked for again at once."""

    def __init__(self, clock: Clock, life: float) -> None:
        self._clock = clock
        self._life = life
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched_at = 0.0
        self._renewed_at = -math.inf
        self._trouble: tuple[Failure, str] | None = None
        self._failures = 0
        self._retry_at = 0.0

    @property
    def trouble(self) -> str | None:
        """What went wrong last, while nothing has gone right since and nothing kept does instead."""
        return None if self._trouble is None or self._is_fresh() else self._trouble[1]

    async def get(self, load: Callable[[], Awaitable[T]]) -> T:
        """What is kept, or what `load` brings."""
        if self._value is not None and self._is_fresh():
            return self._value
        async with self._lock:
            if self._value is not None and self._is_fresh():
                return self._value  # somebody else fetched it meanwhile
            return await self._fetch(load)

    async def get_other_than(self, value: T, load: Callable[[], Awaitable[T]], *, pause: float) -> T:
        """What `load` brings, for somebody to whom `value` is not enough; once in so many seconds, else `value`."""
        async with self._lock:
            if self._value is not None and self._value is not value:
                return self._value  # somebody else fetched it meanwhile
            if self._clock.elapsed() < self._renewed_at + pause:
                return value
            self._renewed_at = self._clock.elapsed()
            return await self._fetch(load)

    async def _fetch(self, load: Callable[[], Awaitable[T]]) -> T:
        if self._trouble is not None and self._clock.elapsed() < self._retry_at:
            raise UpstreamError(*self._trouble)
        try:
            self._value = await load()
        except UpstreamError as error:
            self._trouble = (error.failure, str(error))
            self._retry_at = self._clock.elapsed() + min(_FIRST_BACKOFF * 2.0**self._failures, _LONGEST_BACKOFF)
            self._failures = min(self._failures + 1, 10)
            raise
        self._fetched_at = self._clock.elapsed()
        self._trouble, self._failures = None, 0
        return self._value

    def _is_fresh(self) -> bool:
        return self._value is not None and self._clock.elapsed() < self._fetched_at + self._life


class _Known:
    """What is known of one provider."""

    def __init__(self, clock: Clock) -> None:
        self.metadata: _Cell[Metadata] = _Cell(clock, METADATA_LIFE)
        self.keys: _Cell[tuple[PublicKey, ...]] = _Cell(clock, KEYS_LIFE)
        self.keys_from = ""


class Knowledge:
    """The memory of the latest 256 providers."""

    def __init__(self, conversation: Conversation, clock: Clock) -> None:
        self._conversation = conversation
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    async def get_metadata(self, provider: Provider) -> Metadata:
        """The provider's description of itself. UpstreamError where there is none that can be used."""

        async def load() -> Metadata:
            return (await fetch_metadata(self._conversation, provider))[0]

        return await self._of(provider).metadata.get(load)

    async def get_key(
        self, provider: Provider, metadata: Metadata, token: SignedToken, *, other_than: PublicKey | None = None
    ) -> PublicKey:
        """The key `token` names. UpstreamError where there is none, or more than one.

        `other_than`: the one that did not make the signature; not every provider gives a new key a new name, or any.
        """
        known = self._of(provider)
        if known.keys_from != metadata.jwks_uri:
            known.keys, known.keys_from = _Cell(self._clock, KEYS_LIFE), metadata.jwks_uri

        async def load() -> tuple[PublicKey, ...]:
            return await fetch_keys(self._conversation, metadata)

        try:
            keys = await known.keys.get(load)
            key = find_key(keys, token)
            if key is None or key == other_than:
                # The provider may have a new one. Whoever makes up tokens gets us to ask every few seconds, no more.
                key = find_key(await known.keys.get_other_than(keys, load, pause=REFETCH_PAUSE), token)
        except InputError as error:
            raise UpstreamError(Failure.TOKEN, f"its token is refused: {error}") from None
        if key is None:
            raise UpstreamError(Failure.TOKEN, "its token is refused: it is signed with a key that it does not publish")
        return key

    def find_trouble(self, provider: Provider) -> str | None:
        """What went wrong when the provider was asked last, None where nothing did or it was never asked."""
        known = self._known.get(_name(provider))
        return None if known is None else known.metadata.trouble or known.keys.trouble

    def forget(self, provider: Provider) -> None:
        """Ask anew the next time."""
        self._known.pop(_name(provider), None)

    def _of(self, provider: Provider) -> _Known:
        name = _name(provider)
        known = self._known.setdefault(name, _Known(self._clock))
        self._known.move_to_end(name)
        if len(self._known) > MOST_PROVIDERS:
            self._known.popitem(last=False)
        return known


def _name(provider: Provider) -> tuple[str, str, str]:
    """All that what is remembered depends on (I16)."""
    return (provider.id, provider.issuer, provider.discovery_url)


async def fetch_metadata(conversation: Conversation, provider: Provider) -> tuple[Metadata, Fetched]:
    """Ask a provider for its description; the raw answer too, for its `Date`."""
    url = make_discovery_url(provider)
    answer = await conversation.get(url)
    _check_status(answer, url)
    try:
        document = parse_object(answer.body)
    except InputError as error:
        raise UpstreamError(Failure.DISCOVERY, f"what {url} answers is no description of a provider: {error}") from None
    return read_metadata(document, provider, source=url), answer


async def fetch_keys(conversation: Conversation, metadata: Metadata) -> tuple[PublicKey, ...]:
    """Ask a provider for its keys. UpstreamError where there is none to verify a signature with."""
    answer = await conversation.get(metadata.jwks_uri)
    _check_status(answer, metadata.jwks_uri)
    try:
        keys = parse_key_set(answer.body)
    except InputError as error:
        raise UpstreamError(Failure.DISCOVERY, f"its keys at {metadata.jwks_uri} are unreadable: {error}") from None
    if not keys:
        raise UpstreamError(Failure.DISCOVERY, f"it has no key at {metadata.jwks_uri} that could verify a signature")
    return keys


def _check_status(answer: Fetched, url: str) -> None:
    if answer.status >= 500:  # noqa: PLR2004 -- the server's own fault
        raise UpstreamError(Failure.UNREACHABLE, f"{url} answers {answer.status}")
    if answer.status != 200:  # noqa: PLR2004 -- OK
        redirected = " (redirects are not followed)" if 300 <= answer.status < 400 else ""  # noqa: PLR2004
        raise UpstreamError(Failure.DISCOVERY, f"{url} answers {answer.status}{redirected}")
