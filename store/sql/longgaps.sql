-- What the estimation of long gaps looks at: measured base amounts of the past, and gaps of the time after.

-- name: longgaps_base
-- Base amounts of stretches of channels; the outer bounds are in sight of the planner.
SELECT array_agg(h.channel_id), array_agg(h.start), array_agg(coalesce(h.amount, 'NaN')), array_agg(h.measured_s), array_agg(h.flags)
FROM (
    SELECT a.channel_id, a.start, a.amount, a.measured_s, a.flags
    FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (channel_id, from_ts, to_ts)
    CROSS JOIN LATERAL (
        SELECT b.channel_id, b.start, b.amount, b.measured_s, b.flags
        FROM amount b
        WHERE b.channel_id = s.channel_id AND b.level = %(level)s AND b.start >= s.from_ts AND b.start < s.to_ts
          AND b.start BETWEEN %(first)s AND %(last)s
        OFFSET 0
    ) a
    ORDER BY a.channel_id, a.start
) h

-- name: longgaps_days
-- Days with a long gap after some instants of channels. Most channels have nothing that late: `latest` says so at once.
SELECT array_agg(g.channel_id), array_agg(g.start)
FROM (
    SELECT a.channel_id, a.start
    FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (channel_id, from_ts, to_ts)
    JOIN latest l ON l.channel_id = s.channel_id AND l.ts >= s.from_ts
    CROSS JOIN LATERAL (
        SELECT b.channel_id, b.start
        FROM amount b
        WHERE b.channel_id = s.channel_id AND b.level = %(level)s AND b.start >= s.from_ts AND b.start < s.to_ts
          AND b.start BETWEEN %(first)s AND %(last)s AND b.flags & %(flag)s <> 0
        OFFSET 0
    ) a
    ORDER BY a.start, a.channel_id
) g
