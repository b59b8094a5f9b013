"""The rows behind the charts of reasons, on screen and on paper."""

import math

import pytest
from scipy.special import expit, logit

from hitl.charts import rows

LONG = {
    "base_value": -6.0,
    "score": 0.6,
    "table": [{"feature": f"V{i}", "contribution": 1.0 - i / 10} for i in range(12)],
}


def test_features_beyond_the_heaviest_eight_are_one_bar() -> None:
    bars = rows.steps(LONG)
    assert bars["label"].tolist() == [
        rows.START,
        *(f"V{i}" for i in range(8)),
        rows.OTHER,
        rows.SCORE,
    ]
    assert bars["amount"].iloc[-2] == pytest.approx(0.2 + 0.1 + 0.0 - 0.1)


def test_folding_moves_nothing() -> None:
    assert rows.steps(LONG)["end"].iloc[-2] == pytest.approx(
        rows.steps(LONG, top=12)["end"].iloc[-2]
    )


def test_a_rest_that_is_there_already_takes_up_what_is_folded() -> None:
    table = [*LONG["table"], {"feature": rows.OTHER, "contribution": 2.0}]
    bars = rows.steps({**LONG, "table": table})
    assert bars["label"].tolist().count(rows.OTHER) == 1
    assert bars["amount"].iloc[-2] == pytest.approx(2.2)


def test_a_label_for_people_stands_instead_of_the_column() -> None:
    table = [
        {"feature": "amount_ratio", "label": "amount against the usual", "contribution": 1.0},
        {"feature": "hour", "label": None, "contribution": 0.5},
    ]
    bars = rows.steps({"base_value": 0.0, "score": 1.5, "table": table})
    assert bars["label"].tolist()[1:3] == ["amount against the usual", "hour"]


def test_two_features_of_one_name_keep_a_bar_each() -> None:
    table = [{"feature": name, "label": "same", "contribution": 1.0} for name in "abc"]
    bars = rows.steps({"base_value": 0.0, "score": 3.0, "table": table})
    assert bars["label"].tolist()[1:4] == ["same", "same (2)", "same (3)"]


def test_a_feature_named_like_the_start_does_not_cover_it() -> None:
    table = [{"feature": rows.START, "contribution": 1.0}]
    bars = rows.steps({"base_value": 0.0, "score": 1.0, "table": table})
    assert bars["label"].is_unique


def test_the_start_and_the_score_are_written_with_their_probability() -> None:
    bars = rows.steps(LONG)
    assert bars["written"].iloc[0] == f"−6 (probability {expit(-6):.3g})"
    assert bars["written"].iloc[1] == "+1"
    assert "average" not in rows.START


def test_weights_are_cut_to_the_heaviest_eight_in_order_of_size() -> None:
    weights = {f"V{i}": (-1) ** i * (i + 1.0) for i in range(10)}
    found = rows.surrogate_rows({"weights": weights})
    assert found["condition"].tolist() == [f"V{i}" for i in range(9, 1, -1)]
    assert found["effect"].tolist() == [rows.LOWERS, rows.RAISES] * 4


def test_a_weight_by_feature_takes_its_words_and_its_range_from_beside_it() -> None:
    surrogate = {
        "weights": {"V14": 0.5, "V4": -0.1},
        "conditions": {"V14": "V14 is −6.6"},
        "low": {"V14": 0.4},
        "high": {"V14": 0.7, "V4": None},
    }
    found = rows.surrogate_rows(surrogate)
    assert found["condition"].tolist() == ["V14 is −6.6", "V4"]
    assert found[["low", "high"]].iloc[0].tolist() == [0.4, 0.7]
    assert found[["low", "high"]].iloc[1].isna().all()


def test_ranks_are_those_of_the_absolute_size() -> None:
    found = rows.rank_rows({"a": -3.0, "b": 2.0, "c": 0.5}, {"b": 0.9, "a": -0.2})
    assert found["feature"].tolist() == ["a", "b", "c"]
    assert found["lime_rank"].tolist()[:2] == [2.0, 1.0]
    assert math.isnan(found["lime_rank"].iloc[2])
    assert found["agreement"].tolist() == [rows.SAME, rows.SAME, rows.ALONE]


def test_no_contributions_have_no_ranks() -> None:
    assert rows.rank_rows({}, {"a": 1.0}).empty


@pytest.mark.parametrize("probability", [1e-6, 0.0153, 0.5, 0.93, 0.99999])
def test_log_odds_and_probability_undo_each_other(probability: float) -> None:
    assert rows.log_odds(probability) == pytest.approx(logit(probability))
    assert rows.probability(rows.log_odds(probability)) == pytest.approx(probability)


@pytest.mark.parametrize("value", [-1_000.0, 1_000.0])
def test_the_probability_of_extreme_log_odds_does_not_overflow(value: float) -> None:
    assert rows.probability(value) == pytest.approx(float(value > 0))


def test_certainty_has_a_place_on_an_axis_of_log_odds() -> None:
    assert -25 < rows.log_odds(0.0) < -20
    assert 20 < rows.log_odds(1.0) < 25


def test_only_round_probabilities_between_the_ends_are_ticks() -> None:
    found = rows.probability_ticks(-8.3, 0.5)
    assert [label for _, label in found] == ["0.001", "0.01", "0.1", "0.5"]
    assert [place for place, _ in found] == pytest.approx(logit([0.001, 0.01, 0.1, 0.5]))


def test_a_short_axis_has_finer_ticks() -> None:
    assert [label for _, label in rows.probability_ticks(-1.0, 1.0)] == [
        *("0.3", "0.4", "0.5", "0.6", "0.7"),
    ]


def test_tiny_probabilities_are_written_out() -> None:
    assert rows.probability_ticks(-14.0, -6.8)[0][1] == "0.000001"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0153, 0.0004, 0.9], ("log", 0.0001, 1.0)),
        ([0.0153, 0.001, 0.01], ("log", 0.001, 0.1)),
        ([0.3, 0.62, 0.9], ("linear", 0.0, 1.0)),
        ([0.3, 0.4], ("linear", 0.0, 0.5)),
        ([0.0153, 0.012], ("linear", 0.0, 0.02)),
        ([0.0, 1.0], ("log", 1e-5, 1.0)),
        ([0.0, 0.0], ("linear", 0.0, 2e-5)),
        ([], ("linear", 0.0, 1.0)),
        ([float("nan"), 0.5], ("linear", 0.0, 0.7)),
    ],
)
def test_small_and_large_probabilities_together_need_a_log_scale(values, expected) -> None:
    assert rows.probability_axis(values) == pytest.approx(expected)
