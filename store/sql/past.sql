-- Readings as they were known at a moment, through the views of schema api. A key is known once any value that claims it was received.

-- name: past_around
-- As around_readings: sides are 0 before the span, 1 inside, 2 after.
SELECT array_agg(s.number), array_agg(r.side), array_agg(s.channel_id), array_agg(r.ts), array_agg(r.value), array_agg(r.quality)
FROM unnest(%(number)s, %(channel_id)s, %(from_ts)s, %(to_ts)s, %(lowest)s, %(highest)s)
    AS s (number, channel_id, from_ts, to_ts, lowest, highest)
CROSS JOIN LATERAL (
    (SELECT 0::smallint AS side, b.ts, b.value, b.quality
     FROM reading b
     WHERE b.channel_id = s.channel_id AND b.ts >= s.lowest AND b.ts < s.from_ts AND b.ts BETWEEN %(first)s AND %(last)s
       AND (b.received_at <= %(as_of)s
            OR EXISTS (SELECT FROM reading_conflict c WHERE c.channel_id = b.channel_id AND c.ts = b.ts AND c.received_at <= %(as_of)s))
     ORDER BY b.ts DESC
     LIMIT %(wanted)s)
    UNION ALL
    (SELECT 1::smallint, i.ts, i.value, i.quality
     FROM reading i
     WHERE i.channel_id = s.channel_id AND i.ts >= s.from_ts AND i.ts <= s.to_ts AND i.ts BETWEEN %(first)s AND %(last)s
       AND (i.received_at <= %(as_of)s
            OR EXISTS (SELECT FROM reading_conflict c WHERE c.channel_id = i.channel_id AND c.ts = i.ts AND c.received_at <= %(as_of)s)))
    UNION ALL
    (SELECT 2::smallint, a.ts, a.value, a.quality
     FROM reading a
     WHERE a.channel_id = s.channel_id AND a.ts > s.to_ts AND a.ts <= s.highest AND a.ts BETWEEN %(first)s AND %(last)s
       AND (a.received_at <= %(as_of)s
            OR EXISTS (SELECT FROM reading_conflict c WHERE c.channel_id = a.channel_id AND c.ts = a.ts AND c.received_at <= %(as_of)s))
     ORDER BY a.ts
     LIMIT %(wanted)s)
) r

-- name: past_claims
-- The values that claimed a time by then.
SELECT array_agg(c.channel_id), array_agg(c.ts), array_agg(c.value), array_agg(c.quality)
FROM reading_conflict c
WHERE c.channel_id = ANY (%(channel_id)s) AND c.ts BETWEEN %(first)s AND %(last)s AND c.received_at <= %(as_of)s

-- name: past_page
SELECT array_agg(r.channel_id), array_agg(r.ts), array_agg(r.value), array_agg(r.quality)
FROM (
    SELECT b.channel_id, b.ts, b.value, b.quality
    FROM reading b
    WHERE b.channel_id = %(channel_id)s AND b.ts >= %(start)s AND b.ts < %(stop)s
      AND (b.received_at <= %(as_of)s
           OR EXISTS (SELECT FROM reading_conflict c WHERE c.channel_id = b.channel_id AND c.ts = b.ts AND c.received_at <= %(as_of)s))
    ORDER BY b.channel_id, b.ts
    LIMIT %(limit)s
) r
