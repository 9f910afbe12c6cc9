-- name: park_lock
SELECT pg_advisory_xact_lock(hashtextextended('kawasan engine ' || %(park_id)s::int, 0))

-- name: cycle_count
INSERT INTO engine_cycle (park_id, number) VALUES (%(park_id)s, 1)
ON CONFLICT (park_id) DO UPDATE SET number = engine_cycle.number + 1
RETURNING number

-- name: spans_take
-- Rows are estimated: a span holds about its length by the channel's interval. Each end of the queue is walked by its index
-- until its share is full; its first span is taken in any case. What overlaps is joined. Of what was entered, the newest
-- month is taken, which bounds the work of a cycle.
WITH newest AS (
    SELECT q.id, q.rows, sum(q.rows) OVER (ORDER BY q.to_ts DESC, q.id DESC) AS so_far
    FROM (SELECT w.id, w.to_ts, 1 + extract(epoch FROM w.to_ts - w.from_ts) / c.interval_s AS rows
          FROM (SELECT * FROM span_queue
                WHERE park_id = %(park_id)s AND channel_id IS NOT NULL
                ORDER BY to_ts DESC, id DESC LIMIT %(newest_rows)s) w
          JOIN channel c ON c.id = w.channel_id) q
), oldest AS (
    SELECT q.id, q.rows, sum(q.rows) OVER (ORDER BY q.to_ts, q.id) AS so_far
    FROM (SELECT w.id, w.to_ts, 1 + extract(epoch FROM w.to_ts - w.from_ts) / c.interval_s AS rows
          FROM (SELECT * FROM span_queue
                WHERE park_id = %(park_id)s AND channel_id IS NOT NULL
                ORDER BY to_ts, id LIMIT %(oldest_rows)s) w
          JOIN channel c ON c.id = w.channel_id) q
), taken AS (
    DELETE FROM span_queue
    WHERE id IN (SELECT n.id FROM newest n WHERE n.so_far <= %(newest_rows)s OR n.so_far = n.rows
                 UNION ALL
                 SELECT o.id FROM oldest o WHERE o.so_far <= %(oldest_rows)s OR o.so_far = o.rows
                 UNION ALL
                 SELECT t.id FROM span_queue t WHERE t.park_id = %(park_id)s AND t.channel_id IS NULL AND NOT t.of_context
                 UNION ALL
                 SELECT e.id FROM span_queue e
                 WHERE e.park_id = %(park_id)s AND e.of_context
                   AND e.from_ts >= (SELECT date_trunc('month', max(m.from_ts), 'UTC') FROM span_queue m
                                     WHERE m.park_id = %(park_id)s AND m.of_context))
    RETURNING channel_id, from_ts, to_ts, of_context, tenant_id
), joined AS (
    SELECT t.channel_id, unnest(range_agg(tstzrange(t.from_ts, t.to_ts, '[]'))) AS span
    FROM taken t
    WHERE t.channel_id IS NOT NULL
    GROUP BY t.channel_id
)
SELECT (SELECT array_agg(j.channel_id ORDER BY j.channel_id, lower(j.span)) FROM joined j),
       (SELECT array_agg(lower(j.span) ORDER BY j.channel_id, lower(j.span)) FROM joined j),
       (SELECT array_agg(upper(j.span) ORDER BY j.channel_id, lower(j.span)) FROM joined j),
       (SELECT array_agg(t.to_ts) FROM taken t WHERE t.channel_id IS NULL AND NOT t.of_context),
       (SELECT ARRAY[count(*)::int] FROM taken),
       (SELECT array_agg(coalesce(t.tenant_id, 0) ORDER BY t.tenant_id, t.from_ts, t.to_ts) FROM taken t WHERE t.of_context),
       (SELECT array_agg(t.from_ts ORDER BY t.tenant_id, t.from_ts, t.to_ts) FROM taken t WHERE t.of_context),
       (SELECT array_agg(t.to_ts ORDER BY t.tenant_id, t.from_ts, t.to_ts) FROM taken t WHERE t.of_context)

-- name: contexts_insert
-- Days whose KPIs are still to be made, of a tenant (0: of everybody); an empty stretch marks longer intervals that are to be folded.
INSERT INTO span_queue (park_id, from_ts, to_ts, of_context, tenant_id)
SELECT %(park_id)s, k.from_ts, k.to_ts, true, nullif(k.tenant_id, 0)
FROM unnest(%(tenant_id)s, %(from_ts)s, %(to_ts)s) AS k (tenant_id, from_ts, to_ts)

-- name: contexts_remain
SELECT EXISTS (SELECT FROM span_queue WHERE park_id = %(park_id)s AND of_context AND from_ts < to_ts
               AND to_ts > %(start)s AND from_ts < %(stop)s)

-- name: spans_remain
SELECT EXISTS (SELECT FROM span_queue WHERE park_id = %(park_id)s)

-- name: spans_pending
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8
FROM span_queue
WHERE park_id = %(park_id)s

-- name: tick_insert
INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts) VALUES (%(park_id)s, NULL, %(tick)s, %(tick)s)

-- name: park_ticked
UPDATE park SET ticked_to = greatest(ticked_to, %(tick)s) WHERE id = %(park_id)s

-- name: fault_insert
INSERT INTO engine_fault (park_id, channel_id, from_ts, to_ts, error)
VALUES (%(park_id)s, %(channel_id)s, %(from_ts)s, %(to_ts)s, %(error)s)
RETURNING id

-- name: faults_unresolved
SELECT id, channel_id, from_ts, to_ts, failed_at, error
FROM engine_fault
WHERE park_id = %(park_id)s AND resolved_at IS NULL
ORDER BY failed_at DESC, id DESC

-- name: fault_resolve
WITH resolved AS (
    UPDATE engine_fault SET resolved_at = now() WHERE id = %(id)s AND resolved_at IS NULL
    RETURNING park_id, channel_id, from_ts, to_ts
)
-- A tick is an instant; what else names no channel was entered.
INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts, of_context)
SELECT park_id, channel_id, from_ts, to_ts, channel_id IS NULL AND from_ts < to_ts FROM resolved
