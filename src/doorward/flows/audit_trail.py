"""The audit record, looked at: listed, taken out, verified; its personal data erased; its checkpoints made."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.errors import InputError, TamperError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.audit_erasure import erase_private
from doorward.flows.stored_keys import load_key
from doorward.interfaces import Keyring, Random, Records, Transaction
from doorward.rules.audit import Act, AuditEntry, AuditQuery
from doorward.rules.audit_proof import Verdict, Walk
from doorward.rules.checkpoint import Checkpoint, Pace, SigningKey, StoredCheckpoint, make_checkpoint
from doorward.rules.chore import Chore
from doorward.rules.names import NOBODYS_NAMES, parse_login
from doorward.rules.stored_key import AUDIT, INSTALLATION, place_of

VERIFYING: Final = "audit-verify"
"""The chore of walking the chain again and again (`flows.audit_watch`)."""
PAGE: Final = 500
"""Records that are read at once: nobody waits long for the writer."""
ERASED_AT_ONCE: Final = 200
_ANY: Final = ".*"
_NAMES: Final = frozenset({"actor", "about"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for, as they typed it. `actor` and `about` are names, addresses, ids or words like "cli".

    `act` is one act, or all whose words begin alike (`user.*`).
    """

    actor: str = ""
    about: str = ""
    act: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def words(self) -> Mapping[str, str]:
        """What was given, for the record and for the first line of an export."""
        given = {
            "actor": self.actor,
            "about": self.about,
            "act": self.act,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: text for name, text in given.items() if text}


@dataclass(frozen=True, slots=True)
class Listed:
    """Records, newest first, and the names of the accounts in them. `older`: where to go on, None at the end."""

    entries: tuple[AuditEntry, ...]
    names: Mapping[str, str]
    older: int | None


@dataclass(frozen=True, slots=True)
class TrailState:
    """How the chain stands. `verifying` tells when it was last found whole, and what is wrong with it."""

    head: int
    checkpoint: StoredCheckpoint | None
    unsent: int
    verifying: Chore


class AuditTrail:
    """Everything about the record but writing it, which each act does itself."""

    def __init__(self, *, records: Records, keyring: Keyring, random: Random, pace: Pace, is_sent: bool) -> None:
        """`is_sent`: checkpoints have somewhere to go."""
        self._records = records
        self._keyring = keyring
        self._random = random
        self._pace = pace
        self._is_sent = is_sent

    async def find(self, actor: Actor, wish: Wish, *, limit: int, before: int | None = None) -> Listed:
        """Records that fit, newest first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            query = await _read_wish(transaction, wish)
            found = await transaction.find_audit(query, limit=limit + 1, before=before)
            users = {user.id: user.name for user in await transaction.list_users()}
        shown = tuple(found[:limit])
        words = {word for entry in shown for word in (entry.actor, entry.subject)}
        # SECURITY: an account may be called "cli" or "system", and must not pass for them where the record is read.
        # tests/unit/test_audit_trail.py has one.
        names: dict[str, str] = {
            user_id: name for user_id, name in users.items() if user_id in words and name not in NOBODYS_NAMES
        }
        return Listed(shown, names, shown[-1].sequence if len(found) > limit else None)

    async def find_state(self, actor: Actor) -> TrailState:
        """How the chain stands."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            head, _ = await transaction.find_audit_head()
            return TrailState(
                head,
                await transaction.find_checkpoint(),
                len(await transaction.list_unsent_checkpoints(limit=PAGE)),
                await transaction.find_chore(VERIFYING),
            )

    async def find_public_keys(self, actor: Actor, *, now: datetime) -> list[str]:
        """What checkpoints are verified with, the present key first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            await self._load_key(transaction, now)
            return await self._find_keys(transaction)

    async def find_installation(self) -> str:
        """The name of this installation, which checkpoints carry."""
        async with self._records.transaction() as transaction:
            return await _find_installation(transaction)

    async def make_checkpoint(self, *, now: datetime, due: bool = False) -> Checkpoint | None:
        """Sign how the chain stands; None where there is nothing to sign. With `due` only when it is time.

        TamperError where the chain is not the one that was signed last: nothing is signed over another history.
        """
        async with self._records.transaction() as transaction:
            head, digest = await transaction.find_audit_head()
            last = await transaction.find_checkpoint()
            # One above the head is of records that were cut off: nothing is signed over that.
            if not head or (last is not None and last.checkpoint.sequence > head):
                return None
            if due and not self._pace.is_due(head, last.checkpoint if last else None, now):
                return last.checkpoint if last is not None and last.checkpoint.sequence == head else None
            if last is not None:
                await _check_signed(transaction, last.checkpoint)
                if last.checkpoint.sequence == head:
                    return last.checkpoint
            point = make_checkpoint(
                await self._load_key(transaction, now),
                installation=await _find_installation(transaction),
                sequence=head,
                hash=digest,
                at=now,
            )
            await transaction.put_checkpoint(StoredCheckpoint(checkpoint=point, sent_at=None if self._is_sent else now))
            return point

    async def export(self, actor: Actor, wish: Wish, *, private: bool, now: datetime) -> AsyncIterator[str]:
        """Take records out, line by line, as `rules.audit_lines` has it; that it was done is recorded first.

        `private`: with personal data. It ends with what is there now: what comes meanwhile is in the next one.
        """
        from doorward.rules.audit_lines import Header, Writer

        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            query = await _read_wish(transaction, wish)
            # Whom somebody asked about is a name or an address as they typed it: nothing that stays for ever.
            public = {name: text for name, text in wish.words.items() if name not in _NAMES}
            public["private"] = "yes" if private else "no"
            asked = {name: text for name, text in wish.words.items() if name in _NAMES}
            await append(transaction, actor, Act.AUDIT_EXPORTED, "system", now, public, asked)
        # A chain that was changed is evidence, too, and its export shows where.
        with suppress(TamperError):
            await self.make_checkpoint(now=now)
        async with self._records.transaction() as transaction:
            key = await self._load_key(transaction, now)
            header = Header(
                installation=await _find_installation(transaction),
                at=now,
                whole=query.is_everything,
                private=private,
                query=wish.words,
                keys=tuple(await self._find_keys(transaction)),
            )
            head, _ = await transaction.find_audit_head()
        writer = Writer(header, key)
        yield writer.begin()
        after = 0
        while True:
            entries, points = await self._read_page(query, after, head)
            for entry in entries:
                yield writer.write(entry)
                if header.whole and entry.sequence in points:
                    yield writer.write(points[entry.sequence].checkpoint)
            if not entries:
                break
            after = entries[-1].sequence
        yield writer.end()

    async def verify(self, actor: Actor, *, known: Iterable[Checkpoint] = (), now: datetime) -> Verdict:
        """Walk the whole chain as it is stored, and every checkpoint. `known`: checkpoints kept elsewhere."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        walk = await self.begin_walk(known=known, now=now)
        after = 0
        while True:
            # To the very end: what was erased while we walk is recorded there.
            entries = await self.walk_on(walk, after)
            if not entries:
                break
            after = entries[-1].sequence
        async with self._records.transaction() as transaction:
            for stored in reversed(await transaction.list_checkpoints(after=after)):
                walk.take_checkpoint(stored.checkpoint, walk.installation)
        return walk.finish()

    async def begin_walk(
        self,
        *,
        after: int = 0,
        previous: bytes | None = None,
        known: Iterable[Checkpoint] = (),
        has_private: bool = True,
        now: datetime,
    ) -> Walk:
        """Begin to verify the stored chain behind record `after`, whose hash is `previous`."""
        from doorward.rules.audit import GENESIS
        from doorward.rules.checkpoint import fingerprint, is_genuine

        async with self._records.transaction() as transaction:
            await self._load_key(transaction, now)
            keys = await self._find_keys(transaction)
            installation = await _find_installation(transaction)
        trusted = {fingerprint(key): key for key in keys}
        elsewhere = list(known)
        genuine = [point for point in elsewhere if is_genuine(point, trusted, installation=installation)]
        if len(genuine) < len(elsewhere):
            raise InputError("a checkpoint that was given is not one of this installation")
        return Walk(
            keys,
            installation=installation,
            after=after,
            previous=GENESIS if previous is None else previous,
            known=genuine,
            has_private=has_private,
        )

    async def walk_on(self, walk: Walk, after: int) -> list[AuditEntry]:
        """Verify the next records, and the checkpoints among them."""
        entries, points = await self._read_page(AuditQuery(), after, None)
        for entry in entries:
            walk.take(entry)
            if entry.sequence in points:
                walk.take_checkpoint(points[entry.sequence].checkpoint, walk.installation)
        return entries

    async def erase_of(self, actor: Actor, who: str, *, now: datetime) -> int:
        """Erase the personal data in all records that somebody is in; how many. They may be gone: then by id."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            words = await _find_words(transaction, who)
            # What says that it was erased comes after, and stays.
            upto, _ = await transaction.find_audit_head()
        if set(words) & NOBODYS_NAMES:
            raise InputError("name an account")
        acted, was_about = AuditQuery(actors=words), AuditQuery(subjects=words)
        count = await self._erase(actor, acted, words[-1], {"why": "account"}, upto, now)
        return count + await self._erase(actor, was_about, words[-1], {"why": "account"}, upto, now)

    async def erase_before(self, actor: Actor, before: datetime, *, now: datetime) -> int:
        """Erase the personal data in all records from before then; how many."""
        if before > now:
            raise InputError("that is in the future")
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            upto, _ = await transaction.find_audit_head()
        why = {"why": "age", "before": before.isoformat(timespec="seconds")}
        return await self._erase(actor, AuditQuery(until=before), "system", why, upto, now)

    async def _erase(
        self, actor: Actor, query: AuditQuery, subject: str, why: Mapping[str, str], upto: int, now: datetime
    ) -> int:
        count = after = 0
        while True:
            async with self._records.transaction() as transaction:
                await check_actor(transaction, actor)
                few = await erase_private(
                    transaction,
                    actor,
                    query,
                    subject=subject,
                    why=why,
                    now=now,
                    limit=ERASED_AT_ONCE,
                    after=after,
                    upto=upto,
                )
            count += len(few)
            if len(few) < ERASED_AT_ONCE:
                return count
            after = few[-1]

    async def _read_page(
        self, query: AuditQuery, after: int, upto: int | None
    ) -> tuple[list[AuditEntry], Mapping[int, StoredCheckpoint]]:
        async with self._records.transaction() as transaction:
            entries = await transaction.walk_audit(query, after=after, limit=PAGE, upto=upto)
            if not entries:
                return [], {}
            last = entries[-1].sequence
            points = await transaction.list_checkpoints(after=after, upto=last, limit=PAGE)
        return entries, {stored.checkpoint.sequence: stored for stored in points}

    async def _load_key(self, transaction: Transaction, now: datetime) -> SigningKey:
        _, secret = await load_key(
            transaction, self._keyring, self._random, AUDIT, now=now, public_of=lambda secret: SigningKey(secret).public
        )
        return SigningKey(secret)

    async def _find_keys(self, transaction: Transaction) -> list[str]:
        # SECURITY: from the sealed secrets alone: who writes to the database could put another public key beside one,
        # or a row with nothing but a public key. tests/unit/test_audit_trail.py does both.
        return [
            SigningKey(self._keyring.unseal(place_of(key.number), key.sealed)).public
            for key in await transaction.list_keys(AUDIT)
            if key.sealed
        ]


async def _check_signed(transaction: Transaction, point: Checkpoint) -> None:
    # SECURITY: a signature over a rewritten chain would vouch for it; tests/unit/test_audit_trail.py rewrites one.
    at = point.sequence
    found = await transaction.walk_audit(AuditQuery(), after=at - 1, limit=1, upto=at)
    if [entry.hash for entry in found] != [point.hash]:
        raise TamperError(f"record {at} is not the one that the last checkpoint was made of")


async def _find_installation(transaction: Transaction) -> str:
    return await transaction.find_setting(INSTALLATION) or ""


async def _read_wish(transaction: Transaction, wish: Wish) -> AuditQuery:
    acts: Sequence[str] = ()
    if wish.act:
        acts = [act.value for act in Act if wish.act == act.value or _is_among(act.value, wish.act)]
        if not acts:
            raise InputError(f"{wish.act} is no act; docs/reference/audit-events.md has them all")
    return AuditQuery(
        actors=await _find_words(transaction, wish.actor) if wish.actor else (),
        subjects=await _find_words(transaction, wish.about) if wish.about else (),
        acts=tuple(acts),
        since=wish.since,
        until=wish.until,
    )


def _is_among(act: str, pattern: str) -> bool:
    return pattern.endswith(_ANY) and act.startswith(pattern.removesuffix(_ANY) + ".")


async def _find_words(transaction: Transaction, text: str) -> tuple[str, ...]:
    """What somebody may be called in the record: as it was typed (an id, a word), and the id of who has this name."""
    if text in NOBODYS_NAMES:
        return (text,)
    name = parse_login(text)
    user = await transaction.find_user_by_login(name) if name is not None else None
    return (text,) if user is None or user.id == text else (text, user.id)
