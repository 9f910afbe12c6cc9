-- The outbox, and measurements of this system.

-- name: outbox_insert
INSERT INTO notification (park_id, alarm_id, transition_id, contact, way, address, subject, body, payload, dedup_key, urgent, not_before,
                          next_at)
SELECT %(park_id)s, t.alarm_id, n.transition_id, n.contact, n.way, n.address, n.subject, n.body, n.payload, n.dedup_key, n.urgent,
       n.not_before, n.not_before
FROM unnest(%(transition_id)s::bigint[], %(contact)s::text[], %(way)s::text[], %(address)s::text[], %(subject)s::text[], %(body)s::text[],
            %(payload)s::text[], %(dedup_key)s::text[], %(urgent)s, %(not_before)s)
    WITH ORDINALITY
    AS n (transition_id, contact, way, address, subject, body, payload, dedup_key, urgent, not_before, place)
LEFT JOIN alarm_transition t ON t.id = n.transition_id
ORDER BY n.place
ON CONFLICT (dedup_key) DO NOTHING

-- name: outbox_notify
SELECT pg_notify('kawasan_outbox', '')

-- name: outbox_claim
WITH moment AS (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
), due AS (
    SELECT n.id
    FROM notification n, moment m
    WHERE n.way = %(way)s AND n.state = 'pending' AND n.next_at <= m.now AND (n.leased_until IS NULL OR n.leased_until <= m.now)
    ORDER BY n.urgent DESC, n.next_at, n.id
    LIMIT %(limit)s
    FOR UPDATE OF n SKIP LOCKED
), taken AS (
    UPDATE notification n
    SET leased_until = m.now + make_interval(secs => %(lease_s)s)
    FROM due d, moment m
    WHERE n.id = d.id
    RETURNING n.*
)
SELECT t.id, t.park_id, p.key AS park, t.alarm_id, t.transition_id, t.created_at, t.attempts, t.contact, t.way, t.address, t.subject,
       t.body, t.payload, t.dedup_key, t.not_before, t.urgent
FROM taken t
JOIN park p ON p.id = t.park_id
ORDER BY t.urgent DESC, t.next_at, t.id

-- name: outbox_attempt
INSERT INTO notification_attempt (notification_id, at, outcome, detail) VALUES (%(id)s, %(at)s, %(outcome)s, %(detail)s)

-- name: outbox_settle
UPDATE notification
SET state = %(state)s, attempts = attempts + 1, leased_until = NULL, next_at = %(next_at)s,
    sent_at = CASE WHEN %(state)s = 'sent' THEN %(at)s::timestamptz END
WHERE id = %(id)s AND state = 'pending'

-- name: outbox_postpone
UPDATE notification SET next_at = %(until)s, leased_until = NULL WHERE id = ANY (%(id)s::bigint[]) AND state = 'pending'

-- name: outbox_sent
-- Those that were put together into one are marked at one moment, and count as one.
SELECT park_id, contact, count(DISTINCT sent_at) FROM notification WHERE state = 'sent' AND sent_at >= %(since)s GROUP BY park_id, contact

-- name: outbox_next
SELECT min(greatest(next_at, leased_until)) FROM notification WHERE state = 'pending'

-- name: outbox_lags
SELECT n.way, count(*), extract(epoch FROM coalesce(%(now)s::timestamptz, clock_timestamp()) - min(n.next_at))::float8
FROM notification n
WHERE n.state = 'pending' AND n.next_at <= coalesce(%(now)s::timestamptz, clock_timestamp())
GROUP BY n.way
ORDER BY n.way

-- name: health_insert
INSERT INTO health_sample (park_id, name, at, value)
SELECT %(park_id)s, n.name, n.at, n.value
FROM unnest(%(name)s::text[], %(at)s, %(value)s) AS n (name, at, value)
ON CONFLICT DO NOTHING

-- name: health_read
-- Of one moment, the park's own goes before the whole installation's.
SELECT array_agg(k.name), array_agg(k.at), array_agg(k.value)
FROM (
    SELECT DISTINCT ON (n.place, h.at) n.place::int AS name, h.at, h.value
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n (name, place)
    JOIN health_sample h ON h.name = n.name AND h.at >= %(start)s AND h.at < %(stop)s
                        AND (h.park_id = %(park_id)s OR h.park_id IS NULL)
    ORDER BY n.place, h.at, h.park_id NULLS LAST
) k
