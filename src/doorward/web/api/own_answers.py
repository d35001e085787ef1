"""What the API tells people about their own account, as models."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import Field

from doorward.flows.factors import CodesOffer, PasskeyOffer, TotpOffer
from doorward.flows.own_record import SignInShown
from doorward.rules import factor
from doorward.rules.identity import User
from doorward.rules.session import RECENT, Method, Session
from doorward.rules.strict_json import parse_json
from doorward.web.api.answers import Answer


class FactorCounts(Answer):
    """The second factors in short."""

    totp: bool
    passkeys: int
    recovery_codes_left: int


class OwnAccount(Answer):
    """Who I am here. `sub` is the account's id, which never changes; `groups_from_providers` come and go.

    `second_factor_required`: policy demands one of this account; `enrol_by`: until when it may sign in without.
    `proven_until`: until then changes are taken without confirming again.
    """

    sub: str
    name: str
    display_name: str
    email: str
    language: str = Field(description="`en`, `de`, or empty: as the browser asks.")
    groups: tuple[str, ...]
    groups_from_providers: tuple[str, ...]
    is_admin: bool
    console_only: bool
    has_password: bool
    must_change_password: bool
    created_at: datetime
    factors: FactorCounts
    second_factor_required: bool
    enrol_by: datetime | None
    proven_until: datetime


class OwnPreferences(Answer):
    """What I chose. `locations`: sign-ins are noted with the place of their address."""

    locations: bool
    available: bool


class OwnSession(Answer):
    """One of my sessions. Its handle names it and opens nothing."""

    handle: str
    current: bool
    created_at: datetime
    last_seen: datetime
    expires_at: datetime
    remembered: bool
    methods: tuple[str, ...]
    user_agent: str
    address: str


class OwnSessions(Answer):
    """My live sessions, last seen first."""

    sessions: tuple[OwnSession, ...]


class SignInTried(Answer):
    """A sign-in or a try. `session` is the handle of what it made, `failure` the reason it made nothing."""

    at: datetime
    failure: str | None
    methods: tuple[str, ...]
    user_agent: str
    address: str
    place: str
    new_device: bool
    session: str | None
    current: bool


class SignInsTried(Answer):
    """The last ones, the newest first."""

    sign_ins: tuple[SignInTried, ...]


class Renewed(Answer):
    """The session that takes the place of all others; its cookie is set, and its CSRF token is a new one, too."""

    session: str
    expires_at: datetime
    csrf_token: str


class MailAsked(Answer):
    """A link is on its way to `email`, which counts once somebody has followed it."""

    email: str


class SessionsEnded(Answer):
    """How many there were."""

    ended: int


class OwnTotp(Answer):
    """The authenticator app."""

    created_at: datetime
    last_used_at: datetime | None


class OwnPasskey(Answer):
    """A passkey or security key. `synced`: it is backed up elsewhere. `signs_in_alone`: it verifies its user."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    synced: bool
    signs_in_alone: bool


class OwnPasskeys(Answer):
    """My passkeys and security keys."""

    passkeys: tuple[OwnPasskey, ...]


class RecoveryCodesLeft(Answer):
    """Of `made`, `left` are unused."""

    made: int
    left: int


class OwnFactors(Answer):
    """My second factors."""

    totp: OwnTotp | None
    passkeys: tuple[OwnPasskey, ...]
    recovery_codes: RecoveryCodesLeft


class TotpBegun(Answer):
    """Give `secret` or `uri` to an authenticator app, and send `offer` back with a code that it shows."""

    offer: str
    secret: str
    uri: str


class TotpEnabled(Answer):
    """It counts. `needs_codes`: make recovery codes now, for the day it is lost."""

    needs_codes: bool


class PasskeyBegun(Answer):
    """`publicKey` is for `navigator.credentials.create`, in WebAuthn's JSON; `offer` goes back with the answer."""

    offer: str
    public_key: dict[str, Any] = Field(alias="publicKey")


class CodesBegun(Answer):
    """Put the codes away, then acknowledge the offer: until then the old ones count."""

    offer: str
    codes: tuple[str, ...]


class FactorStatus(Answer):
    """Whether there is an authenticator app."""

    enabled: bool
    recovery_codes_left: int


class PasskeyStatus(Answer):
    """Whether there are passkeys, and how many."""

    enabled: bool
    credentials: int


def tell_account(
    user: User, session: Session, factors: factor.Factors, *, has_password: bool, required: bool
) -> OwnAccount:
    """The account as its owner sees it."""
    return OwnAccount(
        sub=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        language=user.language,
        groups=tuple(sorted(user.groups)),
        groups_from_providers=tuple(sorted(user.granted_groups)),
        is_admin=user.administers,
        console_only=user.console_only,
        has_password=has_password,
        must_change_password=user.must_change_password,
        created_at=user.created_at,
        factors=FactorCounts(
            totp=factors.totp is not None,
            passkeys=len(factors.passkeys),
            recovery_codes_left=factors.unused_codes,
        ),
        second_factor_required=required,
        enrol_by=user.enrol_by if required and not factors.protects else None,
        proven_until=session.created_at + RECENT,
    )


def tell_session(session: Session, *, current: bool) -> OwnSession:
    """A session as its owner sees it: everything but its secret (T-10)."""
    return OwnSession(
        handle=session.handle,
        current=current,
        created_at=session.created_at,
        last_seen=session.last_seen_at,
        expires_at=session.expires_at,
        remembered=session.remembered,
        methods=_words(session.methods),
        user_agent=session.user_agent,
        address=session.address,
    )


def tell_sign_in(shown: SignInShown) -> SignInTried:
    """A line of the account's own record."""
    note = shown.note
    return SignInTried(
        at=note.at,
        failure=note.failure or None,
        methods=_words(note.methods),
        user_agent=shown.agent,
        address=shown.address,
        place=shown.place,
        new_device=note.new_device,
        session=note.session,
        current=shown.is_this,
    )


def tell_passkey(passkey: factor.Passkey) -> OwnPasskey:
    """A passkey without its key."""
    return OwnPasskey(
        id=passkey.id,
        name=passkey.name,
        created_at=passkey.created_at,
        last_used_at=passkey.last_used_at,
        synced=passkey.backed_up,
        signs_in_alone=passkey.verifies,
    )


def tell_factors(factors: factor.Factors) -> OwnFactors:
    """All of them, without secrets."""
    totp = factors.totp
    return OwnFactors(
        totp=None if totp is None else OwnTotp(created_at=totp.created_at, last_used_at=totp.last_used_at),
        passkeys=tuple(map(tell_passkey, factors.passkeys)),
        recovery_codes=RecoveryCodesLeft(made=len(factors.recovery_codes), left=factors.unused_codes),
    )


def tell_totp_offer(offer: TotpOffer) -> TotpBegun:
    """What is to be set up."""
    return TotpBegun(offer=offer.token, secret=offer.secret, uri=offer.uri)


def tell_passkey_offer(offer: PasskeyOffer) -> PasskeyBegun:
    """What the browser is to be asked."""
    return PasskeyBegun(offer=offer.token, publicKey=parse_json(offer.options.encode("utf-8")))


def tell_codes_offer(offer: CodesOffer) -> CodesBegun:
    """The codes, which are told this once."""
    return CodesBegun(offer=offer.token, codes=offer.codes)


def _words(methods: Iterable[Method]) -> tuple[str, ...]:
    return tuple(sorted(method.value for method in methods))
