-- Schema version 4: sessions that outlive their access tokens.

ALTER TABLE tokens ADD COLUMN session BLOB NOT NULL DEFAULT x'';  -- Hash of the log-in's token.
ALTER TABLE tokens ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
UPDATE tokens SET session = hash;
CREATE INDEX tokens_by_session ON tokens (session, generation);

CREATE TABLE resume_families (
  session     BLOB PRIMARY KEY,
  account     BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  device_key  BLOB NOT NULL,
  chat_port   INTEGER NOT NULL,
  started_ms  INTEGER NOT NULL,
  renewed_ms  INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  newest_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resume_families_by_account ON resume_families (account, renewed_ms);

CREATE TABLE resume_tokens (
  hash       BLOB PRIMARY KEY,  -- SHA-256 of the token, which itself is never stored.
  session    BLOB NOT NULL REFERENCES resume_families (session) ON DELETE CASCADE,
  generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX resume_tokens_by_session ON resume_tokens (session, generation);
