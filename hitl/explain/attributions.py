"""How much each feature moved one score (SHAP), with the receipt that the parts add up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import EmptyDataError

RESIDUAL_LIMIT = 1e-6
"""Log-odds by which base value and contributions may miss the score and still add up."""

OTHER = "other features"
COLUMNS = ("feature", "value", "contribution", "typical_low", "typical_high", "percentile")


@dataclass(frozen=True)
class Attribution:
    """One score split into a base value and one contribution per feature, all in log-odds."""

    base_value: float
    contributions: dict[str, float]
    score: float
    probability: float
    residual: float


def attribution(model: models.Model, row: pd.DataFrame) -> Attribution:
    """Split one row's score into contributions and check that they add up.

    Parameters
    ----------
    model
        The model whose score is split.
    row
        The row, shape ``(1, n_columns)``, with the model's features.

    Returns
    -------
    Attribution
        `base_value` (the model's starting point, not the base rate), `contributions` by feature
        and `score` in log-odds, `probability` in ``[0, 1]``, and `residual`: how far base value
        and contributions miss the score, 0 or more, about 1e-14 when all is well.

    Raises
    ------
    FeatureMismatchError
        If `row` lacks a feature of the model.
    NotNumericError, MissingValuesError
        If a feature holds text, or is missing or infinite.
    ValueError
        If `row` is not exactly one row.

    Notes
    -----
    The score comes from a prediction of its own, not from the sum, so the residual is a check.
    """
    _check_one(row)
    base, parts = models.contributions(model, row)
    score = float(models.scores(model, row)[0])
    return Attribution(
        base_value=base,
        contributions={f: float(c) for f, c in zip(model.features, parts[0], strict=True)},
        score=score,
        probability=float(models.probabilities(model, row)[0]),
        residual=abs(base + float(parts[0].sum()) - score),
    )


def contribution_table(model: models.Model, row: pd.DataFrame, k: int = 8) -> pd.DataFrame:
    """List the heaviest contributions beside what is usual for their features.

    Parameters
    ----------
    model
        The model whose score is split; its card says what is usual.
    row
        The row, shape ``(1, n_columns)``, with the model's features.
    k
        How many features get a row of their own, at least 1.

    Returns
    -------
    DataFrame
        Heaviest first: `feature`, `value` (the feature's unit), `contribution` (log-odds),
        `typical_low` and `typical_high` (between which 90 % of legitimate training rows lie) and
        `percentile` (0 to 100: share of legitimate training rows below the value). Features
        beyond `k` follow as one row ``"other features"`` with only its contribution, so that
        the column always sums to score minus base value. What the card does not say is NaN.

    Raises
    ------
    FeatureMismatchError
        If `row` lacks a feature of the model.
    NotNumericError, MissingValuesError
        If a feature holds text, or is missing or infinite.
    ValueError
        If `row` is not exactly one row or `k` is below 1.

    Notes
    -----
    A percentile is read from the card's grid and rounded towards 50 to the grid's next point:
    "lower than 99 % of legitimate rows" is never more than the grid can prove.
    """
    _check_one(row)
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1.")
    _, parts = models.contributions(model, row)
    order = np.argsort(-np.abs(parts[0]), kind="stable")
    lines = [_line(model, row, int(i), float(parts[0, i])) for i in order[:k]]
    if len(order) > k:
        rest = float(parts[0, order[k:]].sum())
        lines.append((OTHER, np.nan, rest, np.nan, np.nan, np.nan))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def contribution_shares(model: models.Model, rows: pd.DataFrame) -> pd.Series:
    """Say what the model leans on: each feature's share of the mean absolute contribution.

    Parameters
    ----------
    model
        The model whose scores are split.
    rows
        At least one row with the model's features, shape ``(n_rows, n_columns)``.

    Returns
    -------
    Series
        Shares in ``[0, 1]`` by feature, largest first, summing to 1; all 0 for a model whose
        score never changes.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If `rows` lack a feature of the model.
    NotNumericError, MissingValuesError
        If a feature holds text, or is missing or infinite.
    """
    if not len(rows):
        raise EmptyDataError("There are no rows to explain.", "Wait for rows, or choose others.")
    _, parts = models.contributions(model, rows)
    mean = np.abs(parts).mean(axis=0)
    shares = pd.Series(mean / (mean.sum() or 1.0), index=list(model.features), name="share")
    return shares.sort_values(ascending=False, kind="stable")


def _line(
    model: models.Model, row: pd.DataFrame, i: int, contribution: float
) -> tuple[object, ...]:
    feature = model.features[i]
    value = float(row[feature].iloc[0])
    usual = model.card.get("quantiles", {}).get(feature)
    if usual is None:
        return feature, value, contribution, np.nan, np.nan, np.nan
    percentile = _percentile(value, np.asarray(usual["grid"], dtype=np.float64))
    return feature, value, contribution, usual["p05"], usual["p95"], percentile


def _percentile(value: float, grid: npt.NDArray[np.float64]) -> float:
    """Place a value on a grid of evenly spaced percentiles, rounded towards 50."""
    percents = np.linspace(0, 100, len(grid))
    below, above = np.searchsorted(grid, value, "left"), np.searchsorted(grid, value, "right")
    if above == 0 or below == len(grid):
        return 0.0 if above == 0 else 100.0
    if below < above:
        return float((percents[below] + percents[above - 1]) / 2)
    low, high = float(percents[below - 1]), float(percents[below])
    return high if high <= 50 else low


def _check_one(row: pd.DataFrame) -> None:
    if len(row) != 1:
        raise ValueError(f"An attribution belongs to one row; {len(row)} were given.")
