-- Whoever keeps what was read is told by the very transaction that changes it, whichever way the change comes: no path can forget it.
-- Readings (`kawasan_spans`), numbers (`kawasan_numbers`) and alarms (`kawasan_alarms`) are told of by their one writer.
CREATE OR REPLACE FUNCTION public.tell_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.tell_change FROM PUBLIC;

DO $$
DECLARE
    of_table text;
    columns text;
    signal text;
BEGIN
    FOR signal, of_table, columns IN VALUES
        ('kawasan_identity', 'app_user', ''), ('kawasan_identity', 'user_park', ''), ('kawasan_identity', 'user_tenant', ''),
        ('kawasan_identity', 'user_energy', ''), ('kawasan_identity', 'password', ''),
        -- That a login was used is written each minute, and changes nothing of what it may do.
        ('kawasan_identity', 'token', ' OF hash, user_id, label, scopes, expires_at'),
        ('kawasan_identity', 'session', ' OF hash, user_id, token_hash, ends_at'),
        ('kawasan_inputs', 'park', ''), ('kawasan_inputs', 'tenant', ''), ('kawasan_inputs', 'meter', ''), ('kawasan_inputs', 'channel', ''),
        ('kawasan_inputs', 'device', ''), ('kawasan_inputs', 'multiplier', ''), ('kawasan_inputs', 'exchange', ''),
        ('kawasan_inputs', 'wire_unit', ''), ('kawasan_inputs', 'outage', ''), ('kawasan_inputs', 'compliance_rule', ''),
        ('kawasan_inputs', 'reference', ''), ('kawasan_inputs', 'context_series', ''), ('kawasan_inputs', 'context_value', ''),
        ('kawasan_inputs', 'correction', ''), ('kawasan_inputs', 'closed_period', ''), ('kawasan_inputs', 'adjustment', ''),
        ('kawasan_inputs', 'alarm_rule', ''), ('kawasan_inputs', 'alarm_contact', '')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER tell_change AFTER INSERT OR DELETE OR UPDATE%s ON public.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION public.tell_change(%L)', columns, of_table, signal);
        EXECUTE format('CREATE OR REPLACE TRIGGER tell_emptied AFTER TRUNCATE ON public.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION public.tell_change(%L)', of_table, signal);
    END LOOP;
END
$$;
