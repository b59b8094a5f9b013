"""A planted effect of an explanation is found with its size, and none is hardly ever found."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chisquare, fisher_exact, mannwhitneyu

from hitl.errors import InputError, MissingColumnsError, MissingValuesError
from hitl.fairness import newcombe
from hitl.simulator import ExplanationEffect, SimulatedReviewer, work
from hitl.trials import (
    ARMS,
    DIFFERENCES,
    MEASURES,
    arm,
    cases_needed,
    cases_needed_for_time,
    median_interval,
    report,
)


def trial(seed: int, n: int = 500, **planted: tuple[float, float]) -> pd.DataFrame:
    """Five arms of n cases; `planted` gives an arm's share right and its multiple of the time."""
    rng = np.random.default_rng(seed)
    names = np.repeat(ARMS, n)
    right_at, time = (
        np.array([planted.get(one, (0.85, 1.0))[which] for one in names]) for which in (0, 1)
    )
    truth, flag = rng.random((2, len(names))) < 0.4
    right = rng.random(len(names)) < right_at
    return pd.DataFrame(
        {
            "arm": names,
            "seconds": rng.lognormal(3.4, 0.5, len(names)) * time,
            "is_positive": truth == right,
            "is_flagged": flag,
            "truth": truth,
        }
    )


def shown(table: pd.DataFrame) -> set[tuple[str, str]]:
    found = table[table["verdict"] == "difference shown"]
    return set(zip(found["arm"], found["measure"], strict=True))


# Which case gets which


def test_a_case_keeps_its_arm_and_another_salt_draws_anew():
    names = [f"case {number}" for number in range(400)]
    drawn = [arm(name, "one") for name in names]
    assert drawn == [arm(name, "one") for name in reversed(names)][::-1]
    again = [arm(name, "two") for name in names]
    assert np.mean([one == other for one, other in zip(drawn, again, strict=True)]) < 0.3


def test_arms_are_equally_likely_and_follow_the_hash():
    drawn = [arm(str(number), "salt") for number in range(20_000)]
    counts = [drawn.count(one) for one in ARMS]
    assert chisquare(counts).pvalue > 0.001
    first = int(hashlib.sha256(b"salt|7").hexdigest()[:16], 16) / 2**64
    assert arm("7", "salt") == ARMS[int(first * len(ARMS))]


def test_any_arms_can_be_named_each_once():
    assert {arm(str(number), "s", ("nothing", "shap")) for number in range(30)} == {
        "nothing",
        "shap",
    }
    assert arm("1", "s", ("nothing",)) == "nothing"
    for wrong in ((), ("shap", "shap")):
        with pytest.raises(InputError, match="The arms are"):
            arm("1", "s", wrong)


# What came of it


def test_the_report_is_that_of_scipy_and_of_counting():
    rows = trial(0, 60)
    table = report(rows).set_index(["arm", "measure"])
    assert table.index.tolist() == [(one, measure) for one in ARMS for measure in MEASURES]
    shap, nothing = (rows[rows["arm"] == one] for one in ("shap", "nothing"))
    looks = 12
    right = [int((one["is_positive"] == one["truth"]).sum()) for one in (shap, nothing)]
    row = table.loc[("shap", "right")]
    assert (row["n"], row["value"]) == (60, right[0] / 60)
    exact = fisher_exact([[right[0], 60 - right[0]], [right[1], 60 - right[1]]]).pvalue
    assert row["p_value"] == pytest.approx(min(1, looks * exact))
    limits = newcombe((right[0], 60), (right[1], 60), 1 - 0.05 / looks)
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(
        limits
    )
    time = table.loc[("shap", "seconds")]
    rank = mannwhitneyu(shap["seconds"], nothing["seconds"], method="asymptotic").pvalue
    assert time["p_value"] == pytest.approx(min(1, looks * rank))
    assert time["value"] == shap["seconds"].median()
    log, base = (np.log(one["seconds"].to_numpy()) for one in (shap, nothing))
    ratios = np.subtract.outer(log, base)
    assert time["difference"] == pytest.approx(np.expm1(np.median(ratios)), abs=0.005)
    over = table.loc[("nothing", "overrides")]
    assert over["value"] == (nothing["is_positive"] != nothing["is_flagged"]).mean()
    assert over["verdict"] == ""
    assert np.isnan([over["difference"], over["p_value"], over["more_needed"]]).all()


def test_a_planted_effect_is_found_with_its_size_and_the_other_arms_are_left_alone():
    found = [report(trial(seed, shap=(0.95, 1.0), lime=(0.85, 0.75))) for seed in range(12)]
    wanted = {("shap", "right"), ("lime", "seconds")}
    assert sum(wanted <= shown(table) for table in found) >= 11
    assert sum(bool(shown(table) - wanted - {("shap", "overrides")}) for table in found) <= 2
    tables = [table.set_index(["arm", "measure"]) for table in found]
    for key, true in ((("shap", "right"), 0.1), (("lime", "seconds"), -0.25)):
        inside = [t["difference_low"][key] < true < t["difference_high"][key] for t in tables]
        assert sum(inside) >= 11


def test_no_effect_is_found_in_at_most_one_trial_of_twenty():
    seeds = 150
    alarms = sum(bool(shown(report(trial(seed, 60)))) for seed in range(seeds))
    assert alarms / seeds <= 0.05


def test_many_cases_without_an_effect_show_none_and_few_cannot_tell():
    many = report(trial(1, 4_000)).query("arm != 'nothing'")
    assert set(many["verdict"]) == {"no difference shown"}
    few = report(trial(1, 29, shap=(0.0, 0.1))).query("arm != 'nothing'")
    assert set(few["verdict"]) == {"cannot tell"}
    assert few["more_needed"].isna().all()


def test_enough_cases_say_so_and_too_few_say_how_many_more():
    few, many = (
        report(trial(2, n)).query("arm == 'shap'").set_index("measure") for n in (200, 4_000)
    )
    assert (many["more_needed"] == 0).all()
    level = 0.05 / 12
    rate = few["value"]["right"]
    base = report(trial(2, 200)).query("arm == 'nothing'").set_index("measure")["value"]["right"]
    needed = cases_needed(base, DIFFERENCES["right"], level=level)
    assert few["more_needed"]["right"] == needed - 200 > 500
    assert 0.7 < rate < 1


@pytest.mark.parametrize(("rate", "difference"), [(0.9, 0.05), (0.3, 0.1), (0.02, 0.05)])
def test_that_many_cases_find_the_difference_four_times_in_five(rate, difference):
    n, rng = cases_needed(rate, difference), np.random.default_rng(0)
    other = rate + difference if rate < 0.5 else rate - difference
    drawn = rng.binomial(n, (rate, other), size=(400, 2))
    found = [fisher_exact([[a, n - a], [b, n - b]]).pvalue <= 0.05 for a, b in drawn]
    assert np.mean(found) == pytest.approx(0.8, abs=3 * (0.16 / 400) ** 0.5)


def test_that_many_cases_find_the_saved_time_four_times_in_five():
    n, rng = cases_needed_for_time(0.5, 0.2), np.random.default_rng(0)
    usual, faster = rng.normal(0, 0.5, (2, 400, n)) + np.array([0, np.log(0.8)])[:, None, None]
    found = mannwhitneyu(usual, faster, axis=1, method="asymptotic").pvalue <= 0.05
    assert found.mean() == pytest.approx(0.8, abs=3 * (0.16 / 400) ** 0.5)


def test_fewer_differences_to_be_seen_need_more_cases():
    assert cases_needed(0.5, 0.05) > cases_needed(0.5, 0.1) > cases_needed(0.9, 0.1)
    assert (
        cases_needed(0.5, 0.1, level=0.01)
        > cases_needed(0.5, 0.1)
        > cases_needed(0.5, 0.1, power=0.5)
    )
    assert cases_needed_for_time(0.5, 0.1) > cases_needed_for_time(0.5, 0.2)
    assert cases_needed_for_time(0, 0.1) == 1


def test_the_interval_of_a_median_holds_for_a_skewed_time():
    rng = np.random.default_rng(0)
    inside = [
        low <= np.exp(3) <= high
        for low, high in (median_interval(rng.lognormal(3, 1, 25)) for _ in range(500))
    ]
    assert np.mean(inside) >= 0.94
    exact = 1 - 2 * binom.cdf(7, 25, 0.5)
    assert median_interval(np.arange(25.0)) == (7, 17)
    assert exact > 0.95
    assert np.isnan(median_interval(np.arange(5.0))).all()
    assert np.isnan(median_interval(np.array([]))).all()


def test_unsure_and_unknown_cases_are_left_out_of_what_they_cannot_answer():
    rows = trial(0, 40)
    more = rows.astype({"is_positive": object, "truth": object})
    more.loc[0:4, "is_positive"] = None
    more.loc[5:9, "truth"] = None
    table = report(more).set_index(["arm", "measure"]).loc["nothing"]
    assert table["n"].to_dict() == {"seconds": 40, "right": 30, "overrides": 35}
    assert (table["unsure"] == 5).all()


def test_an_arm_without_known_truth_cannot_tell():
    rows = trial(0, 40).astype({"truth": object})
    rows.loc[rows["arm"] == "shap", "truth"] = None
    row = report(rows).set_index(["arm", "measure"]).loc[("shap", "right")]
    assert row["verdict"] == "cannot tell"
    assert row["n"] == 0
    assert np.isnan([row["value"], row["difference"]]).all()


def test_arms_of_ones_own_come_after_the_known_ones():
    rows = trial(0, 40).replace({"arm": {"lime": "a rule", "similar": "zebra"}})
    assert report(rows)["arm"].unique().tolist() == [
        "nothing",
        "shap",
        "counterfactual",
        "a rule",
        "zebra",
    ]
    alone = report(rows[rows["arm"] == "nothing"])
    assert alone["measure"].tolist() == list(MEASURES)
    assert alone["difference"].isna().all()


def test_equal_times_are_no_difference():
    rows = trial(0, 40).assign(seconds=30.0)
    row = report(rows).set_index(["arm", "measure"]).loc[("shap", "seconds")]
    assert row["p_value"] == 1
    assert row["difference"] == pytest.approx(0)
    assert row["verdict"] == "no difference shown"


def test_the_effects_of_a_simulated_team_come_back():
    effects = {"shap": ExplanationEffect(errors=-0.15, time=1.0), "lime": ExplanationEffect(0, 1.4)}
    parts = []
    for number in range(4):
        rows = pd.DataFrame({"payment": [f"{number}-{case}" for case in range(1_000)]})
        rng = np.random.default_rng(number)
        truth, flag = rng.random((2, 1_000)) < 0.4
        arms = [arm(one, "trial") for one in rows["payment"]]
        person = SimulatedReviewer(f"R{number}", error_rate=0.2, effects=effects)
        made = work(person, rows, truth, arms=arms)
        parts.append(made.assign(arm=arms, is_flagged=flag))
    table = report(pd.concat(parts))
    assert shown(table) == {("shap", "right"), ("lime", "seconds")}
    row = table.set_index(["arm", "measure"]).loc[("lime", "seconds")]
    assert row["difference_low"] < 0.4 < row["difference_high"]


def test_trials_that_cannot_be_read_are_refused():
    rows = trial(0, 40)
    with pytest.raises(MissingColumnsError, match="arm"):
        report(rows.drop(columns="arm"))
    with pytest.raises(InputError, match="No decision was made with “nothing”"):
        report(rows[rows["arm"] != "nothing"])
    with pytest.raises(InputError, match="less than 0 seconds"):
        report(rows.assign(seconds=-1.0))
    with pytest.raises(MissingValuesError, match="200 rows have no seconds"):
        report(rows.assign(seconds=np.nan))
    with pytest.raises(InputError, match="difference of right to be found is 0"):
        report(rows, differences={**DIFFERENCES, "right": 0})
    with pytest.raises(InputError, match="difference of overrides to be found is nan"):
        report(rows, differences={"seconds": 0.1, "right": 0.1})
    for rate, difference in ((1.1, 0.1), (0.5, 0.0), (0.5, 0.6)):
        with pytest.raises(InputError, match="The rate is"):
            cases_needed(rate, difference)
