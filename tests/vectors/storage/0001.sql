-- A database as schema 0001 left it, dumped from the program of that time: two accounts, one of them an administrator
-- with a password and two sessions; a ticket, a counter, two audit records, the mark of the set-up, a signing key (the
-- master key is the SHA-256 of "schema 0001"), and an end that a store of sessions elsewhere had not yet heard of.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	sequence INTEGER NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	subject TEXT NOT NULL,
	at BIGINT NOT NULL,
	public TEXT NOT NULL,
	private TEXT NOT NULL,
	salt BLOB NOT NULL,
	private_digest BLOB NOT NULL,
	previous BLOB NOT NULL,
	hash BLOB NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (sequence)
);
INSERT INTO "audit" VALUES(1,'admin.setup','alice','alice',1893499200000007,'{"session":"h"}','{"address":"2001:db8::1","user_agent":"\u00dc"}',X'5867ADA5AD9EED1E4FC9C1C560438B3C',X'0287457C7A47A11AC75FB4A0828706FB13FAF9A7935DD6EF41A11936C6E64361',X'0000000000000000000000000000000000000000000000000000000000000000',X'C764C888C744ED44C8999CE2EE6E36D3A0D9D45D8F579DBEEE5989E89895D50C');
INSERT INTO "audit" VALUES(2,'user.login','alice','alice',1893499200000007,'{"session":"h"}','{"address":"2001:db8::1","user_agent":"\u00dc"}',X'6F44549430A46F89A7610CEA2A0EFC24',X'3C8F91A9E7EDB710D0524A11B1F4177A17BA4D8630985A0934A4594E63C19EAA',X'C764C888C744ED44C8999CE2EE6E36D3A0D9D45D8F579DBEEE5989E89895D50C',X'BF00E758EE728754738EFCB1B7395134C4C5C3ADD3B84DAEE000AA61F03DC63A');
CREATE TABLE counters (
	id INTEGER NOT NULL,
	"key" TEXT NOT NULL,
	at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_counters PRIMARY KEY (id)
);
INSERT INTO "counters" VALUES(1,'login:192.0.2.1',1893499200000000,1893499260000000);
CREATE TABLE installation (
	id SMALLINT NOT NULL,
	first_admin TEXT NOT NULL,
	set_up_at BIGINT NOT NULL,
	CONSTRAINT pk_installation PRIMARY KEY (id),
	CONSTRAINT ck_installation_single CHECK (id = 1)
);
INSERT INTO "installation" VALUES(1,'alice_________________',1893499200000000);
CREATE TABLE memberships (
	user_id TEXT NOT NULL,
	group_name TEXT NOT NULL,
	CONSTRAINT pk_memberships PRIMARY KEY (user_id, group_name),
	CONSTRAINT fk_memberships_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "memberships" VALUES('alice_________________','admins:eu/1');
INSERT INTO "memberships" VALUES('alice_________________','staff');
INSERT INTO "memberships" VALUES('bob___________________','guests');
CREATE TABLE passwords (
	user_id TEXT NOT NULL,
	sealed TEXT NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT pk_passwords PRIMARY KEY (user_id),
	CONSTRAINT fk_passwords_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "passwords" VALUES('alice_________________','gcm1:alice',1893499200000000);
CREATE TABLE pending_ends (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	user_id TEXT,
	keep TEXT,
	handle TEXT,
	CONSTRAINT ck_pending_ends_one_kind CHECK ((user_id IS NULL) <> (handle IS NULL))
);
INSERT INTO "pending_ends" VALUES(1,'bob___________________',NULL,NULL);
CREATE TABLE revision (
	id SMALLINT NOT NULL,
	value BIGINT NOT NULL,
	CONSTRAINT pk_revision PRIMARY KEY (id),
	CONSTRAINT ck_revision_single CHECK (id = 1)
);
INSERT INTO "revision" VALUES(1,2);
CREATE TABLE sessions (
	fingerprint BLOB NOT NULL,
	handle TEXT NOT NULL,
	user_id TEXT NOT NULL,
	generation BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	authenticated_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	idle_micros BIGINT,
	last_seen_at BIGINT NOT NULL,
	ends_at BIGINT NOT NULL,
	methods TEXT NOT NULL,
	remembered BOOLEAN NOT NULL,
	user_agent TEXT NOT NULL,
	address TEXT NOT NULL,
	parent TEXT,
	CONSTRAINT pk_sessions PRIMARY KEY (fingerprint),
	CONSTRAINT uq_sessions_handle UNIQUE (handle),
	CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "sessions" VALUES(X'0000000000000000000000000000000000000000000000000000000000000001','0000000000000000000001','alice_________________',0,1893499200000000,1893499200000001,1893585600000000,7200000000,1893499200000000,1893506400000000,'otp,pwd',0,'Mozilla/5.0 (ünïcode)','2001:db8::1',NULL);
INSERT INTO "sessions" VALUES(X'0000000000000000000000000000000000000000000000000000000000000002','0000000000000000000002','alice_________________',0,1893499200000000,1893499200000001,1893585600000000,NULL,1893499200000000,1893585600000000,'otp,pwd',1,'Mozilla/5.0 (ünïcode)','2001:db8::1','0000000000000000000001');
CREATE TABLE signing_keys (
	id INTEGER NOT NULL,
	sealed TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_signing_keys PRIMARY KEY (id)
);
INSERT INTO "signing_keys" VALUES(1,'gcm1:b97a2064e89b054b:L09fA_5_F9g5x8tpWUup---Y8J3cgsJ5Kz4iX8a58cDIaGrbKTGFhw_D1G0udyxONBqzxM5qlxRCpNmm',1893499200000000);
CREATE TABLE tickets (
	id BLOB NOT NULL,
	purpose TEXT NOT NULL,
	browser BLOB NOT NULL,
	state TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_tickets PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "tickets" VALUES(X'0000000000000000000000000000000000000000000000000000000000000003','login',X'6262626262626262626262626262626262626262626262626262626262626262','{"return":"https://app.example.test/?q=\u00fc","step":"1"}',1893499200000000,1893500100000000);
CREATE TABLE totals (
	name TEXT NOT NULL,
	value BIGINT NOT NULL,
	CONSTRAINT pk_totals PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "totals" VALUES('sessions',2);
INSERT INTO "totals" VALUES('tickets',1);
CREATE TABLE users (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	display_name TEXT NOT NULL,
	email TEXT NOT NULL,
	is_admin BOOLEAN NOT NULL,
	enabled BOOLEAN NOT NULL,
	generation BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_name UNIQUE (name)
);
INSERT INTO "users" VALUES('alice_________________','alice','Älice “A” 😀','alice@example.test',1,1,0,1893499200123457);
INSERT INTO "users" VALUES('bob___________________','bob','Älice “A” 😀','',0,0,3,1893499200123457);
CREATE UNIQUE INDEX ix_users_email ON users (email) WHERE email != '';
CREATE INDEX ix_tickets_expires_at ON tickets (expires_at);
CREATE INDEX ix_counters_key_at ON counters ("key", at);
CREATE INDEX ix_counters_expires_at ON counters (expires_at);
CREATE INDEX ix_sessions_last_seen_at ON sessions (last_seen_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_sessions_ends_at ON sessions (ends_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('pending_ends',1);
COMMIT;
