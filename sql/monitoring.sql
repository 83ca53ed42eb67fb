-- Views for people and dashboards: what arrives, what is missing, how well it is compressed.
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/monitoring.sql      (after timescale_init.sql)
--
-- May be run again. On plain PostgreSQL the views about chunks, compression and policies are left out
-- (a NOTICE says so). In all views table_name is the table; device_id is its series: the device, or
-- for metrics the topic.

-- A user named tsingest would find the schema of that name first ("$user" in the search_path).
DO $$
BEGIN
    IF current_schema() = 'tsingest' THEN
        PERFORM set_config('search_path', 'public', false);
    END IF;
END
$$;

-- Rows of the last hour, by minute and device.
CREATE OR REPLACE VIEW recent_activity AS
SELECT date_trunc('minute', timestamp) AS minute, device_id::text AS device_id, count(*) AS records,
       'iot_measurements' AS table_name
FROM iot_measurements WHERE timestamp > now() - interval '1 hour' GROUP BY 1, 2
UNION ALL
SELECT date_trunc('minute', time), topic, count(*), 'metrics'
FROM metrics WHERE time > now() - interval '1 hour' GROUP BY 1, 2
UNION ALL
SELECT date_trunc('minute', ts), device_id, count(*), 'sensor_data'
FROM sensor_data WHERE ts > now() - interval '1 hour' GROUP BY 1, 2
ORDER BY minute DESC, table_name, device_id;

-- Rows a minute of the last hour, by table.
CREATE OR REPLACE VIEW ingestion_rate AS
SELECT minute, sum(records)::bigint AS records_per_minute, table_name
FROM recent_activity GROUP BY minute, table_name ORDER BY minute DESC, table_name;

-- How the rows are spread over the devices. Reads the whole tables.
CREATE OR REPLACE VIEW data_distribution AS
SELECT device_id::text AS device_id, count(*) AS total_records, min(timestamp) AS first_record,
       max(timestamp) AS latest_record, count(*) - count(value) AS null_values,
       'iot_measurements' AS table_name
FROM iot_measurements GROUP BY 1
UNION ALL
SELECT topic, count(*), min(time), max(time), count(*) FILTER (WHERE value IS NULL AND value_str IS NULL),
       'metrics'
FROM metrics GROUP BY 1
UNION ALL
SELECT device_id, count(*), min(ts), max(ts), count(*) FILTER (WHERE temp IS NULL), 'sensor_data'
FROM sensor_data GROUP BY 1
ORDER BY table_name, total_records DESC;

-- Silences in the last day before the newest row of each table: longer than a minute and than ten
-- times the device's usual (median) interval. gap_end is NULL when the device is still silent.
CREATE OR REPLACE VIEW data_gaps AS
WITH readings AS (
    SELECT 'iot_measurements' AS table_name, device_id || ' ' || component_type AS device_id, timestamp AS at
    FROM iot_measurements
    WHERE timestamp > (SELECT max(timestamp) FROM iot_measurements) - interval '1 day'
    UNION ALL
    SELECT 'metrics', topic, time FROM metrics
    WHERE time > (SELECT max(time) FROM metrics) - interval '1 day'
    UNION ALL
    SELECT 'sensor_data', device_id, ts FROM sensor_data
    WHERE ts > (SELECT max(ts) FROM sensor_data) - interval '1 day'
), steps AS (
    SELECT table_name, device_id, at, lead(at) OVER series AS next_at,
           max(at) OVER (PARTITION BY table_name) AS newest
    FROM readings
    WINDOW series AS (PARTITION BY table_name, device_id ORDER BY at)
), usual AS (
    SELECT table_name, device_id,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY next_at - at) AS median
    FROM steps GROUP BY table_name, device_id
)
SELECT device_id, at AS gap_start, next_at AS gap_end, coalesce(next_at, newest) - at AS gap,
       median AS usual_interval, table_name
FROM steps JOIN usual USING (table_name, device_id)
WHERE coalesce(next_at, newest) - at > greatest(interval '1 minute', 10 * median)
ORDER BY gap DESC;

DO $$
DECLARE
    extension text;
    size      text := 'pg_total_relation_size(c.oid)';
    relation  text := 'c.oid::regclass';
BEGIN
    SELECT nspname INTO extension FROM pg_extension
        JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb';

    -- A hypertable's rows are in its chunks: pg_total_relation_size() would count none of them.
    IF extension IS NOT NULL THEN
        size := format('coalesce((SELECT %I.hypertable_size(%s) FROM timescaledb_information.hypertables h '
                       'WHERE h.hypertable_schema = n.nspname AND h.hypertable_name = c.relname), %s)',
                       extension, relation, size);
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE VIEW table_sizes AS '
        'SELECT schema_name, table_name, bytes, pg_size_pretty(bytes) AS size FROM ('
        '  SELECT n.nspname::text AS schema_name, c.relname::text AS table_name, %s AS bytes '
        '  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace '
        '  WHERE c.relkind IN (''r'', ''p'') AND n.nspname !~ ''^(pg_|_?timescaledb_|information_schema$)'') AS sized '
        'ORDER BY bytes DESC', size);

    IF to_regclass('tsingest.positions') IS NULL OR to_regclass('tsingest.dead_letter') IS NULL THEN
        RAISE NOTICE 'schema tsingest does not exist: ingest_positions and dead_letter_reasons were skipped (run tsingest.sql first)';
    ELSE
        CREATE OR REPLACE VIEW ingest_positions AS
        SELECT ledger, stream, position, updated_at, now() - updated_at AS age
        FROM tsingest.positions ORDER BY updated_at DESC;

        CREATE OR REPLACE VIEW dead_letter_reasons AS
        SELECT source, code, count(*) AS letters, min(at) AS first_at, max(at) AS latest_at,
               (array_agg(reason ORDER BY at DESC))[1] AS latest_reason
        FROM tsingest.dead_letter GROUP BY source, code ORDER BY letters DESC;
    END IF;

    IF extension IS NULL THEN
        RAISE NOTICE 'timescaledb is not installed in database %: chunk_overview, compression_stats, hypertable_compression and policy_jobs were skipped',
            current_database();
        RETURN;
    END IF;

    EXECUTE format($view$
        CREATE OR REPLACE VIEW chunk_overview AS
        SELECT c.hypertable_name::text, c.chunk_name::text, c.range_start, c.range_end, c.is_compressed,
               s.total_bytes, pg_size_pretty(s.total_bytes) AS size
        FROM timescaledb_information.chunks c
        JOIN timescaledb_information.hypertables h USING (hypertable_schema, hypertable_name)
        CROSS JOIN LATERAL %1$I.chunks_detailed_size(
            format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass) s
        WHERE s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
        ORDER BY c.hypertable_name, c.range_start DESC$view$, extension);

    -- compression_ratio: what is left, in percent.
    EXECUTE format($view$
        CREATE OR REPLACE VIEW compression_stats AS
        SELECT s.chunk_name::text, pg_size_pretty(s.before_compression_total_bytes) AS before,
               pg_size_pretty(s.after_compression_total_bytes) AS after,
               round(100.0 * s.after_compression_total_bytes
                     / nullif(s.before_compression_total_bytes, 0), 2) AS compression_ratio,
               s.before_compression_total_bytes AS before_bytes,
               s.after_compression_total_bytes AS after_bytes, h.hypertable_name::text
        FROM timescaledb_information.hypertables h
        CROSS JOIN LATERAL %1$I.chunk_compression_stats(
            format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass) s
        WHERE h.compression_enabled AND s.compression_status = 'Compressed'
        ORDER BY h.hypertable_name, s.chunk_name$view$, extension);

    EXECUTE format($view$
        CREATE OR REPLACE VIEW hypertable_compression AS
        SELECT h.hypertable_name::text, s.total_chunks, s.number_compressed_chunks,
               pg_size_pretty(s.before_compression_total_bytes) AS before,
               pg_size_pretty(s.after_compression_total_bytes) AS after,
               round(100.0 * s.after_compression_total_bytes
                     / nullif(s.before_compression_total_bytes, 0), 2) AS compression_ratio
        FROM timescaledb_information.hypertables h
        CROSS JOIN LATERAL %1$I.hypertable_compression_stats(
            format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass) s
        WHERE h.compression_enabled
        ORDER BY h.hypertable_name$view$, extension);

    CREATE OR REPLACE VIEW policy_jobs AS
    SELECT j.job_id, j.proc_name::text AS policy, j.hypertable_name::text, j.schedule_interval, j.config,
           s.last_run_status, s.last_successful_finish, s.next_start, s.total_runs, s.total_failures
    FROM timescaledb_information.jobs j
    LEFT JOIN timescaledb_information.job_stats s USING (job_id)
    WHERE j.hypertable_name IS NOT NULL
    ORDER BY j.hypertable_name, j.proc_name;
END
$$;
