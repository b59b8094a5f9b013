"""Simulated reviewers slip and are unfair exactly as often as planted, and it is told."""

import numpy as np
import pandas as pd
import pytest

from hitl.errors import InputError, MissingColumnsError
from hitl.simulator import SimulatedReviewer, review

N = 8_000


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    region = np.resize(["south", "north", "east", "west"], N)
    return pd.DataFrame({"payment": np.arange(N), "region": region})


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.random.default_rng(0).random(N) < 0.3


def test_a_reviewer_without_fault_says_the_truth(rows, truth):
    found = review(SimulatedReviewer("Ada", error_rate=0), rows, truth)
    assert (found["says_positive"] == truth).all()
    assert set(found["planted"]) == {""}
    assert set(found["reviewer"]) == {"Ada"}


def test_errors_are_as_frequent_as_planted_on_both_sides(rows, truth):
    found = review(SimulatedReviewer("Ada", error_rate=0.1), rows, truth)
    wrong = found["says_positive"] != found["truth"]
    for side in (True, False):
        assert wrong[truth == side].mean() == pytest.approx(0.1, abs=0.015)
    assert (wrong == (found["planted"] == "error")).all()


def test_bias_turns_legitimate_cases_of_the_group_alone(rows, truth):
    harsh = SimulatedReviewer("Bo", error_rate=0.05, bias=0.2)
    found = review(harsh, rows, truth)
    biased = found["planted"] == "bias"
    south = (rows["region"] == "south").to_numpy()
    assert biased[south & ~truth].mean() == pytest.approx(0.2, abs=0.03)
    assert not biased[~south | truth].any()
    assert (found["says_positive"] != found["truth"]).equals(found["planted"] != "")


def test_a_verdict_does_not_depend_on_who_else_is_asked(rows, truth):
    harsh = SimulatedReviewer("Bo", error_rate=0.2, bias=0.3)
    whole = review(harsh, rows, truth, seed=4)
    order = np.random.default_rng(1).permutation(N)[:200]
    part = review(harsh, rows.iloc[order], truth[order], seed=4)
    pd.testing.assert_frame_equal(part, whole.iloc[order])
    alone = [review(harsh, rows.iloc[[i]], truth[[i]], seed=4) for i in order[:20]]
    pd.testing.assert_frame_equal(pd.concat(alone), whole.iloc[order[:20]])


def test_seeds_and_names_slip_independently(rows, truth):
    one = review(SimulatedReviewer("Ada", error_rate=0.1), rows, truth)["planted"] != ""
    for other in (
        review(SimulatedReviewer("Bo", error_rate=0.1), rows, truth),
        review(SimulatedReviewer("Ada", error_rate=0.1), rows, truth, seed=1),
    ):
        both = (one & (other["planted"] != "")).mean()
        assert both == pytest.approx(0.01, abs=0.006)


def test_cases_of_the_stream_have_another_id(rows, truth):
    cases = rows.rename(columns={"payment": "instance_id"}).head(5)
    found = review(SimulatedReviewer("Ada"), cases, truth[:5], id_column="instance_id")
    assert found["instance_id"].tolist() == [0, 1, 2, 3, 4]
    empty = review(SimulatedReviewer("Ada"), rows[:0], [])
    assert empty.empty


def test_what_cannot_be_decided_is_refused(rows, truth):
    with pytest.raises(InputError, match=r"0\.7 and a bias of 0\.4"):
        SimulatedReviewer("Ada", error_rate=0.7, bias=0.4)
    with pytest.raises(InputError, match=r"error rate of -0\.1"):
        SimulatedReviewer("Ada", error_rate=-0.1)
    with pytest.raises(InputError, match="3 truths for 8000 rows"):
        review(SimulatedReviewer("Ada"), rows, [0, 0, 1])
    with pytest.raises(MissingColumnsError, match="region"):
        review(SimulatedReviewer("Ada", bias=0.1), rows[["payment"]], truth)
    with pytest.raises(MissingColumnsError, match="payment"):
        review(SimulatedReviewer("Ada"), rows[["region"]], truth)
