"""How long decisions take, over the shift, and when somebody should pause."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.shares import Floats, people, require, tidy, times
from hitl.agreement.trends import Trend, trend
from hitl.errors import InputError
from hitl.fairness import CANNOT_TELL, MIN_ROWS, NAN

MS_PER_MINUTE = 60_000
SHIFT_GAP_MINUTES = 30
"""A longer gap between two decisions begins a new shift."""
PAUSE_MINUTES = 5
"""A gap of at least this long is a pause."""
WORK_MINUTES = 50
"""Work without a pause after which one is suggested."""
SHORTEST = 0.1
"""Seconds that a decision takes at least; for logarithms."""
LOOK_EVERY = 20
"""Decisions between two looks at whether dwell falls."""
FALSE_HINTS = 0.05
"""Largest share of shifts without any fall in which dwell is said to fall."""
FALL = 0.75
"""Dwell now is at most this share of what it was when the shift began."""
RISING, FALLING, NO_TREND = "rising", "falling", "no trend shown"
COLUMNS = ("reviewer", "n", "shifts", "median", "q1", "q3")


def shift_numbers(happened_ms: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Count one person's shifts: a gap of more than 30 minutes begins a new one.

    Parameters
    ----------
    happened_ms
        When each of one person's decisions was made, in milliseconds, in any order, shape
        ``(n_cases,)``.

    Returns
    -------
    ndarray
        Number of each decision's shift from 0 on, shape ``(n_cases,)``.

    Examples
    --------
    >>> shift_numbers([0, 60_000, 3 * 3_600_000]).tolist()
    [0, 0, 1]
    """
    moments = np.asarray(happened_ms, dtype=np.int64)
    order = np.argsort(moments, kind="stable")
    gaps = np.diff(moments[order]) > SHIFT_GAP_MINUTES * MS_PER_MINUTE
    found = np.empty(len(moments), dtype=np.int64)
    found[order] = np.concatenate([[0], np.cumsum(gaps)])[: len(moments)]
    return found


def dwell(decisions: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Measure how long each person takes, and whether it changes over the shift.

    Parameters
    ----------
    decisions
        One row a decision: ``reviewer, seconds`` (at least 0) and ``happened_ms``.
    confidence
        Of all people's trends together, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        Per reviewer: ``reviewer, n, shifts, median, q1, q3`` (seconds), ``change, low, high``
        (relative change within an hour; −0.1 is 10 % shorter), ``p_value`` and ``trend``:
        "falling", "rising", "no trend shown", or "cannot tell" below 30 decisions.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    MissingValuesError
        If a time is missing.
    InputError
        If a number of seconds is negative.

    Notes
    -----
    Kendall's test and the median slope of log seconds within shifts, so that a window left open
    over lunch has no pull. Bonferroni's correction over the people with enough decisions. Dwell
    also falls while somebody learns: look at errors beside it.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "happened_ms": np.arange(40) * 60_000})
    >>> rows["seconds"] = np.linspace(40, 20, 40)
    >>> found = dwell(rows).iloc[0]
    >>> float(found["median"]), found["trend"]
    (30.0, 'falling')
    """
    records = []
    rows = {name: decisions[decisions["reviewer"].astype(str) == name] for name in _read(decisions)}
    looks = max(1, sum(len(one) >= MIN_ROWS for one in rows.values()))
    for name, one in rows.items():
        seconds, moments = times(one, "seconds"), times(one, "happened_ms")
        shift, level = shift_numbers(moments), (1 - confidence) / looks
        found = dwell_trend(moments / MS_PER_MINUTE, seconds, shift, confidence=1 - level)
        record: dict[str, Any] = {"reviewer": name, "n": len(one), "shifts": int(shift.max()) + 1}
        record |= _quartiles(seconds)
        record |= {"change": found.slope, "low": found.low, "high": found.high}
        p = min(1.0, looks * found.p_value) if len(one) >= MIN_ROWS else NAN
        records.append({**record, "p_value": p, "trend": _word(found.slope, p, confidence)})
    return tidy(records, *COLUMNS, "change", "low", "high", "p_value", "trend")


def dwell_trend(
    minute: npt.ArrayLike,
    seconds: npt.ArrayLike,
    shift: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Trend:
    """Measure the relative change of dwell within an hour of a shift.

    Parameters
    ----------
    minute
        When each decision was made, in minutes, shape ``(n_cases,)``.
    seconds
        How long each took, at least 0, shape ``(n_cases,)``.
    shift
        Number of its shift, shape ``(n_cases,)``: only decisions of one shift are compared.
    confidence
        Of the interval, in ``(0, 1)``.

    Returns
    -------
    Trend
        `slope`, `low` and `high` above −1 (−0.1 is 10 % shorter each hour); NaN without two
        decisions of a shift that differ.

    Examples
    --------
    >>> round(dwell_trend([0, 30], [40, 36], [0, 0]).slope, 2)
    -0.19
    """
    log = np.log(np.maximum(np.asarray(seconds, dtype=np.float64), SHORTEST))
    hours = np.asarray(minute, dtype=np.float64) / 60
    found = trend(log, hours, shift, confidence=confidence)
    with np.errstate(over="ignore"):
        slope, low, high = (float(np.expm1(one)) for one in (found.slope, found.low, found.high))
    return Trend(slope, low, high, found.p_value)


def dwell_over_shift(decisions: pd.DataFrame, *, minutes: int = 15) -> pd.DataFrame:
    """Give each person's dwell by time since the shift began, to be drawn.

    Parameters
    ----------
    decisions
        As for `dwell`.
    minutes
        Width of a step, at least 1.

    Returns
    -------
    DataFrame
        Per reviewer and step with a decision: ``reviewer, minute`` (at which the step begins),
        ``n, median, q1, q3`` (seconds), over all shifts.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    MissingValuesError
        If a time is missing.
    InputError
        If a number of seconds is negative or a step below 1 minute.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "happened_ms": [0, 60_000, 1_200_000]})
    >>> rows["seconds"] = [30, 20, 10]
    >>> dwell_over_shift(rows)[["minute", "n", "median"]].values.tolist()
    [[0.0, 2.0, 25.0], [15.0, 1.0, 10.0]]
    """
    if minutes < 1:
        raise InputError(f"A step is {minutes} minutes.", "Give at least 1.")
    records = []
    for name in _read(decisions):
        one = decisions[decisions["reviewer"].astype(str) == name]
        step = (minutes_into_shift(one["happened_ms"]) // minutes).astype(np.int64) * minutes
        seconds = times(one, "seconds")
        for start in np.unique(step):
            here = seconds[step == start]
            record = {"reviewer": name, "minute": int(start), "n": len(here)}
            records.append({**record, **_quartiles(here)})
    return tidy(records, "reviewer", "minute", "n", "median", "q1", "q3")


def minutes_into_shift(happened_ms: npt.ArrayLike) -> Floats:
    """Give the minutes since the first decision of the shift.

    Parameters
    ----------
    happened_ms
        Of one person, in milliseconds, shape ``(n_cases,)``.

    Returns
    -------
    ndarray
        At least 0, shape ``(n_cases,)``.

    Examples
    --------
    >>> minutes_into_shift([0, 60_000, 3 * 3_600_000]).tolist()
    [0.0, 1.0, 0.0]
    """
    moments, shift = np.asarray(happened_ms, dtype=np.int64), shift_numbers(happened_ms)
    starts = np.full(int(shift.max(initial=0)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(starts, shift, moments)
    return np.asarray((moments - starts[shift]) / MS_PER_MINUTE, dtype=np.float64)


def falling_dwell(seconds: npt.ArrayLike) -> str:
    """Hint that somebody decides faster and faster in this shift; empty where nothing shows.

    Parameters
    ----------
    seconds
        Dwell of one person's decisions of this shift, in the order in which they were made, shape
        ``(n_cases,)``.

    Returns
    -------
    str
        A sentence, or "".

    Notes
    -----
    Looked at after every 20 decisions, not at each: look k uses the first 20·k decisions and the
    level 0.05/(k(k+1)), and 0.05 is what all looks of a shift add up to, however long it is. Said
    only where the last 10 took at most 3/4 of the first 10.

    Examples
    --------
    >>> falling_dwell([30.0] * 20)
    ''
    >>> falling_dwell([40 - number for number in range(20)])
    'The last 10 decisions took 26 s each, the first 10 of this shift 36 s. Time for a pause?'
    """
    dwelt = np.asarray(seconds, dtype=np.float64)
    look = len(dwelt) // LOOK_EVERY
    if not look:
        return ""
    dwelt = dwelt[: look * LOOK_EVERY]
    first, last = (float(np.median(part)) for part in (dwelt[:10], dwelt[-10:]))
    found = trend(dwelt, np.arange(len(dwelt)), np.zeros(len(dwelt)))
    if found.slope >= 0 or last > FALL * first:
        return ""
    if not found.p_value <= FALSE_HINTS / (look * (look + 1)):
        return ""
    return (
        f"The last 10 decisions took {last:.0f} s each, the first 10 of this shift {first:.0f} s. "
        "Time for a pause?"
    )


def minutes_without_pause(
    happened_ms: npt.ArrayLike, seconds: npt.ArrayLike, *, now_ms: int
) -> float:
    """Say for how long one person has worked without a pause of 5 minutes.

    Parameters
    ----------
    happened_ms
        When each decision was made, in milliseconds, in any order, shape ``(n_cases,)``.
    seconds
        How long each took, shape ``(n_cases,)``; time spent on a case is no pause.
    now_ms
        The present, in milliseconds; later decisions are left out.

    Returns
    -------
    float
        Minutes, 0 during a pause and without decisions.

    Examples
    --------
    >>> minutes_without_pause([60_000, 120_000], [60, 50], now_ms=180_000)
    3.0
    """
    moments = np.asarray(happened_ms, dtype=np.float64)
    begun = moments - 1_000 * np.asarray(seconds, dtype=np.float64)
    known = moments <= now_ms
    order = np.argsort(moments[known], kind="stable")
    ends, starts = np.append(moments[known][order], now_ms), np.append(begun[known][order], now_ms)
    pauses = np.flatnonzero(starts[1:] - ends[:-1] >= PAUSE_MINUTES * MS_PER_MINUTE)
    start = starts[pauses[-1] + 1] if len(pauses) else starts[0]
    return float((now_ms - start) / MS_PER_MINUTE)


def pause_hint(happened_ms: npt.ArrayLike, seconds: npt.ArrayLike, *, now_ms: int) -> str:
    """Suggest a pause after 50 minutes without one; empty before.

    Parameters
    ----------
    happened_ms, seconds, now_ms
        As for `minutes_without_pause`.

    Returns
    -------
    str
        A sentence, or "".

    Examples
    --------
    >>> every_minute = np.arange(1, 53) * 60_000
    >>> pause_hint(every_minute, np.full(52, 30), now_ms=53 * 60_000)
    '52 minutes without a pause. Take five before the next case.'
    """
    worked = minutes_without_pause(happened_ms, seconds, now_ms=now_ms)
    if worked < WORK_MINUTES:
        return ""
    return f"{worked:.0f} minutes without a pause. Take five before the next case."


def _read(decisions: pd.DataFrame) -> list[str]:
    require(decisions, "reviewer", "seconds", "happened_ms")
    times(decisions, "happened_ms")
    if (times(decisions, "seconds") < 0).any():
        raise InputError("A decision took less than 0 seconds.", "Give durations of 0 and more.")
    return people(decisions)


def _quartiles(seconds: Floats) -> dict[str, float]:
    q1, median, q3 = (float(one) for one in np.quantile(seconds, [0.25, 0.5, 0.75]))
    return {"median": median, "q1": q1, "q3": q3}


def _word(slope: float, p: float, confidence: float) -> str:
    if np.isnan(p):
        return CANNOT_TELL
    if p > 1 - confidence:
        return NO_TREND
    return RISING if slope > 0 else FALLING
