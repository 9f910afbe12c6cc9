-- Requests that may be sent again. A key is a user's own: nobody sees, takes or frees another's.

-- What the asking user is granted, so that an answer is not shown again to one who may see less by now.
CREATE FUNCTION api.grants_of_asker() RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT md5(concat_ws('|', a.role,
        'parks', (SELECT string_agg(g.park_id::text, ',' ORDER BY g.park_id) FROM user_park g WHERE g.user_id = a.id),
        'tenants', (SELECT string_agg(g.tenant_id::text, ',' ORDER BY g.tenant_id) FROM user_tenant g WHERE g.user_id = a.id),
        'energy', (SELECT string_agg(g.tenant_id::text, ',' ORDER BY g.tenant_id) FROM user_energy g WHERE g.user_id = a.id)))
    FROM api.asker a
$$;
REVOKE ALL ON FUNCTION api.grants_of_asker FROM PUBLIC;

-- Take a key for a request. Outcomes: `claimed` (go on), `busy` (another is at work), `other` (it was of another request), `lost` (it
-- was done, and its answer is not kept), `changed` (it was done, and the user is granted something else by now), `kept` (this was the
-- answer). One whose request died is taken over after `claim_s`; that one can then not do anything any more.
CREATE FUNCTION api.claim_key(of_key text, of_operation text, of_print bytea, claim_s float8, kept_s float8,
                              OUT outcome text, OUT claim uuid, OUT status smallint, OUT headers jsonb, OUT body bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me int := (SELECT a.id FROM api.asker a);
    fresh uuid := gen_random_uuid();
    ends timestamptz := clock_timestamp() + make_interval(secs => kept_s);
    stands idempotency;
BEGIN
    IF me IS NULL THEN
        RAISE EXCEPTION 'nobody asks' USING ERRCODE = 'KW403';
    END IF;
    DELETE FROM idempotency i
    USING (SELECT k.user_id, k.key FROM idempotency k WHERE k.expires_at < clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED) o
    WHERE i.user_id = o.user_id AND i.key = o.key;
    INSERT INTO idempotency (user_id, key, operation, print, claim, expires_at)
    VALUES (me, of_key, of_operation, of_print, fresh, ends)
    ON CONFLICT (user_id, key) DO NOTHING;
    IF FOUND THEN
        outcome := 'claimed';
        claim := fresh;
        RETURN;
    END IF;
    -- Whoever holds it is at work.
    SELECT * INTO stands FROM idempotency i WHERE i.user_id = me AND i.key = of_key FOR UPDATE SKIP LOCKED;
    IF stands.key IS NULL THEN
        outcome := 'busy';
    ELSIF (stands.operation, stands.print) IS DISTINCT FROM (of_operation, of_print) THEN
        outcome := 'other';
    ELSIF NOT stands.done AND stands.claimed_at > clock_timestamp() - make_interval(secs => claim_s) THEN
        outcome := 'busy';
    ELSIF NOT stands.done THEN
        UPDATE idempotency i SET claim = fresh, claimed_at = clock_timestamp(), expires_at = ends WHERE i.user_id = me AND i.key = of_key;
        outcome := 'claimed';
        claim := fresh;
    ELSIF stands.status IS NULL THEN
        outcome := 'lost';
    ELSIF stands.grants IS DISTINCT FROM api.grants_of_asker() THEN
        outcome := 'changed';
    ELSE
        outcome := 'kept';
        status := stands.status;
        headers := stands.headers;
        body := stands.body;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.claim_key FROM PUBLIC;

-- The transaction that calls this does what the claim is for: both are committed, or neither. A setting of the connection says which.
CREATE FUNCTION api.use_claim() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held uuid := nullif(current_setting('kawasan.claim', true), '')::uuid;
BEGIN
    IF held IS NULL THEN
        RETURN;
    END IF;
    UPDATE idempotency i SET done = true WHERE i.user_id = (SELECT a.id FROM api.asker a) AND i.claim = held;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this took so long that the same request was taken up again; nothing was changed by this one' USING ERRCODE = 'KW409';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION api.use_claim FROM PUBLIC;

CREATE FUNCTION api.keep_answer(held uuid, of_status smallint, of_headers jsonb, of_body bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE idempotency i
    SET done = true, status = of_status, headers = of_headers, body = of_body, grants = api.grants_of_asker()
    WHERE i.user_id = (SELECT a.id FROM api.asker a) AND i.claim = held
$$;
REVOKE ALL ON FUNCTION api.keep_answer FROM PUBLIC;

-- What was not done may be tried again at once, with the same key.
CREATE FUNCTION api.free_claim(held uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM idempotency i WHERE i.user_id = (SELECT a.id FROM api.asker a) AND i.claim = held AND NOT i.done
$$;
REVOKE ALL ON FUNCTION api.free_claim FROM PUBLIC;

GRANT EXECUTE ON FUNCTION api.claim_key, api.use_claim, api.keep_answer, api.free_claim TO kawasan_api;
-- Keys for programs are made by this role.
GRANT SELECT (claim), UPDATE (done) ON public.idempotency TO kawasan_auth;
