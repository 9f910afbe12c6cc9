-- The reading queries serve the CLI (tables) and the API (views of one user): the search path tells.

-- name: life_list
-- Everything that is known of the life of a meter, in order of time.
SELECT k.kind, k.id, k.quantity, k.valid_from, k.valid_to, k.what, k.origin, k.note, k.recorded_at, k.recorded_by, k.superseded_at,
       k.superseded_by, k.superseded_why
FROM (
    SELECT 'device' AS kind, d.id, NULL AS quantity, d.valid_from, d.valid_to, jsonb_build_object('serial', d.serial) AS what, d.origin,
           d.note, d.recorded_at, d.recorded_by, d.superseded_at, d.superseded_by, d.superseded_why
    FROM device d
    WHERE d.meter_id = %(meter_id)s
    UNION ALL
    SELECT 'exchange', e.id, c.quantity, e.at, NULL,
           jsonb_build_object('closing', e.closing, 'opening', e.opening, 'modulus', e.modulus, 'resolution', e.resolution,
                              'max_rate', e.max_rate),
           e.origin, e.note, e.recorded_at, e.recorded_by, e.superseded_at, e.superseded_by, e.superseded_why
    FROM exchange e
    JOIN channel c ON c.id = e.channel_id
    WHERE c.meter_id = %(meter_id)s
    UNION ALL
    SELECT 'multiplier', f.id, c.quantity, f.valid_from, NULL, jsonb_build_object('factor', f.factor), f.origin, f.note, f.recorded_at,
           f.recorded_by, f.superseded_at, f.superseded_by, f.superseded_why
    FROM multiplier f
    JOIN channel c ON c.id = f.channel_id
    WHERE c.meter_id = %(meter_id)s
    UNION ALL
    SELECT 'unit', u.id, c.quantity, u.valid_from, NULL, jsonb_build_object('unit', u.unit), u.origin, u.note, u.recorded_at,
           u.recorded_by, u.superseded_at, u.superseded_by, u.superseded_why
    FROM wire_unit u
    JOIN channel c ON c.id = u.channel_id
    WHERE c.meter_id = %(meter_id)s
    UNION ALL
    SELECT 'outage', o.id, NULL, o.valid_from, o.valid_to, jsonb_build_object('reason', o.reason), o.origin, '', o.recorded_at,
           o.recorded_by, o.superseded_at, o.superseded_by, o.superseded_why
    FROM outage o
    WHERE o.meter_id = %(meter_id)s
) k
WHERE %(history)s OR k.superseded_at IS NULL
ORDER BY k.valid_from, k.kind, k.quantity, k.id

-- name: life_neighbours
-- The last reading before a moment and the first from it on; the days that hold readings bound the search.
SELECT b.ts AS before_ts, b.value AS before, a.ts AS after_ts, a.value AS after
FROM (SELECT %(channel_id)s::int AS id, %(at)s::timestamptz AS at) k
LEFT JOIN LATERAL (
    SELECT max(d.first_ts) AS ts FROM channel_day d WHERE d.channel_id = k.id AND d.first_ts < k.at
) earlier ON true
LEFT JOIN LATERAL (
    SELECT min(d.last_ts) AS ts FROM channel_day d WHERE d.channel_id = k.id AND d.last_ts >= k.at
) later ON true
LEFT JOIN LATERAL (
    SELECT r.ts, r.value FROM reading r
    WHERE r.channel_id = k.id AND r.ts >= earlier.ts AND r.ts < k.at
    ORDER BY r.ts DESC LIMIT 1
) b ON true
LEFT JOIN LATERAL (
    SELECT r.ts, r.value FROM reading r
    WHERE r.channel_id = k.id AND r.ts >= k.at AND r.ts <= later.ts
    ORDER BY r.ts LIMIT 1
) a ON true

-- name: life_enter
SELECT enter_life(%(meter_id)s, %(facts)s::jsonb, %(replace)s)

-- name: life_enter_by
SELECT api.enter_life_of(%(meter_id)s, %(facts)s::jsonb, %(replace)s, %(by)s)

-- name: life_withdraw
SELECT withdraw_life(%(meter_id)s, %(kind)s, %(id)s, %(why)s)

-- name: life_withdraw_by
SELECT api.withdraw_life_of(%(meter_id)s, %(kind)s, %(id)s, %(why)s, %(by)s)
