"""The accounts at providers that an account here is connected to: looking at them, and letting go of one.

Connecting one is a round trip (`flows.upstream`). Letting go never takes the last way in.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from doorward.errors import Clash, ConflictError, ForbiddenError, NotFoundError
from doorward.flows.admin import Actor, Named, check_actor, check_admin_remains, get_user
from doorward.flows.granting import Witness, regrant
from doorward.flows.letters import circumstances, signature
from doorward.flows.notify import Notify
from doorward.flows.outcome import OpenWays
from doorward.flows.visitor import Visitor
from doorward.interfaces import Records, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.factor import must_show_one
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterKind
from doorward.rules.session import SessionHandle, Subject
from doorward.rules.upstream import Identity, IdentityId

FindWays = Callable[[], Awaitable[OpenWays]]
"""The ways of signing in that are open to everybody at this moment."""


class Identities:
    """One's own identities, and for administrators everybody's."""

    def __init__(self, *, records: Records, find_ways: FindWays, notify: Notify) -> None:
        self._records = records
        self._notify = notify
        self._find_ways = find_ways

    async def list_own(self, subject: Subject) -> list[Identity]:
        """One's own, the oldest first."""
        async with self._records.transaction() as transaction:
            return await transaction.list_identities(subject.user.id)

    async def list_all(self, actor: Actor) -> Mapping[UserId, list[Identity]]:
        """Everybody's, the oldest first."""
        found: dict[UserId, list[Identity]] = {}
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            for identity in await transaction.list_identities():
                found.setdefault(identity.user_id, []).append(identity)
        return found

    async def unlink(self, subject: Subject, identity_id: IdentityId, visitor: Visitor, *, now: datetime) -> Identity:
        """Let go of one of one's own; the sessions made with it end, except the one this is asked from.

        Where it granted something that is lost now, all sessions of the account end, that one too (docs/adr 0007). The
        owner is told by mail.
        NotFoundError where one has none such; ConflictError where it is the last way in, or makes the last
        administrator; ForbiddenError where the session has not shown the second factor that the account has.
        """
        ways = await self._find_ways()
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(subject.user.id)
            if user is None:
                raise NotFoundError("the account was deleted meanwhile")
            # SECURITY: the way in that goes may be the safest. tests/unit/test_upstream_second_proof.py lets go of it.
            if must_show_one(await transaction.find_factors(user.id), subject.session):
                raise ForbiddenError("this needs the second factor that the account has")
            witness = Witness(user.id, now, visitor.private())
            identity = await _unlink(transaction, user, identity_id, ways, witness, keep=subject.session.handle)
            await self._tell(transaction, user, identity, ways, circumstances(visitor, now), now)
        return identity

    async def unlink_for(self, actor: Actor, login: Named, identity_id: IdentityId, *, now: datetime) -> Identity:
        """Let go of one of somebody's; the sessions made with it end. Otherwise like `unlink`."""
        ways = await self._find_ways()
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            identity = await _unlink(transaction, user, identity_id, ways, Witness(actor.id, now, actor.private))
            await self._tell(transaction, user, identity, ways, await signature(transaction, actor, now), now)
        return identity

    async def _tell(
        self,
        transaction: Transaction,
        user: User,
        identity: Identity,
        ways: OpenWays,
        said: Mapping[str, str],
        now: datetime,
    ) -> None:
        # A provider that is closed by now has no name to show.
        names = {str(each.id): each.name for each in ways.providers}
        provider = names.get(identity.provider, identity.provider)
        await self._notify(transaction, LetterKind.PROVIDER_DISCONNECTED, user, {"provider": provider, **said}, now)


async def _unlink(
    transaction: Transaction,
    user: User,
    identity_id: IdentityId,
    ways: OpenWays,
    witness: Witness,
    *,
    keep: SessionHandle | None = None,
) -> Identity:
    identities = await transaction.list_identities(user.id)
    identity = next((each for each in identities if each.id == identity_id), None)
    if identity is None:
        raise NotFoundError("there is no such connection")
    others = {each.issuer for each in identities if each.id != identity_id}
    has_password = ways.password and await transaction.find_password(user.id) is not None
    if not has_password and not any(provider.issuer in others for provider in ways.providers):
        raise ConflictError("this is the account's last way to sign in", Clash.LAST_WAY)
    if identity.is_admin and not user.is_admin and not any(each.is_admin for each in identities if each != identity):
        await check_admin_remains(transaction, user)
    sessions = [each.handle for each in await transaction.list_upstream_sessions(identity=identity.id)]
    ended = [handle for handle in sessions if handle != keep]
    for handle in ended:
        await transaction.end_session(handle)
    await regrant(transaction, identity, None, witness)
    public = {
        "identity": identity.id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "sessions": str(len(ended)),
    }
    private = {**witness.private, "upstream_subject": identity.subject, "upstream_email": identity.email}
    await transaction.append_audit(
        AuditEvent(Act.IDENTITY_UNLINKED, witness.actor, user.id, witness.now, public, private)
    )
    return identity
