-- The audit log: what writes it beside the functions of `store`, what keeps it as it is, and who may read it.
-- A change is noted by the very transaction that makes it, whether it comes over the API or from a command.

CREATE OR REPLACE FUNCTION public.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'KW403';
END
$$;
CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON public.audit
    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change();

-- What a row is about, in words: a channel's, meter's or series' place, an alarm, or the key of what it is.
CREATE OR REPLACE FUNCTION public.audit_target(r jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(
        (SELECT concat_ws('/', p.key, t.key, m.key, c.quantity)
         FROM channel c JOIN meter m ON m.id = c.meter_id JOIN tenant t ON t.id = m.tenant_id JOIN park p ON p.id = m.park_id
         WHERE c.id = (r ->> 'channel_id')::int),
        (SELECT concat_ws('/', p.key, t.key, m.key, r ->> 'quantity')
         FROM meter m JOIN tenant t ON t.id = m.tenant_id JOIN park p ON p.id = m.park_id
         WHERE m.id = (r ->> 'meter_id')::int),
        (SELECT concat_ws('/', p.key, t.key, s.key)
         FROM context_series s JOIN park p ON p.id = s.park_id LEFT JOIN tenant t ON t.id = s.tenant_id
         WHERE s.id = (r ->> 'series_id')::int),
        (SELECT p.key || '/' || a.rule_key || ' of ' || a.target
         FROM alarm a JOIN park p ON p.id = a.park_id
         WHERE a.id = (r ->> 'alarm_id')::int),
        (SELECT concat_ws('/', p.key, t.key, r ->> 'kind', r ->> 'key')
         FROM park p LEFT JOIN tenant t ON t.id = (r ->> 'tenant_id')::int
         WHERE p.id = (r ->> 'park_id')::smallint),
        r ->> 'key', '')
$$;
REVOKE ALL ON FUNCTION public.audit_target FROM PUBLIC;

-- Who the transaction says is asking; else who the row says it was; else who runs the command.
CREATE OR REPLACE FUNCTION public.note_change(act text, target text, parks smallint[], said_by text, detail jsonb) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO audit (who, act, target, address, via, parks, detail)
    SELECT coalesce(nullif(current_setting('kawasan.user', true), ''), nullif(said_by, session_user),
                    nullif(current_setting('kawasan.actor', true), ''), session_user),
           act, target, coalesce(current_setting('kawasan.address', true), ''),
           coalesce(nullif(current_setting('kawasan.via', true), ''), current_setting('application_name')), parks, detail
$$;
REVOKE ALL ON FUNCTION public.note_change FROM PUBLIC;

-- One row per statement, with how many rows it changed and the first of them; what programs do by themselves is left out.
-- The first argument says what such a row is; `once`: one row per transaction, for what is entered by the thousand.
CREATE OR REPLACE FUNCTION public.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one jsonb;
    n bigint;
    concerned smallint[];
    mark text := TG_ARGV[0] || ' ' || TG_OP || ',';
    before text := coalesce(current_setting('kawasan.audited', true), '');
BEGIN
    IF TG_NARGS > 1 AND position(mark IN before) > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT count(*), (array_agg(k.r))[1],
               array_agg(DISTINCT coalesce((k.r ->> 'park_id')::smallint, a.park_id, s.park_id))
        INTO n, one, concerned
        FROM (SELECT to_jsonb(f) - ARRAY['document', 'body'] AS r FROM fresh f) k
        LEFT JOIN alarm a ON a.id = (k.r ->> 'alarm_id')::int
        LEFT JOIN context_series s ON s.id = (k.r ->> 'series_id')::int
        WHERE k.r ->> 'actor' IS DISTINCT FROM 'engine';
    ELSE
        SELECT count(*), (array_agg(k.r))[1], array_agg(DISTINCT coalesce((k.r ->> 'park_id')::smallint, s.park_id))
        INTO n, one, concerned
        FROM (SELECT to_jsonb(f) - ARRAY['document', 'body', 'judged_at'] AS r FROM fresh f
              EXCEPT SELECT to_jsonb(t) - ARRAY['document', 'body', 'judged_at'] FROM stale t) k
        LEFT JOIN context_series s ON s.id = (k.r ->> 'series_id')::int;
    END IF;
    IF n = 0 THEN
        RETURN NULL;
    END IF;
    IF TG_NARGS > 1 THEN
        PERFORM set_config('kawasan.audited', before || mark, true);
    END IF;
    PERFORM note_change(
        TG_ARGV[0] || CASE WHEN TG_OP = 'INSERT' THEN ' entered' WHEN one ? 'superseded_at' THEN ' superseded' ELSE ' changed' END,
        audit_target(one), array_remove(concerned, NULL),
        coalesce(one ->> 'actor', one ->> 'superseded_by', one ->> 'recorded_by', one ->> 'closed_by'),
        CASE WHEN TG_NARGS > 1 THEN jsonb_build_object('first', one) ELSE jsonb_build_object('rows', n, 'first', one) END);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.audit_change FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.audit_park() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM note_change(CASE WHEN TG_OP = 'INSERT' THEN 'park entered' ELSE 'park changed' END, NEW.key, ARRAY[NEW.id], NULL,
                        to_jsonb(NEW) - ARRAY['document', 'ticked_to']);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.audit_park FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_new AFTER INSERT ON public.park FOR EACH ROW EXECUTE FUNCTION public.audit_park();
CREATE OR REPLACE TRIGGER audit_changed AFTER UPDATE OF name, timezone, base_s, lateness_s, version ON public.park
    FOR EACH ROW WHEN ((OLD.name, OLD.timezone, OLD.base_s, OLD.lateness_s, OLD.version)
                       IS DISTINCT FROM (NEW.name, NEW.timezone, NEW.base_s, NEW.lateness_s, NEW.version))
    EXECUTE FUNCTION public.audit_park();

-- Versions of most things are only added and superseded, so that an update is a change too; what the engine does is its own journal.
DO $$
DECLARE
    of_table text;
    word text;
    once text;
    updates boolean;
BEGIN
    FOR of_table, word, once, updates IN VALUES
        ('tenant', 'tenant', '', true), ('meter', 'meter', '', true), ('channel', 'channel', '', true), ('device', 'device', '', true),
        ('multiplier', 'multiplier', '', true), ('exchange', 'exchange', '', true), ('wire_unit', 'unit', '', true),
        ('outage', 'outage', '', true), ('compliance_rule', 'compliance rule', '', true), ('reference', 'reference', '', true),
        ('context_value', 'value', ', ''once''', true), ('correction', 'correction', '', true),
        ('closed_period', 'closed period', '', false), ('alarm_rule', 'alarm rule', '', true),
        ('alarm_contact', 'alarm contact', '', true), ('alarm_transition', 'act on an alarm', '', false),
        ('episode_note', 'note on an episode', '', false)
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER audit_new AFTER INSERT ON public.%I REFERENCING NEW TABLE AS fresh '
                       'FOR EACH STATEMENT EXECUTE FUNCTION public.audit_change(%L%s)', of_table, word, once);
        IF updates THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER audit_changed AFTER UPDATE ON public.%I '
                           'REFERENCING OLD TABLE AS stale NEW TABLE AS fresh '
                           'FOR EACH STATEMENT EXECUTE FUNCTION public.audit_change(%L%s)', of_table, word, once);
        END IF;
    END LOOP;
END
$$;

-- Admins see all of it; auditors what is of granted parks only, and, where these are all there are, the rest too.
CREATE VIEW api.audit WITH (security_barrier) AS
SELECT a.id, a.at, a.who, a.act, a.target, a.outcome, a.address, a.via, a.detail,
       ARRAY(SELECT p.key FROM public.park p WHERE p.id = ANY (a.parks) ORDER BY p.key) AS parks
FROM public.audit a
WHERE EXISTS (SELECT FROM api.asker k WHERE k.role = 'admin')
   OR (EXISTS (SELECT FROM api.asker k WHERE k.role = 'auditor')
       AND a.parks <@ ARRAY(SELECT w.id FROM api.whole_park w)
       AND (a.parks <> '{}' OR NOT EXISTS (SELECT FROM public.park p WHERE p.id NOT IN (SELECT w.id FROM api.whole_park w))));

GRANT SELECT ON api.audit TO kawasan_api;
