"""Rows made by us: the story's tape, a world of payments, and people who review them."""

from hitl.simulator.history import HISTORY, history
from hitl.simulator.payments import (
    AGE_BANDS,
    REGIONS,
    SEGMENTS,
    World,
    payments_world,
)
from hitl.simulator.people import ExplanationEffect, SimulatedReviewer, review, work
from hitl.simulator.story import (
    FRAUD_POSITIONS,
    TAPE_LENGTH,
    UNKNOWN_POINTS,
    story_tape,
    story_waiting,
)

__all__ = [
    "AGE_BANDS",
    "FRAUD_POSITIONS",
    "HISTORY",
    "REGIONS",
    "SEGMENTS",
    "TAPE_LENGTH",
    "UNKNOWN_POINTS",
    "ExplanationEffect",
    "SimulatedReviewer",
    "World",
    "history",
    "payments_world",
    "review",
    "story_tape",
    "story_waiting",
    "work",
]
