"""What a model's card says: where it comes from, how it fared, what is usual."""

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import hitl
from hitl import datasets
from hitl.models.calibration import Budgeted
from hitl.models.tables import Table

Floats = npt.NDArray[np.float64]

PROBE_ROWS = 20


def average_precision(table: Table, raw: Floats) -> float:
    """Measure how well raw scores rank a table's positives, at natural prevalence."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(table.truth, raw, sample_weight=table.weight))


def card_of(
    table: Table,
    raw: Floats,
    method: str,
    parent: str | None,
    parameters: Mapping[str, Any],
    rounds: int,
    seed: int,
    weight: str | None,
) -> dict[str, Any]:
    """Describe a model trained on a table; `parent` is the model it continues or replaces."""
    return {
        "method": method,
        "parent": parent,
        "parameters": dict(parameters),
        "rounds": rounds,
        "seed": seed,
        "versions": _versions(),
        "rows": len(table.truth),
        "positives": int(table.truth.sum()),
        "weight_column": weight if weight in table.source.columns else None,
        "prevalence": float(np.average(table.truth, weights=table.weight)),
        "train_ap": average_precision(table, raw),
        "max_raw": float(np.max(np.abs(raw))),
        "data_fingerprint": datasets.fingerprint(table.source),
        "missing": table.missing,
        "quantiles": _quantiles(table),
        "probe": {
            "rows": [[_plain(v) for v in row] for row in table.values[:PROBE_ROWS].tolist()],
            "raw_scores": raw[:PROBE_ROWS].tolist(),
        },
    }


def _versions() -> dict[str, str]:
    import lightgbm

    return {
        "lightgbm": lightgbm.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "hitl": hitl.__version__,
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value


def _quantiles(table: Table) -> dict[str, dict[str, Any]]:
    """Describe each feature among legitimate rows.

    A number has its typical range and a grid of percentiles over the rows that have a value; a
    categorical feature the share of each category. Where values are missing, so is their share.
    """
    legit = table.values[table.truth == 0]
    found = {}
    for place, feature in enumerate(table.features):
        column = legit[:, place]
        there = column[~np.isnan(column)]
        gaps = {"missing_share": 1 - len(there) / len(column)} if feature in table.missing else {}
        if feature in table.categories:
            shares = {
                name: float((there == code).sum() / len(column))
                for code, name in enumerate(table.categories[feature])
            }
            found[feature] = {"shares": shares} | gaps
        else:
            found[feature] = (_grid(there) if len(there) else {}) | gaps
    return found


def _grid(values: Floats) -> dict[str, Any]:
    grid = np.quantile(values, np.linspace(0, 1, 101))
    return {
        "p05": float(grid[5]),
        "p50": float(grid[50]),
        "p95": float(grid[95]),
        "grid": grid.tolist(),
    }


def budget_card(found: Budgeted, budget: float) -> dict[str, Any]:
    """Say what a threshold rests on."""
    sentence = (
        f"The threshold flags {found.share:.4%} of legitimate rows not seen in training; "
        f"it rests on the {found.rows} highest-scoring of them."
        if found.rows
        else "The budget is smaller than one legitimate row: the threshold lies above them all."
    )
    return {
        "budget": budget,
        "expected_false_alarms": found.share,
        "threshold_rows": found.rows,
        "threshold_sentence": sentence,
    }
