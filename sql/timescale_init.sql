-- The tables of the built-in models, as hypertables with compression and retention where the
-- timescaledb extension is; as plain tables elsewhere (a NOTICE says what was left out).
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/timescale_init.sql
--
-- Plain SQL for any client. May be run again: what is there stays as it is. Tables are made in the
-- first schema of the search_path. Other intervals than the defaults below:
--   PGOPTIONS="-c tsingest.retention=90d -c tsingest.chunk_interval=7d" psql …
-- ("none" leaves retention or compression out).

-- A user named tsingest would find the schema of that name first ("$user" in the search_path).
DO $$
BEGIN
    IF current_schema() = 'tsingest' THEN
        PERFORM set_config('search_path', 'public', false);
    END IF;
END
$$;

-- Kafka measurements, one value a row.
CREATE TABLE IF NOT EXISTS iot_measurements (
    timestamp       TIMESTAMPTZ NOT NULL,
    device_id       VARCHAR(50) NOT NULL,
    connector_mode  VARCHAR(50) NOT NULL,
    component_type  VARCHAR(50) NOT NULL,
    pin_position    VARCHAR(10) NOT NULL,  -- "-1": none; part of the key, so it cannot be NULL
    value           DOUBLE PRECISION,
    unit            VARCHAR(20),
    topic           VARCHAR(255),
    PRIMARY KEY (timestamp, device_id, connector_mode, component_type, pin_position)
);
CREATE INDEX IF NOT EXISTS idx_iot_device_id ON iot_measurements (device_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_component ON iot_measurements (component_type, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_mode ON iot_measurements (connector_mode, timestamp DESC);

-- MQTT data points: numbers in value, everything else in value_str.
CREATE TABLE IF NOT EXISTS metrics (
    time       TIMESTAMPTZ NOT NULL,
    topic      TEXT NOT NULL,
    value      DOUBLE PRECISION,
    value_str  TEXT,
    quality    SMALLINT DEFAULT 192,
    metadata   JSONB DEFAULT '{}'::jsonb
);
CREATE INDEX IF NOT EXISTS metrics_time_idx ON metrics (time DESC);

-- Room sensors, one reading of all sensors a row. Devices do repeat readings: no unique key.
CREATE TABLE IF NOT EXISTS sensor_data (
    device_id    TEXT NOT NULL,
    ts           TIMESTAMPTZ NOT NULL,
    co           DOUBLE PRECISION,
    humidity     DOUBLE PRECISION,
    light        SMALLINT,
    lpg          DOUBLE PRECISION,
    motion       SMALLINT,
    smoke        DOUBLE PRECISION,
    temp         DOUBLE PRECISION,
    ingest_time  TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sensor_data_device_id_ts_idx ON sensor_data (device_id, ts DESC);

DO $$
DECLARE
    chunk_interval text := coalesce(nullif(current_setting('tsingest.chunk_interval', true), ''), '1 day');
    compress_after text := coalesce(nullif(current_setting('tsingest.compress_after', true), ''), '1 day');
    retention      text := coalesce(nullif(current_setting('tsingest.retention', true), ''), '30 days');
    extension      text;
    entry          record;
BEGIN
    -- CREATE EXTENSION ends the session when the library is not preloaded: try only when it is.
    IF EXISTS (SELECT FROM pg_available_extensions
               WHERE name = 'timescaledb' AND installed_version IS NULL)
       AND EXISTS (SELECT FROM pg_settings
                   WHERE name = 'shared_preload_libraries' AND setting LIKE '%timescaledb%') THEN
        BEGIN
            CREATE EXTENSION timescaledb;
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE 'CREATE EXTENSION timescaledb failed: %', sqlerrm;
        END;
    END IF;
    SELECT nspname INTO extension FROM pg_extension
        JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb';
    IF extension IS NULL THEN
        RAISE NOTICE 'timescaledb is not installed in database %: hypertables, compression and retention were skipped',
            current_database();
        RETURN;
    END IF;

    FOR entry IN
        SELECT * FROM (VALUES
            ('iot_measurements', 'timestamp', 'device_id', 'timestamp DESC'),
            ('metrics',          'time',      'topic',     'time DESC'),
            ('sensor_data',      'ts',        'device_id', 'ts DESC')
        ) AS list (name, time_column, segment_by, order_by)
    LOOP
        -- The indexes above are those that queries use: no further one on time alone.
        EXECUTE format('SELECT %I.create_hypertable(%L::regclass, %L, chunk_time_interval => %L::interval, '
                       'create_default_indexes => false, if_not_exists => true, migrate_data => true)',
                       extension, entry.name, entry.time_column, chunk_interval);
        CONTINUE WHEN current_setting('timescaledb.license', true) = 'apache';

        IF compress_after <> 'none' THEN
            IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables
                    WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = entry.name::regclass) THEN
                EXECUTE format('ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = %L, '
                               'timescaledb.compress_orderby = %L)',
                               entry.name::regclass, entry.segment_by, entry.order_by);
            END IF;
            EXECUTE format('SELECT %I.add_compression_policy(%L::regclass, %L::interval, if_not_exists => true)',
                           extension, entry.name, compress_after);
        END IF;
        IF retention <> 'none' THEN
            EXECUTE format('SELECT %I.add_retention_policy(%L::regclass, %L::interval, if_not_exists => true)',
                           extension, entry.name, retention);
        END IF;
    END LOOP;
    IF current_setting('timescaledb.license', true) = 'apache' THEN
        RAISE NOTICE 'timescaledb runs under its Apache licence: compression and retention were skipped';
    END IF;
END
$$;
