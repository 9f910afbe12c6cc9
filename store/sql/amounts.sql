-- name: amounts_park
SELECT p.timezone, p.base_s FROM channel c JOIN park p ON p.id = c.park_id WHERE c.id = %(channel_id)s

-- name: amounts_write
-- NaN and 0 stand for null on the way. Rows that would stay as they are are left out before the insert, so that they are not touched.
INSERT INTO amount (channel_id, level, start, amount, mean, low, high, last, peak, peak_at, measured_s, estimated, inner_gap_s,
                    gap_s, gap_stop, slots, received, unusable, flags, revision, computed_at)
SELECT k.channel_id, %(level)s, k.start, k.amount, k.mean, k.low, k.high, k.last, k.peak, k.peak_at, k.measured_s, k.estimated,
       k.inner_gap_s, k.gap_s, k.gap_stop, k.slots, k.received, k.unusable, k.flags | CASE WHEN k.final AND a.start IS NOT NULL THEN %(late)s ELSE coalesce(a.late, 0) END,
       CASE WHEN a.start IS NULL THEN 0 WHEN k.final THEN a.revision + 1 ELSE a.revision END, %(computed_at)s
FROM (
    SELECT n.channel_id, n.start, nullif(n.amount, 'NaN') AS amount, nullif(n.mean, 'NaN') AS mean, nullif(n.low, 'NaN') AS low,
           nullif(n.high, 'NaN') AS high, nullif(n.last, 'NaN') AS last, nullif(n.peak, 'NaN') AS peak,
           nullif(n.peak_at, 'epoch') AS peak_at, n.measured_s, n.estimated, n.inner_gap_s, n.gap_s,
           nullif(n.gap_stop, 'epoch') AS gap_stop, n.slots, n.received, n.unusable, n.flags & ~ %(late)s::int AS flags, n.final
    FROM unnest(%(channel_id)s, %(start)s, %(amount)s, %(mean)s, %(low)s, %(high)s, %(last)s, %(peak)s, %(peak_at)s,
                %(measured_s)s, %(estimated)s, %(inner_gap_s)s, %(gap_s)s, %(gap_stop)s, %(slots)s, %(received)s, %(unusable)s, %(flags)s, %(final)s)
        AS n (channel_id, start, amount, mean, low, high, last, peak, peak_at,
              measured_s, estimated, inner_gap_s, gap_s, gap_stop, slots, received, unusable, flags, final)
) k
LEFT JOIN LATERAL (
    SELECT b.start, b.revision, b.flags & %(late)s::int AS late, b.amount, b.mean, b.low, b.high, b.last, b.peak, b.peak_at,
           b.measured_s, b.estimated, b.inner_gap_s, b.gap_s, b.gap_stop, b.slots, b.received, b.unusable, b.flags & ~ %(late)s::int AS flags
    FROM amount b
    WHERE b.channel_id = k.channel_id AND b.level = %(level)s AND b.start = k.start AND b.start BETWEEN %(first)s AND %(last_start)s
    OFFSET 0
) a ON true
WHERE a.start IS NULL
   OR (k.amount, k.mean, k.low, k.high, k.last, k.peak, k.peak_at, k.measured_s, k.estimated, k.inner_gap_s, k.gap_s, k.gap_stop,
       k.slots, k.received, k.unusable, k.flags)
      IS DISTINCT FROM
      (a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated, a.inner_gap_s, a.gap_s, a.gap_stop,
       a.slots, a.received, a.unusable, a.flags)
ON CONFLICT (channel_id, level, start) DO UPDATE
SET amount = excluded.amount, mean = excluded.mean, low = excluded.low, high = excluded.high, last = excluded.last,
    peak = excluded.peak, peak_at = excluded.peak_at, measured_s = excluded.measured_s, estimated = excluded.estimated,
    inner_gap_s = excluded.inner_gap_s, gap_s = excluded.gap_s, gap_stop = excluded.gap_stop, slots = excluded.slots, received = excluded.received,
    unusable = excluded.unusable,
    flags = excluded.flags, revision = excluded.revision, computed_at = excluded.computed_at

-- name: amounts_put
-- As amounts_write, of rows that are known to differ from what is stored; a stored row's revision is raised by `raised`.
INSERT INTO amount (channel_id, level, start, amount, mean, low, high, last, peak, peak_at, measured_s, estimated, inner_gap_s,
                    gap_s, gap_stop, slots, received, unusable, flags, revision, computed_at)
SELECT n.channel_id, %(level)s, n.start, nullif(n.amount, 'NaN'), nullif(n.mean, 'NaN'), nullif(n.low, 'NaN'), nullif(n.high, 'NaN'),
       nullif(n.last, 'NaN'), nullif(n.peak, 'NaN'), nullif(n.peak_at, 'epoch'), n.measured_s, n.estimated, n.inner_gap_s, n.gap_s,
       nullif(n.gap_stop, 'epoch'), n.slots, n.received, n.unusable, n.flags, n.raised, %(computed_at)s
FROM unnest(%(channel_id)s, %(start)s, %(amount)s, %(mean)s, %(low)s, %(high)s, %(last)s, %(peak)s, %(peak_at)s,
            %(measured_s)s, %(estimated)s, %(inner_gap_s)s, %(gap_s)s, %(gap_stop)s, %(slots)s, %(received)s, %(unusable)s, %(flags)s, %(raised)s)
    AS n (channel_id, start, amount, mean, low, high, last, peak, peak_at,
          measured_s, estimated, inner_gap_s, gap_s, gap_stop, slots, received, unusable, flags, raised)
ON CONFLICT (channel_id, level, start) DO UPDATE
SET amount = excluded.amount, mean = excluded.mean, low = excluded.low, high = excluded.high, last = excluded.last,
    peak = excluded.peak, peak_at = excluded.peak_at, measured_s = excluded.measured_s, estimated = excluded.estimated,
    inner_gap_s = excluded.inner_gap_s, gap_s = excluded.gap_s, gap_stop = excluded.gap_stop, slots = excluded.slots, received = excluded.received,
    unusable = excluded.unusable,
    flags = excluded.flags | (amount.flags & %(late)s), revision = amount.revision + excluded.revision,
    computed_at = excluded.computed_at

-- name: amounts_delete
DELETE FROM amount a
USING unnest(%(range_channel_id)s, %(range_from)s, %(range_to)s) AS r (channel_id, from_ts, to_ts)
WHERE a.channel_id = r.channel_id AND a.level = %(level)s AND a.start >= r.from_ts AND a.start < r.to_ts
  AND a.start BETWEEN %(first)s AND %(last)s
  AND NOT EXISTS (SELECT FROM unnest(%(channel_id)s, %(start)s) AS n (channel_id, start)
                  WHERE n.channel_id = a.channel_id AND n.start = a.start)

-- name: amounts_read
SELECT array_agg(a.channel_id), array_agg(a.start), array_agg(coalesce(a.amount, 'NaN')), array_agg(coalesce(a.mean, 'NaN')),
       array_agg(coalesce(a.low, 'NaN')), array_agg(coalesce(a.high, 'NaN')), array_agg(coalesce(a.last, 'NaN')),
       array_agg(coalesce(a.peak, 'NaN')), array_agg(coalesce(a.peak_at, 'epoch')), array_agg(a.measured_s), array_agg(a.estimated),
       array_agg(a.inner_gap_s), array_agg(a.gap_s), array_agg(coalesce(a.gap_stop, 'epoch')), array_agg(a.slots), array_agg(a.received),
       array_agg(a.unusable),
       array_agg(a.flags), array_agg(a.revision), array_agg(a.computed_at)
FROM (
    SELECT *
    FROM amount
    WHERE channel_id = ANY (%(channel_id)s) AND level = %(level)s AND start >= %(start)s AND start < %(stop)s
    ORDER BY channel_id, start
) a

-- name: amounts_days
SELECT array_agg(d.start ORDER BY d.start)
FROM (SELECT DISTINCT a.start
      FROM amount a
      JOIN channel c ON c.id = a.channel_id
      WHERE c.park_id = %(park_id)s AND a.level = %(level)s) d
