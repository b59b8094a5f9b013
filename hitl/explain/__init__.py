"""Why one row was scored as it was: attributions (SHAP), surrogates (LIME), neighbours, text."""

from hitl.explain.attributions import (
    RESIDUAL_LIMIT,
    Attribution,
    attribution,
    attribution_of,
    contribution_shares,
    contribution_table,
    permutation_attribution,
)
from hitl.explain.counterfactuals import (
    Counterfactual,
    Donors,
    counterfactual_sentence,
    counterfactuals,
    donors,
)
from hitl.explain.curves import (
    Rule,
    curve,
    rule,
    surface,
)
from hitl.explain.differences import (
    Changed,
    Difference,
    differences,
)
from hitl.explain.levels import (
    Background,
    prepare,
)
from hitl.explain.local import (
    deletion,
    local_lime,
    positive_tops,
)
from hitl.explain.neighbours import (
    neighbours,
    neighbours_by_reasons,
)
from hitl.explain.reasons import (
    Fact,
    Reasons,
    Told,
    fact,
    reasons,
)
from hitl.explain.recipe import (
    Making,
    fidelity_by_size,
    fidelity_by_width,
    making,
)
from hitl.explain.scorers import (
    Scorer,
    black_box,
    scorer,
)
from hitl.explain.shortcuts import (
    Shortcut,
    column_auc,
    leak_demonstration,
    plant_leak,
    shortcuts,
)
from hitl.explain.structure import (
    dependence,
    importance,
    interactions,
    tree_path,
)
from hitl.explain.surrogates import (
    Sample,
    draw_sample,
    shared_lime,
)
from hitl.explain.text import (
    contribution_sentence,
    cost_sentence,
    escape_markdown,
    gives,
    money,
    neighbour_sentence,
    number,
    odds_phrase,
    surrogate_sentence,
    verdict_sentence,
)
from hitl.explain.trust import (
    Surrogate,
)
from hitl.explain.unfamiliar import (
    Outside,
    Unfamiliar,
    unfamiliar,
    warning_sentences,
)
from hitl.explain.whatif import (
    WhatIf,
    coded,
    decoded,
    limits_of,
    out_of_range,
    what_if,
)

__all__ = [
    "RESIDUAL_LIMIT",
    "Attribution",
    "Background",
    "Changed",
    "Counterfactual",
    "Difference",
    "Donors",
    "Fact",
    "Making",
    "Outside",
    "Reasons",
    "Rule",
    "Sample",
    "Scorer",
    "Shortcut",
    "Surrogate",
    "Told",
    "Unfamiliar",
    "WhatIf",
    "attribution",
    "attribution_of",
    "black_box",
    "coded",
    "column_auc",
    "contribution_sentence",
    "contribution_shares",
    "contribution_table",
    "cost_sentence",
    "counterfactual_sentence",
    "counterfactuals",
    "curve",
    "decoded",
    "deletion",
    "dependence",
    "differences",
    "donors",
    "draw_sample",
    "escape_markdown",
    "fact",
    "fidelity_by_size",
    "fidelity_by_width",
    "gives",
    "importance",
    "interactions",
    "leak_demonstration",
    "limits_of",
    "local_lime",
    "making",
    "money",
    "neighbour_sentence",
    "neighbours",
    "neighbours_by_reasons",
    "number",
    "odds_phrase",
    "out_of_range",
    "permutation_attribution",
    "plant_leak",
    "positive_tops",
    "prepare",
    "reasons",
    "rule",
    "scorer",
    "shared_lime",
    "shortcuts",
    "surface",
    "surrogate_sentence",
    "tree_path",
    "unfamiliar",
    "verdict_sentence",
    "warning_sentences",
    "what_if",
]
