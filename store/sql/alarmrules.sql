-- Alarm rules and contacts: versions that a park file makes, and those that people enter.

-- name: apply_alarm_rules
SELECT id, key, version, document::text AS document, origin, valid_from, valid_to, superseded_at, recorded_by
FROM alarm_rule
WHERE park_id = %(park_id)s
ORDER BY key, version

-- name: apply_alarm_rules_insert
INSERT INTO alarm_rule (park_id, key, version, document, origin, valid_from, valid_to, written_to, recorded_at)
VALUES (%(park_id)s, %(key)s, %(version)s, %(document)s::jsonb, 'file', %(valid_from)s, %(valid_to)s, %(valid_to)s, %(now)s)

-- name: apply_alarm_rules_end
UPDATE alarm_rule
SET valid_to = %(valid_to)s, superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file', judged_at = NULL
WHERE id = %(id)s

-- name: apply_alarm_contacts
SELECT id, key, version, document::text AS document, origin, valid_from, valid_to, superseded_at, recorded_by
FROM alarm_contact
WHERE park_id = %(park_id)s
ORDER BY key, version

-- name: apply_alarm_contacts_insert
INSERT INTO alarm_contact (park_id, key, version, document, origin, valid_from, valid_to, written_to, recorded_at)
VALUES (%(park_id)s, %(key)s, %(version)s, %(document)s::jsonb, 'file', %(valid_from)s, %(valid_to)s, %(valid_to)s, %(now)s)

-- name: apply_alarm_contacts_end
UPDATE alarm_contact
SET valid_to = %(valid_to)s, superseded_at = %(now)s, superseded_by = session_user, superseded_why = 'the park file'
WHERE id = %(id)s

-- name: alarm_rules_again
-- What windows or schedules are made of is different: all of their time is judged again.
UPDATE alarm_rule SET judged_at = NULL WHERE park_id = %(park_id)s AND judged_at IS NOT NULL

-- name: alarm_wake
SELECT api.wake_engine(%(park_id)s::smallint)

-- name: alarm_rules_unjudged
SELECT id FROM alarm_rule WHERE park_id = %(park_id)s AND judged_at IS NULL ORDER BY id

-- name: alarm_rules_judged
-- Whoever changes a rule holds the park's row from before that on: of a rule that changed since it was read nothing is said.
WITH held AS (
    SELECT p.version FROM park p WHERE p.id = %(park_id)s FOR SHARE
)
UPDATE alarm_rule r
SET judged_at = %(now)s
FROM held h
WHERE r.park_id = %(park_id)s AND r.id = ANY (%(id)s::int[]) AND r.judged_at IS NULL AND h.version = %(registry_version)s

-- name: alarm_rules_list
-- With `history`, those that are over, too. The same query serves the CLI (tables) and the API (views of one user).
SELECT r.id, p.key AS park, r.key, r.version, r.document::text AS document, r.origin, r.note, r.valid_from, r.valid_to, r.recorded_at,
       r.recorded_by, r.superseded_at, r.superseded_by, r.superseded_why
FROM alarm_rule r
JOIN park p ON p.id = r.park_id
WHERE p.key = %(park)s
  AND (%(key)s::text IS NULL OR r.key = %(key)s::text)
  AND (%(history)s OR (r.superseded_at IS NULL AND (r.valid_to IS NULL OR r.valid_to > now())))
ORDER BY r.key, r.version

-- name: alarm_rule_create
SELECT create_alarm_rule(%(park_id)s::smallint, %(key)s, %(document)s::jsonb, %(first)s::timestamptz, %(last)s::timestamptz, %(note)s)

-- name: alarm_rule_replace
SELECT replace_alarm_rule(%(park_id)s::smallint, %(key)s, %(seen)s::int, %(document)s::jsonb, %(first)s::timestamptz,
                          %(last)s::timestamptz, %(note)s)

-- name: alarm_rule_end
SELECT end_alarm_rule(%(park_id)s::smallint, %(key)s, %(seen)s::int, %(why)s)
