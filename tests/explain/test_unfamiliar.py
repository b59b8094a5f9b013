import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from hitl.dictionaries import dictionary
from hitl.explain.unfamiliar import unfamiliar, warning_sentences

FEATURES = ("V4", "V14", "Amount", "town")
WORDS = dictionary("cards", FEATURES)
NORMAL = np.random.default_rng(3).normal(size=2_000)


def usual_of(values):
    grid = np.quantile(values, np.linspace(0, 1, 101))
    return {"p05": float(grid[5]), "p95": float(grid[95]), "grid": grid.tolist()}


QUANTILES = {
    "V4": usual_of(NORMAL),
    "V14": usual_of(NORMAL),
    "Amount": usual_of(10 * np.abs(NORMAL)),
    "town": {"shares": {"Ulm": 0.9, "Kiel": 0.1}},
}
ROW = {"V4": 0.1, "V14": -0.2, "Amount": 8.0, "town": "Ulm"}


def found(distance=14.0, limit=2.0, quantiles=QUANTILES, **changes):
    return unfamiliar(
        ROW | changes,
        quantiles,
        WORDS,
        features=FEATURES,
        distance=distance,
        limit=limit,
        nearest_id="812",
        nearest_label=0,
    )


def test_a_value_outside_all_legitimate_rows_is_out_of_range_farthest_first():
    seen = found(V4=10.0, V14=-30.0)
    assert [one.feature for one in seen.out_of_range] == ["V14", "V4"]
    first = seen.out_of_range[0]
    assert (first.kind, first.value) == ("beyond", -30.0)
    assert (first.low, first.high) == (NORMAL.min(), NORMAL.max())
    width = np.quantile(NORMAL, 0.95) - np.quantile(NORMAL, 0.05)
    assert first.excess == pytest.approx((NORMAL.min() + 30) / width)
    assert first.sentence.startswith(
        "V14 (an anonymous component) is −30, lower than all legitimate payments in training"
    )


def test_the_smallest_and_largest_value_seen_are_in_range():
    for value in (NORMAL.min(), NORMAL.max()):
        seen = found(V4=value)
        assert seen.out_of_range == ()
        assert [one.feature for one in seen.at_the_edge] == ["V4"]
        assert (seen.at_the_edge[0].kind, seen.at_the_edge[0].excess) == ("edge", 0.0)


def test_a_usual_row_is_neither_outside_nor_at_the_edge():
    seen = found(V4=1.7, V14=-1.7)  # beyond 95 %, not beyond 99 %
    assert (seen.out_of_range, seen.at_the_edge) == ((), ())


def test_a_category_that_nobody_had_is_out_of_range_and_a_known_one_is_not():
    seen = found(town="Rome")
    assert [(one.feature, one.kind, one.value) for one in seen.out_of_range] == [
        ("town", "unseen", "Rome")
    ]
    assert seen.out_of_range[0].low is None
    assert seen.out_of_range[0].sentence == (
        "town is “Rome”, which no legitimate payment in training had."
    )
    assert found(town="Kiel").out_of_range == ()


def test_missing_values_and_features_without_a_card_are_in_neither_list():
    seen = found(quantiles={}, V4=99.0)
    assert (seen.out_of_range, seen.at_the_edge) == ((), ())
    seen = found(V4=None, V14=math.nan, town=None)
    assert (seen.out_of_range, seen.at_the_edge) == ((), ())


def test_a_constant_feature_measures_its_excess_in_its_own_unit():
    seen = found(quantiles={"V4": usual_of(np.zeros(50))}, V4=3.0)
    assert seen.out_of_range[0].excess == 3.0


def test_the_warning_says_how_far_who_is_near_what_is_new_and_how_to_read_on():
    assert warning_sentences(found(V4=10.0, town="Rome"), WORDS) == [
        "Unlike anything in training: its distance from known payments is 14, 7 times the limit "
        "of 2.",
        "The nearest known payment is row 812, which was legitimate.",
        "V4 (an anonymous component) is 10, higher than all legitimate payments in training "
        f"(typically {QUANTILES['V4']['p05']:.3g} to {QUANTILES['V4']['p95']:.3g}).".replace(
            "-", "−"
        ),
        "town is “Rome”, which no legitimate payment in training had.",
        "The model has not learned from such payments: read its probability and its reasons as a "
        "guess, and decide from the payment itself.",
    ]


def test_a_row_that_is_new_only_as_a_whole_is_said_to_be():
    told = warning_sentences(found(), WORDS)
    assert "No single feature is out of range: it is their combination that is new." in told


def never(distance=1.0, **changes):
    """A row whose town no training row had, of whatever class."""
    return unfamiliar(
        ROW | {"town": "Rome"} | changes,
        QUANTILES,
        WORDS,
        features=FEATURES,
        distance=distance,
        limit=2.0,
        nearest_id="812",
        unseen={"town": "Rome"},
    )


ROME = (
    "town is “Rome”, which no payment in training had: the model reads it as it reads a missing "
    "one."
)


def test_a_category_no_training_row_had_is_warned_of_however_near_the_row_lies():
    seen = never()
    assert not seen.is_novel
    assert [(one.feature, one.kind, one.value) for one in seen.out_of_range] == [
        ("town", "never seen", "Rome")
    ]
    assert warning_sentences(seen, WORDS) == [ROME]


def test_a_category_that_only_frauds_had_is_no_reason_to_warn_of_a_near_row():
    assert warning_sentences(found(distance=1.0, town="Rome"), WORDS) == []


def test_a_category_never_seen_is_said_once_and_before_what_is_merely_far():
    told = warning_sentences(never(distance=14.0, V4=9.0, V14=9.0, Amount=999.0), WORDS)
    assert told[2] == ROME
    assert sum("town is" in one for one in told) == 1
    assert "1 more feature is out of range." in told


def test_more_than_three_features_are_counted():
    told = warning_sentences(found(V4=9.0, V14=9.0, Amount=999.0, town="Rome"), WORDS)
    assert "1 more feature is out of range." in told
    assert sum(one.startswith(("V4", "V14", "The amount", "town")) for one in told) == 3


def test_a_known_row_gets_no_warning_even_with_a_feature_out_of_range():
    seen = found(distance=2.0, V4=10.0)
    assert not seen.is_novel
    assert warning_sentences(seen, WORDS) == []
    assert len(seen.out_of_range) == 1


def test_a_row_just_beyond_the_limit_is_said_to_be_just_over():
    assert "is 2.02, just over the limit of 2." in warning_sentences(found(2.02), WORDS)[0]


def test_a_nearest_row_without_a_label_or_none_at_all_claims_no_label():
    seen = unfamiliar(ROW, QUANTILES, WORDS, features=FEATURES, distance=3, limit=2, nearest_id="7")
    assert warning_sentences(seen, WORDS)[1] == "The nearest known payment is row 7."
    seen = unfamiliar(ROW, QUANTILES, WORDS, features=FEATURES, distance=3, limit=2)
    assert not any("nearest" in told for told in warning_sentences(seen, WORDS))


def test_a_limit_of_nothing_divides_by_nothing():
    assert found(distance=0.0, limit=0.0).ratio == 0.0
    assert found(distance=1.0, limit=0.0).ratio == math.inf


@pytest.mark.parametrize(("distance", "limit"), [(-1.0, 2.0), (math.nan, 2.0), (1.0, math.nan)])
def test_a_distance_that_is_none_is_refused(distance, limit):
    with pytest.raises(ValueError, match="not both 0 or more"):
        found(distance, limit)


def test_what_is_unfamiliar_can_be_stored_as_it_is():
    again = json.loads(json.dumps(asdict(found(V4=10.0)), allow_nan=False))
    assert again["out_of_range"][0]["feature"] == "V4"
