"""What tokens claim, judged: ID tokens (Core 3.1.3.7), logout tokens (Back-Channel Logout 2.6), userinfo.

Whoever calls these has verified the signature. Every refusal is an UpstreamError with the claim that is wrong; the
values of claims never stand in its words.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from doorward.errors import InputError
from doorward.rules.jose import encode
from doorward.rules.names import clean_text, parse_email
from doorward.rules.oidc import Authenticated, Failure, LogoutToken, UpstreamError
from doorward.rules.provider import Provider

SKEW: Final = timedelta(seconds=60)
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST_LIFE = timedelta(days=366)
_LONGEST_LOGOUT_LIFE = timedelta(days=1)
_MOST_SUBJECT = 255
_MOST_IDENTIFIER = 1024
_MOST_NAME = 128
_LATEST = 253_402_300_800  # the year 10000, which no datetime holds
_HASHES = {"256": "sha256", "384": "sha384", "512": "sha512", "DSA": "sha512"}
"""The hash an algorithm's name ends with; Ed25519 is built on SHA-512."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID token must be. `nonce` None: that of a refresh, which has none of its own (Core, 12.2)."""

    issuer: str
    client_id: str
    nonce: str | None
    subject: str | None = None
    """Who it must be about, None where that is what it is to tell."""
    not_before: datetime | None = None
    """When somebody must have proven at the provider who they are at the earliest; None where it was not asked."""


def check_id_token(
    claims: Mapping[str, Any], expected: Expected, *, algorithm: str, access_token: str, now: datetime
) -> Authenticated:
    """Judge the claims of an ID token whose signature is right. UpstreamError TOKEN or NOT_FRESH where they are not.

    `algorithm`: the one it is signed with, for `at_hash`. What comes back has no address yet (`add_profile`).
    """
    _check_issuer(claims, expected.issuer)
    _check_audience(claims, expected.client_id)
    subject = _get_subject(claims)
    if expected.subject is not None and subject != expected.subject:
        raise _wrong("sub", "is somebody else")
    _check_times(claims, now=now, longest=_LONGEST_LIFE)
    if expected.nonce is not None:
        nonce = claims.get("nonce")
        # SECURITY: there is no way to do without it, whatever the token says about itself (H03).
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
            raise _wrong("nonce", "is not the one that was sent")
    if "at_hash" in claims:
        _check_hash(claims["at_hash"], algorithm, access_token)
    auth_time = _find_instant(claims, "auth_time")
    if auth_time is not None and auth_time > now + SKEW:
        raise _wrong("auth_time", "is in the future")
    if expected.not_before is not None:
        if auth_time is None:
            raise UpstreamError(
                Failure.NOT_FRESH, "its ID token does not say when somebody signed in there (auth_time)"
            )
        if auth_time < expected.not_before - SKEW:
            raise UpstreamError(Failure.NOT_FRESH, "the sign-in there is older than what was asked for (auth_time)")
    acr = claims.get("acr")
    return Authenticated(
        issuer=expected.issuer,
        subject=subject,
        claims=dict(claims),
        auth_time=auth_time,
        amr=_find_methods(claims),
        acr=acr if isinstance(acr, str) else "",
        sid=_find_identifier(claims, "sid"),
    )


def check_logout_token(claims: Mapping[str, Any], *, issuer: str, client_id: str, now: datetime) -> LogoutToken:
    """Judge the claims of a logout token whose signature is right. UpstreamError TOKEN where they are not (H24)."""
    _check_issuer(claims, issuer)
    _check_audience(claims, client_id)
    issued_at, expires_at = _check_times(claims, now=now, longest=_LONGEST_LOGOUT_LIFE)
    if "nonce" in claims:
        raise _wrong("nonce", "has no place in a logout token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise _wrong("events", "does not hold a sign-out")
    jti = _find_identifier(claims, "jti")
    if not jti:
        raise _wrong("jti", "is missing")
    subject = _get_subject(claims) if "sub" in claims else ""
    sid = _find_identifier(claims, "sid")
    if not subject and not sid:
        raise _wrong("sub", "is missing, and so is sid")
    return LogoutToken(issuer=issuer, subject=subject, sid=sid, jti=jti, issued_at=issued_at, expires_at=expires_at)


def list_wanted(claims: Mapping[str, Any], provider: Provider) -> list[str]:
    """What the ID token is silent about and somebody wants to know; only for that the userinfo endpoint is asked."""
    wanted = [name for scope, name in (("email", "email"), ("profile", "name")) if scope in provider.scopes]
    wanted += [path for path in (provider.groups_claim, provider.admin_claim) if path]
    return [path for path in wanted if find_claim(claims, path) is None]


def find_claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim at a dotted path, None where there is none.

    Names may hold dots themselves (`https://example.com/groups`), so the longest is tried first.
    """
    if path and claims.get(path) is not None:
        return claims[path]
    head, _, rest = path.rpartition(".")
    while head:
        inner = claims.get(head)
        if isinstance(inner, Mapping) and (found := find_claim(inner, rest)) is not None:
            return found
        head, _, tail = head.rpartition(".")
        rest = f"{tail}.{rest}"
    return None


def add_profile(authenticated: Authenticated, userinfo: Mapping[str, Any] | None) -> Authenticated:
    """Add who somebody is in words: from the ID token, and from userinfo where the ID token is silent (H09, H12).

    UpstreamError TOKEN where userinfo is about somebody else (Core, 5.3.2). What an address is worth at Google, and
    where it is taken for verified though nobody said so, is decided in `rules/upstream.py`.
    """
    own, more = authenticated.claims, userinfo or {}
    if userinfo is not None and userinfo.get("sub") != authenticated.subject:
        raise UpstreamError(Failure.TOKEN, "its userinfo is about somebody else than its ID token")
    address = _choose_address(own, more)
    merged = {
        name: value for name, value in {**more, **own}.items() if name not in {"email", "email_verified"}
    } | address
    return replace(
        authenticated,
        claims=merged,
        email=address.get("email", ""),
        email_verified=address.get("email_verified") is True,
        name=_find_text(merged, "name"),
        user_name=_find_text(merged, "preferred_username"),
    )


def _choose_address(own: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`email` and the word on it, both from one source; what either source denies is denied (H08, H09)."""
    source = own if "email" in own else more
    if source is own and "email_verified" not in own and more.get("email") == own["email"]:
        source = more  # which holds the same address, perhaps with a word on it
    email = _find_address(source)
    if not email:
        return {}
    words = [each["email_verified"] for each in (own, more) if "email_verified" in each]
    if any(word is not True for word in words):
        return {"email": email, "email_verified": False}
    return {"email": email, "email_verified": True} if "email_verified" in source else {"email": email}


def _find_address(claims: Mapping[str, Any]) -> str:
    value = claims.get("email")
    try:
        return parse_email(value) if isinstance(value, str) else ""
    except InputError:
        return ""


def _find_text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return clean_text(" ".join(value.split()), _MOST_NAME) if isinstance(value, str) else ""


def _find_methods(claims: Mapping[str, Any]) -> frozenset[str]:
    """`amr`, where it is what it should be; anything else proves nothing."""
    value = claims.get("amr")
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return frozenset()
    return frozenset(value)


def _find_identifier(claims: Mapping[str, Any], name: str) -> str:
    """A word that only the provider understands; "" where it is not given."""
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > _MOST_IDENTIFIER or not value.isprintable():
        raise _wrong(name, "is malformed")
    return value


def _get_subject(claims: Mapping[str, Any]) -> str:
    """At most 255 printable ASCII characters, exactly as they are (Core, 2; H11)."""
    value = claims.get("sub")
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _MOST_SUBJECT
        or not value.isascii()
        or not value.isprintable()
    ):
        raise _wrong("sub", "is missing or malformed")
    return value


def _check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    # SECURITY: byte for byte, as in discovery (H14).
    if claims.get("iss") != issuer:
        raise _wrong("iss", "is another issuer")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """It is for us; where it is for others too, it was made for us (`azp`), as at Zitadel."""
    audience, party = claims.get("aud"), claims.get("azp")
    if "azp" in claims and party != client_id:
        raise _wrong("azp", "is another client")
    if isinstance(audience, list):
        alone = audience == [client_id]
        if client_id not in audience or not all(isinstance(each, str) for each in audience):
            raise _wrong("aud", "does not name us")
        if not alone and party != client_id:
            raise _wrong("aud", "names others too, and azp does not name us")
    elif audience != client_id:
        raise _wrong("aud", "is not us")


def _check_times(claims: Mapping[str, Any], *, now: datetime, longest: timedelta) -> tuple[datetime, datetime]:
    """Issued not after now, expiring not before, neither in another age (H15). When it was issued and expires."""
    issued_at, expires_at = _find_instant(claims, "iat"), _find_instant(claims, "exp")
    if issued_at is None or expires_at is None:
        raise _wrong("iat" if issued_at is None else "exp", "is missing")
    if issued_at > now + SKEW:
        raise _wrong("iat", "is in the future; are both clocks right?")
    if expires_at <= now - SKEW:
        raise _wrong("exp", "is past; are both clocks right?")
    if expires_at > now + longest:
        raise _wrong("exp", "is too far away")
    valid_at = _find_instant(claims, "nbf")
    if valid_at is not None and valid_at > now + SKEW:
        raise _wrong("nbf", "is in the future; are both clocks right?")
    return issued_at, expires_at


def _find_instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """Seconds since 1970 as a whole number; `True` is none (H15)."""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LATEST:
        raise _wrong(name, "is not an instant")
    return datetime.fromtimestamp(value, UTC)


def _check_hash(claimed: Any, algorithm: str, access_token: str) -> None:
    """The left half of the access token's hash (Core, 3.1.3.6)."""
    digest = hashlib.new(_HASHES[algorithm[-3:]], access_token.encode()).digest()
    if not access_token or claimed != encode(digest[: len(digest) // 2]):
        raise _wrong("at_hash", "does not fit the access token")


def _wrong(claim: str, problem: str) -> UpstreamError:
    return UpstreamError(Failure.TOKEN, f"its token is refused: {claim} {problem}")
