"""The verbs of the loop: ingest, score, explain, enqueue, claim, decide, retrain, promote."""

from hitl.workflow.catalogue import Stored, champion, stored
from hitl.workflow.explaining import case, evidence, explain, similar_cases
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
from hitl.workflow.story import Light, lights, play_story, tape
from hitl.workflow.streaming import Ingested, ingest, predict, seed

__all__ = [
    "Claim",
    "Ingested",
    "Light",
    "Materials",
    "Stored",
    "case",
    "champion",
    "changed_rows",
    "claim",
    "compare",
    "decide",
    "evidence",
    "explain",
    "export_decisions",
    "flips",
    "held",
    "import_decisions",
    "ingest",
    "labelled_rows",
    "lights",
    "materials",
    "play_story",
    "predict",
    "promote",
    "release",
    "retrain",
    "roll_back",
    "seed",
    "similar_cases",
    "stored",
    "tape",
    "undo",
]
