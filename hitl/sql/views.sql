-- Meaning. Queue, decision, label and champion are derived from the facts; rebuilt when this text changes.

CREATE VIEW champions AS
SELECT p.*
FROM promotions p
JOIN (SELECT workspace, max(number) AS number FROM promotions GROUP BY workspace) newest
    ON newest.workspace = p.workspace AND newest.number = p.number;
COMMENT ON VIEW champions IS 'The model in use: the latest promotion of each workspace.';

CREATE VIEW case_folds AS
SELECT workspace, instance_id, status,
    CASE
        WHEN status = 'assigned' THEN cast(details AS JSON) ->> 'holder'
        WHEN status IN ('claimed', 'decided', 'closed') THEN reviewer
        ELSE ''
    END AS holder,
    lease_until_ms, fence, number,
    coalesce(CASE WHEN details <> '{}' THEN cast(details AS JSON) ->> 'stage' END, 'first') AS stage,
    coalesce(CASE WHEN details <> '{}' THEN cast(details AS JSON) ->> 'first_by' END, '') AS first_by,
    coalesce(CASE WHEN details <> '{}' THEN cast(details AS JSON) ->> 'second_by' END, '') AS second_by
FROM (
    SELECT DISTINCT ON (instance_id) workspace, instance_id, status, reviewer, lease_until_ms, fence,
        number, CASE WHEN kind = 'queued' THEN '{}' ELSE details END AS details
    FROM case_events
    WHERE status <> ''
    ORDER BY instance_id, number DESC
) newest;
COMMENT ON VIEW case_folds IS 'Where the events of each case leave it.';

CREATE VIEW case_places AS
SELECT workspace, instance_id,
    place ->> 'queued_for' AS queued_for,
    cast(place ->> 'inclusion' AS DOUBLE PRECISION) AS inclusion,
    cast(place ->> 'priority' AS DOUBLE PRECISION) AS priority,
    cast(place ->> 'queued_ms' AS BIGINT) AS queued_ms,
    place ->> 'stratum' AS stratum,
    cast(place ->> 'turn' AS BIGINT) AS turn,
    cast(place ->> 'place' AS BIGINT) AS place,
    cast(place ->> 'due_ms' AS BIGINT) AS due_ms,
    place ->> 'mode' AS mode,
    cast(place ->> 'opinions' AS BIGINT) AS opinions,
    place ->> 'batch_id' AS batch_id,
    place ->> 'entity' AS entity,
    place ->> 'joined' AS joined
FROM (
    SELECT DISTINCT ON (instance_id) workspace, instance_id, cast(details AS JSON) AS place
    FROM case_events
    WHERE kind IN ('queued', 'ranked')
    ORDER BY instance_id, number DESC
) newest;
COMMENT ON VIEW case_places IS 'Where the events of each case put it in the queue.';

CREATE VIEW decisions AS
SELECT e.workspace, e.instance_id, e.reviewer, e.model_id, e.verdict, e.is_positive, e.reason,
    e.note, e.source, e.seconds, e.happened_ms
FROM case_heads h
JOIN case_events e ON e.workspace = h.workspace AND e.number = h.number
WHERE h.status = 'decided';
COMMENT ON VIEW decisions IS 'What people decided, as it stands now: one row per decided case.';

CREATE VIEW label_grades AS
SELECT DISTINCT ON (instance_id) workspace, instance_id, is_positive, source,
    cast(grade AS BIGINT) AS grade, known_ms
FROM (
    SELECT workspace, instance_id, is_positive, source, 1 AS grade, arrived_ms AS known_ms
    FROM outcomes
    UNION ALL
    SELECT workspace, instance_id, is_positive, source,
        CASE kind WHEN 'outcome' THEN 1 ELSE 4 END AS grade, imported_ms AS known_ms
    FROM outside_labels
    UNION ALL
    SELECT workspace, instance_id, is_positive, source,
        CASE source WHEN 'adjudicator' THEN 2 ELSE 3 END AS grade, happened_ms AS known_ms
    FROM decisions
    WHERE is_positive IS NOT NULL
) said
ORDER BY instance_id, grade, known_ms DESC, source;
COMMENT ON VIEW label_grades IS 'What stands for each case: outcome (1), adjudicated (2), decided (3), weak (4); the latest of equals.';

CREATE VIEW labels AS
SELECT g.workspace, g.instance_id, g.is_positive, g.source, d.instance_id IS NOT NULL AS is_reviewed
FROM label_grades g
LEFT JOIN (SELECT instance_id FROM decisions WHERE is_positive IS NOT NULL) d
    ON d.instance_id = g.instance_id;
COMMENT ON VIEW labels IS 'What training uses: outcome, else adjudicated, else decided unless unsure, else weak.';

CREATE VIEW labelled_instances AS
SELECT l.workspace, l.instance_id, l.is_positive, l.source, l.is_reviewed,
    d.is_positive AS decided_positive,
    i.run, i.step, i.occurred_ms, i.origin, i.source_row, i.weight, i.features
FROM labels l
JOIN instances i ON i.instance_id = l.instance_id
LEFT JOIN decisions d ON d.instance_id = l.instance_id;
COMMENT ON VIEW labelled_instances IS 'Labels with their features and, where people decided, what they said.';

CREATE VIEW new_labels AS
SELECT l.*
FROM labels l
LEFT JOIN champions c ON c.workspace = l.workspace
LEFT JOIN training_labels t
    ON t.model_id = c.model_id AND t.instance_id = l.instance_id AND t.is_positive = l.is_positive
WHERE t.instance_id IS NULL;
COMMENT ON VIEW new_labels IS 'Labels the champion has not been trained on.';

CREATE VIEW new_decisions AS
SELECT d.*
FROM decisions d
LEFT JOIN champions c ON c.workspace = d.workspace
LEFT JOIN labels l ON l.instance_id = d.instance_id
LEFT JOIN training_labels t
    ON t.model_id = c.model_id AND t.instance_id = l.instance_id
        AND t.is_positive = l.is_positive
LEFT JOIN models m ON m.model_id = c.model_id
WHERE t.instance_id IS NULL
    AND (l.instance_id IS NOT NULL OR m.model_id IS NULL OR d.happened_ms >= m.trained_ms);
COMMENT ON VIEW new_decisions IS 'Decisions the champion has not been trained on; unsure ones made since it was trained.';

CREATE VIEW news_since_training AS
SELECT workspace, source, is_positive, count(*) AS n
FROM new_decisions
GROUP BY workspace, source, is_positive
UNION ALL
SELECT workspace, source, is_positive, count(*) AS n
FROM new_labels
WHERE NOT is_reviewed
GROUP BY workspace, source, is_positive;
COMMENT ON VIEW news_since_training IS 'What is new since the champion was trained, by source and verdict.';

CREATE VIEW live_predictions AS
SELECT * FROM predictions WHERE is_live;
COMMENT ON VIEW live_predictions IS 'The score each instance got when it came in.';

CREATE VIEW scored_instances AS
SELECT i.workspace, i.instance_id, i.run, i.step, i.occurred_ms, i.origin, i.source_row, i.weight,
    i.features, p.model_id, p.score, p.probability, p.threshold, p.is_flagged,
    p.novelty, p.novelty_limit, p.is_novel, p.state, p.scored_ms,
    o.is_positive AS outcome, o.arrived_ms, d.verdict, d.reviewer,
    h.status, h.queued_for
FROM instances i
JOIN live_predictions p ON p.instance_id = i.instance_id
LEFT JOIN outcomes o ON o.instance_id = i.instance_id
LEFT JOIN decisions d ON d.instance_id = i.instance_id
LEFT JOIN case_heads h ON h.instance_id = i.instance_id;
COMMENT ON VIEW scored_instances IS 'Each instance with its live score, outcome and decision so far.';

CREATE VIEW stream_heads AS
SELECT workspace, run, max(step) AS step, max(occurred_ms) AS occurred_ms, count(*) AS n
FROM instances
WHERE step >= 0
GROUP BY workspace, run;
COMMENT ON VIEW stream_heads IS 'How far each run of the stream has been played.';

CREATE VIEW waiting_outcomes AS
SELECT i.workspace, i.instance_id, i.run, i.step, i.occurred_ms, i.source_row
FROM instances i
LEFT JOIN outcomes o ON o.instance_id = i.instance_id
WHERE o.instance_id IS NULL AND i.origin <> 'constructed';
COMMENT ON VIEW waiting_outcomes IS 'Instances whose outcome has not arrived; constructed ones have none.';

CREATE VIEW review_queue AS
SELECT h.workspace, h.instance_id, h.status, h.holder, h.lease_until_ms, h.fence, h.queued_for,
    h.inclusion, h.priority, h.queued_ms, i.step, i.run, i.occurred_ms, p.probability, p.threshold,
    p.novelty, p.novelty_limit, p.state, i.features, h.stage, h.stratum, h.turn, h.place, h.due_ms,
    h.mode, h.batch_id, h.entity, h.joined
FROM case_heads h
JOIN instances i ON i.instance_id = h.instance_id
JOIN live_predictions p ON p.instance_id = h.instance_id
WHERE h.status NOT IN ('decided', 'closed');
COMMENT ON VIEW review_queue IS 'Cases that wait for a decision, claimed ones included.';

CREATE VIEW decided_cases AS
SELECT d.workspace, d.instance_id, d.verdict, d.reason, d.reviewer, d.happened_ms,
    i.origin, i.occurred_ms, i.features, o.is_positive AS outcome,
    p.is_flagged, p.probability, p.state
FROM decisions d
JOIN instances i ON i.instance_id = d.instance_id
LEFT JOIN live_predictions p ON p.instance_id = d.instance_id
LEFT JOIN outcomes o ON o.instance_id = d.instance_id;
COMMENT ON VIEW decided_cases IS 'Decided cases with their features, the decision and the later outcome.';

CREATE VIEW unexplained_cases AS
SELECT q.workspace, q.instance_id, p.model_id, q.priority
FROM review_queue q
JOIN live_predictions p ON p.instance_id = q.instance_id
LEFT JOIN explanations x
    ON x.instance_id = q.instance_id AND x.model_id = p.model_id AND x.method = 'all'
WHERE x.instance_id IS NULL;
COMMENT ON VIEW unexplained_cases IS 'Waiting cases whose explanation has not been made yet.';

CREATE VIEW explained_cases AS
SELECT x.workspace, x.instance_id, x.model_id, x.body, x.explained_ms, d.verdict,
    o.is_positive AS outcome
FROM explanations x
LEFT JOIN decisions d ON d.instance_id = x.instance_id
LEFT JOIN outcomes o ON o.instance_id = x.instance_id
LEFT JOIN case_heads h ON h.instance_id = x.instance_id
WHERE x.method = 'all' AND (d.instance_id IS NOT NULL
    OR (o.instance_id IS NOT NULL AND coalesce(h.status, 'decided') IN ('decided', 'closed')));
COMMENT ON VIEW explained_cases IS 'Explained cases whose decision or outcome may be shown.';

CREATE VIEW decision_log AS
SELECT e.workspace, e.event_id, e.instance_id, e.fence, e.kind, e.reviewer, e.model_id, e.verdict,
    e.reason, e.note, e.source, e.seconds, e.happened_ms,
    h.number = e.number AS is_current,
    CASE WHEN h.status = 'decided' THEN o.is_positive END AS outcome, p.probability, p.state,
    s.explanation_key
FROM case_events e
JOIN case_heads h ON h.instance_id = e.instance_id
LEFT JOIN live_predictions p ON p.instance_id = e.instance_id
LEFT JOIN shown_evidence s ON s.event_id = e.event_id
LEFT JOIN outcomes o ON o.instance_id = e.instance_id
WHERE e.kind IN ('decided', 'second opinion', 'adjudicated', 'corrected', 'imported', 'undone')
    AND (h.status IN ('decided', 'closed') OR h.stage = 'first');
COMMENT ON VIEW decision_log IS 'Every decision, import and undo, newest standing marked current; no outcome while a case waits, and nothing while a second person is to look.';

CREATE VIEW opinion_pairs AS
SELECT e.workspace, e.instance_id, e.reviewer, e.kind, e.model_id,
    f.verdict AS first_verdict, f.reason AS first_reason, f.seconds AS first_seconds,
    f.happened_ms AS first_ms, e.verdict, e.reason, e.seconds, e.happened_ms,
    CASE WHEN h.status = 'decided' THEN o.is_positive END AS outcome
FROM case_events e
JOIN case_heads h ON h.instance_id = e.instance_id
JOIN case_events f ON f.instance_id = e.instance_id AND f.reviewer = e.reviewer
    AND f.kind = 'first opinion'
LEFT JOIN outcomes o ON o.instance_id = e.instance_id
WHERE e.kind IN ('decided', 'second opinion', 'adjudicated');
COMMENT ON VIEW opinion_pairs IS 'What one person thought before score and explanation were shown, and after.';

CREATE VIEW double_reviews AS
SELECT s.workspace, s.instance_id, f.reviewer AS first_by, f.verdict AS first_verdict,
    f.reason AS first_reason, s.reviewer AS second_by, s.verdict AS second_verdict,
    s.reason AS second_reason, s.happened_ms, a.reviewer AS adjudicated_by,
    a.verdict AS adjudicated_verdict,
    CASE WHEN h.status = 'decided' THEN o.is_positive END AS outcome
FROM case_heads h
JOIN case_events s ON s.instance_id = h.instance_id AND s.reviewer = h.second_by
    AND s.kind = 'second opinion'
JOIN case_events f ON f.event_id = cast(s.details AS JSON) ->> 'beside'
LEFT JOIN case_events a ON a.workspace = h.workspace AND a.number = h.number
    AND a.kind = 'adjudicated'
LEFT JOIN outcomes o ON o.instance_id = h.instance_id
WHERE h.second_by <> '';
COMMENT ON VIEW double_reviews IS 'Cases two people gave an opinion on, with the third one''s where they disagree.';

CREATE VIEW loop_counts AS
SELECT p.workspace,
    count(*) AS scored,
    count(*) FILTER (WHERE p.is_flagged) AS flagged,
    coalesce(max(h.waiting), 0) AS waiting,
    coalesce(max(h.decided), 0) AS decided
FROM predictions p
LEFT JOIN (
    SELECT workspace,
        count(*) FILTER (WHERE status NOT IN ('decided', 'closed')) AS waiting,
        count(*) FILTER (WHERE status = 'decided') AS decided
    FROM case_heads
    GROUP BY workspace
) h ON h.workspace = p.workspace
WHERE p.is_live
GROUP BY p.workspace;
COMMENT ON VIEW loop_counts IS 'The live counts of the strip on top of every page.';

CREATE VIEW model_history AS
SELECT m.workspace, m.model_id, m.parent_id, m.method, m.sha256, m.trained_by, m.trained_ms,
    p.number, p.kind, p.promoted_by, p.reason, p.promoted_ms, p.comparison_id,
    c.model_id IS NOT NULL AND c.number = p.number AS is_champion
FROM models m
LEFT JOIN promotions p ON p.model_id = m.model_id
LEFT JOIN champions c ON c.workspace = m.workspace AND c.number = p.number;
COMMENT ON VIEW model_history IS 'Every model with its promotions; one row per promotion, or one if never promoted.';

CREATE VIEW newest_comparisons AS
SELECT DISTINCT ON (workspace, challenger_id)
    workspace, comparison_id, champion_id, challenger_id, is_passed, body, compared_ms
FROM comparisons
ORDER BY workspace, challenger_id, compared_ms DESC, comparison_id;
COMMENT ON VIEW newest_comparisons IS 'The latest comparison of each challenger.';
