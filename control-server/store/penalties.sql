-- Penalties that still count, so that a restart forgives nobody. 0 in a strike column: none.
CREATE TABLE penalties (
  account    BLOB PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  offence    INTEGER NOT NULL,  -- Offence of records.h, of the last one.
  start_ms   INTEGER NOT NULL,
  end_ms     INTEGER NOT NULL,
  level      INTEGER NOT NULL,
  strike1_ms INTEGER NOT NULL,
  strike2_ms INTEGER NOT NULL,
  strike3_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
