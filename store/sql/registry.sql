-- The same queries serve the engine (tables) and the API (views of one user): the search path tells.
-- Dated facts are those known at `as_of` (null: now): recorded by then, and not superseded by then.

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
WHERE c.park_id = ANY (%(park_id)s) AND f.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (f.superseded_at IS NULL OR f.superseded_at > %(as_of)s::timestamptz)
ORDER BY f.channel_id, f.valid_from

-- name: registry_exchanges
SELECT e.channel_id, e.at, e.closing, e.opening, e.modulus, e.resolution, e.max_rate
FROM exchange e
JOIN channel c ON c.id = e.channel_id
WHERE c.park_id = ANY (%(park_id)s) AND e.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (e.superseded_at IS NULL OR e.superseded_at > %(as_of)s::timestamptz)
ORDER BY e.channel_id, e.at

-- name: registry_units
SELECT u.channel_id, u.valid_from, u.unit
FROM wire_unit u
JOIN channel c ON c.id = u.channel_id
WHERE c.park_id = ANY (%(park_id)s) AND u.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (u.superseded_at IS NULL OR u.superseded_at > %(as_of)s::timestamptz)
ORDER BY u.channel_id, u.valid_from

-- name: registry_outages
SELECT o.meter_id, o.valid_from, o.valid_to, o.reason
FROM outage o
JOIN meter m ON m.id = o.meter_id
WHERE m.park_id = ANY (%(park_id)s) AND o.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (o.superseded_at IS NULL OR o.superseded_at > %(as_of)s::timestamptz)
ORDER BY o.meter_id, o.valid_from

-- name: registry_rules
SELECT park_id, id, key, channel_id, statistic, time_window, least_valid, lowest, highest, legal_basis, confirmed, authority, valid_from,
       valid_to
FROM compliance_rule
WHERE park_id = ANY (%(park_id)s) AND recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (superseded_at IS NULL OR superseded_at > %(as_of)s::timestamptz)
ORDER BY key, valid_from

-- name: registry_references
SELECT park_id, id, kind, key, valid_from, valid_to, body, source, confirmed
FROM reference
WHERE park_id = ANY (%(park_id)s) AND recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (superseded_at IS NULL OR superseded_at > %(as_of)s::timestamptz)
ORDER BY kind, key, valid_from

-- name: registry_alarm_rules
-- Every version, with its time as it was known; one that never came into force is left out.
SELECT park_id, id, key, version, document::text AS document, origin, valid_from,
       CASE WHEN superseded_at > %(as_of)s::timestamptz THEN written_to ELSE valid_to END AS valid_to, recorded_at, recorded_by
FROM alarm_rule
WHERE park_id = ANY (%(park_id)s) AND recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (valid_to IS NULL OR valid_to > valid_from OR superseded_at > %(as_of)s::timestamptz)
ORDER BY key, valid_from, version

-- name: registry_contacts
SELECT park_id, document::text AS document
FROM alarm_contact
WHERE park_id = ANY (%(park_id)s) AND recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  AND (superseded_at IS NULL OR superseded_at > %(as_of)s::timestamptz)
ORDER BY key, version
