-- Amounts as the API shows them, in one statement: who asks is set, what that user may see is decided by the view of channels, and the
-- rows are read. Through the view of amounts the same takes three round trips, and as long to plan as to read.

-- Which of some channels the asking user may see. Its plan is kept: no bound of time is in it.
CREATE FUNCTION api.seen_channels(of_channels int[]) RETURNS int[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN ARRAY(SELECT c.id FROM api.channel c WHERE c.id = ANY (of_channels));
END
$$;
REVOKE ALL ON FUNCTION api.seen_channels FROM PUBLIC;

-- Its plan is kept as long as there are so few chunks that leaving them out while it runs costs less than planning anew.
CREATE FUNCTION api.shown_amounts(asker text, of_channel int, of_level smallint, first timestamptz, beyond timestamptz)
RETURNS TABLE (start timestamptz, amount float8, mean float8, low float8, high float8, last float8, peak float8, peak_at timestamptz,
               measured_s float8, estimated float8, inner_gap_s float8, flags int, revision int, computed_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = auto AS $$
DECLARE
    seen int[];
BEGIN
    PERFORM set_config('kawasan.user', asker, true);
    seen := api.seen_channels(ARRAY[of_channel]);
    RETURN QUERY
    SELECT a.start, a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated, a.inner_gap_s, a.flags,
           a.revision, a.computed_at
    FROM public.amount a
    WHERE a.channel_id = ANY (seen) AND a.level = of_level AND a.start >= first AND a.start < beyond
    ORDER BY a.channel_id, a.start;
END
$$;
REVOKE ALL ON FUNCTION api.shown_amounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.shown_amounts TO kawasan_api;
