-- A database as schema 0004 left it, dumped from the program of that time: what 0003 had, brought up to date by it, and
-- a third record, sealed, with a checkpoint; an alert, a chore, a decision, a preference and a code on paper; the keys of
-- before and the root that stands for the master key (which is the SHA-256 of "schema 0004").
BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE alerts (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	about TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	state TEXT NOT NULL, 
	queued_at BIGINT NOT NULL, 
	next_try_at BIGINT NOT NULL, 
	tries INTEGER NOT NULL, 
	done_at BIGINT, 
	trouble TEXT NOT NULL, 
	CONSTRAINT pk_alerts PRIMARY KEY (id)
);
INSERT INTO "alerts" VALUES('00000000000000000000000000000001','backup_failed','','gcm1:alert','waiting',1893499200000001,1893499200000001,0,NULL,'');
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
INSERT INTO "audit" VALUES(1,'user.login','alice','alice',1893499200000007,'{"session":"h"}','{"address":"2001:db8::1","user_agent":"\u00dc"}',X'CBEF46DF11F2C661E14A4658DFE70E69',X'D7BBAD7939E9DADF8967490AC61E16B9852D107C1023A0471E2BF3E967E53767',X'0000000000000000000000000000000000000000000000000000000000000000',X'854CF0D83FBD6496DE6F9C5D74D6E2D9077CA135028A76B72F2BF9FC369F0599');
INSERT INTO "audit" VALUES(2,'user.identity_link','alice','alice',1893499200000007,'{"session":"h"}','{"address":"2001:db8::1","user_agent":"\u00dc"}',X'D03EA9799704E7638C3220FB746729CC',X'895CBD3F7464F13ED6686C9A0B12A543680F6CBB3B57F5701334DFBFBF2817B8',X'854CF0D83FBD6496DE6F9C5D74D6E2D9077CA135028A76B72F2BF9FC369F0599',X'2B6FAF6505C6B75E75BB07C31BB9AD351D104F7DEA638EEE880A98218A483DA6');
INSERT INTO "audit" VALUES(3,'user.logout','alice','alice',1893499200000007,'{"session":"h"}','gcm2:1673407042633063:GuHp7T8o3MHUtbAVAPLm4yQ3INkCDf2B5F6MeKMC2lpHXwFO7G2Ffybq_Gh10klRA_SxsEeaJTVLNxnKtUh9MvBTqCSodlT8yLJlMVB_iQ3ENZyacUNmjBxMaVEklftQkQN4eSbC5Wrghj8DYJki-Bxz-esRFCCoSUDaZb-D5bcp',X'',X'E74321D8AB7AAA9B4346370A25C62F0D173DB1E96E91F4C3476D46A6000A3EAF',X'2B6FAF6505C6B75E75BB07C31BB9AD351D104F7DEA638EEE880A98218A483DA6',X'7710E4C7B4D3E57D6E0AE2E3483812CE2A257A6ECBF13D5300DBD1313AE2C215');
CREATE TABLE break_glass (
	id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	user_id TEXT NOT NULL, 
	made_by TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_break_glass PRIMARY KEY (id), 
	CONSTRAINT fk_break_glass_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_break_glass_digest UNIQUE (digest)
);
INSERT INTO "break_glass" VALUES('kkkkkkkkkkkkkkkkkkkkkk',X'CBC8A597A67C465497550C4A4A7EEBDB138442C06BE06A78CC1EE8715658FF44','alice_________________','alice',1893499200000000,NULL);
CREATE TABLE checkpoints (
	sequence INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	hash BLOB NOT NULL, 
	signed_by TEXT NOT NULL, 
	signature BLOB NOT NULL, 
	sent_at BIGINT, 
	trouble TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (sequence)
);
INSERT INTO "checkpoints" VALUES(3,1893499200000000,X'7710E4C7B4D3E57D6E0AE2E3483812CE2A257A6ECBF13D5300DBD1313AE2C215','aaaaaaaaaaaaaaaa',X'73737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373737373',NULL,'');
CREATE TABLE chores (
	name TEXT NOT NULL, 
	tried_at BIGINT, 
	done_at BIGINT, 
	trouble TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	CONSTRAINT pk_chores PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "chores" VALUES('backup',1893499200000000,1893499200000000,'','{"name": "2030"}');
CREATE TABLE counters (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_counters PRIMARY KEY (id)
);
INSERT INTO "counters" VALUES(1,'login:192.0.2.1',1893499200000000,1925035200000000);
CREATE TABLE decisions (
	id BLOB NOT NULL, 
	user_id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	method TEXT NOT NULL, 
	shape TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	first_at BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	CONSTRAINT pk_decisions PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "decisions" VALUES(X'594C4D154D186E9811B2839FB7D07BAB4B8050FA7B8565EDD8A424962A849421','alice_________________','app.example.test','GET','/a/*','deny','no_rule',2,1893499200000000,1893499260000000);
CREATE TABLE identities (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	email TEXT NOT NULL, 
	name TEXT NOT NULL, 
	owns_profile BOOLEAN NOT NULL, 
	is_admin BOOLEAN NOT NULL, 
	linked_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_identities PRIMARY KEY (id), 
	CONSTRAINT uq_identities_issuer_subject UNIQUE (issuer, subject), 
	CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "identities" VALUES('iiiiiiiiiiiiiiiiiiiiii','alice_________________','https://id.example.test/','alice-1','main','Somebody@Example.test','Älice “A” 😀',0,1,1893499200000000,NULL);
CREATE TABLE identity_groups (
	identity_id TEXT NOT NULL, 
	group_name TEXT NOT NULL, 
	CONSTRAINT pk_identity_groups PRIMARY KEY (identity_id, group_name), 
	CONSTRAINT fk_identity_groups_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "identity_groups" VALUES('iiiiiiiiiiiiiiiiiiiiii','ops');
INSERT INTO "identity_groups" VALUES('iiiiiiiiiiiiiiiiiiiiii','team');
CREATE TABLE installation (
	id SMALLINT NOT NULL, 
	first_admin TEXT NOT NULL, 
	set_up_at BIGINT NOT NULL, 
	CONSTRAINT pk_installation PRIMARY KEY (id), 
	CONSTRAINT ck_installation_single CHECK (id = 1)
);
INSERT INTO "installation" VALUES(1,'alice_________________',1893499200000000);
CREATE TABLE invites (
	id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	made_by TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	max_uses BIGINT, 
	uses BIGINT NOT NULL, 
	groups TEXT NOT NULL, 
	email TEXT NOT NULL, 
	note TEXT NOT NULL, 
	revoked_at BIGINT, 
	CONSTRAINT pk_invites PRIMARY KEY (id), 
	CONSTRAINT uq_invites_digest UNIQUE (digest)
);
INSERT INTO "invites" VALUES('00000000000000000000000000000002',X'0000000000000000000000000000000000000000000000000000000000000002','',1893499200000002,1894104000000001,1,0,'["staff","\u00c4, \u201cB\u201d"]','guest@example.test','für Zoë',NULL);
CREATE TABLE letters (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	user_id TEXT, 
	sealed TEXT NOT NULL, 
	state TEXT NOT NULL, 
	queued_at BIGINT NOT NULL, 
	next_try_at BIGINT NOT NULL, 
	tries INTEGER NOT NULL, 
	done_at BIGINT, 
	trouble TEXT NOT NULL, 
	CONSTRAINT pk_letters PRIMARY KEY (id), 
	CONSTRAINT fk_letters_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "letters" VALUES('00000000000000000000000000000004','reset','bob___________________','gcm1:letter','waiting',1893499200000004,1893499200000004,0,NULL,'');
CREATE TABLE marks (
	name BLOB NOT NULL, 
	at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_marks PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "marks" VALUES(X'7BD10763CB00D833DC964A9CFBAD38B32A4B709CAFA4F163A43E211E4E59DE5D',1893499200000000,1893499260000000);
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
CREATE TABLE passkeys (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	sealed TEXT NOT NULL, 
	name TEXT NOT NULL, 
	sign_count BIGINT NOT NULL, 
	verifies BOOLEAN NOT NULL, 
	backup_eligible BOOLEAN NOT NULL, 
	backed_up BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_used_at BIGINT, 
	CONSTRAINT pk_passkeys PRIMARY KEY (id), 
	CONSTRAINT fk_passkeys_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_passkeys_digest UNIQUE (digest)
);
INSERT INTO "passkeys" VALUES('00000000000000000000000000000001','bob___________________',X'0000000000000000000000000000000000000000000000000000000000000001','gcm1:passkey','Älice’s 🔑',0,1,1,0,1893499200000001,NULL);
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
CREATE TABLE preferences (
	user_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_preferences PRIMARY KEY (user_id, name), 
	CONSTRAINT fk_preferences_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "preferences" VALUES('alice_________________','locations','on');
CREATE TABLE providers (
	id TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	client_secret TEXT NOT NULL, 
	private_key TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	changed_at BIGINT NOT NULL, 
	CONSTRAINT pk_providers PRIMARY KEY (id)
);
INSERT INTO "providers" VALUES('main','{"name":"Ä"}','gcm1:secret','gcm1:key',1,1893499200000009);
CREATE TABLE recovery_codes (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	sealed TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_recovery_codes PRIMARY KEY (id), 
	CONSTRAINT fk_recovery_codes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_recovery_codes_user_id_position UNIQUE (user_id, position)
);
INSERT INTO "recovery_codes" VALUES('rrrrrrrrrrrrrrrrrrrrrr','bob___________________',0,'gcm2:1673407042633063:auDqJaDqWAsR3e54Jc9sXqpo5TYmzjNTr7S8xrgM8xCD3Y-EyKVF1R4xGcXlZ8NZ9Dmr8QbgIPakYWXN',1893499200000000,NULL);
CREATE TABLE revision (
	id SMALLINT NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_revision PRIMARY KEY (id), 
	CONSTRAINT ck_revision_single CHECK (id = 1)
);
INSERT INTO "revision" VALUES(1,10);
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
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "settings" VALUES('installation','561f0a3d84e3c5cf22f379912b7513b4');
INSERT INTO "settings" VALUES('master_key_since','1673407042633063 2030-01-01T12:00:00+00:00');
INSERT INTO "settings" VALUES('sign_in.password','off');
CREATE TABLE sign_ins (
	user_id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	id TEXT NOT NULL, 
	failure TEXT NOT NULL, 
	methods TEXT NOT NULL, 
	session TEXT, 
	new_device BOOLEAN NOT NULL, 
	sealed TEXT NOT NULL, 
	CONSTRAINT pk_sign_ins PRIMARY KEY (user_id, at, id), 
	CONSTRAINT fk_sign_ins_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "sign_ins" VALUES('bob___________________',1893499200000003,'00000000000000000000000000000003','','pwd,user','0000000000000000000003',0,'gcm1:note');
CREATE TABLE signing_keys (
	id INTEGER NOT NULL, 
	sealed TEXT NOT NULL, 
	created_at BIGINT NOT NULL, purpose TEXT DEFAULT 'session' NOT NULL, public TEXT DEFAULT '' NOT NULL, retired_at BIGINT, 
	CONSTRAINT pk_signing_keys PRIMARY KEY (id)
);
INSERT INTO "signing_keys" VALUES(1,'gcm2:1673407042633063:_RJpu-W6d6wQQGiTsqIL1bocu-9Cmc28-vNT0-MnQk_PLGl6OVIVgo9c_DS5iV7lK0Nv1S0Tw_MABAcZ',1893499200000000,'session','',NULL);
INSERT INTO "signing_keys" VALUES(2,'gcm2:1673407042633063:L09fA_5_F9g5x8tp0FNHSecam5bcGwOtcTvxscN2nL2HUoikP26QgW30CQsb5TmjYDCDyUzJ46j2pIaT',1893499200000000,'derive/companion','',NULL);
INSERT INTO "signing_keys" VALUES(3,'gcm2:1673407042633063:GsOIW4TvPjLQn8la2eN1fDQktK6oR-t_IxRcMvTnRpGUQGQTmbaqENZC-DxX6Ji-pO26Cd4uZwLsje04',1893499200000000,'derive/csrf','',NULL);
INSERT INTO "signing_keys" VALUES(4,'gcm2:1673407042633063:dIoj58RFChP37n8Pxz-aaj0MeRpzfVhEs028Vb1HSrjZij4IrvvBwu8-sUIRfQPKPmxPYF7o-cb2GBh-',1893499200000000,'derive/device-marker','',NULL);
INSERT INTO "signing_keys" VALUES(5,'gcm2:1673407042633063:o6XDrdaL8mDfllJfxp0U_EK60oSEL3JCtfrm-lOsZcHlVeBmCovfGHF4Z53rM3140MVaZYjjtxpm825F',1893499200000000,'derive/login-names','',NULL);
INSERT INTO "signing_keys" VALUES(6,'gcm2:1673407042633063:gkAotbe4CN8eMdIjnr1iZVsAWIASs1ATjNYkCxd1Vgt8OWm_-iuDml3BQYc1DFqq0RR8EEyouDH5SKJw',1893499200000000,'derive/recovery-codes','',NULL);
INSERT INTO "signing_keys" VALUES(7,'gcm2:1673407042633063:vDdJkWK94fIg8Ze8MPlp1T2w7UmNllxXlpx1hWE0oqIyxj_6TscNCwr_CDvI0x0ZBLeIUeXRZUcpdaMp',1893499200000000,'derive/upstream-flow','',NULL);
INSERT INTO "signing_keys" VALUES(8,'gcm2:1673407042633063:dlcM1TdbS__Zo3TPttOIlQto6wQ6Vam09B2P6enERR-dbN4Sc47P47kDM9_EPI9h7dzFg4s4D-wdu2uN',1893499200000000,'derive','',NULL);
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
INSERT INTO "totals" VALUES('sessions',1);
INSERT INTO "totals" VALUES('tickets',1);
CREATE TABLE totp (
	user_id TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	last_step BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_used_at BIGINT, 
	CONSTRAINT pk_totp PRIMARY KEY (user_id), 
	CONSTRAINT fk_totp_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "totp" VALUES('bob___________________','gcm2:1673407042633063:FGQoC3fldfzw672WzqJT5VptcTF-HCEw96lypG4tt8YhNp2FYhpMSs--PSMDEwjU',5,1893499200000000,NULL);
CREATE TABLE upstream_sessions (
	handle TEXT NOT NULL, 
	identity_id TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	sid TEXT NOT NULL, 
	id_token TEXT NOT NULL, 
	refresh_token TEXT NOT NULL, 
	check_at BIGINT, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_upstream_sessions PRIMARY KEY (handle), 
	CONSTRAINT fk_upstream_sessions_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id) ON DELETE CASCADE
);
INSERT INTO "upstream_sessions" VALUES('0000000000000000000001','iiiiiiiiiiiiiiiiiiiiii','main','https://id.example.test/','alice-1','sid-1','gcm1:id','gcm1:refresh',1893499500000001,1893585600000000);
CREATE TABLE users (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	email TEXT NOT NULL, 
	is_admin BOOLEAN NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	generation BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, must_change_password BOOLEAN DEFAULT 0 NOT NULL, awaits_approval BOOLEAN DEFAULT 0 NOT NULL, console_only BOOLEAN DEFAULT 0 NOT NULL, language TEXT DEFAULT '' NOT NULL, enrol_by BIGINT, factors TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_name UNIQUE (name)
);
INSERT INTO "users" VALUES('alice_________________','alice','Älice “A” 😀','alice@example.test',1,1,0,1893499200123457,0,0,0,'',NULL,'gcm2:1673407042633063:qExbcZLQ-PAO1tfnYl-92OKrg9BupJgGw_DXmZCP');
INSERT INTO "users" VALUES('bob___________________','bob','Älice “A” 😀','',0,0,3,1893499200123457,0,0,0,'',NULL,'gcm2:1673407042633063:l1DbVDHAMZRnHoUypmjzIFjPVMJIjtD18ok4PlBUgw0zMPnsIXadE9yy8ZuQaC0tm3ARFGUV0tS6XFal3_6rPdQpodBwSqjQeT9YxWVs_5N4I3XqF8WsQZE');
CREATE UNIQUE INDEX ix_users_email ON users (email) WHERE email != '';
CREATE INDEX ix_tickets_expires_at ON tickets (expires_at);
CREATE INDEX ix_counters_key_at ON counters ("key", at);
CREATE INDEX ix_counters_expires_at ON counters (expires_at);
CREATE INDEX ix_marks_expires_at ON marks (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_sessions_last_seen_at ON sessions (last_seen_at);
CREATE INDEX ix_sessions_ends_at ON sessions (ends_at);
CREATE INDEX ix_identities_user_id_is_admin ON identities (user_id, is_admin);
CREATE INDEX ix_upstream_sessions_provider_sid ON upstream_sessions (provider, sid);
CREATE INDEX ix_upstream_sessions_identity_id ON upstream_sessions (identity_id);
CREATE INDEX ix_upstream_sessions_provider_subject ON upstream_sessions (provider, subject);
CREATE INDEX ix_upstream_sessions_check_at ON upstream_sessions (check_at);
CREATE INDEX ix_upstream_sessions_expires_at ON upstream_sessions (expires_at);
CREATE INDEX ix_passkeys_user_id ON passkeys (user_id);
CREATE INDEX ix_letters_user_id ON letters (user_id);
CREATE INDEX ix_letters_queued_at ON letters (queued_at);
CREATE INDEX ix_letters_done_at ON letters (done_at);
CREATE INDEX ix_letters_state_next_try_at ON letters (state, next_try_at);
CREATE INDEX ix_audit_actor ON audit (actor);
CREATE INDEX ix_audit_subject ON audit (subject);
CREATE INDEX ix_alerts_queued_at ON alerts (queued_at);
CREATE INDEX ix_alerts_state_next_try_at ON alerts (state, next_try_at);
CREATE INDEX ix_alerts_kind_about ON alerts (kind, about);
CREATE INDEX ix_decisions_user_id ON decisions (user_id);
CREATE INDEX ix_decisions_last_at ON decisions (last_at);
CREATE INDEX ix_break_glass_user_id ON break_glass (user_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('pending_ends',1);
COMMIT;
