-- Entered values: who sees them, and the functions by which they are entered. A newer version supersedes an older one, which stays.

-- An officer sees what effluent is set against; everything else of a firm is between it and the operator.
CREATE VIEW api.context_series WITH (security_barrier) AS
SELECT s.id, s.park_id, s.tenant_id, s.key
FROM public.context_series s
WHERE s.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (s.key IN ('production_t', 'production_pcs', 'area')
       AND s.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role = 'officer'))
   OR s.tenant_id IN (SELECT o.id FROM api.own_tenant o);

CREATE VIEW api.context_value WITH (security_barrier) AS
SELECT v.id, v.series_id, v.start, v.stop, v.value, v.note, v.recorded_at, v.recorded_by, v.superseded_at, v.superseded_by
FROM public.context_value v
WHERE v.series_id IN (SELECT s.id FROM api.context_series s);

-- Puts stretches of time whose KPIs are to be made again into the queue, one row for each month; tenant 0 is everybody.
CREATE FUNCTION api.append_context_spans(of_park smallint, of_tenants int[], firsts timestamptz[], beyonds timestamptz[],
                                         present timestamptz)
RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    WITH bounds AS (
        SELECT (SELECT min(t.valid_from) FROM tenant t WHERE t.park_id = of_park) AS first,
               greatest(p.ticked_to, present) AS last
        FROM park p
        WHERE p.id = of_park
    ), joined AS (
        SELECT k.tenant, unnest(range_agg(tstzrange(greatest(k.first, b.first), least(k.beyond, b.last)))) AS span
        FROM unnest(of_tenants, firsts, beyonds) AS k (tenant, first, beyond)
        CROSS JOIN bounds b
        WHERE greatest(k.first, b.first) < least(k.beyond, b.last)
        GROUP BY k.tenant
    )
    INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts, of_context, tenant_id)
    SELECT of_park, NULL, greatest(m.month, lower(j.span)), least(m.month + interval '1 month', upper(j.span)), true, nullif(j.tenant, 0)
    FROM joined j
    CROSS JOIN LATERAL generate_series(date_trunc('month', lower(j.span), 'UTC'), upper(j.span) - interval '1 microsecond',
                                       interval '1 month') AS m (month);
    SELECT pg_notify('kawasan_spans', '');
$$;
REVOKE ALL ON FUNCTION api.append_context_spans FROM PUBLIC;

-- Enters values one after the other, and tells of each what became of it: `stored`, `same` (it was entered before),
-- `withdrawn`, or `refused` and why. Who enters is given, not asked: only those named below can call this.
CREATE FUNCTION api.enter_context_of(of_park smallint, of_tenants int[], keys text[], firsts timestamptz[], beyonds timestamptz[],
                                     numbers float8[], notes text[], who text)
RETURNS TABLE (place int, outcome text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz;
    zone text;
    series int;
    older context_value;
    same boolean;
    superseded int;
    touched int[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan context', 0));
    -- After the lock: of two versions, the later is recorded later.
    moment := clock_timestamp();
    SELECT p.timezone INTO zone FROM park p WHERE p.id = of_park;
    FOR n IN 1 .. coalesce(array_length(keys, 1), 0) LOOP
        place := n;
        detail := '';
        IF of_tenants[n] <> 0 AND NOT EXISTS (SELECT FROM tenant t WHERE t.id = of_tenants[n] AND t.park_id = of_park) THEN
            outcome := 'refused';
            detail := format('tenant %s is none of this park', of_tenants[n]);
            RETURN NEXT;
            CONTINUE;
        END IF;
        INSERT INTO context_series (park_id, tenant_id, key) VALUES (of_park, nullif(of_tenants[n], 0), keys[n])
        ON CONFLICT DO NOTHING;
        SELECT s.id INTO series
        FROM context_series s
        WHERE s.park_id = of_park AND s.tenant_id IS NOT DISTINCT FROM nullif(of_tenants[n], 0) AND s.key = keys[n];

        SELECT v.* INTO older
        FROM context_value v
        WHERE v.series_id = series AND v.superseded_at IS NULL AND v.start < beyonds[n] AND v.stop > firsts[n]
          AND (v.start < firsts[n] OR v.stop > beyonds[n])
        ORDER BY v.start
        LIMIT 1;
        IF FOUND THEN
            outcome := 'refused';
            detail := format('%s from %s to %s covers only a part of the value %s that %s entered for %s to %s; enter one that covers all of '
                             'that time, or none of it', keys[n], firsts[n] AT TIME ZONE zone, beyonds[n] AT TIME ZONE zone, older.value,
                             older.recorded_by, older.start AT TIME ZONE zone, older.stop AT TIME ZONE zone);
            RETURN NEXT;
            CONTINUE;
        END IF;

        SELECT count(*) = 1 AND bool_and(v.start = firsts[n] AND v.stop = beyonds[n] AND v.value = numbers[n] AND v.note = notes[n])
        INTO same
        FROM context_value v
        WHERE v.series_id = series AND v.superseded_at IS NULL AND v.start < beyonds[n] AND v.stop > firsts[n];
        IF same THEN
            outcome := 'same';
            RETURN NEXT;
            CONTINUE;
        END IF;

        UPDATE context_value v
        SET superseded_at = moment, superseded_by = who
        WHERE v.series_id = series AND v.superseded_at IS NULL AND v.start < beyonds[n] AND v.stop > firsts[n];
        GET DIAGNOSTICS superseded = ROW_COUNT;
        IF numbers[n] IS NULL AND superseded = 0 THEN
            outcome := 'refused';
            detail := format('%s has no value from %s to %s that could be withdrawn', keys[n], firsts[n] AT TIME ZONE zone,
                             beyonds[n] AT TIME ZONE zone);
            RETURN NEXT;
            CONTINUE;
        END IF;
        outcome := 'withdrawn';
        IF numbers[n] IS NOT NULL THEN
            INSERT INTO context_value (series_id, start, stop, value, note, recorded_at, recorded_by)
            VALUES (series, firsts[n], beyonds[n], numbers[n], notes[n], moment, who);
            outcome := 'stored';
        END IF;
        touched := touched || n;
        RETURN NEXT;
    END LOOP;
    PERFORM api.append_context_spans(of_park, array_agg(of_tenants[t.n]), array_agg(firsts[t.n]), array_agg(beyonds[t.n]), moment)
    FROM unnest(touched) AS t (n)
    HAVING count(*) > 0;
END
$$;
REVOKE ALL ON FUNCTION api.enter_context_of FROM PUBLIC;

CREATE FUNCTION api.enter_context(of_park smallint, of_tenants int[], keys text[], firsts timestamptz[], beyonds timestamptz[],
                                  numbers float8[], notes text[])
RETURNS TABLE (place int, outcome text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.whole_park w WHERE w.id = of_park AND w.role IN ('operator', 'admin'))
       AND EXISTS (SELECT FROM unnest(of_tenants) AS k (tenant)
                   WHERE k.tenant NOT IN (SELECT o.id FROM api.own_tenant o WHERE o.park_id = of_park)) THEN
        RAISE EXCEPTION 'you may enter values of your own firm only; those of others and of the whole park are entered by its operator'
            USING ERRCODE = 'KW403';
    END IF;
    RETURN QUERY SELECT e.place, e.outcome, e.detail
                 FROM api.enter_context_of(of_park, of_tenants, keys, firsts, beyonds, numbers, notes,
                                           current_setting('kawasan.user', true)) e;
END
$$;
REVOKE ALL ON FUNCTION api.enter_context FROM PUBLIC;

GRANT SELECT ON api.context_series, api.context_value TO kawasan_api;
GRANT EXECUTE ON FUNCTION api.enter_context TO kawasan_api;
-- Files and messages bring values in without a user of the API.
GRANT USAGE ON SCHEMA api TO kawasan_write;
GRANT EXECUTE ON FUNCTION api.enter_context_of TO kawasan_write;
