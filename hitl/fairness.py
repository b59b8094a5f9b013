"""Counts by group, their rates and intervals, and a verdict that may be "cannot tell"."""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hitl.errors import EmptyDataError, InputError

Floats = NDArray[np.float64]
Rate = Literal["flag", "fpr", "fnr"]

NAN = float("nan")
NO_GAP, GAP, CANNOT_TELL = "no gap shown", "gap shown", "cannot tell"
UNKNOWN = "unknown"
MIN_ROWS = 30
"""A group with fewer rows behind a rate is counted and listed but not compared."""
TOLERATED_SHARE = 0.2
"""Default tolerance, as a share of the overall rate (or of its complement, if smaller)."""
AMOUNT_EDGES = (1, 10, 50, 200)
AMOUNT_BANDS = ("under 1", "1 to 10", "10 to 50", "50 to 200", "200 and more")
HOUR_BANDS = ("0 to 6 h", "6 to 12 h", "12 to 18 h", "18 to 24 h")
UNITS_PER_HOUR = {"s": 3_600, "ms": 3_600_000}
WORDS = {"flag": "flagged", "fpr": "wrongly flagged", "fnr": "missed"}


@dataclass(frozen=True)
class Gap:
    """What can be said about the difference of one rate between groups."""

    verdict: str
    difference: float
    low: float
    high: float
    highest_group: str
    lowest_group: str
    sentence: str
    tolerance: float = NAN
    too_small: tuple[str, ...] = ()


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Give the Wilson score interval of a share.

    Parameters
    ----------
    successes
        Number of rows counted, in ``[0, n]``; a fraction is allowed (a weighted rate times n).
    n
        Number of rows, at least 0.
    confidence
        In ``(0, 1)``.

    Returns
    -------
    tuple
        Lower and upper limit in ``[0, 1]``; two NaN when there are no rows.

    Raises
    ------
    ValueError
        If the counts or the confidence are out of range.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson(10, 20)]
    [0.299, 0.701]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence is {confidence!r}, not between 0 and 1.")
    return _wilson(successes, n, NormalDist().inv_cdf((1 + confidence) / 2))


def newcombe(
    first: tuple[float, float], second: tuple[float, float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Give the difference of two independent shares with Newcombe's hybrid score interval.

    Parameters
    ----------
    first, second
        Number counted, in ``[0, n]``, and number of rows n of each share.
    confidence
        In ``(0, 1)``.

    Returns
    -------
    tuple
        First minus second share, lower and upper limit, each in ``[-1, 1]``; three NaN when one of
        them has no rows.

    Raises
    ------
    ValueError
        If the counts or the confidence are out of range.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods, method 10.

    Examples
    --------
    >>> [round(limit, 4) for limit in newcombe((56, 70), (48, 80))]
    [0.2, 0.0524, 0.3339]
    """
    limits = (wilson(*first, confidence), wilson(*second, confidence))
    if not first[1] or not second[1]:
        return NAN, NAN, NAN
    return _newcombe(first[0] / first[1], second[0] / second[1], *limits)


def by_group(
    groups: ArrayLike,
    selected: ArrayLike,
    truth: ArrayLike | None = None,
    *,
    weight: ArrayLike | None = None,
) -> pd.DataFrame:
    """Count rows, flags, false alarms and misses in each group.

    Parameters
    ----------
    groups
        Group of each row, shape ``(n_rows,)``; missing ones form the group "unknown".
    selected
        Whether the row was flagged, shape ``(n_rows,)``.
    truth
        Labels 0 or 1, or NaN where nobody knows, shape ``(n_rows,)``. Without any, only the flag
        rates are known.
    weight
        How many original rows each row stands for, positive, shape ``(n_rows,)``.

    Returns
    -------
    DataFrame
        One row per group that occurs, in the order of the categories or of the names:
        ``group_name``; the natural counts ``n, positives, selected, false_positives, negatives,
        misses`` (sums of weights); the rates ``flag_rate``, ``fpr`` (of the negatives) and ``fnr``
        (of the positives) in ``[0, 1]``, each with its 95 % limits ``…_low`` and ``…_high``, NaN
        when the denominator is 0; and the numbers of rows that are really there, ``rows,
        positive_rows, negative_rows``.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    InputError
        If a label is neither 0, 1 nor NaN.
    ValueError
        If lengths differ or a weight is not positive.

    Notes
    -----
    Weights move the rates but buy no certainty: intervals use the numbers of rows that are there,
    not the numbers they stand for. If only reviewed rows carry a label, the false-alarm and miss
    rates speak of reviewed rows; weight a random audit by its inclusion probability instead.

    Examples
    --------
    >>> table = by_group(["a", "a", "b"], [1, 0, 0], [0, 0, 1])
    >>> table[["group_name", "n", "flag_rate", "fpr", "fnr"]].values.tolist()
    [['a', 2.0, 0.5, 0.5, nan], ['b', 1.0, 0.0, nan, 1.0]]
    """
    names, flags, labels, weights = _columns(groups, selected, truth, weight)
    records = []
    for name in names.cat.categories:
        here = (names == name).to_numpy()
        if here.any():
            records.append(_counts(str(name), flags[here], labels[here], weights[here]))
    return pd.DataFrame.from_records(records)


def gap(
    table: pd.DataFrame,
    rate: Rate = "flag",
    *,
    tolerance: float | None = None,
    confidence: float = 0.95,
) -> Gap:
    """Say whether a rate differs between groups, or that the rows cannot tell.

    Parameters
    ----------
    table
        What `by_group` returned.
    rate
        "flag" (share flagged), "fpr" (share of negatives flagged) or "fnr" (share of positives
        missed).
    tolerance
        A difference in ``(0, 1]`` that would not matter. When absent, a fifth of the overall rate
        or of its complement, whichever is smaller.
    confidence
        Of all pairs of groups together, in ``(0, 1)``.

    Returns
    -------
    Gap
        "gap shown": the interval of some pair's difference excludes 0. "no gap shown": every
        pair's interval lies within ± tolerance and no group was too small to compare. Otherwise
        "cannot tell". The pair named is the widest one that was shown, else the widest one.

    Raises
    ------
    InputError
        If there is no such rate or the tolerance is not in ``(0, 1]``.
    ValueError
        If the confidence is not between 0 and 1.

    Notes
    -----
    Newcombe's hybrid score interval for each pair, with Bonferroni's correction over all pairs
    compared, so that looking for the widest pair does not make a gap out of chance. Groups with
    fewer than 30 rows behind the rate are listed in ``too_small``, never dropped silently.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods, method 10.

    Examples
    --------
    >>> rows = by_group(["a"] * 200 + ["b"] * 200, [1] * 20 + [0] * 180 + [1] * 60 + [0] * 140)
    >>> found = gap(rows)
    >>> found.verdict, found.highest_group, round(found.difference, 2)
    ('gap shown', 'b', 0.2)
    """
    if rate not in WORDS:
        raise InputError(f"There is no rate {rate!r}.", f"Choose one of: {', '.join(WORDS)}.")
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence is {confidence!r}, not between 0 and 1.")
    names = table["group_name"].tolist()
    rates, rows, natural = _rate_columns(table, rate)
    allowed = _tolerance(tolerance, rates, natural)
    large = np.flatnonzero(rows >= MIN_ROWS)
    too_small = tuple(names[i] for i in range(len(names)) if rows[i] < MIN_ROWS)
    if len(large) < 2:
        return _cannot_compare(rate, allowed, too_small)
    pairs = _pairs(large, rates, rows, confidence)
    chosen = max(pairs, key=lambda pair: (pair[1] > 0, pair[0]))
    verdict = _verdict(pairs, allowed, too_small)
    difference, low, high, highest, lowest = chosen
    sentence = _sentence(verdict, rate, chosen, names, allowed, too_small)
    return Gap(
        verdict, difference, low, high, names[highest], names[lowest], sentence, allowed, too_small
    )


def amount_band(amount: ArrayLike) -> pd.Categorical:
    """Put amounts into bands.

    Parameters
    ----------
    amount
        Amounts of at least 0, shape ``(n_rows,)``; NaN stays missing.

    Returns
    -------
    Categorical
        Ordered labels; a lower edge belongs to its band.

    Raises
    ------
    InputError
        If an amount is negative.

    Examples
    --------
    >>> list(amount_band([0.5, 1, 49.99, 5_000]))
    ['under 1', '1 to 10', '10 to 50', '200 and more']
    """
    values = np.asarray(amount, dtype=float)
    if (values < 0).any():
        raise InputError(
            f"An amount is {values[values < 0][0]}.", "Bands are for amounts of 0 and more."
        )
    return _band(values, np.array(AMOUNT_EDGES, dtype=float), AMOUNT_BANDS)


def hour_band(time: ArrayLike, *, unit: Literal["s", "ms"] = "s") -> pd.Categorical:
    """Put times into quarters of the day.

    Parameters
    ----------
    time
        Seconds or milliseconds since some midnight, shape ``(n_rows,)``; NaN stays missing.
    unit
        "s" or "ms".

    Returns
    -------
    Categorical
        Ordered labels; a lower edge belongs to its band. Epoch times are read as UTC.

    Raises
    ------
    InputError
        If the unit is another one.

    Examples
    --------
    >>> list(hour_band([0, 6 * 3_600, 86_400 + 23 * 3_600]))
    ['0 to 6 h', '6 to 12 h', '18 to 24 h']
    """
    if unit not in UNITS_PER_HOUR:
        raise InputError(f"There is no unit {unit!r}.", "Choose 's' or 'ms'.")
    hours = np.asarray(time, dtype=float) / UNITS_PER_HOUR[unit] % 24
    return _band(hours, np.array([6.0, 12.0, 18.0]), HOUR_BANDS)


def _wilson(successes: float, n: float, z: float) -> tuple[float, float]:
    if n == 0:
        return NAN, NAN
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share.")
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def _columns(
    groups: ArrayLike, selected: ArrayLike, truth: ArrayLike | None, weight: ArrayLike | None
) -> tuple["pd.Series[Any]", NDArray[np.bool_], Floats, Floats]:
    names = _names(groups)
    flags = np.asarray(selected, dtype=bool)
    labels = np.full(len(names), NAN) if truth is None else _labels(truth)
    weights = np.ones(len(names)) if weight is None else np.asarray(weight, dtype=float)
    lengths = (len(names), len(flags), len(labels), len(weights))
    if len(set(lengths)) > 1:
        raise ValueError(f"Lengths differ: {', '.join(map(str, lengths))}.")
    if not lengths[0]:
        raise EmptyDataError("There are no rows to count by group.", "Widen the selection.")
    if not (weights > 0).all() or not np.isfinite(weights).all():
        raise ValueError(f"The smallest weight is {weights.min()}; weights are positive numbers.")
    return names, flags, labels, weights


def _names(groups: ArrayLike) -> "pd.Series[Any]":
    series = pd.Series(groups).reset_index(drop=True)
    if isinstance(series.dtype, pd.CategoricalDtype):
        order: list[Hashable] = list(series.cat.categories)
    else:
        order = sorted(series.dropna().unique().tolist(), key=lambda name: (str(type(name)), name))
    texts = series.astype(object).map(str, na_action="ignore").fillna(UNKNOWN)
    ordered = dict.fromkeys([*map(str, order), UNKNOWN])
    return texts.astype(pd.CategoricalDtype(list(ordered), ordered=True))


def _labels(truth: ArrayLike) -> Floats:
    labels = pd.to_numeric(pd.Series(truth)).to_numpy(dtype=float, na_value=NAN)
    wrong = ~(np.isnan(labels) | np.isin(labels, (0, 1)))
    if wrong.any():
        raise InputError(
            f"A label is {labels[wrong][0]:g}, which is neither 0 nor 1.",
            "Leave a label empty where nobody knows.",
        )
    return labels


def _counts(
    name: str, flags: NDArray[np.bool_], labels: Floats, weights: Floats
) -> dict[str, str | float]:
    sides = {"flag": np.full(len(flags), True), "fpr": labels == 0, "fnr": labels == 1}
    events = {"flag": flags, "fpr": flags, "fnr": ~flags}
    total = {rate: float(weights[side].sum()) for rate, side in sides.items()}
    count = {rate: float(weights[side & events[rate]].sum()) for rate, side in sides.items()}
    rows = {rate: int(side.sum()) for rate, side in sides.items()}
    record: dict[str, str | float] = {"group_name": name, "n": total["flag"]}
    record |= {"positives": total["fnr"], "selected": count["flag"]}
    record |= _rate("flag", "flag_rate", count, total, rows)
    record |= {"false_positives": count["fpr"], "negatives": total["fpr"]}
    record |= _rate("fpr", "fpr", count, total, rows)
    record["misses"] = count["fnr"]
    record |= _rate("fnr", "fnr", count, total, rows)
    record |= {"rows": rows["flag"], "positive_rows": rows["fnr"], "negative_rows": rows["fpr"]}
    return record


def _rate(
    rate: str, column: str, count: dict[str, float], total: dict[str, float], rows: dict[str, int]
) -> dict[str, float]:
    share = min(count[rate] / total[rate], 1.0) if rows[rate] else NAN
    low, high = wilson(share * rows[rate], rows[rate]) if rows[rate] else (NAN, NAN)
    return {column: share, f"{rate}_low": low, f"{rate}_high": high}


def _rate_columns(table: pd.DataFrame, rate: str) -> tuple[Floats, Floats, Floats]:
    names = {
        "flag": ("flag_rate", "rows", "n"),
        "fpr": ("fpr", "negative_rows", "negatives"),
        "fnr": ("fnr", "positive_rows", "positives"),
    }[rate]
    rates, rows, natural = (table[name].to_numpy(dtype=float) for name in names)
    return rates, rows, natural


def _tolerance(given: float | None, rates: Floats, natural: Floats) -> float:
    if given is not None:
        if not 0 < given <= 1:
            raise InputError(
                f"The tolerance is {given!r}.", "Give a difference above 0 and up to 1."
            )
        return float(given)
    if natural.sum() == 0:
        return NAN
    overall = float(np.nansum(rates * natural) / natural.sum())
    return TOLERATED_SHARE * min(overall, 1 - overall)


def _pairs(
    large: NDArray[np.intp], rates: Floats, rows: Floats, confidence: float
) -> list[tuple[float, float, float, int, int]]:
    """Give (difference, low, high, higher group, lower group) of every pair of large groups."""
    count = len(large) * (len(large) - 1) // 2
    z = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * count))
    limits = {int(i): _wilson(rates[i] * rows[i], rows[i], z) for i in large}
    pairs = []
    for one, other in combinations(limits, 2):
        high, low = (one, other) if rates[one] >= rates[other] else (other, one)
        p, q = float(rates[high]), float(rates[low])
        pairs.append((*_newcombe(p, q, limits[high], limits[low]), high, low))
    return pairs


def _newcombe(
    p: float, q: float, of_p: tuple[float, float], of_q: tuple[float, float]
) -> tuple[float, float, float]:
    below = sqrt((p - of_p[0]) ** 2 + (of_q[1] - q) ** 2)
    above = sqrt((of_p[1] - p) ** 2 + (q - of_q[0]) ** 2)
    return p - q, p - q - below, p - q + above


def _verdict(
    pairs: list[tuple[float, float, float, int, int]], allowed: float, too_small: tuple[str, ...]
) -> str:
    if any(low > 0 for _, low, *_ in pairs):
        return GAP
    within = all(-allowed <= low and high <= allowed for _, low, high, *_ in pairs)
    return NO_GAP if within and not too_small else CANNOT_TELL


def _cannot_compare(rate: str, allowed: float, too_small: tuple[str, ...]) -> Gap:
    behind = {"flag": "rows", "fpr": "negatives", "fnr": "positives"}[rate]
    sentence = f"Fewer than two groups have {MIN_ROWS} {behind}: the rows cannot tell."
    return Gap(CANNOT_TELL, NAN, NAN, NAN, "", "", sentence, allowed, too_small)


def _sentence(
    verdict: str,
    rate: str,
    pair: tuple[float, float, float, int, int],
    names: list[str],
    allowed: float,
    too_small: tuple[str, ...],
) -> str:
    difference, low, high, highest, lowest = pair
    measured = (
        f"All groups compared are {WORDS[rate]} equally often (within {_points(high)} points)"
        if difference == 0
        else f"“{names[highest]}” is {WORDS[rate]} {_points(difference)} points more often than "
        f"“{names[lowest]}” (between {_points(low)} and {_points(high)})"
    )
    ending = {
        GAP: "more than chance explains.",
        NO_GAP: f"and no pair differs by more than the tolerated {_points(allowed)} points.",
        CANNOT_TELL: f"which neither shows nor rules out a gap above {_points(allowed)} points.",
    }[verdict]
    small = f" Too few rows to compare: {', '.join(too_small)}." if too_small else ""
    return f"{measured}, {ending}{small}"


def _points(share: float) -> str:
    return f"{100 * share:.2g}".replace("-", "−")


def _band(values: Floats, edges: Floats, labels: tuple[str, ...]) -> pd.Categorical:
    codes = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    kind = pd.CategoricalDtype(list(labels), ordered=True)
    return pd.Categorical.from_codes(codes.astype(np.int64), dtype=kind)
