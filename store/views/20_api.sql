-- What the API reads. Each view shows only rows that the asking user may see; who asks is `kawasan.user`, unset means nobody.
-- Security barriers: a condition of the query is looked at before a row's visibility only where its operator cannot leak
-- (comparisons of int and timestamptz cannot), so chunks and indexes are still used.
DROP SCHEMA IF EXISTS api CASCADE;
CREATE SCHEMA api;

-- Steps to the views below; nobody is granted these.

CREATE VIEW api.asker WITH (security_barrier) AS
SELECT id, role
FROM public.app_user
WHERE name = nullif(current_setting('kawasan.user', true), '')
  AND disabled_at IS NULL;

CREATE VIEW api.whole_park WITH (security_barrier) AS
SELECT p.id, a.role
FROM api.asker a
JOIN public.park p ON a.role = 'admin'
    OR (a.role IN ('operator', 'officer', 'auditor')
        AND EXISTS (SELECT FROM public.user_park g WHERE g.user_id = a.id AND g.park_id = p.id));

CREATE VIEW api.own_tenant WITH (security_barrier) AS
SELECT t.id, t.park_id, t.key
FROM api.asker a
JOIN public.user_tenant g ON g.user_id = a.id
JOIN public.tenant t ON t.id = g.tenant_id
WHERE a.role = 'tenant';

-- Tenants of whom an officer sees everything that is metered, not only what they discharge.
CREATE VIEW api.energy_tenant WITH (security_barrier) AS
SELECT t.id, t.park_id
FROM api.asker a
JOIN public.user_energy g ON g.user_id = a.id
JOIN public.tenant t ON t.id = g.tenant_id
WHERE a.role = 'officer' AND t.park_id IN (SELECT w.id FROM api.whole_park w);

-- Whoever runs, or audits, every park there is also sees what belongs to no known park.
CREATE VIEW api.overseer WITH (security_barrier) AS
SELECT a.role
FROM api.asker a
WHERE a.role = 'admin'
   OR (a.role IN ('operator', 'auditor')
       AND NOT EXISTS (SELECT FROM public.park p WHERE p.id NOT IN (SELECT w.id FROM api.whole_park w)));

-- How KPIs about discharge begin, of which an officer sees all; `load_factor` begins like one and is about electricity.
CREATE VIEW api.discharge_kpi WITH (security_barrier) AS
SELECT unnest(ARRAY['load\_%', 'fwmc\_%', 'removal\_%', 'specific\_load\_%', 'compliance\_%', 'time\_above\_%', 'excess\_load\_%',
                    'flow\_per\_area', 'treated\_share']) AS pattern;

-- The registry.

CREATE VIEW api.park WITH (security_barrier) AS
SELECT id, key, name, timezone, base_s, lateness_s, version, ticked_to
FROM public.park
WHERE id IN (SELECT w.id FROM api.whole_park w)
   OR id IN (SELECT o.park_id FROM api.own_tenant o);

CREATE VIEW api.tenant WITH (security_barrier) AS
SELECT id, park_id, key, name, sector, valid_from, valid_to
FROM public.tenant
WHERE park_id IN (SELECT w.id FROM api.whole_park w)
   OR id IN (SELECT o.id FROM api.own_tenant o);

CREATE VIEW api.meter WITH (security_barrier) AS
SELECT id, park_id, tenant_id, key, name, role, parent_id, demand_block_s, error_share, valid_from, valid_to
FROM public.meter
WHERE park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (role IN ('discharge', 'inlet', 'outlet')
       AND park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role = 'officer'))
   OR tenant_id IN (SELECT o.id FROM api.own_tenant o)
   OR tenant_id IN (SELECT e.id FROM api.energy_tenant e);

CREATE VIEW api.channel WITH (security_barrier) AS
SELECT c.id, c.park_id, c.meter_id, c.quantity, c.kind, c.unit, c.interval_s, c.stamp, c.statistic, c.resolution, c.modulus,
       c.max_rate, c.valid_from, c.valid_to, c.input_concentration, c.input_flow, c.wire_unit
FROM public.channel c
WHERE c.meter_id IN (SELECT m.id FROM api.meter m)
  AND (c.quantity IN ('effluent_volume', 'effluent_flow', 'ph', 'temperature', 'conductivity',
                      'bod', 'cod', 'tss', 'nh3n', 'oil', 'tn', 'tp')
       OR c.quantity LIKE 'load\_%'
       OR NOT EXISTS (SELECT FROM api.asker a WHERE a.role = 'officer')
       OR c.meter_id IN (SELECT m.id FROM public.meter m JOIN api.energy_tenant e ON e.id = m.tenant_id));

CREATE VIEW api.device WITH (security_barrier) AS
SELECT d.id, d.meter_id, d.serial, d.valid_from, d.valid_to, d.origin, d.note, d.recorded_at, d.recorded_by, d.superseded_at,
       d.superseded_by, d.superseded_why
FROM public.device d
WHERE d.meter_id IN (SELECT m.id FROM api.meter m);

CREATE VIEW api.multiplier WITH (security_barrier) AS
SELECT f.id, f.channel_id, f.valid_from, f.factor, f.origin, f.note, f.recorded_at, f.recorded_by, f.superseded_at, f.superseded_by,
       f.superseded_why
FROM public.multiplier f
WHERE f.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.exchange WITH (security_barrier) AS
SELECT e.id, e.channel_id, e.at, e.closing, e.opening, e.modulus, e.resolution, e.max_rate, e.origin, e.note, e.recorded_at,
       e.recorded_by, e.superseded_at, e.superseded_by, e.superseded_why
FROM public.exchange e
WHERE e.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.wire_unit WITH (security_barrier) AS
SELECT u.id, u.channel_id, u.valid_from, u.unit, u.origin, u.note, u.recorded_at, u.recorded_by, u.superseded_at, u.superseded_by,
       u.superseded_why
FROM public.wire_unit u
WHERE u.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.outage WITH (security_barrier) AS
SELECT o.id, o.meter_id, o.valid_from, o.valid_to, o.reason, o.origin, o.recorded_at, o.recorded_by, o.superseded_at, o.superseded_by,
       o.superseded_why
FROM public.outage o
WHERE o.meter_id IN (SELECT m.id FROM api.meter m);

CREATE VIEW api.compliance_rule WITH (security_barrier) AS
SELECT r.id, r.park_id, r.channel_id, r.key, r.statistic, r.time_window, r.least_valid, r.lowest, r.highest, r.legal_basis,
       r.confirmed, r.authority, r.valid_from, r.valid_to, r.recorded_at, r.superseded_at
FROM public.compliance_rule r
WHERE r.channel_id IN (SELECT c.id FROM api.channel c);

-- Readings and numbers.

CREATE VIEW api.reading WITH (security_barrier) AS
SELECT r.channel_id, r.ts, r.value, r.quality, r.received_at
FROM public.reading r
WHERE r.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.reading_conflict WITH (security_barrier) AS
SELECT r.channel_id, r.ts, r.value, r.quality, r.received_at
FROM public.reading_conflict r
WHERE r.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.latest WITH (security_barrier) AS
SELECT l.channel_id, l.ts, l.value, l.quality, l.received_at
FROM public.latest l
WHERE l.channel_id IN (SELECT c.id FROM api.channel c);

CREATE VIEW api.amount WITH (security_barrier) AS
SELECT a.channel_id, a.level, a.start, a.amount, a.mean, a.low, a.high, a.last, a.peak, a.peak_at, a.measured_s, a.estimated,
       a.inner_gap_s, a.gap_s, a.gap_stop, a.slots, a.received, a.unusable, a.flags, a.revision, a.computed_at
FROM public.amount a
WHERE a.channel_id IN (SELECT c.id FROM api.channel c);

-- Subject kinds: 0 park, 1 tenant, 2 meter. An officer sees what is about water leaving the site.
CREATE VIEW api.kpi WITH (security_barrier) AS
SELECT k.park_id, k.subject_kind, k.subject_id, k.kpi, k.level, k.start, k.terms, k.measured, k.value, k.estimate, k.error,
       k.profile_coverage, k.total_coverage, k.estimated_share, k.peak_at, k.reason, k.flags, k.formula_version,
       k.registry_version, k.revision, k.computed_at
FROM public.kpi k
WHERE k.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (k.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role = 'officer')
       AND (k.subject_kind < 2 OR k.subject_id IN (SELECT m.id FROM api.meter m))
       AND k.kpi <> 'load_factor'
       AND k.kpi LIKE ANY (SELECT d.pattern FROM api.discharge_kpi d))
   OR (k.subject_kind = 1 AND k.subject_id IN (SELECT o.id FROM api.own_tenant o UNION ALL SELECT e.id FROM api.energy_tenant e))
   OR (k.subject_kind = 2 AND k.subject_id IN (SELECT m.id FROM public.meter m JOIN api.own_tenant o ON o.id = m.tenant_id
                                               UNION ALL
                                               SELECT m.id FROM public.meter m JOIN api.energy_tenant e ON e.id = m.tenant_id));

-- The ledger and what was set aside. Sources are `park/tenant`, `unknown`, or an import's.

CREATE VIEW api.ledger WITH (security_barrier) AS
SELECT l.source, l.hour, l.messages, l.stored, l.duplicate, l.conflict, l.rejected
FROM public.ledger l
WHERE EXISTS (SELECT FROM api.overseer)
   OR split_part(l.source, '/', 1) IN
      (SELECT p.key FROM public.park p JOIN api.whole_park w ON w.id = p.id WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR l.source IN (SELECT p.key || '/' || o.key FROM api.own_tenant o JOIN public.park p ON p.id = o.park_id);

CREATE VIEW api.ledger_rejected WITH (security_barrier) AS
SELECT l.source, l.hour, l.reason, l.n
FROM public.ledger_rejected l
WHERE EXISTS (SELECT FROM api.overseer)
   OR split_part(l.source, '/', 1) IN
      (SELECT p.key FROM public.park p JOIN api.whole_park w ON w.id = p.id WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR l.source IN (SELECT p.key || '/' || o.key FROM api.own_tenant o JOIN public.park p ON p.id = o.park_id);

CREATE VIEW api.rejection WITH (security_barrier) AS
SELECT j.id, j.message_id, j.park_id, j.place, j.reason, j.detail, j.count, j.first_at, j.last_at, j.resolved_at
FROM public.rejection j
WHERE EXISTS (SELECT FROM api.overseer)
   OR j.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'));

CREATE VIEW api.rejected_message WITH (security_barrier) AS
SELECT m.id, m.topic, m.payload, m.source, m.first_at
FROM public.rejected_message m
WHERE m.id IN (SELECT j.message_id FROM api.rejection j);

-- Which files of the schema were applied: the same for everybody.
CREATE VIEW api.applied_file WITH (security_barrier) AS SELECT name, sha256 FROM public.applied_file;
