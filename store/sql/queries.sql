-- Through the views of schema api, as one user.

-- name: asking
SELECT set_config('kawasan.user', %(user)s, true)

-- name: asking_alone
-- For as long as the connection lasts, whatever transactions there are in it.
SELECT set_config('kawasan.user', %(user)s, false)

-- name: readings_page
SELECT array_agg(r.channel_id), array_agg(r.ts), array_agg(r.value), array_agg(r.quality)
FROM (
    SELECT channel_id, ts, value, quality
    FROM reading
    WHERE channel_id = ANY (%(channel_id)s) AND ts >= %(start)s AND ts < %(stop)s
      AND (%(after_channel)s::int IS NULL OR (channel_id, ts) > (%(after_channel)s::int, %(after_ts)s::timestamptz))
    ORDER BY channel_id, ts
    LIMIT %(limit)s
) r

-- name: conflicts_between
SELECT array_agg(f.channel_id), array_agg(f.ts)
FROM (
    SELECT DISTINCT channel_id, ts
    FROM reading_conflict
    WHERE channel_id = ANY (%(channel_id)s) AND ts >= %(start)s AND ts < %(stop)s
) f

-- name: latest_read
SELECT channel_id, ts, value, quality, received_at
FROM latest
WHERE channel_id = ANY (%(channel_id)s)
ORDER BY channel_id

-- name: ledger_read
SELECT source, hour, messages, stored, duplicate, conflict, rejected
FROM ledger
WHERE hour >= %(start)s AND hour < %(stop)s AND (%(source)s::text IS NULL OR source = %(source)s::text)
  AND (%(after_hour)s::timestamptz IS NULL OR (hour, source) > (%(after_hour)s::timestamptz, %(after_source)s::text))
ORDER BY hour, source
LIMIT %(limit)s

-- name: ledger_reasons
SELECT source, hour, reason, n
FROM ledger_rejected
WHERE hour >= %(start)s AND hour < %(stop)s AND (%(source)s::text IS NULL OR source = %(source)s::text)
ORDER BY hour, source, reason

-- name: amounts_shown
-- Sets who asks by itself; by itself it is a transaction too.
SELECT * FROM shown_amounts(%(users)s, %(channel_ids)s, %(levels)s, %(starts)s, %(stops)s)

-- name: changing
-- Connections of the API read by default; the first statement of a transaction that writes, as one that sees others' commits.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE
