"""What administrators do to providers, and what follows for the people who came through one.

The file's providers are the file's: shown, never changed here. Whatever takes a provider away takes back what it
granted and ends the sessions made through it, in the same transaction (docs/adr 0019).
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Final

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.admin import Actor, check_actor
from doorward.flows.granting import Witness, regrant
from doorward.flows.outcome import Unacceptable
from doorward.flows.ways import CLIENT_SECRET, PRIVATE_KEY, Known, Ways, secret_place
from doorward.interfaces import Keyring, Records, Transaction, Upstream
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.oidc import Finding, Health
from doorward.rules.provider import Provider, ProviderId, check_beside, check_provider, split_problem
from doorward.rules.provider_form import parse_fields, to_settings
from doorward.rules.registration import Mode
from doorward.rules.strict_json import parse_object
from doorward.rules.upstream import Identity, StoredProvider
from doorward.rules.ways import may_close

READING: Final = "providers.reading"
"""The setting that keeps how each provider's word on groups and administration was read when it was settled last."""


class Need(Enum):
    """What a provider is needed for at this moment; the value is the sentence for who would change it."""

    PASSWORDS_CLOSED = (
        "Passwords are switched off, and after this no administrator would have come in without one: they would be "
        "open again. If that is what you want, switch passwords on first."
    )
    ADMINISTRATORS = (
        "After this nobody would administer the gateway: every administrator is one by this provider's word. Make an "
        "account an administrator by itself first."
    )


class NeededError(ConflictError):
    """The provider is needed as it is (D-12, R05)."""

    def __init__(self, need: Need) -> None:
        super().__init__(need.value, Clash.NEEDED)
        self.need = need


@dataclass(frozen=True, slots=True)
class Listed:
    """A provider as administrators see it. `shadowed`: why it does not count; `trouble`: why it may not work now."""

    provider: Provider
    shadowed: str = ""
    trouble: str = ""


class Providers:
    """The providers of the console. Acts name a provider by its id: NotFoundError where there is none of the console.

    A web actor must be an enabled administrator at the moment of the act, as in `flows.admin`. NeededError where an act
    would open passwords that are closed, or leave nobody who administers.
    """

    def __init__(
        self,
        *,
        records: Records,
        keyring: Keyring,
        ways: Ways,
        upstream: Upstream,
        public_url: str,
        find_mode: Callable[[Transaction], Awaitable[Mode]],
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._ways = ways
        self._upstream = upstream
        self._public_url = public_url
        self._find_mode = find_mode

    async def list(self, actor: Actor) -> list[Listed]:
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
        read = parse_fields(fields, id=ProviderId(fields.get("id", "").strip()))
        if not isinstance(read, Provider):
            return _unacceptable(read)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            taken = {each.id for each in known.providers} | {each.id for each, _ in known.shadowed}
            if read.id in taken:
                raise ConflictError(f"there is a provider {read.id} already", Clash.TAKEN)
            if problems := list(check_beside(read, known.providers)):
                return _unacceptable(problems)
            await transaction.put_provider(self._seal(read, now))
            await _append(transaction, actor, Act.PROVIDER_ADDED, read, now)
        return read

    async def change(
        self, actor: Actor, provider_id: ProviderId, fields: Mapping[str, str], *, now: datetime
    ) -> Provider | Unacceptable:
        """Change one. Secret fields left empty keep what is stored. Its id and whether it is enabled stay."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            before = _get(known, provider_id)
            provider = parse_fields(fields, id=before.id, stored=before)
            if not isinstance(provider, Provider):
                return _unacceptable(provider)
            others = [each for each in known.providers if each.id != provider.id]
            if problems := list(check_beside(provider, others)):
                return _unacceptable(problems)
            async with self._change_ways(transaction, actor, known, now):
                await transaction.put_provider(self._seal(provider, now))
            await _append(transaction, actor, Act.PROVIDER_CHANGED, provider, now, before=before)
        return provider

    async def set_enabled(self, actor: Actor, provider_id: ProviderId, enabled: bool, *, now: datetime) -> Provider:
        """Enable or disable one."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            before = _get(known, provider_id)
            provider = replace(before, enabled=enabled)
            (stored,) = [each for each in await transaction.list_providers() if each.id == provider_id]
            async with self._change_ways(transaction, actor, known, now):
                await transaction.put_provider(replace(stored, enabled=enabled, changed_at=now))
            await _append(transaction, actor, Act.PROVIDER_CHANGED, provider, now, before=before)
        return provider

    async def remove(self, actor: Actor, provider_id: ProviderId, *, now: datetime) -> None:
        """Remove one. The accounts stay, and their identities, too, in case it comes back."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            provider = _get(known, provider_id)
            async with self._change_ways(transaction, actor, known, now):
                await transaction.remove_provider(provider_id)
            await _append(transaction, actor, Act.PROVIDER_REMOVED, provider, now)

    async def test(self, actor: Actor, provider_id: ProviderId, *, now: datetime) -> Sequence[Finding]:
        """Try whatever can be tried without a person; also with one that is disabled, the file's, or does not count."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            known = await self._ways.know(transaction)
            pairs = [*((each, "") for each in known.providers), *known.shadowed]
            found = next(((each, reason) for each, reason in pairs if each.id == provider_id), None)
            if found is None:
                raise NotFoundError(f"there is no provider {provider_id}")
            provider, reason = found
            proven = await _has_admin_through(transaction, provider)
            mode = await self._find_mode(transaction)
        findings = [Finding("Settings", Health.BAD, reason)] if reason else []
        if not check_provider(provider):
            findings += await self._upstream.examine(provider, public_url=self._public_url, now=now)
        return [*findings, _judge_people(provider, mode), _judge_administrators(proven=proven)]

    async def reconcile(self, *, now: datetime) -> None:
        """Take back what providers granted that are not enabled (any more), and end the sessions made through them.

        Also what was granted by a claim or a value that is another now. For what the file changed while nobody was
        looking; called at every start.
        """
        async with self._records.transaction() as transaction:
            known = await self._ways.know(transaction)
            await _settle(transaction, known, Witness("system", now, {}))

    @asynccontextmanager
    async def _change_ways(
        self, transaction: Transaction, actor: Actor, known: Known, now: datetime
    ) -> AsyncGenerator[None]:
        """Around what changes a provider: settle what follows from it, and refuse what must not follow."""
        was_closed = not (await self._ways.decide(transaction, known.enabled)).open
        was_administered = await _is_administered(transaction)
        yield
        after = await self._ways.know(transaction)
        await _settle(transaction, after, Witness(actor.id, now, dict(actor.private)))
        if was_administered and not await _is_administered(transaction):
            raise NeededError(Need.ADMINISTRATORS)
        if was_closed and (await self._ways.decide(transaction, after.enabled)).open:
            raise NeededError(Need.PASSWORDS_CLOSED)

    def _seal(self, provider: Provider, now: datetime) -> StoredProvider:
        def seal(column: str, secret: str) -> str:
            return self._keyring.seal(secret_place(column, provider.id), secret.encode("utf-8")) if secret else ""

        return StoredProvider(
            id=provider.id,
            settings=to_settings(provider),
            client_secret=seal(CLIENT_SECRET, provider.client_secret),
            private_key=seal(PRIVATE_KEY, provider.private_key),
            enabled=provider.enabled,
            changed_at=now,
        )


async def _settle(transaction: Transaction, known: Known, witness: Witness) -> None:
    """See to it that nobody has a session or a right by a provider that does not give it (any more)."""
    places = {(each.id, each.issuer): each for each in known.enabled}
    reread = await _note_reading(transaction, known.enabled)
    for session in await transaction.list_upstream_sessions():
        if (session.provider, session.issuer) not in places:
            await transaction.end_session(session.handle)
    for identity in await transaction.list_identities():
        left = _keep_grants(identity, places.get((identity.provider, identity.issuer)), reread)
        if left != identity:
            await regrant(transaction, identity, left, witness)


async def _note_reading(transaction: Transaction, providers: Sequence[Provider]) -> frozenset[str]:
    """What is read otherwise than it was, as `<id> groups` or `<id> admin`; how it is read now is written down."""
    stored = await transaction.find_setting(READING)
    try:
        before = parse_object((stored or "{}").encode())
    except InputError:
        before = {}
    present: dict[str, object] = {}
    for each in providers:
        renamed = [list(pair) for pair in sorted(each.groups_rename)]
        present[f"{each.id} groups"] = [each.groups_claim, each.groups_prefix, renamed]
        present[f"{each.id} admin"] = [each.admin_claim, each.admin_value]
    written = json.dumps(present, sort_keys=True)
    if written != stored:
        await transaction.put_setting(READING, written)
    return frozenset(what for what, how in present.items() if before.get(what, how) != how)


def _keep_grants(identity: Identity, provider: Provider | None, reread: frozenset[str]) -> Identity:
    """The identity with what the provider can still have granted. Which groups exactly, its next word says.

    SECURITY: nothing of what is read otherwise now. Whoever corrects a value that made everybody an administrator
    wants them to be none at once, not when they sign in again. tests/unit/test_providers_gone.py corrects one.
    """
    grants_groups = provider is not None and provider.groups_claim != "" and f"{provider.id} groups" not in reread
    grants_admin = provider is not None and provider.admin_claim != "" and f"{provider.id} admin" not in reread
    return replace(
        identity,
        groups=identity.groups if grants_groups else frozenset(),
        is_admin=identity.is_admin and grants_admin,
    )


async def _is_administered(transaction: Transaction) -> bool:
    return any(user.enabled for user in await transaction.list_administrators())


async def _has_admin_through(transaction: Transaction, provider: Provider) -> bool:
    for user in await transaction.list_administrators():
        if may_close(user, await transaction.list_identities(user.id), [provider]):
            return True
    return False


def _judge_people(provider: Provider, mode: Mode) -> Finding:
    title = "Who may come in"
    if provider.auto_provision and not mode.takes_provided:
        text = "Nobody new gets an account through it: registration is closed, or by invitation."
        return Finding(title, Health.UNSURE, text, "If that is not meant, choose another mode under Policy.")
    if provider.allowed_emails or provider.allowed_domains or provider.allowed_groups:
        return Finding(title, Health.GOOD, "Only who is named in the settings may sign in.")
    if provider.auto_provision:
        text = "Whoever has an account at the provider gets one here."
        return Finding(title, Health.UNSURE, text, "If that is too many, name addresses, domains or groups.")
    return Finding(title, Health.GOOD, "Only who has connected their account here may sign in.")


def _judge_administrators(*, proven: bool) -> Finding:
    title = "Passwords"
    if proven:
        return Finding(title, Health.GOOD, "An administrator has signed in through it: passwords can be switched off.")
    text = "No administrator has signed in through it yet, so passwords stay open."
    advice = "Connect your own under Account, or map an administrators' claim, and sign in through it once."
    return Finding(title, Health.UNSURE, text, advice)


def _get(known: Known, provider_id: ProviderId) -> Provider:
    stored = (*(each for each in known.providers if not each.from_file), *(each for each, _ in known.shadowed))
    found = next((each for each in stored if each.id == provider_id), None)
    if found is None:
        raise NotFoundError(f"there is no provider {provider_id} that was added in the console")
    return found


def _unacceptable(problems: Sequence[str]) -> Unacceptable:
    pairs = (split_problem(problem) for problem in problems)
    return Unacceptable(tuple((name, f"{words[:1].upper()}{words[1:]}.") for name, words in pairs))


async def _append(
    transaction: Transaction,
    actor: Actor,
    act: Act,
    provider: Provider,
    now: datetime,
    *,
    before: Provider | None = None,
) -> None:
    """Write down an act; of a change, which settings were changed, and never to what."""
    public = {
        "provider": provider.id,
        "kind": provider.kind.value,
        "issuer": provider.issuer,
        "enabled": "yes" if provider.enabled else "no",
    }
    if before is not None:
        names = (each.name for each in fields(Provider))
        public["changed"] = ",".join(name for name in names if getattr(before, name) != getattr(provider, name))
    await transaction.append_audit(AuditEvent(act, actor.id, provider.id, now, public, dict(actor.private)))
