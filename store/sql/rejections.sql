-- name: rejections_lock
-- Setting aside is rare; one at a time keeps the quota exact.
SELECT pg_advisory_xact_lock(hashtextextended('kawasan rejection', 0))

-- name: rejections_known
-- Which of some rejections are kept already.
SELECT array_agg(k.place_in_batch)
FROM unnest(%(number)s, %(hash)s::bytea[], %(place)s::text[], %(reason)s::text[]) AS k (place_in_batch, hash, place, reason)
JOIN rejected_message m ON m.hash = k.hash
JOIN rejection j ON j.message_id = m.id AND j.place = k.place AND j.reason = k.reason

-- name: rejections_kept
SELECT source, hour, kept
FROM rejection_quota
WHERE (source, hour) IN (SELECT k.source, k.hour FROM unnest(%(source)s::text[], %(hour)s) AS k (source, hour))

-- name: rejections_keep
INSERT INTO rejection_quota (source, hour, kept)
SELECT k.source, k.hour, k.kept
FROM unnest(%(source)s::text[], %(hour)s, %(kept)s) AS k (source, hour, kept)
ON CONFLICT (source, hour) DO UPDATE SET kept = rejection_quota.kept + excluded.kept

-- name: rejected_messages_insert
INSERT INTO rejected_message (hash, topic, payload, source, first_at)
SELECT k.hash, k.topic, k.payload, k.source, k.first_at
FROM unnest(%(hash)s::bytea[], %(topic)s::bytea[], %(payload)s::bytea[], %(source)s::text[], %(first_at)s)
    AS k (hash, topic, payload, source, first_at)
ON CONFLICT (hash) DO NOTHING

-- name: rejections_upsert
INSERT INTO rejection (message_id, park_id, place, reason, detail, count, first_at, last_at)
SELECT m.id, p.id, k.place, k.reason, k.detail, k.count, k.first_at, k.last_at
FROM unnest(%(hash)s::bytea[], %(park)s::text[], %(place)s::text[], %(reason)s::text[], %(detail)s::text[],
            %(count)s, %(first_at)s, %(last_at)s)
    AS k (hash, park, place, reason, detail, count, first_at, last_at)
JOIN rejected_message m ON m.hash = k.hash
LEFT JOIN park p ON p.key = k.park
ON CONFLICT (message_id, place, reason) DO UPDATE
SET count = rejection.count + excluded.count,
    last_at = greatest(rejection.last_at, excluded.last_at),
    resolved_at = NULL

-- name: rejections_list
SELECT j.id, j.message_id, m.source, m.topic, j.place, j.reason, j.detail, j.count, j.first_at, j.last_at, j.resolved_at
FROM rejection j
JOIN rejected_message m ON m.id = j.message_id
WHERE (%(reason)s::text IS NULL OR j.reason = %(reason)s::text)
  AND (NOT %(unresolved)s OR j.resolved_at IS NULL)
  AND (%(after_at)s::timestamptz IS NULL OR (j.last_at, j.id) < (%(after_at)s::timestamptz, %(after_id)s::bigint))
ORDER BY j.last_at DESC, j.id DESC
LIMIT %(limit)s

-- name: rejected_message_get
SELECT id, source, topic, payload, first_at FROM rejected_message WHERE id = %(id)s

-- name: rejections_of_message
SELECT j.id, j.message_id, m.source, m.topic, j.place, j.reason, j.detail, j.count, j.first_at, j.last_at, j.resolved_at
FROM rejection j
JOIN rejected_message m ON m.id = j.message_id
WHERE j.message_id = %(id)s
ORDER BY j.id

-- name: rejections_resolve
UPDATE rejection SET resolved_at = now() WHERE message_id = ANY (%(message_id)s) AND resolved_at IS NULL
