-- How alarms stand, and their journal. Instants that may be null cross as 1970 for null.

-- name: alarms_insert
-- Of whom a target is: `park/tenant/meter/quantity`, or less of it; a KPI's has `#` and its key after the subject.
INSERT INTO alarm (park_id, rule_key, target, category, severity, channel_id, meter_id, tenant_id, subject_kind, subject_id)
SELECT p.id, n.rule, n.target, n.category, n.severity, c.id, m.id, t.id,
       CASE WHEN s.of_kpi THEN cardinality(s.part) - 1 END,
       CASE WHEN s.of_kpi THEN (ARRAY[p.id::int, t.id, m.id])[cardinality(s.part)] END
FROM unnest(%(rule)s::text[], %(target)s::text[], %(category)s::text[], %(severity)s) AS n (rule, target, category, severity)
JOIN park p ON p.id = %(park_id)s
CROSS JOIN LATERAL (
    SELECT string_to_array(split_part(n.target, '#', 1), '/') AS part, strpos(n.target, '#') > 0 AS of_kpi
) s
LEFT JOIN tenant t ON t.park_id = p.id AND t.key = s.part[2]
LEFT JOIN meter m ON m.tenant_id = t.id AND m.key = s.part[3]
LEFT JOIN channel c ON c.meter_id = m.id AND c.quantity = s.part[4]
WHERE NOT EXISTS (SELECT FROM alarm a WHERE a.park_id = p.id AND a.rule_key = n.rule AND a.target = n.target)
ON CONFLICT (park_id, rule_key, target) DO NOTHING

-- name: alarms_refile
UPDATE alarm a
SET category = n.category, severity = n.severity
FROM unnest(%(rule)s::text[], %(target)s::text[], %(category)s::text[], %(severity)s) AS n (rule, target, category, severity)
WHERE a.park_id = %(park_id)s AND a.rule_key = n.rule AND a.target = n.target
  AND (a.category, a.severity) IS DISTINCT FROM (n.category, n.severity)

-- name: alarms_ids
SELECT a.rule_key, a.target, a.id
FROM unnest(%(rule)s::text[], %(target)s::text[]) AS n (rule, target)
JOIN alarm a ON a.park_id = %(park_id)s AND a.rule_key = n.rule AND a.target = n.target

-- name: standings_locked
-- In order of id, so that two transactions cannot wait for each other.
SELECT a.id AS alarm_id, a.state, a.inhibit, a.suppressed, a.since, a.episode, a.raised_at, a.acked_at, a.acked_by, a.level, a.until,
       a.version
FROM alarm a
WHERE a.id = ANY (%(alarm_id)s)
ORDER BY a.id
FOR NO KEY UPDATE

-- name: standings_of_park
SELECT a.id AS alarm_id, a.state, a.inhibit, a.suppressed, a.since, a.episode, a.raised_at, a.acked_at, a.acked_by, a.level, a.until,
       a.version
FROM alarm a
WHERE a.park_id = %(park_id)s AND (%(quiet)s OR a.state <> 'normal' OR a.inhibit <> 'none')
ORDER BY a.id

-- name: standings_write
UPDATE alarm a
SET state = n.state, inhibit = n.inhibit, suppressed = n.suppressed, since = n.since, episode = nullif(n.episode, 'epoch'),
    raised_at = nullif(n.raised_at, 'epoch'), acked_at = nullif(n.acked_at, 'epoch'), acked_by = n.acked_by, level = n.level,
    until = nullif(n.until, 'epoch'), version = n.version
FROM unnest(%(alarm_id)s, %(state)s::text[], %(inhibit)s::text[], %(suppressed)s, %(since)s, %(episode)s, %(raised_at)s, %(acked_at)s,
            %(acked_by)s::text[], %(level)s, %(until)s, %(version)s)
    AS n (alarm_id, state, inhibit, suppressed, since, episode, raised_at, acked_at, acked_by, level, until, version)
WHERE a.id = n.alarm_id AND a.version < n.version

-- name: transitions_insert
INSERT INTO alarm_transition (alarm_id, step, before, after, inhibit, at, episode, actor, text, announced, level)
SELECT n.alarm_id, n.step, n.before, n.after, n.inhibit, n.at, nullif(n.episode, 'epoch'), n.actor, n.text, n.announced, n.level
FROM unnest(%(alarm_id)s, %(step)s::text[], %(before)s::text[], %(after)s::text[], %(inhibit)s::text[], %(at)s, %(episode)s,
            %(actor)s::text[], %(text)s::text[], %(announced)s, %(level)s)
    WITH ORDINALITY AS n (alarm_id, step, before, after, inhibit, at, episode, actor, text, announced, level, place)
ORDER BY n.place
RETURNING id

-- name: transitions_notify
SELECT pg_notify('kawasan_alarms', p.key)
FROM park p
WHERE p.id IN (SELECT a.park_id FROM alarm a WHERE a.id = ANY (%(alarm_id)s))

-- name: transitions_untold
SELECT t.id, t.alarm_id, t.step, t.before, t.after, t.inhibit, t.at, t.recorded_at, t.episode, t.actor, t.text, t.announced, t.level
FROM alarm_transition t
JOIN alarm a ON a.id = t.alarm_id
WHERE a.park_id = %(park_id)s AND t.announced AND t.actor <> 'engine' AND t.recorded_at >= %(since)s
  AND NOT EXISTS (SELECT FROM notification n WHERE n.transition_id = t.id)
ORDER BY t.id
