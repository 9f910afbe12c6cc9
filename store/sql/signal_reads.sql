-- What alarms are held against, beyond what the engine reads anyway.

-- name: signal_newest
SELECT array_agg(l.channel_id ORDER BY l.channel_id), array_agg(l.ts ORDER BY l.channel_id)
FROM latest l
WHERE l.channel_id = ANY (%(channel_id)s)

-- name: signal_amounts
-- OFFSET 0 keeps it one look-up per span; the outer bounds are in sight of the planner. Spans of one channel do not overlap.
SELECT array_agg(a.channel_id), array_agg(a.start), array_agg(coalesce(a.amount, 'NaN')), array_agg(coalesce(a.mean, 'NaN')),
       array_agg(coalesce(a.low, 'NaN')), array_agg(coalesce(a.high, 'NaN')), array_agg(coalesce(a.last, 'NaN')),
       array_agg(coalesce(a.peak, 'NaN')), array_agg(coalesce(a.peak_at, 'epoch')), array_agg(a.measured_s), array_agg(a.estimated),
       array_agg(a.inner_gap_s), array_agg(a.gap_s), array_agg(coalesce(a.gap_stop, 'epoch')), array_agg(a.slots), array_agg(a.received),
       array_agg(a.unusable),
       array_agg(a.flags), array_agg(a.revision), array_agg(a.computed_at)
FROM (
    SELECT b.*
    FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (channel_id, from_ts, to_ts)
    CROSS JOIN LATERAL (
        SELECT i.*
        FROM amount i
        WHERE i.channel_id = s.channel_id AND i.level = %(level)s AND i.start >= s.from_ts AND i.start < s.to_ts
          AND i.start BETWEEN %(first)s AND %(last)s
        OFFSET 0
    ) b
    ORDER BY b.channel_id, b.start
) a

-- name: signal_heard
-- The newest reading in each step of time, and the last one before the span: enough to say how old what is known is.
SELECT array_agg(h.channel_id), array_agg(h.ts)
FROM (
    SELECT s.channel_id, max(r.ts) AS ts
    FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (channel_id, from_ts, to_ts)
    CROSS JOIN LATERAL (
        SELECT i.ts
        FROM reading i
        WHERE i.channel_id = s.channel_id AND i.ts > s.from_ts AND i.ts <= s.to_ts AND i.ts BETWEEN %(first)s AND %(last)s
        OFFSET 0
    ) r
    GROUP BY s.channel_id, date_bin(%(step)s, r.ts - interval '1 microsecond', %(origin)s)
    UNION ALL
    SELECT s.channel_id, b.ts
    FROM unnest(%(channel_id)s, %(from_ts)s) AS s (channel_id, from_ts)
    CROSS JOIN LATERAL (
        SELECT max(d.last_ts) AS ts
        FROM (SELECT e.last_ts, e.first_ts FROM channel_day e
              WHERE e.channel_id = s.channel_id AND e.day <= (s.from_ts AT TIME ZONE 'UTC')::date AND e.first_ts <= s.from_ts
              ORDER BY e.day DESC LIMIT 2) d
        WHERE d.last_ts <= s.from_ts
    ) b
    WHERE b.ts IS NOT NULL
    UNION ALL
    -- The day in which the span begins, as far as it is before it.
    SELECT s.channel_id, b.ts
    FROM unnest(%(channel_id)s, %(from_ts)s) AS s (channel_id, from_ts)
    CROSS JOIN LATERAL (
        SELECT i.ts
        FROM reading i
        WHERE i.channel_id = s.channel_id AND i.ts <= s.from_ts AND i.ts >= date_trunc('day', s.from_ts, 'UTC')
          AND i.ts BETWEEN %(before)s AND %(last)s
        ORDER BY i.ts DESC
        LIMIT 1
    ) b
) h

-- name: signal_marked
-- Whether a source marked a reading of some stretches: calibration or maintenance.
SELECT array_agg(m.number), array_agg(m.quality)
FROM (
    SELECT s.number, bit_or(r.quality) AS quality
    FROM unnest(%(number)s, %(channel_id)s, %(from_ts)s, %(to_ts)s) AS s (number, channel_id, from_ts, to_ts)
    CROSS JOIN LATERAL (
        SELECT i.quality
        FROM reading i
        WHERE i.channel_id = s.channel_id AND i.ts >= s.from_ts AND i.ts < s.to_ts AND i.ts BETWEEN %(first)s AND %(last)s
          AND i.quality & %(marks)s <> 0
        OFFSET 0
    ) r
    GROUP BY s.number
) m

-- name: signal_findings
-- Findings of channels that overlap a stretch of time; none is longer than a month.
SELECT array_agg(f.channel_id), array_agg(array_position(%(rules)s::text[], f.rule)), array_agg(f.start), array_agg(f.stop)
FROM finding f
WHERE f.channel_id = ANY (%(channel_id)s) AND f.rule = ANY (%(rules)s::text[])
  AND f.start >= %(start)s::timestamptz - interval '32 days' AND f.start < %(stop)s AND f.stop > %(start)s

-- name: signal_episodes
-- Stored episodes of alarms, named `rule` or `rule@target`, that are open or were cleared after a time.
SELECT array_agg(n.number::int), array_agg(e.start), array_agg(e.raised_at), array_agg(coalesce(e.cleared_at, timestamptz '2200-01-01T00:00:00Z'))
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n (name, number)
JOIN alarm a ON a.park_id = %(park_id)s AND a.rule_key = split_part(n.name, '@', 1)
            AND (a.rule_key = n.name OR a.rule_key || '@' || a.target = n.name)
JOIN episode e ON e.alarm_id = a.id
WHERE e.cleared_at IS NULL OR e.cleared_at > %(start)s

-- name: signal_first
SELECT array_agg(c.channel_id ORDER BY c.channel_id), array_agg(d.first_ts ORDER BY c.channel_id)
FROM unnest(%(channel_id)s) AS c (channel_id)
CROSS JOIN LATERAL (
    SELECT e.first_ts FROM channel_day e WHERE e.channel_id = c.channel_id ORDER BY e.day LIMIT 1
) d
