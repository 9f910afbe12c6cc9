-- Episodes and judgements: made anew for some ranges of some alarms. NaN, an infinite bound and 1970 stand for null on the way.

-- name: episodes_stored
SELECT array_agg(e.alarm_id), array_agg(e.rule_id), array_agg(e.start), array_agg(e.stop), array_agg(e.raised_at),
       array_agg(coalesce(e.cleared_at, 'epoch')), array_agg(e.last_at), array_agg(coalesce(e.peak, 'NaN')),
       array_agg(coalesce(e.peak_at, 'epoch')), array_agg(coalesce(e.bound, 'NaN')), array_agg(coalesce(e.mean, 'NaN')),
       array_agg(e.beyond_s), array_agg(coalesce(e.excess_kg, 'NaN')), array_agg(e.valid), array_agg(e.missing), array_agg(e.excluded),
       array_agg(e.final)
FROM (
    SELECT b.*
    FROM unnest(%(alarm_id)s, %(from_ts)s) AS n (alarm_id, from_ts)
    JOIN episode b ON b.alarm_id = n.alarm_id AND coalesce(b.cleared_at, timestamptz 'infinity') >= n.from_ts
    ORDER BY b.alarm_id, b.start
) e

-- name: episodes_delete
-- Answers what went, as a change of code 2.
WITH gone AS (
    DELETE FROM episode e
    USING unnest(%(scope_alarm)s, %(scope_from)s, %(scope_to)s) AS s (alarm_id, from_ts, to_ts)
    WHERE e.alarm_id = s.alarm_id AND e.start >= s.from_ts AND e.start < s.to_ts
      AND NOT EXISTS (SELECT FROM unnest(%(alarm_id)s, %(start)s) AS n (alarm_id, start)
                      WHERE n.alarm_id = e.alarm_id AND n.start = e.start)
    RETURNING e.alarm_id, e.start, e.final
)
SELECT array_agg(alarm_id), array_agg(start), array_agg(2::smallint), array_agg(final) FROM gone

-- name: episodes_write
-- Answers what came (code 0) and what changed (code 1), and whether that was final. An episode that would stay as it is is not touched.
WITH wanted AS (
    SELECT n.alarm_id, n.rule_id, n.start, n.stop, n.raised AS raised_at, nullif(n.cleared, 'epoch') AS cleared_at, n.last AS last_at,
           nullif(n.peak, 'NaN') AS peak, nullif(n.peak_at, 'epoch') AS peak_at, nullif(n.bound, 'NaN') AS bound,
           nullif(n.mean, 'NaN') AS mean, n.beyond_s, nullif(n.excess_kg, 'NaN') AS excess_kg, n.valid, n.missing, n.excluded, n.final
    FROM unnest(%(alarm_id)s, %(rule_id)s, %(start)s, %(stop)s, %(raised)s, %(cleared)s, %(last)s, %(peak)s, %(peak_at)s, %(bound)s,
                %(mean)s, %(beyond_s)s, %(excess_kg)s, %(valid)s, %(missing)s, %(excluded)s, %(final)s)
        AS n (alarm_id, rule_id, start, stop, raised, cleared, last, peak, peak_at, bound, mean, beyond_s, excess_kg, valid, missing,
              excluded, final)
), changed AS (
    SELECT w.*, e.alarm_id IS NOT NULL AS stood, coalesce(e.final, false) AS was_final,
           coalesce(e.revision, 0) + CASE WHEN e.final THEN 1 ELSE 0 END AS revision
    FROM wanted w
    LEFT JOIN episode e ON e.alarm_id = w.alarm_id AND e.start = w.start
    WHERE e.alarm_id IS NULL
       OR (e.rule_id, e.stop, e.raised_at, e.cleared_at, e.last_at, e.peak, e.peak_at, e.bound, e.mean, e.beyond_s, e.excess_kg, e.valid,
           e.missing, e.excluded, e.final)
          IS DISTINCT FROM
          (w.rule_id, w.stop, w.raised_at, w.cleared_at, w.last_at, w.peak, w.peak_at, w.bound, w.mean, w.beyond_s, w.excess_kg, w.valid,
           w.missing, w.excluded, w.final)
), written AS (
    INSERT INTO episode (alarm_id, rule_id, start, stop, raised_at, cleared_at, last_at, peak, peak_at, bound, mean, beyond_s, excess_kg,
                         valid, missing, excluded, final, revision, computed_at)
    SELECT c.alarm_id, c.rule_id, c.start, c.stop, c.raised_at, c.cleared_at, c.last_at, c.peak, c.peak_at, c.bound, c.mean, c.beyond_s,
           c.excess_kg, c.valid, c.missing, c.excluded, c.final, c.revision, %(computed_at)s
    FROM changed c
    ON CONFLICT (alarm_id, start) DO UPDATE
    SET rule_id = excluded.rule_id, stop = excluded.stop, raised_at = excluded.raised_at, cleared_at = excluded.cleared_at,
        last_at = excluded.last_at, peak = excluded.peak, peak_at = excluded.peak_at, bound = excluded.bound, mean = excluded.mean,
        beyond_s = excluded.beyond_s, excess_kg = excluded.excess_kg, valid = excluded.valid, missing = excluded.missing,
        excluded = excluded.excluded, final = excluded.final, revision = excluded.revision, computed_at = excluded.computed_at
)
SELECT array_agg(c.alarm_id), array_agg(c.start), array_agg(CASE WHEN c.stood THEN 1 ELSE 0 END::smallint), array_agg(c.was_final)
FROM changed c

-- name: episode_notes_move
-- What was said goes with the episode that covers the start it was said of, else with the nearest; where there is none, it stays.
UPDATE episode_note k
SET episode = b.start
FROM (
    SELECT m.id, e.start
    FROM episode_note m
    CROSS JOIN LATERAL (
        SELECT f.start
        FROM episode f
        WHERE f.alarm_id = m.alarm_id
        ORDER BY NOT (f.start <= m.said_of AND coalesce(f.cleared_at, timestamptz 'infinity') >= m.said_of),
                 abs(extract(epoch FROM f.start - m.said_of)), f.start
        LIMIT 1
    ) e
    WHERE m.alarm_id = ANY (%(scope_alarm)s)
) b
WHERE k.id = b.id AND k.episode <> b.start

-- name: judgements_delete
-- Answers those that were final, with the verdict they had and -1 for what they have.
WITH gone AS (
    DELETE FROM judgement j
    USING unnest(%(scope_alarm)s, %(scope_from)s, %(scope_to)s) AS s (alarm_id, from_ts, to_ts)
    WHERE j.alarm_id = s.alarm_id AND j.at >= s.from_ts AND j.at < s.to_ts
      AND NOT EXISTS (SELECT FROM unnest(%(alarm_id)s, %(at)s) AS n (alarm_id, at)
                      WHERE n.alarm_id = j.alarm_id AND n.at = j.at)
    RETURNING j.alarm_id, j.at, j.verdict, j.final
)
SELECT array_agg(alarm_id), array_agg(at), array_agg(verdict), array_agg((-1)::smallint) FROM gone WHERE final

-- name: judgements_write
-- Answers those that were final and changed, with the verdict they had and the one they have.
WITH wanted AS (
    SELECT n.alarm_id, n.start, n.at, nullif(n.least, 'NaN') AS least, nullif(n.greatest, 'NaN') AS greatest,
           nullif(nullif(n.lowest, '-Infinity'), 'NaN') AS lowest, nullif(nullif(n.highest, 'Infinity'), 'NaN') AS highest, n.verdict,
           n.status, n.known_s, n.final
    FROM unnest(%(alarm_id)s, %(start)s, %(at)s, %(least)s, %(greatest)s, %(lowest)s, %(highest)s, %(verdict)s, %(status)s, %(known_s)s,
                %(final)s)
        AS n (alarm_id, start, at, least, greatest, lowest, highest, verdict, status, known_s, final)
), changed AS (
    SELECT w.*, coalesce(j.final, false) AS was_final, j.verdict AS before,
           coalesce(j.revision, 0) + CASE WHEN j.final THEN 1 ELSE 0 END AS revision
    FROM wanted w
    LEFT JOIN judgement j ON j.alarm_id = w.alarm_id AND j.at = w.at
    WHERE j.alarm_id IS NULL
       OR (j.start, j.least, j.greatest, j.lowest, j.highest, j.verdict, j.status, j.known_s, j.final)
          IS DISTINCT FROM
          (w.start, w.least, w.greatest, w.lowest, w.highest, w.verdict, w.status, w.known_s, w.final)
), written AS (
    INSERT INTO judgement (alarm_id, start, at, least, greatest, lowest, highest, verdict, status, known_s, final, revision, computed_at)
    SELECT c.alarm_id, c.start, c.at, c.least, c.greatest, c.lowest, c.highest, c.verdict, c.status, c.known_s, c.final, c.revision,
           %(computed_at)s
    FROM changed c
    ON CONFLICT (alarm_id, at) DO UPDATE
    SET start = excluded.start, least = excluded.least, greatest = excluded.greatest, lowest = excluded.lowest, highest = excluded.highest,
        verdict = excluded.verdict, status = excluded.status, known_s = excluded.known_s, final = excluded.final,
        revision = excluded.revision, computed_at = excluded.computed_at
)
SELECT array_agg(c.alarm_id), array_agg(c.at), array_agg(c.before), array_agg(c.verdict) FROM changed c WHERE c.was_final
