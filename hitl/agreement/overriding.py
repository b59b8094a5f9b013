"""Where people go against the model, and who does so more often than their team."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.exact import FUNNEL, Counts, conditional_p, funnel_limits, tables
from hitl.agreement.shares import Bools, Floats, column, people, require, share, strata, tidy
from hitl.errors import InputError
from hitl.fairness import CANNOT_TELL, MIN_ROWS, NAN

DIRECTIONS = ("flagged", "not flagged")
"""Sides of the model's flag: an override calls a flagged case negative, another one positive."""
LEAST_TEAM = 3
"""Between two people who differ nobody can say which one is unlike the team."""
WITHIN, ABOVE, BELOW = "within", "above", "below"


def overrides(decisions: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Count how often each person goes against the model, in both directions.

    Parameters
    ----------
    decisions
        One row a decision: ``reviewer``, ``is_flagged`` (what the model said) and ``is_positive``
        (True, False, or missing for unsure).
    confidence
        Of the intervals, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        Per reviewer and direction ("flagged", "not flagged"): ``reviewer, direction, n`` (sure
        decisions on that side), ``count`` (overrides), ``value, low, high, can_tell`` and
        ``unsure`` (further decisions on that side that were neither).

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion is neither true, false nor missing, or a flag is missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": ["Ada"] * 3, "is_flagged": [True, True, False]})
    >>> rows["is_positive"] = [False, True, False]
    >>> overrides(rows)[["direction", "count", "n"]].values.tolist()
    [['flagged', 1, 2], ['not flagged', 0, 1]]
    """
    flagged, sure, against, names = _read(decisions)
    records = []
    for name in people(decisions):
        for direction in DIRECTIONS:
            here = (names == name) & (flagged == (direction == DIRECTIONS[0]))
            found = share(against[here & sure], confidence=confidence)
            start = {"reviewer": name, "direction": direction}
            records.append({**start, **vars(found), "unsure": int((here & ~sure).sum())})
    columns = ("reviewer", "direction", "n", "count", "value", "low", "high", "can_tell", "unsure")
    return tidy(records, *columns)


def funnel(
    decisions: pd.DataFrame,
    direction: str = "flagged",
    *,
    adjusted: bool = False,
    confidence: float = FUNNEL,
) -> pd.DataFrame:
    """Hold each person's override rate against the team's, with limits that follow n.

    Parameters
    ----------
    decisions
        As for `overrides`; with `adjusted` also ``band`` (see `score_band`).
    direction
        "flagged" or "not flagged".
    adjusted
        Whether each person is held against what the team would do with their mix of score bands.
    confidence
        Least share of people like the team who lie within the limits, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        Per reviewer with a sure decision on that side: ``reviewer, n, count, value, low, high``
        (95 % Wilson interval), ``expected, limit_low, limit_high`` (rates) and ``standing``:
        "within", "above", "below", or "cannot tell" below 30 decisions or 3 people, and where two
        are left who differ.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If there is no such direction, or an opinion or flag cannot be read.

    Notes
    -----
    Limits are exact binomial ones around the pooled rate. Somebody far outside pulls that rate
    towards themselves, so the most extreme person is set aside and the rate of the others is
    taken, as long as somebody lies outside and 3 people remain. Eight people looked at in both
    directions give a false alarm in at most 3.2 % of teams.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance.

    Examples
    --------
    >>> team = np.repeat(["Ada", "Bo", "Cy"], 100)
    >>> rows = pd.DataFrame({"reviewer": team, "is_flagged": True})
    >>> rows["is_positive"] = np.arange(300) % 100 >= np.repeat([5, 6, 40], 100)
    >>> found = funnel(rows)
    >>> found["standing"].tolist(), round(float(found["expected"].iloc[0]), 3)
    (['within', 'within', 'above'], 0.055)
    """
    if direction not in DIRECTIONS:
        raise InputError(
            f"There is no direction {direction!r}.", f"Choose one of: {', '.join(DIRECTIONS)}."
        )
    if adjusted:
        require(decisions, "band")
    flagged, sure, against, names = _read(decisions)
    rows = sure & (flagged == (direction == DIRECTIONS[0]))
    band = strata(decisions, ["band"] if adjusted else [])
    return against_team(names[rows], against[rows], band[rows], confidence=confidence)


def against_team(
    names: npt.NDArray[np.str_], events: Bools, stratum: Counts, *, confidence: float = FUNNEL
) -> pd.DataFrame:
    """Hold everybody's share of events against the team's; see `funnel`.

    Parameters
    ----------
    names
        Who decided each case, shape ``(n_cases,)``.
    events
        Whether it happened, shape ``(n_cases,)``.
    stratum
        Number of the case's stratum from 0 on, shape ``(n_cases,)``.
    confidence
        Of the limits, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        As `funnel` gives it.

    Examples
    --------
    >>> team = np.repeat(["Ada", "Bo"], 40)
    >>> found = against_team(team, np.arange(80) % 4 == 0, np.zeros(80, dtype=np.int64))
    >>> found["standing"].tolist()
    ['cannot tell', 'cannot tell']
    """
    everybody = sorted(set(map(str, names)))
    n, count = _counts(names, events, stratum, everybody)
    pool = list(range(len(everybody)))
    standing = dict.fromkeys(range(len(everybody)), WITHIN)
    while len(pool) >= LEAST_TEAM:
        excess = {i: _beyond(n[i], count[i], _rates(n, count, pool), confidence) for i in pool}
        worst = max(pool, key=lambda i: abs(excess[i]))
        if not excess[worst]:
            break
        standing[worst] = ABOVE if excess[worst] > 0 else BELOW
        pool.remove(worst)
    rates = _rates(n, count, pool)
    standing |= {i: CANNOT_TELL for i in pool if _beyond(n[i], count[i], rates, confidence)}
    records = []
    for i, name in enumerate(everybody):
        enough = n[i].sum() >= MIN_ROWS and len(everybody) >= LEAST_TEAM
        expected, low, high = funnel_limits(rates, n[i], confidence)
        record = {"reviewer": name, **vars(share(events[names == name]))}
        record |= {"expected": expected, "limit_low": low, "limit_high": high}
        records.append({**record, "standing": standing[i] if enough else CANNOT_TELL})
    columns = ("reviewer", "n", "count", "value", "low", "high")
    return tidy(records, *columns, "expected", "limit_low", "limit_high", "standing")


def unlike_team(
    names: npt.NDArray[np.str_], events: Bools, stratum: Counts, *, level: float
) -> dict[str, float]:
    """Test everybody's share of events against that of the rest of the team, exactly.

    Parameters
    ----------
    names
        Who decided each case, shape ``(n_cases,)``.
    events
        Whether it happened, shape ``(n_cases,)``.
    stratum
        Number of the case's stratum from 0 on, shape ``(n_cases,)``.
    level
        A p-value up to which somebody is unlike the team, in ``(0, 1)``.

    Returns
    -------
    dict
        Two-sided p-value of each person with at least one case. Whoever is unlike the team is set
        aside before the others are tested again; NaN for the last two, who can only be told from
        each other.

    Notes
    -----
    The test of `conditional_p`: unlike the funnel, which takes the pooled rate for known, it holds
    its level in small teams too.

    Examples
    --------
    >>> team = np.repeat(["Ada", "Bo", "Cy"], 100)
    >>> wrong = np.arange(300) % 100 < np.repeat([5, 6, 40], 100)
    >>> found = unlike_team(team, wrong, np.zeros(300, dtype=np.int64), level=0.01)
    >>> [name for name, p in found.items() if p <= 0.01]
    ['Cy']
    """
    pool = sorted(set(map(str, names)))
    found = dict.fromkeys(pool, NAN)
    while len(pool) >= LEAST_TEAM:
        inside = np.isin(names, pool)
        now = {
            name: conditional_p(tables((names == name)[inside], events[inside], stratum[inside]))
            for name in pool
        }
        found |= now
        first = min(pool, key=lambda name: now[name])
        if now[first] > level:
            return found
        pool.remove(first)
    return found | dict.fromkeys(pool, NAN)


def _read(
    decisions: pd.DataFrame,
) -> tuple[Bools, Bools, Bools, npt.NDArray[np.str_]]:
    """Give flag, whether the decision is sure, whether it is an override, and who decided."""
    require(decisions, "reviewer", "is_flagged", "is_positive")
    flag, verdict = column(decisions, "is_flagged"), column(decisions, "is_positive")
    if np.isnan(flag).any():
        raise InputError(
            f"{int(np.isnan(flag).sum())} decisions have no flag.",
            "Leave out cases that the model has not scored.",
        )
    sure = ~np.isnan(verdict)
    return flag == 1, sure, sure & (verdict != flag), decisions["reviewer"].to_numpy(dtype=np.str_)


def _counts(
    names: npt.NDArray[np.str_], events: Bools, stratum: Counts, everybody: Sequence[str]
) -> tuple[Counts, Counts]:
    """Count cases and events of each person in each stratum, shape ``(n_people, n_strata)``."""
    size = int(stratum.max(initial=0)) + 1
    place = np.searchsorted(np.array(everybody, dtype=np.str_), names) * size + stratum
    shape = (len(everybody), size)
    n = np.bincount(place, minlength=shape[0] * size).reshape(shape)
    return n, np.bincount(place[events], minlength=shape[0] * size).reshape(shape)


def _rates(n: Counts, count: Counts, pool: Sequence[int]) -> Floats:
    """Pool each stratum's rate; where only those set aside have cases, everybody's."""
    rows = list(pool)
    inside, everybody = n[rows].sum(axis=0), n.sum(axis=0)
    chosen = np.where(inside > 0, count[rows].sum(axis=0), count.sum(axis=0))
    rates: Floats = chosen / np.maximum(np.where(inside > 0, inside, everybody), 1)
    return rates


def _beyond(n: Counts, count: Counts, rates: Floats, confidence: float) -> float:
    """Say how far a share lies beyond its limits, in widths of the funnel; 0 within."""
    if n.sum() < MIN_ROWS:
        return 0.0
    expected, low, high = funnel_limits(rates, n, confidence)
    value = count.sum() / n.sum()
    if low <= value <= high:
        return 0.0
    return float((value - expected) / max(high - low, 1 / n.sum()))
