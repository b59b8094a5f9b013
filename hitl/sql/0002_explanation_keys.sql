-- Every explanation has a key, and every decision names what its reviewer saw.

ALTER TABLE explanations ADD COLUMN explanation_key TEXT;

ALTER TABLE explanations ADD COLUMN method TEXT;

CREATE TABLE shown_evidence (
    event_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    explanation_key TEXT NOT NULL,
    shown TEXT NOT NULL,
    shown_ms BIGINT NOT NULL
);
