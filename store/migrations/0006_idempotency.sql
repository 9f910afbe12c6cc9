-- Requests that may be sent again without being done again: whose key it was, what it was sent with, and what it was answered.
CREATE TABLE idempotency (
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    key         text NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    operation   text NOT NULL,                   -- method and path
    print       bytea NOT NULL,                  -- sha256 of all that makes it the same request, its body among it
    claim       uuid NOT NULL UNIQUE,            -- of the request that is at work on it; another that takes over has another
    claimed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    done        boolean NOT NULL DEFAULT false,  -- set by the very transaction that does it
    grants      text,                            -- what the user was granted when it was answered
    status      smallint,                        -- null: the answer is not kept
    headers     jsonb,
    body        bytea,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, key),
    CHECK (done OR status IS NULL),
    CHECK ((status IS NULL) = (body IS NULL) AND (status IS NULL) = (headers IS NULL) AND (status IS NULL) = (grants IS NULL))
);
CREATE INDEX idempotency_by_time ON idempotency (expires_at);
