-- name: apply_lock
SELECT pg_advisory_xact_lock(hashtextextended('kawasan park', 0))

-- name: apply_wait
-- Until the engine's cycle is over: one that began on the old registry must not commit after this one's deletions.
SELECT pg_advisory_xact_lock(hashtextextended('kawasan engine ' || id::int, 0)) FROM park WHERE key = %(key)s

-- name: apply_now
SELECT date_trunc('milliseconds', now())

-- name: apply_park
SELECT id, key, name, timezone, base_s, lateness_s, version, ticked_to FROM park WHERE key = %(key)s FOR UPDATE

-- name: apply_park_insert
INSERT INTO park (key, name, timezone, base_s, lateness_s, version)
VALUES (%(key)s, %(name)s, %(timezone)s, %(base_s)s, %(lateness_s)s, 0)
RETURNING id

-- name: apply_park_update
UPDATE park
SET name = %(name)s, timezone = %(timezone)s, base_s = %(base_s)s, lateness_s = %(lateness_s)s
WHERE id = %(id)s

-- name: apply_park_version
UPDATE park SET version = version + %(step)s, document = %(document)s WHERE id = %(id)s

-- name: apply_notify
SELECT pg_notify('kawasan_registry', %(key)s), pg_notify('kawasan_spans', %(key)s)

-- name: apply_tenants
SELECT id, key AS place, name, sector, valid_from, valid_to FROM tenant WHERE park_id = %(park_id)s

-- name: apply_tenant_insert
INSERT INTO tenant (park_id, key, name, sector, valid_from, valid_to)
VALUES (%(park_id)s, %(place)s, %(name)s, %(sector)s, %(valid_from)s, %(valid_to)s)
RETURNING id

-- name: apply_tenant_update
UPDATE tenant SET name = %(name)s, sector = %(sector)s, valid_from = %(valid_from)s, valid_to = %(valid_to)s WHERE id = %(id)s

-- name: apply_meters
SELECT m.id, t.key || '/' || m.key AS place, m.name, m.role, pt.key || '/' || p.key AS parent, m.demand_block_s, m.error_share,
       m.valid_from, m.valid_to
FROM meter m
JOIN tenant t ON t.id = m.tenant_id
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN tenant pt ON pt.id = p.tenant_id
WHERE m.park_id = %(park_id)s

-- name: apply_meter_insert
INSERT INTO meter (park_id, tenant_id, key, name, role, demand_block_s, error_share, valid_from, valid_to)
SELECT t.park_id, t.id, split_part(%(place)s, '/', 2), %(name)s, %(role)s, %(demand_block_s)s, %(error_share)s,
       %(valid_from)s, %(valid_to)s
FROM tenant t
WHERE t.park_id = %(park_id)s AND t.key = split_part(%(place)s, '/', 1)
RETURNING id

-- name: apply_meter_update
UPDATE meter
SET name = %(name)s, role = %(role)s, demand_block_s = %(demand_block_s)s, error_share = %(error_share)s,
    valid_from = %(valid_from)s, valid_to = %(valid_to)s
WHERE id = %(id)s

-- name: apply_meter_parent
UPDATE meter SET parent_id = %(parent_id)s WHERE id = %(id)s

-- name: apply_channels
SELECT c.id, c.meter_id, t.key || '/' || m.key || '/' || c.quantity AS place, c.kind, c.unit, c.wire_unit, c.interval_s, c.stamp,
       c.statistic, c.resolution, c.modulus, c.max_rate, c.valid_from, c.valid_to, ic.quantity AS concentration, fl.quantity AS flow
FROM channel c
JOIN meter m ON m.id = c.meter_id
JOIN tenant t ON t.id = m.tenant_id
LEFT JOIN channel ic ON ic.id = c.input_concentration
LEFT JOIN channel fl ON fl.id = c.input_flow
WHERE c.park_id = %(park_id)s

-- name: apply_channel_insert
INSERT INTO channel (park_id, meter_id, quantity, kind, unit, wire_unit, interval_s, stamp, statistic, resolution, modulus, max_rate,
                     valid_from, valid_to, input_concentration, input_flow)
SELECT m.park_id, m.id, split_part(%(place)s, '/', 3), %(kind)s, %(unit)s, %(wire_unit)s, %(interval_s)s, %(stamp)s, %(statistic)s,
       %(resolution)s, %(modulus)s, %(max_rate)s, %(valid_from)s, %(valid_to)s,
       (SELECT c.id FROM channel c WHERE c.meter_id = m.id AND c.quantity = %(concentration)s),
       (SELECT c.id FROM channel c WHERE c.meter_id = m.id AND c.quantity = %(flow)s)
FROM meter m
JOIN tenant t ON t.id = m.tenant_id
WHERE m.park_id = %(park_id)s AND t.key = split_part(%(place)s, '/', 1) AND m.key = split_part(%(place)s, '/', 2)
RETURNING id

-- name: apply_channel_update
UPDATE channel u
SET kind = %(kind)s, unit = %(unit)s, wire_unit = %(wire_unit)s, interval_s = %(interval_s)s, stamp = %(stamp)s,
    statistic = %(statistic)s, resolution = %(resolution)s, modulus = %(modulus)s, max_rate = %(max_rate)s,
    valid_from = %(valid_from)s, valid_to = %(valid_to)s,
    input_concentration = (SELECT c.id FROM channel c WHERE c.meter_id = u.meter_id AND c.quantity = %(concentration)s),
    input_flow = (SELECT c.id FROM channel c WHERE c.meter_id = u.meter_id AND c.quantity = %(flow)s)
WHERE u.id = %(id)s

-- name: apply_multipliers
SELECT id, channel_id AS owner, origin, recorded_by, valid_from, factor
FROM multiplier
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_multipliers_insert
INSERT INTO multiplier (park_id, channel_id, valid_from, factor, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(valid_from)s, %(factor)s, %(now)s)

-- name: apply_multipliers_supersede
UPDATE multiplier SET superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file' WHERE id = %(id)s

-- name: apply_exchanges
SELECT id, channel_id AS owner, origin, recorded_by, at, closing, opening, modulus, resolution, max_rate
FROM exchange
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_exchanges_insert
INSERT INTO exchange (park_id, channel_id, at, closing, opening, modulus, resolution, max_rate, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(at)s, %(closing)s, %(opening)s, %(modulus)s, %(resolution)s, %(max_rate)s, %(now)s)

-- name: apply_exchanges_supersede
UPDATE exchange SET superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file' WHERE id = %(id)s

-- name: apply_units
SELECT id, channel_id AS owner, origin, recorded_by, valid_from, unit
FROM wire_unit
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_units_insert
INSERT INTO wire_unit (park_id, channel_id, valid_from, unit, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(valid_from)s, %(unit)s, %(now)s)

-- name: apply_units_supersede
UPDATE wire_unit SET superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file' WHERE id = %(id)s

-- name: apply_outages
SELECT id, meter_id AS owner, origin, recorded_by, valid_from, valid_to, reason
FROM outage
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_outages_insert
INSERT INTO outage (park_id, meter_id, valid_from, valid_to, reason, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(valid_from)s, %(valid_to)s, %(reason)s, %(now)s)

-- name: apply_outages_supersede
UPDATE outage SET superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file' WHERE id = %(id)s

-- name: apply_devices
SELECT id, meter_id AS owner, origin, recorded_by, serial, valid_from, valid_to
FROM device
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_devices_insert
INSERT INTO device (park_id, meter_id, serial, valid_from, valid_to, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(serial)s, %(valid_from)s, %(valid_to)s, %(now)s)

-- name: apply_devices_supersede
UPDATE device SET superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file' WHERE id = %(id)s

-- name: apply_rules
SELECT id, channel_id AS owner, 'file' AS origin, recorded_by, key, valid_from, valid_to, statistic, time_window, least_valid, lowest, highest,
       legal_basis, confirmed, authority
FROM compliance_rule
WHERE park_id = %(park_id)s AND superseded_at IS NULL

-- name: apply_rules_insert
INSERT INTO compliance_rule (park_id, channel_id, key, statistic, time_window, least_valid, lowest, highest, legal_basis, confirmed,
                             authority, valid_from, valid_to, recorded_at)
VALUES (%(park_id)s, %(owner)s, %(key)s, %(statistic)s, %(time_window)s, %(least_valid)s, %(lowest)s, %(highest)s,
        %(legal_basis)s, %(confirmed)s, %(authority)s, %(valid_from)s, %(valid_to)s, %(now)s)

-- name: apply_rules_supersede
UPDATE compliance_rule SET superseded_at = %(now)s WHERE id = %(id)s

-- name: apply_spans_stored
-- One span for each month that holds readings, from an instant on, and the instant itself: the pair across it changes too.
INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
SELECT c.park_id, c.id, greatest(min(d.first_ts), k.from_ts), max(d.last_ts)
FROM unnest(%(channel_id)s, %(from_ts)s) AS k (channel_id, from_ts)
JOIN channel c ON c.id = k.channel_id
JOIN channel_day d ON d.channel_id = c.id AND d.last_ts >= k.from_ts
GROUP BY c.park_id, c.id, k.from_ts, date_trunc('month', d.day)
UNION ALL
SELECT c.park_id, c.id, k.from_ts, k.from_ts
FROM unnest(%(channel_id)s, %(from_ts)s) AS k (channel_id, from_ts)
JOIN channel c ON c.id = k.channel_id
WHERE EXISTS (SELECT FROM channel_day d WHERE d.channel_id = c.id AND d.first_ts <= k.from_ts)

-- name: apply_spans_whole
-- One span a month, whether or not there are readings: what is expected of a channel changes its coverage in silence too.
INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
SELECT c.park_id, c.id, greatest(m.month, k.from_ts), least(m.month + interval '1 month', k.to_ts)
FROM unnest(%(channel_id)s, %(from_ts)s, %(to_ts)s) AS k (channel_id, from_ts, to_ts)
JOIN channel c ON c.id = k.channel_id
CROSS JOIN LATERAL generate_series(date_trunc('month', k.from_ts, 'UTC'), k.to_ts, interval '1 month') AS m (month)
WHERE k.from_ts < k.to_ts

-- name: apply_forget_amounts
DELETE FROM amount WHERE channel_id IN (SELECT id FROM channel WHERE park_id = %(park_id)s)

-- name: apply_forget_kpis
DELETE FROM kpi WHERE park_id = %(park_id)s
