"""What a provider grants: written in one place, so that what is lost is lost for every session (docs/adr 0007, 0019).

For wherever a provider's word comes in anew: at sign-in, at renewal, and where an identity or its provider goes away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from doorward.errors import ConflictError
from doorward.flows.factors import DemandsFactor
from doorward.flows.letters import Outbox, circumstances, tell, tell_time
from doorward.flows.visitor import Visitor
from doorward.interfaces import Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.names import clean_text
from doorward.rules.oidc import Authenticated
from doorward.rules.provider import Provider
from doorward.rules.upstream import Identity, display_name_of, groups_of, is_admin, verified_email

_MAX_SHOWN: Final = 254


@dataclass(frozen=True, slots=True)
class Witness:
    """Who acts, when, and what the audit record may have to forget again. `visitor`: whose browser it is, if any."""

    actor: str
    now: datetime
    private: Mapping[str, str]
    visitor: Visitor | None = None


async def refresh(
    transaction: Transaction,
    provider: Provider,
    identity: Identity,
    authenticated: Authenticated,
    witness: Witness,
    *,
    demands: DemandsFactor,
    outbox: Outbox,
    used_at: datetime | None,
) -> User:
    """Take a provider's word for what the identity grants and, where it made the account, for name and address.

    The account as it is then. The address it had until then is told, where there is another or none. `used_at` as it is
    to stand on the identity. Otherwise like `regrant`. In a lockdown it only takes away.
    """
    fresh = replace(
        identity,
        provider=provider.id,
        email=shown(authenticated.email),
        name=shown(authenticated.name),
        groups=groups_of(provider, authenticated),
        is_admin=is_admin(provider, authenticated),
        used_at=used_at,
    )
    # SECURITY: in a lockdown a provider's word opens nothing that it did not open before: its groups and its
    # administrators may be what the incident is about. tests/unit/test_upstream_lockdown.py lets it try.
    locked = await transaction.find_setting(LOCKDOWN_SETTING) is not None
    if locked:
        fresh = replace(fresh, groups=fresh.groups & identity.groups, is_admin=fresh.is_admin and identity.is_admin)
    if not identity.owns_profile:
        return await regrant(transaction, identity, fresh, witness, demands=demands)
    email = verified_email(provider, authenticated)
    other = await transaction.find_user_by_login(email) if email else None
    if other is not None and other.id != identity.user_id:
        email = ""
    before = await get_owner(transaction, identity)
    if locked and email != before.email:
        email = ""  # rules speak of addresses, too
    profile = display_name_of(authenticated), email
    after = await regrant(transaction, identity, fresh, witness, demands=demands, profile=profile)
    if before.email != after.email:
        said = {"by": provider.name, **_circumstances(witness)}
        await tell(outbox, transaction, LetterKind.EMAIL_CHANGED, before, witness.now, said)
    return after


async def regrant(
    transaction: Transaction,
    identity: Identity,
    fresh: Identity | None,
    witness: Witness,
    *,
    demands: DemandsFactor | None = None,
    profile: tuple[str, str] | None = None,
) -> User:
    """Replace an identity, or with None remove it, and settle what that changes for the account.

    Where the account loses something its generation is raised, and all its sessions end; so it is where it becomes one
    of those of whom policy demands a second factor. `demands` is not asked where nothing new is granted. `profile`:
    name ("" to keep the one there is) and address. ConflictError where the identity or the account was changed first.
    """
    before = await get_owner(transaction, identity)
    if fresh is None:
        await transaction.remove_identity(identity.id)
    else:
        await transaction.advance_identity(identity, fresh)
    present = after = await get_owner(transaction, identity)
    if profile is not None:
        name, email = profile
        after = replace(after, display_name=name or after.display_name, email=email)
    # SECURITY: nobody administers in a session that began with less than an administrator has to show, whoever made
    # them one. tests/unit/test_upstream_accounts.py lets the provider do it.
    asks_more = demands is not None and await demands(transaction, after) and not await demands(transaction, before)
    if asks_more or _loses(before, after):
        after = replace(after, generation=before.generation + 1)
        await transaction.end_sessions_of(after.id)
    if after != present:
        await transaction.advance_user(present, after)
    await _record(transaction, identity, fresh, witness)
    if (before.display_name, before.email) != (after.display_name, after.email):
        await _record_profile(transaction, identity, before, after, witness)
    return after


async def withdraw(transaction: Transaction, issuer: str, subject: str, witness: Witness) -> None:
    """Take back whatever an identity grants, if it is still there."""
    identity = await transaction.find_identity(issuer, subject)
    if identity is not None:
        await regrant(transaction, identity, replace(identity, groups=frozenset[str](), is_admin=False), witness)


def shown(text: str) -> str:
    """A provider's word, fit to store and show."""
    return clean_text(text, _MAX_SHOWN)


def _circumstances(witness: Witness) -> Mapping[str, str]:
    # A renewal is nobody's browser.
    if witness.visitor is None:
        return {"at": tell_time(witness.now)}
    return circumstances(witness.visitor, witness.now)


def _loses(before: User, after: User) -> bool:
    # Rules speak of addresses, too.
    lost_address = before.email not in {"", after.email}
    return not before.every_group <= after.every_group or (before.administers and not after.administers) or lost_address


async def get_owner(transaction: Transaction, identity: Identity) -> User:
    """The account an identity belongs to; ConflictError where it is gone."""
    user = await transaction.find_user(identity.user_id)
    if user is None:
        raise ConflictError("the account was deleted meanwhile")
    return user


async def _record(transaction: Transaction, identity: Identity, fresh: Identity | None, witness: Witness) -> None:
    groups, admin = (fresh.groups, fresh.is_admin) if fresh is not None else (frozenset[str](), False)
    if (groups, admin) == (identity.groups, identity.is_admin):
        return
    public = {
        "identity": identity.id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "groups_before": ",".join(sorted(identity.groups)),
        "groups_after": ",".join(sorted(groups)),
        "admin_before": "yes" if identity.is_admin else "no",
        "admin_after": "yes" if admin else "no",
    }
    await transaction.append_audit(
        AuditEvent(Act.IDENTITY_GRANTS, witness.actor, identity.user_id, witness.now, public, witness.private)
    )


async def _record_profile(
    transaction: Transaction, identity: Identity, before: User, after: User, witness: Witness
) -> None:
    # Rules and apps go by addresses, so a new one is evidence like a new group.
    changed = [name for name in ("display_name", "email") if getattr(before, name) != getattr(after, name)]
    public = {"identity": identity.id, "provider": identity.provider, "changed": ",".join(changed)}
    private = {**witness.private, "email_before": before.email, "email_after": after.email}
    await transaction.append_audit(AuditEvent(Act.USER_UPDATED, witness.actor, after.id, witness.now, public, private))
