"""What the model says about rows: raw scores, log-odds, probabilities, contributions, leaves."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import FeatureMismatchError, MissingValuesError, NotNumericError
from hitl.models.artefact import Model, check_text

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


def matrix(features: tuple[str, ...], rows: pd.DataFrame) -> Floats:
    """Take a model's columns out of rows by name, in the model's order.

    Parameters
    ----------
    features
        Column names.
    rows
        Any rows that have these columns; others are ignored.

    Returns
    -------
    Floats
        Shape ``(n_rows, n_features)``.

    Raises
    ------
    TypeError
        If `rows` is not a DataFrame: a bare array says nothing about its columns' order.
    FeatureMismatchError
        If columns are missing.
    NotNumericError, MissingValuesError
        If a value is text, NaN or infinite.

    Examples
    --------
    >>> matrix(("b", "a"), pd.DataFrame({"a": [1.0], "b": [2.0]})).tolist()
    [[2.0, 1.0]]
    """
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"rows must be a DataFrame with named columns, not {type(rows).__name__}")
    missing = [feature for feature in features if feature not in rows.columns]
    if missing:
        raise FeatureMismatchError(
            f"The rows lack {len(missing)} of the model's {len(features)} features: "
            f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}.",
            "Add the columns, or use the model that was trained on these.",
        )
    try:
        values = rows[list(features)].to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise NotNumericError(
            f"A feature holds something that is not a number: {error}.", "Give numbers only."
        ) from error
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise MissingValuesError(
            f"Column {features[column]!r} has no finite number in row {row}.",
            "Fill the value in or leave the row out.",
        )
    return np.ascontiguousarray(values)


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
        As `matrix`.
    """
    return _predict(booster(model), matrix(model.features, rows), raw_score=True)


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
        As `matrix`.
    """
    return model.slope * raw_scores(model, rows) + model.intercept


def probabilities(model: Model, rows: pd.DataFrame) -> Floats:
    """Return calibrated probabilities of the positive class, in ``[0, 1]``, shape ``(n_rows,)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `matrix`.
    """
    return sigmoid(scores(model, rows))


def flagged(model: Model, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say which rows reach the model's threshold, shape ``(n_rows,)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `matrix`.
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
        As `matrix`.

    Notes
    -----
    Calibration by a slope and an intercept keeps contributions additive. About fifty times
    dearer than a score.

    References
    ----------
    Lundberg, Erion and Lee (2018), consistent individualised feature attribution for trees.
    """
    values = matrix(model.features, rows)
    probe = values if len(values) else np.zeros((1, len(model.features)))
    parts = _predict(booster(model), probe, pred_contrib=True)
    base = model.slope * float(parts[0, -1]) + model.intercept
    return base, model.slope * parts[: len(values), :-1]


def leaves(model: Model, rows: pd.DataFrame) -> Ints:
    """Return the number of the leaf each row falls into, shape ``(n_rows, n_trees)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `matrix`.
    """
    trees = booster(model)
    found = _predict(trees, matrix(model.features, rows), pred_leaf=True)
    return found.reshape(len(rows), trees.num_trees()).astype(np.int64)


def _predict(trees: "Booster", values: Floats, **options: Any) -> Floats:
    if not len(values):
        return np.zeros(0)
    threads = 1 if len(values) < _ONE_THREAD_ROWS else THREADS
    return np.asarray(trees.predict(values, num_threads=threads, **options), dtype=np.float64)
