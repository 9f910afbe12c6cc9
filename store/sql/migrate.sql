-- name: migrate_lock
SELECT pg_advisory_xact_lock(hashtextextended('kawasan migrate', 0))

-- name: migrate_roles
-- Roles belong to the whole cluster: another database's migration may make them at the same moment.
DO $$
DECLARE
    wanted text;
    may_grant boolean := (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user);
BEGIN
    FOREACH wanted IN ARRAY ARRAY['kawasan_migrate', 'kawasan_write', 'kawasan_api', 'kawasan_auth'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                RAISE DEBUG 'role % was made at the same moment', wanted;
            END;
        END IF;
        IF NOT pg_has_role(session_user, wanted, 'MEMBER')
           AND (may_grant OR pg_has_role(session_user, wanted, 'MEMBER WITH ADMIN OPTION')) THEN
            EXECUTE format('GRANT %I TO %I', wanted, session_user);
        END IF;
    END LOOP;
END
$$

-- name: migrate_extension
-- Only where the library is preloaded: elsewhere CREATE EXTENSION timescaledb ends the session.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
       AND current_setting('timescaledb.max_background_workers', true) IS NOT NULL
       AND EXISTS (
           SELECT FROM pg_available_extension_versions v, pg_roles r
           WHERE v.name = 'timescaledb' AND r.rolname = session_user
             AND (r.rolsuper OR (v.trusted AND has_database_privilege(current_database(), 'CREATE')))) THEN
        CREATE EXTENSION timescaledb;
    END IF;
END
$$

-- name: migrate_owner
DO $$
BEGIN
    IF NOT has_database_privilege('kawasan_migrate', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO kawasan_migrate', current_database());
    END IF;
    IF NOT has_schema_privilege('kawasan_migrate', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO kawasan_migrate;
    END IF;
END
$$

-- name: migrate_as_owner
SET LOCAL ROLE kawasan_migrate

-- name: migrate_record
CREATE TABLE IF NOT EXISTS applied_file (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: migrate_recorded
SELECT to_regclass('applied_file') IS NOT NULL

-- name: migrate_applied
SELECT name, sha256 FROM applied_file

-- name: migrate_remember
INSERT INTO applied_file (name, sha256)
VALUES (%(name)s, %(sha256)s)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()
WHERE applied_file.sha256 <> excluded.sha256
