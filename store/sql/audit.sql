-- The audit log: written by role AUTH, read by the API through its view.

-- name: audit_note
INSERT INTO audit (who, act, target, outcome, address, via, parks, detail)
SELECT coalesce(nullif(%(who)s, ''), nullif(current_setting('kawasan.actor', true), ''), session_user),
       %(act)s, %(target)s, %(outcome)s, %(address)s, coalesce(nullif(%(via)s, ''), current_setting('application_name')),
       ARRAY(SELECT g.park_id FROM user_park g JOIN app_user u ON u.id = g.user_id WHERE u.name = %(concerns)s
             UNION
             SELECT t.park_id FROM user_tenant g JOIN app_user u ON u.id = g.user_id JOIN tenant t ON t.id = g.tenant_id
             WHERE u.name = %(concerns)s
             ORDER BY 1),
       %(detail)s

-- name: audit_from
-- What the request before had claimed is nothing of this one's.
SELECT set_config('kawasan.address', %(address)s, false), set_config('kawasan.via', %(via)s, false),
       set_config('kawasan.claim', '', false)

-- name: audit_page
SELECT id, at, who, act, target, outcome, address, via, parks, detail
FROM audit
WHERE (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
  AND (%(start)s::timestamptz IS NULL OR at >= %(start)s::timestamptz)
  AND (%(stop)s::timestamptz IS NULL OR at < %(stop)s::timestamptz)
  AND (%(who)s::text IS NULL OR who = %(who)s::text)
  AND (%(act)s::text IS NULL OR act = %(act)s::text)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s::text)
ORDER BY id DESC
LIMIT %(limit)s
