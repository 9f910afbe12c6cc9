-- References are seen by whoever sees the park; what a tenant agreed with its supplier only by that tenant and the operator.

CREATE VIEW api.reference WITH (security_barrier) AS
SELECT r.id, r.park_id, r.kind, r.key, r.valid_from, r.valid_to, r.body, r.source, r.confirmed, r.recorded_at, r.recorded_by,
       r.superseded_at
FROM public.reference r
WHERE r.park_id IN (SELECT p.id FROM api.park p)
  AND (r.kind <> 'contract'
       OR r.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
       OR (r.park_id, r.key) IN (SELECT o.park_id, o.key FROM api.own_tenant o));

GRANT SELECT ON api.reference TO kawasan_api;
