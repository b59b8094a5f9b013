"""Overrides are counted in both directions, and the funnel finds whom it should and few others."""

import numpy as np
import pandas as pd
import pytest

from hitl.agreement import DIRECTIONS, funnel, overrides
from hitl.agreement.overriding import unlike_team
from hitl.errors import InputError, MissingColumnsError
from hitl.fairness import wilson


def team(rates: list[float], cases: int, seed: int, *, flagged: float = 0.5) -> pd.DataFrame:
    """People who override flags and the absence of one at the same rate each."""
    rng = np.random.default_rng(seed)
    n = len(rates) * cases
    flag = rng.random(n) < flagged
    against = rng.random(n) < np.repeat(rates, cases)
    names = np.repeat([f"R{number}" for number in range(len(rates))], cases)
    return pd.DataFrame({"reviewer": names, "is_flagged": flag, "is_positive": flag ^ against})


def unlike(rows: pd.DataFrame, **options) -> set[str]:
    found = set()
    for direction in DIRECTIONS:
        table = funnel(rows, direction, **options)
        found |= set(table.loc[table["standing"].isin(["above", "below"]), "reviewer"])
    return found


def test_overrides_are_counted_by_hand_in_both_directions():
    rows = pd.DataFrame(
        {
            "reviewer": ["Ada"] * 6 + ["Bo"],
            "is_flagged": [True, True, True, False, False, True, False],
            "is_positive": pd.Series([True, False, None, True, False, False, None], dtype=object),
        }
    )
    table = overrides(rows).set_index(["reviewer", "direction"])
    assert table.loc[("Ada", "flagged"), ["count", "n", "unsure"]].tolist() == [2, 3, 1]
    assert table.loc[("Ada", "not flagged"), ["count", "n", "unsure"]].tolist() == [1, 2, 0]
    assert table.loc[("Bo", "not flagged"), ["count", "n", "unsure"]].tolist() == [0, 0, 1]
    assert np.isnan(table["value"]["Bo", "flagged"])
    low, high = wilson(2, 3)
    assert table.loc[("Ada", "flagged"), ["low", "high"]].tolist() == [low, high]
    assert not table["can_tell"].any()


def test_a_person_who_overrides_more_is_found_and_nobody_else():
    found = [unlike(team([0.1] * 7 + [0.35], 200, seed)) for seed in range(40)]
    assert sum("R7" in one for one in found) >= 38
    assert sum(bool(one - {"R7"}) for one in found) <= 3


def test_somebody_who_never_overrides_is_below():
    table = funnel(team([0.3] * 5 + [0.0], 200, 0)).set_index("reviewer")
    assert table["standing"]["R5"] == "below"
    assert table["standing"][:5].tolist() == ["within"] * 5
    assert table["limit_low"]["R5"] > table["value"]["R5"]


def test_eight_alike_are_left_alone_in_at_least_95_of_100_teams():
    seeds = 250
    alarms = sum(bool(unlike(team([0.12] * 8, 100, seed))) for seed in range(seeds))
    assert alarms / seeds <= 0.05


def test_two_far_off_do_not_hide_each_other_nor_drag_the_others():
    found = [unlike(team([0.05] * 4 + [0.4, 0.5], 200, seed)) for seed in range(20)]
    assert found.count({"R4", "R5"}) >= 18


def test_a_harder_mix_of_scores_explains_more_overrides_when_adjusted():
    rng = np.random.default_rng(3)
    names = np.repeat(["Ada", "Bo", "Cy", "Di"], 300)
    hard = rng.random(1_200) < np.where(names == "Di", 0.9, 0.2)
    against = rng.random(1_200) < np.where(hard, 0.4, 0.05)
    rows = pd.DataFrame({"reviewer": names, "is_flagged": True, "is_positive": ~against})
    rows["band"] = np.where(hard, "just above", "far above")
    assert "Di" in unlike(rows)
    assert unlike(rows, adjusted=True) == set()
    table = funnel(rows, adjusted=True).set_index("reviewer")
    assert table["expected"]["Di"] > 0.3
    assert table["expected"]["Ada"] < 0.15


def test_few_people_or_few_cases_cannot_tell():
    two = funnel(team([0.05, 0.5], 200, 0))
    assert set(two["standing"]) == {"cannot tell"}
    rows = pd.concat([team([0.1] * 3, 200, 0), team([1.0], 20, 1).assign(reviewer="New")])
    table = funnel(rows).set_index("reviewer")
    assert table["standing"].to_dict() == {
        "New": "cannot tell",
        "R0": "within",
        "R1": "within",
        "R2": "within",
    }


def test_two_who_are_left_and_differ_cannot_be_told_apart_from_a_team():
    table = funnel(team([0.02, 0.35, 0.95], 400, 0)).set_index("reviewer")
    assert table["standing"]["R2"] == "above"
    assert table["standing"][["R0", "R1"]].tolist() == ["cannot tell"] * 2
    rows = team([0.02, 0.35, 0.95], 400, 0)
    against = (rows["is_flagged"] != rows["is_positive"]).to_numpy()
    names = rows["reviewer"].to_numpy(np.str_)
    p = unlike_team(names, against, np.zeros(1_200, dtype=np.int64), level=0.01)
    assert p["R2"] < 1e-9
    assert np.isnan([p["R0"], p["R1"]]).all()


def test_limits_narrow_with_n():
    rows = pd.concat([team([0.2], n, n).assign(reviewer=f"{n}") for n in (60, 200, 1_000)])
    table = funnel(rows).sort_values("n")
    width = (table["limit_high"] - table["limit_low"]).tolist()
    assert width == sorted(width, reverse=True)


def test_nothing_decided_gives_an_empty_table():
    rows = team([0.1] * 3, 10, 0)[:0]
    assert overrides(rows).empty
    assert list(funnel(rows)) == list(funnel(team([0.1], 40, 0)))


def test_what_cannot_be_counted_is_refused():
    rows = team([0.1] * 3, 10, 0)
    with pytest.raises(MissingColumnsError, match="is_flagged"):
        overrides(rows.drop(columns="is_flagged"))
    with pytest.raises(MissingColumnsError, match="band"):
        funnel(rows, adjusted=True)
    with pytest.raises(InputError, match="no direction 'up'"):
        funnel(rows, "up")
    with pytest.raises(InputError, match="1 decisions have no flag"):
        overrides(rows.assign(is_flagged=[None] + [True] * 29))
