"""Fit, calibrate, continue, score, save and load the monitored model; refuse a diverged one."""

from hitl.models.artefact import Model, check_text
from hitl.models.folders import from_dict, load, save, to_dict
from hitl.models.scoring import (
    booster,
    contributions,
    flagged,
    leaves,
    matrix,
    probabilities,
    raw_scores,
    scores,
    sigmoid,
)
from hitl.models.training import DEFAULT_PARAMETERS, extend, fit, refit

__all__ = [
    "DEFAULT_PARAMETERS",
    "Model",
    "booster",
    "check_text",
    "contributions",
    "extend",
    "fit",
    "flagged",
    "from_dict",
    "leaves",
    "load",
    "matrix",
    "probabilities",
    "raw_scores",
    "refit",
    "save",
    "scores",
    "sigmoid",
    "to_dict",
]
