"""What the model says about rows: raw scores, log-odds, probabilities, contributions, leaves."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.models.artefact import Model, check_text
from hitl.models.encoding import encoded

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

THREADS = 2
_ONE_THREAD_ROWS = 20_000


def booster(model: Model) -> "Booster":
    """Return LightGBM's object for a model; the same text is parsed once.

    Raises
    ------
    ModelFormatError
        If the text is not a whole LightGBM model.
    """
    return _booster(model.text)


@lru_cache(maxsize=8)
def _booster(text: str) -> "Booster":
    from lightgbm import Booster

    check_text(text)
    return Booster(model_str=text)


def sigmoid(log_odds: Floats) -> Floats:
    """Turn log-odds into probabilities without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)


def raw_scores(model: Model, rows: pd.DataFrame) -> Floats:
    """Add up the trees' leaf values: the score before calibration.

    Parameters
    ----------
    model
        The model.
    rows
        Rows with the model's columns, in any order.

    Returns
    -------
    Floats
        Shape ``(n_rows,)``; log-odds of the training rows as they were sampled.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.
    """
    return _predict(booster(model), encoded(model, rows), raw_score=True)


def scores(model: Model, rows: pd.DataFrame) -> Floats:
    """Return calibrated log-odds: ``slope * raw + intercept``.

    Parameters
    ----------
    model
        The model.
    rows
        Rows with the model's columns, in any order.

    Returns
    -------
    Floats
        Shape ``(n_rows,)``; 0 is even odds at natural prevalence.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.
    """
    return odds(model, encoded(model, rows))


def odds(model: Model, values: Floats) -> Floats:
    """Return calibrated log-odds of rows that are encoded already.

    Parameters
    ----------
    model
        The model.
    values
        What `encoded` returned, shape ``(n_rows, n_features)``.

    Returns
    -------
    Floats
        Shape ``(n_rows,)``, as `scores`.
    """
    return model.slope * _predict(booster(model), values, raw_score=True) + model.intercept


def probabilities(model: Model, rows: pd.DataFrame) -> Floats:
    """Return calibrated probabilities of the positive class, in ``[0, 1]``, shape ``(n_rows,)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.
    """
    return sigmoid(scores(model, rows))


def flagged(model: Model, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say which rows reach the model's threshold, shape ``(n_rows,)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.
    """
    return np.asarray(probabilities(model, rows) >= model.threshold, dtype=np.bool_)


def contributions(model: Model, rows: pd.DataFrame) -> tuple[float, Floats]:
    """Split each row's score into one number per feature (TreeSHAP).

    Parameters
    ----------
    model
        The model.
    rows
        Rows with the model's columns, in any order.

    Returns
    -------
    tuple
        Base value in log-odds, and contributions in log-odds, shape ``(n_rows, n_features)``;
        base value plus a row's contributions is the row's score.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.

    Notes
    -----
    Calibration by a slope and an intercept keeps contributions additive. About fifty times
    dearer than a score.

    References
    ----------
    Lundberg, Erion and Lee (2018), consistent individualised feature attribution for trees.
    """
    return split(model, encoded(model, rows))


def split(model: Model, values: Floats) -> tuple[float, Floats]:
    """Split the scores of rows that are encoded already, as `contributions`.

    Parameters
    ----------
    model
        The model.
    values
        What `encoded` returned, shape ``(n_rows, n_features)``.

    Returns
    -------
    tuple
        Base value, and contributions of shape ``(n_rows, n_features)``, in log-odds.
    """
    probe = values if len(values) else np.zeros((1, len(model.features)))
    parts = _predict(booster(model), probe, pred_contrib=True)
    base = model.slope * float(parts[0, -1]) + model.intercept
    return base, model.slope * parts[: len(values), :-1]


def leaves(model: Model, rows: pd.DataFrame) -> Ints:
    """Return the number of the leaf each row falls into, shape ``(n_rows, n_trees)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encoded`.
    """
    trees = booster(model)
    found = _predict(trees, encoded(model, rows), pred_leaf=True)
    return found.reshape(len(rows), trees.num_trees()).astype(np.int64)


def _predict(trees: "Booster", values: Floats, **options: Any) -> Floats:
    if not len(values):
        return np.zeros(0)
    threads = 1 if len(values) < _ONE_THREAD_ROWS else THREADS
    return np.asarray(trees.predict(values, num_threads=threads, **options), dtype=np.float64)
