"""What administrators do to providers, and what follows for the people who came through one.

The file's providers are the file's: shown, never changed here. Whatever takes a provider away takes back what it
granted and ends the sessions made through it, in the same transaction (docs/adr 0019).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.admin import Actor, check_actor
from doorward.flows.granting import Witness, regrant
from doorward.flows.outcome import Unacceptable
from doorward.flows.ways import CLIENT_SECRET, PRIVATE_KEY, Known, Ways
from doorward.interfaces import Keyring, Records, Transaction, Upstream
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.oidc import Finding
from doorward.rules.provider import Provider, ProviderId, check_together, split_problem
from doorward.rules.provider_form import parse_fields, to_settings
from doorward.rules.upstream import StoredProvider

_SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class Listed:
    """A provider as administrators see it. `shadowed`: why it does not count; `trouble`: why it may not work now."""

    provider: Provider
    shadowed: str = ""
    trouble: str = ""


class Providers:
    """The providers of the console. Acts name a provider by its id: NotFoundError where there is none of the console.

    A web actor must be an enabled administrator at the moment of the act, as in `flows.admin`.
    """

    def __init__(self, *, records: Records, keyring: Keyring, ways: Ways, upstream: Upstream, public_url: str) -> None:
        self._records = records
        self._keyring = keyring
        self._ways = ways
        self._upstream = upstream
        self._public_url = public_url

    async def list(self, actor: Actor) -> Sequence[Listed]:
        """All of them: the file's in its order, then the console's by name, then those that do not count."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
        return [
            *(Listed(each, trouble=self._upstream.find_trouble(each) or "") for each in known.providers),
            *(Listed(each, shadowed=reason) for each, reason in known.shadowed),
        ]

    async def add(self, actor: Actor, fields: Mapping[str, str], *, now: datetime) -> Provider | Unacceptable:
        """Add one, disabled: it is to be tested first. ConflictError where there is one of this id."""
        provider_id = ProviderId(fields.get("id", "").strip())
        read = parse_fields(fields, id=provider_id)
        if not isinstance(read, Provider):
            return _unacceptable(read)
        provider = replace(read, enabled=False)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            stored = await transaction.list_providers()
            if provider.id in {*(each.id for each in known.providers), *(each.id for each in stored)}:
                raise ConflictError(f"there is a provider {provider.id} already")
            if problems := check_together([*known.providers, provider]):
                return _unacceptable(problems)
            await transaction.put_provider(self._seal(provider, now))
            await _append(transaction, actor, Act.PROVIDER_ADDED, provider, now)
        return provider

    async def change(
        self, actor: Actor, provider_id: ProviderId, fields: Mapping[str, str], *, now: datetime
    ) -> Provider | Unacceptable:
        """Change one. Secret fields left empty keep what is stored. Its id, kind and whether it is enabled stay."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            before = _get(known, provider_id)
            read = parse_fields({**fields, "type": before.kind.value}, id=before.id, stored=before)
            if not isinstance(read, Provider):
                return _unacceptable(read)
            provider = replace(read, enabled=before.enabled)
            others = [each for each in known.providers if each.id != provider.id]
            if problems := check_together([*others, provider]):
                return _unacceptable(problems)
            await transaction.put_provider(self._seal(provider, now))
            if provider.issuer != before.issuer:
                await self._take_back(transaction, before, actor, now)
            await _append(transaction, actor, Act.PROVIDER_CHANGED, provider, now)
        return provider

    async def set_enabled(self, actor: Actor, provider_id: ProviderId, enabled: bool, *, now: datetime) -> Provider:
        """Enable or disable one. ConflictError where that would leave no way to sign in (D-12)."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            before = _get(known, provider_id)
            provider = replace(before, enabled=enabled)
            if not enabled:
                await self._check_way_remains(transaction, known, provider_id)
            await transaction.put_provider(self._seal(provider, now))
            if not enabled:
                await self._take_back(transaction, before, actor, now)
            await _append(transaction, actor, Act.PROVIDER_CHANGED, provider, now)
        return provider

    async def remove(self, actor: Actor, provider_id: ProviderId, *, now: datetime) -> None:
        """Remove one. The accounts stay, and their links too. ConflictError where no way would remain (D-12)."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            provider = _get(known, provider_id)
            await self._check_way_remains(transaction, known, provider_id)
            await transaction.remove_provider(provider_id)
            if not any(each.id == provider_id and each.from_file for each in known.providers):
                await self._take_back(transaction, provider, actor, now)
            await _append(transaction, actor, Act.PROVIDER_REMOVED, provider, now)

    async def test(self, actor: Actor, provider_id: ProviderId, *, now: datetime) -> Sequence[Finding]:
        """Try whatever can be tried without a person; also with one that is disabled or the file's."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
        provider = next((each for each in known.providers if each.id == provider_id), None)
        if provider is None:
            raise NotFoundError(f"there is no provider {provider_id}")
        return await self._upstream.examine(provider, public_url=self._public_url, now=now)

    async def reconcile(self, *, now: datetime) -> None:
        """Take back what providers granted that are not enabled (any more), and end the sessions made through them.

        For what the file took away while nobody was looking; called at every start and reload.
        """
        async with self._records.transaction() as transaction:
            known = await self._ways.know(transaction)
            places = {(each.id, each.issuer) for each in known.enabled}
            for session in await transaction.list_upstream_sessions():
                if (session.provider, session.issuer) not in places:
                    await transaction.end_session(session.handle)
            witness = Witness(_SYSTEM.id, now, {})
            for identity in await transaction.list_identities():
                if (identity.groups or identity.is_admin) and (identity.provider, identity.issuer) not in places:
                    bare = replace(identity, groups=frozenset(), is_admin=False)
                    await regrant(transaction, identity, bare, witness)

    async def _take_back(self, transaction: Transaction, provider: Provider, actor: Actor, now: datetime) -> None:
        for session in await transaction.list_upstream_sessions(provider=provider.id):
            await transaction.end_session(session.handle)
        witness = Witness(actor.id, now, dict(actor.private))
        for identity in await transaction.list_identities():
            if identity.provider == provider.id and (identity.groups or identity.is_admin):
                bare = replace(identity, groups=frozenset(), is_admin=False)
                await regrant(transaction, identity, bare, witness)

    async def _check_way_remains(self, transaction: Transaction, known: Known, leaving: ProviderId) -> None:
        others = [each for each in known.enabled if each.id != leaving]
        if others or (await self._ways.decide(transaction, known.enabled)).open:
            return
        raise ConflictError("passwords are switched off, and this is the last provider: switch passwords on first")

    def _seal(self, provider: Provider, now: datetime) -> StoredProvider:
        def seal(column: str, secret: str) -> str:
            return self._keyring.seal(Place("providers", column, provider.id), secret.encode()) if secret else ""

        return StoredProvider(
            id=provider.id,
            settings=to_settings(provider),
            client_secret=seal(CLIENT_SECRET, provider.client_secret),
            private_key=seal(PRIVATE_KEY, provider.private_key),
            enabled=provider.enabled,
            changed_at=now,
        )


def _get(known: Known, provider_id: ProviderId) -> Provider:
    stored = (*(each for each in known.providers if not each.from_file), *(each for each, _ in known.shadowed))
    found = next((each for each in stored if each.id == provider_id), None)
    if found is None:
        raise NotFoundError(f"there is no provider {provider_id} that was added in the console")
    return found


def _unacceptable(problems: list[str]) -> Unacceptable:
    return Unacceptable(tuple(split_problem(problem) for problem in problems))


async def _append(transaction: Transaction, actor: Actor, act: Act, provider: Provider, now: datetime) -> None:
    public = {
        "provider": provider.id,
        "kind": provider.kind.value,
        "issuer": provider.issuer,
        "enabled": "yes" if provider.enabled else "no",
    }
    await transaction.append_audit(AuditEvent(act, actor.id, provider.id, now, public, dict(actor.private)))
