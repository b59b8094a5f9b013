"""One person's shift: what is done, at which pace, and how long the queue will take."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hitl.agreement.pace import (
    MS_PER_MINUTE,
    SHIFT_GAP_MINUTES,
    falling_dwell,
    pause_hint,
    shift_numbers,
)
from hitl.agreement.shares import Share, column, require, share, times
from hitl.errors import InputError
from hitl.fairness import NAN

LEAST_PACE = 5
"""Fewer decisions give no pace of one's own; the team's is taken."""


@dataclass(frozen=True)
class Shift:
    """One person's shift so far.

    `minutes` since its first case was opened, `pace` in cases an hour, `seconds` the median dwell,
    `minutes_left` for the waiting cases at this pace; NaN where nothing is known. `agreed` counts
    this shift's sure decisions that say what the model said; `overturned` all sure decisions of
    this person whose truth is known and is another. `hint` is a sentence or empty.
    """

    reviewer: str
    cases: int
    minutes: float
    pace: float
    seconds: float
    agreed: Share
    overturned: Share
    minutes_left: float
    hint: str


def shift(decisions: pd.DataFrame, now_ms: int, *, reviewer: str, waiting: int = 0) -> Shift:
    """Sum up the shift a person is in.

    Parameters
    ----------
    decisions
        One row a decision of anybody: ``reviewer, is_positive, is_flagged, truth`` (missing
        where not known), ``seconds`` and ``happened_ms``. Later ones than `now_ms` are left out.
    now_ms
        The present, in milliseconds.
    reviewer
        Whose shift.
    waiting
        Cases in the queue, at least 0.

    Returns
    -------
    Shift
        Of the decisions since the last gap of 30 minutes; without any cases when the last one is
        longer ago.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    MissingValuesError
        If a time is missing.
    InputError
        If an opinion cannot be read or fewer than 0 cases wait.

    Notes
    -----
    The pace is that of the whole shift, small pauses included: what a person really gets done. For
    somebody with fewer than 5 decisions it is the median of all decisions' seconds instead. Own
    overturned decisions are those whose outcome arrived, by which cleared cases nobody complained
    about are missing: the share is no error rate.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "happened_ms": np.arange(1, 7) * 60_000})
    >>> rows["seconds"], rows["is_positive"], rows["is_flagged"] = 60, True, True
    >>> rows["truth"] = [False] + [True] * 5
    >>> found = shift(rows, 6 * 60_000, reviewer="Ada", waiting=30)
    >>> found.cases, found.pace, found.minutes_left, found.overturned.count
    (6, 60.0, 30.0, 1)
    """
    if waiting < 0:
        raise InputError(f"{waiting} cases wait.", "Give a number of 0 and more.")
    columns = ("is_positive", "is_flagged", "truth", "seconds", "happened_ms")
    require(decisions, "reviewer", *columns)
    past = decisions[times(decisions, "happened_ms") <= now_ms]
    own = past[past["reviewer"].astype(str) == reviewer].sort_values("happened_ms", kind="stable")
    now = _current(own, now_ms)
    moments, dwelt = times(now, "happened_ms"), times(now, "seconds")
    begun = float((moments - 1_000 * dwelt).min()) if len(now) else NAN
    minutes = max(0.0, (now_ms - begun) / MS_PER_MINUTE) if len(now) else 0.0
    pace = len(now) / minutes * 60 if len(now) >= LEAST_PACE and minutes else _team_pace(past)
    hint = pause_hint(moments, dwelt, now_ms=now_ms) or falling_dwell(dwelt)
    return Shift(
        reviewer=reviewer,
        cases=len(now),
        minutes=minutes,
        pace=pace,
        seconds=float(np.median(dwelt)) if len(now) else NAN,
        agreed=_equal(now, "is_flagged"),
        overturned=_other(_equal(own, "truth")),
        minutes_left=waiting / pace * 60 if pace > 0 else (NAN if waiting else 0.0),
        hint=hint,
    )


def _current(own: pd.DataFrame, now_ms: int) -> pd.DataFrame:
    newest = float(own["happened_ms"].max()) if len(own) else 0.0
    if own.empty or now_ms - newest > SHIFT_GAP_MINUTES * MS_PER_MINUTE:
        return own[:0]
    numbers = shift_numbers(own["happened_ms"])
    current: pd.DataFrame = own[numbers == numbers.max()]
    return current


def _team_pace(past: pd.DataFrame) -> float:
    """Give cases an hour at the median dwell of all decisions, NaN without any."""
    median = float(np.median(times(past, "seconds"))) if len(past) else NAN
    return 3_600 / median if median > 0 else NAN


def _equal(decisions: pd.DataFrame, name: str) -> Share:
    verdict, other = column(decisions, "is_positive"), column(decisions, name)
    known = ~(np.isnan(verdict) | np.isnan(other))
    return share(verdict[known] == other[known])


def _other(found: Share) -> Share:
    """Count the opposite event."""
    count = found.n - found.count
    return Share(found.n, count, 1 - found.value, 1 - found.high, 1 - found.low, found.can_tell)
