"""Identities: who somebody is at a provider, what that grants here, and the sessions that came of it.

What a provider says is verified before it comes here (`rules.oidc`): it is its word. How far that word goes is decided
here, by the provider's settings, and what does not fit exactly counts for nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NewType

from doorward.errors import InputError
from doorward.rules.claims import find_claim
from doorward.rules.identity import UserId
from doorward.rules.names import NOBODYS_NAMES, parse_display_name, parse_email, parse_group_name, parse_user_name
from doorward.rules.oidc import Authenticated, Failure
from doorward.rules.provider import GOOGLE_ISSUER, Kind, Provider, ProviderId
from doorward.rules.session import Method, SessionHandle

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


def session_mark(issuer: str, sid: str) -> str:
    """The mark of a session that its provider has ended (`interfaces.put_mark`)."""
    # An issuer has colons in it and no space, so that nobody's is the beginning of somebody else's (I16).
    return f"sid {issuer} {sid}"


def unnamed_mark(issuer: str, subject: str) -> str:
    """The mark of somebody one of whose sessions their provider has ended, by a name that it had not told us."""
    return f"unnamed {issuer} {subject}"


def subject_mark(issuer: str, subject: str) -> str:
    """The mark of somebody whose every session their provider has ended."""
    return f"sub {issuer} {subject}"


@dataclass(frozen=True, slots=True)
class MfaTrust:
    """What counts as a second factor where a provider's word on that counts: one of these `amr`, or this `acr`."""

    amr: frozenset[str] = frozenset({"mfa", "otp", "hwk", "swk"})
    acr: frozenset[str] = frozenset()


MAX_GROUPS: Final = 256
"""So many groups of one identity are kept, in the provider's order; more are more than a header of ours could carry."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._-]+")
MAX_WISH: Final = 256
"""Characters that are looked at of the name they have there."""
RESERVED_NAMES: Final = frozenset(
    {"admin", "administrator", "guest", "nobody", "operator", "root", "superuser", "sysadmin"} | NOBODYS_NAMES
)
"""What nobody is called because they say so elsewhere: apps that are told of names take these for somebody special."""
_NAME_TRIES: Final = 9
_NAME_ROOM: Final = 56
"""Characters of a proposed name, so that there is room for what tells it from another."""


def verified_email(provider: Provider, authenticated: Authenticated) -> str:
    """The canonical address that the provider vouches for; "" where there is none.

    SECURITY: nothing else of an address may reach an account, a comparison or a link (H08, H09).
    tests/property/test_admission.py holds that.
    """
    claims = authenticated.claims
    # `is True`: "true" and 1 are what somebody typed into a profile, not what a provider verified.
    assumed = provider.assume_verified and "email_verified" not in claims
    if authenticated.email_verified is not True and not assumed:
        return ""
    try:
        email = parse_email(authenticated.email)
    except InputError:
        return ""
    # Google verifies once and keeps saying so; it answers for an address for good only where it gives it out itself:
    # those at gmail.com, and those of the organisation that `hd` names.
    if _is_google(provider) and not email.endswith("@gmail.com") and not _hosted_domain(authenticated):
        return ""
    return email


def admit(provider: Provider, authenticated: Authenticated) -> Failure | None:
    """Say whether `allowed_*` name this person; None where they do, or where none is set.

    Addresses and domains are one condition, groups another. Asked again at every sign-in and every renewal.
    """
    if provider.allowed_emails or provider.allowed_domains:
        email = verified_email(provider, authenticated)
        domain = _hosted_domain(authenticated) if _is_google(provider) else email.rpartition("@")[2]
        named = email != "" and email in _lower(provider.allowed_emails)
        if not named and not (domain != "" and domain in _lower(provider.allowed_domains)):
            return Failure.NOT_ALLOWED
    if provider.allowed_groups and provider.allowed_groups.isdisjoint(_words(authenticated, provider.groups_claim)):
        return Failure.NOT_ALLOWED
    return None


def groups_of(provider: Provider, authenticated: Authenticated) -> frozenset[str]:
    """The groups of ours that the provider grants: renamed, or with the prefix; what is no group name is left out."""
    renamed = dict(provider.groups_rename)
    groups: dict[str, None] = {}
    for word in _words(authenticated, provider.groups_claim):
        try:
            groups[parse_group_name(renamed.get(word, provider.groups_prefix + word))] = None
        except InputError:
            continue
        if len(groups) == MAX_GROUPS:
            break
    return frozenset(groups)


def is_admin(provider: Provider, authenticated: Authenticated) -> bool:
    """Whether the provider makes them an administrator: the claim is, or holds, exactly the value."""
    if not provider.admin_claim or not provider.admin_value:
        return False
    if find_claim(authenticated.claims, provider.admin_claim) is True:
        return provider.admin_value == "true"
    return provider.admin_value in _words(authenticated, provider.admin_claim)


def methods_of(provider: Provider, authenticated: Authenticated, trust: MfaTrust) -> frozenset[Method]:
    """How they proved who they are, as far as the provider's word on that counts."""
    methods = {Method.UPSTREAM}
    if provider.trust_mfa and (authenticated.amr & trust.amr or authenticated.acr in trust.acr - {""}):
        methods.add(Method.UPSTREAM_MFA)
    return frozenset(methods)


def display_name_of(authenticated: Authenticated) -> str:
    """The name to show, "" where there is none that can be shown."""
    try:
        return parse_display_name(authenticated.name)
    except InputError:
        return ""


def propose_user_names(provider: Provider, authenticated: Authenticated, *, entropy: bytes) -> Iterator[str]:
    """User names for a new account, the best first; the last is nobody's. `entropy`: 6 random bytes.

    From what they are called there, or else from the verified address. A name is never a key to an account that exists:
    whoever takes one of these must see to it that it is free, and that no rule speaks of it already.
    """
    for wish in (authenticated.user_name, verified_email(provider, authenticated)):
        stem = _NOT_IN_NAMES.sub("-", wish[:MAX_WISH].partition("@")[0].lower())[:_NAME_ROOM].strip("._-")
        if stem:
            # SECURITY: the name goes to every app behind us, and some have an `admin` of their own.
            # tests/unit/test_admission.py calls itself so.
            if stem not in RESERVED_NAMES:
                yield parse_user_name(stem)
            yield from (parse_user_name(f"{stem}-{number}") for number in range(2, _NAME_TRIES + 1))
    yield f"user-{entropy.hex()}"


def _words(authenticated: Authenticated, path: str) -> list[str]:
    """The words a claim holds: one string, the strings of a list, or the names in an object (roles at Zitadel)."""
    match find_claim(authenticated.claims, path):
        case str() as word:
            return [word]
        case list() | Mapping() as words:
            return [word for word in words if isinstance(word, str)]
        case _:
            return []


def _is_google(provider: Provider) -> bool:
    return provider.kind is Kind.GOOGLE or provider.issuer == GOOGLE_ISSUER


def _hosted_domain(authenticated: Authenticated) -> str:
    domain = authenticated.claims.get("hd")
    return domain.lower() if isinstance(domain, str) else ""


def _lower(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)
