"""Which decided or known rows lie nearest to one row."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.datasets import check_rows
from hitl.errors import DuplicateIdsError

Floats = npt.NDArray[np.float64]
Scale = tuple[npt.ArrayLike, npt.ArrayLike]


def neighbours(
    row: pd.DataFrame,
    pool: pd.DataFrame,
    *,
    features: tuple[str, ...],
    scale: Scale | None = None,
    k: int = 10,
    id_column: str,
    categorical: Collection[str] = (),
    missing: Collection[str] = (),
) -> pd.DataFrame:
    """Find the rows of a pool that lie nearest to one row.

    Parameters
    ----------
    row
        The row to find neighbours of, shape ``(1, n_columns)``. When it carries `id_column`, the
        row of the pool with the same id is left out.
    pool
        Candidates, shape ``(n_candidates, n_columns)``, with `features` and `id_column`. May be
        empty.
    features
        Columns that the distance is measured on.
    scale
        Mean and standard deviation of each feature, each of shape ``(n_features,)``: distances
        are then Euclidean in standard deviations. A standard deviation of 0 counts as 1. Without
        it, distances are Euclidean in the columns' own units. What it says of categorical
        features is not used.
    k
        How many neighbours are wanted, at least 1.
    id_column
        Column of `pool` that names each row.
    categorical
        Features that are no numbers: two different categories are one standard deviation apart,
        equal ones, or two that are missing, not at all.
    missing
        Features in which a value may be missing. A missing number counts as the mean: the
        scale's, or without one that of row and pool.

    Returns
    -------
    DataFrame
        At most `k` rows, nearest first, equal distances in the pool's order: `id`, `distance`
        (0 is an identical row), then the pool's other columns.

    Raises
    ------
    MissingColumnsError
        If `row` or `pool` lacks a feature or `pool` lacks `id_column`.
    NotNumericError, MissingValuesError
        If a feature holds text, or is missing or infinite.
    DuplicateIdsError
        If two rows of the pool carry one id.
    ValueError
        If `row` is not exactly one row, `k` is below 1, the scale does not fit the features, or
        the pool has another column called ``id`` or ``distance``.

    Examples
    --------
    >>> pool = pd.DataFrame({"row": [1, 2, 3], "V4": [0.0, 3.0, 1.0]})
    >>> near = neighbours(pool.iloc[[0]], pool, features=("V4",), id_column="row", k=1)
    >>> near["id"].tolist(), near["distance"].tolist()
    ([3], [1.0])
    """
    if len(row) != 1:
        raise ValueError(f"Neighbours belong to one row; {len(row)} were given.")
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1.")
    kept = _candidates(row, pool, features, id_column, categorical, missing)
    steps = _steps(row, kept, features, _checked_scale(scale, len(features)), categorical)
    distance = np.sqrt((steps**2).sum(axis=1))
    nearest = np.argsort(distance, kind="stable")[:k]
    found = kept.iloc[nearest].rename(columns={id_column: "id"}).reset_index(drop=True)
    others = [name for name in found.columns if name != "id"]
    return found.assign(distance=distance[nearest])[["id", "distance", *others]]


def neighbours_by_reasons(
    contributions: npt.ArrayLike,
    pool: npt.ArrayLike,
    *,
    ids: npt.ArrayLike,
    k: int = 10,
) -> pd.DataFrame:
    """Find the rows whose scores came about most alike: nearest in contributions.

    Parameters
    ----------
    contributions
        The row's contributions in log-odds, shape ``(n_features,)``.
    pool
        Those of the candidates under the same model, shape ``(n_candidates, n_features)``.
    ids
        What the candidates are called, shape ``(n_candidates,)``, each once.
    k
        How many neighbours are wanted, at least 1.

    Returns
    -------
    DataFrame
        At most `k` rows, nearest first, equal distances in the pool's order: `id`, `distance`
        (Euclidean, in log-odds; 0 is the same score for the same reasons) and `position` in
        the pool.

    Raises
    ------
    DuplicateIdsError
        If two candidates carry one id.
    ValueError
        If shapes do not fit, a contribution is missing or infinite, or `k` is below 1.

    Notes
    -----
    Contributions have one unit, so no scale is needed: a feature the model does not use is 0 in
    every row and keeps none apart.

    Examples
    --------
    >>> found = neighbours_by_reasons([2.0, 0.0], [[2.0, 1.0], [0.0, 0.0]], ids=["a", "b"])
    >>> found["id"].tolist(), found["distance"].tolist()
    (['a', 'b'], [1.0, 2.0])
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1.")
    own, others = np.asarray(contributions, float), np.asarray(pool, float)
    names = np.asarray(ids)
    if own.ndim != 1 or (others.size and others.shape != (len(names), len(own))):
        raise ValueError(f"{others.shape} and {names.shape} do not fit a row of shape {own.shape}.")
    if not (np.isfinite(own).all() and np.isfinite(others).all()):
        raise ValueError("A contribution is missing or infinite.")
    if len(set(names.tolist())) < len(names):
        raise DuplicateIdsError("Two candidates carry one id.", "Give each candidate its own id.")
    others = others.reshape(len(names), len(own))
    distance = np.sqrt(((others - own) ** 2).sum(axis=1))
    nearest = np.argsort(distance, kind="stable")[:k]
    return pd.DataFrame({"id": names[nearest], "distance": distance[nearest], "position": nearest})


def _steps(
    row: pd.DataFrame,
    kept: pd.DataFrame,
    features: tuple[str, ...],
    scale: tuple[Floats | None, Floats],
    categorical: Collection[str],
) -> Floats:
    """Measure how far each candidate is from the row on each feature, in standard deviations."""
    means, spread = scale
    steps = np.zeros((len(kept), len(features)))
    for place, feature in enumerate(features):
        if feature in categorical:
            name = models.texts(row[feature])[0]
            steps[:, place] = [other != name for other in models.texts(kept[feature])]
        else:
            mean = None if means is None else float(means[place])
            gaps = _gaps(row[feature], kept[feature], mean)
            steps[:, place] = gaps / spread[place]
    return steps


def _gaps(value: pd.Series, others: pd.Series, mean: float | None) -> Floats:
    own, theirs = (c.to_numpy(dtype=np.float64, na_value=np.nan) for c in (value, others))
    if np.isnan(own).any() or np.isnan(theirs).any():
        mean = _mean(own, theirs) if mean is None else mean
        own, theirs = (np.where(np.isnan(part), mean, part) for part in (own, theirs))
    return np.asarray(theirs - own[0], dtype=np.float64)


def _mean(own: Floats, theirs: Floats) -> float:
    both = np.concatenate([own, theirs])
    there = both[~np.isnan(both)]
    return float(there.mean()) if len(there) else 0.0


def _candidates(
    row: pd.DataFrame,
    pool: pd.DataFrame,
    features: tuple[str, ...],
    id_column: str,
    categorical: Collection[str],
    missing: Collection[str],
) -> pd.DataFrame:
    clash = [name for name in ("id", "distance") if name in pool.columns and name != id_column]
    if clash:
        raise ValueError(f"The pool has a column {clash[0]!r} of its own; rename it.")
    check_rows(row, features=features, categorical=categorical, missing=missing)
    if len(pool):
        check_rows(
            pool,
            features=features,
            id_column=id_column,
            categorical=categorical,
            missing=missing,
        )
    if id_column in row.columns and len(pool):
        others: pd.DataFrame = pool[(pool[id_column] != row[id_column].iloc[0]).to_numpy(bool)]
        return others
    return pool


def _checked_scale(scale: Scale | None, n_features: int) -> tuple[Floats | None, Floats]:
    if scale is None:
        return None, np.ones(n_features)
    mean, spread = (np.asarray(part, dtype=np.float64) for part in scale)
    if mean.shape != (n_features,) or spread.shape != (n_features,):
        raise ValueError(
            f"The scale has shapes {mean.shape} and {spread.shape} for {n_features} features."
        )
    return mean, np.where(spread > 0, spread, 1.0)
