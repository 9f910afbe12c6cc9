-- Who may do what: exactly this, and nothing left over from an earlier version.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM kawasan_write, kawasan_api, kawasan_auth;
GRANT USAGE ON SCHEMA public TO kawasan_write, kawasan_auth;
GRANT SELECT ON applied_file TO kawasan_write, kawasan_auth;

-- Ingest and engine. Readings and conflicts are only ever added to, the ledger is counted up; users and tokens are out of reach.
GRANT SELECT ON park, tenant, meter, channel, device, multiplier, exchange, compliance_rule, wire_unit, outage, correction, reference,
    context_series, context_value, closed_period, closed_kpi, closed_amount, alarm_rule, alarm_contact, episode_note TO kawasan_write;
GRANT UPDATE (ticked_to) ON park TO kawasan_write;
GRANT SELECT, INSERT ON reading, reading_conflict, batch, rejected_message TO kawasan_write;
GRANT SELECT, INSERT, UPDATE ON latest, channel_day, ledger, ledger_rejected, rejection, rejection_quota, engine_fault TO kawasan_write;
GRANT SELECT, INSERT, DELETE ON span_queue TO kawasan_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON amount, kpi, finding TO kawasan_write;
GRANT SELECT, INSERT ON adjustment TO kawasan_write;
GRANT SELECT, INSERT, UPDATE ON engine_cycle TO kawasan_write;

-- Alarms. The journal, and what was tried to tell people, are only ever added to; of notes only the episode they belong to changes;
-- of a notification what became of it, not what it says.
GRANT SELECT, INSERT, UPDATE ON alarm TO kawasan_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON episode, judgement TO kawasan_write;
GRANT SELECT, INSERT ON alarm_transition, notification, notification_attempt, health_sample TO kawasan_write;
GRANT UPDATE (judged_at) ON alarm_rule TO kawasan_write;
GRANT UPDATE (episode) ON episode_note TO kawasan_write;
GRANT UPDATE (state, attempts, next_at, leased_until, sent_at) ON notification TO kawasan_write;

-- Users and their tokens, and the names of what they can be granted.
GRANT SELECT, INSERT, UPDATE, DELETE ON app_user, user_park, user_tenant, user_energy, token, password, session, login_try TO kawasan_auth;
GRANT INSERT ON audit TO kawasan_auth;
GRANT SELECT (id, key) ON park TO kawasan_auth;
GRANT SELECT (id, park_id, key) ON tenant TO kawasan_auth;

-- The API reads views, and no table.
GRANT USAGE ON SCHEMA api TO kawasan_api;
GRANT SELECT ON api.park, api.tenant, api.meter, api.channel, api.device, api.multiplier, api.exchange, api.wire_unit, api.outage,
    api.compliance_rule,
    api.reading, api.reading_conflict, api.latest, api.amount, api.kpi, api.ledger, api.ledger_rejected,
    api.rejection, api.rejected_message, api.applied_file
    TO kawasan_api;
