-- The same queries serve the engine (tables) and the API (views of one user): the search path tells.

-- name: registry_parks
SELECT id, key, name, timezone, base_s, lateness_s, version, ticked_to
FROM park
WHERE %(park)s::text IS NULL OR key = %(park)s::text
ORDER BY key

-- name: registry_tenants
SELECT park_id, id, key, name, sector, valid_from, valid_to
FROM tenant
WHERE park_id = ANY (%(park_id)s)
ORDER BY id

-- name: registry_meters
SELECT park_id, id, tenant_id, key, name, role, parent_id, demand_block_s, error_share, valid_from, valid_to
FROM meter
WHERE park_id = ANY (%(park_id)s)
ORDER BY id

-- name: registry_channels
SELECT park_id, id, meter_id, quantity, kind, unit, interval_s, stamp, statistic, resolution, modulus, max_rate,
       valid_from, valid_to, input_concentration, input_flow, wire_unit
FROM channel
WHERE park_id = ANY (%(park_id)s)
ORDER BY kind = 'product', id

-- name: registry_multipliers
SELECT f.channel_id, f.valid_from, f.factor
FROM multiplier f
JOIN channel c ON c.id = f.channel_id
WHERE c.park_id = ANY (%(park_id)s) AND f.superseded_at IS NULL
ORDER BY f.channel_id, f.valid_from

-- name: registry_exchanges
SELECT e.channel_id, e.at, e.closing, e.opening
FROM exchange e
JOIN channel c ON c.id = e.channel_id
WHERE c.park_id = ANY (%(park_id)s) AND e.superseded_at IS NULL
ORDER BY e.channel_id, e.at

-- name: registry_rules
SELECT park_id, id, key, channel_id, statistic, time_window, least_valid, lowest, highest, legal_basis, confirmed, valid_from, valid_to
FROM compliance_rule
WHERE park_id = ANY (%(park_id)s) AND superseded_at IS NULL
ORDER BY key, valid_from
