-- Closing a period: a snapshot of its KPIs and amounts, by people who may; later differences stand beside it.

-- Who closes is given, not asked: only the owner of the schema, and the function below, can call this.
CREATE FUNCTION api.close_period_of(of_park smallint, of_level smallint, first timestamptz, beyond timestamptz, why text, who text)
RETURNS int LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    park_row park;
    made int;
BEGIN
    -- No cycle of the engine is half way: what is copied is of one state.
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan engine ' || of_park::int, 0));
    SELECT * INTO park_row FROM park WHERE id = of_park;
    IF park_row.ticked_to IS NULL OR park_row.ticked_to < beyond THEN
        RAISE EXCEPTION 'the period up to % is not final yet (numbers are final up to %); close it after its end and the lateness allowance',
            beyond AT TIME ZONE park_row.timezone, coalesce((park_row.ticked_to AT TIME ZONE park_row.timezone)::text, 'nowhere')
            USING ERRCODE = 'KW422';
    END IF;
    IF EXISTS (SELECT FROM span_queue WHERE park_id = of_park AND from_ts < beyond AND to_ts >= first) THEN
        RAISE EXCEPTION 'the engine still has to compute parts of this period; try again when its queue is empty' USING ERRCODE = 'KW422';
    END IF;
    INSERT INTO closed_period (park_id, level, start, stop, note, closed_by)
    VALUES (of_park, of_level, first, beyond, why, who)
    ON CONFLICT (park_id, level, start) DO NOTHING
    RETURNING id INTO made;
    IF made IS NULL THEN
        RAISE EXCEPTION 'this period was closed before; what changed since stands beside it as adjustments' USING ERRCODE = 'KW422';
    END IF;
    INSERT INTO closed_kpi (period_id, subject_kind, subject_id, kpi, measured, value, estimate, error, profile_coverage, total_coverage,
                            estimated_share, peak_at, reason, flags, formula_version, registry_version, revision, computed_at)
    SELECT made, subject_kind, subject_id, kpi, measured, value, estimate, error, profile_coverage, total_coverage,
           estimated_share, peak_at, reason, flags, formula_version, registry_version, revision, computed_at
    FROM kpi
    WHERE park_id = of_park AND level = of_level AND start = first;
    INSERT INTO closed_amount (period_id, channel_id, amount, measured_s, estimated, flags)
    SELECT made, a.channel_id, sum(a.amount), sum(a.measured_s), sum(a.estimated), bit_or(a.flags)
    FROM amount a
    JOIN channel c ON c.id = a.channel_id
    WHERE c.park_id = of_park AND a.level = 2 AND a.start >= first AND a.start < beyond
    GROUP BY a.channel_id;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.close_period_of FROM PUBLIC;

CREATE FUNCTION api.close_period(of_park smallint, of_level smallint, first timestamptz, beyond timestamptz, why text)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.whole_park w WHERE w.id = of_park AND w.role IN ('operator', 'admin')) THEN
        RAISE EXCEPTION 'only the operator of a park closes its periods' USING ERRCODE = 'KW403';
    END IF;
    RETURN api.close_period_of(of_park, of_level, first, beyond, why, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.close_period FROM PUBLIC;

CREATE VIEW api.closed_period WITH (security_barrier) AS
SELECT c.id, c.park_id, c.level, c.start, c.stop, c.note, c.closed_at, c.closed_by
FROM public.closed_period c
WHERE c.park_id IN (SELECT p.id FROM api.park p);

-- Seen by whoever sees the stored KPI, with the newest adjustment beside it.
CREATE VIEW api.closed_kpi WITH (security_barrier) AS
SELECT k.period_id, k.subject_kind, k.subject_id, k.kpi, k.measured, k.value, k.estimate, k.error, k.profile_coverage,
       k.total_coverage, k.estimated_share, k.peak_at, k.reason, k.flags, k.formula_version, k.registry_version, k.revision,
       k.computed_at
FROM public.closed_kpi k
JOIN public.closed_period c ON c.id = k.period_id
WHERE EXISTS (SELECT FROM api.kpi s
              WHERE s.subject_kind = k.subject_kind AND s.subject_id = k.subject_id AND s.kpi = k.kpi AND s.level = c.level
                AND s.start = c.start);

CREATE VIEW api.adjustment WITH (security_barrier) AS
SELECT a.id, a.period_id, a.subject_kind, a.subject_id, a.kpi, a.closed_value, a.value, a.closed_estimate, a.estimate, a.reason,
       a.registry_version, a.revision, a.recorded_at
FROM public.adjustment a
JOIN public.closed_period c ON c.id = a.period_id
WHERE EXISTS (SELECT FROM api.kpi s
              WHERE s.subject_kind = a.subject_kind AND s.subject_id = a.subject_id AND s.kpi = a.kpi AND s.level = c.level
                AND s.start = c.start);

CREATE VIEW api.closed_amount WITH (security_barrier) AS
SELECT a.period_id, a.channel_id, a.amount, a.measured_s, a.estimated, a.flags
FROM public.closed_amount a
WHERE a.channel_id IN (SELECT c.id FROM api.channel c);

GRANT EXECUTE ON FUNCTION api.close_period TO kawasan_api;
GRANT SELECT ON api.closed_period, api.closed_kpi, api.adjustment, api.closed_amount TO kawasan_api;
