-- Hourly aggregates: continuous aggregates where the timescaledb extension is, refreshed by a policy
-- and exact up to the newest row; ordinary views of the same names and columns elsewhere.
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/aggregates.sql      (after timescale_init.sql)
--
-- May be run again: what is there stays as it is. The refresh looks back three days, less than the
-- retention of the raw rows, so that the aggregates outlive them.

-- A user named tsingest would find the schema of that name first ("$user" in the search_path).
DO $$
BEGIN
    IF current_schema() = 'tsingest' THEN
        PERFORM set_config('search_path', 'public', false);
    END IF;
END
$$;

DO $$
DECLARE
    continuous boolean;
    extension  text;
    entry      record;
    columns    text;
BEGIN
    SELECT nspname INTO extension FROM pg_extension
        JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb';
    continuous := extension IS NOT NULL AND current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache';
    IF NOT continuous THEN
        RAISE NOTICE 'continuous aggregates were skipped (they need the timescaledb extension and its community licence): ordinary views were made';
    END IF;

    FOR entry IN
        SELECT * FROM (VALUES
            ('iot_measurements_hourly', 'iot_measurements', 'timestamp', 'device_id, component_type',
             'count(*) AS readings, avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value'),
            ('metrics_hourly', 'metrics', 'time', 'topic',
             'count(*) AS points, avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value, '
             'count(*) FILTER (WHERE quality <> 192) AS not_good'),
            ('sensor_data_hourly', 'sensor_data', 'ts', 'device_id',
             'count(*) AS readings, avg(temp) AS avg_temp, min(temp) AS min_temp, max(temp) AS max_temp, '
             'avg(humidity) AS avg_humidity, avg(co) AS avg_co, avg(smoke) AS avg_smoke, sum(motion) AS motions')
        ) AS list (name, source, time_column, series, measures)
    LOOP
        CONTINUE WHEN to_regclass(entry.name) IS NOT NULL;
        columns := entry.series || ', ' || entry.measures;
        IF continuous THEN
            EXECUTE format(
                'CREATE MATERIALIZED VIEW %I WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS '
                'SELECT %I.time_bucket(interval ''1 hour'', %I) AS bucket, %s FROM %I GROUP BY bucket, %s WITH NO DATA',
                entry.name, extension, entry.time_column, columns, entry.source, entry.series);
            EXECUTE format(
                'SELECT %I.add_continuous_aggregate_policy(%L::regclass, start_offset => interval ''3 days'', '
                'end_offset => interval ''1 hour'', schedule_interval => interval ''30 minutes'')',
                extension, entry.name);
        ELSE
            EXECUTE format(
                'CREATE VIEW %I AS SELECT date_trunc(''hour'', %I) AS bucket, %s FROM %I GROUP BY bucket, %s',
                entry.name, entry.time_column, columns, entry.source, entry.series);
        END IF;
    END LOOP;
END
$$;
