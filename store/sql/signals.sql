-- name: numbers_notify
SELECT pg_notify('kawasan_numbers', %(park)s)

-- name: signals_beat
SELECT 1
