-- name: kpis_park
SELECT timezone, base_s FROM park WHERE id = %(park_id)s

-- name: kpis_write
-- As amounts_write. KPIs cross as numbers into a list of keys.
INSERT INTO kpi (park_id, subject_kind, subject_id, kpi, level, start, terms, measured, value, estimate, error, profile_coverage,
                 total_coverage, estimated_share, peak_at, reason, flags, formula_version, registry_version, revision, computed_at)
SELECT %(park_id)s, k.subject_kind, k.subject_id, k.kpi, %(level)s, k.start, k.terms, k.measured, k.value, k.estimate, k.error,
       k.profile_coverage, k.total_coverage, k.estimated_share, k.peak_at, k.reason,
       k.flags | CASE WHEN k.final AND a.start IS NOT NULL THEN %(late)s ELSE coalesce(a.late, 0) END, k.formula_version, %(registry_version)s,
       CASE WHEN a.start IS NULL THEN 0 WHEN k.final THEN a.revision + 1 ELSE a.revision END, %(computed_at)s
FROM (
    SELECT n.subject_kind, n.subject_id, (%(keys)s::text[])[n.key] AS kpi, n.start, ARRAY[n.t1, n.t2, n.t3, n.t4, n.t5, n.t6, n.t7, n.t8] AS terms,
           nullif(n.measured, 'NaN') AS measured, nullif(n.value, 'NaN') AS value, nullif(n.estimate, 'NaN') AS estimate,
           nullif(n.error, 'NaN') AS error, nullif(n.profile_coverage, 'NaN') AS profile_coverage,
           nullif(n.total_coverage, 'NaN') AS total_coverage, nullif(n.estimated_share, 'NaN') AS estimated_share,
           nullif(n.peak_at, 'epoch') AS peak_at, n.reason, n.flags & ~ %(late)s::int AS flags, n.formula_version, n.final
    FROM unnest(%(subject_kind)s, %(subject_id)s, %(key)s, %(start)s, %(t1)s, %(t2)s, %(t3)s, %(t4)s, %(t5)s, %(t6)s, %(t7)s, %(t8)s, %(measured)s,
                %(value)s, %(estimate)s, %(error)s, %(profile_coverage)s, %(total_coverage)s, %(estimated_share)s, %(peak_at)s,
                %(reason)s, %(flags)s, %(formula_version)s, %(final)s)
        AS n (subject_kind, subject_id, key, start, t1, t2, t3, t4, t5, t6, t7, t8, measured,
              value, estimate, error, profile_coverage, total_coverage, estimated_share, peak_at,
              reason, flags, formula_version, final)
) k
LEFT JOIN LATERAL (
    SELECT b.start, b.revision, b.flags & %(late)s::int AS late, b.terms, b.measured, b.value, b.estimate, b.error,
           b.profile_coverage, b.total_coverage, b.estimated_share, b.peak_at, b.reason, b.flags & ~ %(late)s::int AS flags,
           b.formula_version
    FROM kpi b
    WHERE b.subject_kind = k.subject_kind AND b.subject_id = k.subject_id AND b.kpi = k.kpi AND b.level = %(level)s
      AND b.start = k.start AND b.start BETWEEN %(first)s AND %(last_start)s
    OFFSET 0
) a ON true
WHERE a.start IS NULL
   OR (k.terms, k.measured, k.value, k.estimate, k.error, k.profile_coverage, k.total_coverage, k.estimated_share, k.peak_at,
       k.reason, k.flags, k.formula_version)
      IS DISTINCT FROM
      (a.terms, a.measured, a.value, a.estimate, a.error, a.profile_coverage, a.total_coverage, a.estimated_share, a.peak_at,
       a.reason, a.flags, a.formula_version)
ON CONFLICT (subject_kind, subject_id, kpi, level, start) DO UPDATE
SET terms = excluded.terms, measured = excluded.measured, value = excluded.value, estimate = excluded.estimate,
    error = excluded.error, profile_coverage = excluded.profile_coverage, total_coverage = excluded.total_coverage,
    estimated_share = excluded.estimated_share, peak_at = excluded.peak_at, reason = excluded.reason, flags = excluded.flags,
    formula_version = excluded.formula_version, registry_version = excluded.registry_version, revision = excluded.revision,
    computed_at = excluded.computed_at

-- name: kpis_delete
-- NOT IN, which is hashed: the rows that stay are looked up one by one under NOT EXISTS, a text[] subscript being no join key.
DELETE FROM kpi a
USING unnest(%(range_kind)s, %(range_id)s, %(range_from)s, %(range_to)s) AS r (kind, id, from_ts, to_ts)
WHERE a.subject_kind = r.kind AND a.subject_id = r.id AND a.level = %(level)s AND a.start >= r.from_ts AND a.start < r.to_ts
  AND a.start BETWEEN %(first)s AND %(last)s
  AND (a.subject_kind, a.subject_id, a.kpi, a.start)
      NOT IN (SELECT n.kind, n.id, (%(keys)s::text[])[n.key], n.start
              FROM unnest(%(subject_kind)s, %(subject_id)s, %(key)s, %(start)s) AS n (kind, id, key, start))

-- name: kpis_read
SELECT array_agg(k.key), array_agg(k.subject_kind), array_agg(k.subject_id), array_agg(k.start),
       array_agg(k.terms[1]), array_agg(k.terms[2]), array_agg(k.terms[3]), array_agg(k.terms[4]), array_agg(k.terms[5]),
       array_agg(k.terms[6]), array_agg(coalesce(k.terms[7], 'NaN')), array_agg(coalesce(k.terms[8], 'NaN')), array_agg(coalesce(k.measured, 'NaN')), array_agg(coalesce(k.value, 'NaN')),
       array_agg(coalesce(k.estimate, 'NaN')), array_agg(coalesce(k.error, 'NaN')), array_agg(coalesce(k.profile_coverage, 'NaN')),
       array_agg(coalesce(k.total_coverage, 'NaN')), array_agg(coalesce(k.estimated_share, 'NaN')),
       array_agg(coalesce(k.peak_at, 'epoch')), array_agg(k.reason), array_agg(k.flags), array_agg(k.revision),
       array_agg(k.computed_at), array_agg(k.formula_version), array_agg(k.registry_version)
FROM (
    SELECT array_position(%(keys)s::text[], v.kpi) AS key, v.*
    FROM unnest(%(subject_kind)s, %(subject_id)s) AS s (kind, id)
    JOIN kpi v ON v.subject_kind = s.kind AND v.subject_id = s.id
    WHERE v.kpi = ANY (%(keys)s::text[]) AND v.level = %(level)s AND v.start >= %(start)s AND v.start < %(stop)s
    ORDER BY key, v.subject_kind, v.subject_id, v.start
) k
