"""The schema. Instants are BIGINT microseconds since the epoch; the migrations build exactly this (held by a test)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from typing_extensions import override

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Microseconds since the epoch, exactly. A naive instant is a TypeError."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


class Instant(TypeDecorator[datetime]):
    """An aware instant as BIGINT microseconds: exact, ordered, and the same in every database."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows by itself only for the type INTEGER.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    # What came later has a default, for the accounts that were there before.
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    Column("awaits_approval", Boolean, nullable=False, server_default=false()),
    Column("console_only", Boolean, nullable=False, server_default=false()),
    Column("language", Text, nullable=False, server_default=""),
    Column("enrol_by", Instant),
    # Which factors were set up, sealed: one that is gone without having been taken away is missed.
    Column("factors", Text, nullable=False, server_default=""),
    Column("is_service", Boolean, nullable=False, server_default=false()),
)
# An account may have no address; two accounts may not share one.
Index(
    "ix_users_email",
    users.c.email,
    unique=True,
    sqlite_where=users.c.email != "",
    postgresql_where=users.c.email != "",
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", Text, primary_key=True),
    sqlite_with_rowid=False,
)

passwords = Table(
    "passwords",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    # 32 random bytes as the clustered key: one descent per check.
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("authenticated_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("idle_micros", BigInteger),
    Column("last_seen_at", Instant, nullable=False, index=True),
    # The earlier of expiry and idleness, kept with every touch, so that purging costs only what it removes.
    Column("ends_at", Instant, nullable=False, index=True),
    Column("methods", Text, nullable=False),
    Column("remembered", Boolean, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("parent", Text),
    sqlite_with_rowid=False,
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("browser", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    sqlite_with_rowid=False,
)

counters = Table(
    "counters",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("key", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Index("ix_counters_key_at", "key", "at"),
)

totals = Table(
    "totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

revision = Table(
    "revision",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    CheckConstraint("id = 1", name="single"),
    Column("value", BigInteger, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # Compared byte for byte, as both databases do with text unless told otherwise: the provider's words are no names of
    # ours, and two that differ in letter case are two people.
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owns_profile", Boolean, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("linked_at", Instant, nullable=False),
    Column("used_at", Instant),
    UniqueConstraint("issuer", "subject"),
    # With what a check asks for, so that it reads this and not the table.
    Index("ix_identities_user_id_is_admin", "user_id", "is_admin"),
    sqlite_with_rowid=False,
)

identity_groups = Table(
    "identity_groups",
    metadata,
    Column("identity_id", Text, ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", Text, primary_key=True),
    sqlite_with_rowid=False,
)

upstream_sessions = Table(
    "upstream_sessions",
    metadata,
    # No foreign key: the row is there before its session is stored, and sessions may live elsewhere.
    Column("handle", Text, primary_key=True),
    Column("identity_id", Text, ForeignKey("identities.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("provider", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sid", Text, nullable=False),
    Column("id_token", Text, nullable=False),
    Column("refresh_token", Text, nullable=False),
    Column("check_at", Instant, index=True),
    Column("expires_at", Instant, nullable=False, index=True),
    Index("ix_upstream_sessions_provider_sid", "provider", "sid"),
    Index("ix_upstream_sessions_provider_subject", "provider", "subject"),
)

marks = Table(
    "marks",
    metadata,
    # SHA-256 of the name: names hold what providers say, at any length.
    Column("name", LargeBinary, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    sqlite_with_rowid=False,
)

providers = Table(
    "providers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("settings", Text, nullable=False),
    Column("client_secret", Text, nullable=False),
    Column("private_key", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

totps = Table(
    "totp",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    # One credential, one account: whoever registers somebody else's key again does not take it over.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("sealed", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("verifies", Boolean, nullable=False),
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    UniqueConstraint("user_id", "position"),
)

invites = Table(
    "invites",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    # No foreign key: what it lets in does not depend on whether its maker is still there.
    Column("made_by", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("max_uses", BigInteger),
    Column("uses", BigInteger, nullable=False),
    Column("groups", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("revoked_at", Instant),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    # Clustered as it is read: an account's last ones lie side by side.
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("failure", Text, nullable=False),
    Column("methods", Text, nullable=False),
    Column("session", Text),
    Column("new_device", Boolean, nullable=False),
    Column("sealed", Text, nullable=False),
    sqlite_with_rowid=False,
)

letters = Table(
    "letters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    # NULL where a mail is about no account; the others go with theirs.
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("sealed", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("queued_at", Instant, nullable=False, index=True),
    Column("next_try_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("done_at", Instant, index=True),
    Column("trouble", Text, nullable=False),
    Index("ix_letters_state_next_try_at", "state", "next_try_at"),
)

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    CheckConstraint("id = 1", name="single"),
    # No foreign key: that it was set up stays true after the account is gone.
    Column("first_admin", Text, nullable=False),
    Column("set_up_at", Instant, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    # What came later has a default, for the keys that were there before: those of session cookies.
    Column("purpose", Text, nullable=False, server_default="session"),
    Column("public", Text, nullable=False, server_default=""),
    Column("retired_at", Instant),
)

pending_ends = Table(
    "pending_ends",
    metadata,
    Column("id", _Serial, primary_key=True),
    # Either all sessions of an account, except one it keeps, or one session by its handle.
    Column("user_id", Text),
    Column("keep", Text),
    Column("handle", Text),
    CheckConstraint("(user_id IS NULL) <> (handle IS NULL)", name="one_kind"),
    # Numbers are never used again: "applied up to 7" must not come to mean a later row.
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("act", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("public", Text, nullable=False),
    Column("private", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("private_digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    # What is asked for by whom and about whom; the order of time is that of the chain.
    Index("ix_audit_actor", "actor"),
    Index("ix_audit_subject", "subject"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    # Which key signed it (`signing_keys`, purpose "audit"), as the fingerprint of the public key.
    Column("signed_by", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("sent_at", Instant),
    Column("trouble", Text, nullable=False, server_default=""),
)

chores = Table(
    "chores",
    metadata,
    # What is done at intervals (a backup, a drill, a checkpoint), and how it last went.
    Column("name", Text, primary_key=True),
    Column("tried_at", Instant),
    Column("done_at", Instant),
    Column("trouble", Text, nullable=False),
    Column("facts", Text, nullable=False),
    sqlite_with_rowid=False,
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    # What it is about; what is alike within a while is told once.
    Column("about", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("queued_at", Instant, nullable=False, index=True),
    Column("next_try_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("done_at", Instant),
    Column("trouble", Text, nullable=False),
    Index("ix_alerts_state_next_try_at", "state", "next_try_at"),
    Index("ix_alerts_kind_about", "kind", "about"),
)

decisions = Table(
    "decisions",
    metadata,
    # SHA-256 of what makes two decisions one: user, host, method, shape of the path, verdict, reason, and the day.
    Column("id", LargeBinary, primary_key=True),
    # No foreign key: what was decided stays true when the account is gone; retention ends it.
    Column("user_id", Text, nullable=False, index=True),
    Column("host", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False, index=True),
    sqlite_with_rowid=False,
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", Text, primary_key=True),
    # SHA-256 of 256 random bits.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("made_by", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant),
)

app_keys = Table(
    "app_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # A hash of the secret.
    Column("digest", Text, nullable=False),
    Column("preview", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    # What it opens, as JSON: never asked for by itself, and what comes later needs no column.
    Column("reach", Text, nullable=False),
    Column("generation", BigInteger),
    Column("expires_at", Instant),
    Column("disabled_at", Instant),
    Column("woken_at", Instant),
    Column("uses", BigInteger, nullable=False),
    Column("last_used_at", Instant),
    # From where it was used last, sealed.
    Column("sealed", Text, nullable=False),
    UniqueConstraint("user_id", "name"),
    sqlite_with_rowid=False,
)

app_secrets = Table(
    "app_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
