-- The reading queries serve the engine (tables) and the API (views of one user): the search path tells.

-- name: context_read
SELECT array_agg(k.tenant_id), array_agg(k.key), array_agg(k.start), array_agg(k.stop), array_agg(k.value)
FROM (
    SELECT coalesce(s.tenant_id, 0) AS tenant_id, array_position(%(keys)s::text[], s.key) AS key, v.start, v.stop, v.value
    FROM context_series s
    JOIN context_value v ON v.series_id = s.id
    WHERE s.park_id = %(park_id)s AND v.start < %(stop)s AND v.stop > %(start)s AND s.key = ANY (%(keys)s::text[])
      AND CASE WHEN %(as_of)s::timestamptz IS NULL THEN v.superseded_at IS NULL
               ELSE v.recorded_at <= %(as_of)s::timestamptz
                    AND (v.superseded_at IS NULL OR v.superseded_at > %(as_of)s::timestamptz) END
    ORDER BY tenant_id, s.key COLLATE "C", v.start
) k

-- name: context_list
-- With `history`, those that were superseded, too.
SELECT v.id, p.key AS park, t.key AS tenant, s.key AS series, v.start, v.stop, v.value, v.note, v.recorded_at, v.recorded_by,
       v.superseded_at, v.superseded_by
FROM context_series s
JOIN context_value v ON v.series_id = s.id
JOIN park p ON p.id = s.park_id
LEFT JOIN tenant t ON t.id = s.tenant_id
WHERE p.key = %(park)s
  AND (%(tenant)s::text IS NULL OR coalesce(t.key, '_park') = %(tenant)s::text)
  AND (%(series)s::text IS NULL OR s.key = %(series)s::text)
  AND (%(start)s::timestamptz IS NULL OR v.stop > %(start)s::timestamptz)
  AND (%(stop)s::timestamptz IS NULL OR v.start < %(stop)s::timestamptz)
  AND (%(history)s OR v.superseded_at IS NULL)
  AND (%(after_id)s::bigint IS NULL
       OR (coalesce(t.key, '_park'), s.key, v.start, v.id)
          > (%(after_tenant)s::text, %(after_series)s::text, %(after_start)s::timestamptz, %(after_id)s::bigint))
ORDER BY coalesce(t.key, '_park'), s.key, v.start, v.id
LIMIT %(limit)s

-- name: context_enter
SELECT e.place, e.outcome, e.detail
FROM enter_context(%(park_id)s::smallint, %(tenant_id)s, %(key)s::text[], %(start)s, %(stop)s, %(value)s::float8[], %(note)s::text[]) e
ORDER BY e.place

-- name: context_enter_by
SELECT e.place, e.outcome, e.detail
FROM api.enter_context_of(%(park_id)s::smallint, %(tenant_id)s, %(key)s::text[], %(start)s, %(stop)s, %(value)s::float8[],
                          %(note)s::text[], %(by)s) e
ORDER BY e.place

-- name: context_spans
SELECT api.append_context_spans(%(park_id)s::smallint, %(tenant_id)s, %(from_ts)s, %(to_ts)s::timestamptz[], %(now)s)
