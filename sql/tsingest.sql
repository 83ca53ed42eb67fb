-- What tsingest keeps for itself in the database it writes to: how far each input is written (in the
-- same transaction as the rows, hence exactly once) and what could not be written.
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/tsingest.sql
--
-- The tools make the same with --create. May be run again.

CREATE SCHEMA IF NOT EXISTS tsingest;

CREATE TABLE IF NOT EXISTS tsingest.positions (
    ledger      TEXT NOT NULL,              -- whose positions: an import id, a consumer group
    stream      TEXT NOT NULL,              -- of what: a file, a topic's partition
    position    BIGINT,                     -- everything before it is written
    detail      TEXT NOT NULL DEFAULT '',   -- what a source needs besides, to start again there
    owner       TEXT NOT NULL,              -- token of the running instance: fences all others
    updated_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (ledger, stream)
) WITH (fillfactor = 20);  -- every batch updates a row: leave room to do it in place

CREATE TABLE IF NOT EXISTS tsingest.dead_letter (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        TIMESTAMPTZ NOT NULL,
    source    TEXT NOT NULL,   -- the tool
    stream    TEXT,
    position  BIGINT,
    line      BIGINT,          -- in a file; NULL elsewhere
    topic     TEXT,
    reason    TEXT NOT NULL,   -- for people: field, value, rule
    code      TEXT NOT NULL,   -- for programs: a short word, or the SQLSTATE
    payload   BYTEA NOT NULL,  -- the original bytes, or what tsingest-dlq last tried in their place
    key       BYTEA,
    message_row INTEGER,       -- which row of a message with several, from 1; NULL: the whole message
    attempts  INTEGER NOT NULL DEFAULT 1,
    original  BYTEA,           -- the original bytes of a letter that was repaired
    reading   JSONB,           -- how the message was read; a replay reads it so again
    arrival   TIMESTAMPTZ      -- when the message came
);
-- Tables that an older version has made.
ALTER TABLE tsingest.dead_letter
    ADD COLUMN IF NOT EXISTS message_row INTEGER,
    ADD COLUMN IF NOT EXISTS attempts INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS original BYTEA,
    ADD COLUMN IF NOT EXISTS reading JSONB,
    ADD COLUMN IF NOT EXISTS arrival TIMESTAMPTZ;
CREATE INDEX IF NOT EXISTS dead_letter_at_idx ON tsingest.dead_letter (at);

COMMENT ON TABLE tsingest.positions IS
    'How far each input has been written, updated in the transaction of its rows';
COMMENT ON TABLE tsingest.dead_letter IS
    'Input that could become no row, with the reason and its original bytes';
