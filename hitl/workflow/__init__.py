"""The verbs of the loop: ingest, score, explain, enqueue, claim, decide, retrain, promote."""

from hitl.workflow.catalogue import Stored, champion, stored
from hitl.workflow.claiming import Claim, claim, held, release, renew
from hitl.workflow.deciding import Decided, decide, newest, undo
from hitl.workflow.decision_files import export_decisions, import_decisions
from hitl.workflow.drafts import draft, keep_draft
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
from hitl.workflow.labelling import import_labels, preview_labels
from hitl.workflow.logs import Verified, log_export, log_import, verify
from hitl.workflow.materials import Materials, materials
from hitl.workflow.opinions import evidence_for, first_opinion, history, is_revealed
from hitl.workflow.passing import comment, defer, escalate
from hitl.workflow.people import Person
from hitl.workflow.relearning import (
    changed_rows,
    compare,
    flips,
    labelled_rows,
    promote,
    retrain,
    roll_back,
)
from hitl.workflow.similar import Past, alike_cases, past, similar_cases
from hitl.workflow.story import Light, lights, play_story, tape
from hitl.workflow.streaming import Ingested, ingest, predict, seed

__all__ = [
    "Claim",
    "Decided",
    "Ground",
    "Ingested",
    "Light",
    "Materials",
    "Past",
    "Person",
    "Replayed",
    "Stored",
    "Verified",
    "alike_cases",
    "case",
    "champion",
    "changed_rows",
    "claim",
    "comment",
    "compare",
    "decide",
    "defer",
    "draft",
    "escalate",
    "evidence_for",
    "explain",
    "explain_ahead",
    "export_decisions",
    "first_opinion",
    "flips",
    "ground",
    "held",
    "history",
    "import_decisions",
    "import_labels",
    "ingest",
    "is_revealed",
    "keep_draft",
    "labelled_rows",
    "lights",
    "log_export",
    "log_import",
    "make",
    "materials",
    "newest",
    "past",
    "play_story",
    "predict",
    "preview_labels",
    "promote",
    "recipe",
    "release",
    "renew",
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
    "verify",
]
