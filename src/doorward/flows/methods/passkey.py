"""Proving a passkey or security key, and making one: what is kept of it is sealed for its row."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from doorward.errors import InputError
from doorward.flows.letters import circumstances
from doorward.flows.notify import Notify
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, NewPasskey, Passkeys, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.factor import FactorId, Passkey
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterKind
from doorward.rules.passkey import (
    digest_of,
    encode_base64url,
    find_flaw,
    handle_of,
    parse_base64url,
    use,
)
from doorward.rules.session import Method


@dataclass(frozen=True, slots=True)
class _Credential:
    """What is sealed of a passkey."""

    credential_id: bytes
    public_key: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was signed with the account's key, but by a passkey that looks copied."""

    user_id: UserId


class PasskeyMethod:
    """Passkeys, as a whole sign-in or as a second proof. `must_verify`: a touch is never enough."""

    def __init__(self, *, passkeys: Passkeys, keyring: Keyring, notify: Notify, must_verify: bool = False) -> None:
        self._passkeys = passkeys
        self._keyring = keyring
        self._notify = notify
        self._must_verify = must_verify

    def ask(self, passkeys: Iterable[Passkey], challenge: bytes, *, verify: bool) -> str:
        """The options for the browser, as JSON. None of `passkeys`: any that it has for us.

        `verify`: the authenticator has to verify its user, so only those that can are asked for.
        """
        verify = verify or self._must_verify
        fit = (each for each in passkeys if each.verifies or not verify)
        allow = [(opened.credential_id, opened.transports) for opened in map(self._open, fit)]
        return self._passkeys.ask_assertion(challenge, allow=allow, verify=verify)

    async def prove(
        self,
        transaction: Transaction,
        answer: str,
        challenge: bytes,
        *,
        user: User | None,
        visitor: Visitor,
        verify: bool,
        now: datetime,
    ) -> tuple[UserId, Method] | Copied | None:
        """Check what a browser answered: whose passkey it is and what it proves, or None.

        `user` is the account that has to answer, None where the passkey says who it is; nothing that was sent ever
        says so (G07). Whoever calls this has taken the challenge, so that it answers once. The transaction has to be
        committed whatever comes of it: a passkey that looks copied is written down, and its owner told.
        """
        try:
            credential_id, handle = self._passkeys.read_handle(answer)
        except InputError:
            return None
        passkey = await transaction.find_passkey(digest_of(credential_id))
        owner = await transaction.find_user(passkey.user_id) if passkey is not None else None
        if passkey is None or owner is None or (user is not None and owner.id != user.id):
            return None
        if handle != handle_of(passkey.user_id) and not (handle is None and user is not None):
            return None
        verify = verify or self._must_verify
        if verify and not passkey.verifies:
            # A key that only counted as touched when it was added did so beside another proof, and does not grow
            # into one that stands alone.
            return None
        opened = self._open(passkey)
        try:
            said = self._passkeys.read_assertion(answer, challenge, public_key=opened.public_key, verify=verify)
        except InputError:
            return None
        flaw = find_flaw(passkey, sign_count=said.sign_count, backup_eligible=said.backup_eligible)
        if flaw is not None:
            # SECURITY: only after the signature held, so that nobody without the key has letters written or learns that
            # it is known. tests/unit/test_factor_methods.py sends answers that do not hold and a counter that is back.
            public = {"passkey": passkey.id, "flaw": flaw}
            event = AuditEvent(Act.PASSKEY_REFUSED, "anonymous", owner.id, now, public, visitor.private())
            await transaction.append_audit(event)
            told = {"factor": passkey.name, **circumstances(visitor, now)}
            await self._notify(transaction, LetterKind.PASSKEY_REFUSED, owner, told, now)
            return Copied(owner.id)
        used = use(passkey, sign_count=said.sign_count, backed_up=said.backed_up, now=now)
        if not await transaction.advance_passkey(passkey, used):
            return None
        return passkey.user_id, Method.PASSKEY if said.verified and passkey.verifies else Method.SECURITY_KEY

    def ask_new(self, user: User, passkeys: Iterable[Passkey], challenge: bytes) -> str:
        """The options for making one, as JSON. `passkeys`: those the account has, which are not to be made again."""
        exclude = [(opened.credential_id, opened.transports) for opened in map(self._open, passkeys)]
        return self._passkeys.ask_registration(user, challenge, exclude=exclude, verify=self._must_verify)

    def read_new(self, answer: str, challenge: bytes) -> NewPasskey | None:
        """What the browser made, verified; None where it does not hold."""
        try:
            made = self._passkeys.read_registration(answer, challenge)
        except InputError:
            return None
        return made if made.verified or not self._must_verify else None

    def make(self, made: NewPasskey, user_id: UserId, passkey_id: FactorId, name: str, *, now: datetime) -> Passkey:
        """What the browser made, as the records hold it."""
        content = {
            "credential_id": encode_base64url(made.credential_id),
            "public_key": encode_base64url(made.public_key),
            "transports": list(made.transports),
        }
        plain = json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")
        return Passkey(
            id=passkey_id,
            user_id=user_id,
            digest=digest_of(made.credential_id),
            sealed=self._keyring.seal(_place_of(passkey_id), plain),
            name=name,
            sign_count=made.sign_count,
            verifies=made.verified,
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            created_at=now,
        )

    def _open(self, passkey: Passkey) -> _Credential:
        content = json.loads(self._keyring.unseal(_place_of(passkey.id), passkey.sealed))
        return _Credential(
            parse_base64url(content["credential_id"]),
            parse_base64url(content["public_key"]),
            tuple(content["transports"]),
        )


def _place_of(passkey_id: FactorId) -> Place:
    return Place("passkeys", "sealed", passkey_id)
