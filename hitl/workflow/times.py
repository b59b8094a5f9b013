"""Moments in words: days of the stream, which have no date, and the wall clock."""

from datetime import UTC, datetime

from hitl.workflow.materials import FIRST_DAY_MS

MS_PER_DAY = 86_400_000
END_OF_TIME_MS = 253_402_300_800_000
"""1 January 10000: from then on no date can be written."""


def event_time(occurred_ms: float) -> str:
    """Write a moment of the stream: the data's days have no date, so day 1, day 2.

    Examples
    --------
    >>> event_time(FIRST_DAY_MS + 90_061_000)
    'day 2 01:01:01'
    """
    if occurred_ms < FIRST_DAY_MS:
        return "before day 1"
    day, ms = divmod(int(occurred_ms) - FIRST_DAY_MS, MS_PER_DAY)
    return f"day {day + 1:,} {datetime.fromtimestamp(ms / 1_000, UTC):%H:%M:%S}"


def wall_time(ms: float) -> str:
    """Write a moment of the wall clock, from 1970 to the year 9999, in UTC.

    Examples
    --------
    >>> wall_time(0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
