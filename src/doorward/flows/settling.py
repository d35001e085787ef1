"""Whose account it is that a provider has proven: the one transaction that ends a round trip.

The account and the identity are looked up in it, so that whatever happened meanwhile has happened (E25, H21, R01).
Identity is (issuer, subject), and nothing but that opens an account that exists (H08, H11).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from doorward.flows.factors import DemandsFactor
from doorward.flows.finishing import Decided, Finishing
from doorward.flows.granting import Witness, get_owner, refresh, shown, withdraw
from doorward.flows.invites import find_state, use_invite
from doorward.flows.letters import circumstances, tell
from doorward.flows.lockdown import find_lockdown, is_shut_to
from doorward.flows.newcomers import Newcomers
from doorward.flows.opening import HANDLE_SIZE, encode
from doorward.flows.pending import Pending
from doorward.flows.visitor import Visitor
from doorward.flows.vouching import vouch, was_ended
from doorward.interfaces import Random, Records, Transaction
from doorward.rules import login
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteState
from doorward.rules.letter import LetterKind
from doorward.rules.oidc import Authenticated, Failure
from doorward.rules.provider import Provider
from doorward.rules.registration import Entry, decide_entry
from doorward.rules.session import NEVER, Session, Subject
from doorward.rules.upstream import (
    Identity,
    IdentityId,
    MfaTrust,
    display_name_of,
    is_admin,
    methods_of,
    propose_user_names,
    verified_email,
)

_NAME_ENTROPY: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A round trip that has come back with somebody who may sign in.

    `account`: the only one that may answer. `invite`: SHA-256 of the invitation they set out with.
    """

    provider: Provider
    authenticated: Authenticated
    visitor: Visitor
    began_at: datetime
    now: datetime
    account: UserId | None = None
    invite: bytes | None = None
    pending: Pending

    def private(self) -> dict[str, str]:
        """What an audit record may have to forget again."""
        subject, email = shown(self.authenticated.subject), shown(self.authenticated.email)
        return {**self.visitor.private(), "upstream_subject": subject, "upstream_email": email}

    def deny(self, failure: Failure, subject: str = "unknown") -> "Denied":
        """It ends here."""
        return Denied(failure, subject, self.private())


@dataclass(frozen=True, slots=True)
class Denied:
    """Nobody gets in. `subject` is the account it is about, "unknown" where there is none."""

    failure: Failure
    subject: str = "unknown"
    private: Mapping[str, str] = field(default_factory=dict)


class Settling:
    """Finds, makes and links accounts. `is_spoken_of`: whether a rule of the policy names a user of this name."""

    def __init__(
        self,
        *,
        records: Records,
        finishing: Finishing,
        random: Random,
        trust: Callable[[], MfaTrust],
        demands: DemandsFactor,
        newcomers: Newcomers,
        is_spoken_of: Callable[[str], bool],
    ) -> None:
        self._records = records
        self._finishing = finishing
        self._random = random
        self._trust = trust
        self._demands = demands
        self._newcomers = newcomers
        self._is_spoken_of = is_spoken_of

    async def enter(self, trip: Trip, previous: Session | None) -> Decided | Denied:
        """Decide what comes next for whoever it is: a session, written down, or something else to prove first.

        `previous` ends with the session (J01). ConflictError where somebody else was first; asking again then gives the
        answer that holds.
        """
        proven = trip.authenticated
        async with self._records.transaction() as transaction:
            # What was said of this sign-in or this person there since the browser left.
            if await was_ended(
                transaction,
                issuer=proven.issuer,
                subject=proven.subject,
                sid=proven.sid,
                began_at=trip.began_at,
            ):
                return trip.deny(Failure.SIGNED_OUT)
            identity = await self._find_or_make(transaction, trip)
            if isinstance(identity, Denied):
                return identity
            user = await get_owner(transaction, identity)
            if not user.enabled:
                return trip.deny(_why_not(user), user.id)
            if trip.account is not None and not trip.pending.is_of(user):
                return trip.deny(Failure.SIGNED_OUT, user.id)
            witness = Witness(user.id, trip.now, trip.private(), trip.visitor)
            user = await refresh(
                transaction,
                trip.provider,
                identity,
                proven,
                witness,
                demands=self._demands,
                outbox=self._newcomers.outbox,
                used_at=trip.now,
            )
            if user.administers and not await transaction.is_set_up():
                await transaction.claim_first_admin(user.id, trip.now)
            pending = replace(
                trip.pending,
                proven=methods_of(trip.provider, proven, self._trust()),
                authenticated_at=proven.auth_time or NEVER,
            )
            email = shown(proven.email)
            vouched = vouch(trip.provider, proven, identity, shown_email=email, began_at=trip.began_at)
            decided = await self._finishing.decide(
                transaction, pending, trip.visitor, user, previous, now=trip.now, vouched=vouched
            )
        return trip.deny(Failure.SIGNED_OUT, user.id) if isinstance(decided, login.Failure) else decided

    async def withdraw(self, trip: Trip, session: Session | None) -> None:
        """Take back what a provider granted that had been closed by then, and the note of the session."""
        key = trip.authenticated.issuer, trip.authenticated.subject
        async with self._records.transaction() as transaction:
            if session is not None:
                await transaction.end_session(session.handle)
            await withdraw(transaction, *key, Witness("system", trip.now, trip.private()))

    async def link(self, trip: Trip, subject: Subject) -> Identity | Denied:
        """Connect the identity to the account that is signed in. What it grants comes with the first sign-in by it."""
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(subject.user.id)
            if user is None or not user.enabled or user.generation != subject.session.generation:
                return trip.deny(Failure.STATE, subject.user.id)
            known = await transaction.find_identity(trip.authenticated.issuer, trip.authenticated.subject)
            if known is not None:
                return known if known.user_id == user.id else trip.deny(Failure.OTHER_ACCOUNT, user.id)
            if await is_shut_to(transaction, user):
                return trip.deny(Failure.LOCKDOWN, user.id)
            return await self._connect(transaction, trip, user, actor=user.id, because="asked")

    async def _find_or_make(self, transaction: Transaction, trip: Trip) -> Identity | Denied:
        identity = await transaction.find_identity(trip.authenticated.issuer, trip.authenticated.subject)
        if trip.account is not None and (identity is None or identity.user_id != trip.account):
            return trip.deny(Failure.OTHER_ACCOUNT, trip.account)
        if identity is not None:
            return identity
        email = verified_email(trip.provider, trip.authenticated)
        owner = await transaction.find_user_by_login(email) if email else None
        if owner is not None:
            return await self._link_owner(transaction, trip, owner)
        return await self._welcome(transaction, trip, email)

    async def _link_owner(self, transaction: Transaction, trip: Trip, owner: User) -> Identity | Denied:
        # SECURITY: only where the operator said so, and only the first identity of an issuer: whoever comes to have the
        # address there later is somebody else (H08). tests/unit/test_upstream_addresses.py gives it away anew.
        theirs = await transaction.list_identities(owner.id)
        # Nor is a program ever who comes by a provider.
        if (
            owner.is_service
            or not trip.provider.link_by_email
            or any(each.issuer == trip.authenticated.issuer for each in theirs)
        ):
            return trip.deny(Failure.ADDRESS_TAKEN, owner.id)
        if not owner.enabled:
            return trip.deny(_why_not(owner), owner.id)
        # SECURITY: in a lockdown a provider's word opens no account that it did not open before, an administrator's
        # least of all; tests/unit/test_upstream_addresses.py tries both.
        if await find_lockdown(transaction) is not None:
            return trip.deny(Failure.ADDRESS_TAKEN, owner.id)
        return await self._connect(transaction, trip, owner, actor="system", because="address")

    async def _welcome(self, transaction: Transaction, trip: Trip, email: str) -> Identity | Denied:
        """Make the account of somebody new, where registration is open to them at this moment (2.12, B-13)."""
        mode = await self._newcomers.find_mode(transaction)
        invite = await transaction.find_invite(trip.invite) if trip.invite is not None else None
        active = invite is not None and await find_state(transaction, invite, trip.now) is InviteState.ACTIVE
        entry = decide_entry(
            mode,
            provisions=trip.provider.auto_provision,
            invited=active,
            vouched=is_admin(trip.provider, trip.authenticated),
            approval=self._newcomers.approval(),
        )
        if entry is Entry.SHUT:
            return trip.deny(Failure.UNKNOWN if trip.invite is None else Failure.INVITE_GONE)
        if invite is None or not (active and mode.takes_invited):
            return await self._make(transaction, trip, email, waits=entry is Entry.WAITING)
        if invite.email and await transaction.find_user_by_login(invite.email) is not None:
            return trip.deny(Failure.INVITE_GONE)
        # The inviter's word for the address stands above the provider's, as it stands above the guest's (E27).
        return await self._make(transaction, trip, invite.email or email, invite=invite)

    async def _make(
        self,
        transaction: Transaction,
        trip: Trip,
        email: str,
        *,
        waits: bool = False,
        invite: Invite | None = None,
    ) -> Identity:
        name = await self._find_free_name(transaction, trip)
        user = User(
            id=UserId(encode(self._random.token(HANDLE_SIZE))),
            name=name,
            display_name=display_name_of(trip.authenticated) or name,
            email=email,
            groups=frozenset[str]() if invite is None else invite.groups,
            is_admin=False,
            enabled=not waits,
            generation=1,
            created_at=trip.now,
            awaits_approval=waits,
        )
        await transaction.add_user(user)
        public = {
            "provider": trip.provider.id,
            "issuer": trip.authenticated.issuer,
            "waits": "yes" if waits else "no",
        }
        await transaction.append_audit(
            AuditEvent(Act.USER_CREATED, "system", user.id, trip.now, public, {**trip.private(), "name": name})
        )
        if invite is not None:
            await use_invite(transaction, invite, user, trip.visitor, trip.now)
        if waits:
            await self._newcomers.announce(transaction, user, trip.now)
        # Where the inviter said another address, the provider must not change it back.
        owns = email == verified_email(trip.provider, trip.authenticated)
        return await self._connect(transaction, trip, user, actor="system", because="new", owns_profile=owns)

    async def _find_free_name(self, transaction: Transaction, trip: Trip) -> str:
        *wishes, last = propose_user_names(trip.provider, trip.authenticated, entropy=self._random.token(_NAME_ENTROPY))
        for name in wishes:
            # SECURITY: a rule that names somebody who is not here (yet, or any more) is not for whoever calls
            # themselves so elsewhere. tests/unit/test_upstream_accounts.py lets them try.
            if not self._is_spoken_of(name) and await transaction.find_user_by_login(name) is None:
                return name
        return last

    async def _connect(
        self,
        transaction: Transaction,
        trip: Trip,
        user: User,
        *,
        actor: str,
        because: str,
        owns_profile: bool = False,
    ) -> Identity:
        identity = Identity(
            id=IdentityId(encode(self._random.token(HANDLE_SIZE))),
            user_id=user.id,
            issuer=trip.authenticated.issuer,
            subject=trip.authenticated.subject,
            provider=trip.provider.id,
            email=shown(trip.authenticated.email),
            name=shown(trip.authenticated.name),
            owns_profile=owns_profile,
            linked_at=trip.now,
        )
        await transaction.add_identity(identity)
        public = {
            "identity": identity.id,
            "provider": identity.provider,
            "issuer": identity.issuer,
            "because": because,
        }
        await transaction.append_audit(
            AuditEvent(Act.IDENTITY_LINKED, actor, user.id, trip.now, public, trip.private())
        )
        if because != "new":
            said = {"provider": trip.provider.name, **circumstances(trip.visitor, trip.now)}
            await tell(self._newcomers.outbox, transaction, LetterKind.PROVIDER_CONNECTED, user, trip.now, said)
        return identity


def _why_not(user: User) -> Failure:
    return Failure.AWAITS_APPROVAL if user.awaits_approval else Failure.DISABLED
