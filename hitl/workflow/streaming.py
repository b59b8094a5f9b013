"""Seed a workspace and play its stream: ingest, score, enqueue, and let outcomes arrive."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hitl import models, novelty
from hitl.errors import InputError
from hitl.explain.keys import plain
from hitl.store import Store, Work
from hitl.workflow import journal
from hitl.workflow.catalogue import Stored, add_model, champion
from hitl.workflow.materials import FIRST_DAY_MS, Materials

RANKS = {"novel and flagged": 3.0, "known anomaly": 2.0, "novel": 1.0, "normal": 0.0}
"""A case's place in the queue: its state's rank plus its probability."""

STRATA = {
    "novel and flagged": "novel",
    "known anomaly": "risk",
    "novel": "novel",
    "normal": "audit",
}
"""The part of the queue a row of each state belongs to."""

OURSELVES = "second look"
"""Who trains and promotes a workspace's first model."""


@dataclass(frozen=True)
class Ingested:
    """What one step of the stream brought."""

    rows: int
    cases: int
    outcomes: int
    is_finished: bool


def seed(
    store: Store,
    materials: Materials,
    *,
    seed: int,
    novelty_rate: float,
    now_ms: int,
    reset: bool = False,
) -> str:
    """Give a workspace its first champion and its opening rows, unless it has them.

    Seeding is one transaction: a workspace is seeded whole, or not at all. With `reset`,
    everything the workspace holds is deleted right before, in a transaction of its own, once the
    new model is trained. If seeding then fails, the workspace is empty and can be seeded again.

    Returns the champion's model id.
    """
    space = materials.workspace
    found = store.rows("champion_id", space.name)
    if found and not reset:
        return str(found[0][0])
    model = models.fit(
        materials.training,
        features=space.features,
        label=space.label_column,
        weight=space.weight_column,
        seed=seed,
        budget=space.false_alarm_budget,
    )
    detector = fit_detector(materials, materials.training, seed=seed, rate=novelty_rate)
    first = Stored(model.model_id, model, detector)
    if reset:
        store.forget(space.name)

    def verb(work: Work) -> str:
        found = work.rows("champion_id", space.name)
        if found:  # somebody else was faster
            return str(found[0][0])
        add_model(work, space.name, model, detector, trained_by=OURSELVES, now_ms=now_ms)
        work.append("promotions", [_first_promotion(space.name, first.model_id, now_ms)])
        _add_waiting(work, materials, first, now_ms)
        _play(work, materials, first, space.opening_rows, now_ms)
        return first.model_id

    return store.write(verb)


def fit_detector(
    materials: Materials, rows: pd.DataFrame, *, seed: int, rate: float
) -> novelty.Detector:
    """Fit the workspace's novelty detector on known rows."""
    space = materials.workspace
    return novelty.fit(
        rows,
        features=space.features,
        label=space.label_column,
        id_column=space.id_column,
        seed=seed,
        rate=rate,
    )


def ingest(
    store: Store,
    materials: Materials,
    count: int,
    *,
    now_ms: int,
    audit_share: float = 0.0,
    again: bool = False,
) -> Ingested:
    """Play the next rows of the stream: store, score and queue them, let due outcomes arrive.

    All of it is one transaction, so a row is there with its score and its case, or not at all. The
    next row follows from what is stored; playing goes on where it stopped, also after a crash.
    Truth arrives when the stream's own clock has passed the workspace's delay, and what is still
    owed when the stream is played on after its last row.

    Parameters
    ----------
    count
        Rows to play, 0 or more.
    audit_share
        Share of unflagged, known-looking rows queued at random.
    again
        Start a new run if the last one has ended.

    Raises
    ------
    InputError
        If `count` is below 0.
    NoChampionError
        If the workspace has no model.
    """
    if count < 0:
        raise InputError(f"{count} rows cannot be played.", "Give 0 or more.")
    current = champion(store, materials.workspace.name)
    return store.write(
        lambda work: _play(work, materials, current, count, now_ms, audit_share, again)
    )


def instance_table(
    materials: Materials, batch: pd.DataFrame, *, run: int, first: int, now_ms: int
) -> pd.DataFrame:
    """Turn stream rows into instances with ids that follow from their place."""
    space = materials.workspace
    steps = np.arange(first, first + len(batch))
    kept = batch[list(dict.fromkeys((*space.features, *space.companions, *space.sensitive)))]
    return pd.DataFrame(
        {
            "instance_id": [f"{space.name}-{run}-{step}" for step in steps],
            "workspace": space.name,
            "run": run,
            "step": steps,
            "occurred_ms": FIRST_DAY_MS
            + (batch[space.time_column].to_numpy() * 1_000).astype("int64"),
            "ingested_ms": now_ms,
            "origin": batch["origin"].to_numpy(),
            "source_row": batch[space.id_column].to_numpy().astype("int64"),
            "weight": batch[space.weight_column].to_numpy().astype(float),
            "features": [json.dumps(plain(row)) for row in kept.to_dict("records")],
        }
    )


def predict(current: Stored, rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows with a stored model and its detector: one prediction per row."""
    score = models.scores(current.model, rows)
    flagged = models.flagged(current.model, rows)
    distance = novelty.distances(current.detector, rows)
    novel = distance > current.detector.limit
    return pd.DataFrame(
        {
            "model_id": current.model_id,
            "score": score,
            "probability": models.probabilities(current.model, rows),
            "threshold": current.model.threshold,
            "is_flagged": flagged,
            "novelty": distance,
            "novelty_limit": current.detector.limit,
            "is_novel": novel,
            "state": novelty.states(flagged, novel),
        }
    )


def _play(
    work: Work,
    materials: Materials,
    current: Stored,
    count: int,
    now_ms: int,
    audit_share: float = 0.0,
    again: bool = False,
) -> Ingested:
    head = work.rows("stream_head", materials.workspace.name)
    run, step, clock = head[0] if head else (1, -1, 0)
    length, cases, outcomes = len(materials.stream), 0, 0
    if step + 1 >= length and again:
        outcomes = _arrive(work, materials, run, clock, now_ms)  # what the last run still owes
        run, step = run + 1, -1
    has_ended = step + 1 >= length
    batch = materials.stream.iloc[step + 1 : step + 1 + count]
    if len(batch):
        table = instance_table(materials, batch, run=run, first=step + 1, now_ms=now_ms)
        cases = _add(work, table, batch, current, now_ms, audit_share)
        clock = int(table["occurred_ms"].iloc[-1])
    due_ms = clock if has_ended else clock - 1_000 * materials.workspace.outcome_delay_s
    outcomes += _arrive(work, materials, run, due_ms, now_ms)
    return Ingested(len(batch), cases, outcomes, step + 1 + len(batch) >= length)


def _add_waiting(work: Work, materials: Materials, current: Stored, now_ms: int) -> None:
    rows = materials.waiting
    if rows.empty:
        return
    table = instance_table(materials, rows, run=0, first=-len(rows), now_ms=now_ms)
    table["instance_id"] = [f"{materials.workspace.name}-w-{i}" for i in range(len(rows))]
    _add(work, table, rows, current, now_ms, 0.0)


def _first_promotion(workspace: str, model_id: str, now_ms: int) -> dict[str, object]:
    return {
        "workspace": workspace,
        "number": 1,
        "kind": "seed",
        "model_id": model_id,
        "replaced_id": "",
        "comparison_id": "",
        "promoted_by": OURSELVES,
        "reason": "first model of the workspace",
        "promoted_ms": now_ms,
    }


def _add(
    work: Work,
    table: pd.DataFrame,
    batch: pd.DataFrame,
    current: Stored,
    now_ms: int,
    audit_share: float,
) -> int:
    scored = predict(current, batch).assign(
        instance_id=table["instance_id"].to_numpy(),
        workspace=table["workspace"].to_numpy(),
        is_live=True,
        scored_ms=now_ms,
    )
    work.append("instances", table)
    work.append("predictions", scored)
    return _enqueue(work, scored, now_ms, audit_share)


def _enqueue(work: Work, scored: pd.DataFrame, now_ms: int, audit_share: float) -> int:
    drawn = scored["instance_id"].map(_uniform) < audit_share
    chosen = scored[(scored["state"] != "normal") | drawn]
    events = [
        journal.queued(
            row["instance_id"],
            happened_ms=now_ms,
            queued_for=row["state"] if row["state"] != "normal" else "audit",
            stratum=STRATA[row["state"]],
            inclusion=1.0 if row["state"] != "normal" else audit_share,
            priority=RANKS[row["state"]] + row["probability"],
        )
        for row in chosen.to_dict("records")
    ]
    journal.record(work, str(scored["workspace"].iloc[0]), events)
    return len(events)


def _arrive(work: Work, materials: Materials, run: int, due_ms: int, now_ms: int) -> int:
    space = materials.workspace
    due = work.rows("due_outcomes", space.name, run, due_ms)
    truth = materials.stream[space.label_column].to_numpy()
    rows = materials.stream[space.id_column].to_numpy()
    outcomes = [
        {
            "instance_id": instance_id,
            "workspace": space.name,
            "is_positive": bool(truth[step] == 1),
            "source": "outcome",
            "arrived_ms": now_ms,
        }
        for instance_id, _, step, source_row in due
        if step < len(rows) and rows[step] == source_row  # else the data file was exchanged
    ]
    return work.append("outcomes", outcomes)


def _uniform(instance_id: str) -> float:
    return int(hashlib.sha256(instance_id.encode()).hexdigest()[:12], 16) / 16**12
