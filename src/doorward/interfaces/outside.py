"""Everything beyond the process: other servers, authenticators, mail, slow hashes, the master keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from doorward.rules.envelope import Place
from doorward.rules.identity import User
from doorward.rules.oidc import Arrival, Authenticated, Departure, Finding, LogoutToken
from doorward.rules.provider import Provider


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a password check. `needs_rehash`: it was right, but hashed under older settings."""

    right: bool
    needs_rehash: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of a server elsewhere. Names of `headers` are lower case; where one came twice, the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetch(Protocol):
    """The only way out. Guarded: what may be asked for, where it leads, how long it takes, how much comes back."""

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int = 256 * 1024,
    ) -> Fetched:
        """Ask. No redirect is followed, no cookie kept, no proxy or netrc of the environment heeded.

        PeerError, with a sentence for the operator, where the address is not allowed, cannot be reached or is not who
        it should be, the answer is malformed or larger than `limit` bytes, or takes too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class Renewed:
    """What came of a refresh. `authenticated` where the provider said who it is; `refresh_token` "" if unchanged."""

    refresh_token: str
    authenticated: Authenticated | None


class Upstream(Protocol):
    """The providers, spoken to in their protocol. Every method may raise `rules.oidc.UpstreamError`.

    What is found out about a provider (discovery, keys) is kept for a while, also that it failed; nothing of one
    sign-in is ever kept here (H05).
    """

    async def acquaint(self, provider: Provider) -> None:
        """Find out what must be known before anybody can be sent there, unless it is known and fresh."""
        ...

    async def depart(self, provider: Provider, departure: Departure) -> str:
        """The URL to send the browser to."""
        ...

    async def arrive(self, provider: Provider, arrival: Arrival, *, now: datetime) -> Authenticated:
        """Exchange the code and verify everything that came."""
        ...

    async def renew(self, provider: Provider, refresh_token: str, *, subject: str, now: datetime) -> Renewed:
        """Use a refresh token. UpstreamError CODE_REFUSED where the provider does not take it (any more)."""
        ...

    async def read_logout_token(self, provider: Provider, token: str, *, now: datetime) -> LogoutToken:
        """Verify a back-channel logout token. The caller sees to it that a `jti` counts once."""
        ...

    async def find_logout_url(self, provider: Provider, *, id_token: str, return_url: str) -> str | None:
        """Where the browser signs out at the provider and is sent back to `return_url`; None where there is none."""
        ...

    async def examine(self, provider: Provider, *, public_url: str, now: datetime) -> list[Finding]:
        """Try whatever can be tried without a person, and say in plain words how it went. Never raises."""
        ...

    def find_trouble(self, provider: Provider) -> str | None:
        """Why the provider cannot be used just now as far as is known, without asking it; None when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a browser registered. `credential_id` and `public_key` are raw bytes."""

    credential_id: bytes
    public_key: bytes
    transports: tuple[str, ...]
    sign_count: int
    verified: bool
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a passkey signed."""

    sign_count: int
    verified: bool
    backup_eligible: bool
    backed_up: bool


class Passkeys(Protocol):
    """WebAuthn. Relying party and origins are configured, never sent (G02, G03). InputError where all is not well.

    `answer` is the JSON text that the browser's `PublicKeyCredential.toJSON()` gives.
    """

    def ask_registration(
        self, user: User, challenge: bytes, *, exclude: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool
    ) -> str:
        """The options for `navigator.credentials.create`, as JSON text. `exclude`: credentials there are already.

        `verify`: one that cannot verify its user would be of no use.
        """
        ...

    def read_registration(self, answer: str, challenge: bytes) -> NewPasskey:
        """Verify what came of it."""
        ...

    def ask_assertion(self, challenge: bytes, *, allow: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool) -> str:
        """The options for `navigator.credentials.get`. No `allow`: any passkey. `verify`: its user must be verified."""
        ...

    def read_handle(self, answer: str) -> tuple[bytes, bytes | None]:
        """Credential id and user handle of an answer that is not verified yet."""
        ...

    def read_assertion(self, answer: str, challenge: bytes, *, public_key: bytes, verify: bool) -> Assertion:
        """Verify it. Counter and backup marks are the caller's to judge (`rules.passkey`)."""
        ...


class Mailer(Protocol):
    """The way to an SMTP server."""

    async def send(self, *, to: str, subject: str, text: str, html: str, message_id: str) -> None:
        """Hand one mail over. UnavailableError where trying again may help, PeerError where it cannot."""
        ...


class PasswordHasher(Protocol):
    """Slow hashes, off the event loop, in a bounded pool."""

    async def hash(self, password: str) -> str:
        """Hash under the present settings. InputError when the password is too long to be one."""
        ...

    async def verify(self, password: str, hashed: str | None) -> Verified:
        """Check. With `hashed` None or unusable: the same work and time, and never right (E01, E22)."""
        ...

    def queued(self) -> int:
        """How many hashes wait for a thread."""
        ...


class Keyring(Protocol):
    """Sealing under the master keys, and keys derived from a stored root."""

    def seal(self, place: Place, plaintext: bytes) -> str:
        """Seal for `place` under the newest key."""
        ...

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open what was sealed for `place`. TamperError when it does not open."""
        ...

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (CSRF tokens and the like), the same at every start, under any master key."""
        ...


class Messenger(Protocol):
    """Messages to services that operators look at."""

    async def send(self, target: str, *, title: str, text: str) -> None:
        """Hand a message to the target of this name. UnavailableError, in words fit to show, where it did not take it.

        Nothing that a target answers is repeated, nor its address.
        """
        ...
