"""Does the explanation help? A randomised trial: which case gets which, and what came of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from math import ceil, log, pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.exact import conditional_p
from hitl.agreement.shares import Bools, Floats, column, require, share, tidy, times
from hitl.errors import InputError
from hitl.fairness import CANNOT_TELL, MIN_ROWS, NAN, newcombe

NOTHING = "nothing"
ARMS = (NOTHING, "shap", "lime", "similar", "counterfactual")
"""What a case's reviewer may be shown beside its score."""
MEASURES = ("seconds", "right", "overrides")
DIFFERENCES: Mapping[str, float] = {"seconds": 0.2, "right": 0.05, "overrides": 0.05}
"""Differences worth knowing of: a share of the time, and shares of the cases."""
LARGEST = 0.5
"""A larger difference needs no trial."""
POWER = 0.8
SHORTEST = 0.1
"""Seconds that a decision takes at least; for logarithms."""
RANK_EFFICIENCY = 3 / pi
"""Of the rank test, on logarithms that are normal."""
SHOWN, NOT_SHOWN = "difference shown", "no difference shown"


def arm(instance_id: str, salt: str, arms: Sequence[str] = ARMS) -> str:
    """Draw what is shown with a case; the same case gets the same answer again.

    Parameters
    ----------
    instance_id
        Names the case.
    salt
        Of the trial: another one draws anew.
    arms
        At least one, each as likely as the others.

    Returns
    -------
    str
        One of `arms`.

    Raises
    ------
    InputError
        If there is no arm, or one twice.

    Examples
    --------
    >>> arm("case 7", "first trial") == arm("case 7", "first trial")
    True
    """
    if not arms or len(set(arms)) != len(arms):
        raise InputError(f"The arms are {', '.join(arms) or 'none'}.", "Name each arm once.")
    digest = hashlib.sha256(f"{salt}|{instance_id}".encode()).digest()
    return arms[int.from_bytes(digest[:8]) * len(arms) >> 64]


def report(
    decisions: pd.DataFrame,
    *,
    differences: Mapping[str, float] = DIFFERENCES,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare the arms of a trial with "nothing": time, agreement with the truth, overrides.

    Parameters
    ----------
    decisions
        One row a decision: ``arm, seconds`` (at least 0), ``is_positive`` (True, False, or missing
        for unsure), ``is_flagged`` and ``truth`` (missing where not known yet).
    differences
        For each of `MEASURES` a difference in ``(0, 0.5]`` that one wants to find: a share of the
        time, and shares of the cases.
    confidence
        Of all comparisons together, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        Per arm, "nothing" first, and measure: ``arm, measure, n, value, low, high`` (median
        seconds, or share, with its 95 % interval), ``unsure`` (decisions of the arm); against
        "nothing" ``difference, difference_low, difference_high`` (relative for seconds: −0.1 is
        10 % less), ``p_value``; ``verdict`` and ``more_needed`` (cases this arm still needs, with
        as many of "nothing", for the stated difference at 80 % power). "difference shown": the
        test finds it. "no difference shown": the interval lies within ± the stated difference.
        "cannot tell": otherwise, or below 30 cases on either side.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    MissingValuesError
        If a time is missing.
    InputError
        If an opinion cannot be read, no decision was made with "nothing", or a difference is not
        in ``(0, 0.5]``.

    Notes
    -----
    "right" counts sure decisions among those whose truth is known, "overrides" sure decisions
    against the flag. Seconds: Mann and Whitney's test and Hodges and Lehmann's ratio; shares:
    Fisher's exact test and Newcombe's interval. Bonferroni's correction over all comparisons, in
    p-values (multiplied, at most 1) and intervals. Cases are drawn, not people: what a person
    learned in one arm they know in the next, which makes arms more alike than they would be.

    References
    ----------
    Hodges and Lehmann (1963), Estimates of location based on rank tests.

    Examples
    --------
    >>> rows = pd.DataFrame({"arm": ["nothing"] * 60 + ["shap"] * 60, "seconds": [30, 34] * 60})
    >>> rows["is_positive"], rows["is_flagged"], rows["truth"] = True, True, True
    >>> rows.loc[60:, "seconds"] /= 2
    >>> found = report(rows).set_index(["arm", "measure"])
    >>> found["verdict"]["shap", "seconds"], round(float(found["difference"]["shap", "seconds"]), 3)
    ('difference shown', -0.5)
    """
    _check_differences(differences)
    samples = _samples(decisions)
    others = [one for one in samples if one != NOTHING]
    looks = max(1, len(others) * len(MEASURES))
    level = (1 - confidence) / looks
    records = []
    for name in [NOTHING, *others]:
        unsure = int(samples[name].pop("unsure").sum())
        for measure in MEASURES:
            here, base = samples[name][measure], samples[NOTHING][measure]
            record = {"arm": name, "measure": measure, "unsure": unsure, "verdict": ""}
            record |= _level(measure, here)
            if name != NOTHING:
                record |= _against(measure, here, base, differences[measure], level, looks)
            records.append(record)
    columns = ("arm", "measure", "n", "value", "low", "high", "unsure", "difference")
    further = ("difference_low", "difference_high", "p_value", "verdict", "more_needed")
    return tidy(records, *columns, *further)


def cases_needed(
    rate: float, difference: float, *, power: float = POWER, level: float = 0.05
) -> int:
    """Say how many cases each arm needs to find a difference of two shares.

    Parameters
    ----------
    rate
        Share without the difference, in ``[0, 1]``.
    difference
        To be found, in ``(0, 0.5]``; taken towards one half, where it is hardest to see.
    power
        Chance of finding it, in ``(0, 1)``.
    level
        Of the two-sided test, in ``(0, 1)``.

    Returns
    -------
    int
        Cases in each arm, at least 1.

    Raises
    ------
    InputError
        If the rate or the difference is out of range.

    References
    ----------
    Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, chapter 4, with
    the continuity correction that an exact test needs.

    Examples
    --------
    >>> cases_needed(0.9, 0.05)
    726
    """
    if not (0 <= rate <= 1 and 0 < difference <= LARGEST):
        raise InputError(
            f"The rate is {rate!r} and the difference {difference!r}.",
            f"Give a rate from 0 to 1 and a difference above 0 and up to {LARGEST}.",
        )
    other = rate + difference if rate < 0.5 else rate - difference
    mean = (rate + other) / 2
    a, b = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    spread = a * sqrt(2 * mean * (1 - mean))
    spread += b * sqrt(rate * (1 - rate) + other * (1 - other))
    plain = (spread / difference) ** 2
    return max(1, ceil(plain / 4 * (1 + sqrt(1 + 4 / (plain * difference))) ** 2))


def cases_needed_for_time(
    spread: float, difference: float, *, power: float = POWER, level: float = 0.05
) -> int:
    """Say how many cases each arm needs to find a relative difference of the time taken.

    Parameters
    ----------
    spread
        Standard deviation of the logarithm of seconds, at least 0.
    difference
        Share of the time saved, in ``(0, 1)``.
    power
        Chance of finding it, in ``(0, 1)``.
    level
        Of the two-sided rank test, in ``(0, 1)``.

    Returns
    -------
    int
        Cases in each arm, at least 1.

    References
    ----------
    Lehmann (1975), Nonparametrics: the rank test's efficiency is 3/π.

    Examples
    --------
    >>> cases_needed_for_time(0.5, 0.2)
    83
    """
    z = NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(power)
    plain = 2.0 * (z * spread / log(1 - difference)) ** 2
    return max(1, ceil(plain / RANK_EFFICIENCY))


def median_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Give an interval of the median that holds for any distribution.

    Parameters
    ----------
    values
        In any unit, shape ``(n,)``.
    confidence
        That is held at least, in ``(0, 1)``.

    Returns
    -------
    tuple
        Lower and upper limit, in the same unit; NaN where n is too small for such an interval.

    References
    ----------
    Conover (1999), Practical Nonparametric Statistics, section 3.2.

    Examples
    --------
    >>> median_interval(np.arange(1.0, 11.0))
    (2.0, 9.0)
    """
    from scipy.stats import binom

    n = len(values)
    below = int(binom.ppf((1 - confidence) / 2, n, 0.5)) if n else 0
    if not below or n < 1:
        return NAN, NAN
    ordered = np.sort(values)
    return float(ordered[below - 1]), float(ordered[n - below])


def _check_differences(differences: Mapping[str, float]) -> None:
    for measure in MEASURES:
        wanted = differences.get(measure, NAN)
        if not 0 < wanted <= LARGEST:
            raise InputError(
                f"The difference of {measure} to be found is {wanted!r}.",
                f"Give one above 0 and up to {LARGEST} for each measure.",
            )


def _samples(decisions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Give what each arm is measured by: seconds, and whether each counted case is an event."""
    require(decisions, "arm", "seconds", "is_positive", "is_flagged", "truth")
    verdict, flag = column(decisions, "is_positive"), column(decisions, "is_flagged")
    truth, seconds = column(decisions, "truth"), times(decisions, "seconds")
    if (seconds < 0).any():
        raise InputError("A decision took less than 0 seconds.", "Give durations of 0 and more.")
    names = decisions["arm"].to_numpy(dtype=np.str_)
    if NOTHING not in names:
        raise InputError(
            f"No decision was made with “{NOTHING}”.", "Run the trial with an arm to compare with."
        )
    unsure = np.isnan(verdict)
    known, scored = ~unsure & ~np.isnan(truth), ~unsure & ~np.isnan(flag)
    return {
        name: {
            "seconds": seconds[here],
            "right": (verdict == truth)[here & known],
            "overrides": (verdict != flag)[here & scored],
            "unsure": unsure[here],
        }
        for name in _order(names)
        for here in (names == name,)
    }


def _order(names: npt.NDArray[np.str_]) -> list[str]:
    """Put the arms in the order of `ARMS`, others after them by name."""
    there = set(names.tolist())
    return [one for one in ARMS if one in there] + sorted(there - set(ARMS))


def _level(measure: str, here: npt.NDArray[Any]) -> dict[str, Any]:
    if measure != "seconds":
        found = share(here)
        return {"n": found.n, "value": found.value, "low": found.low, "high": found.high}
    low, high = median_interval(here)
    value = float(np.median(here)) if len(here) else NAN
    return {"n": len(here), "value": value, "low": low, "high": high}


def _against(
    measure: str,
    here: npt.NDArray[Any],
    base: npt.NDArray[Any],
    wanted: float,
    level: float,
    looks: int,
) -> dict[str, Any]:
    compare: Callable[..., tuple[float, float, float, float]] = _shares
    if measure == "seconds":
        compare = _seconds
    if not len(here) or not len(base):
        return {"verdict": CANNOT_TELL}
    difference, low, high, p = compare(here, base, level)
    p = min(1.0, looks * p)
    enough, verdict = min(len(here), len(base)) >= MIN_ROWS, CANNOT_TELL
    if enough and p <= looks * level:
        verdict = SHOWN
    elif enough and -wanted <= low and high <= wanted:
        verdict = NOT_SHOWN
    found = {"difference": difference, "difference_low": low, "difference_high": high}
    needed = _needed(measure, base, wanted, level) if enough else NAN
    more = max(0.0, needed - min(len(here), len(base))) if enough else NAN
    return {**found, "p_value": p, "verdict": verdict, "more_needed": more}


def _shares(here: Bools, base: Bools, level: float) -> tuple[float, float, float, float]:
    counts = [int(here.sum()), len(here), int(base.sum()), len(base)]
    p = conditional_p(np.array([counts]))
    return *newcombe((counts[0], counts[1]), (counts[2], counts[3]), 1 - level), p


def _seconds(here: Floats, base: Floats, level: float) -> tuple[float, float, float, float]:
    """Compare logarithms of seconds by ranks: ratio − 1, its limits, and the p-value."""
    from scipy.stats import mannwhitneyu

    x, y = (np.sort(np.log(np.maximum(one, SHORTEST))) for one in (here, base))
    p = (
        float(mannwhitneyu(x, y, method="asymptotic").pvalue)
        if x[0] < y[-1] or y[0] < x[-1]
        else 1.0
    )
    half = (
        NormalDist().inv_cdf(1 - level / 2) * (len(x) * len(y) * (len(x) + len(y) + 1) / 12) ** 0.5
    )
    middle = len(x) * len(y) / 2
    limits = (_difference(x, y, rank) for rank in (middle, middle - half, middle + half))
    difference, low, high = (float(np.expm1(one)) for one in limits)
    return difference, low, high, p


def _difference(x: Floats, y: Floats, rank: float) -> float:
    """Find the difference x_i − y_j with a given rank among all, without making them all."""
    low, high = float(x[0] - y[-1]), float(x[-1] - y[0])
    for _ in range(50):
        middle = (low + high) / 2
        below = float(np.searchsorted(x, y + middle, side="right").sum())
        low, high = (low, middle) if below >= rank else (middle, high)
    return high


def _needed(measure: str, base: npt.NDArray[Any], wanted: float, level: float) -> int:
    if measure != "seconds":
        return cases_needed(float(base.mean()), wanted, level=level)
    q1, q3 = np.quantile(np.log(np.maximum(base, SHORTEST)), [0.25, 0.75])
    return cases_needed_for_time(float(q3 - q1) / 1.349, wanted, level=level)
