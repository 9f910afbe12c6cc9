-- Who somebody is: passwords, sessions, tokens with scopes, how often a login was tried; and the audit log.
-- Secrets are never stored: of a password its argon2id hash, of a token or a session the SHA-256.

ALTER TABLE app_user DROP CONSTRAINT app_user_role_check;
ALTER TABLE app_user ADD CONSTRAINT app_user_role_check CHECK (role IN ('operator', 'tenant', 'officer', 'auditor', 'admin'));

CREATE TABLE password (
    user_id     int PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
    hash        text NOT NULL,                   -- argon2id, with its salt and costs
    one_time    boolean NOT NULL,                -- opens nothing but the form by which it is changed
    expires_at  timestamptz,                     -- of a one-time password
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (one_time = (expires_at IS NOT NULL))
);

ALTER TABLE token ADD COLUMN id int GENERATED ALWAYS AS IDENTITY UNIQUE,
                  ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,alarms,write}'
                      CHECK (scopes <@ ARRAY['read', 'alarms', 'write'] AND scopes <> '{}'),
                  ADD COLUMN last_used_at timestamptz;

-- A login of the pages. It ends when it was not used for a while (`expires_at` slides), and in any case at `ends_at`.
CREATE TABLE session (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE,           -- sha256 of what the cookie holds
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    token_hash  bytea,                           -- the token it was opened with, and ends with; null: opened with the password
    address     text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL
);
CREATE INDEX session_by_user ON session (user_id);

-- How often a login was tried since the first of a window; by name, by address, and by both, so that server processes share it.
CREATE TABLE login_try (
    key         bytea PRIMARY KEY,               -- sha256 of what is counted
    since       timestamptz NOT NULL,
    tries       int NOT NULL
);
CREATE INDEX login_try_by_time ON login_try (since);

-- Who did what, when and from where. Only ever added to.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    who         text NOT NULL,                   -- a user's name, or `cli:` and the account that ran a command
    act         text NOT NULL,
    target      text NOT NULL DEFAULT '',
    outcome     text NOT NULL DEFAULT 'done' CHECK (outcome IN ('done', 'refused')),
    address     text NOT NULL DEFAULT '',        -- of the client; empty: on the machine itself
    via         text NOT NULL DEFAULT '',        -- page, api, or the name of the command
    parks       smallint[] NOT NULL DEFAULT '{}', -- which parks it is about; none: of the installation
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_who ON audit (who, id);
