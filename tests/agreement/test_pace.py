"""Dwell, its trend and the hints: answers from SciPy, from counting, and from planted falls."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, theilslopes

from hitl.agreement import (
    dwell,
    dwell_over_shift,
    falling_dwell,
    minutes_without_pause,
    pause_hint,
)
from hitl.agreement.pace import minutes_into_shift, shift_numbers
from hitl.agreement.trends import trend, trend_p
from hitl.errors import InputError, MissingColumnsError, MissingValuesError

MINUTE = 60_000
HOUR = 60 * MINUTE


def shift_of(cases: int, fall: float, seed: int, name: str = "Ada") -> pd.DataFrame:
    """One shift, a case a minute, dwell falling by a share within an hour."""
    moments = np.arange(cases) * MINUTE
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.4, cases))
    seconds = 30 * noise * (1 - fall) ** (moments / HOUR)
    return pd.DataFrame({"reviewer": name, "seconds": seconds, "happened_ms": moments})


@pytest.mark.parametrize("seed", range(6))
def test_the_trend_of_one_shift_is_scipys_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5 if seed % 2 else 1_000, 40).astype(float)
    time = rng.permutation(40) if seed < 3 else rng.integers(0, 20, 40)
    found = trend(values, time, np.zeros(40))
    assert found.p_value == pytest.approx(kendalltau(time, values, method="asymptotic").pvalue)
    assert trend_p(values, time, np.zeros(40)) == found.p_value
    expected = theilslopes(values, time)
    assert found.slope == pytest.approx(expected.slope)
    assert found.low <= found.slope <= found.high


def test_the_slopes_interval_is_scipys_up_to_one_rank():
    rng = np.random.default_rng(0)
    time, values = np.arange(100.0), rng.normal(size=100) + np.arange(100) / 50
    found, expected = trend(values, time, np.zeros(100)), theilslopes(values, time)
    assert found.low == pytest.approx(expected.low_slope, rel=0.02)
    assert found.high == pytest.approx(expected.high_slope, rel=0.02)


def test_shifts_are_compared_within_and_not_with_each_other():
    # Each shift rises; the second one lies far below the first.
    values, time = [1.0, 2, 3, 4, -9, -8, -7, -6], np.arange(8)
    assert trend(values, time, [0] * 4 + [1] * 4).slope == 1
    assert trend(values, time, [0] * 8).slope < 0
    assert trend(values, time, [0] * 4 + [1] * 4).p_value < 0.02


def test_nothing_that_varies_gives_no_trend():
    for values, time in (
        ([1.0, 1, 1], [0, 1, 2]),
        ([1.0, 2, 3], [5, 5, 5]),
        ([1.0], [0]),
        ([], []),
    ):
        found = trend(values, time, np.zeros(len(values)))
        assert np.isnan([found.slope, found.low, found.high, found.p_value]).all()


def test_a_gap_of_half_an_hour_begins_a_shift_in_any_order():
    moments = np.array([0, 30, 61, 20, 200]) * MINUTE
    assert shift_numbers(moments).tolist() == [0, 0, 1, 0, 2]
    assert minutes_into_shift(moments).tolist() == [0, 30, 0, 20, 0]
    assert shift_numbers([]).tolist() == []
    assert minutes_into_shift([]).tolist() == []


def test_dwell_is_counted_by_hand():
    rows = pd.DataFrame(
        {
            "reviewer": ["Bo", "Ada", "Ada", "Ada"],
            "seconds": [5, 10, 20, 60],
            "happened_ms": [0, 0, MINUTE, 10 * HOUR],
        }
    )
    table = dwell(rows).set_index("reviewer")
    ada = table.loc["Ada", ["n", "shifts", "median", "q1", "q3"]].tolist()
    assert ada == [3, 2, 20, 15, 40]
    assert table["trend"].tolist() == ["cannot tell"] * 2
    assert table.index.tolist() == ["Ada", "Bo"]


def test_a_planted_fall_is_found_with_its_size_and_a_steady_person_is_left_alone():
    rows = pd.concat([shift_of(240, 0.2, 1), shift_of(240, 0.0, 2, "Bo")])
    table = dwell(rows).set_index("reviewer")
    assert table["trend"].to_dict() == {"Ada": "falling", "Bo": "no trend shown"}
    assert table["low"]["Ada"] < -0.2 < table["high"]["Ada"]


def test_slower_and_slower_is_rising():
    assert dwell(shift_of(240, -0.3, 1))["trend"].tolist() == ["rising"]


def test_one_forgotten_window_does_not_make_a_trend():
    rows = shift_of(120, 0.0, 3)
    rows.loc[119, "seconds"] = 7_200
    assert dwell(rows)["trend"].tolist() == ["no trend shown"]


def test_eight_steady_people_show_a_trend_in_at_most_one_team_of_twenty():
    seeds = 100
    shown = 0
    for seed in range(seeds):
        rows = pd.concat([shift_of(50, 0.0, 1_000 * seed + k, f"R{k}") for k in range(8)])
        shown += dwell(rows)["trend"].isin(["falling", "rising"]).any()
    assert shown / seeds <= 0.05 + 2 * (0.05 * 0.95 / seeds) ** 0.5


def test_dwell_over_the_shift_adds_all_shifts():
    rows = pd.DataFrame({"reviewer": "Ada", "seconds": [10, 20, 30, 40]})
    rows["happened_ms"] = [0, 16 * MINUTE, 5 * HOUR, 5 * HOUR + 14 * MINUTE]
    table = dwell_over_shift(rows)
    assert table[["minute", "n", "median"]].values.tolist() == [[0, 3, 30], [15, 1, 20]]
    finer = dwell_over_shift(rows, minutes=5)
    assert finer["minute"].tolist() == [0, 10, 15]
    with pytest.raises(InputError, match="0 minutes"):
        dwell_over_shift(rows, minutes=0)


def test_falling_dwell_is_hinted_at_in_the_shift_it_falls():
    steady = shift_of(120, 0.0, 0)["seconds"].to_numpy()
    falling = shift_of(120, 0.5, 0)["seconds"].to_numpy()
    assert falling_dwell(steady) == ""
    assert "first 10 of this shift" in falling_dwell(falling)
    assert falling_dwell(falling[:19]) == ""
    assert falling_dwell(falling[::-1]) == ""


def test_looking_again_and_again_hints_wrongly_in_at_most_one_shift_of_twenty():
    seeds = 300
    wrong = 0
    for seed in range(seeds):
        dwelt = np.random.default_rng(seed).lognormal(3.4, 0.4, 200)
        wrong += any(falling_dwell(dwelt[:seen]) for seen in range(20, 201, 20))
    assert wrong / seeds <= 0.05


def test_the_hint_does_not_change_between_two_looks():
    falling = shift_of(60, 0.7, 0)["seconds"].to_numpy()
    assert {falling_dwell(falling[:seen]) for seen in range(40, 60)} == {
        falling_dwell(falling[:40])
    }
    assert falling_dwell(falling[:40])


def test_minutes_without_a_pause_are_counted_by_hand():
    moments = np.array([1, 2, 3, 20, 21]) * MINUTE
    seconds = np.full(5, 60)
    assert minutes_without_pause(moments, seconds, now_ms=22 * MINUTE) == 3
    assert minutes_without_pause(moments, seconds, now_ms=3 * MINUTE) == 3
    assert minutes_without_pause(moments, seconds, now_ms=26 * MINUTE) == 0
    assert minutes_without_pause([], [], now_ms=MINUTE) == 0


def test_a_long_case_is_work_and_not_a_pause():
    moments, seconds = np.array([1, 12]) * MINUTE, np.array([60, 600])
    assert minutes_without_pause(moments, seconds, now_ms=12 * MINUTE) == 12


def test_a_pause_is_suggested_from_50_minutes_on_and_not_during_one():
    moments, seconds = np.arange(1, 61) * MINUTE, np.full(60, 50)
    assert pause_hint(moments, seconds, now_ms=45 * MINUTE) == ""
    assert pause_hint(moments, seconds, now_ms=55 * MINUTE).startswith("55 minutes")
    assert pause_hint(moments, seconds, now_ms=66 * MINUTE) == ""


def test_times_that_cannot_be_read_are_refused():
    rows = shift_of(5, 0, 0)
    with pytest.raises(MissingColumnsError, match="seconds"):
        dwell(rows.drop(columns="seconds"))
    with pytest.raises(InputError, match="less than 0 seconds"):
        dwell(rows.assign(seconds=-1))
    with pytest.raises(MissingValuesError, match="5 rows have no happened_ms"):
        dwell(rows.assign(happened_ms=None))
    assert dwell(rows[:0]).empty
    assert dwell_over_shift(rows[:0]).empty
