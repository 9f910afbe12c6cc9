-- Alarm rules that people enter beside those of the park file: each change is a version, with who and when; what it ended says so too.

-- A tick that makes nothing final: the engine looks at rules that it has not judged by yet. Before the first tick there is nothing to do.
CREATE FUNCTION api.wake_engine(of_park smallint) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO span_queue (park_id, channel_id, from_ts, to_ts)
    SELECT p.id, NULL, p.ticked_to, p.ticked_to FROM park p WHERE p.id = of_park AND p.ticked_to IS NOT NULL;
    SELECT pg_notify('kawasan_spans', '');
$$;
REVOKE ALL ON FUNCTION api.wake_engine FROM PUBLIC;

-- The version of a rule that was written last, if it was neither ended nor is over.
CREATE FUNCTION api.newest_alarm_rule(of_park smallint, of_key text) RETURNS alarm_rule
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT r.*
    FROM alarm_rule r
    WHERE r.park_id = of_park AND r.key = of_key AND r.superseded_at IS NULL AND (r.valid_to IS NULL OR r.valid_to > clock_timestamp())
    ORDER BY r.version DESC
    LIMIT 1
$$;
REVOKE ALL ON FUNCTION api.newest_alarm_rule FROM PUBLIC;

-- One change of the registry at a time, a park file's among them. The park's row is held before any rule is changed: whoever holds it
-- in share sees either none of the change, or all of it.
CREATE FUNCTION api.hold_alarm_rules(of_park smallint) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('kawasan park', 0));
    SELECT 1 FROM park WHERE id = of_park FOR NO KEY UPDATE;
$$;
REVOKE ALL ON FUNCTION api.hold_alarm_rules FROM PUBLIC;

CREATE FUNCTION api.alarm_rules_changed(of_park smallint) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT api.life_changed(of_park);
    SELECT api.wake_engine(of_park);
$$;
REVOKE ALL ON FUNCTION api.alarm_rules_changed FROM PUBLIC;

-- Nothing of a rule holds from a moment on.
CREATE FUNCTION api.cut_alarm_rule(of_park smallint, of_key text, at_time timestamptz, moment timestamptz, why text, who text) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    UPDATE alarm_rule
    SET valid_to = greatest(at_time, valid_from), judged_at = NULL, superseded_at = coalesce(superseded_at, moment),
        superseded_by = coalesce(superseded_by, who), superseded_why = coalesce(superseded_why, why)
    WHERE park_id = of_park AND key = of_key AND coalesce(valid_to, timestamptz 'infinity') > at_time
$$;
REVOKE ALL ON FUNCTION api.cut_alarm_rule FROM PUBLIC;

CREATE FUNCTION api.add_alarm_rule(of_park smallint, of_key text, written jsonb, first timestamptz, last timestamptz, said text,
                                   moment timestamptz, who text)
RETURNS int LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    made int;
BEGIN
    IF last <= first THEN
        RAISE EXCEPTION 'alarm rule % would end at %, before it begins at %; let it end later', of_key, last, first USING ERRCODE = 'KW422';
    END IF;
    INSERT INTO alarm_rule (park_id, key, version, document, origin, note, valid_from, valid_to, written_to, recorded_at, recorded_by)
    SELECT of_park, of_key, coalesce(max(r.version), 0) + 1, written, 'entry', btrim(said), first, last, last, moment, who
    FROM alarm_rule r
    WHERE r.park_id = of_park AND r.key = of_key
    RETURNING version INTO made;
    PERFORM api.alarm_rules_changed(of_park);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION api.add_alarm_rule FROM PUBLIC;

-- Who enters is given, not asked: only the owner of the schema, and the functions below, can call these. They answer the version.
CREATE FUNCTION api.create_alarm_rule_of(of_park smallint, of_key text, written jsonb, first timestamptz, last timestamptz, said text, who text)
RETURNS int LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz;
    stands alarm_rule;
    held timestamptz;
BEGIN
    PERFORM api.hold_alarm_rules(of_park);
    moment := clock_timestamp();
    stands := api.newest_alarm_rule(of_park, of_key);
    IF stands.origin = 'file' THEN
        RAISE EXCEPTION 'alarm rule % is in the park file already; change it there, and apply the file', of_key USING ERRCODE = 'KW422';
    ELSIF stands.id IS NOT NULL THEN
        RAISE EXCEPTION 'alarm rule % is entered already, as version %; replace that, or take another key', of_key, stands.version
            USING ERRCODE = 'KW422';
    END IF;
    SELECT max(r.valid_to) INTO held FROM alarm_rule r WHERE r.park_id = of_park AND r.key = of_key;
    IF coalesce(first, moment) < held THEN
        RAISE EXCEPTION 'alarm rule % held until % before; let it begin then, or later', of_key, held USING ERRCODE = 'KW422';
    END IF;
    RETURN api.add_alarm_rule(of_park, of_key, written, coalesce(first, moment), last, said, moment, who);
END
$$;
REVOKE ALL ON FUNCTION api.create_alarm_rule_of FROM PUBLIC;

-- The rule that somebody has seen as it stands; null: it moved on since.
CREATE FUNCTION api.seen_alarm_rule(of_park smallint, of_key text, seen int) RETURNS alarm_rule
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    stands alarm_rule := api.newest_alarm_rule(of_park, of_key);
BEGIN
    IF stands.id IS NULL THEN
        RAISE EXCEPTION 'there is no alarm rule % in force; it may have been ended', of_key USING ERRCODE = 'KW422';
    ELSIF stands.origin = 'file' THEN
        RAISE EXCEPTION 'alarm rule % is the park file''s; change it there, and apply the file', of_key USING ERRCODE = 'KW422';
    ELSIF stands.version <> seen THEN
        RETURN NULL;
    END IF;
    RETURN stands;
END
$$;
REVOKE ALL ON FUNCTION api.seen_alarm_rule FROM PUBLIC;

CREATE FUNCTION api.replace_alarm_rule_of(of_park smallint, of_key text, seen int, written jsonb, first timestamptz, last timestamptz,
                                          said text, who text)
RETURNS int LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz;
    stands alarm_rule;
    begins timestamptz;
BEGIN
    PERFORM api.hold_alarm_rules(of_park);
    moment := clock_timestamp();
    stands := api.seen_alarm_rule(of_park, of_key, seen);
    IF stands.id IS NULL THEN
        RETURN NULL;
    END IF;
    -- What was judged by the version before stands.
    begins := greatest(first, moment);
    PERFORM api.cut_alarm_rule(of_park, of_key, begins, moment, coalesce(nullif(btrim(said), ''), 'replaced'), who);
    RETURN api.add_alarm_rule(of_park, of_key, written, begins, last, said, moment, who);
END
$$;
REVOKE ALL ON FUNCTION api.replace_alarm_rule_of FROM PUBLIC;

CREATE FUNCTION api.end_alarm_rule_of(of_park smallint, of_key text, seen int, why text, who text)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz;
    stands alarm_rule;
BEGIN
    IF btrim(coalesce(why, '')) = '' THEN
        RAISE EXCEPTION 'ending an alarm rule needs a reason; say why' USING ERRCODE = 'KW422';
    END IF;
    PERFORM api.hold_alarm_rules(of_park);
    moment := clock_timestamp();
    stands := api.seen_alarm_rule(of_park, of_key, seen);
    IF stands.id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM api.cut_alarm_rule(of_park, of_key, moment, moment, btrim(why), who);
    PERFORM api.alarm_rules_changed(of_park);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION api.end_alarm_rule_of FROM PUBLIC;

CREATE FUNCTION api.need_rule_changer(of_park smallint) RETURNS void LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM api.whole_park w WHERE w.id = of_park AND w.role IN ('operator', 'admin')) THEN
        RAISE EXCEPTION 'only the operator of a park changes its alarm rules' USING ERRCODE = 'KW403';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.need_rule_changer FROM PUBLIC;

CREATE FUNCTION api.create_alarm_rule(of_park smallint, of_key text, written jsonb, first timestamptz, last timestamptz, said text)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_rule_changer(of_park);
    RETURN api.create_alarm_rule_of(of_park, of_key, written, first, last, said, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.create_alarm_rule FROM PUBLIC;

CREATE FUNCTION api.replace_alarm_rule(of_park smallint, of_key text, seen int, written jsonb, first timestamptz, last timestamptz, said text)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_rule_changer(of_park);
    RETURN api.replace_alarm_rule_of(of_park, of_key, seen, written, first, last, said, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.replace_alarm_rule FROM PUBLIC;

CREATE FUNCTION api.end_alarm_rule(of_park smallint, of_key text, seen int, why text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM api.need_rule_changer(of_park);
    RETURN api.end_alarm_rule_of(of_park, of_key, seen, why, current_setting('kawasan.user', true));
END
$$;
REVOKE ALL ON FUNCTION api.end_alarm_rule FROM PUBLIC;

GRANT EXECUTE ON FUNCTION api.create_alarm_rule, api.replace_alarm_rule, api.end_alarm_rule TO kawasan_api;
