-- What the checks found: made anew for some days of some channels, rule by rule.

-- name: findings_delete
DELETE FROM finding f
USING unnest(%(scope_channel)s, %(scope_day)s) AS s (channel_id, day)
WHERE f.channel_id = s.channel_id AND f.day = s.day AND f.rule = ANY (%(scope_rules)s::text[])
  AND NOT EXISTS (SELECT FROM unnest(%(channel_id)s, %(day)s, %(rule)s, %(start)s) AS n (channel_id, day, rule, start)
                  WHERE n.channel_id = f.channel_id AND n.day = f.day AND (%(rules)s::text[])[n.rule] = f.rule AND n.start = f.start)

-- name: findings_write
-- Rules cross as numbers into a list of their names. A finding that would stay as it is is not touched.
INSERT INTO finding (channel_id, rule, day, start, stop, value, bound, computed_at)
SELECT n.channel_id, (%(rules)s::text[])[n.rule], n.day, n.start, n.stop, nullif(n.value, 'NaN'), nullif(n.bound, 'NaN'), %(computed_at)s
FROM unnest(%(channel_id)s, %(rule)s, %(day)s, %(start)s, %(stop)s, %(value)s, %(bound)s)
    AS n (channel_id, rule, day, start, stop, value, bound)
ON CONFLICT (channel_id, day, rule, start) DO UPDATE
SET stop = excluded.stop, value = excluded.value, bound = excluded.bound, computed_at = excluded.computed_at
WHERE (finding.stop, finding.value, finding.bound) IS DISTINCT FROM (excluded.stop, excluded.value, excluded.bound)

-- name: findings_days
-- Day amounts of single days of channels; the outer bounds are in sight of the planner.
SELECT array_agg(s.number), array_agg(coalesce(a.amount, 'NaN')), array_agg(coalesce(a.mean, 'NaN')), array_agg(a.measured_s),
       array_agg(a.inner_gap_s), array_agg(a.estimated)
FROM unnest(%(number)s, %(channel_id)s, %(day)s) AS s (number, channel_id, day)
CROSS JOIN LATERAL (
    SELECT b.amount, b.mean, b.measured_s, b.inner_gap_s, b.estimated
    FROM amount b
    WHERE b.channel_id = s.channel_id AND b.level = %(level)s AND b.start = s.day AND b.start BETWEEN %(first)s AND %(last)s
    OFFSET 0
) a

-- name: findings_estimated
-- Channels of which anything is estimated on the days of a stretch of time.
SELECT array_agg(e.channel_id)
FROM (
    SELECT DISTINCT a.channel_id
    FROM amount a
    WHERE a.channel_id = ANY (%(channel_id)s) AND a.level = %(level)s AND a.start >= %(start)s AND a.start < %(stop)s
      AND a.estimated <> 0
) e

-- name: findings_stored_days
-- Which days of which channels of a park have amounts: looks at every chunk, for the first tick only.
SELECT array_agg(a.channel_id), array_agg(a.start)
FROM amount a
JOIN channel c ON c.id = a.channel_id
WHERE c.park_id = %(park_id)s AND a.level = %(level)s

-- name: findings_page
-- Newest first. Who asks through the views of schema api sees what that user may see.
SELECT f.channel_id, p.key AS park, p.timezone, p.key || '/' || t.key || '/' || m.key || '/' || c.quantity AS channel, c.unit, c.kind,
       f.rule, f.day, f.start, f.stop, f.value, f.bound, f.computed_at
FROM finding f
JOIN channel c ON c.id = f.channel_id
JOIN meter m ON m.id = c.meter_id
JOIN tenant t ON t.id = m.tenant_id
JOIN park p ON p.id = c.park_id
WHERE f.start >= %(start)s AND f.start < %(stop)s
  AND (%(park)s::text IS NULL OR p.key = %(park)s::text)
  AND (%(channels)s::int[] IS NULL OR f.channel_id = ANY (%(channels)s::int[]))
  AND (%(rules)s::text[] IS NULL OR f.rule = ANY (%(rules)s::text[]))
  AND (%(after_start)s::timestamptz IS NULL
       OR (f.start, f.channel_id, f.rule) < (%(after_start)s::timestamptz, %(after_channel)s::int, %(after_rule)s::text))
ORDER BY f.start DESC, f.channel_id DESC, f.rule DESC
LIMIT %(limit)s
