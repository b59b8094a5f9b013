import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.explain.fitting import forward, ridge, sums
from hitl.explain.levels import MISSING, conditions, decoded, levels_of, prepare
from hitl.explain.trust import agreement, seed_stability, verdict_of
from tests.explain.surrogate_worlds import mixed, mixed_rows, straight


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "good", "It explains 82 % of how the model's answers vary and meets its answer"),
        ({"r2": 0.6}, "good", "60 %"),
        ({"r2": 0.599}, "weak", "explains only 59 %"),
        ({"r2": 0.3}, "weak", "explains only 30 %"),
        ({"r2": 0.299}, "do not use", "explains only 29 %"),
        ({"r2": -3.0}, "do not use", "explains only 0 %"),
        ({"local": 0.74}, "weak", "off by 0.16 in probability for this very case"),
        ({"local": 0.69}, "do not use", "It is off by 0.21 in probability"),
        ({"local": 1.2}, "do not use", "off by 0.30"),
        ({"stability": 0.6}, "weak", "Another seed names other features."),
        ({"stability": 4 / 6}, "good", "82 %"),
        ({"stability": None}, "good", "82 %"),
        ({"r2": 0.5, "stability": 0.5}, "weak", "vary; another seed names other features."),
        ({"spread": 1e-7, "r2": 1.0}, "do not use", "No single feature changes"),
    ],
)
def test_the_verdict_and_its_reason_follow_the_figures(changes, verdict, words):
    figures = {"r2": 0.82, "local": 0.85, "model": 0.9, "stability": 0.8, "spread": 3.0}
    said, why = verdict_of(**(figures | changes))
    assert said == verdict
    assert words in why
    assert why.endswith(".")
    assert why[0].isupper()


def test_stability_is_what_two_seeds_have_in_common():
    weights = np.array([[5, 4, 3, 2, 1, 0.5, 0], [5, 4, 3, 2, 0.5, 1, 0.0]])
    assert seed_stability(weights) == pytest.approx(4 / 6)
    assert seed_stability(weights[[0, 0, 1]]) == pytest.approx((1 + 4 / 6 + 4 / 6) / 3)
    assert seed_stability(np.zeros((2, 3))) == 1.0
    assert seed_stability(np.array([[1.0, 0.0], [1.0, 2.0]])) == 0.5


def test_agreement_compares_ranks_and_signs_and_never_sizes():
    contributions = np.array([9.0, -8.0, 7.0, 6.0, 5.0, 0.1])
    assert agreement(contributions / 1000, contributions) == (1.0, 1.0)
    assert agreement(-contributions, contributions) == (1.0, 0.0)
    swapped = contributions[[5, 1, 2, 3, 4, 0]]
    assert agreement(swapped, contributions) == (0.8, 1.0)
    assert agreement(contributions, None) == (None, None)
    assert agreement(contributions, np.zeros(6))[1] is None


@given(st.integers(0, 10_000))
def test_the_path_ends_where_the_whole_line_is(seed):
    rng = np.random.default_rng(seed)
    coding = (rng.random((60, 4)) < 0.5).astype(float)
    answers, near = rng.normal(size=60) + coding @ rng.normal(size=4), rng.random(60)
    totals = sums(coding, answers, near)
    path = forward(totals)
    reached = [r2 for _, r2 in path]
    assert reached == sorted(reached)
    assert reached[-1] == pytest.approx(ridge(totals, 1e-9).r2, abs=1e-6)


def test_a_copy_of_a_feature_adds_nothing():
    one = np.array([[0.0], [1.0], [0.0], [1.0], [1.0]])
    coding = np.column_stack([one, one])
    path = forward(sums(coding, np.array([0.0, 2.0, 0.5, 2.5, 2.0]), np.ones(5)))
    assert [place for place, _ in path] == [0, 1]
    assert path[0][1] == path[1][1]


def test_quartiles_missing_values_and_categories_are_levels():
    face, rows = mixed(), mixed_rows()
    known = prepare(face, rows)
    assert prepare(face, known) is known
    own = known.levels
    assert set(own[:, 0]) == {MISSING, 0, 1, 2, 3}
    quarters = np.bincount(own[own[:, 0] >= 0, 0]) / (own[:, 0] >= 0).sum()
    assert quarters == pytest.approx([0.25] * 4, abs=0.03)
    assert set(own[:, 2]) == {0}
    assert levels_of(known, np.array([[np.nan, np.nan, 9.0]])).tolist() == [[MISSING, MISSING, 1]]
    assert (own[:, 1] == face.encode(rows)[:, 1]).all()


def conditions_of(face, rows, row):
    known = prepare(face, rows)
    row = np.asarray(row, dtype=float)
    return conditions(known, row, levels_of(known, row[None, :])[0])


def test_conditions_read_like_sentences():
    face = straight([1.0, 1.0, 1.0, 1.0])
    rows = np.column_stack(
        [np.arange(100) * 100.0, np.arange(100) % 2, np.zeros(100), np.full(100, np.nan)]
    )
    assert conditions_of(face, rows, [5, 1, 0, 2]) == {
        "x0": "x0 ≤ 2,480",
        "x1": "x1 = 1",
        "x2": "x2 = 0",
        "x3": "x3 known",
    }
    outside = conditions_of(face, rows, [2_478, -4, 3, np.nan])
    assert outside["x0"] == "2,475 < x0 ≤ 4,950"
    assert outside["x1"] == "x1 ≤ 0"
    assert outside["x2"] == "x2 > 0"
    assert outside["x3"] == "x3 missing"


def test_edges_have_as_many_digits_as_it_takes_to_be_true():
    face, rows = straight([1.0]), np.linspace(0.123451, 0.123459, 101)[:, None]
    edge = np.percentile(rows, 25)
    for value in (edge - 1e-6, edge, edge + 1e-9, edge + 1e-6, 0.2):
        text = conditions_of(face, rows, [value])["x0"]
        assert eval(text.replace("≤", "<="), {}, {"x0": value})
    assert conditions_of(face, rows, [edge])["x0"] == "x0 ≤ 0.1235"
    assert conditions_of(face, rows, [edge + 1e-9])["x0"] == "0.12345 < x0 ≤ 0.12346"


def test_a_row_is_written_in_its_own_values():
    face, rows = mixed(), mixed_rows()
    known = prepare(face, rows)
    assert decoded(known, np.array([41.5, 2.0, np.nan])) == {
        "age": 41.5,
        "channel": "phone",
        "same": None,
    }
    assert decoded(known, np.array([41.5, -1.0, 7.0]))["channel"] == "never seen"
