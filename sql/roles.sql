-- A role that may write and nothing else, one that may read, and one that repairs: it looks at dead
-- letters, replays and purges them (tsingest-dlq).
--
--   psql -v ON_ERROR_STOP=1 -d timeseries -f sql/roles.sql
--   psql -d timeseries -c '\password tsingest_ingest'
--
-- Run it after timescale_init.sql and tsingest.sql (and again after further SQL files: it grants on
-- what is there). May be run again. The roles have no password until you give them one. Other names:
--   PGOPTIONS="-c tsingest.ingest_role=nexus_ingestion -c tsingest.read_role=grafana
--              -c tsingest.repair_role=night_shift" psql …

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
    ingest   text := coalesce(nullif(current_setting('tsingest.ingest_role', true), ''), 'tsingest_ingest');
    reader   text := coalesce(nullif(current_setting('tsingest.read_role', true), ''), 'tsingest_read');
    repair   text := coalesce(nullif(current_setting('tsingest.repair_role', true), ''), 'tsingest_repair');
    home     text := current_schema();
    role     text;
    relation text;
BEGIN
    FOREACH role IN ARRAY ARRAY[ingest, reader, repair] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, role);
    END LOOP;
    -- Only PostgreSQL before 15 lets everybody create tables there.
    IF home = 'public' THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;

    -- --dry-run tries rows in a temporary table like the target, which takes the right to read it.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I, %I', current_database(), ingest, repair);
    FOREACH relation IN ARRAY ARRAY['iot_measurements', 'metrics', 'sensor_data'] LOOP
        IF to_regclass(relation) IS NULL THEN
            RAISE NOTICE 'table % does not exist: nothing granted on it (run timescale_init.sql first)', relation;
            CONTINUE;
        END IF;
        EXECUTE format('GRANT INSERT, SELECT ON %s TO %I, %I', to_regclass(relation), ingest, repair);
        EXECUTE format('GRANT SELECT ON %s TO %I', to_regclass(relation), reader);
    END LOOP;

    IF to_regclass('tsingest.positions') IS NULL OR to_regclass('tsingest.dead_letter') IS NULL THEN
        RAISE NOTICE 'schema tsingest is not complete: nothing granted on it (run tsingest.sql first)';
    ELSE
        EXECUTE format('GRANT USAGE ON SCHEMA tsingest TO %I, %I, %I', ingest, reader, repair);
        -- A writer without a ledger removes its own row when it is closed.
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON tsingest.positions TO %I, %I', ingest, repair);
        -- What is read: whether earlier runs of an import have left letters. No payloads.
        EXECUTE format('GRANT INSERT, SELECT (source, stream, reading) ON tsingest.dead_letter TO %I', ingest);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON tsingest.dead_letter TO %I', repair);
        EXECUTE format('GRANT SELECT ON tsingest.positions, tsingest.dead_letter TO %I', reader);
    END IF;

    -- Views and aggregates of monitoring.sql and aggregates.sql, as far as they are there.
    FOR relation IN
        SELECT format('%I.%I', home, name) FROM unnest(ARRAY[
            'recent_activity', 'ingestion_rate', 'data_distribution', 'data_gaps', 'table_sizes',
            'compression_stats', 'hypertable_compression', 'chunk_overview', 'policy_jobs',
            'ingest_positions', 'dead_letter_reasons',
            'iot_measurements_hourly', 'metrics_hourly', 'sensor_data_hourly']) AS name
        WHERE to_regclass(format('%I.%I', home, name)) IS NOT NULL
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO %I', relation, reader);
    END LOOP;
END
$$;
