"""Identities: who somebody is at a provider, what that grants here, and the sessions that came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType

from doorward.rules.identity import UserId
from doorward.rules.provider import ProviderId
from doorward.rules.session import SessionHandle

IdentityId = NewType("IdentityId", str)
"""22 characters of unpadded base64url over 16 random bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account at a provider, linked to one of ours. Its key is (issuer, subject), byte for byte (H08, H11).

    `email` and `name` are the provider's words at the last sign-in, for people to recognise it by; nothing is decided
    by them. `groups` and `is_admin` are what the provider grants since then. `owns_profile`: it made the account, so
    the account's name and address follow it.
    """

    id: IdentityId
    user_id: UserId
    issuer: str
    subject: str
    provider: ProviderId
    email: str = ""
    name: str = ""
    owns_profile: bool = False
    groups: frozenset[str] = frozenset()
    is_admin: bool = False
    linked_at: datetime
    used_at: datetime | None = None
    """The last sign-in with it, None until there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSession:
    """What we know of the provider's side of one of our sessions. Tokens are sealed for their row."""

    handle: SessionHandle
    identity: IdentityId
    provider: ProviderId
    issuer: str
    subject: str
    sid: str = ""
    id_token: str = field(default="", repr=False)
    """Sealed; the hint that lets the provider sign out without asking."""
    refresh_token: str = field(default="", repr=False)
    """Sealed; "" where the session is not tied."""
    check_at: datetime | None = None
    """When the tie is tried next."""
    expires_at: datetime
    """When the session ends at the latest; the row may go then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvider:
    """A provider that was added in the console: settings as JSON, secrets sealed for this row."""

    id: ProviderId
    settings: str
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    enabled: bool = True
    changed_at: datetime
