"""Exact comparisons are those of SciPy and of tables that can be enumerated."""

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binom, fisher_exact

from hitl.agreement.exact import (
    FUNNEL,
    adjusted_difference,
    conditional_p,
    funnel_limits,
    tables,
)
from hitl.errors import InputError
from hitl.fairness import newcombe

ADMISSIONS = np.array([[[8, 5], [6, 9]], [[2, 7], [1, 8]], [[12, 3], [9, 6]]])
"""Three strata: events and others in a group, and outside it."""


def counts(strata: np.ndarray) -> np.ndarray:
    inside, outside = strata[:, 0], strata[:, 1]
    columns = (inside[:, 0], inside.sum(axis=1), outside[:, 0], outside.sum(axis=1))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("seed", range(20))
def test_with_one_stratum_the_test_is_fishers(seed):
    table = np.random.default_rng(seed).integers(0, 30, size=(2, 2))
    assert conditional_p(counts(table[None])) == pytest.approx(fisher_exact(table).pvalue)


def test_with_several_strata_it_is_the_sum_over_all_tables_with_these_margins():
    chances: dict[int, float] = {}
    ranges = []
    for (a, b), (c, d) in ADMISSIONS:
        n, m, events = a + b, c + d, a + c
        whole = comb(n + m, events)
        ranges.append(
            [(k, comb(n, k) * comb(m, events - k) / whole) for k in range(events + 1) if k <= n]
        )
    for cells in product(*ranges):
        total = sum(k for k, _ in cells)
        chances[total] = chances.get(total, 0) + np.prod([chance for _, chance in cells])
    seen = chances[int(ADMISSIONS[:, 0, 0].sum())]
    expected = sum(chance for chance in chances.values() if chance <= seen * (1 + 1e-7))
    assert conditional_p(counts(ADMISSIONS)) == pytest.approx(expected)


def test_strata_without_the_other_side_or_without_events_say_nothing():
    more = np.vstack([counts(ADMISSIONS), [[3, 9, 0, 0]], [[0, 5, 0, 7]], [[0, 0, 0, 0]]])
    assert conditional_p(more) == pytest.approx(conditional_p(counts(ADMISSIONS)))
    assert adjusted_difference(more[:4]) == adjusted_difference(counts(ADMISSIONS))
    assert conditional_p(np.zeros((0, 4), dtype=int)) == 1
    assert np.isnan(adjusted_difference(np.array([[3, 9, 0, 0]]))).all()


def test_the_test_does_not_ask_which_side_is_called_the_group():
    table = counts(ADMISSIONS)
    assert conditional_p(table) == pytest.approx(conditional_p(table[:, [2, 3, 0, 1]]))


def test_mantel_and_haenszels_difference_by_hand():
    # weights 13·15/28, 9·9/18, 15·15/30; differences 8/13 − 6/15, 2/9 − 1/9, 12/15 − 9/15
    weight = np.array([13 * 15 / 28, 9 * 9 / 18, 15 * 15 / 30])
    apart = np.array([8 / 13 - 6 / 15, 1 / 9, 3 / 15])
    value, others, difference, low, high = adjusted_difference(counts(ADMISSIONS))
    assert difference == pytest.approx(weight @ apart / weight.sum())
    assert value - others == pytest.approx(difference)
    assert low < difference < high


def test_one_stratum_gives_newcombes_interval():
    _, _, *found = adjusted_difference(np.array([[56, 70, 48, 80]]))
    assert found == pytest.approx(newcombe((56, 70), (48, 80)))


def test_no_event_at_all_is_no_certainty():
    _, _, difference, low, high = adjusted_difference(np.array([[0, 40, 0, 40], [0, 20, 0, 10]]))
    assert difference == 0
    assert low < -0.05
    assert high > 0.05


def test_confounding_by_the_stratum_is_taken_away():
    # The group has high scores more often; within a score nothing differs.
    table = np.array([[40, 80, 10, 20], [2, 20, 8, 80]])
    assert adjusted_difference(table)[2] == pytest.approx(0)
    assert conditional_p(table) == pytest.approx(1)
    assert conditional_p(table.sum(axis=0, keepdims=True)) < 0.001


def test_the_adjusted_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    n, m = np.array([60, 25, 10]), np.array([20, 50, 40])
    rates, extra = np.array([0.02, 0.1, 0.4]), 0.08
    events = rng.binomial(n, rates + extra, size=(1_500, 3))
    others = rng.binomial(m, rates, size=(1_500, 3))
    inside = 0
    for a, b in zip(events, others, strict=True):
        _, _, _, low, high = adjusted_difference(np.stack([a, n, b, m], axis=1))
        inside += low <= extra <= high
    assert inside / 1_500 > 0.94


def test_the_exact_test_holds_its_level_with_few_cases():
    rng = np.random.default_rng(0)
    n, m, rates = np.array([8, 5, 12]), np.array([30, 10, 6]), np.array([0.05, 0.2, 0.5])
    found = 0
    for _ in range(1_500):
        found += (
            conditional_p(np.stack([rng.binomial(n, rates), n, rng.binomial(m, rates), m], 1))
            <= 0.05
        )
    assert found / 1_500 <= 0.05 + 2 * (0.05 * 0.95 / 1_500) ** 0.5


def test_counting_by_stratum():
    inside = np.array([True, True, False, False, True])
    events = np.array([True, False, True, False, True])
    assert tables(inside, events, np.array([0, 0, 0, 1, 2])).tolist() == [
        [1, 2, 1, 1],
        [0, 0, 0, 1],
        [1, 1, 0, 0],
    ]
    assert tables(*(np.zeros(0, dtype=bool),) * 2, np.zeros(0, dtype=int)).shape == (0, 4)


@pytest.mark.parametrize(("rate", "n"), [(0.1, 50), (0.02, 400), (0.5, 33), (0.0, 20), (1.0, 20)])
def test_the_funnel_leaves_at_most_one_in_a_thousand_beyond_each_limit(rate, n):
    expected, low, high = funnel_limits(np.array([rate]), np.array([n]))
    below, above = round(low * n), round(high * n)
    assert expected == rate
    beyond = (1 - FUNNEL) / 2
    assert binom.cdf(below - 1, n, rate) <= beyond < binom.cdf(below, n, rate)
    assert binom.sf(above, n, rate) <= beyond
    assert above == 0 or binom.sf(above - 1, n, rate) > beyond


def test_the_funnel_of_several_strata_is_that_of_their_sum():
    rates, cases = np.array([0.1, 0.6]), np.array([60, 20])
    expected, low, high = funnel_limits(rates, cases)
    assert expected == pytest.approx((6 + 12) / 80)
    drawn = np.random.default_rng(0).binomial(cases, rates, size=(200_000, 2)).sum(axis=1) / 80
    assert (drawn < low).mean() <= 0.0012
    assert (drawn > high).mean() <= 0.0012
    assert np.isnan(funnel_limits(rates, np.array([0, 0]))).all()
    with pytest.raises(InputError, match=r"A rate is 1\.2"):
        funnel_limits(np.array([1.2]), np.array([4]))
