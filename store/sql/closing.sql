-- name: close_period_by
SELECT api.close_period_of(%(park_id)s::smallint, %(level)s::smallint, %(start)s, %(stop)s, %(note)s, %(by)s)

-- name: close_period
SELECT close_period(%(park_id)s::smallint, %(level)s::smallint, %(start)s, %(stop)s, %(note)s)

-- name: periods_closed
SELECT c.id, p.key AS park, c.level, c.start, c.stop, c.note, c.closed_at, c.closed_by,
       (SELECT count(DISTINCT (a.subject_kind, a.subject_id, a.kpi)) FROM adjustment a WHERE a.period_id = c.id) AS adjusted
FROM closed_period c
JOIN park p ON p.id = c.park_id
WHERE p.key = %(park)s
ORDER BY c.start DESC

-- name: period_kpis
-- The snapshot, with the newest adjustment of each KPI; KPIs that came later have no snapshot.
SELECT coalesce(k.subject_kind, a.subject_kind) AS subject_kind, coalesce(k.subject_id, a.subject_id) AS subject_id,
       coalesce(k.kpi, a.kpi) AS kpi, k.value, k.estimate, k.measured, k.total_coverage, k.estimated_share, k.reason,
       k.formula_version, k.registry_version, k.revision, k.computed_at,
       a.id AS adjustment_id, a.value AS adjusted_value, a.estimate AS adjusted_estimate, a.reason AS adjusted_reason,
       a.recorded_at AS adjusted_at
FROM (SELECT * FROM closed_kpi WHERE period_id = %(period_id)s) k
FULL JOIN (SELECT DISTINCT ON (subject_kind, subject_id, kpi) *
           FROM adjustment
           WHERE period_id = %(period_id)s
           ORDER BY subject_kind, subject_id, kpi, id DESC) a USING (subject_kind, subject_id, kpi)
ORDER BY 1, 2, 3

-- name: adjust_closed
-- What a closed period would be now, where it differs from the snapshot or from the last adjustment by more than rounding.
INSERT INTO adjustment (period_id, subject_kind, subject_id, kpi, closed_value, value, closed_estimate, estimate, reason,
                        registry_version, revision)
SELECT c.id, n.subject_kind, n.subject_id, n.kpi, k.value, n.value, k.estimate, n.estimate, n.reason, n.registry_version, n.revision
FROM closed_period c
JOIN kpi n ON n.park_id = c.park_id AND n.level = c.level AND n.start = c.start
LEFT JOIN closed_kpi k ON k.period_id = c.id AND k.subject_kind = n.subject_kind AND k.subject_id = n.subject_id AND k.kpi = n.kpi
LEFT JOIN LATERAL (SELECT b.id, b.value, b.estimate, b.reason
                   FROM adjustment b
                   WHERE b.period_id = c.id AND b.subject_kind = n.subject_kind AND b.subject_id = n.subject_id AND b.kpi = n.kpi
                   ORDER BY b.id DESC
                   LIMIT 1) a ON true
CROSS JOIN LATERAL (SELECT CASE WHEN a.id IS NULL THEN k.value ELSE a.value END AS value,
                           CASE WHEN a.id IS NULL THEN k.estimate ELSE a.estimate END AS estimate,
                           CASE WHEN a.id IS NULL THEN k.reason ELSE a.reason END AS reason) b
WHERE c.park_id = %(park_id)s AND c.start < %(stop)s AND c.stop > %(start)s
  AND (n.reason IS DISTINCT FROM b.reason
       OR (n.value IS NULL) <> (b.value IS NULL)
       OR (n.estimate IS NULL) <> (b.estimate IS NULL)
       OR abs(n.value - b.value) > 1e-9 * greatest(abs(n.value), abs(b.value))
       OR abs(n.estimate - b.estimate) > 1e-9 * greatest(abs(n.estimate), abs(b.estimate)))

-- name: snapshot_amounts
-- What is stored before a recomputation: only rows that were final, which no reading under way may still complete.
CREATE TEMP TABLE snapshot_amount ON COMMIT PRESERVE ROWS AS
SELECT a.channel_id, a.level, a.start, a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated,
       a.inner_gap_s, a.gap_s, a.gap_stop, a.slots, a.received, a.unusable, a.flags
FROM amount a
WHERE a.channel_id = ANY (%(channel_id)s) AND a.start >= %(start)s AND a.start < %(stop)s
  AND a.start < (%(final)s::timestamptz[])[a.level + 1]

-- name: snapshot_kpis
CREATE TEMP TABLE snapshot_kpi ON COMMIT PRESERVE ROWS AS
SELECT k.subject_kind, k.subject_id, k.kpi, k.level, k.start, k.measured, k.value, k.estimate, k.error, k.profile_coverage,
       k.total_coverage, k.estimated_share, k.reason, k.formula_version
FROM kpi k
WHERE k.park_id = %(park_id)s AND k.start >= (%(first)s::timestamptz[])[k.level + 1] AND k.start >= (%(first)s::timestamptz[])[6]
  AND k.start < %(stop)s AND k.start < (%(final)s::timestamptz[])[k.level + 1]

-- name: snapshot_sizes
SELECT (SELECT count(*) FROM snapshot_amount), (SELECT count(*) FROM snapshot_kpi)

-- name: queue_last
SELECT coalesce(max(id), 0) FROM span_queue

-- name: queue_left
-- KPIs that were put off stand in the queue anew, with fewer days each time.
SELECT coalesce(sum(CASE WHEN of_context THEN greatest(1, ceil(extract(epoch FROM to_ts - from_ts) / 86400)) ELSE 1 END), 0)::bigint
FROM span_queue
WHERE park_id = %(park_id)s AND (id <= %(last)s OR of_context)

-- name: amounts_differing
-- Amounts are the same to the last bit or they differ; that a row was computed late is no difference.
SELECT coalesce(s.channel_id, a.channel_id) AS channel_id, coalesce(s.level, a.level) AS level, coalesce(s.start, a.start) AS start,
       s.amount AS before, a.amount AS after, s.start IS NULL AS came, a.start IS NULL AS went
FROM snapshot_amount s
FULL JOIN (SELECT * FROM amount
           WHERE channel_id = ANY (%(channel_id)s) AND start >= %(start)s AND start < %(stop)s
             AND start < (%(final)s::timestamptz[])[level + 1]) a
     ON a.channel_id = s.channel_id AND a.level = s.level AND a.start = s.start
WHERE (s.amount, s.mean, s.low, s.high, s.last, s.peak, s.peak_at, s.measured_s, s.estimated, s.inner_gap_s, s.gap_s, s.gap_stop,
       s.slots, s.received, s.unusable, s.flags & ~ %(late)s::int)
      IS DISTINCT FROM
      (a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated, a.inner_gap_s, a.gap_s, a.gap_stop,
       a.slots, a.received, a.unusable, a.flags & ~ %(late)s::int)
ORDER BY 3, 2, 1
LIMIT %(limit)s

-- name: kpis_differing
SELECT coalesce(s.subject_kind, k.subject_kind) AS subject_kind, coalesce(s.subject_id, k.subject_id) AS subject_id,
       coalesce(s.kpi, k.kpi) AS kpi, coalesce(s.level, k.level) AS level, coalesce(s.start, k.start) AS start,
       s.estimate AS before, k.estimate AS after, s.start IS NULL AS came, k.start IS NULL AS went
FROM snapshot_kpi s
FULL JOIN (SELECT * FROM kpi
           WHERE park_id = %(park_id)s AND start >= (%(first)s::timestamptz[])[level + 1] AND start >= (%(first)s::timestamptz[])[6]
             AND start < %(stop)s AND start < (%(final)s::timestamptz[])[level + 1]) k
     ON k.subject_kind = s.subject_kind AND k.subject_id = s.subject_id AND k.kpi = s.kpi AND k.level = s.level AND k.start = s.start
WHERE s.start IS NULL OR k.start IS NULL OR s.reason <> k.reason OR s.formula_version <> k.formula_version
   OR EXISTS (SELECT FROM (VALUES (s.measured, k.measured), (s.value, k.value), (s.estimate, k.estimate), (s.error, k.error),
                                  (s.profile_coverage, k.profile_coverage), (s.total_coverage, k.total_coverage),
                                  (s.estimated_share, k.estimated_share)) AS v (before, after)
              WHERE (v.before IS NULL) <> (v.after IS NULL)
                 OR abs(v.before - v.after) > 1e-12 * greatest(1.0, abs(v.before), abs(v.after)))
ORDER BY 5, 4, 1, 2, 3
LIMIT %(limit)s
