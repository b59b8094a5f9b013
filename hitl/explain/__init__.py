"""Why one row was scored as it was: attributions (SHAP), surrogates (LIME), neighbours, text."""

from hitl.explain.attributions import (
    RESIDUAL_LIMIT,
    Attribution,
    attribution,
    contribution_shares,
    contribution_table,
)
from hitl.explain.neighbours import neighbours
from hitl.explain.surrogates import Surrogate, lime
from hitl.explain.text import (
    contribution_sentence,
    neighbour_sentence,
    number,
    odds_phrase,
    surrogate_sentence,
    verdict_sentence,
)

__all__ = [
    "RESIDUAL_LIMIT",
    "Attribution",
    "Surrogate",
    "attribution",
    "contribution_sentence",
    "contribution_shares",
    "contribution_table",
    "lime",
    "neighbour_sentence",
    "neighbours",
    "number",
    "odds_phrase",
    "surrogate_sentence",
    "verdict_sentence",
]
