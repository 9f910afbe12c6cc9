-- The reading queries serve the engine and the CLI (tables) and the API (views of one user): the search path tells.

-- name: corrections_of_channels
-- All that was ever said of some channels, as it was known at a moment: also what was superseded by then.
SELECT array_agg(c.id), array_agg(c.channel_id), array_agg(c.from_ts), array_agg(c.to_ts), array_agg(coalesce(c.value, 'NaN')),
       array_agg(c.recorded_at), array_agg(c.superseded_at IS NULL OR coalesce(c.superseded_at > %(as_of)s::timestamptz, false))
FROM correction c
WHERE c.channel_id = ANY (%(channel_id)s) AND c.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')

-- name: corrections_list
SELECT c.id, concat_ws('/', p.key, t.key, m.key, h.quantity) AS channel, h.unit, c.action, c.from_ts, c.to_ts, c.value, c.why,
       c.recorded_at, c.recorded_by, c.superseded_at, c.superseded_by, c.superseded_why
FROM correction c
JOIN channel h ON h.id = c.channel_id
JOIN meter m ON m.id = h.meter_id
JOIN tenant t ON t.id = m.tenant_id
JOIN park p ON p.id = h.park_id
WHERE (%(channel_id)s::int[] IS NULL OR c.channel_id = ANY (%(channel_id)s::int[]))
  AND (%(id)s::bigint IS NULL OR c.id = %(id)s::bigint)
  AND (%(start)s::timestamptz IS NULL OR c.to_ts >= %(start)s::timestamptz)
  AND (%(stop)s::timestamptz IS NULL OR c.from_ts < %(stop)s::timestamptz)
  AND (%(history)s OR c.superseded_at IS NULL)
  AND (%(after)s::bigint IS NULL OR c.id < %(after)s::bigint)
ORDER BY c.id DESC
LIMIT %(limit)s

-- name: conflicts_list
-- Times that several values claim, all of them, and the correction that decides.
SELECT f.channel_id, concat_ws('/', p.key, t.key, m.key, h.quantity) AS channel, h.unit, f.ts, k.value, k.quality, k.received_at,
       d.id AS correction_id, d.value AS chosen
FROM (SELECT DISTINCT r.channel_id, r.ts
      FROM reading_conflict r
      WHERE (%(channel_id)s::int[] IS NULL OR r.channel_id = ANY (%(channel_id)s::int[]))
        AND (%(start)s::timestamptz IS NULL OR r.ts >= %(start)s::timestamptz)
        AND (%(stop)s::timestamptz IS NULL OR r.ts < %(stop)s::timestamptz)
        AND (%(after_channel)s::int IS NULL OR (r.channel_id, r.ts) > (%(after_channel)s::int, %(after_ts)s::timestamptz))) f
JOIN channel h ON h.id = f.channel_id
JOIN meter m ON m.id = h.meter_id
JOIN tenant t ON t.id = m.tenant_id
JOIN park p ON p.id = h.park_id
CROSS JOIN LATERAL (
    SELECT array_agg(r.value ORDER BY r.value, r.quality) AS value, array_agg(r.quality ORDER BY r.value, r.quality) AS quality,
           array_agg(r.received_at ORDER BY r.value, r.quality) AS received_at
    FROM reading_conflict r
    WHERE r.channel_id = f.channel_id AND r.ts = f.ts
) k
LEFT JOIN LATERAL (
    SELECT c.id, c.value
    FROM correction c
    WHERE c.channel_id = f.channel_id AND c.from_ts <= f.ts AND c.to_ts >= f.ts AND c.superseded_at IS NULL
    ORDER BY c.recorded_at DESC, c.id DESC
    LIMIT 1
) d ON true
WHERE %(resolved)s OR d.id IS NULL
ORDER BY f.channel_id, f.ts
LIMIT %(limit)s

-- name: correct
SELECT correct(%(channel_id)s, %(action)s, %(first)s, %(last)s, %(value)s::float8, %(why)s, %(replace)s)

-- name: correct_by
SELECT api.correct_of(%(channel_id)s, %(action)s, %(first)s, %(last)s, %(value)s::float8, %(why)s, %(replace)s, %(by)s)

-- name: correction_withdraw
SELECT withdraw(%(id)s::bigint, %(why)s)

-- name: correction_withdraw_by
SELECT api.withdraw_of(%(id)s::bigint, %(why)s, %(by)s)
