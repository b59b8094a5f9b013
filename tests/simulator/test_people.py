"""Simulated reviewers slip, yield and tire exactly as often as planted, and it is told."""

import numpy as np
import pandas as pd
import pytest

from hitl.errors import InputError, MissingColumnsError
from hitl.simulator import ExplanationEffect, SimulatedReviewer, review, work

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


# A shift's work


def test_without_anything_new_the_work_is_the_review(rows, truth):
    harsh = SimulatedReviewer("Bo", error_rate=0.1, bias=0.2)
    worked, reviewed = work(harsh, rows, truth, seed=3), review(harsh, rows, truth, seed=3)
    for opinion in ("first", "is_positive"):
        assert worked[opinion].to_numpy(bool).tolist() == reviewed["says_positive"].tolist()
    assert worked["planted"].tolist() == reviewed["planted"].tolist()
    assert worked["is_positive"].dtype == "boolean"


def test_the_two_kinds_of_error_are_planted_apart(rows, truth):
    person = SimulatedReviewer("Ada", error_rate=0.5, false_alarms=0.04, misses=0.3)
    for found in (review(person, rows, truth), work(person, rows, truth)):
        wrong = (found["planted"] == "error").to_numpy()
        assert wrong[~truth].mean() == pytest.approx(0.04, abs=0.01)
        assert wrong[truth].mean() == pytest.approx(0.3, abs=0.03)
    assert person.errors == (0.04, 0.3)
    assert SimulatedReviewer("Bo", misses=0.2).errors == (0.05, 0.2)


def test_bias_comes_on_top_of_false_alarms(rows, truth):
    found = work(SimulatedReviewer("Ada", false_alarms=0.1, bias=0.2), rows, truth)
    south = (rows["region"] == "south").to_numpy()
    assert (found["planted"] == "bias")[south & ~truth].mean() == pytest.approx(0.2, abs=0.03)
    assert (found["planted"] == "error")[south & ~truth].mean() == pytest.approx(0.1, abs=0.02)


def test_opinions_unlike_the_flag_give_way_as_often_as_planted(rows, truth):
    flag = np.random.default_rng(2).random(N) < 0.5
    found = work(SimulatedReviewer("Ada", anchoring=0.3), rows, truth, flagged=flag)
    first, final = (found[name].to_numpy(bool) for name in ("first", "is_positive"))
    other = first != flag
    assert (final == flag)[other].mean() == pytest.approx(0.3, abs=0.02)
    assert (final == first)[~other].all()
    wrong = final != truth
    assert ((found["planted"] != "").to_numpy() == wrong).all()
    gave_way = other & (final == flag)
    assert set(found["planted"][gave_way]) == {"anchoring", ""}
    assert (found["planted"][gave_way & wrong] == "anchoring").all()


def test_nothing_shown_changes_no_opinion(rows, truth):
    found = work(SimulatedReviewer("Ada", anchoring=1.0), rows, truth)
    assert found["first"].equals(found["is_positive"])
    followed = work(SimulatedReviewer("Ada", anchoring=1.0), rows, truth, flagged=~truth)
    assert (followed["is_positive"].to_numpy(bool) == ~truth).all()


def test_errors_rise_and_times_fall_over_the_shift(rows, truth):
    minutes = np.resize(np.arange(240), N)
    tired = SimulatedReviewer("Ada", error_rate=0.05, fatigue=0.1, haste=0.2)
    found = work(tired, rows, truth, minutes=minutes)
    wrong = (found["is_positive"].to_numpy(bool) != truth).astype(float)
    slope, start = np.polyfit(minutes / 60, wrong, 1)
    assert slope == pytest.approx(0.1, abs=0.02)
    assert start == pytest.approx(0.05, abs=0.02)
    fall, _ = np.polyfit(minutes / 60, np.log(found["seconds"]), 1)
    assert np.expm1(fall) == pytest.approx(-0.2, abs=0.02)
    assert set(found["planted"]) == {"", "error", "fatigue"}
    fresh = work(tired, rows, truth)
    assert set(fresh["planted"]) == {"", "error"}
    assert (fresh["planted"] == "error").equals(found["planted"] == "error")


def test_times_are_log_normal_around_the_planted_median(rows, truth):
    seconds = work(SimulatedReviewer("Ada", seconds=20, spread=0.3), rows, truth)["seconds"]
    assert seconds.median() == pytest.approx(20, rel=0.02)
    assert np.log(seconds).std() == pytest.approx(0.3, rel=0.03)
    same = work(SimulatedReviewer("Ada", seconds=20, spread=0), rows, truth)["seconds"]
    assert same.tolist() == pytest.approx([20] * N)


def test_an_explanation_changes_errors_and_times_of_its_arm_alone(rows, truth):
    effects = {
        "shap": ExplanationEffect(errors=-0.1),
        "lime": ExplanationEffect(errors=0.1, time=1.5),
    }
    arms = np.resize(["nothing", "shap", "lime"], N)
    found = work(SimulatedReviewer("Ada", error_rate=0.15, effects=effects), rows, truth, arms=arms)
    wrong = found["is_positive"].to_numpy(bool) != truth
    for name, errors, time in (("nothing", 0.15, 30), ("shap", 0.05, 30), ("lime", 0.25, 45)):
        assert wrong[arms == name].mean() == pytest.approx(errors, abs=0.025), name
        assert found["seconds"][arms == name].median() == pytest.approx(time, rel=0.05), name
    assert (found["first"].to_numpy(bool) != truth).mean() == pytest.approx(0.15, abs=0.015)
    helped = (found["first"] != found["is_positive"]).to_numpy(bool)
    assert not helped[arms == "nothing"].any()


def test_an_explanation_cannot_take_away_more_errors_than_there_are(rows, truth):
    clear = {"shap": ExplanationEffect(errors=-0.5)}
    person = SimulatedReviewer("Ada", error_rate=0.2, effects=clear)
    found = work(person, rows, truth, arms=np.full(N, "shap"))
    assert set(found["planted"]) == {""}


def test_unsure_cases_have_no_opinion_and_nothing_planted(rows, truth):
    found = work(SimulatedReviewer("Ada", error_rate=0.2, unsure=0.1), rows, truth, flagged=truth)
    unsure = found["is_positive"].isna()
    assert unsure.mean() == pytest.approx(0.1, abs=0.01)
    assert found["first"].isna().equals(unsure)
    assert set(found["planted"][unsure]) == {""}


def test_work_does_not_depend_on_who_else_is_asked_nor_on_the_order(rows, truth):
    person = SimulatedReviewer(
        "Bo", bias=0.2, unsure=0.05, anchoring=0.4, fatigue=0.1, haste=0.1, effects=EFFECTS
    )
    rng = np.random.default_rng(5)
    shown = {
        "flagged": rng.random(N) < 0.3,
        "arms": rng.choice(["nothing", "shap"], N),
        "minutes": rng.random(N) * 200,
    }
    whole = work(person, rows, truth, seed=4, **shown)
    order = rng.permutation(N)[:100]
    part = {name: values[order] for name, values in shown.items()}
    some = work(person, rows.iloc[order], truth[order], seed=4, **part)
    pd.testing.assert_frame_equal(some, whole.iloc[order])
    one = {name: values[[7]] for name, values in shown.items()}
    alone = work(person, rows.iloc[[7]], truth[[7]], seed=4, **one)
    pd.testing.assert_frame_equal(alone, whole.iloc[[7]])
    assert not work(person, rows, truth, seed=5, **shown).equals(whole)


EFFECTS = {"shap": ExplanationEffect(errors=-0.02, time=0.9)}


def test_an_empty_shift_is_one(rows):
    found = work(SimulatedReviewer("Ada"), rows[:0], [], flagged=[], arms=[], minutes=[])
    assert found.empty
    assert list(found) == [
        "payment",
        "reviewer",
        "first",
        "is_positive",
        "seconds",
        "truth",
        "planted",
    ]


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ({"misses": 1.2}, "Something planted in Ada is no share"),
        ({"false_alarms": 0.9, "bias": 0.2}, "no share"),
        ({"anchoring": -0.1}, "no share"),
        ({"fatigue": 2}, "no share"),
        ({"haste": 1.5}, "no share"),
        ({"seconds": 0}, "takes 0 s"),
        ({"spread": -1}, "spread of -1"),
        ({"effects": {"shap": ExplanationEffect(time=0)}}, "times above 0"),
    ],
)
def test_what_cannot_be_planted_is_refused(planted, message):
    with pytest.raises(InputError, match=message):
        SimulatedReviewer("Ada", **planted)


def test_shifts_that_do_not_fit_their_cases_are_refused(rows, truth):
    person = SimulatedReviewer("Ada")
    for name, noun in (("flagged", "flags"), ("arms", "arms"), ("minutes", "minutes")):
        with pytest.raises(InputError, match=f"2 {noun} for 8000 rows"):
            work(person, rows, truth, **{name: [1, 0]})
    with pytest.raises(InputError, match="minute of the shift is below 0"):
        work(person, rows[:2], truth[:2], minutes=[-1, 3])
    with pytest.raises(MissingColumnsError, match="payment"):
        work(person, rows[["region"]], truth)
