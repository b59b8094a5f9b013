"""A small linear stand-in for the model around one row (LIME), with how far to trust it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import EmptyDataError

Floats = npt.NDArray[np.float64]

GOOD_R2 = 0.7
WEAK_R2 = 0.3
FLAT_SPREAD = 1e-6
"""Perturbed probabilities that differ by less than this explain nothing."""


@dataclass(frozen=True)
class Surrogate:
    """A linear stand-in for the model around one row, in units of probability."""

    weights: dict[str, float]
    features: dict[str, str]
    intercept: float
    r2: float
    local_prediction: float
    model_prediction: float
    spread: float
    seed: int
    samples: int
    verdict: str

    @property
    def is_flat(self) -> bool:
        """Whether the model gave every perturbed row the same probability."""
        return self.spread < FLAT_SPREAD


def lime(
    model: models.Model,
    row: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int,
    samples: int = 5000,
    k: int = 8,
) -> Surrogate:
    """Explain one probability with LIME's linear stand-in.

    Parameters
    ----------
    model
        The model whose probability is explained.
    row
        The row to explain, shape ``(1, n_columns)``, with the model's features.
    background
        Rows that the perturbed values are drawn from (training rows), shape
        ``(n_rows, n_columns)``, with the model's features.
    seed
        Seed of the perturbations. The same seed gives the same answer, to the last bit.
    samples
        Number of perturbed rows, at least 2.
    k
        Number of features in the stand-in, at least 1; the heaviest are kept and refitted.

    Returns
    -------
    Surrogate
        `weights` by condition (``"V14 <= -1.20"``), heaviest first, in units of probability, and
        `features`, the plain feature of each condition. `intercept` plus the weights is
        `local_prediction`, to be read beside `model_prediction`. `r2` (at most 1, may be below 0)
        is the stand-in's fit to the perturbed rows; `spread` is the range of the model's
        probabilities over them. `verdict` is ``"good"``, ``"weak"`` or ``"do not use"``.

    Raises
    ------
    FeatureMismatchError
        If `row` or `background` lacks a feature of the model.
    EmptyDataError
        If `background` has no rows.
    NotNumericError, MissingValuesError
        If a feature holds text, or is missing or infinite: LIME would silently call it large.
    ValueError
        If `row` is not exactly one row, `samples` is below 2 or `k` below 1.

    Notes
    -----
    This is the stock explainer of the `lime` package (quartile bins, default kernel) with its
    feature selection fixed to the heaviest weights; left to itself it switches to a far slower
    forward selection at six features and fewer. Its samples follow the background, not the row,
    so on rare classes expect a poor `r2`: the verdict says so. A model that gives every sample
    the same probability has ``r2 = 1`` and still explains nothing: the verdict is then
    ``"do not use"``.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016), "Why should I trust you?" Explaining the predictions of
    any classifier.
    """
    _check(row, background, samples, k)
    low, high = 0.0, 0.0

    def predict(perturbed: Floats) -> Floats:
        nonlocal low, high
        probability = models.probabilities(
            model, pd.DataFrame(perturbed, columns=list(model.features))
        )
        low, high = float(probability.min()), float(probability.max())
        return np.column_stack([1 - probability, probability])

    explanation = _explainer(model, background, seed).explain_instance(
        models.matrix(model.features, row)[0],
        predict,
        labels=(1,),
        num_features=k,
        num_samples=samples,
    )
    weights = explanation.as_list(label=1)
    positions = [position for position, _ in explanation.as_map()[1]]
    conditions = [condition for condition, _ in weights]
    r2 = float(explanation.score)
    return Surrogate(
        weights={condition: float(weight) for condition, weight in weights},
        features={c: model.features[p] for c, p in zip(conditions, positions, strict=True)},
        intercept=float(explanation.intercept[1]),
        r2=r2,
        local_prediction=float(explanation.local_pred[0]),
        model_prediction=float(explanation.predict_proba[1]),
        spread=high - low,
        seed=seed,
        samples=samples,
        verdict=_verdict(r2, high - low),
    )


def _explainer(model: models.Model, background: pd.DataFrame, seed: int) -> Any:
    from lime.lime_tabular import LimeTabularExplainer

    return LimeTabularExplainer(
        models.matrix(model.features, background),
        feature_names=list(model.features),
        feature_selection="highest_weights",
        random_state=seed,
    )


def _verdict(r2: float, spread: float) -> str:
    if spread < FLAT_SPREAD or r2 < WEAK_R2:
        return "do not use"
    return "good" if r2 >= GOOD_R2 else "weak"


def _check(row: pd.DataFrame, background: pd.DataFrame, samples: int, k: int) -> None:
    if len(row) != 1:
        raise ValueError(f"LIME explains one row; {len(row)} were given.")
    if samples < 2 or k < 1:
        raise ValueError(f"samples is {samples} and k is {k}; they must be at least 2 and 1.")
    if not len(background):
        raise EmptyDataError("The background has no rows.", "Give the rows the model learnt from.")
