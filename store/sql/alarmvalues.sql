-- Values that alarms are about.

-- name: alarm_values
-- The episode that each of some alarms is about; an alarm whose episode is not stored (late data moved its start) has the one that covers it.
SELECT n.alarm_id, e.start, e.stop, e.cleared_at, e.peak, e.peak_at, e.bound
FROM unnest(%(alarm_id)s::int[], %(at)s::timestamptz[]) AS n (alarm_id, at)
CROSS JOIN LATERAL (
    SELECT b.start, b.stop, b.cleared_at, b.peak, b.peak_at, b.bound
    FROM episode b
    WHERE b.alarm_id = n.alarm_id AND b.start <= n.at AND coalesce(b.cleared_at, timestamptz 'infinity') >= n.at
    ORDER BY b.start DESC
    LIMIT 1
) e

-- name: alarm_states
SELECT a.id, a.state, a.inhibit, a.version FROM alarm a WHERE a.id = ANY (%(alarm_id)s::int[])
