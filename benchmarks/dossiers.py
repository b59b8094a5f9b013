"""A whole case file against one call of the stock lime package, in seconds of one processor."""

import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Line, cpu_seconds
from hitl import dossier, models, workflow
from hitl.workflow.streaming import fit_detector
from hitl.workspaces import CARDS, PAYMENTS, Workspace

DATA = Path(__file__).parent.parent / "data"
CASES = 20


def lines() -> list[Line]:
    """Make the case files of flagged rows of the locked test sets."""
    return [_line(space) for space in (CARDS, PAYMENTS)]


def stored(space: Workspace, rows: workflow.Materials) -> workflow.Stored:
    """Fit what a workspace is seeded with."""
    model = models.fit(
        rows.training,
        features=space.features,
        label=space.label_column,
        weight=space.weight_column,
        budget=space.false_alarm_budget,
    )
    detector = fit_detector(rows, rows.training, seed=0, rate=0.001)
    return workflow.Stored(model.model_id, model, detector)


def whole_file(current: workflow.Stored, row: pd.DataFrame, space: Workspace) -> str:
    """Make all evidence of one row and its page."""
    body = workflow.make(current, workflow.recipe(current, row, space))
    return dossier.dossier_html({}, body, space)


def _line(space: Workspace) -> Line:
    from lime.lime_tabular import LimeTabularExplainer

    rows = workflow.materials(space, DATA)
    current = stored(space, rows)
    flagged = rows.test[models.flagged(current.model, rows.test)].iloc[:CASES]
    base = workflow.ground(current)
    stock = LimeTabularExplainer(base.values, random_state=0)

    def two_sided(values: np.ndarray) -> np.ndarray:
        probability = base.face.probabilities(values)
        return np.column_stack([1 - probability, probability])

    size = len(whole_file(current, flagged.iloc[[0]], space).encode())  # and draws what is shared
    mine, other = [], []
    for place in range(len(flagged)):
        row = flagged.iloc[[place]]
        mine.append(cpu_seconds(lambda row=row: whole_file(current, row, space)))
        values = base.face.encode(row)[0]
        other.append(
            cpu_seconds(lambda v=values: stock.explain_instance(v, two_sided, num_features=10))
        )
    return Line(
        f"{space.name}: a whole case file, median of {len(flagged)}",
        f"every part, {size / 1_000:.0f} kB of HTML",
        statistics.median(mine),
        "one call of stock lime, 5,000 samples, 10 features",
        statistics.median(other),
    )
