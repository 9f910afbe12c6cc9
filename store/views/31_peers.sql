-- Where a tenant stands among others of its sector, without showing what any of them has: of the snapshot of a closed period, so that asking
-- again, asking for other ranges, or entering other values of one's own and asking again teaches nothing more.
-- No row: the tenant is none that the asking user may see. Peers are never those that the asking user is granted too: what it knows of them
-- would count against the others. With fewer than 5, or with one of more than half of their sum, there is no answer, nor how many they are.
CREATE FUNCTION api.peer_rank(of_tenant int, of_kpi text, of_level smallint, first timestamptz)
RETURNS TABLE (percentile float8, peers int, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    t tenant;
    period int;
    own float8;
    others float8[];
    mine int[] := ARRAY(SELECT o.id FROM api.own_tenant o);
BEGIN
    SELECT * INTO t FROM tenant k WHERE k.id = of_tenant;
    IF NOT (of_tenant = ANY (mine)
            OR t.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))) THEN
        RETURN;
    END IF;
    SELECT c.id INTO period FROM closed_period c WHERE c.park_id = t.park_id AND c.level = of_level AND c.start = first;
    SELECT coalesce(k.value, 'NaN') INTO own
    FROM closed_kpi k
    WHERE k.period_id = period AND k.subject_kind = 1 AND k.subject_id = of_tenant AND k.kpi = of_kpi;
    reason := CASE
        WHEN t.key = '_park' THEN 'no_sector'
        WHEN coalesce(t.sector, '') = '' THEN 'no_sector'
        WHEN period IS NULL THEN 'not_closed'
        WHEN own IS NULL OR own = 'NaN' THEN 'no_value'
    END;
    IF reason IS NULL THEN
        SELECT coalesce(array_agg(k.value), '{}') INTO others
        FROM closed_kpi k
        JOIN tenant o ON o.id = k.subject_id AND o.park_id = t.park_id AND o.sector = t.sector AND o.key <> '_park'
        WHERE k.period_id = period AND k.subject_kind = 1 AND k.kpi = of_kpi AND k.value <> 'NaN'
          AND o.id <> of_tenant AND o.id <> ALL (mine);
        IF cardinality(others) < 5 THEN
            reason := 'too_few_peers';
        ELSIF (SELECT max(abs(v)) * 2 > sum(abs(v)) FROM unnest(others) AS k (v)) THEN
            reason := 'dominant_peer';
        ELSE
            peers := cardinality(others);
            -- Of equals one half is taken to be below.
            SELECT (count(*) FILTER (WHERE v < own) + 0.5 * count(*) FILTER (WHERE v = own)) / count(*) INTO percentile
            FROM unnest(others) AS k (v);
        END IF;
    END IF;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION api.peer_rank FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.peer_rank TO kawasan_api;
