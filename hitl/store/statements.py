"""Every statement the product sends, by name; views carry the meaning, these stay short.

The same text runs on DuckDB and PostgreSQL. ``{skip_locked}`` is the one place where they differ.
"""

STATEMENTS: dict[str, str] = {
    "event_exists": (
        "SELECT instance_id, reviewer, kind, fence FROM case_events WHERE event_id = $1"
    ),
    "case_head": (
        "SELECT status, holder, lease_until_ms, fence FROM case_heads "
        "WHERE workspace = $1 AND instance_id = $2"
    ),
    "held_case": (
        "SELECT instance_id, fence, lease_until_ms FROM case_heads "
        "WHERE workspace = $1 AND status = 'claimed' AND holder = $2 AND lease_until_ms >= $3 "
        "ORDER BY lease_until_ms LIMIT 1"
    ),
    "kept_case": (
        "SELECT instance_id, fence, lease_until_ms FROM case_heads "
        "WHERE workspace = $1 AND status = 'claimed' AND holder = $2 "
        "ORDER BY lease_until_ms DESC LIMIT 1"
    ),
    "claim_next": (
        "UPDATE case_heads SET status = 'claimed', holder = $2, lease_until_ms = $3, "
        "fence = fence + 1 WHERE instance_id = (SELECT instance_id FROM case_heads "
        "WHERE workspace = $1 AND (status = 'open' "
        "OR (status = 'claimed' AND lease_until_ms < $4)) "
        "ORDER BY priority DESC, queued_ms, instance_id LIMIT 1 {skip_locked}) "
        "RETURNING instance_id, fence, lease_until_ms"
    ),
    "claim_one": (
        "UPDATE case_heads SET status = 'claimed', holder = $2, lease_until_ms = $3, "
        "fence = fence + 1 WHERE workspace = $1 AND instance_id = $5 "
        "AND (status = 'open' OR (status = 'claimed' AND (lease_until_ms < $4 OR holder = $2))) "
        "RETURNING instance_id, fence, lease_until_ms"
    ),
    "settle_case": (
        "UPDATE case_heads SET status = $4, holder = $5, lease_until_ms = $6, fence = fence + 1 "
        "WHERE instance_id = $1 AND status = $2 AND fence = $3 RETURNING fence"
    ),
    "newest_decision": (
        "SELECT instance_id, fence, verdict, reason, note, happened_ms FROM case_folds "
        "WHERE workspace = $1 AND reviewer = $2 AND kind = 'decided' "
        "ORDER BY happened_ms DESC, instance_id LIMIT 1"
    ),
    "promotion_number": (
        "SELECT coalesce(max(number), 0) + 1 FROM promotions WHERE workspace = $1"
    ),
    "champion_id": "SELECT model_id FROM champions WHERE workspace = $1",
    "model": (
        "SELECT model_id, workspace, parent_id, method, sha256, model, detector "
        "FROM models WHERE model_id = $1"
    ),
    "stream_head": (
        "SELECT run, step, occurred_ms FROM stream_heads WHERE workspace = $1 "
        "ORDER BY run DESC LIMIT 1"
    ),
    "due_outcomes": (
        "SELECT instance_id, run, step, source_row FROM waiting_outcomes "
        "WHERE workspace = $1 AND run = $2 AND step >= 0 AND occurred_ms <= $3"
    ),
    "explanation": (
        "SELECT body FROM explanations WHERE instance_id = $1 AND model_id = $2 AND method = $3 "
        "ORDER BY explained_ms DESC, explanation_id LIMIT 1"
    ),
    "explanation_by_key": (
        "SELECT instance_id, model_id, body FROM explanations WHERE explanation_key = $1 "
        "ORDER BY explained_ms, explanation_id LIMIT 1"
    ),
    "unexplained": (
        "SELECT instance_id, model_id FROM unexplained_cases WHERE workspace = $1 "
        "ORDER BY priority DESC, instance_id LIMIT $2"
    ),
    "workspace_state": (
        "SELECT (SELECT count(*) FROM predictions WHERE workspace = $1) AS predictions, "
        "(SELECT count(*) FROM outcomes WHERE workspace = $1) AS outcomes, "
        "count(*) AS events, "
        "count(*) FILTER (WHERE kind NOT IN ('claimed', 'released')) AS settled, "
        "(SELECT count(*) FROM explanations WHERE workspace = $1) AS explanations, "
        "(SELECT count(*) FROM promotions WHERE workspace = $1) AS promotions, "
        "(SELECT count(*) FROM comparisons WHERE workspace = $1) AS comparisons "
        "FROM case_events WHERE workspace = $1"
    ),
    "shown_evidence": ("SELECT explanation_key, shown FROM shown_evidence WHERE event_id = $1"),
}

INDEXES_ON_POSTGRES = (
    "CREATE INDEX IF NOT EXISTS instances_time ON instances (workspace, run, step)",
    "CREATE INDEX IF NOT EXISTS open_cases ON case_heads (workspace, priority DESC) "
    "WHERE status <> 'decided'",
    "CREATE INDEX IF NOT EXISTS events_by_case ON case_events (instance_id, fence DESC)",
)
"""DuckDB's zone maps make these needless there."""
