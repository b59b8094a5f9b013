"""How the model's probability moves with one feature or two, and the rule it comes close to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import InputError
from hitl.explain.scorers import Scorer
from hitl.explain.text import number, plural
from hitl.explain.whatif import check_names, check_values, decoded, is_flagged, thinned

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Condition = dict[str, float | None]

THIS_CASE = "this case"
AVERAGE = "average"
CUTS = 12
"""Quantiles of all rows, and again of flagged ones, at which a rule may cut."""

GAIN = 0.02
"""F1 that one more condition of a rule has to bring."""


@dataclass(frozen=True)
class Rule:
    """One sentence that comes close to the model's flags on two features.

    Parameters
    ----------
    sentence
        The rule in words, or that there is none.
    conditions
        By feature: ``{"above": number or None, "below": number or None}``, the upper end
        included; a feature without conditions is left out.
    precision, recall
        Against the *model's* flags: the share of named rows that are flagged, and of flagged
        rows that are named; None without a rule.
    truth_precision, truth_recall
        The same against the truth; None when it is not given or names no row.
    named, flagged, n
        Rows the rule names, rows the model flags, and all rows; counted without weights.
    """

    sentence: str
    conditions: dict[str, Condition] = field(default_factory=dict)
    precision: float | None = None
    recall: float | None = None
    truth_precision: float | None = None
    truth_recall: float | None = None
    named: int = 0
    flagged: int = 0
    n: int = 0


def curve(
    scorer: Scorer,
    values: Floats,
    background: Floats,
    feature: str,
    *,
    grid: int = 40,
    sample: int = 100,
    unseen: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Follow the probability along one feature: for this case, and on average.

    Parameters
    ----------
    scorer
        The model.
    values
        The encoded case, shape ``(n_features,)``.
    background
        Encoded rows, shape ``(n_rows, n_features)``; they say how far the feature reaches and
        are averaged over.
    feature
        Which feature moves.
    grid
        Points of a number, at least 2; a number with fewer values gets one point each.
    sample
        Background rows to average over, at least 1, taken at even steps.
    unseen
        What categories of the case are called that the model never saw, by feature, as
        `Scorer.unseen` says.

    Returns
    -------
    DataFrame
        `value` (a number, a category's name, or None for missing), `kind` (``"this case"`` or
        ``"average"``) and `probability`, in order of the value. A number goes from its 1 % to
        its 99 % quantile and has the case's own value among its points; missing is a point where
        it occurs.

    Raises
    ------
    EmptyDataError
        If the background is empty.
    FeatureMismatchError
        If case, background or feature do not fit the model.
    InputError
        If `grid` is below 2 or `sample` below 1.

    Notes
    -----
    The average is partial dependence: all other features stay as they are, even where the
    combination cannot occur. The case's own line is its individual conditional expectation.

    References
    ----------
    Friedman (2001), greedy function approximation; Goldstein et al. (2015), peeking inside the
    black box.
    """
    _check(scorer, values, background, [feature])
    if grid < 2 or sample < 1:
        raise InputError(f"grid is {grid} and sample {sample}.", "Give at least 2 and 1.")
    i = scorer.features.index(feature)
    points = _points(scorer, feature, background[:, i], float(values[i]), grid)
    others = background[thinned(np.arange(len(background)), sample)]
    rows = np.concatenate([np.asarray(values, dtype=np.float64)[None], others])
    trials = np.repeat(rows[None], len(points), axis=0)
    trials[:, :, i] = points[:, None]
    found = scorer.probabilities(trials.reshape(-1, rows.shape[1])).reshape(len(points), -1)
    shown = [decoded(scorer, feature, point, unseen) for point in points.tolist()]
    lines = {THIS_CASE: found[:, 0], AVERAGE: found[:, 1:].mean(axis=1)}
    return pd.DataFrame(
        {
            "value": pd.Series(shown * len(lines), dtype=object),
            "kind": np.repeat(list(lines), len(points)),
            "probability": np.concatenate(list(lines.values())),
        }
    )


def surface(
    scorer: Scorer, values: Floats, background: Floats, x: str, y: str, *, grid: int = 30
) -> pd.DataFrame:
    """Lay the probability out over two features, all others as in this case.

    Parameters
    ----------
    scorer
        The model.
    values
        The encoded case, shape ``(n_features,)``.
    background
        Encoded rows that say how far the two features reach.
    x, y
        Two different features.
    grid
        Points of a number, at least 2; the case's own value comes on top.

    Returns
    -------
    DataFrame
        `x`, `y` (numbers, names of categories, or None for missing) and `probability`.

    Raises
    ------
    EmptyDataError
        If the background is empty.
    FeatureMismatchError
        If case, background or features do not fit the model.
    InputError
        If the features are the same or `grid` is below 2.
    """
    _check(scorer, values, background, [x, y])
    if x == y or grid < 2:
        raise InputError(f"{x} against {y} with a grid of {grid}.", "Give two features and 2 up.")
    places = [scorer.features.index(name) for name in (x, y)]
    across, up = (
        _points(scorer, name, background[:, i], float(values[i]), grid)
        for name, i in zip((x, y), places, strict=True)
    )
    trials = np.repeat(np.asarray(values, dtype=np.float64)[None], len(across) * len(up), axis=0)
    trials[:, places[0]] = np.repeat(across, len(up))
    trials[:, places[1]] = np.tile(up, len(across))
    shown = [
        [decoded(scorer, name, code) for code in trials[:, i].tolist()]
        for name, i in zip((x, y), places, strict=True)
    ]
    return pd.DataFrame(
        {
            "x": pd.Series(shown[0], dtype=object),
            "y": pd.Series(shown[1], dtype=object),
            "probability": scorer.probabilities(trials),
        }
    )


def rule(
    scorer: Scorer,
    values: Floats,
    x: str,
    y: str,
    *,
    truth: npt.ArrayLike | None = None,
    weight: npt.ArrayLike | None = None,
    noun: str = "payment",
) -> Rule:
    """Put what the model flags into one sentence about two features, and say how well it fits.

    Parameters
    ----------
    scorer
        The model.
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    x, y
        Two different features that are numbers.
    truth
        Zeros and ones, shape ``(n_rows,)``.
    weight
        How many rows each row stands for, shape ``(n_rows,)``; without it, 1.
    noun
        What one row is, singular.

    Returns
    -------
    Rule
        The corner or box that meets the model's flags best (largest F1); each further condition
        has to bring `GAIN`. Without flags, or with nothing but flags, a sentence that says so.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If rows or features do not fit the model.
    InputError
        If the features are the same, or one is a category.

    Notes
    -----
    All boxes between quantiles of all rows and of flagged rows, rounded to three digits, are
    tried. A missing value meets no condition. The rule describes the model, which may use other
    features: precision and recall say how far to believe the sentence.
    """
    check_values(scorer, values)
    check_names(scorer, [x, y])
    if x == y or {x, y} & set(scorer.categories):
        raise InputError(f"A rule about {x} and {y}.", "Give two different features of numbers.")
    flags = is_flagged(scorer, scorer.odds(values))
    n, count = len(values), int(flags.sum())
    if count in (0, n):
        share = "none" if count == 0 else "all"
        sentence = f"The model flags {share} of the {n:,} {plural(noun)}, so there is no rule."
        return Rule(sentence, flagged=count, n=n)
    weights = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    columns = {name: values[:, scorer.features.index(name)] for name in (x, y)}
    conditions = _best_box(columns, flags, weights)
    named = _meets(columns, conditions, n)
    precision, recall = _shares(named, flags, weights)
    known = None if truth is None else np.asarray(truth, dtype=np.float64) == 1
    against = (None, None) if known is None else _shares(named, known, weights)
    return Rule(
        _rule_sentence(conditions, plural(noun), precision, recall),
        conditions,
        precision,
        recall,
        *against,
        named=int(named.sum()),
        flagged=count,
        n=n,
    )


def _points(scorer: Scorer, feature: str, column: Floats, own: float, grid: int) -> Floats:
    """Choose the values along one feature, missing last."""
    known = column[~np.isnan(column)]
    own_known = np.array([own])[~np.isnan([own])]
    if feature in scorer.categories:
        numbers = np.arange(len(scorer.categories[feature]), dtype=np.float64)
    elif len(np.unique(known)) <= grid:
        numbers = np.unique(known)
    else:
        low, high = np.quantile(known, (0.01, 0.99)).tolist()
        numbers = np.linspace(low, high, grid)
    numbers = np.unique(np.concatenate([numbers, own_known]))
    occurs = len(known) < len(column) or not len(own_known)
    points: Floats = np.append(numbers, np.nan) if occurs else numbers
    return points


def _best_box(columns: Mapping[str, Floats], flags: Bools, weight: Floats) -> dict[str, Condition]:
    """Try every box between the cuts; the fewest conditions that come within `GAIN` win."""
    cuts = [_cuts(column, flags) for column in columns.values()]
    cells = [
        np.where(np.isnan(c), len(cut) + 1, np.searchsorted(cut, c, side="left"))
        for c, cut in zip(columns.values(), cuts, strict=True)
    ]
    shape = [len(cut) + 2 for cut in cuts]
    place = np.ravel_multi_index([cell.astype(np.int64) for cell in cells], shape)
    size = int(np.prod(shape))
    hits = np.bincount(place, weight * flags, size).reshape(shape)
    everyone = np.bincount(place, weight, size).reshape(shape)
    ends = [_intervals(len(cut)) for cut in cuts]
    f1 = 2 * _inside(hits, ends) / (_inside(everyone, ends) + hits.sum())
    bounds = [(e[:, 0] > 0).astype(int) + (e[:, 1] < e[:, 1].max()) for e in ends]
    prize = f1 - GAIN * (bounds[0][:, None] + bounds[1][None])
    best = np.unravel_index(int(prize.argmax()), prize.shape)
    found: dict[str, Condition] = {}
    for name, cut, end, b in zip(columns, cuts, ends, best, strict=True):
        low, high = end[b].tolist()
        above = float(cut[low - 1]) if low > 0 else None
        below = float(cut[high - 1]) if high <= len(cut) else None
        if above is not None or below is not None:
            found[name] = {"above": above, "below": below}
    return found


def _cuts(column: Floats, flags: Bools) -> Floats:
    """Give round values at quantiles of all rows and of flagged ones."""
    shares = np.linspace(0, 1, CUTS + 2)
    parts = [part[~np.isnan(part)] for part in (column, column[flags])]
    found = [np.quantile(part, shares) for part in parts if len(part)]
    exact = np.concatenate([*found, np.zeros(0)])
    return np.unique([float(f"{value:.2e}") for value in exact.tolist()])


def _intervals(n_cuts: int) -> Ints:
    """Give first cell and end of every run of cells; the run of all also takes missing values."""
    first, end = np.triu_indices(n_cuts + 1)
    runs = np.column_stack([first, end + 1])
    runs[(runs[:, 0] == 0) & (runs[:, 1] == n_cuts + 1)] = (0, n_cuts + 2)
    return runs.astype(np.int64)


def _inside(mass: npt.NDArray[Any], ends: list[Ints]) -> Floats:
    """Sum up the mass inside each pair of runs."""
    total = np.pad(mass, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    rows = total[ends[0][:, 1]] - total[ends[0][:, 0]]
    inside: Floats = rows[:, ends[1][:, 1]] - rows[:, ends[1][:, 0]]
    return inside


def _meets(columns: Mapping[str, Floats], conditions: Mapping[str, Condition], n: int) -> Bools:
    named = np.ones(n, dtype=np.bool_)
    for name, condition in conditions.items():
        if condition["above"] is not None:
            named &= columns[name] > condition["above"]
        if condition["below"] is not None:
            named &= columns[name] <= condition["below"]
    return named


def _shares(named: Bools, wanted: Bools, weight: Floats) -> tuple[float | None, float | None]:
    """Give precision and recall; None where nothing is named or nothing wanted."""
    both = float(weight[named & wanted].sum())
    totals = (float(weight[named].sum()), float(weight[wanted].sum()))
    precision, recall = (both / total if total > 0 else None for total in totals)
    return precision, recall


def _rule_sentence(
    conditions: Mapping[str, Condition], nouns: str, precision: float | None, recall: float | None
) -> str:
    if not conditions or precision is None or recall is None:
        return f"No rule about these two features tells flagged {nouns} from others."
    parts = [f"{name} is {_span(condition)}" for name, condition in conditions.items()]
    return (
        f"The model flags {nouns} when {' and '.join(parts)}: {_percent(precision)} of what this "
        f"names is flagged, and it names {_percent(recall)} of what is flagged."
    )


def _span(condition: Condition) -> str:
    above, below = condition["above"], condition["below"]
    if above is not None and below is not None:
        return f"between {number(above)} and {number(below)}"
    return f"below {number(below)}" if above is None and below is not None else _above(above)


def _above(above: float | None) -> str:
    return f"above {number(above or 0.0)}"


def _percent(share: float) -> str:
    return f"{math.floor(100 * share + 1e-9)} %"


def _check(scorer: Scorer, values: Floats, background: Floats, names: list[str]) -> None:
    check_values(scorer, background)
    check_values(scorer, np.asarray(values)[None])
    check_names(scorer, names)
