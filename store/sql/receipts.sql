-- name: slots_in_time
-- How many slots of each channel, by the base interval in which they begin, hold a reading that was received no later than so many
-- seconds after the slot's end. Slots are counted from local midnights; those of whole days begin at every n-th, days counted from
-- 0001-01-01.
SELECT array_agg(n.channel_id), array_agg(n.start), array_agg(n.slots)
FROM (
    SELECT f.channel_id, f.midnight + make_interval(secs => floor(extract(epoch FROM f.slot - f.midnight) / %(base_s)s)::float8 * %(base_s)s) AS start,
           count(*)::int AS slots
    FROM (
        SELECT s.channel_id, s.midnight, s.slot, min(s.received_at) AS received_at, max(s.ends) AS ends
        FROM (
            SELECT h.channel_id, h.received_at,
                   CASE WHEN h.days = 0 THEN h.midnight ELSE h.first::timestamp AT TIME ZONE %(zone)s END AS midnight,
                   CASE WHEN h.days = 0 THEN h.midnight + make_interval(secs => h.number * h.interval_s)
                        ELSE h.first::timestamp AT TIME ZONE %(zone)s END AS slot,
                   CASE WHEN h.days = 0 THEN least(h.midnight + make_interval(secs => (h.number + 1) * h.interval_s),
                                                   (h.day + 1)::timestamp AT TIME ZONE %(zone)s)
                        ELSE (h.first + h.days)::timestamp AT TIME ZONE %(zone)s END AS ends
            FROM (
                SELECT r.channel_id, r.received_at, c.interval_s, d.day, d.midnight, c.interval_s / 86400 AS days,
                       floor(extract(epoch FROM r.ts - d.midnight) / c.interval_s)::float8 AS number,
                       d.day - (d.day - date '0001-01-01' + 1) %% greatest(c.interval_s / 86400, 1) AS first
                FROM unnest(%(channel_id)s, %(interval_s)s) AS c (channel_id, interval_s)
                JOIN reading r ON r.channel_id = c.channel_id
                CROSS JOIN LATERAL (SELECT (r.ts AT TIME ZONE %(zone)s)::date AS day,
                                           date_trunc('day', r.ts, %(zone)s) AS midnight) d
                WHERE r.channel_id = ANY (%(channel_id)s) AND r.ts >= %(start)s AND r.ts < %(until)s AND r.received_at <= %(as_of)s
            ) h
        ) s
        WHERE s.slot >= %(start)s AND s.slot < %(stop)s
        GROUP BY s.channel_id, s.midnight, s.slot
    ) f
    WHERE f.received_at <= f.ends + make_interval(secs => %(within_s)s)
    GROUP BY 1, 2
    ORDER BY 1, 2
) n
