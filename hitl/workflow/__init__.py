"""The verbs of the loop: ingest, score, explain, enqueue, claim, decide, retrain, promote."""

from hitl.workflow.catalogue import Stored, champion, stored
from hitl.workflow.evidence import Ground, ground, make, recipe
from hitl.workflow.explaining import (
    Replayed,
    case,
    explain,
    explain_ahead,
    replay,
    replay_stored,
    seen,
)
from hitl.workflow.materials import Materials, materials
from hitl.workflow.relearning import (
    changed_rows,
    compare,
    flips,
    labelled_rows,
    promote,
    retrain,
    roll_back,
)
from hitl.workflow.reviewing import (
    Claim,
    claim,
    decide,
    export_decisions,
    held,
    import_decisions,
    release,
    undo,
)
from hitl.workflow.similar import Past, alike_cases, past, similar_cases
from hitl.workflow.story import Light, lights, play_story, tape
from hitl.workflow.streaming import Ingested, ingest, predict, seed

__all__ = [
    "Claim",
    "Ground",
    "Ingested",
    "Light",
    "Materials",
    "Past",
    "Replayed",
    "Stored",
    "alike_cases",
    "case",
    "champion",
    "changed_rows",
    "claim",
    "compare",
    "decide",
    "explain",
    "explain_ahead",
    "export_decisions",
    "flips",
    "ground",
    "held",
    "import_decisions",
    "ingest",
    "labelled_rows",
    "lights",
    "make",
    "materials",
    "past",
    "play_story",
    "predict",
    "promote",
    "recipe",
    "release",
    "replay",
    "replay_stored",
    "retrain",
    "roll_back",
    "seed",
    "seen",
    "similar_cases",
    "stored",
    "tape",
    "undo",
]
