"""Group counts against hand-counted tables, intervals against published ones, chance gaps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix

from hitl import fairness
from hitl.errors import EmptyDataError, InputError


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(10, 20, 0.299, 0.701), (5, 5, 0.566, 1), (20, 20, 0.839, 1), (0, 10, 0, 0.278)],
)
def test_wilson_gives_the_published_limits(successes, n, low, high):
    assert fairness.wilson(successes, n) == (
        pytest.approx(low, abs=5e-4),
        pytest.approx(high, abs=5e-4),
    )


@given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.8, 0.95, 0.999]))
def test_wilson_equals_scipy(successes, n, confidence):
    successes = min(successes, n)
    interval = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert fairness.wilson(successes, n, confidence) == pytest.approx(
        (interval.low, interval.high), abs=1e-12
    )


def test_wilson_of_no_rows_is_unknown():
    assert np.isnan(fairness.wilson(0, 0)).all()


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (1, 2, 1.0), (1, 2, 0)])
def test_wilson_refuses_what_is_not_a_share(arguments):
    with pytest.raises(ValueError, match=r"not"):
        fairness.wilson(*arguments)


def test_counts_by_group_equal_a_table_counted_by_hand():
    groups = ["a"] * 6 + ["b"] * 4
    truth_ = [1, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    chosen = [1, 0, 1, 0, 0, 0, 1, 1, 1, 0]
    table = fairness.by_group(groups, chosen, truth_).set_index("group_name")
    counts = ["n", "positives", "selected", "false_positives", "negatives", "misses"]
    assert table.loc["a", counts].tolist() == [6, 2, 2, 1, 4, 1]
    assert table.loc["b", counts].tolist() == [4, 1, 3, 2, 3, 0]
    assert table.loc["a", ["flag_rate", "fpr", "fnr"]].tolist() == [2 / 6, 1 / 4, 1 / 2]
    assert table.loc["b", ["flag_rate", "fpr", "fnr"]].tolist() == [3 / 4, 2 / 3, 0]
    assert tuple(table.loc["b", ["fpr_low", "fpr_high"]]) == fairness.wilson(2, 3)
    assert tuple(table.loc["a", ["fnr_low", "fnr_high"]]) == fairness.wilson(1, 2)
    assert tuple(table.loc["a", ["flag_low", "flag_high"]]) == fairness.wilson(2, 6)


def test_counts_by_group_equal_scikit_learn_on_each_group_with_weights():
    rng = np.random.default_rng(0)
    groups = rng.choice(["x", "y", "z"], 900)
    truth, chosen = rng.random(900) < 0.2, rng.random(900) < 0.3
    weight = rng.uniform(1, 30, 900)
    table = fairness.by_group(groups, chosen, truth, weight=weight)
    for row in table.itertuples():
        here = groups == row.group_name
        tn, fp, fn, tp = confusion_matrix(
            truth[here], chosen[here], sample_weight=weight[here]
        ).ravel()
        assert (row.n, row.selected) == pytest.approx((tn + fp + fn + tp, tp + fp))
        assert (row.false_positives, row.misses) == pytest.approx((fp, fn))
        assert (row.fpr, row.fnr) == pytest.approx((fp / (fp + tn), fn / (fn + tp)))


def test_a_group_without_positives_has_no_miss_rate_instead_of_zero():
    table = fairness.by_group(["a"] * 50 + ["b"] * 40, [1] * 45 + [0] * 45, [1] * 50 + [0] * 40)
    b = table.set_index("group_name").loc["b"]
    assert np.isnan([b.fnr, b.fnr_low, b.fnr_high]).all()
    found = fairness.gap(table, "fnr")
    assert found.verdict == "cannot tell"
    assert found.too_small == ("b",)
    assert "positives" in found.sentence


def test_weights_change_counts_and_rates_but_intervals_keep_the_rows_that_are_there():
    table = fairness.by_group(["a"] * 20, [1] * 10 + [0] * 10, [0] * 20, weight=[28.0] * 20)
    row = table.iloc[0]
    assert (row.n, row.negatives, row.false_positives) == (560, 560, 280)
    assert (row.rows, row.negative_rows, row.positive_rows) == (20, 20, 0)
    assert (row.fpr_low, row.fpr_high) == fairness.wilson(10, 20)


def test_rows_without_a_label_count_as_rows_only():
    table = fairness.by_group(["a"] * 4, [1, 1, 0, 0], [1, np.nan, None, 0])
    row = table.iloc[0]
    assert (row.n, row.positives, row.negatives, row.selected) == (4, 1, 1, 2)
    no_truth = fairness.by_group(["a"] * 4, [1, 1, 0, 0]).iloc[0]
    assert (no_truth.flag_rate, no_truth.positives) == (0.5, 0)
    assert np.isnan(no_truth.fpr)


def test_a_missing_group_is_listed_as_unknown():
    table = fairness.by_group(["b", None, np.nan, "a"], [1, 1, 0, 0])
    assert table.group_name.tolist() == ["a", "b", "unknown"]
    assert table.n.tolist() == [1, 1, 2]


def test_groups_keep_the_order_of_their_bands_and_numbers_sort_as_numbers():
    bands = fairness.amount_band([300, 5, 0.2, np.nan])
    assert fairness.by_group(bands, [0, 0, 0, 0]).group_name.tolist() == [
        "under 1",
        "1 to 10",
        "200 and more",
        "unknown",
    ]
    assert fairness.by_group([10, 9, 10], [0, 1, 0]).group_name.tolist() == ["9", "10"]


def test_the_difference_of_two_shares_has_the_published_interval():
    assert fairness.newcombe((56, 70), (48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert fairness.newcombe((0, 10), (0, 20)) == pytest.approx((0, -0.1611, 0.2775), abs=5e-5)
    assert np.isnan(fairness.newcombe((0, 0), (1, 2))).all()
    with pytest.raises(ValueError, match="not a share"):
        fairness.newcombe((3, 2), (1, 2))


def test_a_shifted_index_does_not_mix_rows_up():
    groups = pd.Series(["a", "b", "b"], index=[7, 0, 7])
    table = fairness.by_group(groups, pd.Series([1, 0, 0], index=[1, 2, 3]))
    assert table.selected.tolist() == [1, 0]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([0, 1, np.nan])),
        min_size=1,
    )
)
def test_counts_by_group_add_up_to_the_total(rows):
    groups, chosen, truth = zip(*rows, strict=True)
    table = fairness.by_group(groups, chosen, truth)
    whole = fairness.by_group(["all"] * len(rows), chosen, truth).iloc[0]
    columns = ["n", "positives", "negatives", "selected", "false_positives", "misses", "rows"]
    assert table[columns].sum().tolist() == whole[columns].tolist()


def test_no_rows_are_refused():
    with pytest.raises(EmptyDataError):
        fairness.by_group([], [])


def test_a_label_of_two_is_refused():
    with pytest.raises(InputError, match="A label is 2"):
        fairness.by_group(["a"], [1], [2])


@pytest.mark.parametrize("weight", [[1.0, 0.0], [1.0, -2.0], [1.0, np.inf], [1.0]])
def test_weights_that_make_no_sense_are_a_wrong_call(weight):
    with pytest.raises(ValueError, match=r"weight|Lengths"):
        fairness.by_group(["a", "b"], [1, 0], weight=weight)


def _two(one, one_of, other, other_of, groups=("a", "b")):
    names = [groups[0]] * one_of + [groups[1]] * other_of
    chosen = [1] * one + [0] * (one_of - one) + [1] * other + [0] * (other_of - other)
    return fairness.by_group(names, chosen)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((5, 56, 0, 29), -0.0381, 0.1926)],
)
def test_the_interval_of_a_difference_is_the_published_one(counts, low, high, monkeypatch):
    monkeypatch.setattr(fairness, "MIN_ROWS", 10)
    found = fairness.gap(_two(*counts))
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_clear_difference_is_a_gap_shown():
    found = fairness.gap(_two(10, 200, 60, 200))
    assert found.verdict == "gap shown"
    assert (found.highest_group, found.lowest_group) == ("b", "a")
    assert found.difference == pytest.approx(0.25)
    assert found.low > 0
    assert "“b” is flagged 25 points more often than “a”" in found.sentence


def test_equal_rates_on_many_rows_show_no_gap_and_say_the_tolerance():
    found = fairness.gap(_two(5_000, 10_000, 5_050, 10_000), tolerance=0.03)
    assert found.verdict == "no gap shown"
    assert (found.low < 0 < found.high, found.tolerance) == (True, 0.03)
    assert "tolerated 3 points" in found.sentence


def test_equal_rates_on_few_rows_cannot_tell():
    found = fairness.gap(_two(5, 100, 6, 100))
    assert found.verdict == "cannot tell"
    assert found.tolerance == pytest.approx(0.2 * 11 / 200)
    assert "neither shows nor rules out" in found.sentence


def test_groups_in_which_nothing_happened_cannot_tell():
    found = fairness.gap(_two(0, 5_000, 0, 5_000))
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith("All groups compared are flagged equally often")


def test_a_tiny_group_is_named_and_forbids_the_all_clear():
    table = fairness.by_group(
        ["a"] * 10_000 + ["b"] * 10_000 + ["c"] * 29, ([1, 0] * 10_000) + [1] * 29
    )
    found = fairness.gap(table, tolerance=0.05)
    assert found.verdict == "cannot tell"
    assert found.too_small == ("c",)
    assert "Too few rows to compare: c." in found.sentence


def test_a_gap_of_a_narrower_but_better_known_pair_is_still_shown():
    table = fairness.by_group(
        ["a"] * 20_000 + ["b"] * 20_000 + ["c"] * 40,
        [1] * 2_000 + [0] * 18_000 + [1] * 2_400 + [0] * 17_600 + [1] * 6 + [0] * 34,
    )
    found = fairness.gap(table)
    assert found.verdict == "gap shown"
    assert (found.highest_group, found.lowest_group) == ("b", "a")


def test_false_alarm_and_miss_rates_have_their_own_denominators():
    groups = ["a"] * 200 + ["b"] * 200
    truth = ([1] * 100 + [0] * 100) * 2
    chosen = [1] * 90 + [0] * 10 + [1] * 30 + [0] * 70 + [1] * 50 + [0] * 50 + [1] * 5 + [0] * 95
    table = fairness.by_group(groups, chosen, truth)
    alarms, misses = fairness.gap(table, "fpr"), fairness.gap(table, "fnr")
    assert (alarms.verdict, alarms.highest_group) == ("gap shown", "a")
    assert (misses.verdict, misses.highest_group) == ("gap shown", "b")
    assert (alarms.difference, misses.difference) == pytest.approx((0.25, 0.4))


def test_more_pairs_need_more_evidence():
    two = fairness.gap(_two(40, 400, 62, 400))
    names = np.repeat(["a", "b", "c", "d", "e", "f"], 400)
    chosen = np.concatenate([np.arange(400) < k for k in (40, 62, 50, 50, 50, 50)])
    six = fairness.gap(fairness.by_group(names, chosen))
    assert (two.verdict, six.verdict) == ("gap shown", "cannot tell")
    assert six.low < two.low


def test_chance_alone_shows_a_gap_in_at_most_one_of_twenty_draws():
    rng = np.random.default_rng(11)
    draws = 400
    wrong = 0
    for _ in range(draws):
        flagged = rng.binomial(20_000, 0.002, 5)
        wrong += fairness.gap(_table(flagged, 20_000)).verdict == "gap shown"
    assert wrong / draws <= 0.05


def test_a_planted_gap_of_ten_points_is_found_with_400_positives_per_group():
    rng = np.random.default_rng(12)
    found = [fairness.gap(_table(rng.binomial(400, [0.1, 0.2]), 400)).verdict for _ in range(200)]
    assert found.count("gap shown") >= 180


def _table(flagged, n):
    rates = np.asarray(flagged) / n
    names = [f"g{i}" for i in range(len(rates))]
    return pd.DataFrame({"group_name": names, "flag_rate": rates, "rows": n, "n": float(n)})


def test_an_unknown_rate_or_tolerance_is_refused():
    table = _two(5, 100, 6, 100)
    with pytest.raises(InputError, match="ppv"):
        fairness.gap(table, "ppv")
    with pytest.raises(InputError, match="tolerance is 0"):
        fairness.gap(table, tolerance=0)
    with pytest.raises(ValueError, match="confidence"):
        fairness.gap(table, confidence=1)


def test_without_any_label_the_miss_rate_cannot_tell():
    found = fairness.gap(_two(5, 100, 6, 100), "fnr")
    assert found.verdict == "cannot tell"
    assert np.isnan(found.tolerance)


def test_amount_bands_start_at_their_lower_edge():
    labels = fairness.amount_band([0, 0.99, 1, 10, 50, 199.99, 200])
    assert list(labels.codes) == [0, 0, 1, 2, 3, 3, 4]
    assert labels.ordered
    with pytest.raises(InputError, match=r"-3\.0"):
        fairness.amount_band([-3])


def test_hour_bands_read_seconds_and_milliseconds_alike():
    seconds = np.array([0, 5.99, 6, 12, 18, 23.99, 24, 47]) * 3_600
    labels = fairness.hour_band(seconds)
    assert list(labels.codes) == [0, 0, 1, 2, 3, 3, 0, 3]
    assert list(fairness.hour_band(seconds * 1_000, unit="ms")) == list(labels)
    assert pd.isna(fairness.hour_band([np.nan])).all()
    with pytest.raises(InputError, match="'h'"):
        fairness.hour_band([1], unit="h")
