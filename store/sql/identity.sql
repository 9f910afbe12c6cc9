-- Who somebody is: of role AUTH, but for the audit log, which the API reads through its view.

-- name: identity_of
SELECT u.id, u.name, u.role,
       ARRAY(SELECT p.key FROM user_park g JOIN park p ON p.id = g.park_id WHERE g.user_id = u.id ORDER BY p.key) AS parks,
       ARRAY(SELECT p.key || '/' || t.key FROM user_tenant g JOIN tenant t ON t.id = g.tenant_id JOIN park p ON p.id = t.park_id
             WHERE g.user_id = u.id ORDER BY p.key, t.key) AS tenants,
       ARRAY(SELECT p.key || '/' || t.key FROM user_energy g JOIN tenant t ON t.id = g.tenant_id JOIN park p ON p.id = t.park_id
             WHERE g.user_id = u.id ORDER BY p.key, t.key) AS energy,
       k.via, k.number, k.scopes, k.must_change, k.is_stale, k.expires_at, k.keys_until,
       coalesce(extract(epoch FROM k.unused_until - now()), 'infinity')::float8 AS lasts_s
FROM (
    SELECT 'token' AS via, t.id AS number, t.user_id, t.scopes, false AS must_change, t.expires_at, t.expires_at AS keys_until,
           t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS is_stale, t.expires_at AS unused_until
    FROM token t
    WHERE t.hash = %(hash)s AND (t.expires_at IS NULL OR t.expires_at > now())
    UNION ALL
    SELECT 'session', s.id, s.user_id, coalesce(t.scopes, ARRAY['read', 'alarms', 'write']),
           s.token_hash IS NULL AND coalesce(p.one_time, false), least(s.ends_at, t.expires_at), t.expires_at,
           s.seen_at < now() - interval '1 minute', least(s.expires_at, s.ends_at, t.expires_at)
    FROM session s
    LEFT JOIN token t ON t.hash = s.token_hash AND t.user_id = s.user_id AND (t.expires_at IS NULL OR t.expires_at > now())
    LEFT JOIN password p ON p.user_id = s.user_id
    WHERE %(of_cookie)s AND s.hash = %(hash)s AND s.expires_at > now() AND s.ends_at > now()
      AND (s.token_hash IS NULL OR t.hash IS NOT NULL)
) k
JOIN app_user u ON u.id = k.user_id
WHERE u.disabled_at IS NULL
LIMIT 1

-- name: token_touch
UPDATE token SET last_used_at = now() WHERE id = %(number)s

-- name: session_touch
UPDATE session SET seen_at = now(), expires_at = least(now() + make_interval(secs => %(idle_s)s), ends_at) WHERE id = %(number)s

-- name: session_open
INSERT INTO session (hash, user_id, token_hash, address, expires_at, ends_at)
SELECT %(hash)s, u.id, %(token_hash)s, %(address)s, now() + make_interval(secs => least(%(idle_s)s, %(longest_s)s)),
       now() + make_interval(secs => %(longest_s)s)
FROM app_user u
WHERE u.name = %(user)s AND u.disabled_at IS NULL

-- name: session_end
DELETE FROM session s USING app_user u WHERE u.id = s.user_id AND s.hash = %(hash)s RETURNING u.name

-- name: session_end_one
DELETE FROM session s USING app_user u WHERE u.id = s.user_id AND u.name = %(user)s AND s.id = %(number)s

-- name: session_end_all
DELETE FROM session s USING app_user u
WHERE u.id = s.user_id AND u.name = %(user)s AND (%(kept)s::bytea IS NULL OR s.hash <> %(kept)s::bytea)

-- name: session_sweep
DELETE FROM session WHERE expires_at < now() OR ends_at < now()

-- name: sessions_of
SELECT s.id AS number, s.address, s.created_at, s.seen_at, s.expires_at, s.token_hash IS NOT NULL AS by_token
FROM session s
JOIN app_user u ON u.id = s.user_id
WHERE u.name = %(user)s AND s.expires_at > now() AND s.ends_at > now()
ORDER BY s.seen_at DESC, s.id DESC

-- name: password_of
SELECT p.hash, p.one_time, coalesce(p.expires_at < now(), false) AS expired, u.disabled_at IS NOT NULL AS disabled
FROM app_user u
JOIN password p ON p.user_id = u.id
WHERE u.name = %(user)s

-- name: password_set
INSERT INTO password (user_id, hash, one_time, expires_at)
SELECT u.id, %(hash)s, %(valid_s)s::float8 IS NOT NULL, now() + make_interval(secs => %(valid_s)s::float8)
FROM app_user u
WHERE u.name = %(user)s
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, one_time = excluded.one_time, expires_at = excluded.expires_at,
                                    changed_at = clock_timestamp()

-- name: password_rehash
UPDATE password SET hash = %(hash)s FROM app_user u WHERE u.id = password.user_id AND u.name = %(user)s AND password.hash = %(old)s

-- name: login_try
INSERT INTO login_try AS l (key, since, tries)
VALUES (%(key)s, now(), 1)
ON CONFLICT (key) DO UPDATE
SET since = CASE WHEN l.since < now() - make_interval(secs => %(window_s)s) THEN now() ELSE l.since END,
    tries = CASE WHEN l.since < now() - make_interval(secs => %(window_s)s) THEN 1 ELSE least(l.tries + 1, 1000000) END
RETURNING tries, extract(epoch FROM since - now())::float8 + %(window_s)s

-- name: login_untry
UPDATE login_try SET tries = tries - 1 WHERE key = ANY (%(keys)s) AND tries > 0

-- name: login_forget
DELETE FROM login_try WHERE key = %(key)s

-- name: login_sweep
DELETE FROM login_try WHERE since < now() - make_interval(secs => %(window_s)s)

-- name: keys_of
SELECT t.id AS number, t.label, t.scopes, t.created_at, t.expires_at, t.last_used_at
FROM token t
JOIN app_user u ON u.id = t.user_id
WHERE u.name = %(user)s
ORDER BY t.label

-- name: key_add
INSERT INTO token (hash, user_id, label, scopes, expires_at)
SELECT %(hash)s, u.id, %(label)s, %(scopes)s, %(expires_at)s
FROM app_user u
WHERE u.name = %(user)s AND u.disabled_at IS NULL AND (SELECT count(*) FROM token t WHERE t.user_id = u.id) < %(most)s
ON CONFLICT (user_id, label) DO NOTHING
RETURNING id

-- name: key_drop
DELETE FROM token t USING app_user u WHERE u.id = t.user_id AND u.name = %(user)s AND t.id = %(number)s RETURNING t.label

-- name: user_enable
UPDATE app_user SET disabled_at = NULL WHERE name = %(name)s AND disabled_at IS NOT NULL

-- name: admin_first
INSERT INTO app_user (name, role)
SELECT %(name)s, 'admin'
WHERE NOT EXISTS (SELECT FROM app_user)
ON CONFLICT (name) DO NOTHING
RETURNING id
