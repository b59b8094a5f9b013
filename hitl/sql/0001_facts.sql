-- Facts. Each table is append-only, but for case_heads, which always equals the fold of case_events.
-- Times are UTC epoch milliseconds. JSON is text. Ids are made in Python.

CREATE TABLE instances (
    instance_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    run BIGINT NOT NULL,
    step BIGINT NOT NULL,
    occurred_ms BIGINT NOT NULL,
    ingested_ms BIGINT NOT NULL,
    origin TEXT NOT NULL,
    source_row BIGINT NOT NULL,
    weight DOUBLE PRECISION NOT NULL,
    features TEXT NOT NULL
);

CREATE TABLE predictions (
    instance_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    workspace TEXT NOT NULL,
    is_live BOOLEAN NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    threshold DOUBLE PRECISION NOT NULL,
    is_flagged BOOLEAN NOT NULL,
    novelty DOUBLE PRECISION NOT NULL,
    novelty_limit DOUBLE PRECISION NOT NULL,
    is_novel BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    scored_ms BIGINT NOT NULL,
    PRIMARY KEY (instance_id, model_id)
);

CREATE TABLE explanations (
    explanation_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    seed BIGINT NOT NULL,
    body TEXT NOT NULL,
    explained_ms BIGINT NOT NULL
);

CREATE TABLE outcomes (
    instance_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    is_positive BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    arrived_ms BIGINT NOT NULL
);

CREATE TABLE case_events (
    event_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    fence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    model_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    is_positive BOOLEAN,
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    source TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    happened_ms BIGINT NOT NULL
);

CREATE TABLE case_heads (
    instance_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    status TEXT NOT NULL,
    holder TEXT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    queued_for TEXT NOT NULL,
    inclusion DOUBLE PRECISION NOT NULL,
    priority DOUBLE PRECISION NOT NULL,
    queued_ms BIGINT NOT NULL
);

CREATE TABLE models (
    model_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    method TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    model TEXT NOT NULL,
    detector TEXT NOT NULL,
    trained_by TEXT NOT NULL,
    trained_ms BIGINT NOT NULL
);

CREATE TABLE training_labels (
    model_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    workspace TEXT NOT NULL,
    is_positive BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (model_id, instance_id)
);

CREATE TABLE comparisons (
    comparison_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    champion_id TEXT NOT NULL,
    challenger_id TEXT NOT NULL,
    is_passed BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    compared_ms BIGINT NOT NULL
);

CREATE TABLE promotions (
    workspace TEXT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    model_id TEXT NOT NULL,
    replaced_id TEXT NOT NULL,
    comparison_id TEXT NOT NULL,
    promoted_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    promoted_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace, number)
);
