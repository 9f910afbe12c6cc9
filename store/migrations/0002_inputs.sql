-- Everything that numbers are made of beside readings, each with who and when: meter life, corrections, references,
-- entered series; and what the engine finds in readings, closed periods, and what became of them later.
-- Inputs are bitemporal: `valid_from`/`valid_to` say when in the world, `recorded_at`/`superseded_at` when it was known.
-- A row is superseded, never changed.

-- Meter life. Facts of a park file stand beside those that people enter; applying a file leaves the entered ones alone.
ALTER TABLE device ADD COLUMN origin text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'entry')),
                   ADD COLUMN note text NOT NULL DEFAULT '',
                   ADD COLUMN superseded_by text,
                   ADD COLUMN superseded_why text;
ALTER TABLE multiplier ADD COLUMN origin text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'entry')),
                       ADD COLUMN note text NOT NULL DEFAULT '',
                       ADD COLUMN superseded_by text,
                       ADD COLUMN superseded_why text;
-- What of the register is different from the exchange on; null: as before it.
ALTER TABLE exchange ADD COLUMN origin text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'entry')),
                     ADD COLUMN note text NOT NULL DEFAULT '',
                     ADD COLUMN superseded_by text,
                     ADD COLUMN superseded_why text,
                     ADD COLUMN modulus float8 CHECK (modulus > 0),
                     ADD COLUMN resolution float8 CHECK (resolution >= 0),
                     ADD COLUMN max_rate float8 CHECK (max_rate > 0);

-- The unit in which a source publishes, from a moment on; before the first, the channel's `wire_unit` holds.
CREATE TABLE wire_unit (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    channel_id    int NOT NULL REFERENCES channel,
    valid_from    timestamptz NOT NULL,
    unit          text NOT NULL,
    origin        text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'entry')),
    note          text NOT NULL DEFAULT '',
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz,
    superseded_by text,
    superseded_why text
);
CREATE UNIQUE INDEX wire_unit_in_force ON wire_unit (channel_id, valid_from) WHERE superseded_at IS NULL;

-- A meter out of service: nothing is expected of it. `valid_to` null: until further notice.
CREATE TABLE outage (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    meter_id      int NOT NULL REFERENCES meter,
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz,
    reason        text NOT NULL CHECK (reason <> ''),
    origin        text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'entry')),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz,
    superseded_by text,
    superseded_why text,
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX outage_in_force ON outage (meter_id, valid_from) WHERE superseded_at IS NULL;

-- A correction names who and why, and says of readings what holds in their place. Readings themselves are never changed.
-- 'set': the value of the channel at one instant, whether a reading stands there or not (also the choice in a conflict).
-- 'void': no reading of `[from_ts, to_ts]`, both ends included, counts.
CREATE TABLE correction (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    channel_id    int NOT NULL REFERENCES channel,
    action        text NOT NULL CHECK (action IN ('set', 'void')),
    from_ts       timestamptz NOT NULL,
    to_ts         timestamptz NOT NULL,
    value         float8,                       -- canonical unit, before the multiplier, like a reading's
    why           text NOT NULL CHECK (why <> ''),
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by   text NOT NULL,
    superseded_at timestamptz,
    superseded_by text,
    superseded_why text,
    CHECK (from_ts <= to_ts),
    CHECK ((action = 'set' AND value IS NOT NULL AND from_ts = to_ts) OR (action = 'void' AND value IS NULL))
);
CREATE INDEX correction_by_channel ON correction (channel_id, from_ts);
CREATE UNIQUE INDEX correction_set_in_force ON correction (channel_id, from_ts) WHERE superseded_at IS NULL AND action = 'set';

-- References: factors, tariffs, holidays, contracts, formulas, limits of checks. Each kind's body is checked before it is stored.
CREATE TABLE reference (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    kind          text NOT NULL CHECK (kind IN ('factor', 'tariff', 'holidays', 'contract', 'formula', 'check')),
    key           text NOT NULL,
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz,
    body          jsonb NOT NULL,
    source        text NOT NULL CHECK (source <> ''),
    confirmed     boolean NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_by   text NOT NULL DEFAULT session_user,
    superseded_at timestamptz,
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX reference_in_force ON reference (park_id, kind, key, valid_from) WHERE superseded_at IS NULL;

-- Entered series: production, turnover, employees, bills ... of a tenant, or of the whole park where tenant_id is null.
CREATE TABLE context_series (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    tenant_id     int REFERENCES tenant,
    key           text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (park_id, tenant_id, key)
);

CREATE TABLE context_value (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_id     int NOT NULL REFERENCES context_series,
    start         timestamptz NOT NULL,
    stop          timestamptz NOT NULL,
    value         float8 NOT NULL,
    note          text NOT NULL DEFAULT '',
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by   text NOT NULL,
    superseded_at timestamptz,
    superseded_by text,
    CHECK (start < stop)
);
CREATE UNIQUE INDEX context_value_in_force ON context_value (series_id, start) WHERE superseded_at IS NULL;
CREATE INDEX context_value_by_series ON context_value (series_id, stop);

-- An entered value or a reference changes KPIs and no amount: its spans name a tenant (null: everybody) and no channel.
ALTER TABLE span_queue ADD COLUMN of_context boolean NOT NULL DEFAULT false,
                       ADD COLUMN tenant_id int,
                       ADD CHECK (NOT of_context OR channel_id IS NULL),
                       ADD CHECK (of_context OR tenant_id IS NULL);

-- Raised by each cycle of an engine that computed something: what an engine remembers holds while the last number is its own.
CREATE TABLE engine_cycle (
    park_id       smallint PRIMARY KEY REFERENCES park,
    number        bigint NOT NULL
);

-- What the checks (validation) found; made anew by the engine for each local day of a channel.
CREATE TABLE finding (
    channel_id    int NOT NULL,
    rule          text NOT NULL,
    day           timestamptz NOT NULL,         -- start of the local day that the finding belongs to
    start         timestamptz NOT NULL,
    stop          timestamptz NOT NULL,
    value         float8,                       -- what was found, in the unit of the rule
    bound         float8,                       -- what it was held against
    computed_at   timestamptz NOT NULL,
    PRIMARY KEY (channel_id, day, rule, start)
);
CREATE INDEX finding_by_start ON finding (start, channel_id, rule);

-- A closed period is a snapshot; what changes later stands beside it as adjustments.
CREATE TABLE closed_period (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    level         smallint NOT NULL,
    start         timestamptz NOT NULL,
    stop          timestamptz NOT NULL,
    note          text NOT NULL DEFAULT '',
    closed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_by     text NOT NULL,
    UNIQUE (park_id, level, start)
);

CREATE TABLE closed_kpi (
    period_id        int NOT NULL REFERENCES closed_period,
    subject_kind     smallint NOT NULL,
    subject_id       int NOT NULL,
    kpi              text NOT NULL,
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
    PRIMARY KEY (period_id, subject_kind, subject_id, kpi)
);

CREATE TABLE closed_amount (
    period_id     int NOT NULL REFERENCES closed_period,
    channel_id    int NOT NULL,
    amount        float8,
    measured_s    float8 NOT NULL,
    estimated     float8 NOT NULL,
    flags         int NOT NULL,
    PRIMARY KEY (period_id, channel_id)
);

-- Append-only; the newest of a KPI is what holds beside the snapshot.
CREATE TABLE adjustment (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_id     int NOT NULL REFERENCES closed_period,
    subject_kind  smallint NOT NULL,
    subject_id    int NOT NULL,
    kpi           text NOT NULL,
    closed_value  float8,
    value         float8,
    closed_estimate float8,
    estimate      float8,
    reason        smallint NOT NULL,
    registry_version int NOT NULL,
    revision      int NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX adjustment_by_period ON adjustment (period_id, subject_kind, subject_id, kpi, id DESC);

-- How many values came of a channel, and how many of them no number uses as they came; days from before say 0 until they are made anew.
ALTER TABLE amount ADD COLUMN received int NOT NULL DEFAULT 0,
                   ADD COLUMN unusable int NOT NULL DEFAULT 0;
