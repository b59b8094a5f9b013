"""Everything that is looked at in a team, together: who is unlike the others, and where."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.exact import Counts, adjusted_difference, conditional_p, tables
from hitl.agreement.groups import false_alarm_tables
from hitl.agreement.opinions import followed
from hitl.agreement.overriding import LEAST_TEAM, unlike_team
from hitl.agreement.pace import dwell_trend, minutes_into_shift, shift_numbers
from hitl.agreement.shares import ALL, Bools, Floats, column, people, require, strata, tidy, times
from hitl.agreement.trends import trend_p
from hitl.fairness import MIN_ROWS, NAN

FLAGS, SILENCE, ERRORS, FOLLOWS = (
    "overrides of flags",
    "overrides of unflagged cases",
    "errors",
    "gives way to the model",
)
GROUPS, DWELL, TIRED = "false alarms by group", "dwell over the shift", "errors over the shift"
CHECKS = (FLAGS, SILENCE, ERRORS, FOLLOWS, GROUPS, DWELL, TIRED)
FALSE_ALARMS = 0.05
"""Largest share of teams without any difference in which anything at all is found."""

Record = dict[str, Any]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Check:
    """A number of tests, and what makes them at the level each one is given."""

    looks: int
    test: Callable[[float], list[Record]]


def findings(
    decisions: pd.DataFrame, *, group: str = "", false_alarms: float = FALSE_ALARMS
) -> pd.DataFrame:
    """Look for everything that may be wrong with a team's decisions, at one common level.

    Parameters
    ----------
    decisions
        One row a decision: ``reviewer, is_positive, is_flagged``, and as far as there: ``first``
        (opinion before the reveal), ``truth`` (missing where not known), ``band`` (see
        `score_band`), ``seconds`` and ``happened_ms``, and the column `group`. What needs a column
        that is not there is not looked at.
    group
        Column with the group for false alarms; empty for none.
    false_alarms
        Chance in ``(0, 1)`` that anything at all is found in a team without any difference.

    Returns
    -------
    DataFrame
        One row a test: ``check`` (of `CHECKS`), ``reviewer`` ("all" for the team), ``group_name``
        (of "false alarms by group", else ""), ``n``, ``value, compared, difference, low, high``,
        ``p_value`` (multiplied by the number of tests, at most 1) and ``found``.
        Values are shares. Compared are a person with the rest of the team, a group with the other
        groups, the later half of shifts with the earlier one. For dwell, value and compared are
        median seconds, and the difference is the relative change within an hour.

    Raises
    ------
    MissingColumnsError
        If a column that is always needed is not there, or the group's.
    MissingValuesError
        If a time is missing.
    InputError
        If an opinion cannot be read.

    Notes
    -----
    Tests are exact conditional ones within strata of score band, truth and direction, or Kendall's
    within shifts; each gets the same share of `false_alarms` (Bonferroni), and intervals are
    simultaneous. Nobody with fewer than 30 cases is tested, and nobody is held against a team of
    fewer than 3. An error that all of a team share is no difference between people: read the
    values of `gold` and `flips` for it.

    Examples
    --------
    >>> team = np.repeat(["Ada", "Bo", "Cy"], 100)
    >>> rows = pd.DataFrame({"reviewer": team, "is_flagged": True})
    >>> rows["is_positive"] = np.arange(300) % 100 >= np.repeat([5, 6, 40], 100)
    >>> found = findings(rows)
    >>> found.loc[found["found"], ["check", "reviewer"]].values.tolist()
    [['overrides of flags', 'Cy']]
    """
    require(decisions, "reviewer", "is_positive", "is_flagged", *([group] if group else []))
    rows = decisions.reset_index(drop=True)
    checks = [*_against_team(rows), *_by_group(rows, group), *_over_shift(rows)]
    looks = sum(check.looks for check in checks)
    records = []
    for check in checks:
        for record in check.test(false_alarms / max(1, looks)) if check.looks else []:
            p = min(1.0, record["p_value"] * looks)
            records.append({**record, "p_value": p, "found": bool(p <= false_alarms)})
    columns = ("check", "reviewer", "group_name", "n", "value", "compared", "difference")
    return tidy(records, *columns, "low", "high", "p_value", "found")


def _against_team(rows: pd.DataFrame) -> list[Check]:
    verdict, flag = column(rows, "is_positive"), column(rows, "is_flagged")
    sure = ~(np.isnan(verdict) | np.isnan(flag))
    against, band = verdict != flag, strata(rows, ["band"])
    checks = [
        _team_check(FLAGS, rows, sure & (flag == 1), against, band),
        _team_check(SILENCE, rows, sure & (flag == 0), against, band),
    ]
    if "truth" in rows:
        truth = column(rows, "truth")
        known = ~(np.isnan(verdict) | np.isnan(truth))
        stratum = strata(rows, ["truth", "band"])
        checks.append(_team_check(ERRORS, rows, known, verdict != truth, stratum))
    if "first" in rows:
        other, gave_way = followed(column(rows, "first"), verdict, flag)
        checks.append(_team_check(FOLLOWS, rows, other, gave_way, strata(rows, ["is_flagged"])))
    return checks


def _team_check(
    name: str, rows: pd.DataFrame, cases: Bools, events: Bools, stratum: Counts
) -> Check:
    names = rows["reviewer"].to_numpy(np.str_)
    everybody, n = np.unique(names[cases], return_counts=True)
    tested = everybody[n >= MIN_ROWS]
    here = cases & np.isin(names, tested)
    who, what, where = names[here], events[here], stratum[here]

    def test(level: float) -> list[Record]:
        p_values = unlike_team(who, what, where, level=level)
        return [
            _record(name, one, tables(who == one, what, where), p, level)
            for one, p in p_values.items()
            if not np.isnan(p)
        ]

    return Check(len(tested) if len(tested) >= LEAST_TEAM else 0, test)


def _by_group(rows: pd.DataFrame, group: str) -> list[Check]:
    if not group or "truth" not in rows:
        return []
    counted = {
        key: counts
        for key, counts in false_alarm_tables(rows, group).items()
        if len(counts) and counts[:, [1, 3]].sum(axis=0).min() >= MIN_ROWS
    }

    def test(level: float) -> list[Record]:
        return [
            {**_record(GROUPS, one, counts, conditional_p(counts), level), "group_name": of}
            for (one, of), counts in counted.items()
        ]

    return [Check(len(counted), test)]


@dataclass(frozen=True)
class Times:
    """Some decisions with their times: who, which shift (one number for all people), when."""

    names: Names
    shift: Counts
    minute: Floats
    values: Floats
    truth: Counts

    def only(self, rows: Bools) -> "Times":
        """Keep some of the rows."""
        return Times(
            self.names[rows],
            self.shift[rows],
            self.minute[rows],
            self.values[rows],
            self.truth[rows],
        )


def _over_shift(rows: pd.DataFrame) -> list[Check]:
    if not {"seconds", "happened_ms"} <= set(rows) or rows.empty:
        return []
    names, moments = rows["reviewer"].to_numpy(np.str_), times(rows, "happened_ms")
    minute, shift = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    for name in people(rows):
        here = names == name
        minute[here] = minutes_into_shift(moments[here])
        shift[here] = shift_numbers(moments[here]) + shift.max() + 1
    dwelt = Times(names, shift, minute, times(rows, "seconds"), np.zeros_like(shift))
    checks = [_shift_check(dwelt, _dwell_record)]
    if "truth" in rows:
        verdict, truth = column(rows, "is_positive"), column(rows, "truth")
        known = ~(np.isnan(verdict) | np.isnan(truth))
        wrong = np.where(verdict != truth, 1.0, 0.0)
        decided = Times(names, shift, minute, wrong, (truth == 1).astype(np.int64))
        checks.append(_shift_check(decided.only(known), _tired_record))
    return checks


def _shift_check(timed: Times, record: Callable[[Times, float], Record]) -> Check:
    everybody, n = np.unique(timed.names, return_counts=True)
    tested = {str(one): timed.only(timed.names == one) for one in everybody[n >= MIN_ROWS]}
    if len(tested) > 1:
        tested = {ALL: timed, **tested}

    def test(level: float) -> list[Record]:
        made = [{**record(part, level), "reviewer": name} for name, part in tested.items()]
        return [one for one in made if not np.isnan(one["p_value"])]

    return Check(len(tested), test)


def _dwell_record(part: Times, level: float) -> Record:
    """Test the trend of dwell within shifts."""
    later = part.minute > np.median(part.minute)
    found = dwell_trend(part.minute, part.values, part.shift, confidence=1 - level)
    halves = (part.values[later], part.values[~later])
    value, compared = (float(np.median(half)) if len(half) else NAN for half in halves)
    values = {"value": value, "compared": compared, "difference": found.slope}
    limits = {"low": found.low, "high": found.high, "p_value": found.p_value}
    return {"check": DWELL, "group_name": "", "n": len(part.names), **values, **limits}


def _tired_record(part: Times, level: float) -> Record:
    """Test the trend of errors within shifts; the two kinds of error are kept apart."""
    p = trend_p(part.values, part.minute, 2 * part.shift + part.truth)
    later = part.minute > np.median(part.minute)
    return _record(TIRED, ALL, tables(later, part.values == 1, part.truth), p, level)


def _record(check: str, reviewer: str, counts: Counts, p: float, level: float) -> Record:
    value, compared, difference, low, high = adjusted_difference(counts, 1 - level)
    n = int(counts[:, 1].sum()) if check != TIRED else int(counts[:, [1, 3]].sum())
    values = {"n": n, "value": value, "compared": compared, "difference": difference}
    start = {"check": check, "reviewer": reviewer, "group_name": ""}
    return {**start, **values, "low": low, "high": high, "p_value": p}
