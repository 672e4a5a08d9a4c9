-- What a name looks like at a glance (NameSkeleton of domain/names.h); '' for accounts that claim nothing.
ALTER TABLE accounts ADD COLUMN skeleton TEXT NOT NULL DEFAULT '';
UPDATE accounts SET skeleton =
  replace(replace(replace(replace(lower(username), '0', 'o'), '1', 'l'), 'i', 'l'), 'rn', 'm');
-- Of those that look alike already, the oldest has the claim.
CREATE INDEX accounts_that_look_alike ON accounts (skeleton, created_ms, id);
UPDATE accounts SET skeleton = '' WHERE EXISTS (
  SELECT 1 FROM accounts AS older
  WHERE older.skeleton = accounts.skeleton
    AND (older.created_ms, older.id) < (accounts.created_ms, accounts.id));
DROP INDEX accounts_that_look_alike;
CREATE UNIQUE INDEX accounts_by_skeleton ON accounts (skeleton) WHERE skeleton <> '';
