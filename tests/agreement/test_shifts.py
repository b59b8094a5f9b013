"""A shift is summed up as one would by hand."""

import numpy as np
import pandas as pd
import pytest

from hitl.agreement import shift
from hitl.errors import InputError, MissingColumnsError

MINUTE = 60_000


def worked(cases: int, start: int = 0, name: str = "Ada") -> pd.DataFrame:
    """One case every two minutes, 30 seconds each, the first one done half a minute in."""
    moments = start * MINUTE + 30_000 + np.arange(cases) * 2 * MINUTE
    rows = pd.DataFrame({"reviewer": name, "happened_ms": moments, "seconds": 30.0})
    return rows.assign(is_positive=True, is_flagged=True, truth=None)


def test_cases_pace_and_minutes_left():
    found = shift(worked(10), 20 * MINUTE, reviewer="Ada", waiting=15)
    assert (found.cases, found.minutes, found.seconds) == (10, 20, 30)
    assert found.pace == 30
    assert found.minutes_left == 30
    assert found.hint == ""


def test_only_ones_own_shift_counts_and_nothing_of_the_future():
    rows = pd.concat([worked(10), worked(8, start=300), worked(40, start=300, name="Bo")])
    found = shift(rows, 310 * MINUTE, reviewer="Ada")
    assert found.cases == 5
    assert shift(rows, 18 * MINUTE + 30_000, reviewer="Ada").cases == 10


def test_a_shift_ends_half_an_hour_after_its_last_case():
    rows = worked(10)
    assert shift(rows, 48 * MINUTE, reviewer="Ada").cases == 10
    over = shift(rows, 49 * MINUTE, reviewer="Ada", waiting=4)
    assert (over.cases, over.minutes) == (0, 0)
    assert np.isnan(over.seconds)
    assert over.minutes_left == 2


def test_agreement_with_the_model_and_own_overturned_decisions():
    rows = pd.concat([worked(10), worked(10, start=300)], ignore_index=True)
    rows["is_positive"] = pd.Series([True] * 18 + [False, None], dtype=object)
    rows["truth"] = pd.Series([False, True, None, True] + [None] * 14 + [True, True], dtype=object)
    found = shift(rows, 320 * MINUTE, reviewer="Ada")
    assert (found.agreed.count, found.agreed.n) == (8, 9)
    assert (found.overturned.count, found.overturned.n) == (2, 4)
    assert found.overturned.low < 0.5 < found.overturned.high
    assert not found.overturned.can_tell


def test_a_newcomer_is_given_the_teams_pace():
    rows = pd.concat([worked(3), worked(50, start=-200, name="Bo").assign(seconds=20.0)])
    found = shift(rows, 6 * MINUTE, reviewer="Ada", waiting=90)
    assert found.pace == 180
    assert found.minutes_left == 30


def test_nobody_has_decided_yet():
    found = shift(worked(0), 0, reviewer="Ada", waiting=5)
    assert (found.cases, found.agreed.n, found.overturned.n, found.hint) == (0, 0, 0, "")
    assert np.isnan([found.pace, found.minutes_left, found.overturned.value]).all()
    assert shift(worked(0), 0, reviewer="Ada").minutes_left == 0


def test_the_hint_speaks_of_a_pause_first_and_of_falling_dwell_otherwise():
    assert shift(worked(30), 58 * MINUTE + 30_000, reviewer="Ada").hint.startswith("58 minutes")
    rows = worked(20).assign(seconds=np.linspace(60, 15, 20))
    assert "first 10 of this shift" in shift(rows, 40 * MINUTE, reviewer="Ada").hint


def test_what_cannot_be_summed_up_is_refused():
    with pytest.raises(InputError, match="-1 cases wait"):
        shift(worked(3), 0, reviewer="Ada", waiting=-1)
    with pytest.raises(MissingColumnsError, match="truth"):
        shift(worked(3).drop(columns="truth"), 0, reviewer="Ada")
