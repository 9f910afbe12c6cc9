-- name: system_health
SELECT name, at, value, extract(epoch FROM now() - at)::float8 AS age_s FROM health ORDER BY name
