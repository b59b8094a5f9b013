"""Whether something rises or falls over a shift: Kendall's test within shifts, Theil-Sen slope."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from hitl.agreement.shares import Floats
from hitl.fairness import NAN


@dataclass(frozen=True)
class Trend:
    """Change of a value in a unit of time, its interval, and how surprising it is without any."""

    slope: float
    low: float
    high: float
    p_value: float


def trend(
    values: npt.ArrayLike, time: npt.ArrayLike, shift: npt.ArrayLike, *, confidence: float = 0.95
) -> Trend:
    """Test whether a value rises or falls with time within shifts, and measure how fast.

    Parameters
    ----------
    values
        In any unit, shape ``(n_cases,)``; 0 and 1 are fine.
    time
        In any unit, shape ``(n_cases,)``.
    shift
        Number of the case's shift, shape ``(n_cases,)``: only cases of one shift are compared.
    confidence
        Of the slope's interval, in ``(0, 1)``.

    Returns
    -------
    Trend
        `slope` per unit of time (median over all pairs of cases), `low`, `high`, and the two-sided
        `p_value`; NaN where no two cases of a shift differ in both.

    Notes
    -----
    Kendall's S and its variance with ties, added up over shifts as over seasons, without a
    continuity correction. Single extreme values have no pull on it. It takes cases for independent
    of one another; a run of like cases makes it too sure.

    References
    ----------
    Kendall (1970), Rank Correlation Methods. Hirsch, Slack and Smith (1982), Techniques of trend
    analysis for monthly water quality data. Sen (1968), Estimates of the regression coefficient
    based on Kendall's tau.

    Examples
    --------
    >>> found = trend([9, 8, 6, 7, 3, 2], [0, 1, 2, 3, 4, 5], [1] * 6)
    >>> round(found.slope, 2), found.p_value < 0.05
    (-1.5, True)
    """
    found = list(_by_shift(values, time, shift))
    p, variance = _kendall(found)
    if np.isnan(p):
        return Trend(NAN, NAN, NAN, NAN)
    ordered = np.sort(np.concatenate([dx[dt != 0] / dt[dt != 0] for dx, dt in map(_pairs, found)]))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(variance)
    ranks = ((len(ordered) - half) / 2, (len(ordered) + half) / 2)
    low, high = (int(np.clip(round(rank), 0, len(ordered) - 1)) for rank in ranks)
    return Trend(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), p)


def trend_p(values: npt.ArrayLike, time: npt.ArrayLike, shift: npt.ArrayLike) -> float:
    """Give the p-value of `trend` alone, where a slope says nothing, as for 0 and 1.

    Parameters
    ----------
    values, time, shift
        As for `trend`.

    Returns
    -------
    float
        In ``[0, 1]``; NaN where no two cases of a shift differ in both.

    Examples
    --------
    >>> round(trend_p([0, 0, 0, 0, 1, 1, 1, 1], range(8), [0] * 8), 3)
    0.021
    """
    return _kendall(list(_by_shift(values, time, shift)))[0]


def _kendall(shifts: list[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Give the p-value and the variance of Kendall's S over shifts; NaN where it cannot vary."""
    score = sum(float((np.sign(dx) * np.sign(dt)).sum()) for dx, dt in map(_pairs, shifts))
    variance = sum(_variance(x, t) for x, t in shifts)
    if variance <= 0:
        return NAN, 0.0
    return min(1.0, 2 * NormalDist().cdf(-abs(score) / sqrt(variance))), variance


def _pairs(one: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Give the differences of each two cases of a shift, in value and in time."""
    x, t = one
    later, earlier = np.tril_indices(len(x), -1)
    return x[later] - x[earlier], t[later] - t[earlier]


def _by_shift(
    values: npt.ArrayLike, time: npt.ArrayLike, shift: npt.ArrayLike
) -> Iterator[tuple[Floats, Floats]]:
    x, t = (np.asarray(one, dtype=np.float64) for one in (values, time))
    numbers = np.asarray(shift)
    for number in np.unique(numbers):
        here = numbers == number
        if here.sum() > 1:
            yield x[here], t[here]


def _variance(x: Floats, t: Floats) -> float:
    """Give the variance of Kendall's S with ties in both."""
    n = len(x)
    of_x, of_t = (np.unique(one, return_counts=True)[1].astype(np.float64) for one in (x, t))
    pairs = n * (n - 1.0)
    main = pairs * (2 * n + 5) - sum(float((c * (c - 1) * (2 * c + 5)).sum()) for c in (of_x, of_t))
    x2, t2 = (float((c * (c - 1)).sum()) for c in (of_x, of_t))
    x3, t3 = (float((c * (c - 1) * (c - 2)).sum()) for c in (of_x, of_t))
    third = x3 * t3 / (9 * pairs * (n - 2)) if n > 2 else 0.0
    return main / 18 + x2 * t2 / (2 * pairs) + third
