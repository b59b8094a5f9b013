"""Every statement the product sends, by name; views carry the meaning, these stay short.

The same text runs on DuckDB and PostgreSQL. ``{locked}`` is the one place where they differ.
"""

from hitl.store.chains import FIELDS, PLACE

FOLD = (
    "status", "holder", "lease_until_ms", "fence", "number", "stage", "first_by", "second_by",
)  # fmt: skip
HEAD = ", ".join(("instance_id", "workspace", *FOLD, *PLACE))
"""The columns of case_heads: all follow from a case's events."""

EVENT = ", ".join((*FIELDS, "hash"))
"""The columns of case_events."""

CLAIMABLE = (
    "(status IN ('open', 'second opinion', 'escalated') "
    "OR (status IN ('claimed', 'deferred') AND lease_until_ms < $3) "
    "OR (status = 'assigned' AND (holder = $2 OR lease_until_ms < $3)))"
)
"""What may be handed out to $2 at the time $3."""

ALLOWED_STAGE = (
    "(stage = 'first' OR (first_by <> $2 AND second_by <> $2 AND (stage = 'second' OR $4)))"
)
"""A second opinion is another person's, and an adjudication ($4 says who may) a third one's."""

URGENCY = (
    "CASE WHEN due_ms > 0 AND due_ms < $3 THEN 0 "
    "WHEN stage <> 'first' OR status = 'assigned' THEN 1 ELSE 2 END"
)


def _differences(view: str, columns: tuple[str, ...]) -> str:
    """Count heads that are not what a view of the events says, and name the first."""
    unlike = " OR ".join(f"h.{name} IS DISTINCT FROM f.{name}" for name in columns)
    return (
        "SELECT count(*), min(coalesce(h.instance_id, f.instance_id)) "  # noqa: S608  names above
        "FROM (SELECT * FROM case_heads WHERE workspace = $1) h "
        f"FULL JOIN (SELECT * FROM {view} WHERE workspace = $1) f "
        f"ON f.instance_id = h.instance_id WHERE {unlike}"
    )


STATEMENTS: dict[str, str] = {
    "event_exists": (
        "SELECT instance_id, reviewer, kind, fence FROM case_events WHERE event_id = $1"
    ),
    "case_head": f"SELECT {HEAD} FROM case_heads WHERE workspace = $1 AND instance_id = $2",  # noqa: S608  names above
    "cases_in_hand": (
        "SELECT instance_id, fence, lease_until_ms, stage, mode FROM case_heads "
        "WHERE workspace = $1 AND status = 'claimed' AND holder = $2"
    ),
    "next_plain_case": (
        f"SELECT {HEAD} FROM case_heads WHERE workspace = $1 AND status = 'open' AND due_ms = 0 "  # noqa: S608  names above
        "ORDER BY place, priority DESC, queued_ms, instance_id LIMIT 1"
    ),
    "next_other_case": (
        f"SELECT {HEAD} FROM case_heads WHERE workspace = $1 "  # noqa: S608  names above
        "AND status NOT IN ('decided', 'closed') AND (status <> 'open' OR due_ms > 0) "
        f"AND {CLAIMABLE} AND {ALLOWED_STAGE} "
        f"ORDER BY {URGENCY}, place, priority DESC, queued_ms, instance_id LIMIT 1"
    ),
    "move_head": (
        "UPDATE case_heads SET status = $2, holder = $3, lease_until_ms = $4, fence = $5, "
        "stage = $6, first_by = $7, second_by = $8, number = $9 WHERE instance_id = $1 "
        "RETURNING fence"
    ),
    "fold_heads": (
        f"INSERT INTO case_heads ({HEAD}) SELECT f.instance_id, f.workspace, "  # noqa: S608  names above
        f"{', '.join([f'f.{name}' for name in FOLD] + [f'p.{name}' for name in PLACE])} "
        "FROM case_folds f JOIN case_places p ON p.instance_id = f.instance_id "
        "WHERE f.workspace = $1 AND f.instance_id IN "
        "(SELECT instance_id FROM case_events WHERE workspace = $1 AND number > $2) "
        "ON CONFLICT (instance_id) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in (*FOLD, *PLACE))} "
        "RETURNING instance_id"
    ),
    "head_differences": _differences("case_folds", FOLD),
    "place_differences": _differences("case_places", PLACE),
    "lock_chain": "SELECT number, hash FROM chain_heads WHERE workspace = $1 {locked}",
    "begin_chain": (
        "INSERT INTO chain_heads (workspace, number, hash, checked) VALUES ($1, 0, '', 0) "
        "ON CONFLICT (workspace) DO UPDATE SET number = chain_heads.number "
        "RETURNING number, hash"
    ),
    "move_chain": (
        "UPDATE chain_heads SET number = $2, hash = $3 WHERE workspace = $1 RETURNING number"
    ),
    "mark_checked": ("UPDATE chain_heads SET checked = $2 WHERE workspace = $1 RETURNING checked"),
    "chain_part": (
        f"SELECT {EVENT} FROM case_events WHERE workspace = $1 AND number > $2 ORDER BY number"  # noqa: S608  as above
    ),
    "log_part": (
        f"SELECT {', '.join(f'e.{name}' for name in (*FIELDS, 'hash'))}, s.shown "  # noqa: S608  as above
        "FROM case_events e LEFT JOIN shown_evidence s ON s.event_id = e.event_id "
        "WHERE e.workspace = $1 ORDER BY e.number"
    ),
    "chain_breaks": (
        "SELECT count(*), min(place) FROM (SELECT number, previous_hash, "
        "row_number() OVER (ORDER BY number) AS place, "
        "lag(hash, 1, '') OVER (ORDER BY number) AS before "
        "FROM case_events WHERE workspace = $1) c WHERE number <> place OR previous_hash <> before"
    ),
    "event_count": "SELECT count(*) FROM case_events WHERE workspace = $1",
    "chain_head": "SELECT number, hash, checked FROM chain_heads WHERE workspace = $1",
    "newest_decision": (
        "SELECT e.instance_id, e.fence, e.verdict, e.reason, e.note, e.happened_ms, e.kind "
        "FROM case_heads h JOIN case_events e ON e.workspace = h.workspace "
        "AND e.number = h.number WHERE h.workspace = $1 AND e.reviewer = $2 "
        "AND e.kind IN ('decided', 'second opinion', 'adjudicated') "
        "ORDER BY e.happened_ms DESC, e.instance_id LIMIT 1"
    ),
    "decision_of": (
        "SELECT event_id, verdict FROM case_events WHERE workspace = $1 AND instance_id = $2 "
        "AND reviewer = $3 AND kind = 'decided' ORDER BY number DESC LIMIT 1"
    ),
    "event_verdict": "SELECT verdict, reason FROM case_events WHERE event_id = $1",
    "draft": (
        "SELECT body FROM drafts WHERE workspace = $1 AND instance_id = $2 AND reviewer = $3"
    ),
    "keep_draft": (
        "INSERT INTO drafts (workspace, instance_id, reviewer, body, saved_ms) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace, instance_id, reviewer) "
        "DO UPDATE SET body = excluded.body, saved_ms = excluded.saved_ms RETURNING saved_ms"
    ),
    "drop_draft": (
        "DELETE FROM drafts WHERE workspace = $1 AND instance_id = $2 AND reviewer = $3 "
        "RETURNING saved_ms"
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
        "count(*) FILTER (WHERE kind NOT IN ('claimed', 'renewed', 'released', 'expired')) "
        "AS settled, "
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
    "DROP INDEX IF EXISTS events_by_case",
    "CREATE INDEX IF NOT EXISTS events_of_case ON case_events (instance_id, number DESC)",
    "CREATE UNIQUE INDEX IF NOT EXISTS events_in_order ON case_events (workspace, number)",
)
"""DuckDB's zone maps make these needless there; there, one process writes at a time."""
