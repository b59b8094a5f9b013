import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from hitl.drift import KS, density, ks
from hitl.errors import EmptyDataError, MissingValuesError

VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(reference=VALUES, window=VALUES)
def test_the_statistic_is_the_largest_gap_counted_by_hand(reference, window):
    points = sorted({*reference, *window})
    gaps = [
        abs(
            sum(value <= point for value in reference) / len(reference)
            - sum(value <= point for value in window) / len(window)
        )
        for point in points
    ]
    found = ks(reference, window)
    assert found.statistic == pytest.approx(max(gaps), abs=1e-12)
    assert (found.n_reference, found.n_window) == (len(reference), len(window))


@pytest.mark.parametrize(("n", "m", "shift"), [(300, 40, 0.0), (12_000, 500, 0.1), (9, 1, 5.0)])
def test_ks_equals_scipy_for_exact_and_asymptotic_sizes(n, m, shift):
    rng = np.random.default_rng(1)
    reference, window = rng.normal(size=n), rng.normal(shift, size=m)
    theirs = ks_2samp(reference, window)
    assert ks(reference, window) == KS(theirs.statistic, theirs.pvalue, n, m)


def test_ks_takes_series_with_any_index():
    reference, window = pd.Series([1.0, 2.0], index=[7, 7]), pd.Series([1, 2, 9], index=[3, 1, 2])
    assert ks(reference, window).statistic == pytest.approx(1 / 3)


def test_a_gap_too_small_for_scipys_exact_formula_is_no_drift_and_no_warning():
    found = ks([0, 0, 0, 0, 0], [0, 0, 0, 0, 1])
    assert found.statistic == pytest.approx(0.2)
    assert 0.99 < found.p_value <= 1


def test_the_same_sample_has_not_moved():
    assert ks([1.0, 2.0, 2.0], [1.0, 2.0, 2.0]) == KS(0.0, 1.0, 3, 3)


@pytest.mark.parametrize(
    ("reference", "window", "part"), [([], [1.0], "reference"), ([1.0], [], "window")]
)
def test_an_empty_sample_is_refused_by_name(reference, window, part):
    with pytest.raises(EmptyDataError, match=part):
        ks(reference, window)
    with pytest.raises(EmptyDataError, match=part):
        density(reference, window)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_value_is_refused_with_its_place(bad):
    with pytest.raises(MissingValuesError, match=r"Value 1 of the window is (nan|inf)"):
        ks([1.0], [0.0, bad, bad])


def test_both_parts_share_one_axis_and_each_sums_to_one():
    rng = np.random.default_rng(2)
    table = density(rng.normal(size=500), rng.normal(4, 2, size=40), bins=12)
    reference, window = (table[table["part"] == part] for part in ("reference", "window"))
    assert list(table.columns) == ["low", "high", "share", "part"]
    assert len(reference) == len(window) == 12
    assert reference["low"].tolist() == window["low"].tolist()
    assert reference["high"].tolist()[:-1] == reference["low"].tolist()[1:]
    assert reference["share"].sum() == pytest.approx(1)
    assert window["share"].sum() == pytest.approx(1)


def test_shares_are_counts_by_hand():
    table = density([0.0, 1.0, 9.0, 10.0], [10.0], bins=2)
    assert table["share"].tolist() == [0.5, 0.5, 0.0, 1.0]
    assert table["low"].tolist() == [0.0, 5.0, 0.0, 5.0]


def test_a_weight_of_three_counts_like_three_rows():
    weighted = density(
        [0.0, 1.0], [0.5, 1.0], bins=4, reference_weight=[3, 1], window_weight=[1, 2]
    )
    repeated = density([0.0, 0.0, 0.0, 1.0], [0.5, 1.0, 1.0], bins=4)
    pd.testing.assert_frame_equal(weighted, repeated)


def test_values_that_are_all_equal_still_get_an_axis():
    table = density([2.0, 2.0], [2.0], bins=3)
    assert (table["high"] > table["low"]).all()
    assert table["share"].tolist() == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("weight", "error", "words"),
    [
        ([1.0], ValueError, "2 values but 1 weights"),
        ([1.0, -1.0], ValueError, "none may be negative"),
        ([0.0, 0.0], EmptyDataError, "sum to 0"),
        ([1.0, np.nan], MissingValuesError, "reference weight"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weight, error, words):
    with pytest.raises(error, match=words):
        density([1.0, 2.0], [1.0], reference_weight=weight)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="bins is 0"):
        density([1.0], [1.0], bins=0)
