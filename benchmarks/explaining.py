"""One row's reasons: LightGBM's own contributions against the shap package, LIME and a score."""

from pathlib import Path

import numpy as np

from benchmarks.timing import Line, in_turns
from hitl import explain, models, workflow
from hitl.workspaces import CARDS

DATA = Path(__file__).parent.parent / "data"


def lines() -> list[Line]:
    """Explain one payment of the locked test set in several ways."""
    import shap

    rows = workflow.materials(CARDS, DATA)
    model = models.fit(rows.training, features=CARDS.features, weight=CARDS.weight_column)
    row = rows.test.iloc[[0]]
    face = explain.scorer(model)
    known = explain.prepare(face, rows.training)
    values = models.matrix(model.features, row)
    explainer = shap.TreeExplainer(models.booster(model))
    wide = shap.TreeExplainer(
        models.booster(model), models.matrix(model.features, rows.training.iloc[:100])
    )
    _, ours = models.contributions(model, row)
    same = np.abs(ours - model.slope * explainer.shap_values(values)).max()

    def here() -> None:
        models.contributions(model, row)

    pairs = {
        f"shap.TreeExplainer, made before (largest difference {same:.0e})": lambda: (
            explainer.shap_values(values)
        ),
        "shap.TreeExplainer, made for the row": lambda: shap.TreeExplainer(
            models.booster(model)
        ).shap_values(values),
        "shap.TreeExplainer with a background of 100 rows": lambda: wide.shap_values(values),
        "LIME, 5,000 perturbed rows": lambda: explain.shared_lime(
            face, row, [explain.draw_sample(face, known, seed=0)]
        ),
    }
    found = []
    for instead, call in pairs.items():
        mine, other = in_turns(here, call, times=7)
        found.append(Line("explain one row", "pred_contrib", mine, instead, other))
    many = rows.test.iloc[:1_000]
    scored, explained = in_turns(
        lambda: models.scores(model, many), lambda: models.contributions(model, many), times=7
    )
    found.append(Line("1,000 rows", "their scores", scored, "their contributions", explained))
    return found
