-- What the checks found, for whoever may see the channel.
CREATE VIEW api.finding WITH (security_barrier) AS
SELECT f.channel_id, f.rule, f.day, f.start, f.stop, f.value, f.bound, f.computed_at
FROM public.finding f
WHERE f.channel_id IN (SELECT c.id FROM api.channel c);

GRANT SELECT ON api.finding TO kawasan_api;
