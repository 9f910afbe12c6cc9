-- Amounts as the API shows them: the questions of several requests in one statement, each seen by the one who asks it. Through the view
-- of amounts one of them takes three round trips, and as long to plan as to read.

-- Connections plan each statement anew, for its bounds; here that took 2.4 ms of 2.8, so plans are kept while there are so few chunks that
-- leaving them out while it runs costs less than planning.
--
-- The view of channels looks through all meters that the user may see, which takes longer than to read a day. A tenant sees the channels
-- of the meters of the own tenants, which is a look at few rows; the test of this function holds it and the view equal for every role.
CREATE FUNCTION api.shown_amounts(askers text[], channels int[], levels int[], firsts timestamptz[], beyonds timestamptz[])
RETURNS TABLE (question int, start timestamptz, amount float8, mean float8, low float8, high float8, last float8, peak float8,
               peak_at timestamptz, measured_s float8, estimated float8, inner_gap_s float8, flags int, revision int,
               computed_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = auto AS $$
DECLARE
    asked_by text;
    asker_role text;
    of_channel int;
    is_shown boolean;
BEGIN
    FOR one IN 1 .. cardinality(channels) LOOP
        IF asked_by IS DISTINCT FROM askers[one] THEN
            asked_by := askers[one];
            of_channel := NULL;
            PERFORM set_config('kawasan.user', asked_by, true);
            asker_role := (SELECT a.role FROM api.asker a);
        END IF;
        IF of_channel IS DISTINCT FROM channels[one] THEN
            of_channel := channels[one];
            IF asker_role = 'tenant' THEN
                is_shown := EXISTS (
                    SELECT FROM public.channel c
                    JOIN public.meter m ON m.id = c.meter_id
                    JOIN api.own_tenant o ON o.id = m.tenant_id
                    WHERE c.id = of_channel);
            ELSE
                is_shown := EXISTS (SELECT FROM api.channel c WHERE c.id = of_channel);
            END IF;
        END IF;
        IF is_shown THEN
            RETURN QUERY
            SELECT one, a.start, a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated, a.inner_gap_s,
                   a.flags, a.revision, a.computed_at
            FROM public.amount a
            WHERE a.channel_id = of_channel AND a.level = levels[one] AND a.start >= firsts[one] AND a.start < beyonds[one]
            ORDER BY a.start;
        END IF;
    END LOOP;
    -- What follows in the same transaction asks for itself.
    PERFORM set_config('kawasan.user', '', true);
END
$$;
REVOKE ALL ON FUNCTION api.shown_amounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.shown_amounts TO kawasan_api;
