-- name: batch_insert
INSERT INTO batch (messages) VALUES (%(messages)s) RETURNING id

-- name: readings_copy
COPY reading (channel_id, ts, value, quality, received_at, batch_id) FROM STDIN (FORMAT BINARY)

-- name: readings_insert
-- In order of the key, so that two writers wait for each other and never in a circle.
INSERT INTO reading (channel_id, ts, value, quality, received_at, batch_id)
SELECT k.channel_id, k.ts, k.value, k.quality, k.received_at, %(batch)s
FROM unnest(%(channel_id)s, %(ts)s, %(value)s, %(quality)s, %(received_at)s)
    AS k (channel_id, ts, value, quality, received_at)
ORDER BY k.channel_id, k.ts
ON CONFLICT (channel_id, ts) DO NOTHING

-- name: readings_stored
-- What is stored for some keys. OFFSET 0 keeps it a look-up per key, whatever the planner thinks of the rest; the outer
-- bounds leave the other chunks out.
SELECT array_agg(k.place), array_agg(r.value), array_agg(r.quality), array_agg(r.batch_id = %(batch)s)
FROM unnest(%(place)s, %(channel_id)s, %(ts)s) AS k (place, channel_id, ts)
CROSS JOIN LATERAL (
    SELECT s.value, s.quality, s.batch_id
    FROM reading s
    WHERE s.channel_id = k.channel_id AND s.ts = k.ts AND s.ts BETWEEN %(first)s AND %(last)s
    OFFSET 0
) r

-- name: channel_resolutions
SELECT array_agg(id), array_agg(resolution) FROM channel WHERE id = ANY (%(channel_id)s)

-- name: conflicts_lock
SELECT pg_advisory_xact_lock(hashtextextended('kawasan reading_conflict', 0))

-- name: conflicts_known
SELECT array_agg(k.key), array_agg(f.value), array_agg(f.quality)
FROM unnest(%(key)s, %(channel_id)s, %(ts)s) AS k (key, channel_id, ts)
JOIN reading_conflict f ON f.channel_id = k.channel_id AND f.ts = k.ts

-- name: conflicts_insert
INSERT INTO reading_conflict (channel_id, ts, value, quality, received_at, batch_id)
SELECT k.channel_id, k.ts, k.value, k.quality, k.received_at, %(batch)s
FROM unnest(%(channel_id)s, %(ts)s, %(value)s, %(quality)s, %(received_at)s)
    AS k (channel_id, ts, value, quality, received_at)
ON CONFLICT (channel_id, ts, value, quality) DO NOTHING

-- name: conflicts_insert_stored
-- The stored value claims the key too.
INSERT INTO reading_conflict (channel_id, ts, value, quality, received_at, batch_id)
SELECT r.channel_id, r.ts, r.value, r.quality, r.received_at, r.batch_id
FROM unnest(%(channel_id)s, %(ts)s) AS k (channel_id, ts)
CROSS JOIN LATERAL (
    SELECT s.channel_id, s.ts, s.value, s.quality, s.received_at, s.batch_id
    FROM reading s
    WHERE s.channel_id = k.channel_id AND s.ts = k.ts AND s.ts BETWEEN %(first)s AND %(last)s
    OFFSET 0
) r
ON CONFLICT (channel_id, ts, value, quality) DO NOTHING

-- name: spans_insert
INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
SELECT c.park_id, k.channel_id, k.from_ts, k.to_ts
FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS k (channel_id, from_ts, to_ts)
JOIN channel c ON c.id = k.channel_id

-- name: spans_notify
SELECT pg_notify('kawasan_spans', '')

-- name: latest_upsert
INSERT INTO latest (channel_id, ts, value, quality, received_at)
SELECT k.channel_id, k.ts, k.value, k.quality, k.received_at
FROM unnest(%(channel_id)s, %(ts)s, %(value)s, %(quality)s, %(received_at)s)
    AS k (channel_id, ts, value, quality, received_at)
ORDER BY k.channel_id
ON CONFLICT (channel_id) DO UPDATE
SET ts = excluded.ts, value = excluded.value, quality = excluded.quality, received_at = excluded.received_at
WHERE excluded.ts > latest.ts

-- name: channel_days_upsert
INSERT INTO channel_day (channel_id, day, first_ts, last_ts, n)
SELECT k.channel_id, (k.day AT TIME ZONE 'UTC')::date, k.first_ts, k.last_ts, k.n
FROM unnest(%(channel_id)s, %(day)s, %(first_ts)s, %(last_ts)s, %(n)s) AS k (channel_id, day, first_ts, last_ts, n)
ORDER BY k.channel_id, k.day
ON CONFLICT (channel_id, day) DO UPDATE
SET first_ts = least(channel_day.first_ts, excluded.first_ts),
    last_ts = greatest(channel_day.last_ts, excluded.last_ts),
    n = channel_day.n + excluded.n

-- name: ledger_add
INSERT INTO ledger (source, hour, messages, stored, duplicate, conflict, rejected)
SELECT k.source, k.hour, k.messages, k.stored, k.duplicate, k.conflict, k.rejected
FROM unnest(%(source)s::text[], %(hour)s, %(messages)s, %(stored)s, %(duplicate)s, %(conflict)s, %(rejected)s)
    AS k (source, hour, messages, stored, duplicate, conflict, rejected)
ORDER BY k.hour, k.source
ON CONFLICT (hour, source) DO UPDATE
SET messages = ledger.messages + excluded.messages,
    stored = ledger.stored + excluded.stored,
    duplicate = ledger.duplicate + excluded.duplicate,
    conflict = ledger.conflict + excluded.conflict,
    rejected = ledger.rejected + excluded.rejected

-- name: ledger_rejected_add
INSERT INTO ledger_rejected (source, hour, reason, n)
SELECT k.source, k.hour, k.reason, k.n
FROM unnest(%(source)s::text[], %(hour)s, %(reason)s::text[], %(n)s) AS k (source, hour, reason, n)
ORDER BY k.hour, k.source, k.reason
ON CONFLICT (hour, source, reason) DO UPDATE SET n = ledger_rejected.n + excluded.n
