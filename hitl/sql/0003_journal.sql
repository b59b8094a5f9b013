-- One chain of events a workspace: every event has a number without gaps, a hash of all its fields and
-- the hash before it. Heads know what is due next, who gave an opinion, and their place in the order.

ALTER TABLE case_events ADD COLUMN number BIGINT DEFAULT 0;

ALTER TABLE case_events ADD COLUMN role TEXT DEFAULT '';

ALTER TABLE case_events ADD COLUMN status TEXT DEFAULT '';

ALTER TABLE case_events ADD COLUMN details TEXT DEFAULT '{}';

ALTER TABLE case_events ADD COLUMN previous_hash TEXT DEFAULT '';

ALTER TABLE case_events ADD COLUMN hash TEXT DEFAULT '';

ALTER TABLE case_heads ADD COLUMN number BIGINT DEFAULT 0;

ALTER TABLE case_heads ADD COLUMN stage TEXT DEFAULT 'first';

ALTER TABLE case_heads ADD COLUMN first_by TEXT DEFAULT '';

ALTER TABLE case_heads ADD COLUMN second_by TEXT DEFAULT '';

ALTER TABLE case_heads ADD COLUMN stratum TEXT DEFAULT 'risk';

ALTER TABLE case_heads ADD COLUMN turn BIGINT DEFAULT 0;

ALTER TABLE case_heads ADD COLUMN place BIGINT DEFAULT 0;

ALTER TABLE case_heads ADD COLUMN due_ms BIGINT DEFAULT 0;

ALTER TABLE case_heads ADD COLUMN mode TEXT DEFAULT 'shown';

ALTER TABLE case_heads ADD COLUMN opinions BIGINT DEFAULT 1;

ALTER TABLE case_heads ADD COLUMN batch_id TEXT DEFAULT '';

ALTER TABLE case_heads ADD COLUMN entity TEXT DEFAULT '';

ALTER TABLE case_heads ADD COLUMN joined TEXT DEFAULT '';

UPDATE case_heads SET place = cast(floor(queued_ms / 600000.0) AS BIGINT), stratum = CASE queued_for
    WHEN 'audit' THEN 'audit' WHEN 'known anomaly' THEN 'risk' ELSE 'novel' END;

CREATE TABLE chain_heads (
    workspace TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    checked BIGINT NOT NULL
);
