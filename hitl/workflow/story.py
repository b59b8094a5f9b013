"""The story from end to end, headless, and the three lights that say whether it holds."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl import gates
from hitl.store import Store
from hitl.workflow.catalogue import champion
from hitl.workflow.claiming import claim
from hitl.workflow.deciding import decide
from hitl.workflow.materials import Materials
from hitl.workflow.people import Person
from hitl.workflow.relearning import compare, promote, retrain
from hitl.workflow.streaming import ingest, seed
from hitl.workspaces import REASONS

STORYTELLER = Person("story", "admin")
PASS_ROWS = 15
"""Rows of one pass; the tape holds two."""


@dataclass(frozen=True)
class Light:
    """One check of the story: whether it holds, nothing yet, or fails, with its figures."""

    title: str
    holds: bool | None
    sentence: str


def play_story(
    store: Store, materials: Materials, *, seed_number: int, now_ms: int, novelty_rate: float
) -> dict[str, Any]:
    """Play the whole story: first pass, review, retrain, second pass, promote, replay.

    The challenger is trained after the first pass, so the second pass and the replay show it rows
    it was not taught.

    Returns
    -------
    dict
        Tape positions flagged before and after, positions called novel, cases reviewed, known
        frauds the champion caught and how many are kept, the churn baseline, the promoted model
        and every gate.
    """
    seed(store, materials, seed=seed_number, novelty_rate=novelty_rate, now_ms=now_ms)
    name = materials.workspace.name
    before = champion(store, name).model_id
    ingest(store, materials, PASS_ROWS, now_ms=now_ms)
    reviewed = _review_all(store, materials, now_ms)
    challenger = retrain(
        store,
        materials,
        seed=seed_number,
        person=STORYTELLER,
        now_ms=now_ms,
        novelty_rate=novelty_rate,
    )
    ingest(store, materials, PASS_ROWS, now_ms=now_ms)
    first = tape(store, name, run=1)
    found = compare(store, materials, challenger, seed=seed_number, now_ms=now_ms)
    promote(
        store,
        name,
        challenger,
        person=STORYTELLER,
        reason="every gate is passed",
        now_ms=now_ms,
    )
    ingest(store, materials, 2 * PASS_ROWS, now_ms=now_ms, again=True)
    kept = _kept(found["gates"])["evidence"]
    return {
        "alerts_before": _steps(first, "is_flagged"),
        "novel": _steps(first, "is_novel"),
        "alerts_after": _steps(tape(store, name, run=2), "is_flagged"),
        "reviewed": reviewed,
        "known_frauds": kept["caught"],
        "known_frauds_kept": kept["caught"] - kept["lost"],
        "churn_baseline_lost": kept["churn"],
        "champion_before": before,
        "promoted_model": champion(store, name).model_id,
        "gates": [{k: gate[k] for k in ("name", "passed", "sentence")} for gate in found["gates"]],
    }


def tape(store: Store, workspace: str, *, run: int) -> pd.DataFrame:
    """Read one run of the tape in order, each row with its live score."""
    rows = store.view("scored_instances", workspace=workspace, run=run, order=("step",))
    return rows[rows["step"] >= 0]


def lights(store: Store, materials: Materials) -> list[Light]:
    """Say whether the story's three statements hold so far, with their figures."""
    name = materials.workspace.name
    first = tape(store, name, run=1)
    unknown = first[first["origin"] == "constructed"]
    known = first[first["origin"] == "real"]
    flagged, novel = int(unknown["is_flagged"].sum()), int(unknown["is_novel"].sum())
    mistaken = int(known["is_novel"].sum())
    seen = len(unknown) > 0
    return [
        Light(
            "The model flags what it does not know",
            flagged == len(unknown) if seen else None,
            f"{flagged} of {len(unknown)} unknown rows flagged in the first run.",
        ),
        Light(
            "The novelty detector finds it",
            novel == len(unknown) and mistaken == 0 if seen else None,
            f"{novel} of {len(unknown)} unknown and {mistaken} of {len(known)} known rows "
            "called novel.",
        ),
        _kept_light(store, name),
    ]


def _kept_light(store: Store, name: str) -> Light:
    title = "After relearning, known verdicts are kept"
    newest = store.view("promotions", workspace=name, kind="promote", order=("-number",), limit=1)
    if newest.empty:
        return Light(title, None, "Nothing relearned yet: decide the waiting rows, then retrain.")
    found = store.view("comparisons", comparison_id=newest.iloc[0]["comparison_id"]).iloc[0]
    gate = _kept(json.loads(found["body"])["gates"])
    caught, lost = gate["evidence"]["caught"], gate["evidence"]["lost"]
    last = tape(store, name, run=int(store.rows("stream_head", name)[0][0]))
    last = last[(last["origin"] == "constructed") & (last["model_id"] == found["challenger_id"])]
    replay = f" {int(last['is_flagged'].sum())} of {len(last)} unknown rows flagged on replay."
    return Light(
        title,
        bool(gate["passed"]) and not last["is_flagged"].any(),
        f"{caught - lost} of {caught} known frauds kept."
        + (replay if len(last) else " Play again to see the unknown rows under the new model."),
    )


def _kept(checks: list[dict[str, Any]]) -> dict[str, Any]:
    return next(check for check in checks if check["name"] == gates.KEEP_VERDICTS)


def _steps(rows: pd.DataFrame, column: str) -> list[int]:
    return [int(step) for step in rows.loc[rows[column], "step"]]


def _review_all(store: Store, materials: Materials, now_ms: int) -> int:
    space = materials.workspace
    truth = dict(zip(materials.stream["position"], materials.stream["Class"], strict=True))
    for number in range(1_000):
        claimed = claim(store, space, STORYTELLER, now_ms=now_ms)
        if claimed is None:
            return number
        step = claimed.instance_id.rsplit("-", 1)[1]
        is_fraud = "-w-" not in claimed.instance_id and truth[int(step)] == 1
        verdict = space.positive if is_fraud else space.negative
        decide(
            store,
            space,
            claimed,
            verdict=verdict,
            reason=REASONS[verdict][0 if is_fraud else 1],
            key=f"story-{claimed.instance_id}-{claimed.fence}",
            now_ms=now_ms,
        )
    raise AssertionError("the queue does not empty")
