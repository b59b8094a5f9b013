-- What somebody has typed and not yet submitted; it outlives the browser, and goes with the decision.

CREATE TABLE drafts (
    workspace TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    body TEXT NOT NULL,
    saved_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace, instance_id, reviewer)
);
