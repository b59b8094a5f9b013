"""Exact comparisons within strata: the conditional test, the adjusted difference, funnel limits."""

import numpy as np
import numpy.typing as npt

from hitl.agreement.shares import Bools, Floats
from hitl.errors import InputError
from hitl.fairness import NAN, newcombe

Counts = npt.NDArray[np.int64]
FUNNEL = 0.998
"""Share of people without any difference who lie within the funnel's limits."""
ROUNDING = 1e-7
"""Two probabilities that differ by less than this share are the same."""


def tables(inside: Bools, events: Bools, stratum: Counts) -> Counts:
    """Count events inside and outside a group in each stratum.

    Parameters
    ----------
    inside
        Whether a case belongs to the group, shape ``(n_cases,)``.
    events
        Whether it happened, shape ``(n_cases,)``.
    stratum
        Number of the case's stratum from 0 on, shape ``(n_cases,)``.

    Returns
    -------
    ndarray
        Shape ``(n_strata, 4)``: events inside, cases inside, events outside, cases outside.

    Examples
    --------
    >>> there = np.array([True, True, False])
    >>> tables(there, np.array([True, False, True]), np.zeros(3, dtype=np.int64)).tolist()
    [[1, 2, 1, 1]]
    """
    size = int(stratum.max(initial=-1)) + 1
    chosen = (inside & events, inside, ~inside & events, ~inside)
    return np.stack([np.bincount(stratum[rows], minlength=size) for rows in chosen], axis=1)


def conditional_p(counts: Counts) -> float:
    """Test whether events are as frequent inside as outside a group, within strata, exactly.

    Parameters
    ----------
    counts
        What `tables` gives, shape ``(n_strata, 4)``.

    Returns
    -------
    float
        Two-sided p-value in ``[0, 1]``: how often shuffling the group within each stratum gives a
        number of events inside that is at most as probable as the one counted.

    Notes
    -----
    The exact form of the Cochran-Mantel-Haenszel test. With all margins fixed the events inside
    are a sum of hypergeometric numbers, whose distribution is folded together stratum by stratum.
    With one stratum it is Fisher's test. It holds its level at any number of cases.

    References
    ----------
    Mehta, Patel and Gray (1985), Computing an exact confidence interval for the common odds ratio
    in several 2 × 2 contingency tables.

    Examples
    --------
    >>> round(conditional_p(np.array([[3, 4, 1, 4]])), 4)
    0.4857
    """
    chance, lowest = np.ones(1), 0
    for inside, n_inside, outside, n_outside in np.asarray(counts, dtype=np.int64):
        first, part = _hypergeometric(int(inside + outside), int(n_inside), int(n_outside))
        chance, lowest = np.convolve(chance, part), lowest + first
    seen = chance[int(counts[:, 0].sum()) - lowest]
    return float(min(1.0, chance[chance <= seen * (1 + ROUNDING)].sum()))


def adjusted_difference(
    counts: Counts, confidence: float = 0.95
) -> tuple[float, float, float, float, float]:
    """Give shares inside and outside a group as if both had the same mix of strata.

    Parameters
    ----------
    counts
        What `tables` gives, shape ``(n_strata, 4)``.
    confidence
        Of the interval, in ``(0, 1)``.

    Returns
    -------
    tuple
        Share inside, share outside, their difference, its lower and upper limit; five NaN when
        no stratum has cases on both sides.

    Notes
    -----
    Strata are weighted by Mantel and Haenszel's n₁n₀/(n₁+n₀), so the difference is theirs. Each
    weighted share counts as that of 1/Σ(w²/n) cases, and Newcombe's interval is taken of the two:
    it does not shrink to nothing where no event was counted.

    References
    ----------
    Mantel and Haenszel (1959), Statistical aspects of the analysis of data from retrospective
    studies of disease. Greenland and Robins (1985), Estimation of a common effect parameter from
    sparse follow-up data.

    Examples
    --------
    >>> found = adjusted_difference(np.array([[8, 40, 4, 40], [2, 10, 1, 10]]))
    >>> [round(number, 3) for number in found]
    [0.2, 0.1, 0.1, -0.043, 0.242]
    """
    events, n, others, m = np.asarray(counts, dtype=np.float64).T
    both = (n > 0) & (m > 0)
    if not both.any():
        return NAN, NAN, NAN, NAN, NAN
    events, n, others, m = events[both], n[both], others[both], m[both]
    weight = n * m / (n + m)
    weight /= weight.sum()
    first, second = float(weight @ (events / n)), float(weight @ (others / m))
    cases = [1 / float((weight**2 / size).sum()) for size in (n, m)]
    inside, outside = ((min(p, 1.0) * c, c) for p, c in zip((first, second), cases, strict=True))
    return first, second, *newcombe(inside, outside, confidence)


def funnel_limits(
    rates: Floats, cases: Counts, confidence: float = FUNNEL
) -> tuple[float, float, float]:
    """Give the limits within which the share of somebody without any difference lies.

    Parameters
    ----------
    rates
        Rate of everybody in each stratum, in ``[0, 1]``, shape ``(n_strata,)``.
    cases
        One person's cases in each stratum, shape ``(n_strata,)``.
    confidence
        Least share of such people who lie within the limits, in ``(0, 1)``.

    Returns
    -------
    tuple
        Expected share, lower and upper limit, in ``[0, 1]``; three NaN without cases. Somebody
        who lies on a limit is within it.

    Raises
    ------
    InputError
        If a rate is not in ``[0, 1]``.

    Notes
    -----
    Exact: the number of events is a sum of binomial numbers, one a stratum. At most half of what
    is left of the confidence lies beyond each limit.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance.

    Examples
    --------
    >>> [round(limit, 3) for limit in funnel_limits(np.array([0.1]), np.array([100]))]
    [0.1, 0.02, 0.2]
    """
    p, n = np.asarray(rates, dtype=np.float64), np.asarray(cases, dtype=np.int64)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"A rate is {p[~((p >= 0) & (p <= 1))][0]:g}.", "Rates are from 0 to 1.")
    total = int(n.sum())
    if not total:
        return NAN, NAN, NAN
    chance = np.ones(1)
    for rate, size in zip(p, n, strict=True):
        chance = np.convolve(chance, _binomial(int(size), float(rate)))
    beyond = (1 - confidence) / 2
    low = int(np.searchsorted(np.cumsum(chance), beyond, side="right"))
    high = total - int(np.searchsorted(np.cumsum(chance[::-1]), beyond, side="right"))
    return float(p @ n) / total, low / total, high / total


def _binomial(n: int, rate: float) -> Floats:
    """Give the chance of each number of events from 0 to n."""
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(n + 1, dtype=np.float64)
    log = _log_choose(gammaln, n, k) + xlogy(k, rate) + xlog1py(n - k, -rate)
    return np.asarray(np.exp(log), dtype=np.float64)


def _hypergeometric(events: int, inside: int, outside: int) -> tuple[int, Floats]:
    """Give the least number of events inside and the chance of it and each larger one."""
    from scipy.special import gammaln

    first, last = max(0, events - outside), min(events, inside)
    here = np.arange(first, last + 1, dtype=np.float64)
    there = events - here
    log = (
        _log_choose(gammaln, inside, here)
        + _log_choose(gammaln, outside, there)
        - _log_choose(gammaln, inside + outside, np.array(float(events)))
    )
    return first, np.exp(log)


def _log_choose(gammaln: np.ufunc, n: int, k: Floats) -> Floats:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)
