-- Registry, readings, ledger, rejections, the queue of the engine, and the numbers it makes.
-- Runs on TimescaleDB and on plain PostgreSQL 15 or newer; hypertables are made by store/views/10_hypertables.sql where the extension is there.

CREATE TABLE park (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text NOT NULL UNIQUE,
    name        text NOT NULL,
    timezone    text NOT NULL,
    base_s      int  NOT NULL CHECK (base_s IN (300, 900, 1800, 3600)),
    lateness_s  int  NOT NULL CHECK (lateness_s >= 0),
    version     int  NOT NULL DEFAULT 1,
    ticked_to   timestamptz,
    document    text NOT NULL DEFAULT ''   -- the park file as it was last applied
);

CREATE TABLE tenant (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id     smallint NOT NULL REFERENCES park,
    key         text NOT NULL,
    name        text NOT NULL,
    sector      text,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz,
    UNIQUE (park_id, key)
);

CREATE TABLE meter (
    id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id        smallint NOT NULL REFERENCES park,
    tenant_id      int NOT NULL REFERENCES tenant,
    key            text NOT NULL,
    name           text NOT NULL,
    role           text NOT NULL,
    parent_id      int REFERENCES meter,
    demand_block_s int NOT NULL,
    error_share    float8 NOT NULL,
    valid_from     timestamptz NOT NULL,
    valid_to       timestamptz,
    UNIQUE (tenant_id, key)
);

CREATE TABLE channel (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id     smallint NOT NULL REFERENCES park,
    meter_id    int NOT NULL REFERENCES meter,
    quantity    text NOT NULL,
    kind        text NOT NULL,
    unit        text NOT NULL,
    interval_s  int NOT NULL CHECK (interval_s > 0),
    stamp       text NOT NULL,
    statistic   text NOT NULL,
    resolution  float8 NOT NULL CHECK (resolution >= 0),
    modulus     float8,
    max_rate    float8,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz,
    input_concentration int REFERENCES channel,
    input_flow          int REFERENCES channel,
    wire_unit   text,                           -- unit the source publishes in; null: the canonical one
    UNIQUE (meter_id, quantity)
);

-- Dated facts of a channel. A correction supersedes a row, it never changes one.
CREATE TABLE device (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    meter_id      int NOT NULL REFERENCES meter,
    serial        text NOT NULL,
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz
);

CREATE TABLE multiplier (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    channel_id    int NOT NULL REFERENCES channel,
    valid_from    timestamptz NOT NULL,
    factor        float8 NOT NULL CHECK (factor > 0),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz
);
CREATE UNIQUE INDEX multiplier_in_force ON multiplier (channel_id, valid_from) WHERE superseded_at IS NULL;

CREATE TABLE exchange (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    channel_id    int NOT NULL REFERENCES channel,
    at            timestamptz NOT NULL,
    closing       float8 NOT NULL,
    opening       float8 NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz
);
CREATE UNIQUE INDEX exchange_in_force ON exchange (channel_id, at) WHERE superseded_at IS NULL;

CREATE TABLE compliance_rule (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    channel_id    int NOT NULL REFERENCES channel,
    key           text NOT NULL,
    statistic     text NOT NULL,
    time_window   text NOT NULL,
    least_valid   float8 NOT NULL CHECK (least_valid BETWEEN 0 AND 1),
    lowest        float8,
    highest       float8,
    legal_basis   text NOT NULL,
    confirmed     boolean NOT NULL,
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz,
    CHECK (lowest IS NOT NULL OR highest IS NOT NULL)
);
CREATE UNIQUE INDEX compliance_rule_in_force ON compliance_rule (park_id, key, valid_from) WHERE superseded_at IS NULL;

-- Readings: what the devices said, never updated.
CREATE TABLE reading (
    channel_id  int NOT NULL,
    ts          timestamptz NOT NULL,
    value       float8 NOT NULL,
    quality     int NOT NULL,
    received_at timestamptz NOT NULL,
    batch_id    bigint NOT NULL,
    PRIMARY KEY (channel_id, ts)
);

-- Every distinct value (with its quality) that claims a key with a conflict, the stored one included.
CREATE TABLE reading_conflict (
    channel_id  int NOT NULL,
    ts          timestamptz NOT NULL,
    value       float8 NOT NULL,
    quality     int NOT NULL,
    received_at timestamptz NOT NULL,
    batch_id    bigint NOT NULL,
    PRIMARY KEY (channel_id, ts, value, quality)
);

CREATE TABLE latest (
    channel_id  int PRIMARY KEY,
    ts          timestamptz NOT NULL,
    value       float8 NOT NULL,
    quality     int NOT NULL,
    received_at timestamptz NOT NULL
) WITH (fillfactor = 70);                       -- both are updated all the time: room for HOT updates

-- Which UTC days of a channel hold readings, so that a neighbour is found without searching chunks.
CREATE TABLE channel_day (
    channel_id int NOT NULL,
    day        date NOT NULL,
    first_ts   timestamptz NOT NULL,
    last_ts    timestamptz NOT NULL,
    n          int NOT NULL,
    PRIMARY KEY (channel_id, day)
) WITH (fillfactor = 70);

-- The ledger counts values: received = stored + duplicate + conflict + rejected, in the same transaction as the rows.
CREATE TABLE batch (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_at  timestamptz NOT NULL DEFAULT now(),
    messages    int NOT NULL
);

-- One line per source and hour, counted up: a line per batch would be millions a day.
CREATE TABLE ledger (
    source      text NOT NULL,
    hour        timestamptz NOT NULL,
    messages    bigint NOT NULL,
    stored      bigint NOT NULL,
    duplicate   bigint NOT NULL,
    conflict    bigint NOT NULL,
    rejected    bigint NOT NULL,
    PRIMARY KEY (hour, source)
) WITH (fillfactor = 50);

CREATE TABLE ledger_rejected (
    source      text NOT NULL,
    hour        timestamptz NOT NULL,
    reason      text NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (hour, source, reason)
) WITH (fillfactor = 50);

-- A rejected message is kept once and whole; what was rejected in it refers to it by place.
CREATE TABLE rejected_message (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE,          -- sha256 of topic, NUL, payload
    topic       bytea NOT NULL,
    payload     bytea NOT NULL,
    source      text NOT NULL,
    first_at    timestamptz NOT NULL
);

CREATE TABLE rejection (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  bigint NOT NULL REFERENCES rejected_message ON DELETE CASCADE,
    park_id     smallint,                       -- of the topic, where it names a park that is known
    place       text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    count       bigint NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    resolved_at timestamptz,                    -- ingested again after the mapping was mended
    UNIQUE (message_id, place, reason)
);
CREATE INDEX rejection_by_last ON rejection (last_at DESC, id DESC);

CREATE TABLE rejection_quota (
    source      text NOT NULL,
    hour        timestamptz NOT NULL,
    kept        int NOT NULL,
    PRIMARY KEY (source, hour)
);

-- The engine's work: append-only for everybody, taken by DELETE ... RETURNING. No channel: a tick of the whole park.
CREATE TABLE span_queue (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id     smallint NOT NULL,
    channel_id  int,
    from_ts     timestamptz NOT NULL,
    to_ts       timestamptz NOT NULL,
    queued_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX span_queue_by_park ON span_queue (park_id, to_ts);

CREATE TABLE engine_fault (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id     smallint NOT NULL,
    channel_id  int,
    from_ts     timestamptz NOT NULL,
    to_ts       timestamptz NOT NULL,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    error       text NOT NULL,
    resolved_at timestamptz
);

-- What each channel did in each interval. Levels: 0 base, 1 hour, 2 day.
CREATE TABLE amount (
    channel_id  int NOT NULL,
    level       smallint NOT NULL,
    start       timestamptz NOT NULL,
    amount      float8,
    mean        float8,
    low         float8,
    high        float8,
    last        float8,
    peak        float8,
    peak_at     timestamptz,
    measured_s  float8 NOT NULL,
    estimated   float8 NOT NULL,
    inner_gap_s float8 NOT NULL,
    gap_s       float8 NOT NULL,
    gap_stop    timestamptz,
    slots       int NOT NULL,
    flags       int NOT NULL,
    revision    int NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (channel_id, level, start)
);

CREATE TABLE kpi (
    park_id          smallint NOT NULL,
    subject_kind     smallint NOT NULL,
    subject_id       int NOT NULL,
    kpi              text NOT NULL,
    level            smallint NOT NULL,
    start            timestamptz NOT NULL,
    terms            float8[] NOT NULL,
    measured         float8,
    value            float8,
    estimate         float8,
    error            float8,
    profile_coverage float8,
    total_coverage   float8,
    estimated_share  float8,
    peak_at          timestamptz,
    reason           smallint NOT NULL,
    flags            int NOT NULL,
    formula_version  smallint NOT NULL,
    registry_version int NOT NULL,
    revision         int NOT NULL,
    computed_at      timestamptz NOT NULL,
    PRIMARY KEY (subject_kind, subject_id, kpi, level, start)
);
CREATE INDEX kpi_by_park ON kpi (park_id, level, start);

-- Who may ask for what.
CREATE TABLE app_user (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    role        text NOT NULL CHECK (role IN ('operator', 'tenant', 'officer', 'admin')),
    disabled_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_park (
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    park_id     smallint NOT NULL REFERENCES park,
    PRIMARY KEY (user_id, park_id)
);

CREATE TABLE user_tenant (
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    tenant_id   int NOT NULL REFERENCES tenant,
    PRIMARY KEY (user_id, tenant_id)
);

CREATE TABLE token (
    hash        bytea PRIMARY KEY,              -- sha256 of the token
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    label       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    UNIQUE (user_id, label)
);
