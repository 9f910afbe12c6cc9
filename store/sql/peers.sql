-- name: peer_rank
SELECT percentile, peers, reason
FROM peer_rank(%(tenant_id)s, %(kpi)s, %(level)s::smallint, %(start)s)
