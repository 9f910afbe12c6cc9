-- How this system is, over all parks and not by park: what probes and metrics tell. The newest of each measurement within a quarter
-- of an hour, as the worst of the parks has it: a lag at its greatest, what is free or connected at its least.
CREATE VIEW api.health WITH (security_barrier) AS
SELECT n.name, min(s.at) AS at, CASE WHEN n.is_good THEN min(s.value) ELSE max(s.value) END AS value
FROM (VALUES ('ingest_lag', false), ('engine_lag', false), ('queue_rows', false), ('engine_cycle', false), ('disk_free', true),
             ('broker_connected', true), ('ingest_held', false)) AS n (name, is_good)
CROSS JOIN LATERAL (
    SELECT w.at, w.value
    FROM public.park p
    CROSS JOIN LATERAL (SELECT h.at, h.value FROM public.health_sample h
                        WHERE h.name = n.name AND h.park_id = p.id AND h.at > now() - interval '15 minutes'
                        ORDER BY h.at DESC LIMIT 1) w
    UNION ALL
    (SELECT h.at, h.value FROM public.health_sample h
     WHERE h.name = n.name AND h.park_id IS NULL AND h.at > now() - interval '15 minutes'
     ORDER BY h.at DESC LIMIT 1)
) s
GROUP BY n.name, n.is_good;

-- Each measurement, for who tries a rule about them: of a park for those who run it or look after it, of the whole installation for all of these.
CREATE VIEW api.health_sample WITH (security_barrier) AS
SELECT h.park_id, h.name, h.at, h.value
FROM public.health_sample h
WHERE h.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (h.park_id IS NULL AND EXISTS (SELECT FROM api.asker a WHERE a.role IN ('operator', 'auditor', 'admin')));

GRANT SELECT ON api.health, api.health_sample TO kawasan_api;
