-- The tables of the built-in models, as the tools make them with --create: hypertables with
-- compression (and a retention of 30 days for iot_measurements, see below) where the timescaledb
-- extension is; plain tables elsewhere (a NOTICE says what was left out).
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/timescale_init.sql
--
-- Plain SQL for any client. May be run again: what is there stays as it is. Tables are made in the
-- first schema of the search_path. Other intervals, for all tables:
--   PGOPTIONS="-c tsingest.chunk_interval=7d -c tsingest.compress_after=3d -c tsingest.retention=90d" psql …
-- ("none" leaves compression or retention out). Retention drops rows by their own time: choose "none"
-- before you load old data into iot_measurements.

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
    connector_mode  VARCHAR(50) NOT NULL DEFAULT 'unknown',
    component_type  VARCHAR(50) NOT NULL DEFAULT 'unknown',
    pin_position    VARCHAR(10) NOT NULL DEFAULT '-1',  -- part of the key, so it cannot be NULL
    value           DOUBLE PRECISION,
    unit            VARCHAR(20) DEFAULT '',
    topic           VARCHAR(255) DEFAULT '',
    PRIMARY KEY (timestamp, device_id, connector_mode, component_type, pin_position)
);
CREATE INDEX IF NOT EXISTS idx_iot_device_id ON iot_measurements (device_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_component ON iot_measurements (component_type, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_mode ON iot_measurements (connector_mode, timestamp DESC);

-- MQTT data points: numbers in value, everything else in value_str.
CREATE TABLE IF NOT EXISTS metrics (
    time       TIMESTAMPTZ NOT NULL DEFAULT now(),
    topic      TEXT NOT NULL,
    value      DOUBLE PRECISION,
    value_str  TEXT,
    quality    SMALLINT DEFAULT 192,
    metadata   JSONB DEFAULT '{}'::jsonb
);
CREATE INDEX IF NOT EXISTS idx_metrics_topic_time ON metrics (topic, time DESC);

-- Room sensors, one reading of all sensors a row. Devices do repeat readings: no unique key.
CREATE TABLE IF NOT EXISTS sensor_data (
    ts           TIMESTAMPTZ NOT NULL,
    device_id    TEXT NOT NULL,
    co           DOUBLE PRECISION,
    humidity     DOUBLE PRECISION,
    light        SMALLINT,
    lpg          DOUBLE PRECISION,
    motion       SMALLINT,
    smoke        DOUBLE PRECISION,
    temp         DOUBLE PRECISION,
    ingest_time  TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_sensor_data_device_ts ON sensor_data (device_id, ts);

DO $$
DECLARE
    all_chunks     text := nullif(current_setting('tsingest.chunk_interval', true), '');
    all_compress   text := nullif(current_setting('tsingest.compress_after', true), '');
    all_retention  text := nullif(current_setting('tsingest.retention', true), '');
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
        SELECT name, time_column, segment_by, order_by,
               coalesce(all_chunks, chunks) AS chunks,
               coalesce(all_compress, compress_after) AS compress_after,
               coalesce(all_retention, retention) AS retention
        FROM (VALUES
            ('iot_measurements', 'timestamp', 'device_id, component_type', 'timestamp DESC',
             '7 days', '1 day', '30 days'),
            ('metrics', 'time', 'topic', 'time DESC', '1 day', '7 days', 'none'),
            ('sensor_data', 'ts', 'device_id', 'ts DESC', '7 days', '7 days', 'none')
        ) AS list (name, time_column, segment_by, order_by, chunks, compress_after, retention)
    LOOP
        EXECUTE format('SELECT %I.create_hypertable(%L::regclass, %L, chunk_time_interval => %L::interval, '
                       'if_not_exists => true, migrate_data => true)',
                       extension, entry.name, entry.time_column, entry.chunks);
        CONTINUE WHEN current_setting('timescaledb.license', true) = 'apache';

        IF entry.compress_after <> 'none' THEN
            IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables
                    WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = entry.name::regclass) THEN
                EXECUTE format('ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = %L, '
                               'timescaledb.compress_orderby = %L)',
                               entry.name::regclass, entry.segment_by, entry.order_by);
            END IF;
            EXECUTE format('SELECT %I.add_compression_policy(%L::regclass, %L::interval, if_not_exists => true)',
                           extension, entry.name, entry.compress_after);
        END IF;
        IF entry.retention <> 'none' THEN
            EXECUTE format('SELECT %I.add_retention_policy(%L::regclass, %L::interval, if_not_exists => true)',
                           extension, entry.name, entry.retention);
        END IF;
    END LOOP;
    IF current_setting('timescaledb.license', true) = 'apache' THEN
        RAISE NOTICE 'timescaledb runs under its Apache licence: compression and retention were skipped';
    END IF;
END
$$;
