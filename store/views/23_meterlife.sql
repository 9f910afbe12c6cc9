-- Meter life: exchanges, multipliers, units and outages, entered and withdrawn by people who may. Facts of a park file are the file's.
-- `fact` objects have `kind` (device, exchange, multiplier, unit, outage), `quantity` where a channel is meant, and the columns of the kind.

CREATE FUNCTION api.life_refuse(sentence text) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%', sentence USING ERRCODE = 'KW422';
END
$$;
REVOKE ALL ON FUNCTION api.life_refuse FROM PUBLIC;

-- Which channel of a meter a fact is about.
CREATE FUNCTION api.life_channel(of_meter int, fact jsonb) RETURNS channel
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    c channel;
BEGIN
    SELECT * INTO c FROM channel h WHERE h.meter_id = of_meter AND h.quantity = fact ->> 'quantity';
    IF c.id IS NULL THEN
        PERFORM api.life_refuse(format('the meter has no channel %s', coalesce(fact ->> 'quantity', 'without a quantity')));
    END IF;
    RETURN c;
END
$$;
REVOKE ALL ON FUNCTION api.life_channel FROM PUBLIC;

-- Readings from a moment on count differently: one span for each month that holds some, and the moment itself, across which the pair
-- of readings changes too.
CREATE FUNCTION api.touch_readings(of_channel int, first timestamptz) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
    SELECT c.park_id, c.id, greatest(min(d.first_ts), first), max(d.last_ts)
    FROM channel c
    JOIN channel_day d ON d.channel_id = c.id AND d.last_ts >= first
    WHERE c.id = of_channel
    GROUP BY c.park_id, c.id, date_trunc('month', d.day)
    UNION ALL
    SELECT c.park_id, c.id, first, first
    FROM channel c
    WHERE c.id = of_channel AND EXISTS (SELECT FROM channel_day d WHERE d.channel_id = c.id AND d.first_ts <= first)
$$;
REVOKE ALL ON FUNCTION api.touch_readings FROM PUBLIC;

-- What is expected of a meter changes between two moments, in silence too: one span a month for each of its channels.
CREATE FUNCTION api.touch_silence(of_meter int, first timestamptz, last timestamptz) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
    SELECT c.park_id, c.id, greatest(m.month, first), least(m.month + interval '1 month', k.until)
    FROM channel c
    CROSS JOIN LATERAL (SELECT least(coalesce(last, now()), now()) AS until) k
    CROSS JOIN LATERAL generate_series(date_trunc('month', first, 'UTC'), k.until, interval '1 month') AS m (month)
    WHERE c.meter_id = of_meter AND first < k.until
$$;
REVOKE ALL ON FUNCTION api.touch_silence FROM PUBLIC;

-- A new fact takes the place of one of the same moment only where that was asked for, and only of one that people entered.
CREATE FUNCTION api.life_free(what text, earlier int, came_from text, replacing boolean) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF earlier IS NOT NULL AND came_from = 'file' THEN
        PERFORM api.life_refuse(format('%s is in the park file already; change it there, and apply the file', what));
    ELSIF earlier IS NOT NULL AND NOT replacing THEN
        PERFORM api.life_refuse(format('%s is entered already, as number %s; withdraw it first, or replace it', what, earlier));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.life_free FROM PUBLIC;

CREATE FUNCTION api.enter_device(m meter, fact jsonb, moment timestamptz, who text) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    made int;
    mounted timestamptz := (fact ->> 'from')::timestamptz;
BEGIN
    IF btrim(coalesce(fact ->> 'serial', '')) = '' THEN
        PERFORM api.life_refuse('a device needs its serial');
    END IF;
    IF EXISTS (SELECT FROM device d WHERE d.meter_id = m.id AND d.valid_from = mounted AND d.superseded_at IS NULL) THEN
        PERFORM api.life_refuse(format('a device is mounted on the meter at %s already; withdraw it first', fact ->> 'from'));
    END IF;
    INSERT INTO device (park_id, meter_id, serial, valid_from, origin, note, recorded_at, recorded_by)
    VALUES (m.park_id, m.id, btrim(fact ->> 'serial'), mounted, 'entry', coalesce(fact ->> 'note', ''), moment, who)
    RETURNING id INTO made;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_device FROM PUBLIC;

CREATE FUNCTION api.enter_exchange(m meter, fact jsonb, replacing boolean, moment timestamptz, who text) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    c channel := api.life_channel(m.id, fact);
    made int;
    mark timestamptz := (fact ->> 'at')::timestamptz;
    earlier exchange;
BEGIN
    IF c.kind <> 'register' THEN
        PERFORM api.life_refuse(format('channel %s is of kind %s; only registers are exchanged', c.quantity, c.kind));
    END IF;
    SELECT * INTO earlier FROM exchange e WHERE e.channel_id = c.id AND e.at = mark AND e.superseded_at IS NULL;
    PERFORM api.life_free(format('an exchange of %s at %s', c.quantity, fact ->> 'at'), earlier.id, earlier.origin, replacing);
    UPDATE exchange SET superseded_at = moment, superseded_by = who, superseded_why = 'replaced' WHERE id = earlier.id;
    INSERT INTO exchange (park_id, channel_id, at, closing, opening, modulus, resolution, max_rate, origin, note, recorded_at, recorded_by)
    VALUES (m.park_id, c.id, mark, (fact ->> 'closing')::float8, (fact ->> 'opening')::float8, (fact ->> 'modulus')::float8,
            (fact ->> 'resolution')::float8, (fact ->> 'max_rate')::float8, 'entry', coalesce(fact ->> 'note', ''), moment, who)
    RETURNING id INTO made;
    PERFORM api.touch_readings(c.id, mark);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_exchange FROM PUBLIC;

CREATE FUNCTION api.enter_multiplier(m meter, fact jsonb, replacing boolean, moment timestamptz, who text) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    c channel := api.life_channel(m.id, fact);
    made int;
    mark timestamptz := (fact ->> 'from')::timestamptz;
    earlier multiplier;
BEGIN
    SELECT * INTO earlier FROM multiplier f WHERE f.channel_id = c.id AND f.valid_from = mark AND f.superseded_at IS NULL;
    PERFORM api.life_free(format('a multiplier of %s from %s', c.quantity, fact ->> 'from'), earlier.id, earlier.origin, replacing);
    UPDATE multiplier SET superseded_at = moment, superseded_by = who, superseded_why = 'replaced' WHERE id = earlier.id;
    INSERT INTO multiplier (park_id, channel_id, valid_from, factor, origin, note, recorded_at, recorded_by)
    VALUES (m.park_id, c.id, mark, (fact ->> 'factor')::float8, 'entry', coalesce(fact ->> 'note', ''), moment, who)
    RETURNING id INTO made;
    PERFORM api.touch_readings(c.id, mark);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_multiplier FROM PUBLIC;

-- Another unit on the wire counts for what comes in from now on; what is stored stays as it was stored.
CREATE FUNCTION api.enter_unit(m meter, fact jsonb, replacing boolean, moment timestamptz, who text) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    c channel := api.life_channel(m.id, fact);
    made int;
    mark timestamptz := (fact ->> 'from')::timestamptz;
    earlier wire_unit;
BEGIN
    SELECT * INTO earlier FROM wire_unit u WHERE u.channel_id = c.id AND u.valid_from = mark AND u.superseded_at IS NULL;
    PERFORM api.life_free(format('a unit of %s from %s', c.quantity, fact ->> 'from'), earlier.id, earlier.origin, replacing);
    UPDATE wire_unit SET superseded_at = moment, superseded_by = who, superseded_why = 'replaced' WHERE id = earlier.id;
    INSERT INTO wire_unit (park_id, channel_id, valid_from, unit, origin, note, recorded_at, recorded_by)
    VALUES (m.park_id, c.id, mark, fact ->> 'unit', 'entry', coalesce(fact ->> 'note', ''), moment, who)
    RETURNING id INTO made;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_unit FROM PUBLIC;

CREATE FUNCTION api.enter_outage(m meter, fact jsonb, replacing boolean, moment timestamptz, who text) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    made int;
    first timestamptz := (fact ->> 'from')::timestamptz;
    last timestamptz := (fact ->> 'to')::timestamptz;
    earlier outage;
    other outage;
BEGIN
    SELECT * INTO earlier FROM outage o WHERE o.meter_id = m.id AND o.valid_from = first AND o.superseded_at IS NULL;
    PERFORM api.life_free(format('an outage from %s', fact ->> 'from'), earlier.id, earlier.origin, replacing);
    SELECT * INTO other FROM outage o
    WHERE o.meter_id = m.id AND o.superseded_at IS NULL AND o.id IS DISTINCT FROM earlier.id
      AND tstzrange(o.valid_from, o.valid_to) && tstzrange(first, last)
    LIMIT 1;
    IF other.id IS NOT NULL THEN
        PERFORM api.life_refuse(format('the meter is out of service from %s to %s already (%s, number %s); withdraw that first',
                                       other.valid_from, coalesce(other.valid_to::text, 'further notice'), other.reason, other.id));
    END IF;
    UPDATE outage SET superseded_at = moment, superseded_by = who, superseded_why = 'replaced' WHERE id = earlier.id;
    INSERT INTO outage (park_id, meter_id, valid_from, valid_to, reason, origin, recorded_at, recorded_by)
    VALUES (m.park_id, m.id, first, last, fact ->> 'reason', 'entry', moment, who)
    RETURNING id INTO made;
    PERFORM api.touch_silence(m.id, first, last);
    IF earlier.id IS NOT NULL THEN
        PERFORM api.touch_silence(m.id, first, earlier.valid_to);
    END IF;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_outage FROM PUBLIC;

-- Everybody who computes with the registry, or decodes by it, has to read it again.
CREATE FUNCTION api.life_changed(of_park smallint) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    UPDATE park SET version = version + 1 WHERE id = of_park;
    SELECT pg_notify('kawasan_registry', key), pg_notify('kawasan_spans', key) FROM park WHERE id = of_park;
$$;
REVOKE ALL ON FUNCTION api.life_changed FROM PUBLIC;

-- One change of the registry at a time, a park file's among them; locks go before reading, so that each sees those before it.
CREATE FUNCTION api.life_meter(of_meter int) RETURNS meter LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    m meter;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan park', 0));
    SELECT * INTO m FROM meter WHERE id = of_meter;
    IF m.id IS NULL THEN
        PERFORM api.life_refuse(format('there is no meter %s', of_meter));
    END IF;
    RETURN m;
END
$$;
REVOKE ALL ON FUNCTION api.life_meter FROM PUBLIC;

-- Who enters is given, not asked: only the owner of the schema, and the function below, can call this. All facts, or none.
CREATE FUNCTION api.enter_life_of(of_meter int, facts jsonb, replacing boolean, who text) RETURNS int[]
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    m meter := api.life_meter(of_meter);
    moment timestamptz := clock_timestamp();
    fact jsonb;
    made int[] := '{}';
BEGIN
    FOR fact IN SELECT * FROM jsonb_array_elements(facts) LOOP
        IF NOT isfinite(coalesce(fact ->> 'at', fact ->> 'from')::timestamptz)
           OR coalesce(fact ->> 'at', fact ->> 'from')::timestamptz < m.valid_from
           OR coalesce(fact ->> 'at', fact ->> 'from')::timestamptz >= m.valid_to THEN
            PERFORM api.life_refuse(format('%s is not within the life of the meter, which is from %s to %s',
                                           coalesce(fact ->> 'at', fact ->> 'from'), m.valid_from, coalesce(m.valid_to::text, 'open')));
        END IF;
        made := made || CASE fact ->> 'kind'
            WHEN 'device' THEN api.enter_device(m, fact, moment, who)
            WHEN 'exchange' THEN api.enter_exchange(m, fact, replacing, moment, who)
            WHEN 'multiplier' THEN api.enter_multiplier(m, fact, replacing, moment, who)
            WHEN 'unit' THEN api.enter_unit(m, fact, replacing, moment, who)
            WHEN 'outage' THEN api.enter_outage(m, fact, replacing, moment, who)
        END;
    END LOOP;
    PERFORM api.life_changed(m.park_id);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.enter_life_of FROM PUBLIC;

-- All facts of meters, in one shape. Nobody is granted it.
CREATE VIEW api.life_entry WITH (security_barrier) AS
SELECT 'device' AS kind, d.id, d.meter_id, NULL::int AS channel_id, d.valid_from AS first, d.valid_to AS last, d.origin, d.superseded_at,
       d.superseded_by
FROM public.device d
UNION ALL
SELECT 'exchange', e.id, c.meter_id, c.id, e.at, NULL, e.origin, e.superseded_at, e.superseded_by
FROM public.exchange e JOIN public.channel c ON c.id = e.channel_id
UNION ALL
SELECT 'multiplier', f.id, c.meter_id, c.id, f.valid_from, NULL, f.origin, f.superseded_at, f.superseded_by
FROM public.multiplier f JOIN public.channel c ON c.id = f.channel_id
UNION ALL
SELECT 'unit', u.id, c.meter_id, c.id, u.valid_from, NULL, u.origin, u.superseded_at, u.superseded_by
FROM public.wire_unit u JOIN public.channel c ON c.id = u.channel_id
UNION ALL
SELECT 'outage', o.id, o.meter_id, NULL, o.valid_from, o.valid_to, o.origin, o.superseded_at, o.superseded_by
FROM public.outage o;

CREATE FUNCTION api.withdraw_life_of(of_meter int, of_kind text, number int, why text, who text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    m meter := api.life_meter(of_meter);
    moment timestamptz := clock_timestamp();
    gone api.life_entry;
BEGIN
    IF btrim(coalesce(why, '')) = '' THEN
        PERFORM api.life_refuse('withdrawing what was entered needs a reason; say why');
    END IF;
    SELECT * INTO gone FROM api.life_entry l WHERE l.kind = of_kind AND l.id = number AND l.meter_id = m.id;
    IF gone.id IS NULL THEN
        PERFORM api.life_refuse(format('the meter has no %s of number %s', of_kind, number));
    ELSIF gone.superseded_at IS NOT NULL THEN
        PERFORM api.life_refuse(format('%s %s is no longer in force: %s superseded it at %s', of_kind, number,
                                       coalesce(gone.superseded_by, 'somebody'), gone.superseded_at));
    ELSIF gone.origin = 'file' THEN
        PERFORM api.life_refuse(format('%s %s is the park file''s; take it out there, and apply the file', of_kind, number));
    END IF;
    CASE of_kind
        WHEN 'device' THEN
            UPDATE device SET superseded_at = moment, superseded_by = who, superseded_why = btrim(why) WHERE id = number;
        WHEN 'exchange' THEN
            UPDATE exchange SET superseded_at = moment, superseded_by = who, superseded_why = btrim(why) WHERE id = number;
        WHEN 'multiplier' THEN
            UPDATE multiplier SET superseded_at = moment, superseded_by = who, superseded_why = btrim(why) WHERE id = number;
        WHEN 'unit' THEN
            UPDATE wire_unit SET superseded_at = moment, superseded_by = who, superseded_why = btrim(why) WHERE id = number;
        WHEN 'outage' THEN
            UPDATE outage SET superseded_at = moment, superseded_by = who, superseded_why = btrim(why) WHERE id = number;
    END CASE;
    IF of_kind IN ('exchange', 'multiplier') THEN
        PERFORM api.touch_readings(gone.channel_id, gone.first);
    ELSIF of_kind = 'outage' THEN
        PERFORM api.touch_silence(m.id, gone.first, gone.last);
    END IF;
    PERFORM api.life_changed(m.park_id);
END
$$;
REVOKE ALL ON FUNCTION api.withdraw_life_of FROM PUBLIC;

-- Whether the asking user may change the life of a meter; refuses where not.
CREATE FUNCTION api.need_life_changer(of_meter int) RETURNS void LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.meter m WHERE m.id = of_meter) THEN
        RAISE EXCEPTION 'there is no such meter, or you may not see it' USING ERRCODE = 'KW422';
    END IF;
    IF NOT EXISTS (SELECT FROM api.meter m
                   JOIN api.whole_park w ON w.id = m.park_id AND w.role IN ('operator', 'admin')
                   WHERE m.id = of_meter) THEN
        RAISE EXCEPTION 'only the operator of a park changes the life of its meters' USING ERRCODE = 'KW403';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.need_life_changer FROM PUBLIC;

CREATE FUNCTION api.enter_life(of_meter int, facts jsonb, replacing boolean) RETURNS int[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_life_changer(of_meter);
    RETURN api.enter_life_of(of_meter, facts, replacing, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.enter_life FROM PUBLIC;

CREATE FUNCTION api.withdraw_life(of_meter int, of_kind text, number int, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_life_changer(of_meter);
    PERFORM api.withdraw_life_of(of_meter, of_kind, number, reason, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.withdraw_life FROM PUBLIC;

GRANT EXECUTE ON FUNCTION api.enter_life, api.withdraw_life TO kawasan_api;
