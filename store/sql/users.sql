-- name: user_upsert
INSERT INTO app_user (name, role) VALUES (%(name)s, %(role)s)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, disabled_at = NULL
RETURNING id

-- name: user_forget_parks
DELETE FROM user_park WHERE user_id = %(user_id)s

-- name: user_forget_tenants
DELETE FROM user_tenant WHERE user_id = %(user_id)s

-- name: user_forget_energy
DELETE FROM user_energy WHERE user_id = %(user_id)s

-- name: user_grant_energy
INSERT INTO user_energy (user_id, tenant_id)
SELECT %(user_id)s, t.id FROM tenant t JOIN park p ON p.id = t.park_id WHERE p.key || '/' || t.key = ANY (%(tenants)s::text[])

-- name: user_grant_parks
INSERT INTO user_park (user_id, park_id)
SELECT %(user_id)s, id FROM park WHERE key = ANY (%(parks)s::text[])

-- name: user_grant_tenants
INSERT INTO user_tenant (user_id, tenant_id)
SELECT %(user_id)s, t.id FROM tenant t JOIN park p ON p.id = t.park_id WHERE p.key || '/' || t.key = ANY (%(tenants)s::text[])

-- name: user_unknown_grants
SELECT k FROM unnest(%(parks)s::text[]) AS k WHERE k NOT IN (SELECT key FROM park)
UNION ALL
SELECT k FROM unnest(%(tenants)s::text[]) AS k
WHERE k NOT IN (SELECT p.key || '/' || t.key FROM tenant t JOIN park p ON p.id = t.park_id)

-- name: user_disable
UPDATE app_user SET disabled_at = now() WHERE name = %(name)s AND disabled_at IS NULL

-- name: token_has
SELECT EXISTS (SELECT FROM token t JOIN app_user u ON u.id = t.user_id
               WHERE u.name = %(user)s AND t.label = %(label)s AND t.hash = %(hash)s AND t.expires_at IS NOT DISTINCT FROM %(expires_at)s
                 AND t.scopes @> %(scopes)s::text[] AND t.scopes <@ %(scopes)s::text[])

-- name: token_set
INSERT INTO token (hash, user_id, label, expires_at, scopes)
SELECT %(hash)s, id, %(label)s, %(expires_at)s, %(scopes)s FROM app_user WHERE name = %(user)s
ON CONFLICT (user_id, label) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at, scopes = excluded.scopes,
                                           created_at = now(), last_used_at = NULL

-- name: token_drop
DELETE FROM token USING app_user u WHERE u.id = token.user_id AND u.name = %(user)s AND token.label = %(label)s

-- name: users_list
SELECT u.id, u.name, u.role,
       ARRAY(SELECT p.key FROM user_park g JOIN park p ON p.id = g.park_id WHERE g.user_id = u.id ORDER BY p.key) AS parks,
       ARRAY(SELECT p.key || '/' || t.key FROM user_tenant g JOIN tenant t ON t.id = g.tenant_id JOIN park p ON p.id = t.park_id
             WHERE g.user_id = u.id ORDER BY p.key, t.key) AS tenants,
       ARRAY(SELECT p.key || '/' || t.key FROM user_energy g JOIN tenant t ON t.id = g.tenant_id JOIN park p ON p.id = t.park_id
             WHERE g.user_id = u.id ORDER BY p.key, t.key) AS energy,
       u.disabled_at IS NOT NULL AS disabled
FROM app_user u
WHERE %(name)s::text IS NULL OR u.name = %(name)s::text
ORDER BY u.name
