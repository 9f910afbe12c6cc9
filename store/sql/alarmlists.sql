-- Alarms for people: through the views of schema api, each row only where the asking user may see it.

-- name: alarms_page
-- Those that changed last first. A target finds what lies under it too.
SELECT a.id AS alarm_id, p.key AS park, p.timezone, a.rule_key AS rule, r.version AS rule_version, r.document::text AS document, a.target,
       CASE WHEN c.id IS NOT NULL THEN split_part(a.target, '#', 1) END AS channel, c.unit, a.category, a.severity, a.state, a.inhibit,
       a.suppressed, a.since, a.episode, a.raised_at, a.acked_at, a.acked_by, a.level, a.until, a.version
FROM alarm a
JOIN park p ON p.id = a.park_id
LEFT JOIN channel c ON c.id = a.channel_id
LEFT JOIN LATERAL (
    SELECT b.version, b.document
    FROM alarm_rule b
    WHERE b.park_id = a.park_id AND b.key = a.rule_key
    ORDER BY b.version DESC
    LIMIT 1
) r ON true
WHERE (%(alarm_id)s::int IS NULL OR a.id = %(alarm_id)s::int)
  AND (%(park)s::text IS NULL OR p.key = %(park)s::text)
  AND (%(states)s::text[] IS NULL OR a.state = ANY (%(states)s::text[]))
  AND (%(categories)s::text[] IS NULL OR a.category = ANY (%(categories)s::text[]))
  AND a.severity >= %(severity)s
  AND (%(rule)s::text IS NULL OR a.rule_key = %(rule)s::text)
  AND (%(target)s::text IS NULL OR a.target = %(target)s::text OR starts_with(a.target, %(target)s::text || '/')
       OR starts_with(a.target, %(target)s::text || '#'))
  AND (%(inhibited)s::boolean IS NULL OR (a.inhibit <> 'none') = %(inhibited)s::boolean)
  AND (%(after_since)s::timestamptz IS NULL OR (a.since, a.id) < (%(after_since)s::timestamptz, %(after_id)s::int))
ORDER BY a.since DESC, a.id DESC
LIMIT %(limit)s

-- name: transitions_page
SELECT t.id, t.alarm_id, p.key AS park, a.rule_key AS rule, a.target, a.category, a.severity, t.step, t.before, t.after, t.inhibit, t.at,
       t.recorded_at, t.episode, t.actor, t.text, t.announced, t.level
FROM alarm_transition t
JOIN alarm a ON a.id = t.alarm_id
JOIN park p ON p.id = a.park_id
WHERE (%(park)s::text IS NULL OR p.key = %(park)s::text)
  AND (%(alarm_id)s::int IS NULL OR t.alarm_id = %(alarm_id)s::int)
  AND (%(start)s::timestamptz IS NULL OR t.recorded_at >= %(start)s::timestamptz)
  AND (%(stop)s::timestamptz IS NULL OR t.recorded_at < %(stop)s::timestamptz)
  AND (%(after)s::bigint IS NULL OR t.id < %(after)s::bigint)
  AND (%(newer_than)s::bigint IS NULL OR t.id > %(newer_than)s::bigint)
ORDER BY t.id DESC
LIMIT %(limit)s

-- name: notifications_page
SELECT n.id, p.key AS park, n.alarm_id, n.transition_id, n.contact, n.way, n.address, n.subject, n.body, n.urgent, n.not_before,
       n.created_at, n.state, n.attempts, n.next_at, n.sent_at,
       (SELECT t.detail FROM notification_attempt t WHERE t.notification_id = n.id ORDER BY t.id DESC LIMIT 1) AS last_detail
FROM notification n
JOIN park p ON p.id = n.park_id
WHERE (%(park)s::text IS NULL OR p.key = %(park)s::text)
  AND (%(alarm_id)s::int IS NULL OR n.alarm_id = %(alarm_id)s::int)
  AND (%(state)s::text IS NULL OR n.state = %(state)s::text)
  AND (%(contact)s::text IS NULL OR n.contact = %(contact)s::text)
  AND (%(after)s::bigint IS NULL OR n.id < %(after)s::bigint)
ORDER BY n.id DESC
LIMIT %(limit)s

-- name: attempts_of
SELECT t.id, t.notification_id, t.at, t.outcome, t.detail
FROM notification_attempt t
WHERE t.notification_id = %(id)s
ORDER BY t.id

-- name: episodes_page
-- What people said last of cause and action, and whether they closed it, stands beside it.
SELECT e.alarm_id, e.start, p.key AS park, p.timezone, a.rule_key AS rule, r.version AS rule_version, r.document::text AS document,
       a.target, CASE WHEN c.id IS NOT NULL THEN split_part(a.target, '#', 1) END AS channel, c.unit, a.category, a.severity, e.stop,
       e.raised_at, e.cleared_at, e.last_at, e.peak, e.peak_at, e.bound, e.mean, e.beyond_s, e.excess_kg, e.valid, e.missing, e.excluded,
       e.final, e.revision, e.computed_at, k.cause, k.action, k.closed_at, k.closed_by
FROM episode e
JOIN alarm a ON a.id = e.alarm_id
JOIN park p ON p.id = a.park_id
JOIN alarm_rule r ON r.id = e.rule_id
LEFT JOIN channel c ON c.id = a.channel_id
CROSS JOIN LATERAL (
    SELECT (array_agg(n.text ORDER BY n.id DESC) FILTER (WHERE n.kind = 'cause'))[1] AS cause,
           (array_agg(n.text ORDER BY n.id DESC) FILTER (WHERE n.kind = 'action'))[1] AS action,
           (array_agg(CASE WHEN n.kind = 'close' THEN n.recorded_at END ORDER BY n.id DESC) FILTER (WHERE n.kind IN ('close', 'reopen')))[1]
               AS closed_at,
           (array_agg(CASE WHEN n.kind = 'close' THEN n.recorded_by END ORDER BY n.id DESC) FILTER (WHERE n.kind IN ('close', 'reopen')))[1]
               AS closed_by
    FROM episode_note n
    WHERE n.alarm_id = e.alarm_id AND n.episode = e.start
) k
WHERE e.start >= %(start)s AND e.start < %(stop)s
  AND (%(park)s::text IS NULL OR p.key = %(park)s::text)
  AND (%(alarm_id)s::int IS NULL OR e.alarm_id = %(alarm_id)s::int)
  AND (%(rule)s::text IS NULL OR a.rule_key = %(rule)s::text)
  AND (%(target)s::text IS NULL OR a.target = %(target)s::text OR starts_with(a.target, %(target)s::text || '/')
       OR starts_with(a.target, %(target)s::text || '#'))
  AND (%(categories)s::text[] IS NULL OR a.category = ANY (%(categories)s::text[]))
  AND (%(going_on)s::boolean IS NULL OR (e.cleared_at IS NULL) = %(going_on)s::boolean)
  AND (%(closed)s::boolean IS NULL OR (k.closed_at IS NOT NULL) = %(closed)s::boolean)
  AND (%(after_start)s::timestamptz IS NULL OR (e.start, e.alarm_id) < (%(after_start)s::timestamptz, %(after_alarm)s::int))
ORDER BY e.start DESC, e.alarm_id DESC
LIMIT %(limit)s

-- name: episode_find
-- The start of the episode that covers a moment.
SELECT e.start
FROM episode e
WHERE e.alarm_id = %(alarm_id)s AND e.start <= %(at)s AND coalesce(e.cleared_at, timestamptz 'infinity') >= %(at)s
ORDER BY e.start DESC
LIMIT 1

-- name: episode_notes
SELECT n.id, n.alarm_id, n.episode, n.said_of, n.kind, n.text, n.recorded_at, n.recorded_by
FROM episode_note n
WHERE n.alarm_id = %(alarm_id)s AND n.episode = %(start)s
ORDER BY n.id

-- name: judgements_page
SELECT j.alarm_id, j.start, j.at, j.least, j.greatest, j.lowest, j.highest, j.verdict, j.status, j.known_s, j.final, j.revision,
       j.computed_at
FROM judgement j
WHERE j.alarm_id = %(alarm_id)s AND j.at >= %(start)s AND j.at < %(stop)s
ORDER BY j.at
LIMIT %(limit)s

-- name: alarm_act
SELECT act_on_alarm(%(alarm_id)s, %(seen)s, %(step)s, %(state)s, %(inhibit)s, %(suppressed)s, %(since)s::timestamptz,
                    %(episode)s::timestamptz, %(acked_at)s::timestamptz, %(level)s::smallint, %(until)s::timestamptz,
                    %(at)s::timestamptz, %(of_episode)s::timestamptz, %(text)s, %(announced)s)

-- name: episode_note
SELECT note_episode(%(alarm_id)s, %(start)s::timestamptz, %(kind)s, %(text)s)

-- name: alarm_act_by
SELECT api.act_on_alarm_of(%(alarm_id)s, %(seen)s, %(step)s, %(state)s, %(inhibit)s, %(suppressed)s, %(since)s::timestamptz,
                           %(episode)s::timestamptz, %(acked_at)s::timestamptz, %(level)s::smallint, %(until)s::timestamptz,
                           %(at)s::timestamptz, %(of_episode)s::timestamptz, %(text)s, %(announced)s, %(by)s)

-- name: episode_note_by
SELECT api.note_episode_of(%(alarm_id)s, %(start)s::timestamptz, %(kind)s, %(text)s, %(by)s)
