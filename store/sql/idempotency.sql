-- Requests that may be sent again without being done again.

-- name: claim_key
SELECT outcome, claim, status, headers, body
FROM claim_key(%(key)s, %(operation)s, %(print)s, %(claim_s)s, %(kept_s)s)

-- name: hold_claim
SELECT set_config('kawasan.claim', %(claim)s, false)

-- name: use_claim
SELECT use_claim()

-- name: use_claim_of_key
UPDATE idempotency SET done = true WHERE claim = %(claim)s

-- name: keep_answer
SELECT keep_answer(%(claim)s, %(status)s::smallint, %(headers)s, %(body)s)

-- name: free_claim
SELECT free_claim(%(claim)s)
