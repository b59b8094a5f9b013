"""How much each feature moved one score (SHAP), with the receipt that the parts add up."""

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import EmptyDataError
from hitl.explain.scorers import Scorer

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]

RESIDUAL_LIMIT = 1e-6
"""Log-odds by which base value and contributions may miss the score and still add up."""

OTHER = "other features"
COLUMNS = (
    *("feature", "value", "contribution", "typical_low", "typical_high", "percentile"),
    "share",
)
ROUNDS = 16
"""Pairs of an order of features and its reverse that permutation SHAP draws."""

BACKGROUND_ROWS = 200
"""Most background rows that stand in for a feature that is not known yet."""

_ROWS_AT_ONCE = 50_000


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
    values = models.encoded(model, row)
    base, parts = models.split(model, values)
    score = float(models.odds(model, values)[0])
    return Attribution(
        base_value=base,
        contributions={f: float(c) for f, c in zip(model.features, parts[0], strict=True)},
        score=score,
        probability=float(models.sigmoid(np.array([score]))[0]),
        residual=abs(base + float(parts[0].sum()) - score),
    )


def attribution_of(scorer: Scorer, values: Floats, background: Floats, *, seed: int) -> Attribution:
    """Split one score into contributions: exactly where that is known how, else by permutations.

    Parameters
    ----------
    scorer
        What gives the score.
    values
        The encoded row, shape ``(1, n_features)``.
    background
        Encoded rows, shape ``(n_rows, n_features)``; not used by an exact split.
    seed
        As in `permutation_attribution`; not used by an exact split.

    Raises
    ------
    EmptyDataError, ValueError
        As `permutation_attribution`.
    """
    if scorer.split is None:
        return permutation_attribution(scorer, values, background, seed=seed)
    _check_values(scorer, values)
    base, parts = scorer.split(values)
    return _receipt(scorer, values, base, parts[0])


def permutation_attribution(
    scorer: Scorer, values: Floats, background: Floats, *, seed: int, rounds: int = ROUNDS
) -> Attribution:
    """Split any function's score into contributions by letting features arrive in random orders.

    Parameters
    ----------
    scorer
        What gives the score.
    values
        The encoded row, shape ``(1, n_features)``.
    background
        Encoded rows, shape ``(n_rows, n_features)``, at least one; of more than 200, that many
        are drawn. Features that have not arrived take these rows' values.
    seed
        Seed of orders and draw. The same seed gives the same answer, to the last bit.
    rounds
        Orders drawn, at least 1; each is also walked backwards. Where all sets of features are
        no more than these walks would visit (up to 7 features with 16 rounds), all are
        evaluated and the contributions are exact for this background.

    Returns
    -------
    Attribution
        `base_value` is the background's mean log-odds. Base value and contributions add up to
        the score however few orders were drawn; `residual` says how nearly.

    Raises
    ------
    EmptyDataError
        If the background has no rows.
    ValueError
        If `values` is not one encoded row, the background has another width, or `rounds` is below
        1.

    Notes
    -----
    Interventional Shapley values: with v(S) the mean log-odds over the background when the
    features in S are the row's, a feature's contribution is the mean of v(S ∪ {i}) - v(S) over
    orders. They are not the path-dependent values of an exact split: a background that is not
    the training rows gives other numbers.

    References
    ----------
    Štrumbelj and Kononenko (2014), explaining prediction models and individual predictions with
    feature contributions. Mitchell, Cooper, Frank and Holmes (2022), sampling permutations for
    Shapley value estimation.
    """
    _check_values(scorer, values)
    if background.ndim != 2 or background.shape[1] != len(scorer.features):
        raise ValueError(f"The background has shape {background.shape}.")
    if not len(background):
        raise EmptyDataError("The background has no rows.", "Give rows the function knows.")
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; it must be at least 1.")
    rng = np.random.default_rng(seed)
    if len(background) > BACKGROUND_ROWS:
        chosen = rng.choice(len(background), BACKGROUND_ROWS, replace=False)
        background = background[np.sort(chosen)]
    n = len(scorer.features)
    if 2**n <= 2 * rounds * n:
        base, parts = _all_sets(scorer, values[0], background)
    else:
        base, parts = _walks(scorer, values[0], background, rng, rounds)
    return _receipt(scorer, values, base, parts)


def _all_sets(scorer: Scorer, row: Floats, background: Floats) -> tuple[float, Floats]:
    """Weigh every set of features, as Shapley's formula does."""
    n = len(row)
    numbers = np.arange(2**n)
    masks = (numbers[:, None] >> np.arange(n)) % 2 == 1
    known = _set_values(scorer, row, background, masks)
    sizes = masks.sum(axis=1)
    weights = np.array([1 / (n * comb(n - 1, k)) for k in range(n)])
    parts = np.zeros(n)
    for feature in range(n):
        without = numbers[~masks[:, feature]]
        gains = known[without + (1 << feature)] - known[without]
        parts[feature] = float((weights[sizes[without]] * gains).sum())
    return float(known[0]), parts


def _walks(
    scorer: Scorer, row: Floats, background: Floats, rng: np.random.Generator, rounds: int
) -> tuple[float, Floats]:
    """Let features arrive in random orders and their reverses, and average what each adds."""
    n = len(row)
    forward = np.argsort(rng.random((rounds, n)), axis=1)
    orders = np.concatenate([forward, forward[:, ::-1]])
    places = np.argsort(orders, axis=1)
    steps = np.arange(n + 1)
    masks = (places[:, None, :] < steps[None, :, None]).reshape(-1, n)
    distinct, where = np.unique(masks, axis=0, return_inverse=True)
    known = _set_values(scorer, row, background, distinct)[where].reshape(len(orders), n + 1)
    gains = np.zeros((len(orders), n))
    np.put_along_axis(gains, orders, np.diff(known, axis=1), axis=1)
    return float(known[0, 0]), gains.mean(axis=0)


def _set_values(scorer: Scorer, row: Floats, background: Floats, masks: Masks) -> Floats:
    """Return the mean log-odds over the background for each set of known features."""
    at_once = max(1, _ROWS_AT_ONCE // len(background))
    found = []
    for start in range(0, len(masks), at_once):
        some = masks[start : start + at_once, None, :]
        mixed = np.where(some, row, background).reshape(-1, len(row))
        found.append(scorer.odds(mixed).reshape(some.shape[0], len(background)).mean(axis=1))
    return np.concatenate(found)


def _receipt(scorer: Scorer, values: Floats, base: float, parts: Floats) -> Attribution:
    """Hold base value and contributions against a prediction of its own."""
    score = float(scorer.odds(values)[0])
    return Attribution(
        base_value=base,
        contributions={f: float(c) for f, c in zip(scorer.features, parts, strict=True)},
        score=score,
        probability=float(models.sigmoid(np.array([score]))[0]),
        residual=abs(base + float(parts.sum()) - score),
    )


def _check_values(scorer: Scorer, values: Floats) -> None:
    if values.shape != (1, len(scorer.features)):
        raise ValueError(
            f"An attribution belongs to one encoded row of {len(scorer.features)} features; "
            f"shape {values.shape} was given."
        )


def contribution_table(
    model: models.Model, row: pd.DataFrame, k: int = 8, *, whole: Attribution | None = None
) -> pd.DataFrame:
    """List the heaviest contributions beside what is usual for their features.

    Parameters
    ----------
    model
        The model whose score is split; its card says what is usual.
    row
        The row, shape ``(1, n_columns)``, with the model's features.
    k
        How many features get a row of their own, at least 1.
    whole
        The row's attribution where it is there already; otherwise it is made.

    Returns
    -------
    DataFrame
        Heaviest first: `feature`, `value` (the feature's unit; the name of a category;
        ``"missing"``), `contribution` (log-odds), `typical_low` and `typical_high` (between which
        90 % of legitimate training rows lie), `percentile` (0 to 100: share of legitimate
        training rows below the value) and `share` (0 to 1: for a category or a missing value,
        the share of legitimate training rows that have it). Features beyond `k` follow as one row
        ``"other features"`` with only its contribution, so that the column always sums to score
        minus base value. What the card does not say, or has no meaning for the value, is NaN.

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
    parts = whole.contributions if whole else attribution(model, row).contributions
    amounts = np.array([parts[feature] for feature in model.features])
    order = np.argsort(-np.abs(amounts), kind="stable")
    lines = [_line(model, row, int(i), float(amounts[i])) for i in order[:k]]
    if len(order) > k:
        rest = float(amounts[order[k:]].sum())
        lines.append((OTHER, np.nan, rest, *(np.nan,) * 4))
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
    usual = model.card.get("quantiles", {}).get(feature, {})
    low, high = usual.get("p05", np.nan), usual.get("p95", np.nan)
    cell = row[feature].iloc[0]
    if pd.isna(cell):
        share = usual.get("missing_share", np.nan)
        return feature, models.MISSING, contribution, low, high, np.nan, share
    if feature in model.categories:
        name = str(models.texts(row[feature])[0])
        return feature, name, contribution, low, high, np.nan, _share(name, usual)
    value = float(cell)
    grid = np.asarray(usual.get("grid", ()), dtype=np.float64)
    percentile = _percentile(value, grid) if len(grid) else np.nan
    return feature, value, contribution, low, high, percentile, np.nan


def _share(name: str, usual: dict[str, Any]) -> float:
    return float(usual["shares"].get(name, 0.0)) if "shares" in usual else np.nan


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
