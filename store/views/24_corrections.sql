-- Corrections of readings: entered and withdrawn by people who may; the readings themselves stay as they came.

-- Which channel a correction is about, and how people name it and its times.
CREATE FUNCTION api.corrected_channel(of_channel int, OUT park smallint, OUT key text, OUT kind text, OUT unit text, OUT resolution float8,
                                      OUT lives_from timestamptz, OUT lives_to timestamptz, OUT zone text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT c.park_id, concat_ws('/', p.key, t.key, m.key, c.quantity), c.kind, c.unit, c.resolution,
           greatest(c.valid_from, m.valid_from), least(c.valid_to, m.valid_to), p.timezone
    FROM channel c
    JOIN meter m ON m.id = c.meter_id
    JOIN tenant t ON t.id = m.tenant_id
    JOIN park p ON p.id = c.park_id
    WHERE c.id = of_channel
$$;
REVOKE ALL ON FUNCTION api.corrected_channel FROM PUBLIC;

CREATE FUNCTION api.moment_text(moment timestamptz, zone text) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT to_char(moment AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI:SS') || ' (' || zone || ')'
$$;
REVOKE ALL ON FUNCTION api.moment_text FROM PUBLIC;

-- What a correction touches is computed again: one span a month, as for every long stretch.
CREATE FUNCTION api.touch_corrected(of_park smallint, of_channel int, first timestamptz, last timestamptz) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
    SELECT of_park, of_channel, greatest(m.month, first), least(m.month + interval '1 month', last)
    FROM generate_series(date_trunc('month', first, 'UTC'), last, interval '1 month') AS m (month);
    SELECT pg_notify('kawasan_spans', '');
$$;
REVOKE ALL ON FUNCTION api.touch_corrected FROM PUBLIC;

-- The value, of those that claim an instant, that somebody means.
CREATE FUNCTION api.claimed_value(of_channel int, moment timestamptz, given float8, step float8, place text) RETURNS float8
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    nearest float8;
BEGIN
    SELECT f.value INTO nearest FROM reading_conflict f
    WHERE f.channel_id = of_channel AND f.ts = moment
    ORDER BY abs(f.value / 2 - given / 2), f.value LIMIT 1;
    IF nearest IS NULL THEN
        RAISE EXCEPTION '% is claimed by no two values, so there is nothing to choose; give the value with the action set', place
            USING ERRCODE = 'KW422';
    END IF;
    IF abs(nearest / 2 - given / 2) > greatest(step / 4, abs(nearest) * 1e-12) THEN
        RAISE EXCEPTION '% was never claimed to be %; the values that claim it are %', place, given,
            (SELECT string_agg(DISTINCT f.value::text, ', ') FROM reading_conflict f WHERE f.channel_id = of_channel AND f.ts = moment)
            USING ERRCODE = 'KW422';
    END IF;
    RETURN nearest;
END
$$;
REVOKE ALL ON FUNCTION api.claimed_value FROM PUBLIC;

-- What is wrong with a correction, in a sentence; null: nothing.
CREATE FUNCTION api.correction_mistake(of_channel int, what text, first timestamptz, last timestamptz, given float8, reason text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    c record;
    whose text;
BEGIN
    SELECT * INTO c FROM api.corrected_channel(of_channel);
    whose := 'channel ' || c.key;
    RETURN CASE
        WHEN c.park IS NULL THEN format('there is no channel %s', of_channel)
        WHEN what NOT IN ('set', 'void', 'choose') THEN format('action %L is not one; say set, void or choose', what)
        WHEN c.kind = 'product' THEN whose || ' is made of two others by the engine; correct the readings of those'
        WHEN c.kind NOT IN ('register', 'interval', 'gauge') THEN format('%s is of kind %s, of which no number is made; there is nothing to correct', whose, c.kind)
        WHEN btrim(coalesce(reason, '')) = '' THEN 'a correction needs a reason; say why it is made'
        WHEN first IS NULL OR last IS NULL OR NOT isfinite(first) OR NOT isfinite(last) THEN 'a correction needs its time'
        WHEN last < first THEN format('the range ends at %s, before it begins at %s', api.moment_text(last, c.zone), api.moment_text(first, c.zone))
        WHEN last > clock_timestamp() THEN format('%s lies in the future; only what was can be corrected', api.moment_text(last, c.zone))
        WHEN first < c.lives_from OR last > c.lives_to THEN
            format('%s is not within the life of %s, which is from %s to %s',
                   CASE WHEN first < c.lives_from THEN api.moment_text(first, c.zone) ELSE api.moment_text(last, c.zone) END, whose,
                   api.moment_text(c.lives_from, c.zone), coalesce(api.moment_text(c.lives_to, c.zone), 'now'))
        WHEN what = 'void' AND last - first > interval '400 days' THEN 'a void covers at most 400 days; make it in parts'
        WHEN what = 'void' AND given IS NOT NULL THEN 'a void takes readings from use and gives no value; leave the value out, or use set'
        WHEN what <> 'void' AND given IS NULL THEN format('%s needs a value', what)
        WHEN what <> 'void' AND given IN ('NaN', 'Infinity', '-Infinity') THEN format('%s is no value; give a finite number [%s]', given, c.unit)
        WHEN what <> 'void' AND first <> last THEN format('%s is about one instant; use void for a range', what)
    END;
END
$$;
REVOKE ALL ON FUNCTION api.correction_mistake FROM PUBLIC;

-- Who corrects is given, not asked: only the owner of the schema, and the function below, can call this.
CREATE FUNCTION api.correct_of(of_channel int, what text, first timestamptz, last timestamptz, given float8, reason text, replacing boolean,
                               who text) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    mistake text := api.correction_mistake(of_channel, what, first, last, given, reason);
    c record;
    place text;
    earlier correction;
    moment timestamptz;
    made bigint;
BEGIN
    IF mistake IS NOT NULL THEN
        RAISE EXCEPTION '%', mistake USING ERRCODE = 'KW422';
    END IF;
    SELECT * INTO c FROM api.corrected_channel(of_channel);
    place := 'channel ' || c.key || ' at ' || api.moment_text(first, c.zone);
    -- One correction of a channel at a time, so that each sees those before it.
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan correction ' || of_channel, 0));
    IF what = 'choose' THEN
        given := api.claimed_value(of_channel, first, given, c.resolution, place);
    END IF;
    -- One moment for both: there is none at which neither or both are in force.
    moment := clock_timestamp();
    IF what <> 'void' THEN
        SELECT * INTO earlier FROM correction
        WHERE channel_id = of_channel AND from_ts = first AND action = 'set' AND superseded_at IS NULL;
        IF earlier.id IS NOT NULL AND NOT replacing THEN
            RAISE EXCEPTION '% has the value % by correction % already; withdraw that, or replace it', place, earlier.value, earlier.id
                USING ERRCODE = 'KW422';
        END IF;
        UPDATE correction SET superseded_at = moment, superseded_by = who, superseded_why = 'replaced: ' || btrim(reason)
        WHERE id = earlier.id;
    END IF;
    INSERT INTO correction (park_id, channel_id, action, from_ts, to_ts, value, why, recorded_at, recorded_by)
    VALUES (c.park, of_channel, CASE WHEN what = 'void' THEN 'void' ELSE 'set' END, first, last, given + 0.0, btrim(reason), moment, who)
    RETURNING id INTO made;
    PERFORM api.touch_corrected(c.park, of_channel, first, last);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.correct_of FROM PUBLIC;

CREATE FUNCTION api.withdraw_of(of_correction bigint, reason text, who text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    gone correction;
BEGIN
    IF btrim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'withdrawing a correction needs a reason; say why' USING ERRCODE = 'KW422';
    END IF;
    SELECT * INTO gone FROM correction WHERE id = of_correction;
    IF gone.id IS NULL THEN
        RAISE EXCEPTION 'there is no correction %', of_correction USING ERRCODE = 'KW422';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan correction ' || gone.channel_id, 0));
    UPDATE correction SET superseded_at = clock_timestamp(), superseded_by = who, superseded_why = btrim(reason)
    WHERE id = of_correction AND superseded_at IS NULL;
    IF NOT FOUND THEN
        SELECT * INTO gone FROM correction WHERE id = of_correction;
        RAISE EXCEPTION 'correction % is no longer in force: % superseded it at %', of_correction, gone.superseded_by, gone.superseded_at
            USING ERRCODE = 'KW422';
    END IF;
    PERFORM api.touch_corrected(gone.park_id, gone.channel_id, gone.from_ts, gone.to_ts);
END
$$;
REVOKE ALL ON FUNCTION api.withdraw_of FROM PUBLIC;

-- Whether the asking user may correct a channel; refuses where not.
CREATE FUNCTION api.need_corrector(of_channel int) RETURNS void LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.channel c WHERE c.id = of_channel) THEN
        RAISE EXCEPTION 'there is no such channel, or you may not see it' USING ERRCODE = 'KW422';
    END IF;
    IF NOT EXISTS (SELECT FROM api.channel c
                   JOIN api.whole_park w ON w.id = c.park_id AND w.role IN ('operator', 'admin')
                   WHERE c.id = of_channel) THEN
        RAISE EXCEPTION 'only the operator of a park corrects its readings' USING ERRCODE = 'KW403';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.need_corrector FROM PUBLIC;

CREATE FUNCTION api.correct(of_channel int, what text, first timestamptz, last timestamptz, given float8, reason text, replacing boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_corrector(of_channel);
    RETURN api.correct_of(of_channel, what, first, last, given, reason, replacing, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.correct FROM PUBLIC;

CREATE FUNCTION api.withdraw(of_correction bigint, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_corrector((SELECT c.channel_id FROM correction c WHERE c.id = of_correction));
    PERFORM api.withdraw_of(of_correction, reason, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.withdraw FROM PUBLIC;

CREATE VIEW api.correction WITH (security_barrier) AS
SELECT r.id, r.park_id, r.channel_id, r.action, r.from_ts, r.to_ts, r.value, r.why, r.recorded_at, r.recorded_by, r.superseded_at,
       r.superseded_by, r.superseded_why
FROM public.correction r
WHERE r.channel_id IN (SELECT c.id FROM api.channel c);

-- Where readings of a channel are, so that a look back in time searches no chunk for them.
CREATE VIEW api.channel_day WITH (security_barrier) AS
SELECT d.channel_id, d.day, d.first_ts, d.last_ts, d.n
FROM public.channel_day d
WHERE d.channel_id IN (SELECT c.id FROM api.channel c);

GRANT EXECUTE ON FUNCTION api.correct, api.withdraw TO kawasan_api;
GRANT SELECT ON api.correction, api.channel_day TO kawasan_api;
