"""Runs in the peers' own environment: what DiCE and explainerdashboard cost on exported rows.

``python peers.py FOLDER dice|explainerdashboard``: FOLDER holds ``model.txt`` (LightGBM),
``training.csv``, ``cases.csv`` (flagged rows), ``screen.csv`` (rows of the first screen) and
``model.json`` (features, label, slope, intercept, threshold, parameters, rounds). Prints one line
of JSON: CPU seconds of this process, imports and fitting left out.
"""

import contextlib
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


class Scores:
    """The model as scikit-learn would give it, with its threshold moved to one half."""

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        from lightgbm import Booster

        self.trees = Booster(model_file=str(folder / "model.txt"))
        self.features = card["features"]
        self.slope = card["slope"]
        limit = card["threshold"]
        self.intercept = card["intercept"] - np.log(limit / (1 - limit))

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Give the probabilities of both classes, shape ``(n_rows, 2)``."""
        values = rows[self.features].to_numpy(dtype=float)
        raw = self.trees.predict(values, raw_score=True, num_threads=1)
        positive = 1 / (1 + np.exp(-(self.slope * raw + self.intercept)))
        return np.column_stack([1 - positive, positive])

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Give the class of each row."""
        return (self.predict_proba(rows)[:, 1] >= 0.5).astype(int)


def dice(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Ask DiCE's random method for three answers per flagged row."""
    import dice_ml

    features, label = card["features"], card["label"]
    training = pd.read_csv(folder / "training.csv")[[*features, label]]
    cases = pd.read_csv(folder / "cases.csv")[features]
    model = Scores(folder, card)
    known = dice_ml.Data(dataframe=training, continuous_features=features, outcome_name=label)
    peer = dice_ml.Dice(known, dice_ml.Model(model=model, backend="sklearn"), method="random")
    seconds, answered, changed, turned = [], [], [], []
    for number in range(len(cases)):
        case = cases.iloc[[number]]
        start = time.process_time()
        try:
            found = peer.generate_counterfactuals(
                case, total_CFs=3, desired_class="opposite", random_seed=number, verbose=False
            )
            answers = found.cf_examples_list[0].final_cfs_df
        except dice_ml.utils.exception.UserConfigValidationException:
            answers = None
        seconds.append(time.process_time() - start)
        answered.append(0 if answers is None else len(answers))
        if answers is not None and len(answers):
            gaps = np.abs(answers[features].to_numpy(float) - case.to_numpy(float))
            changed += (gaps > 1e-3).sum(axis=1).tolist()
            turned += (model.predict(answers) == 0).tolist()
    return {
        "seconds": float(np.median(seconds)),
        "answered": answered,
        "changed": changed,
        "turned": turned,
    }


def explainerdashboard(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Build a dashboard with its defaults, interactions off, until its layout is served."""
    from explainerdashboard import ClassifierExplainer, ExplainerDashboard
    from lightgbm import LGBMClassifier

    features, label = card["features"], card["label"]
    training, screen = (pd.read_csv(folder / f"{name}.csv") for name in ("training", "screen"))
    fixed = {"n_jobs": 1, "verbosity": -1, "n_estimators": card["rounds"]}
    model = LGBMClassifier(**card["parameters"], **fixed)
    model.fit(training[features], training[label])
    start = time.process_time()
    explainer = ClassifierExplainer(model, screen[features], screen[label], n_jobs=1)
    dashboard = ExplainerDashboard(explainer, shap_interaction=False)
    dashboard.flask_server().test_client().get("/_dash-layout")
    return {"seconds": time.process_time() - start, "rows": len(screen)}


def main(folder: Path, peer: str) -> None:
    """Measure one peer; whatever it prints goes to the other stream."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    with contextlib.redirect_stdout(sys.stderr):
        found = {"dice": dice, "explainerdashboard": explainerdashboard}[peer](folder, card)
    print(json.dumps(found))


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    main(Path(sys.argv[1]), sys.argv[2])
