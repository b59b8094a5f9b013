"""Which decided or known rows lie nearest to one row."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.datasets import check_rows

Scale = tuple[npt.ArrayLike, npt.ArrayLike]


def neighbours(
    row: pd.DataFrame,
    pool: pd.DataFrame,
    *,
    features: tuple[str, ...],
    scale: Scale | None = None,
    k: int = 10,
    id_column: str,
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
        it, distances are Euclidean in the columns' own units.
    k
        How many neighbours are wanted, at least 1.
    id_column
        Column of `pool` that names each row.

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
    kept = _candidates(row, pool, features, id_column)
    _, spread = _checked_scale(scale, len(features))
    gaps = kept[list(features)].to_numpy(float) - row[list(features)].to_numpy(float)
    distance = np.sqrt(((gaps / spread) ** 2).sum(axis=1))
    nearest = np.argsort(distance, kind="stable")[:k]
    found = kept.iloc[nearest].rename(columns={id_column: "id"}).reset_index(drop=True)
    others = [name for name in found.columns if name != "id"]
    return found.assign(distance=distance[nearest])[["id", "distance", *others]]


def _candidates(
    row: pd.DataFrame, pool: pd.DataFrame, features: tuple[str, ...], id_column: str
) -> pd.DataFrame:
    clash = [name for name in ("id", "distance") if name in pool.columns and name != id_column]
    if clash:
        raise ValueError(f"The pool has a column {clash[0]!r} of its own; rename it.")
    check_rows(row, features=features)
    if len(pool):
        check_rows(pool, features=features, id_column=id_column)
    if id_column in row.columns and len(pool):
        others: pd.DataFrame = pool[(pool[id_column] != row[id_column].iloc[0]).to_numpy(bool)]
        return others
    return pool


def _checked_scale(
    scale: Scale | None, n_features: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if scale is None:
        return np.zeros(n_features), np.ones(n_features)
    mean, spread = (np.asarray(part, dtype=np.float64) for part in scale)
    if mean.shape != (n_features,) or spread.shape != (n_features,):
        raise ValueError(
            f"The scale has shapes {mean.shape} and {spread.shape} for {n_features} features."
        )
    return mean, np.where(spread > 0, spread, 1.0)
