-- Alarms: their rules and contacts, how each stands, what was judged, episodes with what people said of them, the journal, and the outbox.
-- Judgements and episodes are made anew by the engine from the inputs; the journal (transitions), notes and attempts are only ever added to.

-- Who set a limit. Of several in force for one channel, a permit goes before the estate, and the estate before national rules.
ALTER TABLE compliance_rule ADD COLUMN authority text NOT NULL DEFAULT 'national' CHECK (authority IN ('permit', 'estate', 'national'));

-- One row for each version of a rule. What is written in it never changes; that it was ended, by whom, when and why is said beside it.
CREATE TABLE alarm_rule (
    id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id        smallint NOT NULL REFERENCES park,
    key            text NOT NULL,
    version        int NOT NULL CHECK (version > 0),
    document       jsonb NOT NULL,               -- the entry as it was written and checked
    origin         text NOT NULL CHECK (origin IN ('file', 'entry')),
    note           text NOT NULL DEFAULT '',
    valid_from     timestamptz NOT NULL,
    valid_to       timestamptz,                  -- earlier than `written_to` where it was ended; empty: it never came into force
    written_to     timestamptz,                  -- where its entry lets it end
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by    text NOT NULL DEFAULT session_user,
    superseded_at  timestamptz,
    superseded_by  text,
    superseded_why text,
    judged_at      timestamptz,                  -- when the engine began to judge by it as it is now; null: it has yet to look at all of its time
    UNIQUE (park_id, key, version),
    CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX alarm_rule_in_force ON alarm_rule (park_id, key, valid_from) WHERE superseded_at IS NULL;
CREATE INDEX alarm_rule_unjudged ON alarm_rule (park_id) WHERE judged_at IS NULL;

CREATE TABLE alarm_contact (
    id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id        smallint NOT NULL REFERENCES park,
    key            text NOT NULL,
    version        int NOT NULL CHECK (version > 0),
    document       jsonb NOT NULL,
    origin         text NOT NULL CHECK (origin IN ('file', 'entry')),
    note           text NOT NULL DEFAULT '',
    valid_from     timestamptz NOT NULL,
    valid_to       timestamptz,
    written_to     timestamptz,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by    text NOT NULL DEFAULT session_user,
    superseded_at  timestamptz,
    superseded_by  text,
    superseded_why text,
    UNIQUE (park_id, key, version),
    CHECK (valid_to >= valid_from)
);
CREATE UNIQUE INDEX alarm_contact_in_force ON alarm_contact (park_id, key, valid_from) WHERE superseded_at IS NULL;

-- What people deal with: one for each rule and target, with how it stands. Whose the target is says who may see it.
CREATE TABLE alarm (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id      smallint NOT NULL REFERENCES park,
    rule_key     text NOT NULL,
    target       text NOT NULL,
    category     text NOT NULL CHECK (category IN ('exceedance', 'warning', 'data_quality', 'device', 'system')),
    severity     smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
    channel_id   int REFERENCES channel,
    meter_id     int REFERENCES meter,
    tenant_id    int REFERENCES tenant,
    subject_kind smallint,                       -- of a KPI: 0 park, 1 tenant, 2 meter
    subject_id   int,
    state        text NOT NULL DEFAULT 'normal'
                 CHECK (state IN ('normal', 'pending', 'active_unacked', 'active_acked', 'returned_unacked', 'latched')),
    inhibit      text NOT NULL DEFAULT 'none'
                 CHECK (inhibit IN ('none', 'shelved', 'shelved_once', 'suppressed', 'out_of_service')),
    suppressed   boolean NOT NULL DEFAULT false,
    since        timestamptz NOT NULL DEFAULT 'epoch',
    episode      timestamptz,
    raised_at    timestamptz,
    acked_at     timestamptz,
    acked_by     text,
    level        smallint NOT NULL DEFAULT 0,
    until        timestamptz,
    version      int NOT NULL DEFAULT 0,
    UNIQUE (park_id, rule_key, target)
) WITH (fillfactor = 70);                        -- updated in place at every transition
CREATE INDEX alarm_by_since ON alarm (since DESC, id DESC);
CREATE INDEX alarm_standing ON alarm (park_id) WHERE state <> 'normal' OR inhibit <> 'none';

CREATE TABLE alarm_transition (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id    int NOT NULL REFERENCES alarm,
    step        text NOT NULL,
    before      text NOT NULL,
    after       text NOT NULL,
    inhibit     text NOT NULL,
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    episode     timestamptz,
    actor       text NOT NULL,
    text        text NOT NULL DEFAULT '',
    announced   boolean NOT NULL,
    level       smallint NOT NULL DEFAULT 0
);
CREATE INDEX alarm_transition_by_alarm ON alarm_transition (alarm_id, id);
CREATE INDEX alarm_transition_announced ON alarm_transition (recorded_at) WHERE announced;

CREATE TABLE episode (
    alarm_id    int NOT NULL REFERENCES alarm,
    start       timestamptz NOT NULL,
    rule_id     int NOT NULL REFERENCES alarm_rule,
    stop        timestamptz NOT NULL,
    raised_at   timestamptz NOT NULL,
    cleared_at  timestamptz,                     -- null: it is still open
    last_at     timestamptz NOT NULL,
    peak        float8,
    peak_at     timestamptz,
    bound       float8,
    mean        float8,
    beyond_s    float8 NOT NULL,
    excess_kg   float8,
    valid       int NOT NULL,
    missing     int NOT NULL,
    excluded    int NOT NULL,
    final       boolean NOT NULL,
    revision    int NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (alarm_id, start)
);
CREATE INDEX episode_by_end ON episode (alarm_id, coalesce(cleared_at, timestamptz 'infinity'));
CREATE INDEX episode_by_start ON episode (start DESC, alarm_id DESC);

-- What people said of an episode. `said_of` is its start as it was then; `episode` the one that it belongs to now.
CREATE TABLE episode_note (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id    int NOT NULL REFERENCES alarm,
    episode     timestamptz NOT NULL,
    said_of     timestamptz NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('cause', 'action', 'comment', 'link', 'close', 'reopen')),
    text        text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by text NOT NULL
);
CREATE INDEX episode_note_by_episode ON episode_note (alarm_id, episode, id);

-- As of amounts, there are too many to look each one's alarm up when it is written.
CREATE TABLE judgement (
    alarm_id    int NOT NULL,
    start       timestamptz NOT NULL,
    at          timestamptz NOT NULL,
    least       float8,
    greatest    float8,
    lowest      float8,
    highest     float8,
    verdict     smallint NOT NULL,               -- 0 clear, 1 between, 2 beyond, 3 unknown
    status      smallint NOT NULL,               -- 0 valid, 1 missing, 2 calibration, 3 maintenance, 4 out of service, 5 suppressed, 6 unscheduled, 7 idle
    known_s     float8 NOT NULL,
    final       boolean NOT NULL,
    revision    int NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (alarm_id, at)
);

-- The outbox: written with what it tells of, in one transaction, and sent later, at least once.
CREATE TABLE notification (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park_id       smallint NOT NULL REFERENCES park,
    alarm_id      int REFERENCES alarm,
    transition_id bigint REFERENCES alarm_transition,
    contact       text NOT NULL,
    way           text NOT NULL,
    address       text NOT NULL,
    subject       text NOT NULL,
    body          text NOT NULL,
    payload       text NOT NULL,                 -- JSON, as it is signed and sent
    dedup_key     text NOT NULL UNIQUE,
    urgent        boolean NOT NULL,
    not_before    timestamptz NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'refused', 'given_up')),
    attempts      int NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL,
    leased_until  timestamptz,
    sent_at       timestamptz
) WITH (fillfactor = 70);
CREATE INDEX notification_due ON notification (way, next_at) WHERE state = 'pending';
CREATE INDEX notification_by_transition ON notification (transition_id);
CREATE INDEX notification_sent ON notification (sent_at) WHERE state = 'sent';

CREATE TABLE notification_attempt (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id bigint NOT NULL REFERENCES notification,
    at              timestamptz NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('sent', 'retry', 'refused')),
    detail          text NOT NULL
);
CREATE INDEX notification_attempt_by_notification ON notification_attempt (notification_id, id);

-- Measurements of this system itself; of the whole installation where park_id is null.
CREATE TABLE health_sample (
    park_id smallint REFERENCES park,
    name    text NOT NULL,
    at      timestamptz NOT NULL,
    value   float8 NOT NULL,
    UNIQUE NULLS NOT DISTINCT (name, park_id, at)
);
