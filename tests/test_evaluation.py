"""Metrics against scikit-learn and hand counts; the paired comparison against plain resampling."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from hitl import evaluation
from hitl.errors import MissingValuesError, TooFewLabelsError


def _scored(n=2_000, rate=0.05, seed=0, digits=None):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < rate).astype(int)
    probability = 1 / (1 + np.exp(-(rng.normal(size=n) + 2.5 * truth - 3)))
    if digits is not None:
        probability = probability.round(digits)
    weight = np.where(truth == 1, 1.0, rng.uniform(5, 30, n))
    return truth, probability, weight


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_metric_equals_scikit_learn_with_weights_and_ties(digits, weighted):
    truth, probability, weight = _scored(digits=digits)
    w = weight if weighted else None
    found = evaluation.metrics(truth, probability, 0.3, weight=w)
    flag = probability >= 0.3
    expected = {
        "average_precision": sk.average_precision_score(truth, probability, sample_weight=w),
        "roc_auc": sk.roc_auc_score(truth, probability, sample_weight=w),
        "brier": sk.brier_score_loss(truth, probability, sample_weight=w),
        "recall": sk.recall_score(truth, flag, sample_weight=w),
        "precision": sk.precision_score(truth, flag, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, flag, sample_weight=w),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    tn, fp, fn, tp = sk.confusion_matrix(truth, flag, sample_weight=w).ravel()
    cells = [found[f"{a}_{b}"] for a in ("true", "false") for b in ("positives", "negatives")]
    assert cells == pytest.approx([tp, tn, fp, fn])
    assert found["false_positive_rate"] == pytest.approx(fp / (fp + tn))


@pytest.mark.parametrize("weighted", [False, True])
def test_recall_at_one_percent_false_positives_is_read_off_the_roc_curve(weighted):
    truth, probability, weight = _scored(digits=2)
    w = weight if weighted else None
    fpr, tpr, _ = sk.roc_curve(truth, probability, sample_weight=w, drop_intermediate=False)
    found = evaluation.metrics(truth, probability, 0.5, weight=w)["recall_at_fpr_0_01"]
    assert found == pytest.approx(tpr[fpr <= 0.01].max())
    assert 0 < found < 1


def test_recall_at_one_percent_is_zero_when_the_top_rows_are_all_legitimate():
    truth = np.array([0] * 10 + [1] * 10)
    found = evaluation.metrics(truth, np.linspace(1, 0, 20), 0.5)
    assert found["recall_at_fpr_0_01"] == 0.0


def test_a_weight_of_three_counts_like_three_copies_of_the_row():
    truth, probability, _ = _scored(300, rate=0.2)
    weight = np.where(truth == 1, 1, 3)
    copies = np.repeat(np.arange(300), weight)
    weighted = evaluation.metrics(truth, probability, 0.2, weight=weight)
    copied = evaluation.metrics(truth[copies], probability[copies], 0.2)
    for name in set(weighted) - {"rows", "positives"}:
        assert weighted[name] == pytest.approx(copied[name]), name
    assert weighted["rows"] == 300
    assert copied["rows"] == len(copies)


def test_calibration_is_mean_probability_over_the_observed_rate():
    found = evaluation.metrics([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5, weight=[3, 3, 3, 1])
    assert found["calibration"] == pytest.approx(0.5 / 0.1)


def test_precision_is_unknown_when_nothing_is_flagged():
    found = evaluation.metrics([0, 1], [0.1, 0.2], 0.9)
    assert np.isnan(found["precision"])
    assert found["recall"] == 0.0
    assert found["false_negatives"] == 1.0


def test_a_row_exactly_at_the_threshold_is_flagged():
    assert evaluation.metrics([0, 1], [0.1, 0.5], 0.5)["true_positives"] == 1.0


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_class_only_is_refused_with_its_count(truth):
    with pytest.raises(TooFewLabelsError, match="Of 3 rows"):
        evaluation.metrics(truth, [0.1, 0.2, 0.3], 0.5)


def test_a_label_that_is_neither_class_is_named():
    with pytest.raises(TooFewLabelsError, match="2"):
        evaluation.metrics([0, 1, 2], [0.1, 0.2, 0.3], 0.5)


def test_a_missing_probability_names_its_row():
    with pytest.raises(MissingValuesError, match="row 1"):
        evaluation.metrics([0, 1], [0.1, np.nan], 0.5)


@pytest.mark.parametrize(
    ("probability", "weight", "message"),
    [
        ([0.1], None, "Lengths"),
        ([0.1, 1.2], None, r"\[0, 1\]"),
        ([-0.1, 0.2], None, r"\[0, 1\]"),
        ([0.1, 0.2], [1, 0], "weight"),
        ([0.1, 0.2], [1, np.inf], "weight"),
        ([0.1, 0.2], [1], "Lengths"),
    ],
)
def test_rows_that_do_not_fit_are_a_wrong_call(probability, weight, message):
    with pytest.raises(ValueError, match=message):
        evaluation.metrics([0, 1], probability, 0.5, weight=weight)


@given(
    st.lists(st.integers(0, 1), min_size=2).filter(lambda x: 0 < sum(x) < len(x)), st.integers(0)
)
def test_a_balanced_test_set_holds_exactly_half_of_each_class(truth, seed):
    rows = evaluation.balanced_rows(truth, seed=seed)
    labels = np.array(truth)[rows]
    assert labels.mean() == 0.5
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) == 2 * min(sum(truth), len(truth) - sum(truth))


def test_a_balanced_test_set_keeps_every_positive_and_repeats_with_its_seed():
    truth, _, _ = _scored()
    rows = evaluation.balanced_rows(truth, seed=1)
    assert set(np.flatnonzero(truth)) <= set(rows)
    assert rows.tolist() == evaluation.balanced_rows(truth, seed=1).tolist()
    assert rows.tolist() != evaluation.balanced_rows(truth, seed=2).tolist()


def test_evaluate_shows_that_a_balanced_set_flatters_precision():
    truth, probability, weight = _scored(20_000, rate=0.02)
    found = evaluation.evaluate(truth, probability, 0.5, weight=weight, seed=3)
    rows = evaluation.balanced_rows(truth, seed=3)
    flag = probability >= 0.5
    assert found["balanced"]["precision"] == sk.precision_score(truth[rows], flag[rows])
    assert found["natural"]["precision"] == pytest.approx(
        sk.precision_score(truth, flag, sample_weight=weight)
    )
    assert found["balanced"]["precision"] > 0.9 > 0.2 > found["natural"]["precision"]
    assert found["balanced"]["recall"] == found["natural"]["recall"]
    assert found["balanced"]["rows"] == 2 * truth.sum() == 2 * found["positives"]
    assert found["natural"]["rows"] == pytest.approx(weight.sum())
    assert found["threshold"] == 0.5


def test_recall_and_fpr_translate_into_natural_precision_and_alerts():
    assert evaluation.natural_precision(0.9, 0.01, 0.5) == pytest.approx(0.989, abs=5e-4)
    assert evaluation.natural_precision(0.9, 0.01, 0.001727) == pytest.approx(0.135, abs=5e-4)
    assert evaluation.alerts_per_10_000(0.9, 0.01, 0.001727) == pytest.approx(115, abs=0.5)
    assert evaluation.natural_precision(0.85, 0.001, 0.00173) == pytest.approx(0.596, abs=1e-3)


def test_natural_precision_equals_the_weighted_count():
    truth, probability, weight = _scored()
    found = evaluation.metrics(truth, probability, 0.3, weight=weight)
    prevalence = weight[truth == 1].sum() / weight.sum()
    translated = evaluation.natural_precision(
        found["recall"], found["false_positive_rate"], prevalence
    )
    assert translated == pytest.approx(found["precision"])


def test_no_alerts_have_no_precision():
    assert np.isnan(evaluation.natural_precision(0.0, 0.0, 0.1))
    assert evaluation.alerts_per_10_000(0.0, 0.0, 0.1) == 0.0


@pytest.mark.parametrize("shares", [(1.1, 0, 0), (0, -0.1, 0), (0, 0, 17)])
def test_a_share_outside_zero_and_one_is_a_wrong_call(shares):
    with pytest.raises(ValueError, match="share between 0 and 1"):
        evaluation.alerts_per_10_000(*shares)


def test_changed_lists_each_flip_with_its_direction():
    truth = [1, 1, 0, 0, 1, 0]
    champion = [True, False, True, False, True, False]
    challenger = [False, True, False, True, True, False]
    table = evaluation.changed(truth, champion, challenger)
    assert table.row_number.tolist() == [0, 1, 2, 3]
    assert table.change.tolist() == ["newly wrong", "newly right", "newly right", "newly wrong"]


def test_a_model_compared_with_itself_changes_nothing():
    truth, probability, weight = _scored(500)
    table = evaluation.compare(
        truth, probability, 0.3, probability, 0.3, weight=weight, seed=0, draws=30
    )
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert evaluation.changed(truth, probability >= 0.3, probability >= 0.3).empty


def test_changed_refuses_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="Lengths differ"):
        evaluation.changed([1, 0], [True], [True, False])


def test_a_comparison_carries_both_test_sets_and_their_scikit_learn_values():
    truth, old, weight = _scored(1_500)
    new = np.clip(old + 0.1 * truth, 0, 1)
    table = evaluation.compare(truth, old, 0.3, new, 0.35, weight=weight, seed=5, draws=50)
    assert table.groupby("test_set", sort=False).size().to_dict() == {
        "balanced": len(evaluation.COMPARED),
        "natural": len(evaluation.COMPARED),
    }
    natural = table[table.test_set == "natural"].set_index("metric")
    rows = evaluation.balanced_rows(truth, seed=5)
    balanced = table[table.test_set == "balanced"].set_index("metric")
    score = sk.average_precision_score
    assert natural.champion["average_precision"] == pytest.approx(
        score(truth, old, sample_weight=weight)
    )
    assert balanced.challenger["average_precision"] == pytest.approx(score(truth[rows], new[rows]))
    assert natural.challenger["recall"] == pytest.approx(sk.recall_score(truth, new >= 0.35))
    assert (table.difference == table.challenger - table.champion).all()
    ordered = table.dropna()
    assert (ordered.low <= ordered.high).all()


def test_the_paired_interval_equals_plain_resampling_of_rows():
    truth, old, weight = _scored(400, rate=0.2)
    new = np.clip(old + 0.2 * truth * (old > 0.05), 0, 1)
    table = evaluation.compare(truth, old, 0.3, new, 0.3, weight=weight, seed=9, draws=600)
    found = table[(table.test_set == "natural") & (table.metric == "average_precision")].iloc[0]
    rng = np.random.default_rng(1)
    sides = [np.flatnonzero(truth), np.flatnonzero(truth == 0)]
    plain = []
    for _ in range(600):
        rows = np.concatenate([rng.choice(s, len(s)) for s in sides])
        before, after = (
            sk.average_precision_score(truth[rows], p[rows], sample_weight=weight[rows])
            for p in (old, new)
        )
        plain.append(after - before)
    low, high = np.quantile(plain, (0.025, 0.975))
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    assert found.low > 0


def test_the_interval_of_recall_follows_the_discordant_positives():
    # 100 positives, 10 caught only by the new model: the difference is binomial around 0.1.
    truth = np.repeat([1, 0], [100, 400])
    old = np.where(np.arange(500) < 40, 0.9, 0.1)
    new = np.where(np.arange(500) < 50, 0.9, 0.1)
    table = evaluation.compare(truth, old, 0.5, new, 0.5, seed=0, draws=2_000)
    row = table[(table.test_set == "natural") & (table.metric == "recall")].iloc[0]
    assert row.difference == pytest.approx(0.1)
    assert (row.low, row.high) == (pytest.approx(0.05, abs=0.011), pytest.approx(0.16, abs=0.011))


def test_a_metric_that_cannot_be_computed_is_nan_not_an_error():
    truth, probability, _ = _scored(200, rate=0.2)
    table = evaluation.compare(truth, probability, 0.99999, probability, 0.99999, seed=0, draws=5)
    precision = table[table.metric == "precision"]
    assert precision[["champion", "difference", "low", "high"]].isna().all(axis=None)


def test_a_comparison_repeats_with_its_seed():
    truth, old, weight = _scored(500)
    new = old**1.1
    one, two, other = (
        evaluation.compare(truth, old, 0.3, new, 0.3, weight=weight, seed=s, draws=20)
        for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
