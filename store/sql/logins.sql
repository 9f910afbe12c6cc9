-- The login of the server.

-- name: login_wanted
SELECT set_config('kawasan.login', %(name)s, true), set_config('kawasan.verifier', %(verifier)s, true)

-- name: login_make
-- One that is there already is given the password only where it may do no more: it could be somebody's own, or the owner's.
DO $$
DECLARE
    wanted text := current_setting('kawasan.login');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
        EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', wanted);
    ELSIF EXISTS (
        SELECT FROM pg_roles l
        JOIN pg_roles r ON r.oid <> l.oid AND r.rolname NOT IN ('kawasan_api', 'kawasan_auth') AND pg_has_role(l.oid, r.oid, 'MEMBER')
        WHERE l.rolname = wanted) OR EXISTS (
        SELECT FROM pg_roles l WHERE l.rolname = wanted AND (l.rolsuper OR l.rolcreaterole OR l.rolcreatedb OR l.rolreplication OR NOT l.rolcanlogin)) THEN
        RAISE EXCEPTION 'the role % exists and may do more than a server needs; name another one', wanted USING ERRCODE = 'KW422';
    END IF;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', wanted, current_setting('kawasan.verifier'));
    EXECUTE format('GRANT kawasan_api, kawasan_auth TO %I', wanted);
END
$$

-- name: login_faults
SELECT s.usename::text AS login,
       array_remove(ARRAY[
           CASE WHEN l.rolsuper THEN 'is a superuser' END,
           CASE WHEN l.rolcreaterole AND NOT l.rolsuper THEN 'may make roles' END,
           CASE WHEN NOT l.rolsuper THEN (
               SELECT 'may become ' || string_agg(r.rolname, ', ' ORDER BY r.rolname)
               FROM pg_roles r
               WHERE r.oid <> l.oid AND r.rolname NOT IN ('kawasan_api', 'kawasan_auth') AND pg_has_role(l.oid, r.oid, 'MEMBER')) END
       ], NULL) AS faults
FROM (SELECT DISTINCT a.usesysid, a.usename FROM pg_stat_activity a
      WHERE a.application_name = 'kawasan-api' AND a.datname = current_database()) s
JOIN pg_roles l ON l.oid = s.usesysid
ORDER BY login
