-- name: around_bounds
-- Between which instants the readings of each span and its margins lie: found in channel_day, so that no chunk is searched.
SELECT array_agg(s.number),
       array_agg(coalesce(before.lowest, date_trunc('day', s.from_ts, 'UTC'))),
       array_agg(coalesce(after.highest, date_trunc('day', s.to_ts, 'UTC') + interval '1 day'))
FROM unnest(%(number)s, %(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (number, channel_id, from_ts, to_ts)
CROSS JOIN LATERAL (
    SELECT min(t.first_ts) AS lowest
    FROM (
        SELECT d.first_ts, sum(d.n) OVER (ORDER BY d.day DESC) - d.n AS nearer
        FROM channel_day d
        WHERE d.channel_id = s.channel_id AND d.day < (s.from_ts AT TIME ZONE 'UTC')::date
        ORDER BY d.day DESC
        LIMIT %(wanted)s
    ) t
    WHERE t.nearer < %(wanted)s
) before
CROSS JOIN LATERAL (
    SELECT max(t.last_ts) AS highest
    FROM (
        SELECT d.last_ts, sum(d.n) OVER (ORDER BY d.day) - d.n AS nearer
        FROM channel_day d
        WHERE d.channel_id = s.channel_id AND d.day > (s.to_ts AT TIME ZONE 'UTC')::date
        ORDER BY d.day
        LIMIT %(wanted)s
    ) t
    WHERE t.nearer < %(wanted)s
) after

-- name: around_one_by_one
-- Each look-up goes into the few chunks that the bounds leave anyway; to choose among them for each one anew costs a third of its time.
-- Ordinary PostgreSQL has no such setting, and takes it as a name of somebody's.
SELECT set_config('timescaledb.enable_runtime_exclusion', %(choose)s, true)

-- name: around_near
-- OFFSET 0 keeps it one look-up per span; the outer bounds are the spans' extremes, in sight of the planner.
SELECT array_agg(s.number), array_agg(r.ts), array_agg(r.value), array_agg(r.quality)
FROM unnest(%(number)s, %(channel_id)s, %(lowest)s, %(highest)s) AS s (number, channel_id, lowest, highest)
CROSS JOIN LATERAL (
    SELECT i.ts, i.value, i.quality
    FROM reading i
    WHERE i.channel_id = s.channel_id AND i.ts >= s.lowest AND i.ts <= s.highest AND i.ts BETWEEN %(first)s AND %(last)s
    OFFSET 0
) r

-- name: around_newest
SELECT array_agg(l.channel_id ORDER BY l.channel_id), array_agg(l.ts ORDER BY l.channel_id)
FROM latest l
WHERE l.channel_id = ANY (%(channel_id)s)

-- name: around_readings
-- Sides: 0 before the span, 1 inside, 2 after. The outer bounds are the spans' extremes, in sight of the planner.
SELECT array_agg(s.number), array_agg(r.side), array_agg(s.channel_id), array_agg(r.ts), array_agg(r.value), array_agg(r.quality)
FROM unnest(%(number)s, %(channel_id)s, %(from_ts)s, %(to_ts)s, %(lowest)s, %(highest)s)
    AS s (number, channel_id, from_ts, to_ts, lowest, highest)
CROSS JOIN LATERAL (
    (SELECT 0::smallint AS side, b.ts, b.value, b.quality
     FROM reading b
     WHERE b.channel_id = s.channel_id AND b.ts >= s.lowest AND b.ts < s.from_ts AND b.ts BETWEEN %(first)s AND %(last)s
     ORDER BY b.ts DESC
     LIMIT %(wanted)s)
    UNION ALL
    (SELECT 1::smallint, i.ts, i.value, i.quality
     FROM reading i
     WHERE i.channel_id = s.channel_id AND i.ts >= s.from_ts AND i.ts <= s.to_ts AND i.ts BETWEEN %(first)s AND %(last)s)
    UNION ALL
    (SELECT 2::smallint, a.ts, a.value, a.quality
     FROM reading a
     WHERE a.channel_id = s.channel_id AND a.ts > s.to_ts AND a.ts <= s.highest AND a.ts BETWEEN %(first)s AND %(last)s
     ORDER BY a.ts
     LIMIT %(wanted)s)
) r

-- name: around_conflicts
SELECT array_agg(f.channel_id), array_agg(f.ts)
FROM (
    SELECT DISTINCT c.channel_id, c.ts
    FROM unnest(%(channel_id)s, %(lowest)s, %(highest)s) AS s (channel_id, lowest, highest)
    JOIN reading_conflict c ON c.channel_id = s.channel_id AND c.ts >= s.lowest AND c.ts <= s.highest
) f
