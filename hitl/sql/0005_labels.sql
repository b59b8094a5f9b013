-- Labels that come from elsewhere: outcomes that arrive late, such as chargebacks, and weak guesses.

CREATE TABLE outside_labels (
    label_id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_positive BOOLEAN NOT NULL,
    imported_by TEXT NOT NULL,
    imported_ms BIGINT NOT NULL
);
