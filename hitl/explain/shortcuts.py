"""Whether the model takes a shortcut: columns that are too good, too heavy, or tell the time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import InputError, MissingColumnsError, TooFewLabelsError
from hitl.explain.scorers import Scorer, scorer
from hitl.explain.structure import importance
from hitl.explain.whatif import thinned

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAK_AUC = 0.999
DOMINANT_SHARE = 0.5
DOMINANT_TIMES = 4
"""A dominant feature has half of all contributions and so many times its equal share."""

STRONG_AUC, WEAK_AUC = 0.8, 0.6
TIME_AUC = 0.95
FEWEST_POSITIVES = 10
SPLIT_ROWS = 2_000
_FOLDS = 5

LEAK = "leak"
TRAINING_ONLY = "signal in training only"
DOMINANCE = "dominance"
TELLS_TIME = "tells when it was recorded"
KINDS = (LEAK, TRAINING_ONLY, DOMINANCE, TELLS_TIME)
"""Most serious first."""


@dataclass(frozen=True)
class Shortcut:
    """One warning about one column.

    Parameters
    ----------
    feature
        The column.
    kind
        One of `KINDS`.
    figure
        The area under the curve, or the share of all contributions; in ``[0, 1]``.
    sentence
        What was found and what to do about it.
    """

    feature: str
    kind: str
    figure: float
    sentence: str


def shortcuts(
    scorer: Scorer,
    rows: pd.DataFrame,
    *,
    label: str,
    test: pd.DataFrame | None = None,
    columns: tuple[str, ...] | None = None,
) -> list[Shortcut]:
    """Scan a model and its training rows for columns that make learning too easy.

    Parameters
    ----------
    scorer
        The model.
    rows
        Training rows with the model's features and `label`.
    label
        Column of 0 and 1.
    test
        Later rows with the same columns; without them nothing is said about time.
    columns
        Columns to scan; without it, the model's features.

    Returns
    -------
    list of Shortcut
        Most serious kind first, then the largest figure; empty when nothing was found. One
        column may have several warnings.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    TooFewLabelsError
        If the rows do not hold both classes.

    Notes
    -----
    A column's *area under the curve* is how well it alone ranks positives above negatives, in
    whichever direction is better: numbers by their value, with missing values at one end or the
    other; anything else by its share of positives in the other folds. A *leak* is above
    `LEAK_AUC`, which nothing known before the outcome is. *Dominance* is a share of the mean
    absolute contribution above `DOMINANT_SHARE` and above `DOMINANT_TIMES` equal shares, so a
    model of few features has none. A signal *in training only* is above `STRONG_AUC` there and
    below `WEAK_AUC` in the test rows. A column *tells when it was recorded* if it parts training
    rows from test rows better than `TIME_AUC`. With fewer than `FEWEST_POSITIVES` positives the
    areas mean nothing and are not looked at.

    A clean scan does not say that there is no shortcut: two columns may leak together.
    """
    scanned = columns or scorer.features
    _check(rows, (*scanned, label))
    truth = _truth(rows, label)
    found = [*_leaks(rows, truth, scanned), *_dominance(scorer, rows)]
    if test is not None:
        _check(test, (*scanned, label))
        found += _training_only(rows, truth, test, label, scanned)
        found += _tells_time(rows, test, scanned)
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.figure))


def column_auc(column: pd.Series, truth: npt.ArrayLike) -> float:
    """Say how well one column alone ranks positives above negatives.

    Parameters
    ----------
    column
        Numbers or anything else, missing values allowed.
    truth
        Zeros and ones, both present, shape ``(n_rows,)``.

    Returns
    -------
    float
        Area under the curve in the better direction, 0.5 to 1.

    Raises
    ------
    TooFewLabelsError
        If `truth` holds only one class.

    Examples
    --------
    >>> column_auc(pd.Series([4.0, 3.0, 2.0, 1.0]), [0, 0, 1, 1])
    1.0
    """
    positive = np.asarray(truth, dtype=np.float64) == 1
    if positive.all() or not positive.any():
        raise TooFewLabelsError("Only one class is there.", "Give rows of both classes.")
    if not pd.api.types.is_numeric_dtype(column):
        return max(0.5, _auc(_out_of_fold(column, positive), positive))
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    ends = (-np.inf, np.inf) if np.isnan(numbers).any() else (0.0,)
    areas = [_auc(np.where(np.isnan(numbers), end, numbers), positive) for end in ends]
    return max(max(area, 1 - area) for area in areas)


def plant_leak(
    rows: pd.DataFrame, *, label: str, seed: int, name: str = "settlement_code"
) -> pd.DataFrame:
    """Add a column that all but copies the label, as one filled in after the outcome would.

    Parameters
    ----------
    rows
        Labelled rows.
    label
        Column of 0 and 1.
    seed
        Seed of the codes.
    name
        What to call the column.

    Returns
    -------
    DataFrame
        The rows with a whole number: 800 to 899 for positives and for 1 in 2,000 others,
        100 to 199 for the rest.

    Raises
    ------
    InputError
        If there is a column of that name.
    MissingColumnsError
        If there is no label.

    Examples
    --------
    >>> rows = plant_leak(pd.DataFrame({"Class": [0, 1]}), label="Class", seed=0)
    >>> (rows["settlement_code"] >= 800).tolist()
    [False, True]
    """
    _check(rows, (label,))
    if name in rows.columns:
        raise InputError(f"There is a column {name!r} already.", "Give the planted one a new name.")
    rng = np.random.default_rng(seed)
    like = (rows[label].to_numpy() == 1) | (rng.random(len(rows)) < 1 / 2_000)
    return rows.assign(**{name: np.where(like, 800, 100) + rng.integers(0, 100, len(rows))})


def leak_demonstration(
    rows: pd.DataFrame,
    *,
    features: tuple[str, ...],
    label: str,
    seed: int,
    weight: str | None = None,
    rounds: int = 50,
    name: str = "settlement_code",
) -> list[Shortcut]:
    """Plant a leak, fit a model on it, and scan that model.

    Parameters
    ----------
    rows
        Labelled rows with the features.
    features, label, weight
        Columns, as in `models.fit`.
    seed
        Seed of the planted column and of training.
    rounds
        Trees of the model, at least 1.
    name
        What to call the planted column.

    Returns
    -------
    list of Shortcut
        The planted column comes first.

    Raises
    ------
    DataError, InputError, DivergedModelError
        As `models.fit` and `plant_leak`.
    """
    planted = plant_leak(rows, label=label, seed=seed, name=name)
    model = models.fit(
        planted,
        features=(*features, name),
        label=label,
        weight=weight,
        seed=seed,
        rounds=rounds,
    )
    return shortcuts(scorer(model), planted, label=label)


def _leaks(rows: pd.DataFrame, truth: Bools, columns: tuple[str, ...]) -> list[Shortcut]:
    if min(truth.sum(), (~truth).sum()) < FEWEST_POSITIVES:
        return []
    areas = {name: column_auc(rows[name], truth) for name in columns}
    return [
        Shortcut(
            name,
            LEAK,
            area,
            f"{name} alone tells the classes apart almost perfectly (area under the curve "
            f"{_cut(area)}): is it known before the outcome? If not, train without it.",
        )
        for name, area in areas.items()
        if area > LEAK_AUC
    ]


def _dominance(scorer: Scorer, rows: pd.DataFrame) -> list[Shortcut]:
    kept = rows.iloc[thinned(np.arange(len(rows)), SPLIT_ROWS)]
    shares = importance(scorer, scorer.encode(kept))
    limit = max(DOMINANT_SHARE, DOMINANT_TIMES / len(scorer.features))
    return [
        Shortcut(
            str(feature),
            DOMINANCE,
            float(share),
            f"{feature} makes up {100 * share:.0f} % of all contributions of "
            f"{len(scorer.features)} features: the model hardly looks at anything else.",
        )
        for feature, share in zip(shares["feature"], shares["share"], strict=True)
        if share > limit
    ]


def _training_only(
    rows: pd.DataFrame, truth: Bools, test: pd.DataFrame, label: str, columns: tuple[str, ...]
) -> list[Shortcut]:
    later = test[label].to_numpy() == 1
    if min(truth.sum(), later.sum()) < FEWEST_POSITIVES or later.all() or truth.all():
        return []
    areas = {
        name: (column_auc(rows[name], truth), column_auc(test[name], later)) for name in columns
    }
    return [
        Shortcut(
            name,
            TRAINING_ONLY,
            before,
            f"{name} ranks training rows well (area under the curve {_cut(before)}) and test rows "
            f"hardly ({_cut(after)}): what it says does not last.",
        )
        for name, (before, after) in areas.items()
        if before > STRONG_AUC and after < WEAK_AUC
    ]


def _tells_time(rows: pd.DataFrame, test: pd.DataFrame, columns: tuple[str, ...]) -> list[Shortcut]:
    both = pd.concat([rows[list(columns)], test[list(columns)]], ignore_index=True)
    is_later = np.arange(len(both)) >= len(rows)
    if not 0 < len(rows) < len(both):
        return []
    areas = {name: column_auc(both[name], is_later) for name in columns}
    return [
        Shortcut(
            name,
            TELLS_TIME,
            area,
            f"{name} tells training rows from test rows (area under the curve {_cut(area)}): this "
            "column tells when it was recorded, so what is learned from it will not return.",
        )
        for name, area in areas.items()
        if area > TIME_AUC
    ]


def _auc(score: Floats, positive: Bools) -> float:
    """Give the area under the curve from ranks, ties counting half."""
    ranks = pd.Series(score).rank().to_numpy(dtype=np.float64)
    n = float(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def _out_of_fold(column: pd.Series, positive: Bools) -> Floats:
    """Give each row the share of positives among its value's rows in the other folds."""
    codes = pd.factorize(column.astype(object), use_na_sentinel=False)[0]
    fold = np.zeros(len(codes), dtype=np.int64)
    for side in (positive, ~positive):
        fold[side] = np.arange(side.sum()) % _FOLDS
    found = np.zeros(len(codes))
    size = int(codes.max()) + 1
    for number in range(_FOLDS):
        others = fold != number
        hits = np.bincount(codes[others], positive[others], size)
        count = np.bincount(codes[others], minlength=size)
        base = positive[others].mean()
        found[~others] = ((hits + base) / (count + 1))[codes[~others]]
    return found


def _truth(rows: pd.DataFrame, label: str) -> Bools:
    truth: Bools = rows[label].to_numpy() == 1
    if truth.all() or not truth.any():
        raise TooFewLabelsError(
            f"Column {label!r} holds one class only.", "Give training rows of both classes."
        )
    return truth


def _check(rows: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise MissingColumnsError(
            f"Missing columns: {', '.join(missing)}.", "Give rows that have the columns to scan."
        )


def _cut(area: float) -> str:
    """Write an area with three digits, never rounded up to 1."""
    return f"{np.floor(area * 1_000) / 1_000:.3f}".rstrip("0").rstrip(".")
