-- What tsingest keeps for itself in the database it writes to: how far each input is written (in the
-- same transaction as the rows, hence exactly once) and what could not be written.
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/tsingest.sql
--
-- The tools make the same with --create. May be run again.

CREATE SCHEMA IF NOT EXISTS tsingest;

CREATE TABLE IF NOT EXISTS tsingest.positions (
    ledger      TEXT NOT NULL,    -- whose positions: an import id, a consumer group
    stream      TEXT NOT NULL,    -- of what: a file, a topic's partition
    position    BIGINT NOT NULL,  -- everything before it is written
    detail      TEXT,             -- what a source needs besides, to start again there
    owner       TEXT,             -- token of the running instance; a new one fences the others
    updated_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (ledger, stream)
);
COMMENT ON TABLE tsingest.positions IS 'How far each input has been written, updated in the transaction of its rows';

CREATE TABLE IF NOT EXISTS tsingest.dead_letter (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    source    TEXT,     -- the tool and its input
    stream    TEXT,
    position  BIGINT,
    line      BIGINT,   -- in a file; NULL elsewhere
    topic     TEXT,
    reason    TEXT,     -- for people: field, value, rule
    code      TEXT,     -- for programs: a short word, or the SQLSTATE
    payload   BYTEA,    -- the original bytes
    key       BYTEA
);
COMMENT ON TABLE tsingest.dead_letter IS 'Input that could become no row, with the reason and its original bytes';
