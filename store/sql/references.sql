-- name: references_in_force
SELECT id, kind, key, valid_from, valid_to, body, source, confirmed
FROM reference
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: reference_insert
INSERT INTO reference (park_id, kind, key, valid_from, valid_to, body, source, confirmed, recorded_at, recorded_by)
VALUES (%(park_id)s, %(kind)s, %(key)s, %(valid_from)s, %(valid_to)s, %(body)s, %(source)s, %(confirmed)s, %(now)s, %(by)s)

-- name: reference_supersede
UPDATE reference SET superseded_at = %(now)s WHERE id = %(id)s

-- name: reference_version
UPDATE park SET version = version + 1 WHERE id = %(park_id)s

-- name: references_list
-- With `history`, those that were superseded, too.
SELECT r.id, p.key AS park, r.kind, r.key, r.valid_from, r.valid_to, r.body, r.source, r.confirmed, r.recorded_at, r.recorded_by,
       r.superseded_at
FROM reference r
JOIN park p ON p.id = r.park_id
WHERE p.key = %(park)s
  AND (%(kind)s::text IS NULL OR r.kind = %(kind)s::text)
  AND (%(history)s OR r.superseded_at IS NULL)
ORDER BY r.kind, r.key, r.valid_from, r.id
