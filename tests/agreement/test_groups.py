"""A planted difference between groups is found, a difference of scores is not taken for one."""

import numpy as np
import pandas as pd
import pytest

from hitl.agreement import bias
from hitl.agreement.groups import false_alarm_tables
from hitl.errors import InputError, MissingColumnsError
from hitl.simulator import SimulatedReviewer, review


def decided(rates: dict[str, tuple[float, float]], cases: int, seed: int) -> pd.DataFrame:
    """Legitimate cases, half south, with each person's false-alarm rates south and north."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, (south, north) in rates.items():
        region = np.repeat(["south", "north"], cases)
        alarm = rng.random(2 * cases) < np.where(region == "south", south, north)
        parts.append(pd.DataFrame({"reviewer": name, "region": region, "is_positive": alarm}))
    return pd.concat(parts, ignore_index=True).assign(truth=False)


def verdicts(rows: pd.DataFrame, **options) -> dict[str, str]:
    return bias(rows, "region", **options).set_index("reviewer")["verdict"].to_dict()


def test_ten_points_at_400_a_group_are_found_in_nine_teams_of_ten():
    """The power is 0.90 by calculation; three standard errors are allowed."""
    fair = {f"R{number}": (0.1, 0.1) for number in range(3)}
    found = [verdicts(decided({**fair, "Bo": (0.2, 0.1)}, 400, seed)) for seed in range(100)]
    assert sum(one["Bo"] == "gap shown" for one in found) >= 81
    others = [one for verdict in found for name, one in verdict.items() if name in fair]
    assert others.count("gap shown") <= 8


def test_without_a_planted_gap_at_most_one_team_in_twenty_shows_one():
    fair = {f"R{number}": (0.1, 0.1) for number in range(4)}
    seeds = 200
    shown = sum("gap shown" in verdicts(decided(fair, 60, seed)).values() for seed in range(seeds))
    assert shown / seeds <= 0.05


def test_the_direction_and_size_of_a_gap_are_given():
    row = bias(decided({"Bo": (0.3, 0.1)}, 2_000, 0), "region").iloc[-1]
    assert (row["reviewer"], row["group_name"], row["n"], row["n_others"]) == (
        "Bo",
        "north",
        2_000,
        2_000,
    )
    assert row["difference"] == pytest.approx(row["value"] - row["others"])
    assert row["difference"] == pytest.approx(-0.2, abs=0.03)
    assert row["low"] < row["difference"] < row["high"] < 0
    assert row["p_value"] < 1e-6
    assert not row["band_known"]


def test_many_cases_without_a_gap_show_none_and_few_cannot_tell():
    assert verdicts(decided({"Ada": (0.1, 0.1)}, 3_000, 1))["Ada"] == "no gap shown"
    assert verdicts(decided({"Ada": (0.1, 0.1)}, 100, 1))["Ada"] == "cannot tell"
    few = bias(decided({"Ada": (1.0, 0.0)}, 29, 1), "region")
    assert set(few["verdict"]) == {"cannot tell"}
    assert few["p_value"].isna().all()
    wide = verdicts(decided({"Ada": (0.1, 0.1)}, 100, 1), tolerance=0.5)
    assert wide["Ada"] == "no gap shown"


def test_a_group_with_higher_scores_is_no_gap_once_scores_are_adjusted_for():
    rng = np.random.default_rng(2)
    region = np.repeat(["south", "north"], 800)
    high = rng.random(1_600) < np.where(region == "south", 0.7, 0.2)
    alarm = rng.random(1_600) < np.where(high, 0.4, 0.05)
    rows = pd.DataFrame({"reviewer": "Ada", "region": region, "is_positive": alarm, "truth": False})
    assert verdicts(rows)["Ada"] == "gap shown"
    adjusted = rows.assign(band=np.where(high, "above", "below"))
    assert verdicts(adjusted)["Ada"] != "gap shown"
    assert bias(adjusted, "region")["band_known"].all()


def test_only_sure_decisions_on_legitimate_cases_count():
    rows = decided({"Ada": (0.2, 0.1)}, 100, 0)
    more = pd.concat(
        [
            rows,
            rows.assign(truth=True),
            rows.assign(truth=None),
            rows.assign(is_positive=None),
        ]
    )
    pd.testing.assert_frame_equal(bias(more, "region"), bias(rows, "region"))


def test_three_groups_are_each_held_against_the_others_a_missing_one_too():
    rows = decided({"Ada": (0.1, 0.1)}, 100, 0)
    rows.loc[:49, "region"] = None
    table = bias(rows, "region")
    assert table["group_name"].tolist() == ["north", "south", "unknown"] * 2
    assert table["reviewer"].tolist() == ["all"] * 3 + ["Ada"] * 3
    counted = false_alarm_tables(rows, "region")
    assert counted["Ada", "unknown"][0, [1, 3]].tolist() == [50, 150]


def test_the_team_is_compared_within_people():
    # Bo calls everything positive and sees mostly the south: no gap within anybody.
    ada = decided({"Ada": (0.1, 0.1)}, 300, 0).iloc[150:]
    bo = decided({"Bo": (0.6, 0.6)}, 300, 1).iloc[:450]
    assert verdicts(pd.concat([ada, bo]))["all"] != "gap shown"
    pooled = pd.concat([ada, bo]).assign(reviewer="one")
    assert verdicts(pooled)["one"] == "gap shown"


def test_the_bias_of_a_simulated_reviewer_is_found_with_its_size():
    rows = pd.DataFrame({"payment": range(4_000)})
    rows["region"] = np.resize(["south", "north", "east", "west"], 4_000)
    parts = [
        review(SimulatedReviewer(name, error_rate=0.05, bias=size), rows, np.zeros(4_000))
        for name, size in (("Ada", 0.0), ("Bo", 0.15))
    ]
    made = pd.concat(parts).join(rows["region"]).rename(columns={"says_positive": "is_positive"})
    table = bias(made, "region").set_index(["reviewer", "group_name"])
    assert table["verdict"]["Bo", "south"] == "gap shown"
    row = table.loc[("Bo", "south")]
    assert row["low"] < 0.15 < row["high"]
    assert "gap shown" not in table.loc["Ada", "verdict"].tolist()


def test_nobody_and_no_group_give_an_empty_or_undecided_table():
    rows = decided({"Ada": (0.2, 0.1)}, 50, 0)
    assert bias(rows[:0], "region").empty
    one_group = bias(rows.assign(region="south"), "region")
    assert set(one_group["verdict"]) == {"cannot tell"}


def test_what_cannot_be_compared_is_refused():
    rows = decided({"Ada": (0.2, 0.1)}, 50, 0)
    with pytest.raises(MissingColumnsError, match="age_band"):
        bias(rows, "age_band")
    with pytest.raises(InputError, match="tolerance is 0"):
        bias(rows, "region", tolerance=0)
