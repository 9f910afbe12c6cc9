-- Proving that views show what grants say. As the owner of the schema, in a transaction that is never committed.

-- name: isolation_rights
-- Each row is a right of the API's role that it should not have, or a view that could be looked around, as the end of a sentence.
WITH ours AS (
    SELECT c.oid, c.relkind, n.nspname, format('%I.%I', n.nspname, c.relname) AS name, c.reloptions
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = 'kawasan_migrate'::regrole AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'pg_toast'
)
SELECT 'it has rights on ' || o.name AS fault
FROM ours o
WHERE o.nspname <> 'api' AND o.relkind <> 'S'
  AND (has_table_privilege('kawasan_api', o.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege('kawasan_api', o.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
UNION ALL
SELECT 'it has rights on sequence ' || o.name
FROM ours o
WHERE CASE WHEN o.relkind = 'S' THEN has_sequence_privilege('kawasan_api', o.oid, 'USAGE, SELECT, UPDATE') END
UNION ALL
SELECT 'it may change ' || o.name
FROM ours o
WHERE o.nspname = 'api' AND o.relkind <> 'S'
  AND (has_table_privilege('kawasan_api', o.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
       OR has_any_column_privilege('kawasan_api', o.oid, 'INSERT, UPDATE'))
UNION ALL
SELECT 'view ' || o.name || ' has no security_barrier'
FROM ours o
WHERE o.nspname = 'api' AND o.relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (o.reloptions), false)
UNION ALL
SELECT o.name || ' in schema api is no view'
FROM ours o
WHERE o.nspname = 'api' AND o.relkind <> 'v'
UNION ALL
SELECT format('it may call %s, which is no security-definer function of schema api with a search path of its own', p.oid::regprocedure)
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proowner = 'kawasan_migrate'::regrole AND p.prorettype <> 'trigger'::regtype
  AND has_function_privilege('kawasan_api', p.oid, 'EXECUTE')
  AND NOT (n.nspname = 'api' AND p.prosecdef
           AND EXISTS (SELECT FROM unnest(p.proconfig) AS k (setting) WHERE k.setting LIKE 'search_path=%'))
UNION ALL
SELECT format('it may create in schema %I', n.nspname)
FROM pg_namespace n
WHERE n.nspname IN ('public', 'api') AND has_schema_privilege('kawasan_api', n.oid, 'CREATE')
UNION ALL
SELECT 'it is a member of role ' || m.roleid::regrole
FROM pg_auth_members m
WHERE m.member = 'kawasan_api'::regrole
UNION ALL
SELECT 'it is a superuser, or bypasses row security, or makes roles or databases'
FROM pg_roles r
WHERE r.rolname = 'kawasan_api' AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb)
ORDER BY fault

-- name: isolation_views
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'api'::regnamespace AND c.relkind = 'v' AND has_table_privilege('kawasan_api', c.oid, 'SELECT')
GROUP BY c.relname
ORDER BY c.relname

-- name: isolation_owners
-- Whose everything is, by how rows of the views refer to it; no tenant: the park's own.
SELECT 'park' AS kind, p.id::text AS key, p.id AS park_id, NULL::int AS tenant_id, '' AS role, '' AS quantity FROM park p
UNION ALL
SELECT 'park_key', p.key, p.id, NULL, '', '' FROM park p
UNION ALL
SELECT 'tenant', t.id::text, t.park_id, t.id, '', '' FROM tenant t
UNION ALL
SELECT 'contract', t.park_id || '/' || t.key, t.park_id, t.id, '', '' FROM tenant t
UNION ALL
SELECT 'source', p.key || '/' || t.key, p.id, t.id, '', '' FROM tenant t JOIN park p ON p.id = t.park_id
UNION ALL
SELECT 'meter', m.id::text, m.park_id, m.tenant_id, m.role, '' FROM meter m
UNION ALL
SELECT 'channel', c.id::text, c.park_id, m.tenant_id, m.role, c.quantity FROM channel c JOIN meter m ON m.id = c.meter_id
UNION ALL
SELECT 'series', s.id::text, s.park_id, s.tenant_id, '', s.key FROM context_series s
UNION ALL
SELECT 'period', k.id::text, k.park_id, NULL, '', '' FROM closed_period k
UNION ALL
SELECT 'alarm', a.id::text, a.park_id, coalesce(a.tenant_id, m.tenant_id), coalesce(m.role, ''), coalesce(c.quantity, '')
FROM alarm a
LEFT JOIN channel c ON c.id = a.channel_id
LEFT JOIN meter m ON m.id = coalesce(a.meter_id, c.meter_id)
UNION ALL
SELECT 'notification', n.id::text, n.park_id, a.tenant_id, '', '' FROM notification n LEFT JOIN alarm a ON a.id = n.alarm_id
UNION ALL
SELECT 'message', j.message_id::text, j.park_id, NULL, '', '' FROM rejection j WHERE j.park_id IS NOT NULL

-- name: isolation_newest
SELECT max(ts) FROM latest

-- name: isolation_add_user
INSERT INTO app_user (name, role, disabled_at) VALUES (%(name)s, %(role)s, CASE WHEN %(disabled)s THEN now() END) RETURNING id

-- name: isolation_grant
WITH parks AS (
    INSERT INTO user_park (user_id, park_id) SELECT %(user_id)s, unnest(%(parks)s::smallint[])
), tenants AS (
    INSERT INTO user_tenant (user_id, tenant_id) SELECT %(user_id)s, unnest(%(tenants)s::int[])
)
INSERT INTO user_energy (user_id, tenant_id) SELECT %(user_id)s, unnest(%(energy)s::int[])

-- name: isolation_become
-- As a connection of the API does it, which sets the role when it connects.
SELECT set_config('role', 'kawasan_api', true), set_config('kawasan.user', %(user)s, true)

-- name: isolation_become_owner
SELECT set_config('role', 'kawasan_migrate', true), set_config('kawasan.user', '', true)
