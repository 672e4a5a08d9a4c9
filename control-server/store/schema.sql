-- What the server remembers, schema version 1. Times are milliseconds since 1970 UTC; ids and hashes
-- are raw bytes. A change is a new file beside this one, see migrations.cc; this one stays as it is.

CREATE TABLE accounts (
  id         BLOB PRIMARY KEY,
  username   TEXT NOT NULL COLLATE NOCASE UNIQUE,
  phc        TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  disabled   INTEGER NOT NULL,
  admin      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  hash       BLOB PRIMARY KEY,  -- SHA-256 of the token, which itself is never stored.
  account    BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  device_key BLOB NOT NULL,
  chat_port  INTEGER NOT NULL,
  issued_ms  INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_account ON tokens (account, issued_ms);

CREATE TABLE introductions (
  id              BLOB PRIMARY KEY,
  requester       BLOB NOT NULL,
  target          BLOB NOT NULL,
  signed_object   BLOB NOT NULL,
  signature       BLOB NOT NULL,
  created_ms      INTEGER NOT NULL,
  requester_acked INTEGER NOT NULL,
  target_acked    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- No reference to accounts: an address stays known for its time when the account is deleted.
CREATE TABLE addresses (
  ip        BLOB NOT NULL,
  account   BLOB NOT NULL,
  active_ms INTEGER NOT NULL,
  PRIMARY KEY (ip, account)
) STRICT, WITHOUT ROWID;

-- No reference to accounts: a broadcast outlives its sender.
CREATE TABLE broadcasts (
  id              BLOB PRIMARY KEY,
  sender          BLOB NOT NULL,
  idempotency_key TEXT NOT NULL,
  content_digest  BLOB NOT NULL,
  signed_object   BLOB NOT NULL,
  signature       BLOB NOT NULL,
  sent_ms         INTEGER NOT NULL,
  expires_ms      INTEGER NOT NULL,
  omit_sender     INTEGER NOT NULL,
  revoked         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX broadcasts_by_key ON broadcasts (sender, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX broadcasts_by_sent ON broadcasts (sent_ms);
CREATE INDEX broadcasts_by_expiry ON broadcasts (expires_ms);

-- Apart from the rest, because text has to vanish from the file soon after it expired.
CREATE TABLE broadcast_texts (
  broadcast BLOB PRIMARY KEY REFERENCES broadcasts (id) ON DELETE CASCADE,
  text      TEXT NOT NULL
) STRICT;

CREATE TABLE ledger (
  broadcast    BLOB NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
  user         BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  due_ms       INTEGER NOT NULL,
  via          INTEGER NOT NULL,  -- 0 not delivered, 1 udp, 2 channel.
  delivered_ms INTEGER NOT NULL,
  PRIMARY KEY (broadcast, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_user ON ledger (user);
