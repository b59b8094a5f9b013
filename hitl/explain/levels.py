"""Which values of a feature count as alike: quartiles, categories, and missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import EmptyDataError, FeatureMismatchError
from hitl.explain.scorers import Scorer
from hitl.explain.text import number
from hitl.explain.whatif import NEVER_SEEN

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int16]
Rows = pd.DataFrame | Floats

MISSING = -2
UNSEEN = -1
QUARTERS = (25, 50, 75)
_ROUNDING = 1e-11
"""The lime package adds this to each spread; with it the samples are the same to the last bit."""


@dataclass(frozen=True, eq=False)
class Column:
    """A number's quartiles: edges, and what lies between them in the background."""

    edges: Floats
    means: Floats
    spreads: Floats
    lowest: Floats
    highest: Floats
    only: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Background:
    """Rows to compare with, their levels, and how the levels were cut.

    Parameters
    ----------
    features
        Names, in the order of the columns.
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    levels
        Level of every value, same shape: the quartile from 0 to 3 or the category's code; a
        missing value is `MISSING`.
    columns
        The quartiles of each feature; nothing for a category.
    categories
        Values of each category in the order of their codes.
    """

    features: tuple[str, ...]
    values: Floats
    levels: Levels
    columns: tuple[Column | None, ...]
    categories: Mapping[str, tuple[str, ...]]


def prepare(scorer: Scorer, background: "Rows | Background") -> Background:
    """Cut every feature into levels, once for many explanations.

    Parameters
    ----------
    scorer
        The model; it says which features are categories.
    background
        Known rows: a table, encoded rows of shape ``(n_rows, n_features)``, or what this
        function returned before.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If encoded rows have another number of columns than the model.

    Notes
    -----
    Quartiles are those of the known numbers. Quartiles that coincide are one edge, so a column
    may have fewer than four levels.
    """
    if isinstance(background, Background):
        return background
    values = encoded(scorer, background)
    if not len(values):
        raise EmptyDataError("The background has no rows.", "Give the rows the model learnt from.")
    columns = tuple(
        None if name in scorer.categories else _column(values[:, j])
        for j, name in enumerate(scorer.features)
    )
    levels = _levels(columns, values)
    return Background(scorer.features, values, levels, columns, scorer.categories)


def encoded(scorer: Scorer, rows: Rows) -> Floats:
    """Encode a table, or check rows that are encoded already; shape ``(n_rows, n_features)``."""
    if isinstance(rows, pd.DataFrame):
        return scorer.encode(rows)
    values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if values.ndim != 2 or values.shape[1] != len(scorer.features):
        raise FeatureMismatchError(
            f"Encoded rows of shape {values.shape} do not fit {len(scorer.features)} features.",
            "Encode the rows with the model's own scorer.",
        )
    return values


def levels_of(background: Background, values: Floats) -> Levels:
    """Say in which level each value lies, shape ``(n_rows, n_features)``."""
    return _levels(background.columns, values)


def conditions(
    background: Background, row: Floats, own: Levels, unseen: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write in words what "the same level as this row" means for each feature.

    Parameters
    ----------
    background
        What the levels were cut from.
    row
        The encoded row, shape ``(n_features,)``.
    own
        Its levels, same shape.
    unseen
        What categories of the case are called that the model never saw, by feature, as
        `Scorer.unseen` says.

    Returns
    -------
    dict
        By feature: ``"−1.2 < V14 ≤ 0.3"``, ``"weekend = 1"`` where the level holds one value
        only, ``"channel = web"`` or ``"age missing"``; ``"channel never seen"`` where the name is
        not known. Edges carry as many digits as it takes
        for the sentence to be true of the row.
    """
    places = zip(own.tolist(), row.tolist(), strict=True)
    found = {
        background.features[j]: _condition(background, j, level, value)
        for j, (level, value) in enumerate(places)
    }
    return found | {name: f"{name} = {value}" for name, value in (unseen or {}).items()}


def unseen_names(scorer: Scorer, rows: Rows) -> list[dict[str, str]]:
    """Name the categories of each row that the model never saw; encoded rows tell no names."""
    if not isinstance(rows, pd.DataFrame):
        return [{} for _ in np.atleast_2d(rows)]
    if not scorer.categories:
        return [{} for _ in range(len(rows))]
    return [scorer.unseen(rows.iloc[[i]]) for i in range(len(rows))]


def decoded(
    background: Background, row: Floats, unseen: Mapping[str, str] | None = None
) -> dict[str, float | str | None]:
    """Write an encoded row with its original values; a missing one is None.

    `unseen` is as in `conditions`.
    """
    found: dict[str, float | str | None] = {}
    for name, value in zip(background.features, row.tolist(), strict=True):
        words = background.categories.get(name)
        known = words is not None and 0 <= value < len(words)
        if value != value:
            found[name] = None
        elif words is None:
            found[name] = value
        else:
            found[name] = words[int(value)] if known else (unseen or {}).get(name, NEVER_SEEN)
    return found


def _column(values: Floats) -> Column:
    known = values[~np.isnan(values)]
    edges = np.unique(np.percentile(known, QUARTERS)) if len(known) else np.zeros(0)
    level = np.searchsorted(edges, known)
    parts = [known[level == i] for i in range(len(edges) + 1)]
    ends = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return Column(
        edges=edges,
        means=np.array([part.mean() if len(part) else 0.0 for part in parts]),
        spreads=np.array([part.std() if len(part) else 0.0 for part in parts]) + _ROUNDING,
        lowest=np.append(ends[0], edges),
        highest=np.append(edges, ends[1]),
        only={
            i: float(part[0])
            for i, part in enumerate(parts)
            if len(part) and part.min() == part.max()
        },
    )


def _levels(columns: tuple[Column | None, ...], values: Floats) -> Levels:
    found, absent = np.empty(values.shape, dtype=np.int16), np.isnan(values)
    for j, column in enumerate(columns):
        known = np.where(absent[:, j], 0.0, values[:, j])
        found[:, j] = known if column is None else np.searchsorted(column.edges, known)
    found[absent] = MISSING
    return found


def _condition(background: Background, j: int, level: int, value: float) -> str:
    name, column = background.features[j], background.columns[j]
    if level == MISSING:
        return f"{name} missing"
    if column is None:
        words = background.categories[name]
        return f"{name} = {words[level]}" if 0 <= level < len(words) else f"{name} {NEVER_SEEN}"
    if column.only.get(level) == value:
        return f"{name} = {_exact(value)}"
    if not len(column.edges):
        return f"{name} known"
    low = float(column.edges[level - 1]) if level else -np.inf
    high = float(column.edges[level]) if level < len(column.edges) else np.inf
    return _between(name, low, high, value)


def _between(name: str, low: float, high: float, value: float) -> str:
    for digits in range(3, 18):
        text, least, most = _written(name, low, high, digits)
        if least < value <= most:
            break
    return text


@lru_cache(maxsize=4_096)
def _written(name: str, low: float, high: float, digits: int) -> tuple[str, float, float]:
    """Write a range with rounded edges, and say what the rounded edges are."""
    least, most = (_rounded(edge, digits) for edge in (low, high))
    if low == -np.inf:
        return f"{name} ≤ {number(high, digits)}", least, most
    if high == np.inf:
        return f"{name} > {number(low, digits)}", least, most
    return f"{number(low, digits)} < {name} ≤ {number(high, digits)}", least, most


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


@lru_cache(maxsize=4_096)
def _exact(value: float) -> str:
    for digits in range(3, 18):
        if _rounded(value, digits) == value:
            break
    return number(value, digits)
