-- Alarms: who sees them, and the functions by which people deal with them, with episodes, and with rules.

-- An officer sees what is about discharge, by its channel or, of an exceedance, by the KPI of its rule, and
-- all of tenants whose energy was granted; a tenant what is about its own, but for this system itself.
CREATE VIEW api.alarm WITH (security_barrier) AS
SELECT a.id, a.park_id, a.rule_key, a.target, a.category, a.severity, a.channel_id, a.meter_id, a.tenant_id, a.subject_kind,
       a.subject_id, a.state, a.inhibit, a.suppressed, a.since, a.episode, a.raised_at, a.acked_at, a.acked_by, a.level, a.until, a.version
FROM public.alarm a
WHERE a.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (a.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role = 'officer')
       AND (a.channel_id IN (SELECT c.id FROM api.channel c)
            OR (a.category = 'exceedance' AND a.channel_id IS NULL
                AND EXISTS (SELECT FROM public.alarm_rule r WHERE r.park_id = a.park_id AND r.key = a.rule_key)
                AND NOT EXISTS (
                    SELECT FROM public.alarm_rule r
                    WHERE r.park_id = a.park_id AND r.key = a.rule_key
                      AND (r.document -> 'watch' ->> 'kpi' IS NULL OR r.document -> 'watch' ->> 'kpi' = 'load_factor'
                           OR NOT r.document -> 'watch' ->> 'kpi' LIKE ANY (SELECT d.pattern FROM api.discharge_kpi d))))))
   OR (a.category <> 'system' AND a.tenant_id IN (SELECT o.id FROM api.own_tenant o UNION ALL SELECT e.id FROM api.energy_tenant e));

CREATE VIEW api.alarm_transition WITH (security_barrier) AS
SELECT t.id, t.alarm_id, t.step, t.before, t.after, t.inhibit, t.at, t.recorded_at, t.episode, t.actor, t.text, t.announced, t.level
FROM public.alarm_transition t
WHERE t.alarm_id IN (SELECT a.id FROM api.alarm a);

CREATE VIEW api.episode WITH (security_barrier) AS
SELECT e.alarm_id, e.start, e.rule_id, e.stop, e.raised_at, e.cleared_at, e.last_at, e.peak, e.peak_at, e.bound, e.mean, e.beyond_s,
       e.excess_kg, e.valid, e.missing, e.excluded, e.final, e.revision, e.computed_at
FROM public.episode e
WHERE e.alarm_id IN (SELECT a.id FROM api.alarm a);

CREATE VIEW api.episode_note WITH (security_barrier) AS
SELECT n.id, n.alarm_id, n.episode, n.said_of, n.kind, n.text, n.recorded_at, n.recorded_by
FROM public.episode_note n
WHERE n.alarm_id IN (SELECT a.id FROM api.alarm a);

CREATE VIEW api.judgement WITH (security_barrier) AS
SELECT j.alarm_id, j.start, j.at, j.least, j.greatest, j.lowest, j.highest, j.verdict, j.status, j.known_s, j.final, j.revision,
       j.computed_at
FROM public.judgement j
WHERE j.alarm_id IN (SELECT a.id FROM api.alarm a);

-- Who was told, at which address, is for those who run the park, and for the officer of an alarm.
CREATE VIEW api.notification WITH (security_barrier) AS
SELECT n.id, n.park_id, n.alarm_id, n.transition_id, n.contact, n.way, n.address, n.subject, n.body, n.payload, n.dedup_key, n.urgent,
       n.not_before, n.created_at, n.state, n.attempts, n.next_at, n.sent_at
FROM public.notification n
WHERE n.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (n.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role = 'officer') AND n.alarm_id IN (SELECT a.id FROM api.alarm a));

CREATE VIEW api.notification_attempt WITH (security_barrier) AS
SELECT t.id, t.notification_id, t.at, t.outcome, t.detail
FROM public.notification_attempt t
WHERE t.notification_id IN (SELECT n.id FROM api.notification n);

-- What suppresses alarms of a rule, without what names a firm that a tenant does not see: it may be a neighbour's gauge, with its bounds.
-- The firm is in `firm/meter/quantity`, or in the target of `rule@park/firm/...`; `./quantity` and a rule's key alone name none.
-- Nobody is granted this step.
CREATE VIEW api.suppress_shown WITH (security_barrier) AS
SELECT r.id, coalesce(jsonb_agg(s.one ORDER BY s.place) FILTER (WHERE f.key IN ('', '.') OR o.key IS NOT NULL), '[]') AS suppress
FROM public.alarm_rule r
JOIN public.park p ON p.id = r.park_id
CROSS JOIN LATERAL jsonb_array_elements(r.document -> 'suppress') WITH ORDINALITY AS s (one, place)
CROSS JOIN LATERAL (SELECT coalesce(s.one ->> 'channel', split_part(s.one ->> 'alarm', '@', 2), '') AS name) t
CROSS JOIN LATERAL (
    SELECT split_part(CASE WHEN starts_with(t.name, p.key || '/') THEN substr(t.name, length(p.key) + 2) ELSE t.name END, '/', 1) AS key
) f
LEFT JOIN api.own_tenant o ON o.park_id = r.park_id AND o.key = f.key
GROUP BY r.id;

-- A rule is seen by whoever runs the park, and by whoever sees an alarm of it. Contacts are people: who is told sees only who runs it.
CREATE VIEW api.alarm_rule WITH (security_barrier) AS
SELECT r.id, r.park_id, r.key, r.version,
       CASE
           WHEN r.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'admin')) THEN r.document
           WHEN EXISTS (SELECT FROM api.asker k WHERE k.role = 'tenant')
           THEN jsonb_set(r.document - 'tell', '{suppress}',
                          coalesce((SELECT s.suppress FROM api.suppress_shown s WHERE s.id = r.id), '[]'))
           ELSE r.document - 'tell'
       END AS document,
       r.origin, r.note, r.valid_from, r.valid_to, r.written_to, r.recorded_at,
       r.recorded_by, r.superseded_at, r.superseded_by, r.superseded_why
FROM public.alarm_rule r
WHERE r.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'))
   OR (r.park_id, r.key) IN (SELECT a.park_id, a.rule_key FROM api.alarm a);

CREATE VIEW api.alarm_contact WITH (security_barrier) AS
SELECT c.id, c.park_id, c.key, c.version, c.document, c.origin, c.valid_from, c.valid_to, c.written_to, c.recorded_at, c.recorded_by,
       c.superseded_at, c.superseded_by, c.superseded_why
FROM public.alarm_contact c
WHERE c.park_id IN (SELECT w.id FROM api.whole_park w WHERE w.role IN ('operator', 'auditor', 'admin'));

-- What the asking user may do to an alarm: refuses what is not seen, and, but for comments, whoever runs no park and is no officer.
CREATE FUNCTION api.need_alarm(of_alarm int, only_comments boolean) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.alarm a WHERE a.id = of_alarm) THEN
        RAISE EXCEPTION 'there is no alarm %, or you may not see it', of_alarm USING ERRCODE = 'KW422';
    END IF;
    IF EXISTS (SELECT FROM api.asker k WHERE k.role = 'auditor') THEN
        RAISE EXCEPTION 'an auditor reads everything and changes nothing' USING ERRCODE = 'KW403';
    END IF;
    IF NOT only_comments AND NOT EXISTS (SELECT FROM api.alarm a
                                         JOIN api.whole_park w ON w.id = a.park_id AND w.role IN ('operator', 'officer', 'admin')
                                         WHERE a.id = of_alarm) THEN
        RAISE EXCEPTION 'only the operator of a park and its officers deal with its alarms; you may comment on yours' USING ERRCODE = 'KW403';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.need_alarm FROM PUBLIC;

-- What is wrong with what a person does, in a sentence; null: nothing.
CREATE FUNCTION api.act_mistake(what text, said text, new_until timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE
        WHEN what NOT IN ('acknowledge', 'reset', 'shelve', 'shelve_once', 'unshelve', 'take_out', 'put_back', 'comment') THEN
            format('%L is nothing that a person does to an alarm; acknowledge, reset, shelve, shelve_once, unshelve, take_out, put_back '
                   'and comment are', what)
        WHEN what = 'comment' AND btrim(said) = '' THEN 'a comment needs its text'
        WHEN what IN ('shelve', 'shelve_once', 'take_out', 'put_back') AND btrim(said) = '' THEN format('%s needs a reason; say why', what)
        WHEN length(said) > 4000 THEN format('the text has %s characters; keep it to 4000', length(said))
        WHEN what IN ('shelve', 'shelve_once') AND coalesce(new_until <= clock_timestamp(), true) THEN
            'a shelf needs an end that lies ahead; nothing is shelved for ever'
        WHEN what IN ('shelve', 'shelve_once') AND new_until > clock_timestamp() + interval '7 days 1 minute' THEN
            'an alarm is shelved for at most 7 days; shelve it again when they are over'
    END
$$;
REVOKE ALL ON FUNCTION api.act_mistake FROM PUBLIC;

-- One step of a person: false where the alarm moved on since it was read. Who acts is given, not asked: only the owner of the schema, and
-- the function below, can call this. When it was raised is the engine's to say; a comment changes nothing but the version.
CREATE FUNCTION api.act_on_alarm_of(of_alarm int, seen int, what text, new_state text, new_inhibit text, new_suppressed boolean,
                                    new_since timestamptz, new_episode timestamptz, new_acked timestamptz, new_level smallint,
                                    new_until timestamptz, moment timestamptz, of_episode timestamptz, said text, told boolean, who text)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    mistake text := api.act_mistake(what, said, new_until);
    stood alarm;
BEGIN
    IF mistake IS NOT NULL THEN
        RAISE EXCEPTION '%', mistake USING ERRCODE = 'KW422';
    END IF;
    SELECT * INTO stood FROM alarm WHERE id = of_alarm FOR NO KEY UPDATE;
    IF stood.id IS NULL OR stood.version <> seen THEN
        RETURN false;
    END IF;
    IF what = 'comment' THEN
        UPDATE alarm SET version = version + 1 WHERE id = of_alarm;
    ELSE
        UPDATE alarm
        SET state = new_state, inhibit = new_inhibit, suppressed = new_suppressed, since = new_since, episode = new_episode,
            acked_at = new_acked, level = new_level, until = new_until, version = version + 1,
            acked_by = CASE WHEN new_acked IS NULL THEN NULL WHEN what = 'acknowledge' THEN who ELSE acked_by END
        WHERE id = of_alarm;
    END IF;
    INSERT INTO alarm_transition (alarm_id, step, before, after, inhibit, at, episode, actor, text, announced, level)
    SELECT a.id, what, stood.state, a.state, a.inhibit, moment, of_episode, who, btrim(said), told, a.level
    FROM alarm a
    WHERE a.id = of_alarm;
    PERFORM pg_notify('kawasan_alarms', p.key), pg_notify('kawasan_spans', p.key) FROM park p WHERE p.id = stood.park_id;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION api.act_on_alarm_of FROM PUBLIC;

CREATE FUNCTION api.act_on_alarm(of_alarm int, seen int, what text, new_state text, new_inhibit text, new_suppressed boolean,
                                 new_since timestamptz, new_episode timestamptz, new_acked timestamptz, new_level smallint,
                                 new_until timestamptz, moment timestamptz, of_episode timestamptz, said text, told boolean)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_alarm(of_alarm, what = 'comment');
    RETURN api.act_on_alarm_of(of_alarm, seen, what, new_state, new_inhibit, new_suppressed, new_since, new_episode, new_acked, new_level,
                               new_until, moment, of_episode, said, told, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.act_on_alarm FROM PUBLIC;

-- What is wrong with what is said of an episode, in a sentence; null: nothing. Closed is one whose last close or reopen is a close.
CREATE FUNCTION api.note_mistake(of_alarm int, of_start timestamptz, what text, said text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    e episode;
    kinds text[];
    is_closed boolean;
BEGIN
    SELECT * INTO e FROM episode WHERE alarm_id = of_alarm AND start = of_start;
    SELECT coalesce(array_agg(n.kind), '{}'), coalesce((array_agg(n.kind ORDER BY n.id DESC) FILTER (WHERE n.kind IN ('close', 'reopen')))[1] = 'close', false)
    INTO kinds, is_closed
    FROM episode_note n
    WHERE n.alarm_id = of_alarm AND n.episode = of_start;
    RETURN CASE
        WHEN e.alarm_id IS NULL THEN format('alarm %s has no episode that starts at %s; late data may have moved it, so list its episodes again',
                                            of_alarm, of_start)
        WHEN what NOT IN ('cause', 'action', 'comment', 'link', 'close', 'reopen') THEN
            format('%L is nothing that is said of an episode; cause, action, comment, link, close and reopen are', what)
        WHEN what <> 'close' AND btrim(said) = '' THEN format('a note of kind %s needs its text', what)
        WHEN length(said) > 4000 THEN format('the text has %s characters; keep it to 4000', length(said))
        WHEN what = 'link' AND btrim(said) !~* '^https?://[^[:space:]]+$' THEN format('%L is no link; write one that begins with https://', said)
        WHEN what = 'close' AND is_closed THEN 'the episode is closed already'
        WHEN what = 'close' AND e.cleared_at IS NULL THEN 'the episode is still going on; close it when it is over'
        WHEN what = 'close' AND NOT 'cause' = ANY (kinds) THEN 'the episode has no cause yet; say what it was before closing it'
        WHEN what = 'close' AND NOT 'action' = ANY (kinds) THEN 'the episode has no action yet; say what was done before closing it'
        WHEN what = 'reopen' AND NOT is_closed THEN 'the episode is not closed'
        WHEN what IN ('cause', 'action', 'link') AND is_closed THEN format('the episode is closed; reopen it to say another %s', what)
    END;
END
$$;
REVOKE ALL ON FUNCTION api.note_mistake FROM PUBLIC;

CREATE FUNCTION api.note_episode_of(of_alarm int, of_start timestamptz, what text, said text, who text) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    mistake text;
    made bigint;
BEGIN
    -- One note of an alarm at a time, so that each sees those before it.
    PERFORM pg_advisory_xact_lock(hashtextextended('kawasan episode ' || of_alarm, 0));
    mistake := api.note_mistake(of_alarm, of_start, what, said);
    IF mistake IS NOT NULL THEN
        RAISE EXCEPTION '%', mistake USING ERRCODE = 'KW422';
    END IF;
    INSERT INTO episode_note (alarm_id, episode, said_of, kind, text, recorded_by)
    VALUES (of_alarm, of_start, of_start, what, btrim(said), who)
    RETURNING id INTO made;
    PERFORM pg_notify('kawasan_alarms', p.key) FROM park p JOIN alarm a ON a.park_id = p.id WHERE a.id = of_alarm;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.note_episode_of FROM PUBLIC;

CREATE FUNCTION api.note_episode(of_alarm int, of_start timestamptz, what text, said text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_alarm(of_alarm, what = 'comment');
    RETURN api.note_episode_of(of_alarm, of_start, what, said, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.note_episode FROM PUBLIC;

GRANT SELECT ON api.alarm, api.alarm_transition, api.episode, api.episode_note, api.judgement, api.notification, api.notification_attempt,
    api.alarm_rule, api.alarm_contact TO kawasan_api;
GRANT EXECUTE ON FUNCTION api.act_on_alarm, api.note_episode TO kawasan_api;
