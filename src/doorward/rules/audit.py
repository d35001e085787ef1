"""The audit record and its chain (docs/adr 0010).

Each record's hash covers the canonical JSON of its content and the hash of the record before it, so that an edit,
deletion, insertion or reordering shows. Personal data stands in `private`, which the chain covers only through a
salted digest: it can be erased later and the chain still verifies.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

GENESIS = bytes(32)
"""The hash "before" the first record."""

SEALED: Final = "audit.sealed"
"""The setting that says, once it has a value, that nothing readable is left of older versions."""


class Act(Enum):
    """What happened. Words are stable; TREK's vocabulary where it has one (B-38)."""

    LOGIN = "user.login"
    LOGIN_FAILED = "user.login_failed"
    LOGIN_LOCKED = "user.login_locked"
    REAUTHENTICATED = "user.reauthenticated"
    LOGOUT = "user.logout"
    SESSION_ENDED = "session.end"
    SETUP = "admin.setup"
    APP_KEY_MADE = "user.api_key_create"
    APP_KEY_RENAMED = "user.api_key_rename"
    APP_KEY_REVOKED = "user.api_key_revoke"
    APP_KEY_ASLEEP = "system.api_key_sleep"
    APP_KEY_WOKEN = "user.api_key_wake"
    PAIRING_APPROVED = "user.pairing_approve"
    PAIRING_REFUSED = "user.pairing_refuse"
    USER_CREATED = "admin.user_create"
    USER_UPDATED = "admin.user_update"
    USER_DISABLED = "admin.user_disable"
    USER_ENABLED = "admin.user_enable"
    USER_DELETED = "admin.user_delete"
    USER_EXPORTED = "admin.user_export"
    USER_ERASED = "admin.user_erase"
    USER_GROUPS = "admin.user_groups"
    USER_IMPORTED = "admin.user_import"
    USERS_EXPORTED = "admin.users_export"
    PASSWORD_SET = "admin.password_set"  # noqa: S105 -- an act's name
    PASSWORD_CHANGED = "user.password_change"  # noqa: S105 -- an act's name
    PASSWORD_RESET_ASKED = "user.password_reset_request"  # noqa: S105 -- an act's name
    PASSWORD_RESET = "user.password_reset"  # noqa: S105 -- an act's name
    RESET_LINK_MADE = "admin.reset_link"
    PROFILE_CHANGED = "user.profile_change"
    EMAIL_CHANGE_ASKED = "user.email_change_request"
    EMAIL_CHANGED = "user.email_change"
    EXPORTED = "user.export"
    ACCOUNT_DELETED = "user.delete"
    DISOWNED = "user.session_disown"
    TOTP_ENABLED = "user.mfa_enable"
    TOTP_DISABLED = "user.mfa_disable"
    PASSKEY_ADDED = "user.passkey_add"
    PASSKEY_RENAMED = "user.passkey_rename"
    PASSKEY_REMOVED = "user.passkey_remove"
    PASSKEY_REFUSED = "user.passkey_refuse"
    RECOVERY_CODES_MADE = "user.recovery_codes_make"
    RECOVERY_CODE_USED = "user.recovery_code_use"
    REGISTERED = "user.register"
    REGISTRATION_APPROVED = "admin.registration_approve"
    REGISTRATION_REFUSED = "admin.registration_refuse"
    INVITE_MADE = "admin.invite_create"
    INVITE_REVOKED = "admin.invite_revoke"
    INVITE_USED = "user.invite_use"
    FACTORS_RESET = "admin.mfa_reset"
    PASSWORD_FORCED = "admin.password_force_change"  # noqa: S105 -- an act's name
    POLICY_CHANGED = "admin.policy_change"
    LOGOUT_UPSTREAM = "user.logout_upstream"
    IDENTITY_LINKED = "user.identity_link"
    IDENTITY_UNLINKED = "user.identity_unlink"
    IDENTITY_GRANTS = "user.identity_grants"
    PROVIDER_ADDED = "admin.provider_add"
    PROVIDER_CHANGED = "admin.provider_change"
    PROVIDER_REMOVED = "admin.provider_remove"
    WAYS_CHANGED = "admin.sign_in_change"
    APP_SECRET_SET = "admin.app_secret_set"  # noqa: S105 -- an act's name
    APP_SECRET_REMOVED = "admin.app_secret_remove"  # noqa: S105 -- an act's name
    LOCKDOWN = "incident.lockdown"
    LOCKDOWN_LIFTED = "incident.lift"
    EVIDENCE_TAKEN = "incident.evidence"
    KIT_MADE = "break_glass.make"
    KIT_REVOKED = "break_glass.revoke"
    KIT_USED = "break_glass.use"
    EMERGENCY_NOTED = "break_glass.emergency"
    CONFIG_IMPORTED = "admin.config_import"
    CONFIG_RELOADED = "system.config_reload"
    STARTED = "system.start"
    MASTER_KEY_ROTATING = "admin.master_key_rotate_begin"
    MASTER_KEY_ROTATED = "admin.master_key_rotate"
    MASTER_KEY_KEPT = "admin.master_key_rotate_fail"
    SIGNING_KEY_ROTATED = "admin.signing_key_rotate"
    ASSERTION_KEY_ROTATED = "admin.assertion_key_rotate"
    ASSERTION_KEY_RETIRED = "system.assertion_key_retire"
    KEYS_EXPORTED = "admin.keys_export"
    RESEALED = "system.reseal"
    TAMPERED = "system.tamper"
    BACKUP_MADE = "admin.backup_create"
    BACKUP_TAKEN_IN = "admin.backup_upload"
    BACKUP_REMOVED = "admin.backup_delete"
    BACKUP_PROVEN = "admin.backup_drill"
    RESTORED = "admin.backup_restore"
    AUDIT_EXPORTED = "admin.audit_export"
    AUDIT_ERASED = "admin.audit_erase"
    AUDIT_SEALED = "system.audit_seal"
    AUDIT_BROKEN = "system.audit_broken"

    @property
    def meaning(self) -> str:
        """When it is recorded; the reference of events is made from this."""
        return _MEANINGS[self]


_MEANINGS = {
    Act.LOGIN: "Somebody signed in.",
    Act.LOGIN_FAILED: "A sign-in failed: wrong password, unknown or disabled account, or a provider's answer that did "
    "not hold.",
    Act.LOGIN_LOCKED: "A sign-in was refused because of earlier failures.",
    Act.REAUTHENTICATED: "Somebody signed in proved again who they are.",
    Act.LOGOUT: "Somebody signed out.",
    Act.SESSION_ENDED: "A session was ended from another place.",
    Act.SETUP: "The first administrator was made.",
    Act.APP_KEY_MADE: "A key for apps was made, by its owner or an administrator.",
    Act.APP_KEY_RENAMED: "A key for apps was given another name.",
    Act.APP_KEY_REVOKED: "A key for apps was taken back.",
    Act.APP_KEY_ASLEEP: "A key for apps was put to sleep: nobody had used it for long.",
    Act.APP_KEY_WOKEN: "A key for apps that was put to sleep counts again.",
    Act.PAIRING_APPROVED: "Somebody approved a device by its code; it may fetch a key.",
    Act.PAIRING_REFUSED: "Somebody refused a device that showed a code.",
    Act.USER_CREATED: "An account was made.",
    Act.USER_UPDATED: "An account's name, address or rights were changed.",
    Act.USER_DISABLED: "An account was disabled; its sessions ended.",
    Act.USER_ENABLED: "An account was enabled again.",
    Act.USER_DELETED: "An account was deleted; its sessions ended.",
    Act.USER_EXPORTED: "An administrator, or the command line, took a copy of what is stored about an account.",
    Act.USER_ERASED: "An account was erased: it was deleted, with what was kept of it for evidence.",
    Act.USER_GROUPS: "An account's groups were changed.",
    Act.USER_IMPORTED: "An account was made, or changed, as a file from elsewhere has it.",
    Act.USERS_EXPORTED: "All accounts were taken out to a file; `secrets` says whether with password hashes.",
    Act.PASSWORD_SET: "A password was set or changed; other sessions of the account ended.",
    Act.PASSWORD_CHANGED: "Somebody changed their own password; their other sessions ended.",
    Act.PASSWORD_RESET_ASKED: "Somebody asked for a link to set a new password.",
    Act.PASSWORD_RESET: "A password was set by such a link; all sessions of the account ended.",
    Act.RESET_LINK_MADE: "An administrator, or the command line, made a link to set a new password.",
    Act.PROFILE_CHANGED: "Somebody changed their own name or language.",
    Act.EMAIL_CHANGE_ASKED: "Somebody asked to change their e-mail address; a link went to the new one.",
    Act.EMAIL_CHANGED: "An e-mail address was confirmed and took the place of the old one.",
    Act.EXPORTED: "Somebody took a copy of what is stored about them.",
    Act.ACCOUNT_DELETED: "Somebody deleted their own account.",
    Act.DISOWNED: "Somebody said of one of their sessions that it is not theirs; all sessions of the account ended.",
    Act.TOTP_ENABLED: "An authenticator app was set up.",
    Act.TOTP_DISABLED: "An authenticator app was taken away.",
    Act.PASSKEY_ADDED: "A passkey or security key was added.",
    Act.PASSKEY_RENAMED: "A passkey or security key was given another name.",
    Act.PASSKEY_REMOVED: "A passkey or security key was removed.",
    Act.PASSKEY_REFUSED: "A passkey was refused because it looks copied: its counter or its backup mark is impossible.",
    Act.RECOVERY_CODES_MADE: "New recovery codes took the place of the old ones.",
    Act.RECOVERY_CODE_USED: "A recovery code was used up.",
    Act.REGISTERED: "Somebody made an account for themselves.",
    Act.REGISTRATION_APPROVED: "An account that was registered was let in.",
    Act.REGISTRATION_REFUSED: "An account that was registered was refused, and deleted.",
    Act.INVITE_MADE: "An invitation was made.",
    Act.INVITE_REVOKED: "An invitation was taken back.",
    Act.INVITE_USED: "An invitation was used.",
    Act.FACTORS_RESET: "An account's second factors were taken away; its sessions ended.",
    Act.PASSWORD_FORCED: "An account has to change its password at the next sign-in.",
    Act.POLICY_CHANGED: "Who needs a second factor, or who may register, was changed.",
    Act.LOGOUT_UPSTREAM: "A provider ended a sign-in: by a logout notice, or by refusing to renew it.",
    Act.IDENTITY_LINKED: "An account at a provider was connected to an account here.",
    Act.IDENTITY_UNLINKED: "The connection of an account to a provider was taken away.",
    Act.IDENTITY_GRANTS: "What a provider grants to an account was changed: groups or administration.",
    Act.PROVIDER_ADDED: "A provider was added in the console.",
    Act.PROVIDER_CHANGED: "A provider was changed, enabled or disabled in the console.",
    Act.PROVIDER_REMOVED: "A provider was removed; what it granted is gone.",
    Act.WAYS_CHANGED: "Signing in with local passwords was switched on or off.",
    Act.APP_SECRET_SET: "A secret that we show apps was set, or another took its place.",
    Act.APP_SECRET_REMOVED: "A secret that we show apps was removed.",
    Act.LOCKDOWN: "An incident was contained: all sessions ended, and nobody registers or adds a way of signing in.",
    Act.LOCKDOWN_LIFTED: "A lockdown was lifted.",
    Act.EVIDENCE_TAKEN: "What is known of an incident was copied into one encrypted file.",
    Act.KIT_MADE: "A break-glass code was made for an administrator.",
    Act.KIT_REVOKED: "Break-glass codes were taken back before they were used.",
    Act.KIT_USED: "An administrator came in with a break-glass code; all administrators are told.",
    Act.EMERGENCY_NOTED: "The gateway had run in an emergency, without its data; what was recorded then is noted here.",
    Act.CONFIG_IMPORTED: "Another configuration was merged into the configuration file.",
    Act.CONFIG_RELOADED: "The policy was reloaded, or the reload was refused and the old one kept.",
    Act.STARTED: "The gateway started.",
    Act.MASTER_KEY_ROTATING: "A rotation of the master key began, or went on after an interruption.",
    Act.MASTER_KEY_ROTATED: "Everything is sealed under the new master key; the old one was retired.",
    Act.MASTER_KEY_KEPT: "A rotation of the master key found values it could not seal anew; the old key was kept.",
    Act.SIGNING_KEY_ROTATED: "The key of session cookies was replaced; every session ended.",
    Act.ASSERTION_KEY_ROTATED: "A key that signs assertions to apps was made, by hand or by itself.",
    Act.ASSERTION_KEY_RETIRED: "The keys of assertions before this one sign no more; their secrets are forgotten.",
    Act.KEYS_EXPORTED: "The master keys were written to a file, as a copy to be kept elsewhere.",
    Act.RESEALED: "What was sealed in an older form was sealed anew; `failed` did not open.",
    Act.BACKUP_MADE: "A backup was made.",
    Act.BACKUP_TAKEN_IN: "A backup from elsewhere was put beside the others.",
    Act.BACKUP_REMOVED: "A backup was deleted.",
    Act.BACKUP_PROVEN: "A backup was tried: restored into a scratch place, compared, and every sealed value opened.",
    Act.RESTORED: "A backup was restored; all sessions ended.",
    Act.TAMPERED: "Stored data was found changed and was refused.",
    Act.AUDIT_EXPORTED: "The audit record, or a part of it, was taken out.",
    Act.AUDIT_ERASED: "The personal data of older audit records was erased; `records` names them.",
    Act.AUDIT_SEALED: "The personal data of records from before it was sealed was sealed.",
    Act.AUDIT_BROKEN: "The chain of audit records was found broken; `position` says where.",
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act, before it has a place in the chain.

    `actor` and `subject` are user ids, session handles or the words "cli", "system", "anonymous". `public` holds what
    may stay for ever (reasons, counts, handles); `private` what may have to be erased (addresses, user agents, names).
    """

    act: Act
    actor: str
    subject: str
    at: datetime
    public: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event with its place: `sequence` counts from 1 without gaps; `salt` is 16 random bytes for the digest.

    Where the personal data was erased, `event.private` and `salt` are empty: an address is quickly found from its
    digest by whoever has the salt.
    """

    sequence: int
    event: AuditEvent
    salt: bytes
    private_digest: bytes
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A record as it was found, whatever stands in it: an act may be of another version, or nobody's.

    `private` is None where it was erased or left out. `sealed_wrong`: there is one, and it does not open.
    """

    sequence: int
    at: datetime
    act: str
    actor: str
    subject: str
    public: Mapping[str, str]
    private: Mapping[str, str] | None
    salt: bytes
    digest: bytes
    previous: bytes
    hash: bytes
    sealed_wrong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which records are meant: everything that is given must fit. `actors` and `subjects`: any of them."""

    actors: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether every record fits."""
        return self == AuditQuery()


def chain(event: AuditEvent, *, sequence: int, previous: bytes, entropy: bytes) -> AuditRecord:
    """Give `event` its place after the record whose hash is `previous`. `entropy`: 16 random bytes."""
    digest = digest_private(event.private, salt=entropy)
    return AuditRecord(
        sequence, event, entropy, digest, previous, _hash(event, sequence=sequence, previous=previous, digest=digest)
    )


def verify_link(record: AuditRecord, previous: bytes) -> bool:
    """Whether the record stands unedited directly after `previous`. Erased private data (empty) is no edit."""
    expected = _hash(record.event, sequence=record.sequence, previous=previous, digest=record.private_digest)
    if record.hash != expected or record.previous != previous:
        return False
    if not record.event.private:
        return True
    return chain(record.event, sequence=record.sequence, previous=previous, entropy=record.salt) == record


def is_intact(entry: AuditEntry) -> bool:
    """Whether the entry is what its own hash says, and its personal data, where it has any, what the digest says."""
    if entry.hash != _hash_words(entry):
        return False
    if entry.private is None:
        return not entry.sealed_wrong
    return digest_private(entry.private, salt=entry.salt) == entry.digest


def digest_private(private: Mapping[str, str], *, salt: bytes) -> bytes:
    """All that the chain holds of personal data."""
    return hashlib.sha256(b"doorward-audit-private-v1" + salt + _canonical(private)).digest()


def pack_private(private: Mapping[str, str], *, salt: bytes) -> bytes:
    """Personal data together with its salt, to be sealed as one."""
    return _canonical({"private": dict(private), "salt": salt.hex()})


def unpack_private(packed: bytes) -> tuple[Mapping[str, str], bytes]:
    """What `pack_private` packed. ValueError where it is nothing of the kind."""
    found = json.loads(packed)
    return {str(name): str(value) for name, value in found["private"].items()}, bytes.fromhex(found["salt"])


def _hash(event: AuditEvent, *, sequence: int, previous: bytes, digest: bytes) -> bytes:
    entry = AuditEntry(
        sequence=sequence,
        at=event.at,
        act=event.act.value,
        actor=event.actor,
        subject=event.subject,
        public=event.public,
        private=None,
        salt=b"",
        digest=digest,
        previous=previous,
        hash=b"",
    )
    return _hash_words(entry)


def _hash_words(entry: AuditEntry) -> bytes:
    content = {
        "act": entry.act,
        "actor": entry.actor,
        "at": spell_at(entry.at),
        "private": entry.digest.hex(),
        "public": dict(entry.public),
        "sequence": entry.sequence,
        "subject": entry.subject,
    }
    return hashlib.sha256(b"doorward-audit-v1" + entry.previous + _canonical(content)).digest()


def spell_at(at: datetime) -> str:
    """An instant as the chain and the export spell it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _canonical(value: Mapping[str, object]) -> bytes:
    return json.dumps(dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
