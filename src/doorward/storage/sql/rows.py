"""Rows to values and back. A row that no version of us can have written is a TamperError, never a default."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from sqlalchemy import RowMapping

from doorward.errors import TamperError
from doorward.rules.app_key import ApiScope, AppKey, KeyId, KeyKind
from doorward.rules.identity import User, UserId
from doorward.rules.provider import ProviderId
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle
from doorward.rules.ticket import Purpose, Ticket, TicketId
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession

_MICROSECOND = timedelta(microseconds=1)


def encode_state(state: Mapping[str, str]) -> str:
    """Canonical JSON, so that equal mappings are equal text."""
    return json.dumps(dict(state), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def decode_state(text: str) -> dict[str, str]:
    """What `encode_state` wrote. TamperError for anything else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TamperError("a stored mapping is not JSON") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise TamperError("a stored mapping is not one of text to text")
    return found


def encode_methods(methods: frozenset[Method]) -> str:
    """The methods' words, sorted, joined by commas."""
    return ",".join(sorted(method.value for method in methods))


@lru_cache(maxsize=64)
def decode_methods(text: str) -> frozenset[Method]:
    """What `encode_methods` wrote. TamperError for anything else."""
    try:
        return frozenset(Method(word) for word in text.split(",") if word)
    except ValueError as error:
        raise TamperError("a stored session names a method we do not know") from error


def encode_user(user: User) -> dict[str, Any]:
    """The columns of `users`: the account's own. Its groups stand in their own table, what is granted elsewhere."""
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "is_admin": user.is_admin,
        "enabled": user.enabled,
        "generation": user.generation,
        "created_at": user.created_at,
        "must_change_password": user.must_change_password,
        "awaits_approval": user.awaits_approval,
        "console_only": user.console_only,
        "language": user.language,
        "enrol_by": user.enrol_by,
        "is_service": user.is_service,
    }


def decode_user(
    row: RowMapping, groups: frozenset[str], *, granted_groups: frozenset[str], granted_admin: bool
) -> User:
    """The account of a row of `users`."""
    return User(
        id=UserId(row["id"]),
        name=row["name"],
        display_name=row["display_name"],
        email=row["email"],
        groups=groups,
        is_admin=row["is_admin"],
        enabled=row["enabled"],
        generation=row["generation"],
        created_at=row["created_at"],
        granted_groups=granted_groups,
        granted_admin=granted_admin,
        must_change_password=row["must_change_password"],
        awaits_approval=row["awaits_approval"],
        console_only=row["console_only"],
        language=row["language"],
        enrol_by=row["enrol_by"],
        is_service=row["is_service"],
    )


def encode_app_key(key: AppKey) -> dict[str, Any]:
    """The columns of `app_keys`; what it opens as one canonical JSON object."""
    reach = {
        "apps": key.apps,
        "hosts": key.hosts,
        "paths": key.paths,
        "methods": sorted(key.methods),
        "networks": [str(network) for network in key.networks],
        "scopes": sorted(scope.value for scope in key.scopes),
        "read_only": key.read_only,
        "in_url": key.in_url,
    }
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "kind": key.kind.value,
        "digest": key.digest,
        "preview": key.preview,
        "made_at": key.made_at,
        "made_by": key.made_by,
        "reach": json.dumps(reach, sort_keys=True, separators=(",", ":"), ensure_ascii=True),
        "generation": key.generation,
        "expires_at": key.expires_at,
        "disabled_at": key.disabled_at,
        "woken_at": key.woken_at,
        "uses": key.uses,
        "last_used_at": key.last_used_at,
        "sealed": key.sealed,
    }


def decode_app_key(row: Mapping[Any, Any]) -> AppKey:
    """The key of a row of `app_keys`. TamperError where it says what we cannot have written."""
    try:
        reach = json.loads(row["reach"])
        return AppKey(
            id=KeyId(row["id"]),
            user_id=UserId(row["user_id"]),
            name=row["name"],
            kind=KeyKind(row["kind"]),
            digest=row["digest"],
            preview=row["preview"],
            made_at=row["made_at"],
            made_by=row["made_by"],
            apps=tuple(reach["apps"]),
            hosts=tuple(reach["hosts"]),
            paths=tuple(reach["paths"]),
            methods=frozenset(reach["methods"]),
            networks=tuple(ip_network(text) for text in reach["networks"]),
            scopes=frozenset(ApiScope(word) for word in reach["scopes"]),
            read_only=reach["read_only"] is not False,
            in_url=reach["in_url"] is True,
            generation=row["generation"],
            expires_at=row["expires_at"],
            disabled_at=row["disabled_at"],
            woken_at=row["woken_at"],
            uses=row["uses"],
            last_used_at=row["last_used_at"],
            sealed=row["sealed"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TamperError("a stored key says what we cannot have written") from error


def encode_session(session: Session) -> dict[str, Any]:
    """The columns of `sessions`."""
    idle = session.idle_timeout
    ends_at = session.expires_at if idle is None else min(session.expires_at, session.last_seen_at + idle)
    return {
        "fingerprint": session.fingerprint,
        "handle": session.handle,
        "user_id": session.user_id,
        "generation": session.generation,
        "created_at": session.created_at,
        "authenticated_at": session.authenticated_at,
        "expires_at": session.expires_at,
        "idle_micros": None if idle is None else idle // _MICROSECOND,
        "last_seen_at": session.last_seen_at,
        "ends_at": ends_at,
        "methods": encode_methods(session.methods),
        "remembered": session.remembered,
        "user_agent": session.user_agent,
        "address": session.address,
        "parent": session.parent,
    }


def decode_session(row: RowMapping) -> Session:
    """The session of a row of `sessions`."""
    idle = row["idle_micros"]
    return Session(
        fingerprint=Fingerprint(row["fingerprint"]),
        handle=SessionHandle(row["handle"]),
        user_id=UserId(row["user_id"]),
        generation=row["generation"],
        created_at=row["created_at"],
        authenticated_at=row["authenticated_at"],
        expires_at=row["expires_at"],
        idle_timeout=None if idle is None else timedelta(microseconds=idle),
        last_seen_at=row["last_seen_at"],
        methods=decode_methods(row["methods"]),
        remembered=row["remembered"],
        user_agent=row["user_agent"],
        address=row["address"],
        parent=None if row["parent"] is None else SessionHandle(row["parent"]),
    )


def encode_ticket(ticket: Ticket) -> dict[str, Any]:
    """The columns of `tickets`."""
    return {
        "id": ticket.id,
        "purpose": ticket.purpose.value,
        "browser": ticket.browser,
        "state": encode_state(ticket.state),
        "created_at": ticket.created_at,
        "expires_at": ticket.expires_at,
    }


def decode_ticket(row: RowMapping) -> Ticket:
    """The ticket of a row of `tickets`; its purpose is one that was asked for, so it is known."""
    return Ticket(
        id=TicketId(row["id"]),
        purpose=Purpose(row["purpose"]),
        browser=row["browser"],
        state=decode_state(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def encode_identity(identity: Identity) -> dict[str, Any]:
    """The columns of `identities`; the groups stand in their own table."""
    return {
        "id": identity.id,
        "user_id": identity.user_id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "provider": identity.provider,
        "email": identity.email,
        "name": identity.name,
        "owns_profile": identity.owns_profile,
        "is_admin": identity.is_admin,
        "linked_at": identity.linked_at,
        "used_at": identity.used_at,
    }


def decode_identity(row: RowMapping, groups: frozenset[str]) -> Identity:
    """The identity of a row of `identities`."""
    return Identity(
        id=IdentityId(row["id"]),
        user_id=UserId(row["user_id"]),
        issuer=row["issuer"],
        subject=row["subject"],
        provider=ProviderId(row["provider"]),
        email=row["email"],
        name=row["name"],
        owns_profile=row["owns_profile"],
        groups=groups,
        is_admin=row["is_admin"],
        linked_at=row["linked_at"],
        used_at=row["used_at"],
    )


def encode_upstream_session(session: UpstreamSession) -> dict[str, Any]:
    """The columns of `upstream_sessions`."""
    return {
        "handle": session.handle,
        "identity_id": session.identity,
        "provider": session.provider,
        "issuer": session.issuer,
        "subject": session.subject,
        "sid": session.sid,
        "id_token": session.id_token,
        "refresh_token": session.refresh_token,
        "check_at": session.check_at,
        "expires_at": session.expires_at,
    }


def decode_upstream_session(row: RowMapping) -> UpstreamSession:
    """The upstream session of a row of `upstream_sessions`."""
    return UpstreamSession(
        handle=SessionHandle(row["handle"]),
        identity=IdentityId(row["identity_id"]),
        provider=ProviderId(row["provider"]),
        issuer=row["issuer"],
        subject=row["subject"],
        sid=row["sid"],
        id_token=row["id_token"],
        refresh_token=row["refresh_token"],
        check_at=row["check_at"],
        expires_at=row["expires_at"],
    )


def encode_provider(provider: StoredProvider) -> dict[str, Any]:
    """The columns of `providers`."""
    return {
        "id": provider.id,
        "settings": provider.settings,
        "client_secret": provider.client_secret,
        "private_key": provider.private_key,
        "enabled": provider.enabled,
        "changed_at": provider.changed_at,
    }


def decode_provider(row: RowMapping) -> StoredProvider:
    """The provider of a row of `providers`; its settings are read by whoever wrote them."""
    return StoredProvider(
        id=ProviderId(row["id"]),
        settings=row["settings"],
        client_secret=row["client_secret"],
        private_key=row["private_key"],
        enabled=row["enabled"],
        changed_at=row["changed_at"],
    )
