-- The one place where TimescaleDB and plain PostgreSQL differ: hypertables where the extension is, ordinary tables where it is not.
-- Chunks: a week of readings (one per minute from 400 channels: 4 million); four weeks of amounts (121 a channel and day); a quarter of KPIs.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('reading', 'ts', chunk_time_interval => interval '7 days',
                                  create_default_indexes => false, if_not_exists => true, migrate_data => true);
        PERFORM create_hypertable('amount', 'start', chunk_time_interval => interval '28 days',
                                  create_default_indexes => false, if_not_exists => true, migrate_data => true);
        PERFORM create_hypertable('kpi', 'start', chunk_time_interval => interval '91 days',
                                  create_default_indexes => false, if_not_exists => true, migrate_data => true);
    END IF;
END
$$;
