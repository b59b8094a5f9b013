"""Whether a person's false alarms fall more often on one group, score for score."""

from itertools import product

import numpy as np
import pandas as pd

from hitl.agreement.exact import Counts, adjusted_difference, conditional_p, tables
from hitl.agreement.shares import ALL, column, people, require, strata, tidy
from hitl.errors import InputError
from hitl.fairness import CANNOT_TELL, GAP, MIN_ROWS, NAN, NO_GAP, UNKNOWN

TOLERANCE = 0.05
"""A difference of false-alarm shares that would not matter, unless another one is given."""


def bias(
    decisions: pd.DataFrame,
    group: str,
    *,
    tolerance: float = TOLERANCE,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare each person's false alarms between groups among cases of like score.

    Parameters
    ----------
    decisions
        One row a decision: ``reviewer``, ``is_positive`` (True, False, or missing for unsure),
        ``truth`` (missing where not known), the column `group`, and ``band``
        where scores are to be adjusted for (see `score_band`). Only sure decisions on cases whose
        truth is negative count.
    group
        Column with the group; missing values form the group "unknown".
    tolerance
        Difference in ``(0, 1]`` that would not matter.
    confidence
        Of all comparisons together, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        For the team ("all") and per reviewer, each group against all others (once where there are
        two): ``reviewer, group_name, n, n_others, value, others`` (adjusted false-alarm shares),
        ``difference, low, high, p_value, verdict, band_known``. "gap shown": the exact test finds
        it and the interval excludes 0. "no gap shown": the interval lies within ± tolerance.
        "cannot tell": otherwise, or below 30 such cases on either side.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion cannot be read or the tolerance is not in ``(0, 1]``.

    Notes
    -----
    The Cochran-Mantel-Haenszel comparison in its exact form, over score bands; the team's is over
    score bands and people. Bonferroni's correction over all comparisons that have enough cases,
    in the p-value (multiplied, at most 1) as in the interval. *Cannot say*: why. A group may have
    worse evidence; and cases whose truth nobody learns are not in it.

    References
    ----------
    Mantel and Haenszel (1959), Statistical aspects of the analysis of data from retrospective
    studies of disease. Agresti (2013), Categorical Data Analysis.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "region": ["south"] * 100 + ["north"] * 100})
    >>> rows["is_positive"] = [True] * 40 + [False] * 60 + [True] * 10 + [False] * 90
    >>> rows["truth"] = False
    >>> found = bias(rows, "region").iloc[-1]
    >>> found["verdict"], found["group_name"], round(float(found["difference"]), 2)
    ('gap shown', 'north', -0.3)
    """
    if not 0 < tolerance <= 1:
        raise InputError(
            f"The tolerance is {tolerance!r}.", "Give a difference above 0 and up to 1."
        )
    counted = false_alarm_tables(decisions, group)
    enough = {key: bool((_sizes(table) >= MIN_ROWS).all()) for key, table in counted.items()}
    looks = max(1, sum(enough.values()))
    records = [
        {
            "reviewer": name,
            "group_name": level,
            **_compared(table, enough[name, level], looks, tolerance, confidence),
            "band_known": "band" in decisions,
        }
        for (name, level), table in counted.items()
    ]
    columns = ("reviewer", "group_name", "n", "n_others", "value", "others", "difference")
    return tidy(records, *columns, "low", "high", "p_value", "verdict", "band_known")


def false_alarm_tables(decisions: pd.DataFrame, group: str) -> dict[tuple[str, str], Counts]:
    """Count false alarms of each person in each group and outside it, by score band.

    Parameters
    ----------
    decisions, group
        As for `bias`.

    Returns
    -------
    dict
        For each (reviewer or "all", group), what `hitl.agreement.exact.tables` gives. With two
        groups only the first one in order of name is there.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion cannot be read.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "region": ["s", "n"], "is_positive": [True, False]})
    >>> rows["truth"] = False
    >>> false_alarm_tables(rows, "region")["Ada", "n"].tolist()
    [[0, 1, 1, 1]]
    """
    require(decisions, "reviewer", "is_positive", "truth", group)
    verdict, truth = column(decisions, "is_positive"), column(decisions, "truth")
    cases = decisions[(truth == 0) & ~np.isnan(verdict)]
    alarm = verdict[(truth == 0) & ~np.isnan(verdict)] == 1
    names = cases["reviewer"].to_numpy(dtype=np.str_)
    groups = cases[group].astype(object).where(cases[group].notna(), UNKNOWN).to_numpy(np.str_)
    levels = sorted(set(groups.tolist()))
    levels = levels[:1] if len(levels) <= 2 else levels
    within = {one: strata(cases, ["band"]) for one in people(cases)}
    within[ALL] = strata(cases, ["reviewer", "band"])
    found = {}
    for name, level in product([ALL, *people(cases)], levels):
        here = (names == name) | (name == ALL)
        found[name, level] = tables(groups[here] == level, alarm[here], within[name][here])
    return found


def _sizes(counts: Counts) -> Counts:
    """Count the cases of both sides in strata that have both."""
    both = (counts[:, 1] > 0) & (counts[:, 3] > 0)
    sizes: Counts = counts[both][:, [1, 3]].sum(axis=0)
    return sizes


def _compared(
    counts: Counts, enough: bool, looks: int, tolerance: float, confidence: float
) -> dict[str, object]:
    simultaneous = 1 - (1 - confidence) / looks
    value, others, difference, low, high = adjusted_difference(counts, simultaneous)
    p = min(1.0, looks * conditional_p(counts)) if enough else NAN
    verdict = CANNOT_TELL
    if enough and p <= 1 - confidence and (low > 0 or high < 0):
        verdict = GAP
    elif enough and -tolerance <= low and high <= tolerance:
        verdict = NO_GAP
    n, n_others = (int(size) for size in counts[:, [1, 3]].sum(axis=0))
    found = {"n": n, "n_others": n_others, "value": value, "others": others}
    return {**found, "difference": difference, "low": low, "high": high, "p_value": p} | {
        "verdict": verdict
    }
